"""What owners, guardians, endorsers and node keys do at once, by command."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from commands import affiant_here
from eth_account import Account
from eth_account.signers.local import LocalAccount

from affiant.demo.lab import Lab
from affiant.demo.scripted import scripted_lab
from affiant.demo.stage import make_safe
from affiant.encoding import Digest, canonical_json, keccak256, to_hex
from affiant.inference.keys import NodeKey
from affiant.onchain.checkpoint import Checkpoint, Verdict
from affiant.onchain.contract_errors import GateNodeBannedError
from affiant.onchain.devnet.accounts import DEV_ACCOUNTS
from affiant.onchain.gate import GateClient
from affiant.onchain.mandate import Address, Mandate, Rung
from affiant.onchain.registry import NodeRegistryClient, service_of
from affiant.onchain.sending import send
from affiant.onchain.signed_statement import SignedStatement

pytestmark = pytest.mark.anvil

PASSWORD = "only for a test"
GUARDIAN, ENDORSER, OTHER_ENDORSER, STRANGER = (
    Account.from_key(account.key) for account in DEV_ACCOUNTS[6:10]
)
DOLLAR = 10**8
SOMEBODY = "0x" + "99" * 20


def with_people(mandate: Mandate) -> Mandate:
    """A guardian and two endorsers; what comes after the first decision waits."""
    endorsers = sorted(
        (ENDORSER.address, OTHER_ENDORSER.address), key=lambda text: text.lower()
    )
    return replace(
        mandate,
        guardian=Address(GUARDIAN.address),
        endorsers=tuple(map(Address, endorsers)),
        quorum=2,
        ladder=(
            Rung(2_000 * DOLLAR, tier=0, endorsements=0, delay=0),
            Rung(50_000 * DOLLAR, tier=0, endorsements=0, delay=3600),
        ),
    )


@pytest.fixture(scope="module")
def shared() -> Iterator[Lab]:
    with scripted_lab(change=with_people) as lab:
        yield lab


@pytest.fixture
def lab(shared: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    for name in ("OWNER", "NODE", "PAYER"):
        monkeypatch.setenv(f"AFFIANT_{name}_PASSWORD", PASSWORD)
    with shared.undone() as fresh:
        yield fresh


@pytest.fixture
def run(lab: Lab, tmp_path: Path) -> Callable[..., str]:
    """Run a command on the lab's chain; return what it printed, or its error."""
    book = tmp_path / "book.json"
    book.write_bytes(canonical_json(lab.devnet.book.to_json()))

    def command(*words: str | Path, key: LocalAccount | None = None) -> str:
        sent = [] if key is None else ["--send", "--keystore", stored(key, tmp_path)]
        done = affiant_here(
            *words,
            *("--book", book, "--chain-url", lab.devnet.url),
            *("--chain-id", str(lab.devnet.chain_id), *sent),
        )
        assert "Traceback" not in done.stderr
        return done.stdout if done.returncode == 0 else done.stderr

    return command


def stored(key: LocalAccount, folder: Path) -> Path:
    path = folder / f"{key.address}.json"
    path.write_text(
        json.dumps(Account.encrypt(key.key, PASSWORD, kdf="pbkdf2", iterations=1000))
    )
    path.chmod(0o600)
    return path


def mandate_id(lab: Lab) -> str:
    return to_hex(lab.mandate.id)


def queued(lab: Lab) -> Digest:
    """Let the next decision take the head and wait."""
    now = lab.chain.latest_block().timestamp
    waiting = lab.forger.swear(
        replace(
            lab.honest,
            decision=replace(lab.honest.decision, valid_until=now + 2 * 3600),
        )
    )
    operator = lab.operator
    call = lab.gate.queue_call(waiting, sender=Address(operator.address))
    send(lab.chain, call, signer=operator)
    return lab.gate.head_of(lab.mandate.id)


# Banning a key


def test_the_owner_bans_a_key_and_nothing_that_it_signs_executes(lab: Lab, run) -> None:
    words = ("mandate", "ban", mandate_id(lab), lab.thief.address)
    said = run(*words)
    assert "the chain allows it" in said and "nothing was sent" in said
    assert not lab.gate.is_banned(lab.mandate.id, key=Address(lab.thief.address))
    said = run(*words, key=lab.owner)
    assert f"{lab.thief.address} is banned" in said
    with pytest.raises(GateNodeBannedError):
        lab.gate.execute(lab.honest, operator=lab.operator)


