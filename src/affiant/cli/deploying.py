"""`affiant deploy`: contracts at deterministic addresses, and what is there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from affiant.cli.console import log
from affiant.cli.signing import (
    ChainId,
    ChainUrl,
    Keystore,
    PasswordEnv,
    Send,
    connected,
    signer,
)
from affiant.encoding import canonical_json, to_hex
from affiant.errors import RejectedError


class DeploymentRefusedError(RejectedError):
    """The contracts must not, or not yet, be deployed on this chain."""


def deploy(
    chain_url: ChainUrl,
    chain_id: ChainId,
    keystore: Keystore = None,
    password_env: PasswordEnv = "AFFIANT_DEPLOYER_PASSWORD",
    send: Send = False,
    book: Annotated[
        Path | None,
        typer.Option(help="Write an address book: contracts, their code, pace, reach."),
    ] = None,
    block_seconds: Annotated[
        float | None, typer.Option(help="Seconds between blocks, of an unknown chain.")
    ] = None,
    unaudited: Annotated[
        bool,
        typer.Option(
            "--unaudited-production",
            help="Deploy where money is real, although nobody outside has audited it.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Deploy gate, registries and rules, or say where they are; verify their code.

    Addresses are the same on every chain, whoever pays.
    """
    from affiant.onchain.address_book import AddressBook
    from affiant.onchain.book_sections import ChainEntry
    from affiant.onchain.chains import HISTORY, chain_facts, hash_reach
    from affiant.onchain.deploy import (
        addresses_of,
        deploy_affiant,
        find_affiant,
        plan_affiant,
    )
    from affiant.onchain.own_gate import require_our_gate

    facts = chain_facts(chain_id, block_seconds=block_seconds)
    if facts.refused is not None:
        raise DeploymentRefusedError(f"{facts.name}: {facts.refused}")
    with connected(chain_url, chain_id) as chain:
        plan = plan_affiant()
        reach = hash_reach(chain.code(HISTORY))
        if send:
            if facts.real_money and not unaudited:
                raise DeploymentRefusedError(
                    f"{facts.name} holds real money, and nobody outside has audited "
                    "these contracts: --unaudited-production says that you know"
                )
            key = signer(keystore, password_env)
            log.print(f"deploying on {facts.name}", markup=False)
            deploy_affiant(chain, key)
        found = find_affiant(chain, plan)
        if book is not None:
            if any(contract.code_hash is None for contract in found):
                raise DeploymentRefusedError(
                    f"{facts.name}: not all contracts are there, so there is no book "
                    "to write; --send deploys them"
                )
            addresses = addresses_of(plan)
            content = AddressBook(
                chain_id=chain_id,
                gate=addresses.gate,
                node_registry=addresses.node_registry,
                model_registry=addresses.model_registry,
                tokens={},
            )
            entry = ChainEntry(
                block_milliseconds=max(1, int(facts.block_seconds * 1000)),
                hash_reach=reach,
                code_hashes=require_our_gate(chain, content),
            )
            content = replace(content, chain=entry)
            book.write_bytes(canonical_json(content.to_json()))
    if as_json:
        told = {
            "chainId": chain_id,
            "name": facts.name,
            "blockSeconds": facts.block_seconds,
            "hashReach": reach,
            "contracts": {
                contract.name: {
                    "address": contract.address,
                    "codeHash": contract.code_hash and to_hex(contract.code_hash),
                }
                for contract in found
            },
        }
        typer.echo(json.dumps(told))
        return
    typer.echo(
        f"{facts.name}: {facts.block_seconds:g} seconds per block at least; block "
        f"hashes are known for {reach} blocks, so a mandate's cadence is at most that"
    )
    for contract in found:
        state = (
            "not there"
            if contract.code_hash is None
            else f"ours, code {to_hex(contract.code_hash)}"
        )
        typer.echo(f"{contract.name:<19} {contract.address}  {state}")
    if not send and any(contract.code_hash is None for contract in found):
        typer.echo("nothing was sent; --send deploys what is not there")
