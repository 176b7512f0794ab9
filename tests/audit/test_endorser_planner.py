"""The reference planner on vLLM, end to end: sworn, endorsed, executed, checkpointed.

Node and endorser are two vLLMs in two processes; the endorser is the command itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from affiant.agents.errors import EndorserRefusedError
from affiant.agents.nodes.endorser_client import EndorserClient, collect_endorsements
from affiant.agents.settings.loading import load_agent_class
from affiant.encoding import keccak256, parse_json, to_hex
from affiant.onchain.checkpoint import Checkpoint
from affiant.onchain.contract_errors import GateEndorsementsMissingError
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.gate import Submission
from affiant.onchain.mandate import Rung
from affiant.onchain.registry import NodeRegistryClient
from affiant.onchain.sending import send
from affiant.onchain.signature import split_signatures
from affiant.onchain.signed_statement import SignedStatement

pytestmark = [pytest.mark.anvil, pytest.mark.vllm]

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "examples" / "planner" / "model"
PASSWORD = "of the endorser of the planner's test"
ENVIRONMENT = {**os.environ, "AFFIANT_ENDORSER_PASSWORD": PASSWORD}


@dataclass
class Planned:
    """A mandate that the planner decides under, and its endorser."""

    world: Any
    folder: Path
    program: Any
    serving: Any
    options: tuple[str, ...]
    """What every command of the endorser is given."""

    def next_slot(self) -> None:
        self.world.scenario.next_slot(self.world.mandate.cadence)
        self.world.scenario.refresh_feeds()

    def decide(self) -> EvidenceBundle:
        from affiant.agents.deciding.decide import decide

        return decide(
            program=self.program,
            book=self.world.book,
            mandate=self.world.mandate,
            slot=self.world.mandate.slot_of(self.world.chain.block_number()),
            serving=self.serving,
        )

    def act(self) -> EvidenceBundle:
        """Return a decision with calls; prices move until there is one."""
        for price in (4200, 2100, 4800, 1800):
            self.world.scenario.set_price("WETH", Decimal(price))
            self.next_slot()
            bundle = self.decide()
            if bundle.calls:
                return bundle
        raise AssertionError("the planner holds whatever the price")


@pytest.fixture(scope="module")
def planned(_endorsable: Any, tmp_path_factory: Any) -> Iterator[Planned]:
    from affiant.agents.nodes.serve import load_engine
    from affiant.inference.commitment import commit_model
    from affiant.inference.keys import create_keystore

    folder = tmp_path_factory.mktemp("planned")
    keystore = folder / "endorser.json"
    key = create_keystore(keystore, PASSWORD, iterations=1000)
    engine = load_engine(MODEL, name="vllm", dtype=None)
    commitment = commit_model(MODEL)
    root = commitment.root
    agent = load_agent_class(f"{ROOT / 'examples' / 'rebalancer.py'}:Rebalancer")
    program = agent.program(
        book=_endorsable.book, model=root, engine=engine.manifest.hash
    )
    mandate = _endorsable.mandate_for(
        program=program.hash,
        model=root,
        engine=engine.manifest.hash,
        endorsers=(key.address,),
        quorum=1,
        ladder=(Rung(10**15, 0, 1, 0),),
        salt=keccak256(b"the planner"),
    )
    _endorsable.grant(mandate)
    world = replace(_endorsable, mandate=mandate)
    NodeRegistryClient(world.chain, world.book.node_registry).announce_for(
        world.key,
        model=root,
        engine=engine.manifest.hash,
        valid_until=2**40,
        payer=world.operator,
    )
    serving = world.serving(
        folder, engine=engine, model=root, model_summary=commitment.summary()
    )
    options = (
        *("--chain-url", world.devnet.url, "--chain-id", str(world.book.chain_id)),
        *("--gate", world.book.gate, "--model", str(MODEL)),
        *("--store", str(folder / "node-evidence"), "--keystore", str(keystore)),
        *("--memory", str(folder / "signed.sqlite")),
    )
    yield Planned(world, folder, program, serving, options)
    engine.close()


@pytest.fixture(scope="module")
def url(planned: Planned) -> Iterator[str]:
    """Where `affiant endorser` answers."""
    with (planned.folder / "endorser.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "affiant.cli", "endorser", "--json"]
            + [*planned.options, "--new-memory"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=ENVIRONMENT,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, (planned.folder / "endorser.log").read_text()[-3000:]
    told = json.loads(line)
    assert list(told["engines"]) == [to_hex(planned.world.mandate.engine)]
    yield told["url"]
    process.terminate()
    assert process.wait(timeout=30) == 0
    process.stdout.close()


def test_a_decision_is_sworn_endorsed_and_executed(planned: Planned, url: str) -> None:
    client = EndorserClient(url, timeout=600)
    for _ in range(2):
        bundle = planned.act()
        found = collect_endorsements(bundle, clients=[client], needed=1, seconds=120)
        assert found.refused == () and found.silent == ()
        assert list(split_signatures(bundle.digest, joined=found.joined)) == list(
            planned.world.mandate.endorsers
        )
        gate, operator = planned.world.gate, planned.world.operator
        with pytest.raises(GateEndorsementsMissingError):
            gate.execute(Submission.of(bundle), operator=operator)
        endorsed = Submission.of(bundle, endorsements=found.joined)
        gate.execute(endorsed, operator=operator)
        assert gate.head_of(planned.world.mandate.id) == bundle.digest
    client.close()


def test_an_output_that_the_planner_does_not_give_is_not_endorsed(
    planned: Planned, url: str
) -> None:
    """One token of the plan's reason, with a trace that swears to it."""
    from affiant.inference.receipt import receipts_hash, tokens_hash
    from affiant.onchain.evidence_sections import SECTIONS, evidence_root, seal

    honest = planned.act()
    client = EndorserClient(url, timeout=600)
    tokens = honest.content("tokens")[0]
    output = list(tokens["output"])
    # The same plan said otherwise: swap two tokens inside of the reason.
    output[5], output[6] = output[6], output[5]
    trace = parse_json(
        json.dumps(honest.content("traces")[0]).encode(),
        what="trace",
        max_bytes=2**26,
    )
    from affiant.inference.trace import Trace

    entries = trace["tokens"]
    entries[5], entries[6] = entries[6], entries[5]
    contents = {name: honest.content(name) for name in SECTIONS}
    contents |= {
        "tokens": [{**tokens, "output": output}],
        "traces": [trace],
    }
    sealed = seal(contents, salts={name: bytes(32) for name in SECTIONS})
    receipt = replace(
        honest.receipts[0],
        output=tokens_hash(output),
        trace=Trace.from_json(trace).root,
    )
    decision = replace(
        honest.decision,
        evidence=evidence_root(sealed.leaves),
        receipts=receipts_hash([receipt]),
    )
    lied = replace(
        honest,
        decision=decision,
        receipts=(receipt,),
        sections=sealed.sections,
        leaves=sealed.leaves,
    )
    lied = replace(lied, signature=planned.world.key.sign(lied.digest))
    with pytest.raises(EndorserRefusedError, match=r"step [89] \(") as caught:
        client.endorse(lied)
    assert "a HOLD" not in str(caught.value)
    client.close()


def test_the_audited_head_is_signed_and_takes_the_outflow_back(
    planned: Planned,
) -> None:
    """The command's own vLLM replays every decision so far."""
    gate, mandate = planned.world.gate, planned.world.mandate
    outflow = gate.state_of(mandate.id).outflow
    assert outflow > 0
    out = planned.folder / "checkpoint.json"
    done = subprocess.run(
        [sys.executable, "-m", "affiant.cli", "checkpoint"]
        + ["--mandate", to_hex(planned.world.mandate.id), "--out", str(out)]
        + list(planned.options),
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    signed = SignedStatement.from_json(json.loads(out.read_text()))
    state = gate.state_of(mandate.id)
    assert signed.endorser in mandate.endorsers
    assert signed.statement.to_json()["head"] == to_hex(state.head)
    assert signed.statement.to_json()["outflow"] == str(state.outflow)
    assert isinstance(signed.statement, Checkpoint)
    call = gate.checkpoint_call(
        signed.statement, signatures=signed.signature, sender=mandate.operator
    )
    send(planned.world.chain, call, signer=planned.world.operator)
    assert gate.state_of(mandate.id).audited == outflow