def test_a_ban_says_what_it_does_not_cover(lab: Lab, run) -> None:
    assert "does not name this key" in run("mandate", "ban", mandate_id(lab), SOMEBODY)


def test_a_ban_is_the_owners_alone(lab: Lab, run) -> None:
    error = run("mandate", "ban", mandate_id(lab), SOMEBODY, key=STRANGER)
    assert "NotOwner" in error
    assert not lab.gate.is_banned(lab.mandate.id, key=Address(SOMEBODY))


def test_what_nobody_granted_is_refused_by_name(run) -> None:
    unknown = to_hex(keccak256(b"unknown"))
    for words in (
        ("ban", unknown, SOMEBODY),
        ("stop", unknown),
        ("stop", unknown, "--by", "guardian"),
        ("resume", unknown),
        ("cancel", unknown),
    ):
        assert "MandateUnknown" in run("mandate", *words), words


# Stopping and resuming


def test_the_guardian_stops_and_the_owner_resumes(lab: Lab, run) -> None:
    words = ("mandate", "stop", mandate_id(lab), "--by", "guardian")
    assert "the chain allows it" in run(*words)
    assert "is stopped until" in run(*words, key=GUARDIAN)
    assert lab.gate.state_of(lab.mandate.id).waiting
    assert "StopUsed" in run(*words)
    said = run("mandate", "resume", mandate_id(lab), key=lab.owner)
    assert "is not stopped" in said and "once more" in said
    assert not lab.gate.state_of(lab.mandate.id).waiting


def test_the_owner_stops_for_as_long_as_it_likes(lab: Lab, run) -> None:
    words = ("mandate", "stop", mandate_id(lab), "--days")
    assert "StopTooLong" in run(*words, "8", "--by", "guardian")
    assert "is stopped until" in run(*words, "400", key=lab.owner)


def test_a_key_that_is_not_the_guardians_is_refused_before_anything_is_sent(
    lab: Lab, run
) -> None:
    before = lab.chain.nonce(Address(STRANGER.address))
    words = ("mandate", "stop", mandate_id(lab), "--by", "guardian")
    error = run(*words, key=STRANGER)
    assert "ActRefusedError" in error and GUARDIAN.address in error
    assert lab.chain.nonce(Address(STRANGER.address)) == before
    assert not lab.gate.state_of(lab.mandate.id).waiting


def test_endorsers_cannot_stop(lab: Lab, run) -> None:
    assert "endorsers cannot stop" in run(
        "mandate", "stop", mandate_id(lab), "--by", "endorser"
    )


# What waits


@pytest.mark.parametrize("by", ["account", "guardian", "endorser"])
def test_what_waits_is_cancelled(by: str, lab: Lab, run) -> None:
    digest = queued(lab)
    words = ("mandate", "cancel", mandate_id(lab), "--by", by)
    said = run(*words)
    assert to_hex(digest) in said and "the chain allows it" in said
    key = {"account": lab.owner, "guardian": GUARDIAN, "endorser": OTHER_ENDORSER}[by]
    assert "nothing waits any more" in run(*words, key=key)
    assert "nothing that waits" in run(*words)


def test_a_stranger_cancels_nothing(lab: Lab, run) -> None:
    queued(lab)
    words = ("mandate", "cancel", mandate_id(lab), "--by", "endorser")
    assert "ActRefusedError" in run(*words, key=STRANGER)
    assert lab.gate.state_of(lab.mandate.id).queued_at


# The grant delay


def test_the_delay_of_grants_is_set(lab: Lab, run) -> None:
    words = ("mandate", "delay", lab.account.address)
    assert "would wait 3600 seconds" in run(*words, "3600", key=lab.owner)
    said = run(*words, "0")
    assert "a shorter delay holds only after about 1 hour" in said
    assert "GrantDelayTooLong" in run(*words, str(31 * 86_400))


# What endorsers signed


