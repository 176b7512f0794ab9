"""A sworn completion: what a node's key states about one answer, byte for byte.

It carries everything that a verifier must not be fooled about, and the evidence behind
it. It decides that the parts hash to each other and whose key signed; never whether
that key is trusted, and never whether what it swore is true (a replay does).

    digest = keccak256("affiant-completion/1" ‖ id ‖ uint64 created ‖ receipt
        ‖ uint32 numerator ‖ uint32 denominator ‖ seed ‖ schema ‖ uint32 max tokens
        ‖ uint32 prompt tokens ‖ uint32 output tokens ‖ text ‖ uint8 finished
        ‖ uint32 window ‖ uint32 rollbacks ‖ uint32 prefills)

    id          16 bytes, the end of the answer's `id`
    receipt     192 bytes; its `request` is of the served body's canonical JSON
    temperature numerator and denominator in lowest terms; 0 and 1 when greedy
    seed        32 bytes; zeros when greedy
    schema      keccak256 of the schema's canonical JSON; zeros for free text
    text        keccak256 of the answer's text in UTF-8
    window      tokens between two releases; 0 where nothing was released early

No EIP-712 digest begins like this one, so no completion is ever taken for a decision.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from affiant.encoding import (
    ZERO_DIGEST,
    Digest,
    JsonValue,
    canonical_json,
    digest_from_hex,
    keccak256,
    to_hex,
)
from affiant.errors import MalformedError
from affiant.inference.chat.fields import (
    bytes_field,
    flag_field,
    ids_field,
    natural_field,
)
from affiant.inference.errors import ReceiptMismatchError
from affiant.inference.manifest import EngineManifest
from affiant.inference.receipt import InferenceReceipt, tokens_hash
from affiant.inference.replay import SwornInference
from affiant.inference.sampling import Sampling, check_seed
from affiant.inference.trace import Trace
from affiant.signature import (
    SIGNATURE_BYTES,
    Address,
    parse_address,
    recover_signer,
)

FORMAT = "affiant-completion/1"
"""Format tag, in the JSON and at the beginning of what is signed."""
ID_BYTES = 16
"""Length of the number that tells two answers to one request apart."""
ID_PREFIX = "chatcmpl-"
"""What OpenAI's ids of completions begin with."""

_FIELDS = frozenset(
    "format id created key receipt promptIds outputIds trace sampling seed schema "
    "maxTokens text finished selfCheck manifest signature".split()
)


