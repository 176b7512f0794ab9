"""`affiant demo`, from an empty chain to an audited report.

Five parts: the chain; contracts, model, node and mandate; decisions; attacks; the
audit. Everything printed was read back from the chain or from evidence. If one thing
that is promised does not hold, the run fails.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from affiant.agents import RunResult
from affiant.audit.command import AuditSettings, audit_chain, words_of
from affiant.audit.evidence_file import audit_evidence_file
from affiant.audit.grades import DOES_NOT_SHOW
from affiant.audit.result import Attack as AttackRow
from affiant.demo.attacks import ATTACKS, SAFE_ATTACKS
from affiant.demo.errors import DemoFailedError
from affiant.demo.lab import Lab, Outcome, run_attack
from affiant.demo.stage import CADENCE, Stage, set_stage, start_node
from affiant.demo.story import (
    KINDS,
    kinds_of,
    line_of,
    load_price_path,
    move_market,
    play,
    require_decision,
)
from affiant.demo.tamper import edit_one_byte
from affiant.encoding import Digest, canonical_json, to_hex
from affiant.onchain.address_book import AddressBook
from affiant.onchain.devnet import Devnet, Scenario
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.gate import Submission
from affiant.onchain.mandate import Mandate
from affiant.onchain.rule_limits import RULE_NAMES, known_rules
from affiant.onchain.safe import read_safe, safe_cautions
from affiant.onchain.words import mandate_in_words

LEAST_DECISIONS = 8
"""Decisions that the demonstration promises."""

EXAMPLES = Path("examples")
"""Where the agent, the planner and the price path are, from the repository's root."""


def run_demo(
    *, model: str | None, revision: str | None, engine: str, out: Path
) -> None:
    """Run all five parts and print what happens.

    Args:
        model: a folder or a hub id; None: the reference planner.
        revision: commit of the hub repository.
        engine: "vllm" or "transformers".
        out: folder for evidence, journal and report; what an earlier run left in it
            is removed.

    Raises:
        DemoFailedError: something that is promised does not hold.
        RejectedError, UnavailableError: a part refused, or is not to be had.
    """
    console = Console(highlight=False)
    began = time.monotonic()
    agent_file = EXAMPLES / "rebalancer.py"
    if not agent_file.is_file():
        raise DemoFailedError(
            "working directory", got=str(Path.cwd()), expected="the repository's root"
        )
    path = load_price_path(EXAMPLES / "planner" / "price_path.py")
    _fresh(out)
    _part(console, 1, "A local chain with real protocols")
    with console.status("starting anvil, deploying Uniswap v3 and Aave v3"):
        devnet = Devnet.start()
    with devnet:
        started = start_node(
            out,
            devnet=devnet,
            model=model or str(EXAMPLES / "planner" / "model"),
            revision=revision,
            agent=f"{agent_file}:Rebalancer",
            engine=engine,
        )
        try:
            _show_chain(console, devnet)
            _part(console, 2, "Contracts, a model, a node, an owner and a mandate")
            with console.status("setting the stage") as status:
                stage = set_stage(
                    out,
                    devnet=devnet,
                    started=started,
                    model=model or str(EXAMPLES / "planner" / "model"),
                    revision=revision,
                    agent=f"{agent_file}:Rebalancer",
                    start=path.start,
                    show_mandate=lambda mandate, book: _show_mandate(
                        console, mandate, book
                    ),
                    say=lambda text: status.update(text),
                )
            with closing(stage):
                _show_stage(console, stage)
                results = _decisions(
                    console, stage, path.weth_prices, reference=model is None
                )
                outcomes = _attacks(console, stage, results, last=path.weth_prices[-1])
                _audit(console, stage, outcomes)
        finally:
            started.stop()
    console.print(f"\n{time.monotonic() - began:.0f} seconds in all.")


def _fresh(out: Path) -> None:
    """Empty the output folder, but only one that an earlier run has made."""
    marker = out / ".affiant-demo"
    if out.exists() and any(out.iterdir()) and not marker.exists():
        raise DemoFailedError(
            f"output folder {out}",
            got="files of somebody else",
            expected="an empty one",
        )
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    marker.touch()


def _part(console: Console, number: int, title: str) -> None:
    console.print(f"\n[bold]{number} · {title}[/bold]")


