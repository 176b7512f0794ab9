"""What inference refuses, and what it cannot reach.

    RejectedError
    ├── ModelFilesError            the model folder cannot be committed to
    │   ├── ModelFileMissingError      a shard, the index or the folder is not there
    │   ├── ModelFileTruncatedError    a file is shorter or longer than its header says
    │   ├── SafetensorsHeaderError     a safetensors header is not well formed
    │   ├── ModelIndexError            index and shards disagree
    │   ├── ModelNameError             a name that machines read differently
    │   ├── ModelPointerError          a file leads an engine out of the folder
    │   ├── ModelPartMissingError      no such tensor, header, file or chunk
    │   └── ModelChangedError          a file came, went or changed meanwhile
    ├── ChunkProofError            a chunk is not shown to be in the committed model
    ├── PublisherSignatureError    a publisher did not sign these files
    ├── SamplingUnsupportedError   a sampling parameter that replay does not cover
    ├── SchemaUnsupportedError     a plan schema that the grammar backend refuses
    ├── SchemaLimitError           a schema from outside that is too much, or is bent
    ├── LogitsInvalidError         NaN, infinite or oversized logits
    ├── ContextExceededError       prompt and output do not fit the engine
    ├── TextRefusedError           text that would steer the prompt around it
    ├── ChatTemplateError          a template whose turns a message can imitate
    ├── SelfCheckError             an honest inference did not settle
    │   └── ReleasedTokenError         what was handed out already did not stay
    ├── ReceiptMismatchError       evidence is not what the receipt swears to
    └── KeystoreError              a keystore that cannot be used
        └── KeystorePasswordError      the password does not open it
    UnavailableError
    ├── EngineUnavailableError     no engine: not installed, failed to load, broke down
    ├── ReplayMemoryError          a replay takes more memory than it is given
    ├── SignatureToolUnavailableError  model-signing is not installed
    └── AbandonedError             nobody waits for the inference any more

Hostile JSON and token ids are refused with `affiant.errors.MalformedError`.
"""

from __future__ import annotations

from affiant.errors import RejectedError, UnavailableError


class ModelFilesError(RejectedError):
    """A model folder cannot be committed to."""

    def __init__(self, path: str, *, got: str, expected: str) -> None:
        super().__init__(f"model file `{path}`: got {got}, expected {expected}")
        self.path = path
        self.got = got
        self.expected = expected


class ModelFileMissingError(ModelFilesError):
    """A shard, the index or the whole folder is not there."""


class ModelFileTruncatedError(ModelFilesError):
    """A file is shorter or longer than its own header says."""


class SafetensorsHeaderError(ModelFilesError):
    """A safetensors header is not well formed."""


class ModelIndexError(ModelFilesError):
    """The shard index and the shards disagree."""


class ModelNameError(ModelFilesError):
    """A file has a name that machines or people read differently."""


class ModelPointerError(ModelFilesError):
    """A file leads an engine to something that is not committed to."""


class ModelPartMissingError(ModelFilesError):
    """There is no such part in the model, or no such chunk in the part."""


class ModelChangedError(ModelFilesError):
    """A file came, went or changed while the folder was hashed."""


class ChunkProofError(RejectedError):
    """A chunk is not shown to be in the committed model.

    Attributes:
        field: what does not fit: `length`, `bytes` or `root`.
        got: what the chunk and its proof give.
        expected: what they should.
    """

    def __init__(self, field: str, *, got: str, expected: str) -> None:
        super().__init__(f"chunk proof `{field}`: got {got}, expected {expected}")
        self.field = field
        self.got = got
        self.expected = expected


class PublisherSignatureError(RejectedError):
    """A publisher's key did not sign these files, or not all of them.

    Attributes:
        field: what does not fit: `signature`, `statement` or `files`.
        got: what there is.
        expected: what there should be.
    """

    def __init__(self, field: str, *, got: str, expected: str) -> None:
        super().__init__(f"publisher's `{field}`: got {got}, expected {expected}")
        self.field = field
        self.got = got
        self.expected = expected


class SamplingUnsupportedError(RejectedError):
    """A sampling parameter was asked for that replay does not cover."""

    def __init__(self, parameter: str, *, got: str, expected: str) -> None:
        super().__init__(f"sampling `{parameter}`: got {got}, expected {expected}")
        self.parameter = parameter
        self.got = got
        self.expected = expected


