"""One endpoint in the place of a pool: for reads that must all come from it.

It decides nothing: what fails is raised to whoever holds the pool, which begins again
at another endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from affiant.errors import AffiantError
from affiant.onchain.endpoint_reads import EndpointReads

Answer = TypeVar("Answer")


class OneEndpoint:
    """What an `EndpointPool` offers, over one endpoint, without any fail-over."""

    def __init__(self, reads: EndpointReads) -> None:
        """Wrap one endpoint, as long as an operation takes."""
        self._reads = reads

    @property
    def name(self) -> str:
        """Scheme, host and port."""
        return self._reads.name

    @property
    def names(self) -> tuple[str, ...]:
        """The only endpoint."""
        return (self._reads.name,)

    def close(self) -> None:
        """Do nothing: the connections are the pool's."""

    def run(self, work: Callable[[EndpointReads], Answer]) -> Answer:
        """Return what `work` does."""
        return work(self._reads)

    def everywhere(
        self, work: Callable[[EndpointReads], Answer]
    ) -> Mapping[str, Answer | AffiantError]:
        """Return what `work` does, or raises, by name."""
        try:
            return {self.name: work(self._reads)}
        except AffiantError as error:
            return {self.name: error}

    def survey(self) -> None:
        """Ask for the chain id.

        Raises:
            ChainIdMismatchError: it is another.
        """
        self._reads.verify_chain_id()
