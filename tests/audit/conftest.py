"""Made-up reports for words and pictures; a real chain for the audit itself.

The made-up reports stand for no audit: they only fill every corner of the types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from neighbours import neighbour

from affiant.audit.auditor import audit_mandate
from affiant.audit.completeness import account_for_slots
from affiant.audit.grades import grade_decision, verdict_of
from affiant.audit.result import (
    Account,
    Attack,
    AuditReport,
    Change,
    DecisionAudit,
    Kind,
    Status,
    Step,
    Story,
    Verdict,
)
from affiant.audit.steps import EVERY_STEP, STEP_NAMES
from affiant.encoding import Digest, keccak256, to_hex
from affiant.inference.measure import Measures
from affiant.inference.profile import Exactness, LengthClass, Limits, Profile
from affiant.inference.replay import ReplayVerdict, SwornInference, replay
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.gate import Submission
from affiant.onchain.mandate import Address

NODE = Address("0x90F79bf6EB2c4f870365E785982E1f101E93b906")
TOKEN = Address("0x5FbDB2315678afecb367f032d93F642f64180aa3")
CADENCE = 5
GENESIS_TIME = 1_763_600_000

Make = Callable[..., DecisionAudit]


def digest_of(label: str) -> Digest:
    return keccak256(label.encode())


def passed_steps() -> tuple[Step, ...]:
    return tuple(
        Step(number, name, Status.PASS, f"{name}: as sworn.")
        for number, name in STEP_NAMES.items()
        if number in EVERY_STEP
    )


def make_audit(
    *,
    slot: int,
    kind: Kind = Kind.EXECUTED,
    steps: tuple[Step, ...] | None = None,
    label: str = "",
    outcome: str = "as planned",
    previous: str = "head",
    story: Story | None = None,
    required: str = "reproduced",
) -> DecisionAudit:
    taken = passed_steps() if steps is None else steps
    grades = grade_decision(taken, endorsements_asked=0, tier=0)
    executed = kind is Kind.EXECUTED
    return DecisionAudit(
        digest=digest_of(f"{slot}{label}"),
        kind=kind,
        mandate=digest_of("mandate"),
        slot=slot,
        anchor=slot * CADENCE,
        block=slot * CADENCE + 1 if executed else None,
        timestamp=GENESIS_TIME + slot * CADENCE * 12,
        transaction=digest_of(f"tx{slot}") if executed else None,
        node=NODE,
        previous=digest_of(previous),
        outcome=digest_of(outcome),
        steps=taken,
        grades=grades,
        verdict=verdict_of(taken, grades, required=required),
        story=story or Story(),
    )


@pytest.fixture
def make() -> Make:
    return make_audit


SWAP_STORY = Story(
    saw=(
        ("WETH", "12.5 in the wallet at $2,431.18"),
        ("USDC", "8,210.55 in the wallet, 5,000 supplied at $1.00"),
        ("WBTC", "0.08 in the wallet at $61,904.20"),
        ("WETH/USDC pool", "2,430.91 per WETH, fee 0.3 %"),
    ),
    why="WETH is 66% of the portfolio, above the 65% limit; sell a little.",
    plan=("swap 15 % of WETH for USDC, at most 0.5 % slippage",),
    calls=(
        "exactInputSingle on the Uniswap router: 1.875 WETH for at least 4,535.7 USDC; "
        "allowance 1.875 WETH, zeroed after the call",
    ),
    changes=(
        Change("WETH", TOKEN, 18, False, -1_875 * 10**15, -1_875 * 10**15),
        Change("USDC", TOKEN, 6, False, 4_535_700_000, 4_548_112_345),
        Change("WBTC", TOKEN, 8, False, 0, 0),
        Change("USDC owed", TOKEN, 6, True, 0, 0),
    ),
    value_at_risk=4_558_46 * 10**6,
)

HOLD_STORY = Story(
    saw=(("WETH", "10.6 in the wallet at $2,440.02"), ("USDC", "12,758.6 supplied")),
    asked=(("Is WETH above its band?", "It is, by 3 %."),),
    why="All shares are within their limits.",
    plan=("hold",),
)


def failed_steps() -> tuple[Step, ...]:
    steps = list(passed_steps())
    steps[4] = Step(
        5,
        steps[4].name,
        Status.FAIL,
        "read 3 of 14 is not what the chain answers at the anchor",
        got="balanceOf → 0x" + "00" * 31 + "2a",
        expected="balanceOf → 0x" + "00" * 31 + "29",
    )
    for index in (5, 6, 7, 8):
        steps[index] = Step(
            index + 1, steps[index].name, Status.SKIPPED, "the observation is unsound"
        )
    return tuple(steps)


def make_portfolio() -> tuple[Account, ...]:
    prices = [2431, 2440, 2390, 2350, 2310, 2362, 2405, 2480, 2533, 2590, 2571, 2604]
    weth, usdc, wbtc = 125 * 10**17, 13_210_550_000, 8_000_000
    start = (weth, usdc, wbtc)
    entries = []
    for index, price in enumerate(prices):
        if index in (2, 5, 8):
            weth -= 10**18
            usdc += price * 10**6 - 3_000_000
        worth = (
            ("USDC", usdc * 100),
            ("WBTC", wbtc * 61_904),
            ("WETH", weth * price // 10**10),
        )
        held = start[1] * 100 + start[2] * 61_904 + start[0] * price // 10**10
        entries.append(
            Account(
                block=100 + index * CADENCE,
                timestamp=GENESIS_TIME + index * 60,
                slot=20 + index,
                holdings=(("USDC", usdc), ("WBTC", wbtc), ("WETH", weth)),
                values=worth,
                held_value=held,
                verified=True,
            )
        )
    return tuple(entries)


@pytest.fixture
def report() -> AuditReport:
    """A report with every kind of decision, one of them contradicting the chain."""
    audits = (
        make_audit(slot=20, story=SWAP_STORY),
        make_audit(slot=21, kind=Kind.HELD, story=HOLD_STORY),
        make_audit(slot=22, story=SWAP_STORY, steps=failed_steps()),
        make_audit(slot=24, kind=Kind.HELD, story=HOLD_STORY),
        make_audit(slot=25, kind=Kind.UNUSED, story=SWAP_STORY),
        make_audit(slot=28, story=SWAP_STORY),
    )
    return AuditReport(
        chain_id=31337,
        gate=Address("0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"),
        account=Address("0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0"),
        mandate=digest_of("mandate"),
        program=digest_of("program"),
        model=digest_of("model"),
        engine=digest_of("engine"),
        granted_block=97,
        audited_block=161,
        audited_hash=digest_of("block"),
        required="reproduced",
        objective="Keep WETH between 55 % and 65 % of the portfolio.",
        mandate_words=(
            "May swap on Uniswap v3 and supply to Aave v3; nothing else.",
            "One decision may lose at most $150.00 at feed prices.",
            "Tier 0: the node's key is attested by nobody.",
        ),
        model_words=(
            "Tokens were replayed with transformers from a folder whose commitment is "
            "the mandate's model."
        ),
        decisions=audits,
        completeness=account_for_slots(audits, first=20, last=31),
        portfolio=make_portfolio(),
        findings=("6 slots are unexplained: 22 (its decision was rejected), 23, …",),
        verdict=Verdict.REJECTED,
        attacks=(
            Attack(
                "calls swapped after signing", "CallsMismatch", "CallsMismatch", True
            ),
            Attack("the same decision twice", "HeadMismatch", "HeadMismatch", True),
            Attack("a stale feed", "PriceStale", "executed", False),
        ),
    )


@pytest.fixture
def sound_report(report: AuditReport) -> AuditReport:
    """The same without the contradiction."""
    audits = tuple(
        audit for audit in report.decisions if audit.verdict is not Verdict.REJECTED
    )
    return replace(
        report,
        decisions=audits,
        completeness=account_for_slots(audits, first=20, last=31),
        findings=(),
        verdict=Verdict.ACCEPTED,
        attacks=(),
    )


# A real chain, gate and node with a scripted model: the world of the agents' tests.

_world = neighbour("agents/conftest.py")
_devnet = _world._devnet
_settled = _world._settled
settling = _world.settling

WITHDRAW = (
    '{"why":"needed","actions":[{"action":"withdraw","asset":"USDC","share_bps":5000}]}'
)


@dataclass
class ScriptedReplayer:
    """Replays on the scripted engine itself, with the real replay rules."""

    engine: Any
    root: Digest = _world.MODEL
    profiles: tuple[Any, ...] = ()

    def encode(self, text: str) -> list[int]:
        return self.engine.encode(text)

    def decode(self, ids: Any) -> str:
        return self.engine.decode(ids)

    def chat(self, messages: Any) -> None:
        return None

    def replay(self, sworn: Any, *, manifest: Any) -> Any:
        return replay(self.engine, sworn, model=self.root)


@dataclass
class Chronicle:
    """A mandate's life: what was done in which slot, and where its evidence is."""

    world: Any
    folder: Path
    bundles: dict[str, EvidenceBundle]
    transactions: dict[str, Digest]

    def replayer(self, engine: Any = None) -> ScriptedReplayer:
        return ScriptedReplayer(engine or self.world.engine)

    def audit(self, **changes: Any) -> AuditReport:
        parts: dict[str, Any] = {
            "gate": self.world.book.gate,
            "mandate": self.world.mandate.id,
            "store": EvidenceStore(str(self.folder)),
            "replayer": self.replayer(),
        }
        return audit_mandate(self.world.chain, **{**parts, **changes})