class SchemaUnsupportedError(RejectedError):
    """The grammar backend does not accept a plan schema."""

    def __init__(self, *, got: str, expected: str) -> None:
        super().__init__(f"plan schema: got {got}, expected {expected}")
        self.got = got
        self.expected = expected


class SchemaLimitError(RejectedError):
    """A schema from outside is too much work, or would not be enforced as written."""

    def __init__(self, where: str, *, got: str, expected: str) -> None:
        super().__init__(f"{where}: got {got}, expected {expected}"[:600])
        self.where = where
        self.got = got
        self.expected = expected


class LogitsInvalidError(RejectedError):
    """A row of logits is NaN, infinite, oversized or allows no token."""

    def __init__(self, position: int, *, got: str, expected: str) -> None:
        super().__init__(
            f"logits at output position {position}: got {got}, expected {expected}"
        )
        self.position = position
        self.got = got
        self.expected = expected


class ContextExceededError(RejectedError):
    """Prompt and output together do not fit the engine's context."""

    def __init__(self, *, got: int, limit: int) -> None:
        super().__init__(f"context: got {got} tokens, expected at most {limit}")
        self.got = got
        self.limit = limit


class TextRefusedError(RejectedError):
    """Text from outside does not fit a prompt, or would steer what is around it."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(f"{what}: got {got}, expected {expected}")
        self.what = what
        self.got = got
        self.expected = expected


class ChatTemplateError(RejectedError):
    """A model's chat template cannot keep its turns apart."""

    def __init__(self, *, got: str, expected: str) -> None:
        super().__init__(f"chat template: got {got}, expected {expected}")
        self.got = got
        self.expected = expected


class SelfCheckError(RejectedError):
    """An engine's decoding and its own canonical prefill did not settle."""

    def __init__(self, *, rollbacks: int, position: int) -> None:
        super().__init__(
            f"self-check: got a mismatch at output position {position} after "
            f"{rollbacks} rollbacks, expected agreement with the canonical prefill"
        )
        self.rollbacks = rollbacks
        self.position = position


class ReleasedTokenError(SelfCheckError):
    """A token that was released before the end is not the canonical one after all."""

    def __init__(self, *, position: int, released: int) -> None:
        RejectedError.__init__(
            self,
            f"self-check: got another token at output position {position}, expected "
            f"the first {released} to stay as they were released",
        )
        self.rollbacks = 0
        self.position = position
        self.released = released


class ReceiptMismatchError(RejectedError):
    """Evidence is not what the receipt swears to.

    Attributes:
        field: the receipt's field.
        got: what the evidence gives.
        expected: what the receipt says.
    """

    def __init__(self, field: str, *, got: str, expected: str) -> None:
        super().__init__(f"receipt `{field}`: got {got}, expected {expected}")
        self.field = field
        self.got = got
        self.expected = expected


class KeystoreError(RejectedError):
    """A keystore file is missing, malformed or already there."""

    def __init__(self, path: str, *, got: str, expected: str) -> None:
        super().__init__(f"keystore `{path}`: got {got}, expected {expected}")
        self.path = path
        self.got = got
        self.expected = expected


class KeystorePasswordError(KeystoreError):
    """The password does not open the keystore."""


class EngineUnavailableError(UnavailableError):
    """No engine can answer: not installed, not loadable, or broken down."""

    def __init__(self, engine: str, *, got: str, expected: str) -> None:
        super().__init__(f"engine `{engine}`: got {got}, expected {expected}")
        self.engine = engine
        self.got = got
        self.expected = expected


class ReplayMemoryError(UnavailableError):
    """A replay would take more memory than it is given; the node may have had more.

    Attributes:
        got: bytes that it would take.
        limit: bytes that it is given.
    """

    def __init__(self, *, tokens: int, vocab_size: int, got: int, limit: int) -> None:
        super().__init__(
            f"memory of a replay: got {got} bytes for {tokens} tokens over "
            f"{vocab_size} ids, expected at most {limit}"
        )
        self.got = got
        self.limit = limit


class SignatureToolUnavailableError(UnavailableError):
    """What checks publishers' signatures is not installed."""

    def __init__(self, tool: str, *, got: str, expected: str) -> None:
        super().__init__(f"`{tool}`: got {got}, expected {expected}")
        self.tool = tool
        self.got = got
        self.expected = expected


class AbandonedError(UnavailableError):
    """An inference was stopped because nobody waits for it any more."""

    def __init__(self) -> None:
        super().__init__("inference: got nobody waiting for it, expected somebody")
