"""`affiant attest`: what hardware says of node keys, and the collateral behind it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affiant.cli import attest_options as options
from affiant.cli.console import EXIT_REJECTED, log, read_file
from affiant.encoding import digest_from_hex, to_hex
from affiant.errors import MalformedError

if TYPE_CHECKING:
    from affiant.encoding import Digest
    from affiant.onchain.attestation.submission import Piece
    from affiant.onchain.chain import Chain
    from affiant.onchain.mandate import Address

attest_app = typer.Typer(
    help="Attest node keys in Intel TDX, and look after collateral.",
    no_args_is_help=True,
)

ChainUrl = Annotated[str, typer.Option(help="A chain endpoint.")]
ChainId = Annotated[int, typer.Option(help="Chain id that it must answer with.")]
Contract = Annotated[str, typer.Option(help="Address of the attestation contract.")]
Send = Annotated[
    bool, typer.Option("--send", help="Send; without it, everything is simulated.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
QuoteFile = Annotated[Path, typer.Argument(help="A quote file.")]


@attest_app.command("register")
def register(
    context: typer.Context,
    chain_url: ChainUrl,
    chain_id: ChainId,
    contract: Contract,
    keystore: Annotated[Path, typer.Option(help="The node key's keystore file.")],
    model: Annotated[str, typer.Option(help="Root of the model commitment.")],
    engine: Annotated[str, typer.Option(help="Hash of the engine manifest.")],
    workload: Annotated[Path, typer.Option(help="The workload's JSON.")],
    payer: Annotated[Path, typer.Option(help="Keystore of whoever pays.")],
    program: Annotated[
        str, typer.Option(help="Hash of the one program served; zero: any.")
    ] = "0x" + "00" * 32,
    password_env: Annotated[
        str, typer.Option(help="Environment variable with the keystore's password.")
    ] = "AFFIANT_NODE_PASSWORD",
    payer_password_env: options.PayerPasswordEnv = options.PAYER_PASSWORD_ENV,
    quotes: options.Quotes = "auto",
    collateral: options.CollateralFrom = options.PCS,
    unsafe_dev_seed: options.DevSeed = None,
    tls_certificate: options.TlsCertificate = None,
    gpu_evidence: options.GpuEvidence = None,
    validity: options.Validity = options.DAY,
    send: Send = False,
    as_json: Json = False,
) -> None:
    """Bind a key to what it serves, quote it, and register it; run this in the TD."""
    from affiant.agents.nodes.attest_settings import open_attester
    from affiant.agents.settings.config import read_password
    from affiant.inference.keys import NodeKey

    settings = options.attest_settings(
        contract=contract,
        workload=workload,
        payer=payer,
        payer_password_env=payer_password_env,
        quotes=quotes,
        collateral=collateral,
        unsafe_dev_seed=unsafe_dev_seed,
        tls_certificate=tls_certificate,
        gpu_evidence=gpu_evidence,
        validity=validity,
    )
    serves = {
        "model": _digest(model, "--model"),
        "engine": _digest(engine, "--engine"),
        "program": _digest(program, "--program"),
    }
    key = NodeKey.from_keystore(
        keystore, read_password(password_env).get_secret_value()
    )
    chain = _connect(chain_url, chain_id, context=context)
    attester = open_attester(settings, chain=chain, **serves)
    log.print(f"quotes from {attester.provider.name}", markup=False)
    prepared = attester.prepare(key)
    told: dict[str, object] = {
        "key": key.address,
        "workload": to_hex(attester.workload.id),
        "status": prepared.opinion.status,
        "advisories": list(prepared.opinion.advisories),
        "validUntil": prepared.binding.valid_until,
        "sent": send,
    }
    if send:
        attested = attester.submit(prepared)
        told |= {"tier": attested.tier, "validUntil": attested.valid_until}
    else:
        told["transactions"] = [
            {"what": step.what, "gas": step.gas} for step in attester.simulate(prepared)
        ]
    _tell(told, as_json=as_json)


@attest_app.command("refresh")
def refresh(
    context: typer.Context,
    chain_url: ChainUrl,
    chain_id: ChainId,
    contract: Contract,
    payer: Annotated[Path, typer.Option(help="Keystore of whoever pays.")],
    quote: Annotated[
        Path | None,
        typer.Option(help="A quote of the kind of machine; needed to ask a PCCS."),
    ] = None,
    payer_password_env: options.PayerPasswordEnv = options.PAYER_PASSWORD_ENV,
    collateral: options.CollateralFrom = options.PCS,
    unsafe_dev_seed: options.DevSeed = None,
    key: Annotated[
        str | None, typer.Option(help="Also judge this key's attestation anew.")
    ] = None,
    workload: options.Workload = None,
    send: Send = False,
    as_json: Json = False,
) -> None:
    """Tell the verifier what Intel has issued since; anybody may."""
    from affiant.agents.nodes.attest_settings import (
        load_workload,
        open_payer,
        refresh_source,
    )
    from affiant.inference.attestation.quote import TdxQuote
    from affiant.onchain.attestation.client import TdxAttestationClient
    from affiant.onchain.attestation.submission import missing, submit

    if (key is None) != (workload is None):
        raise typer.BadParameter("expected both --key and --workload, or neither")
    chain = _connect(chain_url, chain_id, context=context)
    client = TdxAttestationClient(chain, _address(contract, "--contract"))
    source = refresh_source(
        collateral, unsafe_dev_seed=unsafe_dev_seed, chain=chain, quote=quote
    )
    cut = TdxQuote(b"", b"", ()) if quote is None else TdxQuote.cut(read_file(quote))
    found = source.collateral(cut)
    verifier = client.verifier()
    pieces: tuple[Piece, ...] = missing(
        verifier,
        found,
        machine=cut.certificates[0] if cut.certificates else None,
        fmspc=found.fmspc,
        now=chain.latest_block().timestamp,
    )
    told: dict[str, object] = {"pieces": [piece.what for piece in pieces], "sent": send}
    if send:
        account = open_payer(payer, password_env=payer_password_env)
        receipts = submit(verifier, pieces, payer=account)
        told["gas"] = sum(receipt.gas_used for receipt in receipts)
        if key is not None and workload is not None:
            asked = load_workload(workload).id
            client.recheck(_address(key, "--key"), asked, payer=account)
            attested = client.require_attested(_address(key, "--key"), asked)
            told["validUntil"] = attested.valid_until
    _tell(told, as_json=as_json)


@attest_app.command("show")
def show(
    context: typer.Context,
    quote: Annotated[
        Path | None, typer.Argument(help="A quote file; shown without a chain.")
    ] = None,
    chain_url: Annotated[str | None, typer.Option(help="A chain endpoint.")] = None,
    chain_id: Annotated[
        int | None, typer.Option(help="Chain id that it must answer with.")
    ] = None,
    contract: Annotated[
        str | None, typer.Option(help="Address of the attestation contract.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Address of a node's key.")] = None,
    workload: options.Workload = None,
    as_json: Json = False,
) -> None:
    """Show what a quote says, or what the chain says of a key; nothing is verified."""
    from affiant.agents.nodes.attest_settings import load_workload
    from affiant.inference.attestation.quote import TdxQuote
    from affiant.onchain.attestation.client import TdxAttestationClient
    from affiant.onchain.attestation.shown import shown_quote

    if quote is not None:
        _tell(dict(shown_quote(TdxQuote.cut(read_file(quote)))), as_json=as_json)
        return
    if chain_url is None or chain_id is None or contract is None or key is None:
        raise typer.BadParameter(
            "got neither a quote nor all of --chain-url, --chain-id, --contract, --key "
            "and --workload"
        )
    if workload is None:
        raise typer.BadParameter("got no --workload, expected the workload's JSON")
    asked = load_workload(workload)
    chain = _connect(chain_url, chain_id, context=context)
    client = TdxAttestationClient(chain, _address(contract, "--contract"))
    address = _address(key, "--key")
    said = client.attestation_of(address, asked.id)
    hardware = client.machine_of(address, asked.id)
    holds = said.holds(chain.latest_block().timestamp)
    _tell(
        {
            "key": address,
            "workload": to_hex(asked.id),
            "attested": holds,
            "tier": said.tier,
            "validFrom": said.valid_from,
            "validUntil": said.valid_until,
            "revokedAt": said.revoked_at,
            "machine": to_hex(hardware.machine),
            "ppid": hardware.ppid.hex(),
            "gpuEvidence": to_hex(hardware.gpu_evidence),
        },
        as_json=as_json,
    )
    if not holds:
        raise typer.Exit(EXIT_REJECTED)


@attest_app.command("verify")
def verify(
    quote: QuoteFile,
    collateral: Annotated[
        str, typer.Option(help="A file (offline), or URL of a PCCS.")
    ] = options.PCS,
    at: Annotated[
        int | None, typer.Option(help="Unix second to verify at; now if not given.")
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(help="Accepted TCB status; may be repeated. UpToDate alone."),
    ] = None,
    workload: options.Workload = None,
    unsafe_dev_root: Annotated[
        bool,
        typer.Option(
            "--unsafe-dev-root",
            help="Believe the collateral's own root: it proves NOTHING.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Verify a quote with `dcap-qvl`, under Intel's root, at any time."""
    from affiant.agents.nodes.attest_settings import collateral_source, load_workload
    from affiant.inference.attestation.quote import TdxQuote
    from affiant.inference.attestation.verify import STATUSES, Policy, verify_quote
    from affiant.onchain.attestation.attesting import require_measured
    from affiant.onchain.attestation.verifier import root_key_hash_of

    file = read_file(quote)
    cut = TdxQuote.cut(file)
    found = collateral_source(collateral).collateral(cut)
    asked = None if workload is None else load_workload(workload)
    accepted = tuple(status or (Policy() if asked is None else asked).statuses)
    for name in accepted:
        if name not in STATUSES:
            raise typer.BadParameter(f"got {name}, expected one of {STATUSES}")
    verdict = verify_quote(
        file,
        found,
        now=int(time.time()) if at is None else at,
        policy=Policy(
            statuses=accepted,
            least_evaluation_number=0 if asked is None else asked.evaluation_floor,
        ),
        root=found.root if unsafe_dev_root else None,
    )
    if asked is not None:
        require_measured(cut, asked)
    root = "Intel SGX Root CA"
    if unsafe_dev_root:
        # Whose it is, is for the reader to know: the collateral brought it.
        root = f"DEV, NO HARDWARE PROTECTION, {to_hex(root_key_hash_of(found.root))}"
    told: dict[str, object] = {
        "status": verdict.status,
        "advisories": list(verdict.advisories),
        "evaluationNumber": verdict.evaluation_number,
        "earliestExpiry": verdict.earliest_expiry,
        "ppid": verdict.ppid.hex(),
        "fmspc": verdict.fmspc.hex(),
        "root": root,
    }
    _tell(told, as_json=as_json)


