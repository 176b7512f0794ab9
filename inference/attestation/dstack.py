"""Quotes from dstack's guest agent; the only module that imports `dstack_sdk`.

The socket is always named, so that the SDK's own environment variables, which can point
it at a simulator, are never asked. It trusts the agent, which the TD measures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from affiant.inference.attestation.errors import QuoteUnavailableError

QUOTE_SECONDS = 30.0
"""Longest that the agent may take; the host signs, not the TD."""


class DstackQuotes:
    """The guest agent's quotes about the TD that it runs in."""

    def __init__(self, endpoint: str | Path) -> None:
        """Remember where the agent listens; nothing is asked yet.

        Args:
            endpoint: a socket, or the URL of a simulator in tests, whose quotes no
                verifier under Intel's root accepts.
        """
        self._endpoint = str(endpoint)

    @property
    def name(self) -> str:
        """What it is, in words."""
        return f"dstack ({self._endpoint})"

    def quote(self, report_data: bytes) -> bytes:
        """Return a quote file over `report_data`, 64 bytes.

        Raises:
            QuoteUnavailableError: the SDK is missing, or the agent gives no quote.
        """
        try:
            from dstack_sdk import DstackClient
        except ImportError as error:
            raise QuoteUnavailableError(
                self.name,
                reason="the package dstack-sdk is missing",
                remedy="pip install 'affiant[dstack]'",
            ) from error
        try:
            answer: Any = DstackClient(self._endpoint, timeout=QUOTE_SECONDS).get_quote(
                report_data
            )
            return bytes(answer.decode_quote())
        except Exception as error:  # the SDK leaks its HTTP client's and pydantic's
            raise QuoteUnavailableError(
                self.name,
                reason=f"{type(error).__name__}: {str(error)[:200]}",
                remedy="check that the socket is dstack's guest agent's",
            ) from error
