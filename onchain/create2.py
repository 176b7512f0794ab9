"""Where contracts will be: addresses that follow from what is deployed.

Pure. Code that goes through the deterministic deployment proxy has the same address on
every chain that has the proxy, whoever pays for it, and nothing else can lie there.
Trusts keccak256, and that the chain has `CREATE2` as EIP-1014 has it.

The proxy: https://github.com/Arachnid/deterministic-deployment-proxy. Its transaction
was signed by no key, so that nobody can deploy anything else in its place.
"""

from __future__ import annotations

from eth_utils.address import to_checksum_address

from affiant.encoding import keccak256
from affiant.onchain.mandate import Address

PROXY = Address("0x4e59b44847b379578588920cA78FbF26c0B4956C")
"""The deterministic deployment proxy: calldata is the salt, then the creation code."""

SALT = bytes(32)
"""Salt of Affiant's own deployments."""


def fork_salt(chain_id: int) -> bytes:
    """Return the salt of deployments on a fork, whose source may have ours already."""
    return chain_id.to_bytes(32, "big")


def create2_address(
    init_code: bytes, *, salt: bytes = SALT, creator: Address = PROXY
) -> Address:
    """Return where `creator` puts what `init_code` creates (EIP-1014).

    Args:
        init_code: creation code with its constructor's arguments.
        salt: 32 bytes.

    Raises:
        ValueError: `salt` has another length.
    """
    if len(salt) != 32:
        raise ValueError(f"salt of {len(salt)} bytes, expected 32")
    packed = b"\xff" + bytes.fromhex(creator[2:]) + salt + keccak256(init_code)
    return _address(keccak256(packed))


def created_by(creator: Address, *, number: int = 1) -> Address:
    """Return where contract number `number` lies of those that `creator`, a contract,
    creates.

    A contract's count of creations begins at 1 (EIP-161); the preimage is the RLP list
    of its address and that count.

    Raises:
        ValueError: `number` is not 1 to 127, the counts that are their own RLP.
    """
    if not 1 <= number <= 127:
        raise ValueError(f"creation {number}, expected 1 to 127")
    listed = b"\xd6\x94" + bytes.fromhex(creator[2:]) + bytes([number])
    return _address(keccak256(listed))


def _address(digest: bytes) -> Address:
    return Address(str(to_checksum_address(digest[12:])))