@dataclass(frozen=True)
class SelfCheck:
    """How the node checked itself; sworn, and not checkable from outside."""

    window: int | None
    """Tokens between two releases; `None` where nothing was released early."""
    rollbacks: int
    """How often the generation was corrected."""
    prefills: int
    """How many canonical prefills it took."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the counts by name."""
        return {
            "window": self.window,
            "rollbacks": self.rollbacks,
            "prefills": self.prefills,
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> SelfCheck:
        """Parse hostile JSON.

        Raises:
            MalformedError: not exactly the three counts.
        """
        names = ("window", "rollbacks", "prefills")
        if not isinstance(value, dict) or sorted(value) != sorted(names):
            raise MalformedError(
                "completion.selfCheck", got=repr(value)[:80], expected=f"fields {names}"
            )
        window = (
            None if value["window"] is None else natural_field(value, "window", bits=31)
        )
        if window == 0:
            raise MalformedError(
                "completion.window", got="0", expected="null or a positive integer"
            )
        return cls(
            window=window,
            rollbacks=natural_field(value, "rollbacks", bits=31),
            prefills=natural_field(value, "prefills", bits=31),
        )


@dataclass(frozen=True)
class Completion:
    """One sworn answer, without its text; as read, nothing of it is believed."""

    id: bytes
    """16 bytes."""
    created: int
    """When the request came, in unix seconds; the node's clock."""
    key: Address
    """Whose signature it is said to be."""
    receipt: InferenceReceipt
    """Model, engine, request, prompt, output and trace."""
    prompt_ids: tuple[int, ...]
    """Token ids that the messages were rendered to."""
    output_ids: tuple[int, ...]
    """Token ids of the answer, the end token included where one was reached."""
    trace: Trace
    """What each token was chosen from."""
    sampling: Sampling
    """How tokens were chosen."""
    seed: bytes | None
    """32 bytes where there is a temperature."""
    schema: JsonValue | None
    """Schema of the answer; `None` for free text."""
    max_tokens: int
    """Most tokens that the answer could have."""
    text: Digest
    """keccak256 of the answer's text."""
    finished: bool
    """Whether it ends with an end token, rather than for want of room."""
    self_check: SelfCheck
    """How the node checked itself."""
    manifest: EngineManifest
    """The engine; its hash is the receipt's `engine`."""
    signature: bytes
    """65 bytes over `digest`."""

    @property
    def name(self) -> str:
        """OpenAI's `id` of the answer."""
        return ID_PREFIX + self.id.hex()

    @property
    def digest(self) -> Digest:
        """What the node signs; the header says how it is made."""
        temperature = self.sampling.temperature
        terms = (0, 1) if temperature is None else temperature.as_integer_ratio()
        check = self.self_check
        return keccak256(
            FORMAT.encode()
            + self.id
            + self.created.to_bytes(8, "big")
            + self.receipt.encode()
            + _words(*terms)
            + (ZERO_DIGEST if self.seed is None else self.seed)
            + schema_hash(self.schema)
            + _words(self.max_tokens, len(self.prompt_ids), len(self.output_ids))
            + self.text
            + bytes([self.finished])
            + _words(check.window or 0, check.rollbacks, check.prefills)
        )

    @property
    def sworn(self) -> SwornInference:
        """The inference as a replay takes it."""
        return SwornInference(
            receipt=self.receipt,
            prompt_ids=self.prompt_ids,
            output_ids=self.output_ids,
            trace=self.trace,
            schema=self.schema,
            sampling=self.sampling,
            seed=self.seed,
            max_tokens=self.max_tokens,
        )

    def signed(self, signature: bytes) -> Completion:
        """Return the same completion under `signature`."""
        return replace(self, signature=signature)

    def check(self) -> None:
        """Refuse a completion whose parts do not belong together, or are not signed.

        Raises:
            ReceiptMismatchError: as `check_parts`.
            MalformedError: as `check_parts` and `check_signature`.
        """
        self.check_parts()
        self.check_signature()

    def check_parts(self) -> None:
        """Refuse ids, a trace or a manifest that the receipt does not name.

        Raises:
            ReceiptMismatchError: ids, trace or manifest do not hash to the receipt.
            MalformedError: the trace is of other tokens.
        """
        for field, got in (
            ("engine", self.manifest.hash),
            ("prompt", tokens_hash(self.prompt_ids)),
            ("output", tokens_hash(self.output_ids)),
            ("trace", self.trace.root),
        ):
            expected = getattr(self.receipt, field)
            if got != expected:
                raise ReceiptMismatchError(
                    field, got=to_hex(got), expected=to_hex(expected)
                )
        if tuple(entry.token for entry in self.trace.entries) != self.output_ids:
            raise MalformedError(
                "completion.trace", got="other tokens", expected="the output's"
            )

    def check_signature(self) -> None:
        """Refuse what the stated key did not sign.

        Raises:
            MalformedError: the signature is another key's, or none at all.
        """
        signer = recover_signer(self.digest, signature=self.signature)
        if signer != self.key:
            raise MalformedError(
                "completion.signature", got=f"one of {signer}", expected=self.key
            )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the completion as it rides along an answer."""
        return {
            "format": FORMAT,
            "id": to_hex(self.id),
            "created": self.created,
            "key": self.key,
            "receipt": self.receipt.to_json(),
            "promptIds": list(self.prompt_ids),
            "outputIds": list(self.output_ids),
            "trace": self.trace.to_json(),
            "sampling": self.sampling.to_json(),
            "seed": None if self.seed is None else to_hex(self.seed),
            "schema": self.schema,
            "maxTokens": self.max_tokens,
            "text": to_hex(self.text),
            "finished": self.finished,
            "selfCheck": self.self_check.to_json(),
            "manifest": self.manifest.to_json(),
            "signature": to_hex(self.signature),
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> Completion:
        """Parse a completion from hostile JSON; its parts are not checked yet.

        Raises:
            MalformedError: a field is missing, unknown or not what it should be.
            SamplingUnsupportedError: a sampling that no sampler of ours has.
        """
        if not isinstance(value, dict) or set(value) != _FIELDS:
            got = sorted(value) if isinstance(value, dict) else type(value).__name__
            raise MalformedError(
                "completion", got=f"{got}"[:300], expected=f"fields {sorted(_FIELDS)}"
            )
        if value["format"] != FORMAT:
            raise MalformedError(
                "completion.format", got=repr(value["format"])[:80], expected=FORMAT
            )
        sampling = Sampling.from_json(value["sampling"])
        seed = None if value["seed"] is None else bytes_field(value, "seed", length=32)
        check_seed(seed, sampling=sampling)
        if sampling.temperature is None and seed is not None:
            raise MalformedError(
                "completion.seed", got="a seed", expected="none: it is greedy"
            )
        schema_hash(value["schema"])
        return cls(
            id=bytes_field(value, "id", length=ID_BYTES),
            created=natural_field(value, "created", bits=53),
            key=parse_address(value["key"], what="completion.key"),
            receipt=InferenceReceipt.from_json(value["receipt"]),
            prompt_ids=ids_field(value, "promptIds"),
            output_ids=ids_field(value, "outputIds"),
            trace=Trace.from_json(value["trace"]),
            sampling=sampling,
            seed=seed,
            schema=value["schema"],
            max_tokens=natural_field(value, "maxTokens", bits=31),
            text=digest_from_hex(value["text"], what="completion.text"),
            finished=flag_field(value, "finished"),
            self_check=SelfCheck.from_json(value["selfCheck"]),
            manifest=EngineManifest.from_json(value["manifest"]),
            signature=bytes_field(value, "signature", length=SIGNATURE_BYTES),
        )


def schema_hash(schema: JsonValue | None) -> Digest:
    """Return what is signed of a schema; zeros for free text.

    Raises:
        MalformedError: it is no JSON object, or not canonical.
    """
    if schema is None:
        return ZERO_DIGEST
    if not isinstance(schema, dict):
        raise MalformedError(
            "completion.schema", got=type(schema).__name__, expected="a JSON object"
        )
    return keccak256(canonical_json(schema))


def text_hash(text: str) -> Digest:
    """Return what is signed of a text.

    Raises:
        MalformedError: it is not Unicode.
    """
    try:
        return keccak256(text.encode())
    except UnicodeError as error:
        raise MalformedError(
            "text", got=str(error)[:120], expected="Unicode text"
        ) from error


def _words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in numbers)
