"""Quotes from the Linux kernel: the TSM report interface in configfs.

A folder made under `/sys/kernel/config/tsm/report` is a request: report data goes into
`inblob`, the quote comes out of `outblob`, and `generation` counts changes, so that a
reader notices when somebody else wrote in between. Source: Linux,
Documentation/ABI/testing/configfs-tsm-report (6.7 and later). It trusts the kernel of
its own TD, which is measured.
"""

from __future__ import annotations

import errno
import secrets
from collections.abc import Callable
from pathlib import Path

from affiant.inference.attestation.errors import QuoteUnavailableError
from affiant.inference.attestation.quote import MAX_QUOTE_BYTES

TSM_REPORTS = Path("/sys/kernel/config/tsm/report")
"""Where requests are made."""

TDX_GUEST = "tdx_guest"
"""What the kernel calls TDX."""


class ConfigfsQuotes:
    """The kernel's quotes about the TD that it runs in."""

    def __init__(
        self,
        reports: Path = TSM_REPORTS,
        *,
        make: Callable[[Path], None] = Path.mkdir,
        remove: Callable[[Path], None] = Path.rmdir,
    ) -> None:
        """Remember where; nothing is asked yet.

        Args:
            reports: the interface's folder.
            make, remove: how a request's folder comes and goes. In configfs its files
                come and go with it.
        """
        self._reports = reports
        self._make = make
        self._remove = remove

    @property
    def name(self) -> str:
        """What it is, in words."""
        return f"the kernel ({self._reports})"

    def quote(self, report_data: bytes) -> bytes:
        """Return a quote file over `report_data`, 64 bytes.

        Raises:
            QuoteUnavailableError: the kernel gives none, or another TEE's, or somebody
                else wrote into the request.
        """
        # Nobody else guesses the name, so that nobody else's request is taken over.
        request = self._reports / f"affiant-{secrets.token_hex(8)}"
        try:
            self._make(request)
            try:
                return self._ask(request, report_data)
            finally:
                self._remove(request)
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, "")
            raise self._unavailable(f"{error.strerror or error} {name}") from error

    def _ask(self, request: Path, report_data: bytes) -> bytes:
        provider = (request / "provider").read_text().strip()
        if provider != TDX_GUEST:
            raise self._unavailable(f"it is {provider[:40]!r}, not {TDX_GUEST}")
        before = self._generation(request)
        (request / "inblob").write_bytes(report_data)
        quote = (request / "outblob").read_bytes()
        after = self._generation(request)
        # One change is ours. Fewer: it was not taken; more: it may be another's answer.
        if after != before + 1:
            raise self._unavailable(
                f"{after - before} changes to the request, expected 1"
            )
        if not 0 < len(quote) <= MAX_QUOTE_BYTES:
            raise self._unavailable(f"a quote of {len(quote)} bytes")
        return quote

    def _generation(self, request: Path) -> int:
        text = (request / "generation").read_text().strip()
        if not (text.isascii() and text.isdigit()):
            raise self._unavailable(f"generation {text[:40]!r}")
        return int(text)

    def _unavailable(self, reason: str) -> QuoteUnavailableError:
        return QuoteUnavailableError(
            self.name,
            reason=reason,
            remedy="check that this is a TD whose host runs the quote generation "
            "service, and that the process may write there",
        )
