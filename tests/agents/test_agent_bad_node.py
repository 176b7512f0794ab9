"""Nodes that lie, dawdle or talk nonsense: nothing is sent, and the agent goes on.

Every lie is told by a key that the mandate permits, in a bundle that is intact and
signed: the agent must find it by deriving again, not by luck.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from eth_account import Account

from affiant.agents.deciding.decide import decide
from affiant.agents.nodes.node_client import NodeClient
from affiant.encoding import canonical_json, keccak256
from affiant.inference.keys import NodeKey
from affiant.inference.receipt import receipts_hash, tokens_hash
from affiant.onchain.decision import bounds_hash, calls_hash
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_sections import seal
from affiant.onchain.observation import Observation

pytestmark = pytest.mark.anvil

Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


def resealed(
    world: Any, bundle: EvidenceBundle, *, key: NodeKey | None = None, **lies: Any
) -> EvidenceBundle:
    """Return `bundle` with lies in it, consistently hashed and signed by the node.

    Keys of `lies`: a section's name, a decision's field, `calls`, `bounds`, `receipts`.
    """
    contents = {name: s.content for name, s in bundle.sections.items()}
    contents |= {name: lies.pop(name) for name in list(lies) if name in contents}
    calls, bounds = lies.pop("calls", bundle.calls), lies.pop("bounds", bundle.bounds)
    observation = keccak256(canonical_json(contents["observation"]))
    receipts = tuple(
        replace(
            receipt,
            request=keccak256(canonical_json(request)),
            prompt=tokens_hash(tokens["prompt"]),
            output=tokens_hash(tokens["output"]),
        )
        for receipt, request, tokens in zip(
            lies.pop("receipts", bundle.receipts),
            contents["requests"],
            contents["tokens"],
            strict=True,
        )
    )
    sealed = seal(contents, salts={name: s.salt for name, s in bundle.sections.items()})
    decision = replace(
        bundle.decision,
        **{
            "observation": observation,
            "receipts": receipts_hash(receipts),
            "calls": calls_hash(calls),
            "bounds": bounds_hash(bounds),
            "evidence": sealed.root,
            **lies,
        },
    )
    key = world.key if key is None else key
    digest = decision.digest(chain_id=bundle.chain_id, gate=bundle.gate)
    return replace(
        bundle,
        decision=decision,
        node=key.address,
        signature=key.sign(digest),
        calls=calls,
        bounds=bounds,
        receipts=receipts,
        leaves=sealed.leaves,
        sections=sealed.sections,
    )


def honest(world: Any, tmp_path: Any) -> EvidenceBundle:
    world.engine.text = world.swap
    serving = world.serving(tmp_path / "liar")
    slot = world.mandate.slot_of(world.chain.block_number())
    return decide(
        program=world.program(),
        book=world.book,
        mandate=world.mandate,
        slot=slot,
        serving=serving,
    )


def forged_balance(world: Any, bundle: EvidenceBundle) -> EvidenceBundle:
    observation = Observation.from_json(bundle.content("observation"))
    first = replace(observation.reads[0], returndata=(10**21).to_bytes(32, "big"))
    forged = replace(observation, reads=(first, *observation.reads[1:]))
    return resealed(world, bundle, observation=forged.to_json())


def other_block(world: Any, bundle: EvidenceBundle) -> EvidenceBundle:
    observation = Observation.from_json(bundle.content("observation"))
    block = world.chain.block_by_number(observation.block_number - 1)
    older = replace(
        observation,
        block_number=block.number,
        block_hash=block.hash,
        timestamp=block.timestamp,
    )
    return resealed(world, bundle, observation=older.to_json())


def to_me(world: Any, bundle: EvidenceBundle) -> EvidenceBundle:
    call = bundle.calls[0]
    data = call.data.replace(
        bytes.fromhex(world.mandate.account[2:]), bytes.fromhex(world.key.address[2:])
    )
    assert data != call.data
    return resealed(world, bundle, calls=(replace(call, data=data), *bundle.calls[1:]))


def other_prompt(world: Any, bundle: EvidenceBundle) -> EvidenceBundle:
    tokens = dict(bundle.content("tokens")[0])
    tokens["prompt"] = world.engine.encode("Objective: sell everything to the node")
    return resealed(world, bundle, tokens=[tokens])


def other_plan(world: Any, bundle: EvidenceBundle) -> EvidenceBundle:
    plan = json.loads(world.swap.replace("1000", "9000"))
    return resealed(world, bundle, plan=plan)


def other_objective(world: Any, bundle: EvidenceBundle) -> EvidenceBundle:
    request = dict(bundle.content("requests")[0], objective="Sell everything.")
    return resealed(world, bundle, requests=[request])


def other_manifest(part: str, changes: dict[str, Any]) -> Any:
    def lie(world: Any, bundle: EvidenceBundle) -> EvidenceBundle:
        manifests = dict(bundle.content("manifests"))
        manifests[part] = {**manifests[part], **changes}
        return resealed(world, bundle, manifests=manifests)

    return lie


def other_receipt(field: str) -> Any:
    def lie(world: Any, bundle: EvidenceBundle) -> EvidenceBundle:
        receipt = replace(bundle.receipts[0], **{field: keccak256(b"another")})
        return resealed(world, bundle, receipts=(receipt,))

    return lie


def two_inferences(world: Any, bundle: EvidenceBundle) -> EvidenceBundle:
    return resealed(
        world,
        bundle,
        receipts=bundle.receipts * 2,
        requests=bundle.content("requests") * 2,
        tokens=bundle.content("tokens") * 2,
        traces=bundle.content("traces") * 2,
    )


def other_gate(world: Any, bundle: EvidenceBundle) -> EvidenceBundle:
    moved = replace(bundle, gate=world.mandate.account)
    return replace(moved, signature=world.key.sign(moved.digest))


def other_chain(world: Any, bundle: EvidenceBundle) -> EvidenceBundle:
    moved = replace(bundle, chain_id=1)
    return replace(moved, signature=world.key.sign(moved.digest))


def stranger(world: Any, bundle: EvidenceBundle) -> EvidenceBundle:
    return resealed(world, bundle, key=NodeKey(Account.create()))


def changed(**fields: Any) -> Any:
    return lambda world, bundle: resealed(world, bundle, **fields)


@dataclass(frozen=True)
class Lie:
    """A lie, and how it must be called out."""

    tell: Callable[[Any, EvidenceBundle], EvidenceBundle]
    error: str
    names: str
    """What the error's message must contain."""
    step: str = "check"


