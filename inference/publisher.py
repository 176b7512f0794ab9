"""A publisher's signature over a model's files: an extra, never the model's identity.

OpenSSF model-signing (https://github.com/sigstore/model-transparency) signs a list of
files and their hashes; the package is the extra `signature`. A signature says that a
key's holder published these files. Who holds the key, whether the model is good, and
which model a mandate permits are other questions: mandates name roots. Only signatures
by plain elliptic-curve keys are checked here; keyless and certificate signatures need
services and roots of trust of their own, for which model-signing's command exists.
"""

from __future__ import annotations

import base64
import contextlib
import io
import tempfile
from pathlib import Path

from affiant.encoding import JsonValue, parse_json
from affiant.inference.chunk_hashing import Progress
from affiant.inference.commitment import ModelCommitment, commit_model
from affiant.inference.errors import (
    PublisherSignatureError,
    SignatureToolUnavailableError,
)
from affiant.inference.model_listing import list_folder, require_unchanged

SIGNATURE_NAME = "model.sig"
"""Where publishers put it; this one file does not count for the commitment."""
MAX_SIGNATURE_BYTES = 16 * 2**20
"""Largest signature file read, in bytes."""
_STATEMENT = "https://model_signing/signature/v1.0"


def require_signed(
    folder: Path,
    *,
    signature: bytes,
    public_key: Path,
    progress: Progress | None = None,
) -> ModelCommitment:
    """Return the commitment to `folder`, all of which a publisher's key has signed.

    1. the signature is the key's, and every file is as it was signed;
    2. no file that counts for the commitment is left unsigned;
    3. the folder stayed the same meanwhile.

    Args:
        folder: a model folder.
        signature: content of the signature file, a sigstore bundle.
        public_key: file with the publisher's public key, PEM, on a NIST curve.
        progress: told how many bytes are committed to.

    Raises:
        PublisherSignatureError: 1 or 2 does not hold.
        SignatureToolUnavailableError: model-signing is not installed.
        ModelFilesError: the folder cannot be committed to, or changed meanwhile.
    """
    listing = list_folder(folder)
    # 1.
    _verify(folder, signature=signature, public_key=public_key)
    # 2. A publisher may leave out what it likes, and the tool is content with that.
    unsigned = sorted(listing.files.keys() - _signed_files(signature))
    if unsigned:
        raise PublisherSignatureError(
            "files",
            got=f"`{unsigned[0]}` unsigned, {len(unsigned)} in all",
            expected="every file that counts",
        )
    commitment = commit_model(folder, progress=progress)
    # 3.
    require_unchanged(folder, before=listing)
    return commitment


def _verify(folder: Path, *, signature: bytes, public_key: Path) -> None:
    try:
        from model_signing import verifying
    except ImportError as error:
        raise SignatureToolUnavailableError(
            "model-signing", got=str(error), expected="the extra `signature`"
        ) from error
    with tempfile.TemporaryDirectory() as name:
        # A copy: the file could change between this reading and ours.
        copy = Path(name) / SIGNATURE_NAME
        copy.write_bytes(signature)
        try:
            # It prints warnings.
            with contextlib.redirect_stdout(io.StringIO()):
                verifier = verifying.Config().use_elliptic_key_verifier(
                    public_key=public_key
                )
                verifier.verify(folder, copy)
        except Exception as error:  # it raises whatever its parts raise
            raise PublisherSignatureError(
                "signature",
                got=f"{type(error).__name__}: {error}"[:500],
                expected="these files, signed by this key",
            ) from error


def _signed_files(signature: bytes) -> set[str]:
    """Return the paths in a signature that has been verified."""
    bundle = parse_json(signature, what="signature", max_bytes=MAX_SIGNATURE_BYTES)
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    statement: JsonValue = parse_json(
        payload, what="statement", max_bytes=MAX_SIGNATURE_BYTES
    )
    if statement["predicateType"] != _STATEMENT:
        raise PublisherSignatureError(
            "statement", got=f"{statement['predicateType']!r:.80}", expected=_STATEMENT
        )
    return {resource["name"] for resource in statement["predicate"]["resources"]}
