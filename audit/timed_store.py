"""An evidence store that answers in time or not at all.

It decides how long a read may take: a store behind a URL may hang for as long as its
driver likes. One read hangs at most; while it does, others are refused at once. What is
read is checked by `EvidenceStore`, as ever.
"""

from __future__ import annotations

import queue
import threading

from affiant.encoding import Digest
from affiant.onchain.evidence_errors import EvidenceUnavailableError
from affiant.onchain.evidence_store import EvidenceStore

READ_SECONDS = 20.0
"""Longest time for reading one file."""


class TimedStore(EvidenceStore):
    """A store whose reads end in time."""

    def __init__(self, url: str, *, seconds: float = READ_SECONDS) -> None:
        """Open the store.

        Args:
            url: as for `EvidenceStore`.
            seconds: longest time for reading one file.

        Raises:
            EvidenceUnavailableError: no driver for this URL.
        """
        super().__init__(url)
        self._seconds = seconds
        self._alone = threading.Lock()

    def read(self, digest: Digest) -> bytes:
        """Return the raw file; see `EvidenceStore.read`.

        Raises:
            EvidenceUnavailableError: absent, or not read in time.
        """
        if not self._alone.acquire(timeout=self._seconds):
            raise self._late(digest)
        answers: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

        def work() -> None:
            try:
                answers.put(super(TimedStore, self).read(digest))
            except Exception as error:
                answers.put(error)
            finally:
                self._alone.release()

        threading.Thread(target=work, name="affiant-store", daemon=True).start()
        try:
            answer = answers.get(timeout=self._seconds)
        except queue.Empty:
            raise self._late(digest) from TimeoutError()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _late(self, digest: Digest) -> EvidenceUnavailableError:
        return EvidenceUnavailableError(
            self.uri(digest), reason=f"not read within {self._seconds:g} s"
        )
