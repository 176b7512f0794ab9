// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title EIP-712 digests and strict ECDSA recovery.
library Signatures {
    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );

    /// @dev Half the order of secp256k1: a larger s has a twin, which would make signatures
    ///      malleable.
    uint256 private constant HALF_ORDER =
        0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @dev Domain separator ("Affiant", "1") of this contract on this chain.
    function domainSeparator() internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                DOMAIN_TYPEHASH, keccak256("Affiant"), keccak256("1"), block.chainid, address(this)
            )
        );
    }

    /// @dev Digest of a struct hash under a domain separator.
    function digest(bytes32 separator, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", separator, structHash));
    }

    /// @dev Recover the signer; the zero address wherever the signature is not exactly 65 bytes,
    ///      s is high, v is neither 27 nor 28, or no point fits. Callers refuse zero.
    function recover(bytes32 hash, bytes calldata signature)
        internal
        pure
        returns (bool wellFormed, address signer)
    {
        if (signature.length != 65) return (false, address(0));
        bytes32 r = bytes32(signature[:32]);
        bytes32 s = bytes32(signature[32:64]);
        uint8 v = uint8(signature[64]);
        if (uint256(s) > HALF_ORDER || (v != 27 && v != 28)) return (false, address(0));
        return (true, ecrecover(hash, v, r, s));
    }
}
