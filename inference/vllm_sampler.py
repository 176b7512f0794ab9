"""The canonical sampler as a vLLM logits processor (V1 model runner).

vLLM runs at temperature 0 and samples nothing. After the grammar mask this processor
leaves one finite logit per row: the canonical choice. Parameters travel per request in
`SamplingParams.extra_args["affiant"]`; requests without them, or with anything that
would run after or beside the sampler, are refused before they start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from vllm import SamplingParams
from vllm.v1.sample.logits_processor import (
    BatchUpdate,
    LogitsProcessor,
    MoveDirectionality,
)

from affiant.encoding import JsonValue, from_hex, to_hex
from affiant.errors import MalformedError
from affiant.inference.candidates import UNITS_LIMIT, Offered, keep_largest
from affiant.inference.errors import LogitsInvalidError, SamplingUnsupportedError
from affiant.inference.sampler import Draw, choose_offered, choose_tokens
from affiant.inference.sampler_reference import GAP_UNITS, TOP_K, UNITS
from affiant.inference.sampling import Sampling, check_seed

if TYPE_CHECKING:
    from vllm.config import VllmConfig

EXTRA_ARGS_KEY = "affiant"
"""Key of our parameters in `SamplingParams.extra_args`."""

_FREE = frozenset(
    {
        "max_tokens",
        "stop_token_ids",
        "structured_outputs",
        "extra_args",
        # What is returned, not what is chosen.
        "detokenize",
        "skip_special_tokens",
        "spaces_between_special_tokens",
        "include_stop_str_in_output",
        "output_kind",
        "stream_interval",
        "skip_clone",
        # What is read instead of computed; generations are checked afterwards.
        "skip_reading_prefix_cache",
        "output_text_buffer_length",
        "logprobs",
        "prompt_logprobs",
        "flat_logprobs",
    }
)
"""Parameters that a request may set; every other one must have its default, so that a
parameter of a later vLLM is refused until it was looked at."""


@dataclass(frozen=True)
class RequestSampling:
    """What the sampler needs to know of one request."""

    sampling: Sampling
    """Greedy or a rational temperature."""
    seed: bytes | None
    """32 bytes where a temperature is set."""
    prefix: tuple[int, ...]
    """Output ids that are forced before the sampler decides."""
    start: int
    """Output position of the first of them; what lies before is in the prompt."""

    def to_extra_args(self) -> dict[str, JsonValue]:
        """Return the parameters as they travel in `extra_args`."""
        return {
            EXTRA_ARGS_KEY: {
                "sampling": self.sampling.to_json(),
                "seed": None if self.seed is None else to_hex(self.seed),
                "prefix": list(self.prefix),
                "start": self.start,
            }
        }

    @classmethod
    def from_params(cls, params: SamplingParams) -> RequestSampling:
        """Parse a request's parameters.

        Raises:
            SamplingUnsupportedError: ours are missing, or another one is not neutral.
            MalformedError: ours are not well formed.
        """
        neutral = SamplingParams(temperature=0.0)
        for name in SamplingParams.__struct_fields__:
            value, expected = getattr(params, name), getattr(neutral, name)
            if name in _FREE or name.startswith("_") or value == expected:
                continue
            if name == "watermarking" and value is False:
                continue  # what vLLM itself makes of the default, without a watermark
            raise SamplingUnsupportedError(
                name, got=repr(value)[:80], expected=repr(expected)
            )
        value = (params.extra_args or {}).get(EXTRA_ARGS_KEY)
        if not isinstance(value, Mapping) or set(value) != {
            "sampling",
            "seed",
            "prefix",
            "start",
        }:
            raise SamplingUnsupportedError(
                EXTRA_ARGS_KEY,
                got=repr(value)[:80],
                expected="sampling, seed, prefix and start in extra_args",
            )
        prefix = value["prefix"]
        if not isinstance(prefix, list) or not all(
            type(token) is int and token >= 0 for token in prefix
        ):
            raise MalformedError(
                "prefix", got=repr(prefix)[:80], expected="a list of token ids"
            )
        start = value["start"]
        if type(start) is not int or not 0 <= start < 2**31:
            raise MalformedError(
                "start", got=repr(start)[:80], expected="an output position"
            )
        sampling = Sampling.from_json(value["sampling"])
        seed = None if value["seed"] is None else from_hex(value["seed"], what="seed")
        check_seed(seed, sampling=sampling)
        return cls(sampling=sampling, seed=seed, prefix=tuple(prefix), start=start)


@dataclass(frozen=True)
class _Row:
    request: RequestSampling
    output: list[int]
    """vLLM's own list of the output so far; it grows as tokens are chosen."""