@attest_app.command("doctor")
def doctor(
    context: typer.Context,
    chain_url: ChainUrl,
    chain_id: ChainId,
    contract: Contract,
    collateral: Annotated[
        Path | None, typer.Option(help="Collateral of the machines, in a file.")
    ] = None,
    quotes: options.Quotes = "auto",
    as_json: Json = False,
) -> None:
    """Say what stops attestation from working here, and what to do about it."""
    from affiant.agents.nodes.attest_settings import provider_finding
    from affiant.inference.attestation.collateral import Collateral
    from affiant.onchain.attestation.doctor import diagnose

    chain = _connect(chain_url, chain_id, context=context)
    found = None if collateral is None else Collateral.parse(read_file(collateral))
    findings = diagnose(
        chain,
        _address(contract, "--contract"),
        now=int(time.time()),
        collateral=found,
    )
    here = provider_finding(quotes)
    if as_json:
        typer.echo(json.dumps([vars(finding) for finding in (*findings, here)]))
    else:
        for finding in (*findings, here):
            sign = "ok  " if finding.ok else "FAIL"
            remedy = "" if finding.ok else f"; {finding.remedy}"
            typer.echo(f"{sign}  {finding.what}: {finding.detail}{remedy}")
    # Not to be in a TD stops nobody from looking after collateral.
    if not all(finding.ok for finding in findings):
        raise typer.Exit(EXIT_REJECTED)


def _tell(told: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(told))
        return
    for name, value in told.items():
        if isinstance(value, list):
            value = ", ".join(map(str, value)) or "none"
        typer.echo(f"{name}: {value}")


def _connect(url: str, chain_id: int, *, context: typer.Context) -> Chain:
    """Return the chain at `url`, closed when the command ends."""
    from affiant.onchain.chain import Chain

    chain = Chain.connect(url, expected_chain_id=chain_id)
    context.call_on_close(chain.close)
    return chain


def _digest(text: str, name: str) -> Digest:
    try:
        return digest_from_hex(text, what=name)
    except MalformedError as error:
        raise typer.BadParameter(str(error)) from error


def _address(text: str, name: str) -> Address:
    from affiant.onchain.mandate import parse_address

    try:
        return parse_address(text, what=name)
    except MalformedError as error:
        raise typer.BadParameter(str(error)) from error
