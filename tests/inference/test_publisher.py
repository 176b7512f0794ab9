"""Publishers' signatures: real ones by model-signing, and every way to stretch them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from safetensors.numpy import save_file

from affiant.encoding import to_hex
from affiant.inference.commitment import commit_model
from affiant.inference.errors import (
    PublisherSignatureError,
    SignatureToolUnavailableError,
)
from affiant.inference.publisher import SIGNATURE_NAME, require_signed

model_signing = pytest.importorskip("model_signing")


def write_key(folder: Path, name: str) -> tuple[Path, Path]:
    """Write a new key pair; return the files of private and public key."""
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM,
            serialization.PublicFormat.SubjectPublicKeyInfo,
        )
    )
    return private, public


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return write_key(tmp_path, "publisher")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    (root / "sub").mkdir(parents=True)
    save_file({"w": np.ones(3, np.float32)}, root / "model.safetensors")
    (root / "config.json").write_text('{"a": 1}')
    (root / "sub" / "notes.json").write_text("{}")
    (root / "README.md").write_text("read me")
    return root


def sign(folder: Path, private: Path, *, leave_out: str | None = None) -> bytes:
    """Sign as a publisher does, into the folder; return the signature."""
    ignored = [folder / SIGNATURE_NAME]
    if leave_out is not None:
        ignored.append(folder / leave_out)
    model_signing.signing.Config().use_elliptic_key_signer(
        private_key=private
    ).set_hashing_config(
        model_signing.hashing.Config().set_ignored_paths(paths=ignored)
    ).sign(folder, folder / SIGNATURE_NAME)
    return (folder / SIGNATURE_NAME).read_bytes()


def test_a_signed_folder_gives_its_commitment(
    folder: Path, keys: tuple[Path, Path]
) -> None:
    before = commit_model(folder)
    signature = sign(folder, keys[0])
    signed = require_signed(folder, signature=signature, public_key=keys[1])
    assert signed == before == commit_model(folder)


@pytest.mark.parametrize("path", ["config.json", "model.safetensors", "sub/notes.json"])
def test_refuses_a_changed_file(
    folder: Path, keys: tuple[Path, Path], path: str
) -> None:
    signature = sign(folder, keys[0])
    content = (folder / path).read_bytes()
    (folder / path).write_bytes(content[:-1] + bytes([content[-1] ^ 0x20]))
    with pytest.raises(PublisherSignatureError, match=path) as caught:
        require_signed(folder, signature=signature, public_key=keys[1])
    assert caught.value.field == "signature"


def test_refuses_a_file_more_and_a_file_less(
    folder: Path, keys: tuple[Path, Path]
) -> None:
    signature = sign(folder, keys[0])
    (folder / "extra.jinja").touch()
    with pytest.raises(PublisherSignatureError, match=r"extra\.jinja"):
        require_signed(folder, signature=signature, public_key=keys[1])
    (folder / "extra.jinja").unlink()
    (folder / "config.json").unlink()
    with pytest.raises(PublisherSignatureError, match=r"config\.json"):
        require_signed(folder, signature=signature, public_key=keys[1])


def test_refuses_what_the_publisher_left_out(
    folder: Path, keys: tuple[Path, Path]
) -> None:
    """The tool is content: a signature itself says which files to ignore."""
    signature = sign(folder, keys[0], leave_out="config.json")
    (folder / "config.json").write_text("anything")
    with pytest.raises(PublisherSignatureError, match=r"config\.json") as caught:
        require_signed(folder, signature=signature, public_key=keys[1])
    assert caught.value.field == "files"


def test_what_does_not_count_may_be_left_out(
    folder: Path, keys: tuple[Path, Path]
) -> None:
    signature = sign(folder, keys[0], leave_out="README.md")
    (folder / "README.md").write_text("anything")
    require_signed(folder, signature=signature, public_key=keys[1])


def test_refuses_another_key_and_no_key(
    folder: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    signature = sign(folder, keys[0])
    other = write_key(tmp_path, "other")[1]
    (tmp_path / "empty").touch()
    for key in (other, tmp_path / "empty", tmp_path / "nothing", keys[0]):
        with pytest.raises(PublisherSignatureError):
            require_signed(folder, signature=signature, public_key=key)


def test_refuses_a_damaged_signature(folder: Path, keys: tuple[Path, Path]) -> None:
    good = sign(folder, keys[0])
    bundle = json.loads(good)
    envelope = bundle["dsseEnvelope"]
    bad = [b"", b"{}", b"[]", b"\xff", good[:-1], good + b"x", b"[" * 50_000]
    for changes in (
        {"payload": ""},
        {"payload": "!"},
        {"payload": envelope["payload"][:-4]},
        {"payload": "A" + envelope["payload"][1:]},
        {"payloadType": "text/plain"},
        {"signatures": []},
        {"signatures": [{"sig": "AAAA", "keyid": ""}]},
    ):
        edited = {**bundle, "dsseEnvelope": {**envelope, **changes}}
        bad.append(json.dumps(edited).encode())
    for signature in bad:
        with pytest.raises(PublisherSignatureError):
            require_signed(folder, signature=signature, public_key=keys[1])


def test_says_what_to_install(
    folder: Path, keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "model_signing", None)
    with pytest.raises(SignatureToolUnavailableError, match="signature"):
        require_signed(folder, signature=b"{}", public_key=keys[1])


def test_the_command_prints_the_root(folder: Path, keys: tuple[Path, Path]) -> None:
    sign(folder, keys[0])
    command = [sys.executable, "-m", "affiant.cli", "model", "signature", str(folder)]
    command += ["--public-key", str(keys[1])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    root = to_hex(commit_model(folder).root)
    assert (done.returncode, done.stdout) == (0, root + "\n")
    (folder / "config.json").write_text("{}")
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stdout) == (1, "")
    assert "PublisherSignatureError" in done.stderr
