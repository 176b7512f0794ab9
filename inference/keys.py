"""The node's signing key: kept in an encrypted keystore file, used on digests only.

It signs what it is given: deciding what deserves a signature is `agents.decide`'s. The
key never leaves this object, and comes from a file, never from an argument or variable
of the environment. The format is Ethereum's Web3 Secret Storage, version 3.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import Hash32

from affiant.inference.errors import KeystoreError, KeystorePasswordError
from affiant.signature import Address

DIGEST_BYTES = 32
"""Length of what is signed."""
SIGNATURE_BYTES = 65
"""r ‖ s ‖ v, with s in the lower half of the order and v 27 or 28."""
MAX_KEYSTORE_BYTES = 16_384
"""Largest keystore file accepted; real ones are under 1 KiB."""


class NodeKey:
    """A secp256k1 key that signs 32-byte digests."""

    def __init__(self, account: LocalAccount) -> None:
        """Wrap an unlocked account; use `from_keystore`."""
        self._account = account

    @classmethod
    def from_keystore(cls, path: str | Path, password: str) -> NodeKey:
        """Unlock the keystore at `path`; raises as `unlock_keystore`."""
        return cls(unlock_keystore(path, password))

    @classmethod
    def generate(cls) -> NodeKey:
        """Return a new key that is in this object's memory and nowhere else.

        For a TEE: what attestation says of it holds as long as the process lives.
        """
        return cls(Account.create())

    @property
    def address(self) -> Address:
        """The key's address, checksummed."""
        return Address(self._account.address)

    def sign(self, digest: bytes) -> bytes:
        """Return 65 bytes r ‖ s ‖ v over `digest`, low s, v 27 or 28.

        Args:
            digest: 32 bytes, such as an EIP-712 digest; no prefix is added.

        Raises:
            ValueError: it is not 32 bytes.
        """
        if len(digest) != DIGEST_BYTES:
            raise ValueError(f"digest: got {len(digest)} bytes, expected 32")
        return bytes(self._account.unsafe_sign_hash(Hash32(digest)).signature)

    def __repr__(self) -> str:
        """Return the address; never the key."""
        return f"NodeKey({self.address})"


def unlock_keystore(path: str | Path, password: str) -> LocalAccount:
    """Return the account in the keystore at `path`; the operator's, or a node's.

    Raises:
        KeystoreError: it is missing, too large or not a keystore.
        KeystorePasswordError: the password does not open it.
    """
    name = str(path)
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise KeystoreError(
            name, got=str(error.strerror), expected="a readable file"
        ) from error
    if len(content) > MAX_KEYSTORE_BYTES:
        raise KeystoreError(
            name,
            got=f"{len(content)} bytes",
            expected=f"at most {MAX_KEYSTORE_BYTES}",
        )
    try:
        stored = json.loads(content)
        key = Account.decrypt(stored, password)
        account: LocalAccount = Account.from_key(key)
    except ValueError as error:
        if "MAC mismatch" in str(error):
            raise KeystorePasswordError(
                name, got="a wrong password", expected="the keystore's password"
            ) from error
        raise KeystoreError(
            name, got=str(error)[:200], expected="a version 3 keystore"
        ) from error
    except Exception as error:  # the decoder leaks KeyError, TypeError and others
        raise KeystoreError(
            name, got=repr(error)[:200], expected="a version 3 keystore"
        ) from error
    return account


def create_keystore(
    path: str | Path, password: str, *, iterations: int | None = None
) -> NodeKey:
    """Make a new key, write its keystore to `path` (mode 0600) and return it unlocked.

    Args:
        path: a file that does not exist yet.
        password: what encrypts it; not empty.
        iterations: PBKDF2 rounds; the library's default, meant to be slow, if `None`.

    Raises:
        KeystoreError: the file exists or cannot be written.
        ValueError: the password is empty.
    """
    if not password:
        raise ValueError("password: got an empty one, expected at least a character")
    account = Account.create()
    stored = Account.encrypt(account.key, password, kdf="pbkdf2", iterations=iterations)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(stored, file)
    except OSError as error:
        raise KeystoreError(
            str(path), got=str(error.strerror), expected="a new file"
        ) from error
    return NodeKey(account)
