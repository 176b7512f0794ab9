// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ICollateralReader} from "./ICollateralReader.sol";
import {Json} from "./Json.sol";
import {
    Issue,
    QeIdentity,
    SvnLevel,
    TcbInfo,
    TcbLevel,
    TdxModuleLevel
} from "./types/Collateral.sol";
import {TcbStatus} from "./types/TcbStatus.sol";

/// @title CollateralReader
contract CollateralReader is ICollateralReader {
    /// @dev Most levels of a TCB info, of one module or quoting enclave, and of all modules: what
    ///      `CollateralStore` has room for. Intel lists 4, 4 and 6 today.
    uint256 private constant MOST_LEVELS = 15;
    uint256 private constant MOST_SVN_LEVELS = 10;
    uint256 private constant MOST_MODULE_LEVELS = 20;

    uint256 private constant COMPONENTS = 16;

    /// @dev Statuses that Intel gives to a TDX module, to a quoting enclave and to a machine: one bit
    ///      each, by `TcbStatus`.
    uint256 private constant OF_MODULE = (1 << uint256(TcbStatus.UpToDate))
        | (1 << uint256(TcbStatus.OutOfDate)) | (1 << uint256(TcbStatus.Revoked));
    uint256 private constant OF_ENCLAVE = OF_MODULE | (1 << uint256(TcbStatus.ConfigurationNeeded))
        | (1 << uint256(TcbStatus.OutOfDateConfigurationNeeded));
    uint256 private constant OF_MACHINE = OF_ENCLAVE | (1 << uint256(TcbStatus.SWHardeningNeeded))
        | (1 << uint256(TcbStatus.ConfigurationAndSWHardeningNeeded));

    /* EXTERNAL */

    /// @inheritdoc ICollateralReader
    function readTcbInfoIssue(bytes calldata text)
        external
        pure
        returns (Issue memory issue, bytes6 fmspc)
    {
        (issue, fmspc,) = _tcbInfoIssue(text);
    }

    /// @inheritdoc ICollateralReader
    function readQeIdentityIssue(bytes calldata text) external pure returns (Issue memory issue) {
        (issue,) = _qeIdentityIssue(text);
    }

    /// @inheritdoc ICollateralReader
    function readTcbInfo(bytes calldata text) external pure returns (TcbInfo memory info) {
        uint256 at;
        bytes32 value;
        (, info.fmspc, at) = _tcbInfoIssue(text);
        at = Json.literal(text, at, '","pceId":"', 11);
        (value, at) = Json.hexadecimal(text, at, 2);
        info.pceId = bytes2(value);
        at = Json.literal(text, at, '","tcbType":0,', 14);
        at = Json.literal(text, at, '"tcbEvaluationDataNumber":', 26);
        (info.evaluationNumber, at) = _uint16(text, at);
        at = Json.literal(text, at, ',"tdxModule":{', 14);
        at = _intelModule(text, at);
        at = Json.literal(text, at, "}", 1);
        (info.modules, at) = _modules(text, at);
        (info.levels, at) = _levels(text, at);
        at = Json.literal(text, at, "}", 1);
        Json.close(text, at);
    }

    /// @inheritdoc ICollateralReader
    function readQeIdentity(bytes calldata text)
        external
        pure
        returns (QeIdentity memory identity)
    {
        (, uint256 at) = _qeIdentityIssue(text);
        at = Json.literal(text, at, '","tcbEvaluationDataNumber":', 28);
        (identity.evaluationNumber, at) = _uint16(text, at);
        bytes32 value;
        (value, at) = _field(text, at, ',"miscselect":"', 15, 4);
        identity.miscselect = bytes4(value);
        (value, at) = _field(text, at, '","miscselectMask":"', 20, 4);
        identity.miscselectMask = bytes4(value);
        (value, at) = _field(text, at, '","attributes":"', 16, 16);
        identity.attributes = bytes16(value);
        (value, at) = _field(text, at, '","attributesMask":"', 20, 16);
        identity.attributesMask = bytes16(value);
        (identity.mrSigner, at) = _field(text, at, '","mrsigner":"', 14, 32);
        at = Json.literal(text, at, '","isvprodid":', 14);
        (identity.productId, at) = _uint16(text, at);
        at = Json.literal(text, at, ",", 1);
        (identity.levels, at) = _svnLevels(text, at, type(uint16).max, OF_ENCLAVE);
        at = Json.literal(text, at, "}", 1);
        Json.close(text, at);
    }

    /* INTERNAL: PARTS */

    function _tcbInfoIssue(bytes calldata text)
        private
        pure
        returns (Issue memory issue, bytes6 fmspc, uint256 next)
    {
        next = Json.literal(text, 0, '{"id":"TDX","version":3,', 24);
        (issue, next) = _issue(text, Json.literal(text, next, '"issueDate":"', 13));
        bytes32 value;
        (value, next) = _field(text, next, '","fmspc":"', 11, 6);
        fmspc = bytes6(value);
    }

    function _qeIdentityIssue(bytes calldata text)
        private
        pure
        returns (Issue memory issue, uint256 next)
    {
        next = Json.literal(text, 0, '{"id":"TD_QE","version":', 24);
        bytes1 version = Json.peek(text, next) == "3" ? bytes1("3") : bytes1("2");
        next = Json.literal(text, next, version, 1);
        return _issue(text, Json.literal(text, next, ',"issueDate":"', 14));
    }

    /// @dev Issue date and next update, from the first one's value on.
    function _issue(bytes calldata text, uint256 at)
        private
        pure
        returns (Issue memory issue, uint256 next)
    {
        (issue.issuedAt, next) = Json.date(text, at);
        next = Json.literal(text, next, '","nextUpdate":"', 16);
        (issue.validUntil, next) = Json.date(text, next);
        issue.validUntil += 1;
        issue.content = keccak256(text[next:]);
    }

    /// @dev The key of `length` characters, then `count` bytes in hexadecimal digits.
    function _field(bytes calldata text, uint256 at, bytes32 key, uint256 length, uint256 count)
        private
        pure
        returns (bytes32 value, uint256 next)
    {
        return Json.hexadecimal(text, Json.literal(text, at, key, length), count);
    }

    /// @dev Signer and attributes of Intel's own TDX module. The verifier compares a TD's with these
    ///      zeros; a module signed by somebody else would need another reader.
    function _intelModule(bytes calldata text, uint256 at) private pure returns (uint256 next) {
        next = Json.literal(text, at, '"mrsigner":"', 12);
        next = Json.zeros(text, next, 96);
        next = Json.literal(text, next, '","attributes":"', 16);
        next = Json.zeros(text, next, 16);
        next = Json.literal(text, next, '","attributesMask":"', 20);
        next = Json.literal(text, next, 'FFFFFFFFFFFFFFFF"', 17);
    }

    function _uint16(bytes calldata text, uint256 at) private pure returns (uint16, uint256) {
        (uint256 value, uint256 next) = Json.number(text, at, type(uint16).max);
        return (uint16(value), next);
    }

    /// @dev `,"tdxModuleIdentities":[…],`, or `,` in the TCB infos of 2023, which have none.
    function _modules(bytes calldata text, uint256 at)
        private
        pure
        returns (TdxModuleLevel[] memory modules, uint256 next)
    {
        if (!Json.follows(text, at, ',"tdxModuleIdentities":', 23)) {
            return (modules, Json.literal(text, at, ",", 1));
        }
        modules = new TdxModuleLevel[](0);
        next = Json.literal(text, at + 23, "[", 1) - 1;
        do {
            uint8 version;
            SvnLevel[] memory levels;
            (version, levels, next) = _module(text, next + 1);
            modules = _joined(modules, version, levels, next);
        } while (Json.peek(text, next) == ",");
        next = Json.literal(text, next, "],", 2);
    }

    function _module(bytes calldata text, uint256 at)
        private
        pure
        returns (uint8 version, SvnLevel[] memory levels, uint256 next)
    {
        bytes32 value;
        next = Json.literal(text, at, '{"id":"TDX_', 11);
        (value, next) = Json.hexadecimal(text, next, 1);
        version = uint8(bytes1(value));
        // Version 0 stands for modules without an identity: an entry would never be asked for.
        _requireOrder(version != 0, at);
        next = Json.literal(text, next, '",', 2);
        next = _intelModule(text, next);
        next = Json.literal(text, next, ",", 1);
        (levels, next) = _svnLevels(text, next, type(uint8).max, OF_MODULE);
        next = Json.literal(text, next, "}", 1);
    }

    /// @dev `modules`, then one more module's levels.
    function _joined(
        TdxModuleLevel[] memory modules,
        uint8 version,
        SvnLevel[] memory levels,
        uint256 at
    ) private pure returns (TdxModuleLevel[] memory joined) {
        uint256 before = modules.length;
        _requireCount(before + levels.length, MOST_MODULE_LEVELS, at);
        joined = new TdxModuleLevel[](before + levels.length);
        for (uint256 i = 0; i < before; i++) {
            _requireOrder(modules[i].version != version, at);
            joined[i] = modules[i];
        }
        for (uint256 i = 0; i < levels.length; i++) {
            joined[before + i] = TdxModuleLevel(version, uint8(levels[i].svn), levels[i].status);
        }
    }

    /// @dev `"tcbLevels":[{"tcb":{"isvsvn":…},"tcbDate":"…","tcbStatus":"…"},…]`.
    function _svnLevels(bytes calldata text, uint256 at, uint256 most, uint256 statuses)
        private
        pure
        returns (SvnLevel[] memory levels, uint256 next)
    {
        SvnLevel[] memory found = new SvnLevel[](MOST_SVN_LEVELS);
        uint256 count = 0;
        next = Json.literal(text, at, '"tcbLevels":[', 13) - 1;
        do {
            _requireCount(count + 1, MOST_SVN_LEVELS, next);
            uint256 svn;
            next = Json.literal(text, next + 1, '{"tcb":{"isvsvn":', 17);
            (svn, next) = Json.number(text, next, most);
            _requireOrder(count == 0 || found[count - 1].svn > svn, next);
            found[count].svn = uint16(svn);
            (found[count].status, next) = _rest(text, next, statuses);
            count++;
        } while (Json.peek(text, next) == ",");
        next = Json.literal(text, next, "]", 1);
        levels = new SvnLevel[](count);
        for (uint256 i = 0; i < count; i++) {
            levels[i] = found[i];
        }
    }

    function _levels(bytes calldata text, uint256 at)
        private
        pure
        returns (TcbLevel[] memory levels, uint256 next)
    {
        TcbLevel[] memory found = new TcbLevel[](MOST_LEVELS);
        uint256 count = 0;
        next = Json.literal(text, at, '"tcbLevels":[', 13) - 1;
        do {
            _requireCount(count + 1, MOST_LEVELS, next);
            (found[count], next) = _level(text, next + 1);
            _requireOrder(count == 0 || _before(found[count - 1], found[count]), next);
            count++;
        } while (Json.peek(text, next) == ",");
        next = Json.literal(text, next, "]", 1);
        levels = new TcbLevel[](count);
        for (uint256 i = 0; i < count; i++) {
            levels[i] = found[i];
        }
    }

    function _level(bytes calldata text, uint256 at)
        private
        pure
        returns (TcbLevel memory level, uint256 next)
    {
        uint256 sgx;
        uint256 tdx;
        uint256 pceSvn;
        next = Json.literal(text, at, '{"tcb":{"sgxtcbcomponents":[', 28);
        (sgx, next) = _components(text, next);
        next = Json.literal(text, next, ',"pcesvn":', 10);
        (pceSvn, next) = Json.number(text, next, type(uint16).max);
        next = Json.literal(text, next, ',"tdxtcbcomponents":[', 21);
        (tdx, next) = _components(text, next);
        level.components = bytes32((sgx << 128) | tdx);
        level.pceSvn = uint16(pceSvn);
        (level.status, next) = _rest(text, next, OF_MACHINE);
    }

    /// @dev `{"svn":…},…]`, sixteen of them, each perhaps with category and type.
    function _components(bytes calldata text, uint256 at)
        private
        pure
        returns (uint256 components, uint256 next)
    {
        next = Json.literal(text, at, '{"svn":', 7);
        for (uint256 left = COMPONENTS;;) {
            uint256 svn;
            (svn, next) = Json.number(text, next, type(uint8).max);
            components = (components << 8) | svn;
            if (Json.peek(text, next) == ",") {
                next = Json.skipString(text, Json.literal(text, next, ',"category":"', 13));
                if (Json.peek(text, next) == ",") {
                    next = Json.skipString(text, Json.literal(text, next, ',"type":"', 9));
                }
            }
            if (--left == 0) break;
            next = Json.literal(text, next, '},{"svn":', 9);
        }
        next = Json.literal(text, next, "}]", 2);
    }

    /// @dev What ends every level: `},"tcbDate":"…","tcbStatus":"…"}`, perhaps with advisories.
    function _rest(bytes calldata text, uint256 at, uint256 statuses)
        private
        pure
        returns (TcbStatus status, uint256 next)
    {
        next = Json.literal(text, at, '},"tcbDate":"', 13);
        next = Json.skipDate(text, next);
        next = Json.literal(text, next, '","tcbStatus":"', 15);
        (status, next) = _status(text, next, statuses);
        if (Json.peek(text, next) == ",") {
            next = Json.literal(text, next, ',"advisoryIDs":["', 17);
            next = Json.skipString(text, next);
            while (Json.peek(text, next) == ",") {
                next = Json.skipString(text, Json.literal(text, next, ',"', 2));
            }
            next = Json.literal(text, next, "]", 1);
        }
        next = Json.literal(text, next, "}", 1);
    }

    function _status(bytes calldata text, uint256 at, uint256 statuses)
        private
        pure
        returns (TcbStatus status, uint256 next)
    {
        next = Json.skipString(text, at);
        status = _named(keccak256(text[at:next - 1]));
        if ((statuses >> uint256(status)) & 1 == 0) {
            revert JsonStatus(at, bytes32(text[at:next - 1]));
        }
    }

    function _named(bytes32 name) private pure returns (TcbStatus) {
        if (name == keccak256("UpToDate")) return TcbStatus.UpToDate;
        if (name == keccak256("OutOfDate")) return TcbStatus.OutOfDate;
        if (name == keccak256("SWHardeningNeeded")) return TcbStatus.SWHardeningNeeded;
        if (name == keccak256("ConfigurationNeeded")) return TcbStatus.ConfigurationNeeded;
        if (name == keccak256("ConfigurationAndSWHardeningNeeded")) {
            return TcbStatus.ConfigurationAndSWHardeningNeeded;
        }
        if (name == keccak256("OutOfDateConfigurationNeeded")) {
            return TcbStatus.OutOfDateConfigurationNeeded;
        }
        if (name == keccak256("Revoked")) return TcbStatus.Revoked;
        return TcbStatus.Unknown;
    }

    /// @dev Whether `better` is tried before `worse` (Intel QVL): by SGX components, then PCESVN, then
    ///      TDX components.
    function _before(TcbLevel memory better, TcbLevel memory worse) private pure returns (bool) {
        uint256 left = uint256(better.components);
        uint256 right = uint256(worse.components);
        if (left >> 128 != right >> 128) return left >> 128 > right >> 128;
        if (better.pceSvn != worse.pceSvn) return better.pceSvn > worse.pceSvn;
        return left > right;
    }

    function _requireOrder(bool ordered, uint256 at) private pure {
        if (!ordered) revert LevelOrder(at);
    }

    function _requireCount(uint256 count, uint256 limit, uint256 at) private pure {
        if (count > limit) revert LevelCount(at, limit);
    }
}
