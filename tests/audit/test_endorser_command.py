"""The commands of an endorser: statuses, reasons, files; a real, random model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from neighbours import neighbour

from affiant.agents import Hold, VerifiedAgent
from affiant.audit.endorser_command import parse_engine
from affiant.encoding import digest_from_hex, keccak256, to_hex
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.gate import Submission
from affiant.onchain.observation import ChainView
from affiant.onchain.registry import NodeRegistryClient
from affiant.onchain.signed_statement import SignedStatement
from affiant.signature import recover_signer

pytestmark = [pytest.mark.anvil, pytest.mark.process]

PASSWORD = "of the endorser of the commands' test"


class Holder(VerifiedAgent):
    """May only hold: a random model's other plans could hardly be carried out."""

    objective = "Say something."
    actions = (Hold,)
    max_tokens = 512
    validity_seconds = 3600

    def observe(self, view: ChainView) -> None:
        view.balances()
        view.prices()


@dataclass
class Office:
    """An endorser's keystore, model and memory, and a node to endorse."""

    world: Any
    folder: Path
    model: Path
    endorser: str
    program: Any
    serving: Any

    def decide(self) -> EvidenceBundle:
        from affiant.agents.deciding.decide import decide

        self.world.scenario.next_slot(self.world.mandate.cadence)
        self.world.scenario.refresh_feeds()
        return decide(
            program=self.program,
            book=self.world.book,
            mandate=self.world.mandate,
            slot=self.world.mandate.slot_of(self.world.chain.block_number()),
            serving=self.serving,
        )

    def file(self, bundle: EvidenceBundle) -> Path:
        return self.folder / "node-evidence" / f"{bundle.digest.hex()}.json.zst"

    def options(self, **changes: str) -> list[str]:
        values = {
            "chain-url": self.world.devnet.url,
            "chain-id": str(self.world.book.chain_id),
            "gate": self.world.book.gate,
            "model": str(self.model),
            "store": str(self.folder / "node-evidence"),
            "keystore": str(self.folder / "endorser.json"),
            "memory": str(self.folder / "signed.sqlite"),
            **{name.replace("_", "-"): text for name, text in changes.items()},
        }
        return [part for name, text in values.items() for part in (f"--{name}", text)]

    def run(
        self, *arguments: str | Path, password: str = PASSWORD, **changes: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "affiant.cli", *map(str, arguments)]
            + self.options(**changes),
            capture_output=True,
            text=True,
            env={**os.environ, "AFFIANT_ENDORSER_PASSWORD": password},
        )


@pytest.fixture(scope="module")
def office(_endorsable: Any, tmp_path_factory: Any) -> Iterator[Office]:
    from affiant.inference.commitment import commit_model
    from affiant.inference.keys import create_keystore
    from affiant.inference.transformers_engine import TransformersEngine

    folder = tmp_path_factory.mktemp("office")
    model = _build(tmp_path_factory.mktemp("model"))
    key = create_keystore(folder / "endorser.json", PASSWORD, iterations=1000)
    engine, commitment = TransformersEngine.load(model), commit_model(model)
    root, profile = commitment.root, engine.manifest.hash
    program = Holder.program(book=_endorsable.book, model=root, engine=profile)
    mandate = _endorsable.mandate_for(
        program=program.hash,
        model=root,
        engine=profile,
        endorsers=(key.address,),
        record_holds=True,
        salt=keccak256(b"the commands"),
    )
    _endorsable.grant(mandate)
    world = replace(_endorsable, mandate=mandate)
    NodeRegistryClient(world.chain, world.book.node_registry).announce_for(
        world.key, model=root, engine=profile, valid_until=2**40, payer=world.operator
    )
    serving = world.serving(
        folder, engine=engine, model=root, model_summary=commitment.summary()
    )
    made = Office(world, folder, model, key.address, program, serving)
    # The key's memory begins with its first command, and never again.
    file = made.file(made.decide())
    done = made.run("endorse", file, "--new-memory", engine="transformers")
    assert done.returncode == 0, done.stderr[-3000:]
    yield made
    engine.close()


def _build(folder: Path) -> Path:
    built: Path = neighbour("inference/conftest.py").build_model(
        folder, seed=3, positions=2048
    )
    return built


def test_endorse_prints_a_signature_and_repeats_it(office: Office) -> None:
    bundle = office.decide()
    done = office.run("endorse", office.file(bundle), engine="transformers")
    assert done.returncode == 0, done.stderr[-3000:]
    signature = bytes.fromhex(done.stdout.strip()[2:])
    assert recover_signer(bundle.digest, signature=signature) == office.endorser
    again = office.run(
        "endorse", office.file(bundle), "--json", engine="transformers:float32"
    )
    assert json.loads(again.stdout) == {
        "digest": to_hex(bundle.digest),
        "endorser": office.endorser,
        "signature": done.stdout.strip(),
    }


def test_endorse_names_the_step_that_fails(office: Office) -> None:
    bundle = office.decide()
    office.world.scenario.next_slot(office.world.mandate.cadence)
    done = office.run("endorse", office.file(bundle), engine="transformers")
    assert (done.returncode, done.stdout) == (1, "")
    assert "step 4 fail: slot, anchor and head: slot: got" in done.stderr
    assert "step 8 skipped" in done.stderr
    assert "EndorsementRefusedError" in done.stderr