@pytest.fixture(scope="module")
def chronicle(_settled: Any, tmp_path_factory: Any) -> Chronicle:
    """Swap, hold, silence, supply, withdraw, and a swap that was never sent."""
    from affiant.agents.deciding.decide import decide

    world, folder = _settled, tmp_path_factory.mktemp("audit")
    summary = {"root": to_hex(_world.MODEL)}
    serving = world.serving(folder, model_summary=summary)
    bundles: dict[str, EvidenceBundle] = {}
    transactions: dict[str, Digest] = {}
    script = (
        ("swap", world.swap, True),
        ("hold", world.hold, False),
        ("silence", None, False),
        ("supply", world.supply, True),
        ("withdraw", WITHDRAW, True),
        ("unused", world.swap, False),
    )
    for name, text, send in script:
        world.scenario.next_slot(world.mandate.cadence)
        world.scenario.refresh_feeds()
        if text is None:
            continue
        world.engine.text = text
        bundle = decide(
            program=world.program(),
            book=world.book,
            mandate=world.mandate,
            slot=world.mandate.slot_of(world.chain.block_number()),
            serving=serving,
        )
        bundles[name] = bundle
        if send:
            receipt = world.gate.execute(Submission.of(bundle), operator=world.operator)
            transactions[name] = receipt.transaction_hash
    world.scenario.next_slot(world.mandate.cadence)
    return Chronicle(world, folder / "node-evidence", bundles, transactions)


