"""Where quotes come from: one port, and what is checked of every answer.

A provider is asked for a quote over 64 bytes of report data and hands over a file. It
is not trusted to answer about those bytes: `fresh_quote` refuses a file whose report
carries others, as a canned quote does. Whether the quote is good is for a verifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from affiant.inference.attestation.configfs import TSM_REPORTS, ConfigfsQuotes
from affiant.inference.attestation.dev_pki import Machine
from affiant.inference.attestation.dev_root import DevRoot, DevTd
from affiant.inference.attestation.errors import (
    QuoteRefusedError,
    QuoteUnavailableError,
)
from affiant.inference.attestation.quote import TdxQuote

REPORT_DATA_BYTES = 64
"""Length of what a TD's code puts into its report."""

DSTACK_SOCKETS = (
    Path("/var/run/dstack.sock"),
    Path("/run/dstack.sock"),
    Path("/var/run/dstack/dstack.sock"),
    Path("/run/dstack/dstack.sock"),
)
"""Where dstack's guest agent listens."""


class QuoteProvider(Protocol):
    """A source of quotes about the TD that this code runs in."""

    @property
    def name(self) -> str:
        """What it is, in words."""
        ...

    def quote(self, report_data: bytes) -> bytes:
        """Return a quote file over `report_data`, 64 bytes.

        MUST make a new quote every time, and MUST raise `QuoteUnavailableError` where
        there is none to be had.
        """
        ...


class DevQuotes:
    """Quotes of a TD that does not exist. DEV ROOT, NO HARDWARE PROTECTION."""

    def __init__(
        self,
        root: DevRoot,
        *,
        td: DevTd | None = None,
        machine: Machine | None = None,
    ) -> None:
        """Quote `td` on `machine` under `root`."""
        self.root = root
        self._td = td
        self._machine = machine

    @property
    def name(self) -> str:
        """What it is, in words."""
        return "the development root, NO HARDWARE PROTECTION"

    def quote(self, report_data: bytes) -> bytes:
        """Return a quote file over `report_data`."""
        return self.root.quote(report_data, td=self._td, machine=self._machine)


def fresh_quote(provider: QuoteProvider, report_data: bytes) -> TdxQuote:
    """Return a quote over `report_data`, cut.

    Raises:
        ValueError: `report_data` is not 64 bytes.
        QuoteRefusedError: the provider answered with a quote over something else.
        QuoteUnavailableError: there is none to be had.
        MalformedError: it answered with something that is no quote.
    """
    if len(report_data) != REPORT_DATA_BYTES:
        raise ValueError(f"report data: got {len(report_data)} bytes, expected 64")
    quote = TdxQuote.cut(provider.quote(report_data))
    got = quote.report.report_data
    if got != report_data:
        raise QuoteRefusedError(
            "report data", got=got.hex(), expected=report_data.hex()
        )
    return quote


def find_provider(
    name: str,
    *,
    sockets: Sequence[Path] = DSTACK_SOCKETS,
    reports: Path = TSM_REPORTS,
) -> QuoteProvider:
    """Return the provider `name`: dstack, configfs, or auto for whichever is there.

    The development root is never found: whoever wants it has to make it.

    Args:
        sockets: where dstack's guest agent may listen.
        reports: folder of the kernel's report interface.

    Raises:
        ValueError: there is no provider of this name.
        QuoteUnavailableError: this is no TD, or nothing here gives quotes.
    """
    if name not in ("auto", "dstack", "configfs"):
        raise ValueError(f"quote provider: got {name}, expected auto, dstack, configfs")
    socket = next((path for path in sockets if path.exists()), None)
    if name != "configfs" and socket is not None:
        from affiant.inference.attestation.dstack import DstackQuotes

        return DstackQuotes(socket)
    if name == "dstack":
        raise QuoteUnavailableError(
            "dstack",
            reason=f"none of {', '.join(map(str, sockets))} is there",
            remedy="run under dstack and mount its socket into the container",
        )
    if reports.is_dir():
        return ConfigfsQuotes(reports)
    raise QuoteUnavailableError(
        "configfs" if name == "configfs" else "anything here",
        reason=f"{reports} is not there",
        remedy="run in a TD with Linux 6.7 or later and configfs mounted, or in dstack",
    )
