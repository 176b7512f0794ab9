"""`make bench-endorse`: what one endorsement takes, split by step.

The reference planner on vLLM twice, as in life: the node in this process, the
endorser's in a process of its own. Prices alternate, so that most slots call for a
transaction; slots that hold are left out. The first decisions are warm-up and are left
out too.

    python bench/endorse.py [--slots N]
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from eth_account import Account
from rich.progress import track
from table import Row, publish

from affiant.agents.deciding.answered import AnsweredSlots
from affiant.agents.deciding.decide import Serving, decide
from affiant.agents.deciding.phases import Phases
from affiant.agents.nodes.serve import load_engine
from affiant.agents.settings.loading import load_agent_class
from affiant.audit.desk import Bench, Desk
from affiant.audit.endorser import Endorser
from affiant.audit.endorser_errors import EndorsementRefusedError
from affiant.audit.replay_process import ReplayProcess
from affiant.audit.signed import SignedMemory
from affiant.demo.run import EXAMPLES
from affiant.demo.stage import make_mandate
from affiant.demo.story import load_price_path
from affiant.encoding import keccak256
from affiant.inference.commitment import commit_model
from affiant.inference.keys import NodeKey
from affiant.onchain.account import AccountClient
from affiant.onchain.chain import Chain
from affiant.onchain.deploy import deploy_account
from affiant.onchain.devnet import Devnet, Scenario
from affiant.onchain.devnet.accounts import NODE, OPERATOR, OWNER
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_store import EvidenceStore
from affiant.onchain.gate import GateClient, Submission
from affiant.onchain.mandate import Address
from affiant.onchain.registry import NodeRegistryClient

ROOT = Path(__file__).resolve().parents[1]
MODEL = EXAMPLES / "planner" / "model"

WARM_UP = 2
"""Endorsements left out at the beginning."""

PRICES = (2500, 3600)
"""Dollars per WETH, in turn: far enough apart to leave the band each time."""

PARTS = (
    ("parse", "parse: the file within limits"),
    ("step_1", "step 1: commitments and signature"),
    ("step_3", "step 3: every section under the sworn root"),
    ("step_2", "step 2, twice: mandate and key at the newest block"),
    ("step_4", "step 4, twice: slot, anchor and head"),
    ("step_5", "step 5: the observation re-read"),
    ("step_6", "step 6: request and prompt rebuilt"),
    ("step_7", "step 7: sampling"),
    ("step_9", "step 9: plan, calls and bounds derived"),
    ("step_8", "step 8: the replay"),
    ("sign", "sign, and remember on disk"),
)
"""Name in `Endorsed.seconds`, and what it is."""


@dataclass
class Measured:
    """What was timed, in seconds."""

    parts: list[dict[str, float]]
    totals: list[float]
    decided: list[float]
    repeated: list[float]
    stale: list[float]
    bytes: list[int]
    tokens: list[int]


def _gate_that_names_endorsers(devnet: Devnet) -> Address:
    """Return a gate that takes a mandate with endorsers; see the tests' module."""
    path = ROOT / "tests" / "audit" / "endorsable_gate.py"
    spec = importlib.util.spec_from_file_location("endorsable_gate", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.endorsable_gate(devnet) or devnet.book.gate


@contextmanager
def _stage(folder: Path, devnet: Devnet) -> Iterator[dict[str, Any]]:
    """Set node, account, mandate and endorser up."""
    book = replace(devnet.book, gate=_gate_that_names_endorsers(devnet))
    key = NodeKey(Account.from_key(keccak256(b"endorser of the benchmark")))
    node_key = NodeKey(Account.from_key(NODE.key))
    owner, operator = Account.from_key(OWNER.key), Account.from_key(OPERATOR.key)
    commitment = commit_model(MODEL)
    with ExitStack() as stack:
        chain = stack.enter_context(
            closing(Chain.connect(devnet.url, expected_chain_id=devnet.chain_id))
        )
        scenario, gate = Scenario(devnet), GateClient(chain, book.gate)
        engine = stack.enter_context(
            closing(load_engine(MODEL, name="vllm", dtype=None))
        )
        agent = load_agent_class(f"{EXAMPLES / 'rebalancer.py'}:Rebalancer")
        program = agent.program(
            book=book, model=commitment.root, engine=engine.manifest.hash
        )
        account = deploy_account(
            chain, owner, owner=Address(owner.address), gate=book.gate
        )
        start = load_price_path(EXAMPLES / "planner" / "price_path.py").start
        amounts = {name: Decimal(text) for name, text in start.items()}
        scenario.fund(account.address, {k: v for k, v in amounts.items() if v})
        now = chain.latest_block().timestamp
        NodeRegistryClient(chain, book.node_registry).announce_for(
            node_key,
            model=commitment.root,
            engine=engine.manifest.hash,
            valid_until=now + 48 * 3600,
            payer=operator,
        )
        mandate = replace(
            make_mandate(program, account=account, book=book, now=now),
            endorsers=(Address(key.address),),
        )
        AccountClient(chain, mandate.account).execute(
            gate.grant_call(mandate), owner=owner
        )
        store = EvidenceStore(str(folder / "evidence"))
        serving = Serving(
            chain=chain,
            engine=engine,
            model=commitment.root,
            model_summary=commitment.summary(),
            key=node_key,
            store=store,
            answered=AnsweredSlots(folder / "answered.sqlite"),
        )
        began = time.perf_counter()
        process = ReplayProcess(MODEL, engine="vllm")
        starting = time.perf_counter() - began
        stack.callback(process.close)
        desk = Desk(
            chain=chain,
            gate=book.gate,
            key=key,
            store=store,
            signed=SignedMemory(
                folder / "signed.sqlite",
                chain_id=chain.chain_id,
                gate=book.gate,
                signer=Address(key.address),
            ),
            benches=(Bench(process, process.manifest),),
        )
        yield {
            "endorser": stack.enter_context(closing(Endorser(desk))),
            "scenario": scenario,
            "chain": chain,
            "gate": gate,
            "mandate": mandate,
            "program": program,
            "book": book,
            "serving": serving,
            "operator": operator,
            "starting": starting,
        }


def _move(stage: dict[str, Any], number: int) -> None:
    """Move the market, and open the next slot."""
    scenario = stage["scenario"]
    scenario.set_price("WETH", Decimal(PRICES[number % len(PRICES)]))
    scenario.refresh_feeds()
    scenario.next_slot(stage["mandate"].cadence)


def _decide(stage: dict[str, Any]) -> tuple[EvidenceBundle, float]:
    phases = Phases(time.perf_counter)
    began = time.perf_counter()
    bundle = decide(
        program=stage["program"],
        book=stage["book"],
        mandate=stage["mandate"],
        slot=stage["mandate"].slot_of(stage["chain"].block_number()),
        serving=stage["serving"],
        phases=phases,
    )
    return bundle, time.perf_counter() - began


def _refused(endorser: Endorser, data: bytes) -> float:
    began = time.perf_counter()
    try:
        endorser.endorse(data)
    except EndorsementRefusedError:
        return time.perf_counter() - began
    raise SystemExit("a decision of an old slot was endorsed")


def measure(stage: dict[str, Any], slots: int) -> Measured:
    """Decide, endorse and execute `slots` times; warm ones with calls are kept."""
    found = Measured([], [], [], [], [], [], [])
    endorser = stage["endorser"]
    for number in track(range(slots), description="endorsing", transient=True):
        _move(stage, number)
        bundle, decided = _decide(stage)
        if not bundle.calls:
            continue
        data = bundle.to_bytes()
        began = time.perf_counter()
        endorsed = endorser.endorse(data)
        total = time.perf_counter() - began
        began = time.perf_counter()
        endorser.endorse(data)
        again = time.perf_counter() - began
        stage["gate"].execute(Submission.of(bundle), operator=stage["operator"])
        if number >= WARM_UP:
            found.parts.append(dict(endorsed.seconds))
            found.totals.append(total)
            found.decided.append(decided)
            found.repeated.append(again)
            found.bytes.append(len(data))
            found.tokens.append(len(bundle.content("tokens")[0]["output"]))
    if not found.totals:
        raise SystemExit("no decision was endorsed")
    # What nobody asked to be endorsed in its slot is refused in the next.
    while not bundle.calls or number < slots:
        _move(stage, number := number + 1)
        bundle, _ = _decide(stage)
    _move(stage, number)
    data = bundle.to_bytes()
    found.stale.extend(_refused(endorser, data) for _ in range(10))
    return found


def rows_of(found: Measured, *, starting: float) -> list[Row]:
    """Return the medians."""
    rows = [
        Row(
            words,
            statistics.median(p.get(name, 0.0) for p in found.parts) * 1000,
            "ms",
        )
        for name, words in PARTS
    ]
    for words, values in (
        ("an endorsement, all in all", found.totals),
        ("the same, asked for again", found.repeated),
        ("a refusal because the slot is over", found.stale),
        ("the node's decision, for comparison", found.decided),
    ):
        rows.append(Row(words, statistics.median(values) * 1000, "ms"))
    rows += [
        Row("endorsements measured", len(found.totals), "", better="higher"),
        Row("evidence file", statistics.median(found.bytes) / 1024, "KiB"),
        Row("tokens of a plan", statistics.median(found.tokens), "tokens"),
        Row("starting the endorser's engine", starting, "s"),
    ]
    return rows


def main() -> None:
    """Set the stage, measure, and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=22)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, Devnet.start() as devnet:
        with _stage(Path(name), devnet) as stage:
            found = measure(stage, options.slots)
            rows = rows_of(found, starting=stage["starting"])
    publish("endorse", rows, title="What one endorsement takes (medians)")


if __name__ == "__main__":
    main()