def signed_by(
    lab: Lab, key: LocalAccount, statement: Checkpoint | Verdict, folder: Path
) -> Path:
    digest = statement.digest(chain_id=lab.devnet.chain_id, gate=lab.gate.address)
    made = SignedStatement(
        lab.devnet.chain_id,
        lab.gate.address,
        statement,
        Address(key.address),
        NodeKey(key).sign(digest),
    )
    path = folder / f"signed-by-{key.address}.json"
    path.write_bytes(canonical_json(made.to_json()))
    return path


def test_a_checkpoint_is_brought_by_anybody(lab: Lab, run, tmp_path: Path) -> None:
    state = lab.gate.state_of(lab.mandate.id)
    assert state.unaudited > 0
    lab.scenario.mine(1)
    made = Checkpoint(
        lab.mandate.id, state.head, state.outflow, state.block.number, state.block.hash
    )
    files = [signed_by(lab, k, made, tmp_path) for k in (ENDORSER, OTHER_ENDORSER)]
    assert "EndorsementsMissing" in run("mandate", "bring", files[0], key=STRANGER)
    said = run("mandate", "bring", *files, key=STRANGER)
    assert "the unaudited outflow is 0" in said
    assert "CheckpointOld" in run("mandate", "bring", *files)


def test_a_verdict_bans_a_key(lab: Lab, run, tmp_path: Path) -> None:
    made = Verdict(
        lab.mandate.id,
        Address(lab.thief.address),
        lab.gate.head_of(lab.mandate.id),
    )
    files = [signed_by(lab, k, made, tmp_path) for k in (ENDORSER, OTHER_ENDORSER)]
    assert f"{lab.thief.address} is banned" in run(
        "mandate", "bring", *files, key=STRANGER
    )


def test_what_was_signed_for_another_gate_is_not_brought(
    lab: Lab, run, tmp_path: Path
) -> None:
    made = Verdict(lab.mandate.id, Address(lab.thief.address), Digest(bytes(32)))
    other = replace(lab, gate=GateClient(lab.chain, Address(SOMEBODY)))
    path = signed_by(other, ENDORSER, made, tmp_path)
    assert "ActRefusedError" in run("mandate", "bring", path)


# A Safe's mandate


def test_a_safes_owners_sign_what_is_written(lab: Lab, run, tmp_path: Path) -> None:
    safe = make_safe(lab.chain, lab.owner, gate=lab.gate.address)
    mandate = replace(lab.mandate, account=safe.address)
    safe.execute(lab.gate.grant_call(mandate), owner=lab.owner)
    batch = tmp_path / "batch.json"
    words = ("mandate", "ban", to_hex(mandate.id), lab.thief.address)
    assert "wrote" in run(*words, "--safe-batch", batch)
    (item,) = json.loads(batch.read_text())["transactions"]
    assert item["to"] == lab.gate.address


# A node key itself


def test_a_node_key_is_announced_and_revokes_itself(
    lab: Lab, run, tmp_path: Path
) -> None:
    registry = NodeRegistryClient(lab.chain, lab.devnet.book.node_registry)
    fresh = Account.create()
    model, engine = keccak256(b"a model"), keccak256(b"an engine")
    service = service_of(model=model, engine=engine)
    paid = (
        *("--payer", stored(STRANGER, tmp_path), "--send"),
        *("--password-env", "AFFIANT_NODE_PASSWORD"),
    )
    file = stored(fresh, tmp_path)
    named = ("--model", to_hex(model), "--engine", to_hex(engine))
    assert "nothing was sent" in run("key", "announce", file, *named)
    assert "is announced" in run("key", "announce", file, *named, *paid)
    at = lab.chain.latest_block().timestamp
    assert registry.node_of(Address(fresh.address), service=service).serves(at=at)

    assert "nothing was sent" in run("key", "revoke", file)
    assert not registry.revoked_at(Address(fresh.address))
    assert "was revoked at" in run("key", "revoke", file, *paid)
    assert registry.revoked_at(Address(fresh.address))
    assert "revoked already" in run("key", "revoke", file, *paid)
    assert "KeyRevoked" in run("key", "announce", file, *named)


def test_a_node_key_with_money_pays_for_itself(lab: Lab, run, tmp_path: Path) -> None:
    registry = NodeRegistryClient(lab.chain, lab.devnet.book.node_registry)
    said = run("key", "revoke", stored(lab.thief, tmp_path), "--send")
    assert "was revoked at" in said
    assert registry.revoked_at(Address(lab.thief.address))