def test_a_memory_neither_begins_nor_is_replaced_unawares(office: Office) -> None:
    file = office.file(office.decide())
    done = office.run("endorse", file, memory=str(office.folder / "unmounted.sqlite"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "what this key has signed" in done.stderr
    assert not (office.folder / "unmounted.sqlite").exists()
    done = office.run("endorse", file, "--new-memory")
    assert (done.returncode, done.stdout) == (1, "")
    assert "none where a new one is asked for" in done.stderr


def test_what_cannot_be_had_ends_with_its_status(office: Office) -> None:
    file = office.file(office.decide())
    for status, said, arguments in (
        (1, "AFFIANT_ENDORSER_PASSWORD", {"password": ""}),
        (1, "a decision gate", {"gate": office.world.book.node_registry}),
        (2, "engine: got triton", {"engine": "triton"}),
        (2, "--gate", {"gate": "0x12"}),
        (3, "ChainUnavailableError", {"chain_url": "http://127.0.0.1:9"}),
    ):
        done = office.run("endorse", file, **arguments)
        assert (done.returncode, done.stdout) == (status, ""), done.stderr[-2000:]
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_the_server_says_what_it_serves_and_stops_when_told(office: Office) -> None:
    from affiant.agents.nodes.endorser_client import EndorserClient

    process = subprocess.Popen(
        [sys.executable, "-m", "affiant.cli", "endorser", "--json"]
        # The first endpoint is dead: the other serves.
        + ["--chain-url", "http://127.0.0.1:9"]
        + office.options(
            engine="transformers", mandate=to_hex(office.world.mandate.id)
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "AFFIANT_ENDORSER_PASSWORD": PASSWORD},
    )
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    assert told["key"] == office.endorser
    assert told["mandates"] == [to_hex(office.world.mandate.id)]
    assert list(told["engines"]) == [to_hex(office.world.mandate.engine)]
    client = EndorserClient(told["url"], timeout=600)
    bundle = office.decide()
    assert client.endorse(bundle).endorser == office.endorser
    client.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    process.stdout.close()


def test_checkpoint_writes_what_the_gate_takes(office: Office) -> None:
    bundle = office.decide()
    office.world.gate.execute(Submission.of(bundle), operator=office.world.operator)
    office.world.scenario.next_slot(office.world.mandate.cadence)
    anchor = office.world.chain.block_number()
    out = office.folder / "out" / "checkpoint.json"
    mandate = to_hex(office.world.mandate.id)
    done = office.run("checkpoint", mandate=mandate, anchor=str(anchor), out=str(out))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr[-3000:]
    signed = SignedStatement.from_json(json.loads(out.read_text()))
    assert signed.endorser == office.endorser
    assert signed.statement.to_json()["head"] == to_hex(bundle.digest)
    assert signed.statement.to_json()["anchor"] == anchor
    other = office.run("checkpoint", mandate="0x" + "11" * 32)
    assert (other.returncode, other.stdout) == (1, "")
    assert "HistoryBrokenError" in other.stderr
    # An honest decision is nothing to be banned for.
    done = office.run("verdict", to_hex(bundle.digest), mandate=mandate)
    assert (done.returncode, done.stdout) == (1, "")
    assert "NotProvenFalseError" in done.stderr and "every step passed" in done.stderr


def test_verdict_prints_its_proof(office: Office) -> None:
    """A balance that the chain never had, sworn to by the node's own key."""
    from affiant.encoding import canonical_json
    from affiant.onchain.evidence_sections import SECTIONS, evidence_root, seal
    from affiant.onchain.evidence_store import EvidenceStore

    honest = office.decide()
    contents = {name: honest.content(name) for name in SECTIONS}
    contents["observation"]["reads"][0]["returndata"] = "0x" + "00" * 31 + "2a"
    sealed = seal(contents, salts={name: bytes(32) for name in SECTIONS})
    decision = replace(
        honest.decision,
        evidence=evidence_root(sealed.leaves),
        observation=keccak256(canonical_json(contents["observation"])),
    )
    lied = replace(
        honest, decision=decision, sections=sealed.sections, leaves=sealed.leaves
    )
    lied = replace(lied, signature=office.world.key.sign(lied.digest))
    EvidenceStore(str(office.folder / "node-evidence")).put(lied)
    office.world.scenario.next_slot(office.world.mandate.cadence)
    mandate = to_hex(office.world.mandate.id)
    done = office.run("verdict", to_hex(lied.digest), mandate=mandate)
    assert done.returncode == 0, done.stderr[-3000:]
    signed = SignedStatement.from_json(json.loads(done.stdout))
    assert signed.statement.to_json() == {
        "mandate": mandate,
        "key": office.world.key.address,
        "decision": to_hex(lied.digest),
    }
    assert "step 5 (observation re-read) failed: read 1 of" in done.stderr
    # Whoever has judged a key endorses nothing by it any more.
    bundle = office.decide()
    done = office.run("endorse", office.file(bundle), engine="transformers")
    assert done.returncode == 1
    assert f"swore {to_hex(lied.digest)} falsely" in done.stderr
    assert digest_from_hex(to_hex(lied.digest), what="digest") == lied.digest


def test_engines_are_named_with_their_numbers() -> None:
    assert parse_engine("vllm") == ("vllm", None)
    assert parse_engine("transformers:float32") == ("transformers", "float32")
    for text in ("", "triton", ":float32"):
        with pytest.raises(ValueError, match="engine: got"):
            parse_engine(text)
