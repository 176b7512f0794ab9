"""Where collateral comes from: a file, a provisioning cache, the development root.

Whoever serves it is not trusted: collateral is signed, and what is not Intel's is
refused by every verifier. A server can only withhold it, or offer what is still valid
although newer exists; the contract never goes back to what is older than it knows.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from affiant.inference.attestation.collateral import (
    MAX_COLLATERAL_BYTES,
    Collateral,
)
from affiant.inference.attestation.dev_pki import Machine
from affiant.inference.attestation.dev_root import DevRoot, DevStatement
from affiant.inference.attestation.errors import CollateralUnavailableError
from affiant.inference.attestation.quote import TdxQuote

INTEL_PCS = "https://api.trustedservices.intel.com"
"""Intel's own provisioning certification service."""

FETCH_SECONDS = 60.0
"""Longest that a server may take for all of it."""


class CollateralSource(Protocol):
    """Whoever has the collateral for a quote's machine."""

    @property
    def name(self) -> str:
        """What it is, in words."""
        ...

    def collateral(self, quote: TdxQuote) -> Collateral:
        """Return the newest collateral for `quote`.

        MUST raise `CollateralUnavailableError` where there is none to be had.
        """
        ...


class FileCollateral:
    """Collateral in a file, as `dcap-qvl` and several services write it."""

    def __init__(self, path: Path) -> None:
        """Remember the file; it is read anew whenever it is asked for."""
        self._path = path

    @property
    def name(self) -> str:
        """What it is, in words."""
        return str(self._path)

    def collateral(self, quote: TdxQuote) -> Collateral:
        """Return what the file says, for whatever quote.

        Raises:
            CollateralUnavailableError: it cannot be read.
            MalformedError: it is no collateral.
        """
        try:
            with self._path.open("rb") as file:
                data = file.read(MAX_COLLATERAL_BYTES + 1)
        except OSError as error:
            raise CollateralUnavailableError(
                self.name, reason=error.strerror or str(error)
            ) from error
        return Collateral.parse(data)


class ServerCollateral:
    """Collateral from a provisioning certification cache (PCCS), or from Intel's."""

    def __init__(self, url: str = INTEL_PCS, *, seconds: float = FETCH_SECONDS) -> None:
        """Remember the server; nothing is asked yet.

        Args:
            seconds: longest that it may take for all of it.
        """
        self._url = url
        self._seconds = seconds

    @property
    def name(self) -> str:
        """What it is, in words."""
        return self._url

    def collateral(self, quote: TdxQuote) -> Collateral:
        """Return what the server offers for the machine of `quote`.

        Raises:
            CollateralUnavailableError: it does not answer, or not usefully.
            MalformedError: it answers with something that is no collateral.
        """
        import dcap_qvl

        async def fetch() -> Any:
            asked = dcap_qvl.get_collateral(self._url, quote.assemble())
            return await asyncio.wait_for(asked, timeout=self._seconds)

        try:
            found = asyncio.run(fetch())
        except TimeoutError as error:
            raise CollateralUnavailableError(
                self.name, reason=f"no answer within {self._seconds:g} s"
            ) from error
        except (ValueError, RuntimeError, OSError) as error:
            raise CollateralUnavailableError(
                self.name, reason=str(error)[:300]
            ) from error
        # The library adds the machine's own chain, of whatever length the quote has.
        said = json.loads(found.to_json())
        said.pop("pck_certificate_chain", None)
        return Collateral.parse(json.dumps(said).encode())


class DevCollateral:
    """The development root's collateral. DEV ROOT, NO HARDWARE PROTECTION."""

    def __init__(
        self,
        root: DevRoot,
        *,
        clock: Callable[[], int],
        machine: Machine | None = None,
        statement: DevStatement | None = None,
    ) -> None:
        """Issue collateral under `root` whenever it is asked for.

        Args:
            clock: unix seconds, for the dates.
        """
        self._root = root
        self._clock = clock
        self._machine = machine
        self._statement = statement

    @property
    def name(self) -> str:
        """What it is, in words."""
        return "the development root, NO HARDWARE PROTECTION"

    def collateral(self, quote: TdxQuote) -> Collateral:
        """Return collateral issued now."""
        return self._root.collateral(
            now=self._clock(), machine=self._machine, statement=self._statement
        )
