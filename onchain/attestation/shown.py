"""A quote in words: what it says, for whoever reads it; nothing is verified. Pure."""

from __future__ import annotations

from affiant.encoding import JsonValue, to_hex
from affiant.inference.attestation.quote import TdxQuote
from affiant.onchain.attestation.binding import REPORT_DATA_TAG
from affiant.signature import parse_address


def shown_quote(quote: TdxQuote) -> dict[str, JsonValue]:
    """Return what `quote` says, by name; hexadecimal as it lies in the report."""
    report = quote.report
    said: dict[str, JsonValue] = {
        "id": to_hex(quote.id),
        "version": quote.version,
        "launchedVersions": report.launched.hex(),
        "currentVersions": report.current.hex(),
        "attributes": report.attributes.hex(),
        "xfam": report.xfam.hex(),
        "mrTd": report.mr_td.hex(),
        "mrConfigId": report.mr_config_id.hex(),
        "mrOwner": report.mr_owner.hex(),
        "mrOwnerConfig": report.mr_owner_config.hex(),
        **{f"rtmr{n}": value.hex() for n, value in enumerate(report.rtmr)},
        "measurements": to_hex(report.measurements(whole=False)),
        "allMeasurements": to_hex(report.measurements(whole=True)),
        "reportData": report.report_data.hex(),
        "certificates": len(quote.certificates),
    }
    key, digest, tag = _parts(report.report_data)
    if tag == REPORT_DATA_TAG:
        said["key"] = parse_address("0x" + key.hex(), what="report data")
        said["binding"] = "0x" + digest.hex()
    return said


def _parts(data: bytes) -> tuple[bytes, bytes, bytes]:
    return data[:20], data[20:52], data[52:]