def _show_chain(console: Console, devnet: Devnet) -> None:
    book, scenario = devnet.book, Scenario(devnet)
    prices = ", ".join(f"{name} ${scenario.price(name):,.0f}" for name in book.tokens)
    pools = () if book.uniswap is None else tuple(book.uniswap.pools)
    console.print(
        f"anvil, chain id {devnet.chain_id}, state {devnet.origin}; {prices}; "
        f"Uniswap v3 pools {', '.join(pools)}; Aave v3 markets "
        f"{', '.join(name for name, token in book.tokens.items() if token.a_token)}",
        soft_wrap=True,
    )
    console.print(
        f"DecisionGate {book.gate}, NodeRegistry {book.node_registry}, "
        f"ModelRegistry {book.model_registry}",
        soft_wrap=True,
    )


def _show_mandate(console: Console, mandate: Mandate, book: AddressBook) -> None:
    console.print("the mandate that the owner is about to grant, in plain words:")
    names = {address: RULE_NAMES[name] for address, name in known_rules().items()}
    for line in mandate_in_words(mandate, book, rule_names=names):
        loud = "NO HARDWARE PROTECTION" in line
        console.print(
            f"  • {line}",
            style="bold red" if loud else "",
            markup=False,
            soft_wrap=True,
        )


def _show_stage(console: Console, stage: Stage) -> None:
    safe = read_safe(stage.chain, stage.account.address)
    if safe is None:
        raise DemoFailedError("the account", got="no Safe", expected="a Safe")
    cautions = [*safe_cautions(safe, gate=stage.gate.address)]
    if cautions:
        raise DemoFailedError(
            "the Safe", got=cautions[0], expected="the gate alone as its module"
        )
    console.print(
        f"model {to_hex(stage.commitment.root)}, committed and published\n"
        f"engine {to_hex(stage.node.engine)}, on {stage.node.device}\n"
        f"program {to_hex(stage.program.hash)}\n"
        f"account {stage.account.address}, a Safe {safe.version} of {safe.threshold} "
        f"owner, the gate its only module, funded\n"
        f"mandate {to_hex(stage.mandate.id)}, granted",
        soft_wrap=True,
    )


def _decisions(
    console: Console, stage: Stage, prices: Sequence[int], *, reference: bool
) -> list[RunResult]:
    _part(console, 3, "Decisions, while prices move along a fixed path")
    results = []
    with console.status("the node decides, the agent checks and submits"):
        for result in play(stage, prices):
            console.print(line_of(stage, result), markup=False, soft_wrap=True)
            results.append(result)
            if reference:
                require_decision(result)
    kinds = kinds_of(results)
    if len(results) < LEAST_DECISIONS or not kinds >= set(KINDS):
        shortfall = DemoFailedError(
            "decisions",
            got=f"{len(results)} of kinds {sorted(kinds)}",
            expected=f"at least {LEAST_DECISIONS} of kinds {sorted(KINDS)}",
        )
        if reference:
            raise shortfall
        console.print(f"note: {shortfall}", style="yellow", soft_wrap=True)
    return results


def _attacks(
    console: Console, stage: Stage, results: Sequence[RunResult], *, last: int
) -> list[Outcome]:
    _part(console, 4, "Attacks, each sent to the real gate")
    with console.status("waiting for the node to decide to swap"):
        bundle = _honest_swap(stage, last)
    lab = Lab(
        devnet=stage.devnet,
        scenario=stage.scenario,
        chain=stage.chain,
        gate=stage.gate,
        mandate=stage.mandate,
        honest=Submission.of(bundle),
        earlier=Submission.of(_last_executed(results)),
        thief=stage.thief,
        account=stage.account,
        operator=stage.operator,
        owner=stage.owner,
    )
    outcomes = []
    with console.status("attacking"):
        for attack in (*ATTACKS, *SAFE_ATTACKS):
            outcome = run_attack(lab, attack)
            outcomes.append(outcome)
            _show_outcome(console, outcome)
    failed = [outcome for outcome in outcomes if not outcome.refused]
    if failed:
        raise DemoFailedError(
            f"attack “{failed[0].name}”",
            got=failed[0].got,
            expected=f"{failed[0].expected}, mined, balances unchanged",
        )
    result = stage.agent.run_once()
    if result.outcome != "executed":
        raise DemoFailedError(
            "the untouched decision", got=str(result.error), expected="executed"
        ) from result.error
    console.print(
        f"{len(outcomes)} attacks mined and refused, the account's balances unchanged "
        "after each; the decision that they tampered with is then executed untouched:",
        soft_wrap=True,
    )
    console.print(line_of(stage, result), markup=False, soft_wrap=True)
    return outcomes