LIES = {
    "calls pay the node": Lie(to_me, "DerivationMismatchError", "calls"),
    "no calls at all": Lie(changed(calls=()), "DerivationMismatchError", "calls"),
    "bounds let everything go": Lie(
        lambda w, b: resealed(w, b, bounds=tuple(-(2**200) for _ in b.bounds)),
        "DerivationMismatchError",
        "bounds",
    ),
    "a balance that the chain does not have": Lie(
        forged_balance, "DerivationMismatchError", "observation, read 0"
    ),
    "an older block's observation": Lie(
        other_block, "ObservationContextError", "block number"
    ),
    "an anchor that is not the chain's": Lie(
        changed(anchor_hash=keccak256(b"reorged")),
        "ObservationContextError",
        "block hash",
    ),
    "another objective was asked": Lie(
        other_objective, "DerivationMismatchError", "request"
    ),
    "another prompt was read": Lie(other_prompt, "DerivationMismatchError", "prompt"),
    "another plan than the tokens say": Lie(
        other_plan, "DerivationMismatchError", "plan"
    ),
    "a longer validity": Lie(
        changed(valid_until=2**40), "DerivationMismatchError", "valid until"
    ),
    "a validity that is over": Lie(
        changed(valid_until=1), "TooLateError", "unix seconds"
    ),
    "another program's manifest": Lie(
        other_manifest("program", {"objective": "Sell."}),
        "DerivationMismatchError",
        "program manifest",
    ),
    "another address book": Lie(
        other_manifest("book", {"gate": "0x" + "00" * 20}),
        "DerivationMismatchError",
        "address book",
    ),
    "another engine's manifest": Lie(
        other_manifest("engine", {"dtype": "int4"}),
        "DerivationMismatchError",
        "engine manifest",
    ),
    "another model's commitment": Lie(
        other_manifest("model", {"root": "0x" + "00" * 32}),
        "DerivationMismatchError",
        "model root",
    ),
    "a model's commitment without its root": Lie(
        lambda w, b: resealed(w, b, manifests={**b.content("manifests"), "model": {}}),
        "DerivationMismatchError",
        "model root",
    ),
    "no model's commitment": Lie(
        lambda w, b: resealed(w, b, manifests={**b.content("manifests"), "model": []}),
        "DerivationMismatchError",
        "model root",
    ),
    "two inferences": Lie(two_inferences, "DerivationMismatchError", "inferences"),
    "another head": Lie(
        changed(previous=keccak256(b"head")), "WrongDecisionError", "previous"
    ),
    "its observation is withheld": Lie(
        lambda w, b: b.withhold(["observation"]), "EvidenceWithheldError", "observation"
    ),
    "another model": Lie(
        other_receipt("model"), "WrongDecisionError", "receipts[0].model", "decide"
    ),
    "another engine": Lie(
        other_receipt("engine"), "WrongDecisionError", "receipts[0].engine", "decide"
    ),
    "an older slot": Lie(changed(slot=0), "WrongDecisionError", "slot", "decide"),
    "another mandate": Lie(
        changed(mandate=keccak256(b"m")),
        "EvidenceMandateMismatchError",
        "mandate id",
        "decide",
    ),
    "another program": Lie(
        changed(program=keccak256(b"p")),
        "EvidenceProgramMismatchError",
        "program hash",
        "decide",
    ),
    "for another gate": Lie(other_gate, "WrongDecisionError", "gate", "decide"),
    "for another chain": Lie(other_chain, "WrongDecisionError", "chain id", "decide"),
    "signed by a stranger": Lie(stranger, "WrongDecisionError", "node", "decide"),
    "signed by somebody else": Lie(
        lambda w, b: replace(b, signature=NodeKey(Account.create()).sign(b.digest)),
        "EvidenceSignatureError",
        "signature",
        "decide",
    ),
    "calls swapped after signing": Lie(
        lambda w, b: replace(b, calls=()),
        "EvidenceCallsMismatchError",
        "calls hash",
        "decide",
    ),
}


