// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title EIP-712 digests and strict ECDSA recovery.
library Signatures {
    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );

    /// @dev Length of a signature in bytes: r ‖ s ‖ v.
    uint256 internal constant LENGTH = 65;

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

    /// @dev Digest of a struct hash under a domain separator: keccak256(0x1901 ‖ separator ‖
    ///      structHash), in memory that is free.
    function digest(bytes32 separator, bytes32 structHash) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, shl(240, 0x1901))
            mstore(add(start, 2), separator)
            mstore(add(start, 34), structHash)
            result := keccak256(start, 66)
        }
    }

    /// @dev Recover the signer of a lone signature; see `recoverAt`.
    function recover(bytes32 hash, bytes calldata signature)
        internal
        pure
        returns (bool wellFormed, address signer)
    {
        if (signature.length != LENGTH) return (false, address(0));
        return recoverAt(hash, signature, 0);
    }

    /// @dev Recover the signer of the signature number `index` in `signatures`, which the caller has
    ///      seen to be long enough; the zero address wherever s is high, v is neither 27 nor 28, or
    ///      no point fits. Callers refuse zero.
    function recoverAt(bytes32 hash, bytes calldata signatures, uint256 index)
        internal
        pure
        returns (bool wellFormed, address signer)
    {
        bytes32 r;
        bytes32 s;
        uint8 v;
        assembly ("memory-safe") {
            let start := add(signatures.offset, mul(index, 65))
            r := calldataload(start)
            s := calldataload(add(start, 32))
            v := byte(0, calldataload(add(start, 64)))
        }
        if (uint256(s) > HALF_ORDER || (v != 27 && v != 28)) return (false, address(0));
        return (true, ecrecover(hash, v, r, s));
    }
}
