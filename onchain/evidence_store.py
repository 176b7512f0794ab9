"""Where evidence is kept: one file per decision, behind any fsspec URL.

`<store>/<decision digest, hex without 0x>.json.zst`. The store is trusted for nothing
but availability: `get` parses what it finds as hostile bytes, checks that it is the
evidence of the decision asked for, and verifies it; `put` refuses to store evidence
that would not pass.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import fsspec

from affiant.encoding import Digest, to_hex
from affiant.errors import RejectedError
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_check import verify_evidence
from affiant.onchain.evidence_errors import (
    EvidenceDigestMismatchError,
    EvidenceUnavailableError,
)
from affiant.onchain.evidence_frame import MAX_COMPRESSED_BYTES

SUFFIX = ".json.zst"
"""Ending of every evidence file's name."""

_NAME = re.compile(r"[0-9a-f]{64}\.json\.zst")


class EvidenceStore:
    """Evidence addressed by decision digest under one fsspec URL."""

    def __init__(self, url: str) -> None:
        """Open the store.

        Args:
            url: a local folder (made when something is put), or any URL that fsspec
                knows, such as `s3://bucket/evidence`.

        Raises:
            EvidenceUnavailableError: no driver for this URL.
        """
        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError, OSError) as error:
            raise EvidenceUnavailableError(url, reason=str(error)) from error
        self._local = "file" in _protocols(self._files.protocol)
        self.url = url

    def uri(self, digest: Digest) -> str:
        """Return where the evidence of the decision `digest` is kept."""
        return str(self._files.unstrip_protocol(self._path(digest)))

    def put(self, bundle: EvidenceBundle) -> str:
        """Verify and store `bundle`; return its URI.

        Sections that are already stored stay disclosed, so that storing a redacted copy
        loses nothing. A local file appears whole or not at all.

        Raises:
            EvidenceError, MalformedError: the bundle does not verify or is too large.
            EvidenceUnavailableError: the store did not take it.
        """
        digest = verify_evidence(bundle)
        with suppress(EvidenceUnavailableError, RejectedError):
            # Absent or damaged: replaced. Otherwise both hash to one root, so that
            # what either discloses belongs to the same leaves.
            stored = self.get(digest)
            bundle = replace(bundle, sections={**stored.sections, **bundle.sections})
        data = bundle.to_bytes()
        try:
            if self._local:
                self._write_local(self._path(digest), data)
            else:
                self._files.pipe_file(self._path(digest), data)
        except Exception as error:  # drivers raise classes of their own
            raise EvidenceUnavailableError(
                self.uri(digest), reason=f"{type(error).__name__}: {error}"
            ) from error
        return self.uri(digest)

    def get(self, digest: Digest) -> EvidenceBundle:
        """Return the evidence of the decision `digest`, parsed and verified.

        Raises:
            EvidenceUnavailableError: absent, or the store did not answer.
            EvidenceError, MalformedError: what is there is refused.
        """
        bundle = EvidenceBundle.from_bytes(self.read(digest))
        if bundle.digest != digest:
            # Verified first: an edited decision should be named as what it is.
            verify_evidence(bundle)
            raise EvidenceDigestMismatchError(
                got=to_hex(bundle.digest), expected=to_hex(digest)
            )
        verify_evidence(bundle)
        return bundle

    def read(self, digest: Digest) -> bytes:
        """Return the raw file, one byte over the limit at most; nothing is checked.

        Raises:
            EvidenceUnavailableError: absent, or the store did not answer.
        """
        try:
            with self._files.open(self._path(digest), "rb") as file:
                return bytes(file.read(MAX_COMPRESSED_BYTES + 1))
        except FileNotFoundError as error:
            raise EvidenceUnavailableError(
                self.uri(digest), reason="there is no such file"
            ) from error
        except Exception as error:  # drivers raise classes of their own
            raise EvidenceUnavailableError(
                self.uri(digest), reason=f"{type(error).__name__}: {error}"
            ) from error

    def digests(self) -> tuple[Digest, ...]:
        """Return the decisions that there are files for, ascending; nothing is read.

        Files of other names are none of ours, nor is anything but a file: a folder or
        a pipe that a stranger named like evidence can neither be read nor hold up a
        reader. A link counts if it leads to a file. A folder that is not there is
        empty: object stores know no other emptiness.

        Raises:
            EvidenceUnavailableError: the store did not answer.
        """
        try:
            self._files.invalidate_cache()
            entries = self._files.ls(self._root, detail=True)
            paths = [entry["name"] for entry in entries if self._is_file(entry)]
        except FileNotFoundError:
            return ()
        except Exception as error:  # drivers raise classes of their own
            raise EvidenceUnavailableError(
                self.url, reason=f"{type(error).__name__}: {error}"
            ) from error
        names = (str(path).rstrip("/").rpartition("/")[2] for path in paths)
        return tuple(
            Digest(bytes.fromhex(name.removesuffix(SUFFIX)))
            for name in sorted(names)
            if _NAME.fullmatch(name)
        )

    def _is_file(self, entry: Mapping[str, Any]) -> bool:
        """Say whether a listed entry is a file, or a link to one."""
        if entry.get("islink"):
            return bool(self._files.isfile(entry["name"]))
        return entry.get("type") == "file"

    def _path(self, digest: Digest) -> str:
        return f"{str(self._root).rstrip('/')}/{digest.hex()}{SUFFIX}"

    @staticmethod
    def _write_local(path: str, data: bytes) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = f"{path}.{secrets.token_hex(8)}.part"
        try:
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)


def _protocols(protocol: str | tuple[str, ...]) -> tuple[str, ...]:
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