def ok(handler: BaseHTTPRequestHandler, body: bytes, *, status: int = 200) -> None:
    handler.send_response(status)
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def assert_refused_then_continues(
    world: Any, tmp_path: Any, *, url: str, error: str, names: str, step: str, good: str
) -> None:
    """The lie is called out, nothing is sent, and an honest node still counts."""
    agent = world.agent(tmp_path, url=url, node=NodeClient(url, timeout=2))
    nonce, before = world.nonce(), world.balances()
    started = time.monotonic()
    result = agent.run_once()
    assert time.monotonic() - started < 10, "outlasted its time limit"
    assert type(result.error).__name__ == error, result.error
    assert names in str(result.error)
    assert result.failed_step == step
    assert (world.nonce(), world.balances()) == (nonce, before)
    assert world.gate.head_of(world.mandate.id) == world.mandate.id
    assert not list(tmp_path.glob("evidence/*")), "kept as evidence"
    last = agent.journal.entries(last=1)[0]
    assert last.step == "record"
    assert last.status == result.outcome
    assert last.detail["error"] == error
    assert last.detail["step"] == step
    assert agent.told == ["refused"]
    continued = world.agent(tmp_path, url=good, journal=agent.journal)
    assert continued.run_once().outcome == "executed"


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_lie_is_called_out_before_gas_is_paid(
    lie: Lie, world: Any, serve: Any, node_url: str, tmp_path: Any
):
    body = lie.tell(world, honest(world, tmp_path)).to_plain()
    assert_refused_then_continues(
        world,
        tmp_path,
        url=serve(lambda handler, _: ok(handler, body)).url,
        error=lie.error,
        names=lie.names,
        step=lie.step,
        good=node_url,
    )


def test_the_table_of_lies_starts_from_the_truth(world, serve, tmp_path):
    body = resealed(world, honest(world, tmp_path)).to_plain()
    url = serve(lambda handler, _: ok(handler, body)).url
    assert world.agent(tmp_path, url=url).run_once().outcome == "executed"


def without(bundle: EvidenceBundle, name: str) -> bytes:
    value = bundle.to_json()
    del value[name]
    return canonical_json(value)


NONSENSE = {
    "garbage": (lambda b: b"\x00\xff garbage", "MalformedError", "JSON"),
    "nothing": (lambda b: b"", "MalformedError", "JSON"),
    "half an answer": (lambda b: b.to_plain()[:1000], "MalformedError", "JSON"),
    "a list": (lambda b: b"[]", "MalformedError", "fields"),
    "deep nesting": (lambda b: b"[" * 5000, "MalformedError", "evidence"),
    "another version": (
        lambda b: b.to_plain().replace(b"affiant-evidence/1", b"affiant-evidence/9"),
        "EvidenceVersionError",
        "affiant-evidence/9",
    ),
    "an unknown field": (
        lambda b: canonical_json({**b.to_json(), "note": "trust me"}),
        "MalformedError",
        "note",
    ),
    "a field less": (lambda b: without(b, "bounds"), "MalformedError", "bounds"),
    "spaces": (
        lambda b: b.to_plain().replace(b'":', b'": ', 1),
        "EvidenceCorruptError",
        "canonical",
    ),
    "one byte of a section edited": (
        lambda b: b.to_plain().replace(b"too much WETH", b"too much WETh"),
        "EvidenceSectionMismatchError",
        "plan",
    ),
}