@pytest.fixture(scope="session")
def make_replayer() -> type[ScriptedReplayer]:
    """Replays on a scripted engine."""
    return ScriptedReplayer


class Elsewhere:
    """A replayer on another engine, which finds every inference a little off."""

    def __init__(self, inner: Any, *, profile: Profile, distance: float) -> None:
        self._inner, self._profile, self._distance = inner, profile, distance
        self.profiles = [profile]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def replay(self, sworn: SwornInference, *, manifest: Any) -> ReplayVerdict:
        measures = Measures(
            tokens=len(sworn.output_ids),
            mismatches=0,
            worst_margin=0.0,
            mean_margin=0.0,
            fingerprint=self._distance,
            worst_window=self._distance,
        )
        return ReplayVerdict(
            grade="consistent",
            same_profile=False,
            measures=measures,
            profile=self._profile.hash,
            reasons=(),
            receipt=sworn.receipt,
        )


@pytest.fixture(scope="session")
def make_elsewhere() -> Any:
    """Makes an `Elsewhere` whose honest distances are 0.001 to 0.4."""

    def make(chronicle: Any, *, distance: float) -> Elsewhere:
        manifest = chronicle.world.engine.manifest
        limits = Limits(worst_margin=1, mean_margin=1, fingerprint=1, worst_window=1)
        known = LengthClass(
            least=1,
            most=4096,
            calibrated=400,
            judged=400,
            exceeded=0,
            false_positives=0.01,
            limits=limits,
            drift=tuple(0.001 * (step + 1) for step in range(400)),
        )
        profile = Profile(
            model=digest_of("model"),
            generator=manifest,
            replayer=manifest,
            prompts=digest_of("prompts"),
            exactness=Exactness(inferences=1, tokens=1, exact=1, rollbacks=0),
            classes=(known,),
        )
        inner = chronicle.replayer()
        return Elsewhere(inner, profile=profile, distance=distance)

    return make


# A mandate that names endorsers.


@pytest.fixture(scope="module")
def _endorsable(_devnet: Any) -> Iterator[Any]:
    """A world whose mandate names two endorsers."""
    keys = neighbour("audit/endorser_stage.py").KEYS
    named = sorted((keys[name].address for name in ("first", "second")), key=str.lower)
    world = _world.settle(_devnet, endorsers=tuple(named))
    yield world
    world.chain.close()


@pytest.fixture
def stage(_endorsable: Any, tmp_path: Path) -> Iterator[Any]:
    """A fresh slot under that mandate; what a test does to the chain is undone."""
    rpc = _endorsable.devnet.rpc
    snapshot = rpc.request("evm_snapshot")
    made = neighbour("audit/endorser_stage.py").EndorserStage(
        _endorsable, tmp_path, ScriptedReplayer
    )
    made.next_slot()
    yield made
    for endorser in made.opened:
        endorser.close()
    rpc.request("evm_revert", snapshot)
