"""`affiant attest deploy` and `attest workload`: what is there before any key is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affiant.cli import attest_options as options
from affiant.cli.console import log, read_file
from affiant.cli.deploying import DeploymentRefusedError
from affiant.cli.signing import ChainId, ChainUrl, Send, connected, signer
from affiant.encoding import ZERO_DIGEST, digest_from_hex, to_hex
from affiant.errors import MalformedError

if TYPE_CHECKING:
    from affiant.encoding import Digest
    from affiant.inference.attestation.quote import TdReport
    from affiant.onchain.mandate import Address

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def deploy(
    chain_url: ChainUrl,
    chain_id: ChainId,
    payer: options.Payer = None,
    payer_password_env: options.PayerPasswordEnv = options.PAYER_PASSWORD_ENV,
    unsafe_dev_seed: options.DevSeed = None,
    send: Send = False,
    unaudited: Annotated[
        bool,
        typer.Option(
            "--unaudited-production",
            help="Deploy where money is real, although nobody outside has audited it.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Deploy what attests node keys, or say where it is; verify its code.

    Addresses follow from the root alone: the same on every chain, whoever pays.
    """
    from affiant.agents.nodes.attest_settings import read_dev_root
    from affiant.onchain.attestation.client import TdxAttestationClient
    from affiant.onchain.attestation.deploy import (
        INTEL_ROOT_KEY_HASH,
        check_deployed,
        check_root,
        deploy_attestation,
        plan_attestation,
    )
    from affiant.onchain.attestation.doctor import precompile_finding
    from affiant.onchain.chains import CHAINS, holds_real_money
    from affiant.onchain.deploy import find_affiant

    root = INTEL_ROOT_KEY_HASH
    if unsafe_dev_seed is not None:
        root = read_dev_root(unsafe_dev_seed).pki.root_key_hash
    facts = CHAINS.get(chain_id)
    name = f"chain {chain_id}" if facts is None else facts.name
    if facts is not None and facts.refused is not None:
        raise DeploymentRefusedError(f"{name}: {facts.refused}")
    check_root(root, chain_id=chain_id)
    plan = plan_attestation(root)
    with connected(chain_url, chain_id) as chain:
        if send:
            if holds_real_money(chain_id) and not unaudited:
                raise DeploymentRefusedError(
                    f"{name} holds real money, and nobody outside has audited these "
                    "contracts: --unaudited-production says that you know"
                )
            precompile = precompile_finding(chain)
            if not precompile.ok:
                raise DeploymentRefusedError(
                    f"{precompile.what}: {precompile.detail}; {precompile.remedy}"
                )
            key = signer(payer, payer_password_env, option="--payer")
            log.print(f"deploying on {name}", markup=False)
            deploy_attestation(chain, key, root_key_hash=root)
        found = find_affiant(chain, plan)
        there = all(contract.code_hash is not None for contract in found)
        if there:
            client = TdxAttestationClient(chain, plan[-1].address)
            check_deployed(client, root_key_hash=root)
    tier = 2 if root == INTEL_ROOT_KEY_HASH else 0
    if as_json:
        told = {
            "chainId": chain_id,
            "name": name,
            "contract": plan[-1].address,
            "rootKeyHash": to_hex(root),
            "tier": tier,
            "deployed": there,
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
    whose = "Intel SGX Root CA" if tier else "DEV ROOT, NO HARDWARE PROTECTION"
    typer.echo(f"{name}: {whose}, key {to_hex(root)}, tier {tier}")
    for contract in found:
        state = (
            "not there"
            if contract.code_hash is None
            else f"ours, code {to_hex(contract.code_hash)}"
        )
        typer.echo(f"{contract.name:<17} {contract.address}  {state}")
    if there:
        typer.echo(f"mandates and nodes name {plan[-1].address}")
    elif not send:
        typer.echo("nothing was sent; --send deploys what is not there")


def workload(
    out: Annotated[Path, typer.Argument(help="File to write; must not exist.")],
    engine: Annotated[
        list[str],
        typer.Option(help="Hash of an engine manifest; `affiant node` prints it."),
    ],
    quote: Annotated[
        Path | None, typer.Option(help="Measurements of a quote's file.")
    ] = None,
    here: Annotated[
        bool, typer.Option("--here", help="Measurements of the TD that this runs in.")
    ] = False,
    register: Annotated[
        list[str] | None,
        typer.Option(help="A register as NAME=HEX, named as `attest show` does."),
    ] = None,
    measurements: Annotated[
        str | None, typer.Option(help="Their hash, as `attest show` prints it.")
    ] = None,
    all_registers: Annotated[
        bool, typer.Option("--all-registers", help="With RTMR3.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(help="Root of the one model served.")
    ] = None,
    program: Annotated[
        str | None, typer.Option(help="Hash of the one program served.")
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(help="Accepted TCB status; may be repeated. UpToDate alone."),
    ] = None,
    evaluation_floor: Annotated[
        int, typer.Option(help="Oldest TCB recovery that collateral may be up to.")
    ] = 0,
    endorser: Annotated[
        list[str] | None, typer.Option(help="Who may vouch for GPUs; repeatable.")
    ] = None,
    quorum: Annotated[int, typer.Option(help="How many of them it takes.")] = 0,
    guard: Annotated[
        list[str] | None, typer.Option(help="Who may refuse machines; repeatable.")
    ] = None,
    quotes: options.Quotes = "auto",
    unsafe_dev_seed: options.DevSeed = None,
    as_json: Json = False,
) -> None:
    """Write what an owner asks of hardware, and say it in words."""
    from affiant.inference.attestation.verify import UP_TO_DATE
    from affiant.onchain.attestation.asking import (
        ascending,
        measure,
        parse_registers,
        registers_of,
        require_sensible,
        workload_in_words,
    )
    from affiant.onchain.attestation.binding import TdxWorkload

    named = (quote is not None, here, bool(register), measurements is not None)
    if sum(named) != 1:
        raise typer.BadParameter(
            "expected exactly one of --quote, --here, --register and --measurements"
        )
    if measurements is not None:
        measured = digest_from_hex(measurements, what="--measurements")
    else:
        registers = (
            parse_registers(register)
            if register
            else registers_of(_report(quote, quotes, unsafe_dev_seed))
        )
        measured = measure(registers, whole=all_registers)
    asked = TdxWorkload(
        measurements=measured,
        engines=tuple(digest_from_hex(text, what="--engine") for text in engine),
        all_registers=all_registers,
        program=_digest(program, "--program"),
        model=_digest(model, "--model"),
        statuses=tuple(status or (UP_TO_DATE,)),
        evaluation_floor=evaluation_floor,
        endorsers=tuple(ascending(_addresses(endorser, "--endorser"))),
        quorum=quorum,
        guards=tuple(_addresses(guard, "--guard")),
    )
    require_sensible(asked)
    content = json.dumps(asked.to_json(), indent=1) + "\n"
    try:
        # A mandate names its id, so that no other may take its place unnoticed.
        with out.open("x") as file:
            file.write(content)
    except OSError as error:
        raise MalformedError(
            str(out), got=error.strerror or str(error), expected="a file to be made"
        ) from error
    if quote is not None:
        log.print("the quote was read and not verified; `affiant attest verify` does")
    words = workload_in_words(asked)
    if as_json:
        told = {"workload": to_hex(asked.id), "file": str(out), "words": words}
        typer.echo(json.dumps(told))
        return
    typer.echo("\n".join(words))
    typer.echo(f"wrote {out}")


def _report(quote: Path | None, quotes: str, dev_seed: Path | None) -> TdReport:
    from affiant.agents.nodes.attest_settings import quote_provider
    from affiant.inference.attestation.quote import MAX_QUOTE_BYTES, TdxQuote
    from affiant.inference.attestation.quoting import REPORT_DATA_BYTES, fresh_quote

    if quote is not None:
        return TdxQuote.cut(read_file(quote, max_bytes=MAX_QUOTE_BYTES)).report
    provider = quote_provider(quotes, unsafe_dev_seed=dev_seed)
    log.print(f"measured by {provider.name}", markup=False)
    return fresh_quote(provider, bytes(REPORT_DATA_BYTES)).report


def _digest(text: str | None, name: str) -> Digest:
    return ZERO_DIGEST if text is None else digest_from_hex(text, what=name)


def _addresses(texts: list[str] | None, name: str) -> list[Address]:
    from affiant.onchain.mandate import parse_address

    return [parse_address(text, what=name) for text in texts or ()]
