"""What can go wrong with a local chain.

    UnavailableError
    ├── ToolMissingError          anvil or a protocol's npm package is not installed
    ├── AnvilFailedError          anvil did not start, or ended early
    ├── DevnetRpcError            the chain did not answer, or answered with an error
    └── SnapshotError             a chain's state cannot be written or is not there
    RejectedError
    ├── DeploymentFailedError     a deployment transaction reverted
    ├── BookMismatchError         an address book is not about the chain forked
    └── SameChainIdError          a fork was to carry its source's chain id

A damaged cache is no error: it is noticed and rebuilt.
"""

from __future__ import annotations

from pathlib import Path

from affiant.errors import RejectedError, UnavailableError


class ToolMissingError(UnavailableError):
    """A program or package that the local chain is made of is not installed."""

    def __init__(self, what: str, *, looked_at: str, remedy: str) -> None:
        super().__init__(f"{what} not found (looked at {looked_at}); run `{remedy}`")
        self.what = what
        self.looked_at = looked_at
        self.remedy = remedy


class AnvilFailedError(UnavailableError):
    """Anvil did not come up, or ended by itself."""

    def __init__(self, reason: str, *, output: str) -> None:
        super().__init__(f"anvil: {reason}; its last output: {output[-600:]!r}")
        self.reason = reason
        self.output = output


class DevnetRpcError(UnavailableError):
    """A JSON-RPC call to the local chain failed."""

    def __init__(self, method: str, *, got: str) -> None:
        super().__init__(f"`{method}`: got {got[:600]}, expected a result")
        self.method = method
        self.got = got


class SnapshotError(UnavailableError):
    """The state of a chain cannot be written, or there is none to be read."""

    def __init__(self, folder: Path, *, reason: str) -> None:
        super().__init__(f"snapshot of a chain in {folder}: {reason}")
        self.folder = folder
        self.reason = reason


class DeploymentFailedError(RejectedError):
    """A transaction of the deployment or of a scenario did not succeed."""

    def __init__(self, label: str, *, transaction: str, reason: str) -> None:
        super().__init__(f"{label}: transaction {transaction} failed: {reason[:300]}")
        self.label = label
        self.transaction = transaction
        self.reason = reason


class SameChainIdError(RejectedError):
    """A fork must not carry its source's chain id: signatures would count on both."""

    def __init__(self, *, chain_id: int, source: str) -> None:
        super().__init__(
            f"fork's chain id: got {chain_id}, which is that of {source}; "
            "expected another"
        )
        self.chain_id = chain_id
        self.source = source


class BookMismatchError(RejectedError):
    """An address book says something that the forked chain does not."""

    def __init__(self, what: str, *, got: str, expected: str) -> None:
        super().__init__(
            f"{what}: the book says {got[:120]}, the chain says {expected[:120]}"
        )
        self.what = what
        self.got = got
        self.expected = expected
