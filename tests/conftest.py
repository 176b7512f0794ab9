"""Where quotes that Intel signed are found, and saying so when they are not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGED = ROOT / ".cache/vendor/dcap-qvl"
"""From the source archive of `dcap-qvl`; `make setup` fetches it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--tdx-vectors",
        metavar="FOLDER",
        help="quotes and collateral that Intel signed (NAME beside "
        "NAME_collateral.json); also AFFIANT_TDX_VECTORS, or ../shared/vectors/tdx",
    )


@pytest.fixture(scope="session")
def vendor_folders(request: pytest.FixtureRequest) -> list[Path]:
    """Every folder with vendor-signed data that is there, the one asked for first."""
    config = request.config
    asked = config.getoption("--tdx-vectors") or os.environ.get("AFFIANT_TDX_VECTORS")
    shared = Path(asked) if asked else ROOT.parent / "shared/vectors/tdx"
    nested = sorted(path for path in shared.glob("*") if path.is_dir())
    return [path for path in (shared, *nested, PACKAGED) if path.is_dir()]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", ())
        if "vendor-signed" in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.section("NO VENDOR-SIGNED TDX DATA", red=True)
        terminalreporter.write_line(
            f"{len(skipped)} tests of data that Intel signed were SKIPPED; the rest "
            "ran on the development root. `make setup` fetches some of it where the "
            "package index has the source archive of dcap-qvl; --tdx-vectors FOLDER "
            "takes more."
        )
