"""Asking a node for a decision, and refusing every answer but the one asked for.

The node is not trusted. This module decides that an answer came in time and size, is an
intact and signed bundle, and is of the mandate, slot, program, model, engine, gate and
chain that were asked for, by a key that the mandate permits. It does not decide that
the content is right: that is re-derived by `affiant.agents.running.check`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from affiant.agents.errors import (
    NodeRefusedError,
    NodeUnavailableError,
    WrongDecisionError,
)
from affiant.agents.nodes.node_info import NodeInfo
from affiant.agents.nodes.refusal_words import words_of_refusal
from affiant.encoding import (
    canonical_json,
    parse_json,
    to_hex,
)
from affiant.errors import MalformedError
from affiant.http_exchange import HttpEndpoint
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_check import verify_evidence
from affiant.onchain.evidence_frame import MAX_PLAIN_BYTES
from affiant.onchain.mandate import Address, Mandate
from affiant.onchain.permitted import may_permit

MAX_SMALL_BYTES = 64 * 1024
"""Largest answer accepted where no bundle is expected, in bytes."""

_TIMING = re.compile(r"([a-z_]{1,32});dur=([0-9]{1,9}(?:\.[0-9]{1,6})?)")


@dataclass(frozen=True)
class NodeAnswer:
    """A decision as asked for, intact and signed; its content is not checked yet."""

    bundle: EvidenceBundle
    seconds: Mapping[str, float]
    """Seconds per phase in the node, as it tells them (unsworn)."""


class NodeClient:
    """One node's HTTP endpoint."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float,
        max_bytes: int = MAX_PLAIN_BYTES,
    ) -> None:
        """Remember where the node is; connects at the first question.

        Args:
            url: such as `http://127.0.0.1:8700`.
            timeout: longest wait for a whole answer, in seconds.
            max_bytes: largest bundle accepted, in bytes.

        Raises:
            ValueError: `url` is no `http://HOST` or `https://HOST` address.
        """
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._http = HttpEndpoint(self.url, timeout=timeout)

    def node(self) -> NodeInfo:
        """Ask what the node serves.

        Raises:
            NodeUnavailableError: no answer in time.
            NodeRefusedError: it refused.
            MalformedError: the answer is not of the expected form.
        """
        _, body = self._ask("GET", "/v1/node", limit=MAX_SMALL_BYTES)
        value = parse_json(body, what="node", max_bytes=MAX_SMALL_BYTES)
        return NodeInfo.from_json(value)

    def decide(
        self, mandate: Mandate, *, slot: int, chain_id: int, gate: Address
    ) -> NodeAnswer:
        """Ask for the decision of `mandate` in `slot`.

        1. the answer comes in time and within the size limit;
        2. it is an intact, signed bundle;
        3. of this chain, gate, mandate, program and slot;
        4. by a key that the mandate permits;
        5. with at least one inference, all by the mandate's model and engine.

        Raises:
            NodeUnavailableError: no whole answer in time, or a server error.
            NodeRefusedError: the node refused; nothing was signed for us.
            WrongDecisionError: 3 to 5 fail; names the field.
            EvidenceError, MalformedError: 2 fails.
        """
        # 1.
        question = canonical_json({"mandate": mandate.to_json(), "slot": slot})
        headers, body = self._ask(
            "POST", "/v1/decide", body=question, limit=self._max_bytes
        )
        # 2.
        bundle = EvidenceBundle.from_plain(body)
        verify_evidence(bundle)
        # 3. to 5.
        check_asked(bundle, mandate=mandate, slot=slot, chain_id=chain_id, gate=gate)
        return NodeAnswer(bundle, _timings(headers.get("server-timing", "")))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _ask(
        self, method: str, path: str, *, limit: int, body: bytes = b""
    ) -> tuple[Mapping[str, str], bytes]:
        try:
            answer = self._http.exchange(method, path=path, body=body, max_bytes=limit)
        except TimeoutError as error:
            raise self._unavailable(
                f"got no whole answer, expected one within {self._timeout:g} s"
            ) from error
        except ConnectionError as error:
            raise self._unavailable(str(error)) from error
        if answer.status != 200:
            raise self._refusal(answer.status, answer.content)
        if len(answer.content) > limit:
            raise MalformedError(
                f"answer of node {self.url}",
                got=f"more than {limit} bytes",
                expected=f"at most {limit} bytes",
            )
        return answer.headers, answer.content

    def _refusal(
        self, status: int, body: bytes
    ) -> NodeRefusedError | NodeUnavailableError:
        told = words_of_refusal(body)
        if 400 <= status < 500 and status != 429:
            return NodeRefusedError(
                status=status, error=told.error, message=told.message
            )
        return self._unavailable(f"status {status}: {told.error}: {told.message}")

    def _unavailable(self, reason: str) -> NodeUnavailableError:
        return NodeUnavailableError(self.url, reason=reason)


def check_asked(
    bundle: EvidenceBundle,
    *,
    mandate: Mandate,
    slot: int,
    chain_id: int,
    gate: Address,
) -> None:
    """Refuse a bundle that is not the decision asked for.

    Raises:
        WrongDecisionError: names the first field that differs.
    """
    decision = bundle.decision
    for field, got, expected in (
        ("chain id", str(bundle.chain_id), str(chain_id)),
        ("gate", bundle.gate, gate),
        ("mandate", to_hex(decision.mandate), to_hex(mandate.id)),
        ("program", to_hex(decision.program), to_hex(mandate.program)),
        ("slot", str(decision.slot), str(slot)),
    ):
        if got != expected:
            raise WrongDecisionError(field, got=got, expected=expected)
    # Of an attested key, the gate says whether it is: it is asked before gas is paid.
    if not may_permit(mandate, bundle.node):
        permitted = [permit.key for permit in mandate.nodes]
        raise WrongDecisionError(
            "node", got=bundle.node, expected=f"one of {permitted}"
        )
    if not bundle.receipts:
        raise WrongDecisionError("receipts", got="none", expected="at least one")
    for index, receipt in enumerate(bundle.receipts):
        for field, digest, wanted in (
            ("model", receipt.model, mandate.model),
            ("engine", receipt.engine, mandate.engine),
        ):
            if digest != wanted:
                raise WrongDecisionError(
                    f"receipts[{index}].{field}",
                    got=to_hex(digest),
                    expected=to_hex(wanted),
                )


def _timings(header: str) -> Mapping[str, float]:
    """Read a `Server-Timing` header; what does not parse is left out: it is a hint."""
    found = _TIMING.findall(header[:2048])
    return MappingProxyType({name: float(value) / 1000 for name, value in found})