class CanonicalLogitsProcessor(LogitsProcessor):  # type: ignore[misc]  # untyped base
    """Leaves exactly the canonical token's logit finite in every row."""

    @classmethod
    def validate_params(cls, sampling_params: SamplingParams) -> None:
        """Refuse a request that the canonical sampler does not cover.

        Raises:
            ValueError: as vLLM expects it; chained to our own error.
        """
        try:
            RequestSampling.from_params(sampling_params)
        except (SamplingUnsupportedError, MalformedError) as error:
            raise ValueError(str(error)) from error

    def __init__(
        self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool
    ) -> None:
        """Start with an empty batch; the signature is vLLM's."""
        self._rows: dict[int, _Row] = {}

    def is_argmax_invariant(self) -> bool:
        """Return false: the argmax is the whole point."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follow requests as vLLM adds, removes and moves them in its batch."""
        if batch_update is None:
            return
        # vLLM's order: removed, added, moved. An added request may take a slot that
        # was just freed, and a move may take the slot of a request that left.
        for index in batch_update.removed:
            self._rows.pop(index, None)
        for index, params, _, output in batch_update.added:
            self._rows[index] = _Row(RequestSampling.from_params(params), output)
        for source, target, direction in batch_update.moved:
            moved = self._rows.pop(source, None)
            replaced = self._rows.pop(target, None)
            if moved is not None:
                self._rows[target] = moved
            if direction == MoveDirectionality.SWAP and replaced is not None:
                self._rows[source] = replaced

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Return `logits`, (batch, vocab) float32, with one finite value per row.

        Raises:
            LogitsInvalidError: a row cannot be quantised or allows nothing.
            RuntimeError: a row without a request; vLLM and we have lost step.
        """
        tokens = np.zeros(len(logits), dtype=np.int64)
        free: list[int] = []
        draws: list[Draw] = []
        for index in range(len(logits)):
            row = self._rows.get(index)
            if row is None:
                raise RuntimeError(f"row {index} of the batch has no request")
            position = len(row.output)
            if position < len(row.request.prefix):
                tokens[index] = row.request.prefix[position]
                continue
            free.append(index)
            draws.append(
                Draw(
                    row.request.sampling,
                    seed=row.request.seed,
                    position=row.request.start + position,
                )
            )
        if free:
            rows = logits if len(free) == len(logits) else logits[free]
            # On a CPU numpy waits for no threads; on an accelerator only what may be
            # a candidate leaves it.
            tokens[free] = _choose(rows, draws)
        logits.fill_(-torch.inf)
        chosen = torch.from_numpy(tokens).to(logits.device)
        logits.scatter_(1, chosen[:, None], 0.0)
        return logits


def _choose(logits: torch.Tensor, draws: list[Draw]) -> NDArray[np.int64]:
    """Return the canonical token of each row.

    A row that allows nothing (a grammar without a way on) gets a token that its grammar
    refuses: vLLM then ends that request alone, and the self-check names what happened.

    Raises:
        LogitsInvalidError: a row cannot be quantised.
    """
    try:
        if logits.device.type == "cpu":
            return choose_tokens(logits.numpy(), draws)
        positions = [draw.position for draw in draws]
        return choose_offered(offer_on_device(logits, positions=positions), draws)
    except LogitsInvalidError:
        dead = (logits == -torch.inf).all(dim=1)
        if not bool(dead.any()):
            raise
        tokens = np.zeros(len(draws), dtype=np.int64)
        alive = (~dead).cpu().numpy()
        if alive.any():
            left = [draw for draw, lives in zip(draws, alive, strict=True) if lives]
            tokens[alive] = _choose(logits[~dead], left)
        return tokens


def offer_on_device(logits: torch.Tensor, *, positions: Sequence[int]) -> Offered:
    """Return the candidates of each row of `logits`, (batch, vocab), on an accelerator.

    The same as `affiant.inference.sampler.offer`; only what may be a candidate leaves
    the device.

    Raises:
        LogitsInvalidError: an allowed logit is not finite or oversized, or none is
            left. The mask is minus infinity, as vLLM's grammar writes it.
    """
    scaled = torch.round(logits.to(torch.float32) * UNITS)
    fine = (scaled.abs() < UNITS_LIMIT) | (logits == -torch.inf)
    best = scaled.amax(dim=1)
    usable = fine.all(dim=1) & (best > -torch.inf)
    if not bool(usable.all()):
        raise LogitsInvalidError(
            positions[int(torch.argmin(usable.to(torch.int8)))],
            got="NaN, infinite or no logits",
            expected="a finite logit per row",
        )
    # Ties at the last place may make them more than `TOP_K`, never fewer.
    top = torch.topk(scaled, min(TOP_K, scaled.shape[1]), dim=1, sorted=False).values
    # Below 2^24 units the gap's end may fall between two float32: the upper one counts.
    end = best.double() - GAP_UNITS
    near = end.float()
    near = torch.where(near < end, torch.nextafter(near, best), near)
    floor = torch.maximum(top.amin(dim=1), near)
    rows, ids = torch.nonzero(scaled >= floor[:, None], as_tuple=True)
    return keep_largest(
        ids.cpu().numpy(),
        scaled[rows, ids].to(torch.int64).cpu().numpy(),
        torch.bincount(rows, minlength=len(scaled)).cpu().numpy(),
        width=scaled.shape[1],
    )