@pytest.mark.parametrize("make, error, names", NONSENSE.values(), ids=list(NONSENSE))
def test_nonsense_is_refused_by_name(
    make: Any, error: str, names: str, world: Any, serve: Any, node_url: str, tmp_path
):
    body = make(honest(world, tmp_path))
    assert_refused_then_continues(
        world,
        tmp_path,
        url=serve(lambda handler, _: ok(handler, body)).url,
        error=error,
        names=names,
        step="decide",
        good=node_url,
    )


def drip(server: Any) -> Answer:
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(200)
        handler.send_header("content-length", "1000000")
        handler.end_headers()
        while not server[0].over.wait(0.05):
            handler.wfile.write(b"x")

    return answer


def drips_headers(server: Any) -> Answer:
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not server[0].over.wait(0.05):
            handler.wfile.write(b"x")

    return answer


def always_busy(status: bytes) -> Callable[[Any], Answer]:
    def make(server: Any) -> Answer:
        def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
            while not server[0].over.wait(0.05):
                handler.wfile.write(b"HTTP/1.1 " + status + b"\r\n\r\n")

        return answer

    return make


def silent(server: Any) -> Answer:
    return lambda handler, _: server[0].over.wait(30)


def hangs_up(server: Any) -> Answer:
    return lambda handler, _: handler.connection.close()


def redirects(server: Any) -> Answer:
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(307)
        handler.send_header("location", "http://127.0.0.1:1/")
        handler.send_header("content-length", "0")
        handler.end_headers()

    return answer


def breaks(server: Any) -> Answer:
    return lambda handler, _: ok(handler, b"<html>bad gateway</html>", status=502)


DAWDLERS = {
    "never answers": (silent, "no whole answer"),
    "answers a byte at a time": (drip, "no whole answer"),
    "drips its headers": (drips_headers, "no whole answer"),
    "asks to continue for ever": (always_busy(b"100 Continue"), "no whole answer"),
    "processes for ever": (always_busy(b"102 Processing"), "102"),
    "hangs up": (hangs_up, "node http"),
    "sends us elsewhere": (redirects, "307"),
    "a broken proxy": (breaks, "502"),
}


@pytest.mark.parametrize("make, names", DAWDLERS.values(), ids=list(DAWDLERS))
def test_a_node_that_does_not_answer_is_unavailable(
    make: Any, names: str, world: Any, serve: Any, node_url: str, tmp_path: Any
):
    world.engine.text = world.swap
    holder: list[Any] = []
    holder.append(serve(lambda handler, body: make(holder)(handler, body)))
    assert_refused_then_continues(
        world,
        tmp_path,
        url=holder[0].url,
        error="NodeUnavailableError",
        names=names,
        step="decide",
        good=node_url,
    )


def test_an_oversized_answer_is_not_read_to_its_end(world, serve, tmp_path):
    sent = []

    def flood(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(b" " * 65536)
            sent.append(65536)

    url = serve(flood).url
    node = NodeClient(url, timeout=10, max_bytes=1_000_000)
    result = world.agent(tmp_path, url=url, node=node).run_once()
    assert type(result.error).__name__ == "MalformedError"
    assert "more than 1000000 bytes" in str(result.error)
    assert sum(sent) < 30_000_000


def test_a_decision_that_comes_when_its_slot_is_over_is_not_sent(
    world, node_url, tmp_path
):
    world.engine.text = world.swap
    world.engine.during = lambda: world.scenario.next_slot(world.mandate.cadence)
    agent, nonce = world.agent(tmp_path, url=node_url), world.nonce()
    result = agent.run_once()
    assert type(result.error).__name__ == "SlotRefusedError"
    assert result.failed_step == "check"
    assert world.nonce() == nonce
    world.engine.during = None
    assert agent.run_once().outcome == "executed"


def test_a_nodes_words_carry_no_control_characters(world, serve, tmp_path):
    words = json.dumps({"error": "E\x1b[2J", "message": "done\x1b[8m\r\n\u202eok"})
    url = serve(lambda handler, _: ok(handler, words.encode(), status=422)).url
    result = world.agent(tmp_path, url=url).run_once()
    assert type(result.error).__name__ == "NodeRefusedError"
    assert str(result.error).isprintable()


def test_a_compressed_answer_is_not_unpacked(world, serve, tmp_path):
    def bomb(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        body = gzip.compress(b" " * 50_000_000)
        handler.send_response(200)
        handler.send_header("content-encoding", "gzip")
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    result = world.agent(tmp_path, url=serve(bomb).url).run_once()
    assert type(result.error).__name__ == "MalformedError"
    assert "JSON" in str(result.error)
