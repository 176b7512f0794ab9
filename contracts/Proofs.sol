// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BoundedCall} from "./BoundedCall.sol";
import {IDecisionGate} from "./IDecisionGate.sol";
import {Signatures} from "./Signatures.sol";
import {IAttestation} from "./attestation/IAttestation.sol";
import {ENDORSERS, Entry, KeptMandate, NODES, WORKLOADS} from "./types/KeptMandate.sol";

/// @title Who swore: node keys and endorsers, held against a mandate.
library Proofs {
    /// @dev Stands for a key that is permitted in no way.
    int256 internal constant NOT_PERMITTED = -1;

    /// @dev Highest tier there is; an attestation that says more is not believed.
    uint256 private constant MOST_TIER = 3;

    /// @dev Words of `attestationOf`'s answer, in bytes.
    uint256 private constant ATTESTATION_BYTES = 128;

    /// @dev Who made the first of `signatures` over `digest`. Whether that key may swear is another
    ///      question.
    function signer(bytes32 digest, bytes calldata signatures) internal pure returns (address) {
        return _recover(digest, signatures, 0);
    }

    /// @dev How many signatures there are; all of full length, or it reverts.
    function countSignatures(bytes calldata signatures) internal pure returns (uint256 count) {
        count = signatures.length / Signatures.LENGTH;
        if (count * Signatures.LENGTH != signatures.length || count == 0) {
            _refuseForm(signatures);
        }
    }

    /// @dev Tier that the mandate gives the key by name; `NOT_PERMITTED` where it does not name it.
    function namedTier(KeptMandate mandate, address key) internal pure returns (int256) {
        uint256 nodes = mandate.count(NODES);
        for (uint256 i = 0; i < nodes; i++) {
            Entry entry = mandate.entry(NODES, i);
            if (address(uint160(entry.field(0))) == key) {
                return int256(entry.field(1));
            }
        }
        return NOT_PERMITTED;
    }

    /// @dev Highest tier at which a workload of the mandate attests the key now, or the first that
    ///      is at least `enough`; `NOT_PERMITTED` where none does.
    function attestedTier(KeptMandate mandate, address key, int256 enough)
        internal
        view
        returns (int256 best)
    {
        best = NOT_PERMITTED;
        uint256 workloads = mandate.count(WORKLOADS);
        for (uint256 i = 0; i < workloads && best < enough; i++) {
            int256 tier = _attested(
                address(uint160(mandate.word(WORKLOADS, i, 0))),
                bytes32(mandate.word(WORKLOADS, i, 1)),
                key
            );
            if (tier > best) best = tier;
        }
    }

    /// @dev Revert unless the signatures from number `first` on are of the mandate's endorsers, each
    ///      once. Ascending signers need no memory to be distinct, and endorsers are ascending in the
    ///      mandate as well: one walk along both.
    /// @param node The key that swore what is endorsed; zero where endorsers alone speak.
    function checkEndorsers(
        KeptMandate mandate,
        bytes32 digest,
        bytes calldata signatures,
        uint256 first,
        address node
    ) internal pure {
        uint256 count = signatures.length / Signatures.LENGTH;
        uint256 endorsers = mandate.count(ENDORSERS);
        uint256 next = 0;
        address previous = address(0);
        for (uint256 i = first; i < count; i++) {
            address endorser = _recover(digest, signatures, i);
            if (endorser == node) revert IDecisionGate.NodeEndorsesItself(node);
            if (endorser <= previous) {
                revert IDecisionGate.EndorsersUnordered(endorser, previous);
            }
            while (next < endorsers && uint160(endorser) > mandate.word(ENDORSERS, next, 0)) {
                next++;
            }
            if (next == endorsers || uint160(endorser) != mandate.word(ENDORSERS, next, 0)) {
                revert IDecisionGate.EndorserUnknown(endorser);
            }
            previous = endorser;
        }
    }

    function _recover(bytes32 digest, bytes calldata signatures, uint256 index)
        private
        pure
        returns (address key)
    {
        bool wellFormed;
        (wellFormed, key) = Signatures.recoverAt(digest, signatures, index);
        // Where no point fits, the precompile tells the zero address: that is nobody.
        if (!wellFormed || key == address(0)) {
            _refuseForm(signatures);
        }
    }

    function _attested(address attestation, bytes32 measurement, address key)
        private
        view
        returns (int256)
    {
        (bool success, bytes memory answer) = BoundedCall.staticCall(
            attestation,
            abi.encodeCall(IAttestation.attestationOf, (key, measurement)),
            ATTESTATION_BYTES
        );
        if (!success || answer.length != ATTESTATION_BYTES) return NOT_PERMITTED;
        // As plain words: a tier or time that does not fit its type must not be a revert here.
        (uint256 tier, uint256 validFrom, uint256 validUntil, uint256 revokedAt) =
            abi.decode(answer, (uint256, uint256, uint256, uint256));
        bool holds = tier <= MOST_TIER && validFrom != 0 && validFrom <= block.timestamp
            && block.timestamp < validUntil && revokedAt == 0;
        return holds ? int256(tier) : NOT_PERMITTED;
    }

    function _refuseForm(bytes calldata signatures) private pure {
        revert IDecisionGate.SignatureMalformed(signatures.length);
    }
}
