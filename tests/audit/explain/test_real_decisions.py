"""Decisions that a real node made on a real chain, explained from their files alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from affiant.agents.settings.loading import load_agent_class
from affiant.audit.evidence_file import verified_evidence
from affiant.audit.explain.explain import Wishes, exit_code, explain_bundle
from affiant.audit.explain.result import Explanation
from affiant.audit.replayer import EngineChoice, FolderReplayer
from affiant.audit.result import Status
from affiant.encoding import keccak256
from affiant.onchain.deploy import deploy_account
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.gate import Submission
from affiant.onchain.mandate import Address
from affiant.onchain.registry import NodeRegistryClient
from affiant.onchain.what_if import parse_setting

pytestmark = pytest.mark.anvil

ROOT = Path(__file__).parents[3]
PLANNER = ROOT / "examples" / "planner" / "model"
PRICES = (2500, 2550)
"""At the first the agent lends what is idle, at the second it holds."""


@dataclass
class Made:
    """What a node decided."""

    folder: Path
    bundles: list[EvidenceBundle]

    def explain(self, bundle: EvidenceBundle, engine: EngineChoice) -> Explanation:
        store = EvidenceStore(str(self.folder))
        file = self.folder / f"{bundle.digest.hex()}.json.zst"
        assert bundle.digest in store.digests()
        replayer = FolderReplayer(PLANNER, engine=engine)
        try:
            return explain_bundle(
                verified_evidence(file),
                replayer=replayer,
                wishes=Wishes(settings=(parse_setting("market:WETH=4200"),)),
                progress=lambda words, done, total: None,
            )
        finally:
            replayer.close()


def decide_with(engine: Any, world: Any, folder: Path) -> Made:
    """Let the rebalancer's node decide at `PRICES`, and execute what has calls."""
    from affiant.agents.deciding.decide import decide
    from affiant.inference.commitment import commit_model

    commitment = commit_model(PLANNER)
    account = deploy_account(
        world.chain,
        world.owner,
        owner=Address(world.owner.address),
        gate=world.book.gate,
    ).address
    world.scenario.fund(account, {"WETH": Decimal(6), "USDC": Decimal(10_000)})
    agent = load_agent_class(str(ROOT / "examples" / "rebalancer.py"))
    program = agent.program(
        book=world.book, model=commitment.root, engine=engine.manifest.hash
    )
    mandate = world.mandate_for(
        account=account,
        program=program.hash,
        model=commitment.root,
        engine=engine.manifest.hash,
        salt=keccak256(str(folder).encode()),
    )
    world.grant(mandate)
    NodeRegistryClient(world.chain, world.book.node_registry).announce_for(
        world.key,
        model=commitment.root,
        engine=engine.manifest.hash,
        valid_until=2**40,
        payer=world.operator,
    )
    serving = world.serving(
        folder,
        engine=engine,
        model=commitment.root,
        model_summary=commitment.summary(),
    )
    bundles = []
    for price in PRICES:
        world.scenario.set_price("WETH", Decimal(price))
        world.scenario.refresh_feeds()
        world.scenario.next_slot(mandate.cadence)
        bundle = decide(
            program=program,
            book=world.book,
            mandate=mandate,
            slot=mandate.slot_of(world.chain.block_number()),
            serving=serving,
        )
        bundles.append(bundle)
        if bundle.calls:
            world.gate.execute(Submission.of(bundle), operator=world.operator)
    return Made(folder / "node-evidence", bundles)


@pytest.fixture(scope="module")
def made(_settled: Any, tmp_path_factory: Any) -> Iterator[Made]:
    from affiant.inference.transformers_engine import TransformersEngine

    engine = TransformersEngine.load(PLANNER)
    yield decide_with(engine, _settled, tmp_path_factory.mktemp("explained"))
    engine.close()


def test_an_executed_and_a_held_decision_are_explained(made: Made) -> None:
    executed, held = (made.explain(bundle, "auto") for bundle in made.bundles)
    for found in (executed, held):
        assert exit_code(found) == 0, found.gaps
        assert {step.status for step in found.steps} == {Status.PASS}
        assert found.inferences[0].grade == "exact"
        assert found.imagined is not None and found.imagined.reproduces
        assert found.imagined.imagined.plan[0].startswith("swap")
    assert executed.calls is not None and held.calls is not None
    assert executed.calls.actions == ("supply",) and not executed.held
    assert "supply" in executed.calls.calls[0].sentence
    assert held.held and held.calls.actions == ("hold",)
    # The second request says what the first decision was, and where that stands.
    origins = {field.path: field.origins for field in held.request.fields}  # type: ignore[union-attr]
    assert origins["previous.actions[0]"] == ("decision before",)


def test_the_chain_is_not_needed_any_more(made: Made, _settled: Any) -> None:
    """What is explained comes out of the file: other prices on the chain are naught."""
    before = made.explain(made.bundles[0], "auto")
    _settled.scenario.set_price("WETH", Decimal(9999))
    assert made.explain(made.bundles[0], "auto") == before


@pytest.mark.vllm
def test_what_vllm_decided_is_explained_by_both_engines(
    _settled: Any, tmp_path_factory: Any
) -> None:
    from affiant.inference.vllm_engine import VllmEngine

    engine = VllmEngine.load(PLANNER)
    try:
        made = decide_with(engine, _settled, tmp_path_factory.mktemp("vllm"))
    finally:
        engine.close()
    same = made.explain(made.bundles[0], "same")
    other = made.explain(made.bundles[0], "transformers")
    (exact,), (near,) = same.inferences, other.inferences
    assert exact.grade == "exact" and "the sworn profile" in exact.engine
    assert near.grade == "inconclusive" and "not the sworn profile" in near.engine
    assert exit_code(same) == exit_code(other) == 0
    # Independent kernels, the same model: numbers agree far beyond what is shown.
    for one, two in zip(exact.tokens, near.tokens, strict=True):
        assert (one.token, one.allowed, one.fields) == (
            two.token,
            two.allowed,
            two.fields,
        )
        assert one.probability == pytest.approx(two.probability, abs=1e-4)
        assert (one.margin or 0) == pytest.approx(two.margin or 0, abs=0.05)
    assert same.imagined is not None and other.imagined is not None
    assert same.imagined.imagined == other.imagined.imagined
