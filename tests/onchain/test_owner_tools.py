"""What an owner does without anybody: deploy, grant, revoke, leave; on a real chain."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from commands import affiant_here
from eth_account import Account

from affiant.demo.lab import Lab
from affiant.demo.scripted import scripted_lab
from affiant.encoding import canonical_json, keccak256, to_hex
from affiant.onchain.abi import encode_call
from affiant.onchain.account import AccountClient
from affiant.onchain.chain_types import CallRequest
from affiant.onchain.deploy import (
    DeploymentError,
    deploy_affiant,
    find_affiant,
    plan_affiant,
)
from affiant.onchain.devnet.safe import SafeAccount, deploy_safe, enable_module
from affiant.onchain.kits.aave_v3 import supply
from affiant.onchain.mandate import Address, Rule
from affiant.onchain.reverts import ContractError
from affiant.onchain.safe import read_safe, safe_cautions, transaction_batch
from affiant.onchain.unwind import DebtLeftError, NothingLeftError, plan_exit

pytestmark = pytest.mark.anvil

PASSWORD = "only for a test"


@pytest.fixture(scope="module")
def shared() -> Iterator[Lab]:
    with scripted_lab() as lab:
        yield lab


@pytest.fixture
def lab(shared: Lab) -> Iterator[Lab]:
    with shared.undone() as fresh:
        yield fresh


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFIANT_OWNER_PASSWORD", PASSWORD)


def cli(*arguments: object) -> subprocess.CompletedProcess[str]:
    return affiant_here(*map(str, arguments))


def keystore_of(lab: Lab, folder: Path) -> Path:
    path = folder / "owner"
    stored = Account.encrypt(lab.owner.key, PASSWORD, kdf="pbkdf2", iterations=1000)
    path.write_text(json.dumps(stored))
    return path


def on_chain(lab: Lab) -> tuple[object, ...]:
    return ("--chain-url", lab.devnet.url, "--chain-id", lab.devnet.chain_id)


def book_file(lab: Lab, folder: Path) -> Path:
    path = folder / "book.json"
    path.write_bytes(canonical_json(lab.devnet.book.to_json()))
    return path


def balance(lab: Lab, token: Address, holder: str) -> int:
    data = encode_call("balanceOf(address)", [holder])
    return int.from_bytes(lab.chain.call(token, data), "big")


def kill(lab: Lab, *contracts: Address) -> None:
    for contract in contracts:
        lab.devnet.rpc.request("anvil_setCode", contract, "0xfe")


# Deployment


def test_what_is_there_is_found_and_not_deployed_again(lab: Lab) -> None:
    plan = plan_affiant()
    found = find_affiant(lab.chain, plan)
    assert all(contract.code_hash is not None for contract in found)
    before = lab.chain.nonce(Address(lab.owner.address))
    addresses = deploy_affiant(lab.chain, lab.owner)
    assert addresses.gate == lab.devnet.book.gate
    assert lab.chain.nonce(Address(lab.owner.address)) == before


def test_other_code_at_our_address_is_refused(lab: Lab) -> None:
    (rule,) = [p for p in plan_affiant() if p.name == "SpendRate"]
    lab.devnet.rpc.request("anvil_setCode", rule.address, "0x6000")
    with pytest.raises(DeploymentError, match="SpendRate"):
        find_affiant(lab.chain, plan_affiant())


def test_deploy_says_what_is_there_and_verifies_it(lab: Lab, tmp_path: Path) -> None:
    book = tmp_path / "new-book.json"
    done = cli("deploy", *on_chain(lab), "--json", "--book", book)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["hashReach"] in (256, 8191)
    gate = told["contracts"]["DecisionGate"]
    assert gate["address"] == lab.devnet.book.gate
    code = lab.chain.code(lab.devnet.book.gate)
    assert gate["codeHash"] == to_hex(keccak256(code))
    assert json.loads(book.read_text())["gate"] == gate["address"]


def test_deploy_refuses_chains_whose_block_hashes_mean_nothing() -> None:
    done = cli("deploy", "--chain-url", "http://127.0.0.1:1", "--chain-id", 42161)
    assert done.returncode == 1 and "Arbitrum One" in done.stderr


def test_deploy_asks_for_the_pace_of_an_unknown_chain() -> None:
    done = cli("deploy", "--chain-url", "http://127.0.0.1:1", "--chain-id", 987654)
    assert done.returncode == 2 and "--block-seconds" in done.stderr


def test_deploy_refuses_real_money_without_the_flag(lab: Lab) -> None:
    lab.devnet.rpc.request("anvil_setChainId", 1)
    try:
        done = cli(
            *("deploy", "--chain-url", lab.devnet.url, "--chain-id", 1, "--send")
        )
    finally:
        lab.devnet.rpc.request("anvil_setChainId", lab.devnet.chain_id)
    assert done.returncode == 1 and "--unaudited-production" in done.stderr


# Mandates


def test_grant_and_revoke_by_the_command(lab: Lab, tmp_path: Path) -> None:
    book = book_file(lab, tmp_path)
    mandate = replace(lab.mandate, salt=keccak256(b"by the command"))
    file = tmp_path / "mandate.json"
    file.write_bytes(canonical_json(mandate.to_json()))
    keystore = keystore_of(lab, tmp_path)
    common = ("--book", book, *on_chain(lab))

    done = cli("mandate", "grant", file, *common)
    assert done.returncode == 0, done.stderr
    assert "in any 24 hours" in done.stdout and "nothing was sent" in done.stdout
    assert not lab.gate.state_of(mandate.id).known

    sent = ("--send", "--keystore", keystore)
    done = cli("mandate", "grant", file, *common, *sent)
    assert done.returncode == 0, done.stderr
    assert lab.gate.state_of(mandate.id).live

    again = cli("mandate", "grant", file, *common, *sent)
    assert again.returncode == 1 and "MandateExists" in again.stderr

    done = cli("mandate", "revoke", to_hex(mandate.id), *common, *sent)
    assert done.returncode == 0, done.stderr
    assert lab.gate.state_of(mandate.id).revoked
    done = cli("mandate", "revoke", file, *common, *sent)
    assert done.returncode == 0 and "revoked already" in done.stdout


def test_revoke_rejects_a_mandate_that_nobody_granted(lab: Lab, tmp_path: Path) -> None:
    book = book_file(lab, tmp_path)
    unknown = to_hex(keccak256(b"unknown"))
    done = cli("mandate", "revoke", unknown, "--book", book, *on_chain(lab))
    assert done.returncode == 1 and "does not know" in done.stderr


# Leaving


def test_exit_pays_back_and_takes_all_with_everything_else_dead(
    lab: Lab, tmp_path: Path
) -> None:
    borrow(lab)
    book = lab.devnet.book
    kill(lab, book.gate, book.node_registry, book.model_registry)
    keystore = keystore_of(lab, tmp_path)
    before = {
        name: balance(lab, token.address, lab.owner.address)
        for name, token in book.tokens.items()
    }
    done = cli(
        *("exit", lab.account.address, "--book", book_file(lab, tmp_path)),
        *(*on_chain(lab), "--send", "--keystore", keystore),
    )
    assert done.returncode == 0, done.stderr
    for name, token in book.tokens.items():
        for place in (token.address, token.a_token, token.variable_debt):
            assert place is None or balance(lab, place, lab.account.address) == 0, name
    weth = book.tokens["WETH"].address
    assert balance(lab, weth, lab.owner.address) - before["WETH"] >= 5 * 10**18
    with pytest.raises(NothingLeftError):
        plan_exit(
            lab.chain,
            book,
            account=lab.account.address,
            owner=Address(lab.owner.address),
        )


def test_exit_pays_back_with_a_deposit_of_the_same_token(lab: Lab) -> None:
    borrow(lab)
    usdc, aave = lab.devnet.book.tokens["USDC"], lab.devnet.book.aave
    assert aave is not None
    held = balance(lab, usdc.address, lab.account.address)
    lab.as_owner(usdc.address, approval(aave.pool, held))
    lab.as_owner(
        aave.pool,
        supply(asset=usdc.address, amount=held, on_behalf_of=lab.account.address),
    )
    leave(lab)
    assert usdc.variable_debt is not None and usdc.a_token is not None
    assert balance(lab, usdc.variable_debt, lab.account.address) == 0
    assert balance(lab, usdc.a_token, lab.account.address) == 0


def test_exit_names_what_is_missing(lab: Lab) -> None:
    borrow(lab)
    usdc = lab.devnet.book.tokens["USDC"]
    held = balance(lab, usdc.address, lab.account.address)
    lab.as_owner(
        usdc.address,
        encode_call("transfer(address,uint256)", [lab.operator.address, held]),
    )
    with pytest.raises(DebtLeftError) as caught:
        leave(lab)
    assert caught.value.token == "USDC" and caught.value.held == 0
    assert caught.value.owed >= 1000 * 10**6


def test_exit_is_the_owners_alone(lab: Lab) -> None:
    steps = plan_exit(
        lab.chain,
        lab.devnet.book,
        account=lab.account.address,
        owner=Address(lab.operator.address),
    )
    with pytest.raises(ContractError, match="NotOwner"):
        AccountClient(lab.chain, lab.account.address).execute_batch(
            [step.call for step in steps], owner=lab.operator
        )


# A Safe


def test_a_decision_executes_on_a_safe_and_its_owner_leaves(
    lab: Lab, tmp_path: Path
) -> None:
    safe = safe_with_money(lab)
    plan = {planned.name: planned.address for planned in plan_affiant()}
    rule = Rule(plan["SafeSettings"], bytes(32))
    mandate = replace(lab.mandate, account=safe.address, rules=(rule,))
    safe.execute(lab.gate.grant_call(mandate), owner=lab.owner)
    submission = lab.forger.swear(
        replace(
            lab.honest,
            mandate=mandate,
            decision=replace(
                lab.honest.decision, mandate=mandate.id, previous=mandate.id
            ),
            calls=tuple(
                replace(
                    call,
                    data=call.data.replace(
                        word(lab.account.address), word(safe.address)
                    ),
                )
                for call in lab.honest.calls
            ),
        )
    )
    lab.gate.execute(submission, operator=lab.operator)
    weth = lab.devnet.book.tokens["WETH"].address
    assert balance(lab, weth, safe.address) < 6 * 10**18

    batch = tmp_path / "batch.json"
    done = cli(
        *("exit", safe.address, "--book", book_file(lab, tmp_path), *on_chain(lab)),
        *("--to", lab.owner.address, "--safe-batch", batch),
    )
    assert done.returncode == 0, done.stderr
    for item in json.loads(batch.read_text())["transactions"]:
        call = CallRequest(
            Address(item["to"]),
            bytes.fromhex(item["data"][2:]),
            value=int(item["value"]),
        )
        safe.execute(call, owner=lab.owner)
    assert balance(lab, weth, safe.address) == 0


def test_a_safes_settings_are_told(lab: Lab) -> None:
    safe = safe_with_money(lab)
    settings = read_safe(lab.chain, safe.address)
    assert settings is not None and settings.version == "1.4.1"
    assert settings.modules == (lab.gate.address,)
    assert not list(safe_cautions(settings, gate=lab.gate.address))
    other = lab.devnet.book.model_registry
    enable_module(safe, other, owner=lab.owner)
    settings = read_safe(lab.chain, safe.address)
    assert settings is not None
    (said,) = safe_cautions(settings, gate=lab.gate.address)
    assert other in said and "ANOTHER MODULE" in said
    (said, _) = safe_cautions(
        replace(settings, modules=(), guard=other), gate=lab.gate.address
    )
    assert "NOT A MODULE" in said
    assert read_safe(lab.chain, lab.account.address) is None
    assert read_safe(lab.chain, Address(lab.owner.address)) is None


def test_a_batch_is_what_the_transaction_builder_reads() -> None:
    safe = Address("0x" + "11" * 20)
    content = transaction_batch(
        [CallRequest(safe, b"\x01", value=5)], chain_id=1, safe=safe, name="a name"
    )
    assert content["chainId"] == "1"
    assert content["transactions"] == [
        {
            "to": safe,
            "value": "5",
            "data": "0x01",
            "contractMethod": None,
            "contractInputsValues": None,
        }
    ]


# Shapes


def word(address: str) -> bytes:
    return bytes(12) + bytes.fromhex(address[2:])


def approval(spender: Address, amount: int) -> bytes:
    return encode_call("approve(address,uint256)", [spender, amount])


def borrow(lab: Lab) -> None:
    """Lend half the account's WETH to Aave, and borrow 1,000 USDC on it."""
    aave, tokens = lab.devnet.book.aave, lab.devnet.book.tokens
    assert aave is not None
    account, weth = lab.account.address, tokens["WETH"].address
    amount = balance(lab, weth, account) // 2
    lab.as_owner(weth, approval(aave.pool, amount))
    lab.as_owner(aave.pool, supply(asset=weth, amount=amount, on_behalf_of=account))
    lab.as_owner(
        aave.pool,
        encode_call(
            "borrow(address,uint256,uint256,uint16,address)",
            [tokens["USDC"].address, 1000 * 10**6, 2, 0, account],
        ),
    )


def leave(lab: Lab) -> None:
    steps = plan_exit(
        lab.chain,
        lab.devnet.book,
        account=lab.account.address,
        owner=Address(lab.owner.address),
    )
    lab.account.execute_batch([step.call for step in steps], owner=lab.owner)


def safe_with_money(lab: Lab) -> SafeAccount:
    safe = deploy_safe(lab.chain, lab.owner, owner=Address(lab.owner.address))
    enable_module(safe, lab.gate.address, owner=lab.owner)
    lab.scenario.fund(safe.address, {"WETH": Decimal(6), "USDC": Decimal(10_000)})
    return safe
