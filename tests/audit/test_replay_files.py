"""Replaying evidence files: what is damaged is named, what drifts adds up."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from affiant.audit.errors import AuditUnavailableError
from affiant.audit.replay_files import Replays, replay_files
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_errors import EvidenceCorruptError


@pytest.fixture
def files(chronicle: Any, tmp_path: Path) -> list[Path]:
    """Every bundle of the chronicle, as a file."""
    found = []
    for name, bundle in chronicle.bundles.items():
        path = tmp_path / f"{name}.json.zst"
        path.write_bytes(bundle.to_bytes())
        found.append(path)
    return found


def test_honest_files_replay_exactly(chronicle: Any, files: list[Path]) -> None:
    found = replay_files(files, replayer=chronicle.replayer())
    assert not found.rejected and not found.undecided and found.drifts == ()
    assert len(found.files) == len(files)
    for file in found.files:
        assert [verdict.grade for verdict in file.verdicts] == ["exact"]
        assert file.node == chronicle.world.key.address and file.error is None
    assert found.to_json()["format"] == "affiant-replay/1"


def test_what_cannot_be_replayed_is_said_file_by_file(
    chronicle: Any, files: list[Path], tmp_path: Path
) -> None:
    bundle = EvidenceBundle.from_bytes(files[0].read_bytes())
    cut, withheld, missing = (tmp_path / name for name in ("cut", "kept", "none"))
    cut.write_bytes(files[0].read_bytes()[:-9])
    withheld.write_bytes(bundle.withhold(["tokens"]).to_bytes())
    found = replay_files(
        [files[1], cut, withheld, missing], replayer=chronicle.replayer()
    )
    honest, broken, closed, absent = found.files
    assert not honest.rejected and not honest.undecided
    assert broken.rejected and broken.node is None and broken.digest is None
    assert not closed.rejected and closed.undecided and closed.slot is not None
    assert isinstance(closed.error, AuditUnavailableError)
    assert not absent.rejected and absent.undecided
    assert found.rejected and found.undecided


@dataclass(frozen=True)
class Change:
    """Evidence changed by whoever holds the file, and what it is refused as."""

    id: str
    path: tuple[Any, ...]
    value: Any


CHANGES = [
    Change("a token", ("sections", "tokens", "content", 0, "output", 3), 7),
    Change("a fingerprint", ("sections", "traces", "content", 0, "tokens", 3, 0), 7),
    Change("the temperature", ("sections", "manifests", "content", "engine"), {}),
    Change("the signature", ("signature",), "0x" + "11" * 65),
    Change("a receipt", ("receipts", 0, "trace"), "0x" + "22" * 32),
    Change("the model of the mandate", ("mandate", "model"), "0x" + "22" * 32),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.id)
def test_an_edited_file_is_refused(
    chronicle: Any, tmp_path: Path, change: Change
) -> None:
    from affiant.encoding import canonical_json
    from affiant.onchain.evidence_frame import pack

    value = copy.deepcopy(chronicle.bundles["swap"].to_json())
    place = value
    for step in change.path[:-1]:
        place = place[step]
    place[change.path[-1]] = change.value
    path = tmp_path / "edited.json.zst"
    path.write_bytes(pack(canonical_json(value)))
    found = replay_files([path], replayer=chronicle.replayer())
    assert found.rejected and found.files[0].verdicts == ()


@pytest.mark.parametrize(("distance", "drifts"), [(0.0005, False), (0.9, True)])
def test_a_nodes_inferences_are_added_up(
    chronicle: Any,
    files: list[Path],
    make_elsewhere: Any,
    distance: float,
    drifts: bool,
) -> None:
    replayer = make_elsewhere(chronicle, distance=distance)

    def run(paths: list[Path]) -> Replays:
        return replay_files(paths, replayer=replayer)

    found = run(files)
    ((node, drift),) = found.drifts
    assert node == chronicle.world.key.address
    assert drift.inferences == len(files)
    assert (drift.alarm is not None) == drifts == found.rejected
    # Neither the order of the files nor another's file changes what adds up.
    assert run(files[::-1]).drifts == found.drifts


def test_copies_of_an_unlucky_file_are_counted_once(
    chronicle: Any, files: list[Path], make_elsewhere: Any, tmp_path: Path
) -> None:
    """An honest node cannot be framed with one inference, however often it is given."""
    replayer = make_elsewhere(chronicle, distance=0.9)
    copies = [files[0]]
    for number in range(40):
        copies.append(tmp_path / f"copy {number}.json.zst")
        copies[-1].write_bytes(files[0].read_bytes())
    found = replay_files(copies, replayer=replayer)
    ((_, drift),) = found.drifts
    assert (drift.inferences, drift.alarm) == (1, None)
    assert not found.rejected and len(found.files) == len(copies)
    # Each is counted once, so the copies hide nothing either.
    together = replay_files([*copies, *files], replayer=replayer)
    assert together.drifts == replay_files(files, replayer=replayer).drifts


def test_rubbish_is_refused_before_any_model_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "rubbish.json.zst"
    path.write_bytes(b"rubbish")
    found = replay_files([path], replayer=None)  # type: ignore[arg-type]
    assert found.rejected and isinstance(found.files[0].error, EvidenceCorruptError)
