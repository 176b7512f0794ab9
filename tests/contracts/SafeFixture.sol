// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDecisionGate} from "../../contracts/IDecisionGate.sol";
import {Mandate, Rule} from "../../contracts/types/Mandate.sol";
import {GateFixture} from "./GateFixture.sol";

/// @title As much of the real Safe as the tests use.
interface ISafe {
    function setup(
        address[] calldata owners,
        uint256 threshold,
        address to,
        bytes calldata data,
        address fallbackHandler,
        address paymentToken,
        uint256 payment,
        address paymentReceiver
    ) external;
    function execTransaction(
        address to,
        uint256 value,
        bytes calldata data,
        uint8 operation,
        uint256 safeTxGas,
        uint256 baseGas,
        uint256 gasPrice,
        address gasToken,
        address refundReceiver,
        bytes calldata signatures
    ) external payable returns (bool);
    function enableModule(address module) external;
    function disableModule(address previous, address module) external;
    function setGuard(address guard) external;
    function isModuleEnabled(address module) external view returns (bool);
    function getOwners() external view returns (address[] memory);
    function getThreshold() external view returns (uint256);
    function VERSION() external view returns (string memory);
}

/// @title As much of the real proxy factory as the tests use.
interface ISafeProxyFactory {
    function createProxyWithNonce(address singleton, bytes calldata initializer, uint256 nonce)
        external
        returns (address proxy);
}

/// @title The gate as a module of a real Safe 1.4.1, with the bytecode that Safe published.
/// @notice The Safe holds the account's money; `owner` alone is its owner. In place of the
///         account of our own, nothing else is different.
abstract contract SafeFixture is GateFixture {
    string private constant ARTIFACTS =
        "node_modules/@safe-global/safe-contracts/build/artifacts/contracts/";

    ISafe internal safe;

    function setUp() public virtual override {
        super.setUp();
        safe = _newSafe(1);
        weth.mint(address(safe), 100e18);
        usdc.mint(address(safe), 10_000e6);
        vm.deal(address(safe), 5 ether);
        _asSafe(address(safe), abi.encodeCall(ISafe.enableModule, (address(gate))));
    }

    function _newSafe(uint256 nonce) internal returns (ISafe) {
        address singleton = _create("Safe.sol/Safe.json");
        address factory = _create("proxies/SafeProxyFactory.sol/SafeProxyFactory.json");
        address handler =
            _create("handler/CompatibilityFallbackHandler.sol/CompatibilityFallbackHandler.json");
        address[] memory owners = new address[](1);
        owners[0] = owner;
        bytes memory initializer = abi.encodeCall(
            ISafe.setup, (owners, 1, address(0), "", handler, address(0), 0, address(0))
        );
        return ISafe(ISafeProxyFactory(factory).createProxyWithNonce(singleton, initializer, nonce));
    }

    function _create(string memory artifact) internal returns (address created) {
        bytes memory code =
            vm.parseJsonBytes(vm.readFile(string.concat(ARTIFACTS, artifact)), ".bytecode");
        assembly {
            created := create(0, add(code, 32), mload(code))
        }
        vm.assertTrue(created != address(0), artifact);
    }

    /// @dev A transaction of the Safe, by its owner.
    function _asSafe(address target, bytes memory data) internal {
        // "Approved by whoever sends": r is the owner, v is 1.
        bytes memory signature =
            abi.encodePacked(bytes32(uint256(uint160(owner))), bytes32(0), uint8(1));
        vm.prank(owner);
        safe.execTransaction(target, 0, data, 0, 0, 0, 0, address(0), address(0), signature);
    }

    function _safeMandate() internal view returns (Mandate memory mandate) {
        mandate = _mandate();
        mandate.account = address(safe);
    }

    /// @dev The usual honest decision of a granted mandate, with the Safe's money.
    function _safeHonest() internal returns (Submission memory s) {
        s = _draft(_safeMandate());
        _grantBySafe(s.mandate);
        _seal(s);
    }

    function _safeUnder(address rule, bytes memory terms) internal returns (Submission memory s) {
        s = _draft(_safeMandate());
        s.mandate.rules = new Rule[](1);
        s.mandate.rules[0] = Rule(rule, terms);
        _grantBySafe(s.mandate);
        _reseal(s);
    }

    function _grantBySafe(Mandate memory mandate) internal {
        _asSafe(address(gate), abi.encodeCall(IDecisionGate.grant, (mandate)));
    }
}
