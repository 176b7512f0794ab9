"""What an endorser swears about a head, and when it refuses to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from neighbours import neighbour

from affiant.audit.checkpoint import sign_checkpoint
from affiant.audit.endorser_errors import (
    AlreadySignedError,
    CheckpointOpenError,
    CheckpointRefusedError,
)
from affiant.encoding import Digest
from affiant.errors import UnavailableError
from affiant.onchain.checkpoint import Checkpoint
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.mandate import NodePermit
from affiant.onchain.reverts import ContractError
from affiant.signature import recover_signer

pytestmark = pytest.mark.anvil

OTHER = Digest(b"\x11" * 32)


TAMPERING = neighbour("audit/test_tampering.py")


@pytest.fixture
def acted(stage: Any) -> Any:
    """Two executed decisions and a HOLD between them."""
    first = stage.sworn()
    stage.execute(first)
    stage.next_slot()
    stage.sworn(stage.world.hold)
    stage.next_slot()
    second = stage.sworn(stage.world.supply)
    stage.execute(second)
    stage.next_slot()
    stage.decisions = (first, second)
    return stage


def sign(stage: Any, **changes: Any) -> Any:
    desk = stage.desk(key=changes.pop("key", "first"))
    parts: dict[str, Any] = {
        "gate": desk.gate,
        "mandate": stage.mandate.id,
        "store": desk.store,
        "replayer": stage.replayer,
        "key": desk.key,
        "signed": desk.signed,
    }
    try:
        return sign_checkpoint(
            changes.pop("chain", stage.world.chain), **{**parts, **changes}
        )
    finally:
        desk.signed.close()


def kept(stage: Any, key: str = "first") -> int:
    import sqlite3

    path = stage.folder / f"signed-{key}.sqlite"
    with sqlite3.connect(path) as connection:
        (count,) = connection.execute("select count(*) from checkpoints").fetchone()
    connection.close()
    return int(count)


def refuse(stage: Any, kind: type[Exception], **changes: Any) -> Any:
    with pytest.raises(kind) as caught:
        sign(stage, **changes)
    assert kept(stage) == 0
    return caught.value


def test_signs_head_and_outflow_of_what_it_audited(acted: Any) -> None:
    signed = sign(acted)
    checkpoint = signed.statement
    assert isinstance(checkpoint, Checkpoint)
    world = acted.world
    state = world.gate.state_of(acted.mandate.id)
    assert checkpoint.head == acted.decisions[1].digest == state.head
    assert checkpoint.outflow == state.outflow > 0
    anchor = world.chain.block_by_number(checkpoint.anchor)
    assert checkpoint.anchor_hash == anchor.hash
    assert recover_signer(signed.digest, signature=signed.signature) == (
        acted.desk().key.address
    )
    assert acted.replayer.replays == 0  # that of the next desk
    assert kept(acted) == 1


def test_an_earlier_block_has_an_earlier_head(acted: Any) -> None:
    whole = sign(acted)
    middle = acted.mandate.anchor_of(acted.decisions[1].decision.slot)
    part = sign(acted, anchor=middle)
    assert part.statement.head == acted.decisions[0].digest
    assert 0 < part.statement.outflow < whole.statement.outflow


def test_two_endorsers_sign_the_same(acted: Any) -> None:
    anchor = acted.world.chain.block_number()
    first = sign(acted, anchor=anchor)
    second = sign(acted, anchor=anchor, key="second")
    assert first.statement == second.statement
    assert first.endorser != second.endorser


def test_asked_again_it_repeats_itself(acted: Any) -> None:
    anchor = acted.world.chain.block_number()
    assert sign(acted, anchor=anchor) == sign(acted, anchor=anchor)
    assert kept(acted) == 1


# What it refuses.


def test_nothing_done_is_nothing_to_audit(stage: Any) -> None:
    error = refuse(stage, CheckpointRefusedError)
    assert "executed decisions: got none" in str(error)


def test_a_key_that_the_mandate_does_not_name_signs_nothing(acted: Any) -> None:
    with pytest.raises(CheckpointRefusedError, match="endorser"):
        sign(acted, key="third")
    assert kept(acted, "third") == 0


def test_the_gate_grants_no_mandate_whose_node_would_audit_itself(stage: Any) -> None:
    first = stage.desk().key.address
    with pytest.raises(ContractError, match="EndorserIsNode"):
        stage.with_mandate(nodes=(*stage.mandate.nodes, NodePermit(first, 0)))


def test_missing_evidence_is_not_audited(acted: Any) -> None:
    name = f"{acted.decisions[0].digest.hex()}.json.zst"
    (acted.folder / "node-evidence" / name).unlink()
    error = refuse(acted, CheckpointOpenError)
    assert "step 3" in str(error) and "no such file" in str(error)


def test_damaged_evidence_is_refused(acted: Any) -> None:
    path = (
        acted.folder / "node-evidence" / f"{acted.decisions[0].digest.hex()}.json.zst"
    )
    data = path.read_bytes()
    path.write_bytes(data[:99] + bytes([data[99] ^ 1]) + data[100:])
    error = refuse(acted, CheckpointRefusedError)
    assert "step 3" in str(error)


def test_without_a_store_nothing_is_audited(acted: Any) -> None:
    error = refuse(acted, CheckpointOpenError, store=EvidenceStore("memory://none"))
    assert "evidence" in str(error)


@dataclass
class Saying:
    """The scripted replayer, whose grade a test decides."""

    inner: Any
    grade: str
    same_profile: bool

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def replay(self, sworn: Any, *, manifest: Any) -> Any:
        verdict = self.inner.replay(sworn, manifest=manifest)
        return replace(verdict, grade=self.grade, same_profile=self.same_profile)


@pytest.mark.parametrize(
    ("grade", "same_profile", "kind"),
    [
        ("consistent", False, CheckpointOpenError),
        ("inconsistent", False, CheckpointOpenError),
        ("inconclusive", False, CheckpointOpenError),
        ("inconsistent", True, CheckpointRefusedError),
    ],
)
def test_only_exact_replays_are_signed_for(
    acted: Any, grade: str, same_profile: bool, kind: type[Exception]
) -> None:
    replayer = Saying(acted.desk().benches[0].replayer, grade, same_profile)
    error = refuse(acted, kind, replayer=replayer)
    assert "step 8" in str(error)


def test_another_model_audits_nothing(acted: Any) -> None:
    error = refuse(acted, CheckpointOpenError, replayer=TAMPERING.OtherModel())
    assert "other model folder" in str(error)


def test_a_lie_that_was_never_executed_blocks_it_too(acted: Any) -> None:
    import copy

    from affiant.onchain.evidence_sections import SECTIONS

    honest = acted.sworn(acted.world.hold)
    contents = {name: copy.deepcopy(honest.content(name)) for name in SECTIONS}
    lie = TAMPERING.Lie(contents, honest)
    TAMPERING._objective(lie)
    acted.evidence.put(lie.sealed(acted.world.key))
    error = refuse(acted, CheckpointRefusedError)
    assert "step 6" in str(error)


def test_figures_that_differ_are_refused(acted: Any) -> None:
    """An endpoint that leaves out value at risk, or adds some, in an event."""
    from affiant.onchain.events import mandate_history

    class Lying:
        """The real chain, whose events say one less."""

        def __init__(self, inner: Any) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

        def logs(self, *arguments: Any, **named: Any) -> Any:
            logs = self._inner.logs(*arguments, **named)
            return tuple(self._less(log) for log in logs)

        def _less(self, log: Any) -> Any:
            from affiant.onchain.gate_events import EXECUTED_TOPIC

            if log.topics[0] != EXECUTED_TOPIC:
                return log
            at = 3 * 32  # slot, skipped, previous, value at risk
            value = int.from_bytes(log.data[at : at + 32], "big") - 1
            data = log.data[:at] + value.to_bytes(32, "big") + log.data[at + 32 :]
            return replace(log, data=data)

    lying: Any = Lying(acted.world.chain)
    past = mandate_history(
        lying, gate=acted.world.book.gate, mandate_id=acted.mandate.id
    )
    assert len(past.executed) == 2
    error = refuse(acted, CheckpointRefusedError, chain=lying)
    assert "outflow at the gate" in str(error)


def test_a_block_that_is_reorganised_meanwhile_is_not_signed_for(acted: Any) -> None:
    from affiant.onchain.errors import AnchorReorgedError

    rpc = acted.world.devnet.rpc
    before = rpc.request("evm_snapshot")
    acted.next_slot()

    def reorganise() -> None:
        acted.replayer.during = None
        rpc.request("evm_revert", before)
        acted.world.scenario.warp(17)
        acted.next_slot()

    desk = acted.desk()
    acted.replayer.during = reorganise
    replayer = acted.replayer
    desk.signed.close()
    with pytest.raises((AnchorReorgedError, UnavailableError, CheckpointOpenError)):
        sign(acted, replayer=replayer)
    assert kept(acted) == 0


def test_never_signs_what_contradicts_an_earlier_one(acted: Any) -> None:
    """A memory that says otherwise about the very block, however it came there."""
    chain = acted.world.chain
    block = chain.latest_block()
    memory = acted.memory()
    memory.keep_checkpoint(
        Checkpoint(acted.mandate.id, OTHER, 1, block.number, block.hash),
        signature=b"earlier",
        canonical=lambda number, block_hash: True,
    )
    memory.close()
    with pytest.raises(AlreadySignedError, match="head of the block"):
        sign(acted, anchor=block.number)
    assert kept(acted) == 1


def test_an_endpoint_that_is_gone_signs_nothing(acted: Any) -> None:
    from affiant.onchain.chain import Chain
    from affiant.onchain.json_rpc import JsonRpcEndpoint

    gone = Chain(
        JsonRpcEndpoint("http://127.0.0.1:9", timeout=0.5),
        chain_id=acted.world.book.chain_id,
    )
    refuse(acted, UnavailableError, chain=gone)