def _show_outcome(console: Console, outcome: Outcome) -> None:
    unchanged = "" if outcome.balances_unchanged else "; BALANCES CHANGED"
    if outcome.refused:
        console.print(
            f"[green]✓[/green] {outcome.name}: refused by [bold]{outcome.got}[/bold]"
            f"[dim]{escape(outcome.values)}[/dim]",
            soft_wrap=True,
        )
    else:
        console.print(
            f"✗ {outcome.name}: got {outcome.got}, expected {outcome.expected}"
            f"{unchanged}: {outcome.reason}",
            style="bold red",
            markup=False,
            soft_wrap=True,
        )


def _honest_swap(stage: Stage, price: int) -> EvidenceBundle:
    """Move the price until the node decides to swap, and return that decision.

    The decisions on the way are taken by the agent as usual.
    """
    for factor in (150, 60, 200):
        move_market(stage, price * factor // 100)
        slot = stage.agent.newest_slot()
        bundle = stage.node_client.decide(
            stage.mandate,
            slot=slot,
            chain_id=stage.devnet.chain_id,
            gate=stage.gate.address,
        ).bundle
        if any(call.allowance for call in bundle.calls) and len(bundle.calls) == 1:
            plan = bundle.content("plan")
            if [action["action"] for action in plan["actions"]] == ["swap"]:
                return bundle
        stage.agent.run_once()
    raise DemoFailedError("the node", got="no swap", expected="a decision to swap")


def _last_executed(results: Sequence[RunResult]) -> EvidenceBundle:
    for result in reversed(results):
        if result.executed is not None and result.bundle is not None:
            return result.bundle
    raise DemoFailedError("decisions", got="none executed", expected="one executed")


def _audit(console: Console, stage: Stage, outcomes: Sequence[Outcome]) -> None:
    _part(console, 5, "The audit, from chain and evidence alone")
    # Past the last slot, so that it is over and can be accounted for.
    stage.scenario.mine_to((stage.chain.block_number() // CADENCE + 1) * CADENCE)
    html = stage.folder / "report.html"
    status, report = audit_chain(
        AuditSettings(
            chain_url=stage.devnet.url,
            chain_id=stage.devnet.chain_id,
            gate=stage.gate.address,
            mandate=Digest(stage.mandate.id),
            store=str(stage.folder / "evidence"),
            model=str(stage.model),
            html=html,
        ),
        console=console,
        log=console,
        attacks=[
            AttackRow(outcome.name, outcome.expected, outcome.got, outcome.refused)
            for outcome in outcomes
        ],
    )
    console.print("what each grade does not show:")
    for name, words in DOES_NOT_SHOW.items():
        console.print(f"  {name}: {words}", markup=False, soft_wrap=True)
    (stage.folder / "report.json").write_bytes(canonical_json(report.to_json()))
    if status:
        raise DemoFailedError(
            "the audit", got=report.headline, expected="every decision accepted"
        )
    executed = stage.gate.head_of(stage.mandate.id)
    _edited(console, stage, executed)
    console.print(f"report: {html.resolve()}", markup=False, soft_wrap=True)
    file = stage.folder / "evidence" / f"{executed.hex()}.json.zst"
    for question, command in (
        ("why the last decision, token by token?", "explain"),
        ("are its tokens the model's, without chain or node?", "replay"),
    ):
        console.print(
            f"{question}  affiant {command} {file} --model {stage.model}",
            markup=False,
            soft_wrap=True,
        )


def _edited(console: Console, stage: Stage, digest: Digest) -> None:
    """Edit one byte of evidence, and let the auditor name where."""
    honest = stage.store.read(digest)
    for name, edited, expected in edit_one_byte(honest):
        file = stage.folder / f"edited-{name}.json.zst"
        file.write_bytes(edited)
        found = audit_evidence_file(file)
        if found.intact or found.damaged != expected:
            raise DemoFailedError(
                "an edited evidence file",
                got=found.damaged or "intact",
                expected=expected,
            )
        console.print(words_of(found), markup=False, soft_wrap=True)
