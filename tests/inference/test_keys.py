"""The node key: keystores only, signatures that Solidity accepts."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from affiant.encoding import keccak256
from affiant.inference.errors import KeystoreError, KeystorePasswordError
from affiant.inference.keys import NodeKey, create_keystore

HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


@pytest.fixture(scope="module")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A keystore with few rounds, for speed."""
    path = tmp_path_factory.mktemp("keys") / "node.json"
    create_keystore(path, "correct horse", iterations=1000)
    return path


def test_keystore_opens_to_the_same_key(keystore: Path) -> None:
    key = NodeKey.from_keystore(keystore, "correct horse")
    stored = json.loads(keystore.read_text())
    assert key.address.lower().removeprefix("0x") == stored["address"].lower()
    assert stat.S_IMODE(keystore.stat().st_mode) == 0o600
    assert repr(key) == f"NodeKey({key.address})"


def test_signatures_recover_and_have_low_s(keystore: Path) -> None:
    key = NodeKey.from_keystore(keystore, "correct horse")
    for index in range(24):
        digest = keccak256(bytes([index]))
        signature = key.sign(digest)
        assert len(signature) == 65
        assert int.from_bytes(signature[32:64], "big") <= HALF_ORDER
        assert signature[64] in (27, 28)
        recovered = Account._recover_hash(digest, signature=signature)
        assert recovered == key.address


@pytest.mark.parametrize("digest", [b"", bytes(31), bytes(33)])
def test_signs_only_digests(keystore: Path, digest: bytes) -> None:
    with pytest.raises(ValueError, match="digest"):
        NodeKey.from_keystore(keystore, "correct horse").sign(digest)


@pytest.mark.parametrize("password", ["", "correct horse ", "Correct horse"])
def test_rejects_a_wrong_password(keystore: Path, password: str) -> None:
    with pytest.raises(KeystorePasswordError):
        NodeKey.from_keystore(keystore, password)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"version": 3}',
        b'{"version": 9, "crypto": {}}',
        b'{"version": 3, "crypto": {"kdf": "none"}}',
        b"[" * 10_000,
        b" " * 20_000,
    ],
    ids=lambda content: repr(content[:40]),
)
def test_rejects_what_is_no_keystore(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(KeystoreError) as caught:
        NodeKey.from_keystore(path, "x")
    assert not isinstance(caught.value, KeystorePasswordError)


def test_rejects_every_damaged_keystore(keystore: Path, tmp_path: Path) -> None:
    stored: dict[str, Any] = json.loads(keystore.read_text())
    for name in ("ciphertext", "mac", "kdf", "kdfparams", "cipherparams"):
        changed = json.loads(json.dumps(stored))
        del changed["crypto"][name]
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(changed))
        with pytest.raises(KeystoreError):
            NodeKey.from_keystore(path, "correct horse")


def test_missing_and_existing_files(keystore: Path, tmp_path: Path) -> None:
    with pytest.raises(KeystoreError):
        NodeKey.from_keystore(tmp_path / "none.json", "x")
    before = keystore.read_bytes()
    with pytest.raises(KeystoreError):
        create_keystore(keystore, "x", iterations=1000)
    assert keystore.read_bytes() == before
    with pytest.raises(ValueError, match="password"):
        create_keystore(tmp_path / "new.json", "")
    assert not (tmp_path / "new.json").exists()
