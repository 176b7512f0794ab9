// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Chains where money is.
library ProductionChains {
    /// @dev Whether `id` is one of the chains listed. A chain that is missing here only lets a
    ///      development root be deployed, whose tier is 0 everywhere.
    function contains(uint256 id) internal pure returns (bool) {
        return id == 1 // Ethereum
            || id == 10 // OP Mainnet
            || id == 25 // Cronos
            || id == 30 // Rootstock
            || id == 56 // BNB Smart Chain
            || id == 100 // Gnosis
            || id == 130 // Unichain
            || id == 137 // Polygon
            || id == 143 // Monad
            || id == 146 // Sonic
            || id == 232 // Lens
            || id == 239 // TAC
            || id == 250 // Fantom
            || id == 252 // Fraxtal
            || id == 288 // Boba
            || id == 324 // ZKsync Era
            || id == 480 // World Chain
            || id == 999 // Hyperliquid EVM
            || id == 1088 // Metis
            || id == 1101 // Polygon zkEVM
            || id == 1135 // Lisk
            || id == 1284 // Moonbeam
            || id == 1329 // Sei
            || id == 1625 // Gravity
            || id == 1868 // Soneium
            || id == 2020 // Ronin
            || id == 2741 // Abstract
            || id == 5000 // Mantle
            || id == 8217 // Kaia
            || id == 8453 // Base
            || id == 9745 // Plasma
            || id == 33139 // ApeChain
            || id == 34443 // Mode
            || id == 42161 // Arbitrum One
            || id == 42170 // Arbitrum Nova
            || id == 42220 // Celo
            || id == 43114 // Avalanche
            || id == 57073 // Ink
            || id == 59144 // Linea
            || id == 80094 // Berachain
            || id == 81457 // Blast
            || id == 167000 // Taiko
            || id == 534352 // Scroll
            || id == 7777777; // Zora
    }
}
