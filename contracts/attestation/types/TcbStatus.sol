// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice How far a machine is patched, in Intel's words (PCS API, "TCB status"). The order here is
///         for reading only; nothing compares statuses by it.
enum TcbStatus {
    Unknown,
    UpToDate,
    SWHardeningNeeded,
    ConfigurationNeeded,
    ConfigurationAndSWHardeningNeeded,
    OutOfDate,
    OutOfDateConfigurationNeeded,
    Revoked,
    TDRelaunchAdvised,
    TDRelaunchAdvisedConfigurationNeeded
}

/// @dev The status of a machine together with a part of it (TDX module, quoting enclave): only a part
///      that is revoked or out of date makes the whole worse (Intel QVL, `convergeTcbStatuses`).
function converge(TcbStatus whole, TcbStatus part) pure returns (TcbStatus) {
    if (part == TcbStatus.Revoked) return TcbStatus.Revoked;
    if (part != TcbStatus.OutOfDate) return whole;
    if (whole == TcbStatus.UpToDate || whole == TcbStatus.SWHardeningNeeded) {
        return TcbStatus.OutOfDate;
    }
    if (
        whole == TcbStatus.ConfigurationNeeded
            || whole == TcbStatus.ConfigurationAndSWHardeningNeeded
    ) return TcbStatus.OutOfDateConfigurationNeeded;
    return whole;
}

/// @dev The status of a TD 1.5, which tells the versions that it was launched on and those that it
///      runs on now: launched on old ones and updated since, it should be relaunched (Intel QVL,
///      `checkForRelaunch`).
function relaunch(TcbStatus launched, TcbStatus current) pure returns (TcbStatus) {
    bool outOfDate =
        launched == TcbStatus.OutOfDate || launched == TcbStatus.OutOfDateConfigurationNeeded;
    bool configuration = current == TcbStatus.ConfigurationNeeded
        || current == TcbStatus.ConfigurationAndSWHardeningNeeded;
    bool updated =
        configuration || current == TcbStatus.UpToDate || current == TcbStatus.SWHardeningNeeded;
    if (!outOfDate || !updated) return launched;
    return configuration || launched == TcbStatus.OutOfDateConfigurationNeeded
        ? TcbStatus.TDRelaunchAdvisedConfigurationNeeded
        : TcbStatus.TDRelaunchAdvised;
}
