"""Runs halmos over the proofs, and insists that each is about something.

    python tests/proofs/prove.py HALMOS [REGEX]

HALMOS is the program; REGEX restricts to functions whose names it matches in part.

1. Every `check_` holds for all arguments, with no loop cut off, of the bytecode that
   the package carries.
2. Every `reach_` is found to be false: under the same setup, an honest decision does
   execute.
3. Every `check_` fails once the check that it is about is taken out of the contracts:
   `mutations.json` says how, in groups that are compiled together because no two of a
   group concern the same decision. It fails because something *executes*; where that
   cannot be, the entry says so under `otherwise`, and another refusal is enough.

It ends with 1 where one of these is not so, and where a `check_` has no mutation.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CONTRACTS = ROOT / "contracts"
BUILT = ROOT / ".cache/forge/proofs"
PROVED = ROOT / ".cache/forge/proved"
"""Where the proofs find the bytecode that they deploy."""

DEPLOYED = {
    "DecisionGate": "DecisionGate.sol",
    "MandateChecks": "MandateChecks.sol",
    "OwnedAccount": "accounts/OwnedAccount.sol",
}
"""Contracts that proofs deploy, and their files; the gate brings its registry."""

SOLVER = ("--solver", "yices", "--solver-timeout-assertion", "600s")
"""yices comes with halmos; no query may take it longer than ten minutes."""

BRANCHING = ("--solver-timeout-branching", "100ms")
"""What may be spent on seeing that a path cannot be; where that is unclear it is
walked, and its assertions decide."""

LOOPS = ("--loop", "8")
"""Rounds of a loop whose end is unknown; a proof that needs more counts as none."""

EXECUTED = "0x01"
"""Panic of `assert`: something executed, or is worse than it should be."""

OTHERWISE = "0x51"
"""Panic of a refusal by another name than expected."""

PROVEN, REFUTED = 0, 1
"""halmos' exit codes of a function that holds, and of one with a counterexample."""

WORDS = {
    PROVEN: "proven",
    REFUTED: "counterexample",
    2: "timeout",
    3: "stuck",
    4: "reverts always",
    5: "error",
}
"""halmos' exit codes of one function."""

SETTINGS = {
    "viaIR": True,
    "optimizer": {"enabled": True, "runs": 200},
    "evmVersion": "cancun",
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
}
"""How contracts that lack checks are compiled."""


@dataclass(frozen=True)
class Mutation:
    """One check taken out."""

    file: str
    """Path in `contracts/`."""
    old: str
    new: str
    breaks: tuple[str, ...]
    """Names of the functions that then fail."""
    otherwise: bool
    """Whether they fail by another refusal only."""


def main() -> int:
    """Run, compare, print; return the exit code."""
    halmos = sys.argv[1]
    pattern = re.compile(sys.argv[2] if len(sys.argv) > 2 else "")
    began = time.monotonic()
    groups = read_mutations((HERE / "mutations.json").read_text())
    PROVED.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=PROVED) as folder, ThreadPoolExecutor(1) as compiler:
        # Meanwhile, on another core.
        places = [Path(folder) / str(number) for number in range(len(groups))]
        compiled = [
            compiler.submit(compile_without, group, place)
            for group, place in zip(groups, places, strict=True)
        ]
        wrong = prove(halmos, pattern, groups)
        for group, place, done in zip(groups, places, compiled, strict=True):
            done.result()
            wrong += disprove(halmos, pattern, group, place)
    print(f"{wrong} wrong, in {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


def prove(halmos: str, pattern: re.Pattern[str], groups: list[list[Mutation]]) -> int:
    """Run all functions on what the package carries; return how many are wrong."""
    for name in DEPLOYED:
        shipped = json.loads((ROOT / f"onchain/artifacts/{name}.json").read_text())
        put(PROVED, name, shipped["bytecode"])
    found = run(halmos, "(check|reach)_", PROVED, (EXECUTED, OTHERWISE), pattern)
    broken = {name for group in groups for item in group for name in item.breaks}
    wrong = 0 if found else 1
    for name, result in found.items():
        expected = PROVEN if name.startswith("check_") else REFUTED
        wrong += not report(name, result, expected)
        if expected == PROVEN and name not in broken:
            print(f"WRONG: {name}: no mutation breaks it")
            wrong += 1
    if not pattern.pattern:
        for name in sorted(broken - set(found)):
            print(f"WRONG: {name}: a mutation is to break it, and there is none such")
            wrong += 1
    return wrong


def disprove(
    halmos: str, pattern: re.Pattern[str], group: list[Mutation], proved: Path
) -> int:
    """Run what `group` breaks, on `proved`; return how many still hold."""
    wrong = 0
    for otherwise in (False, True):
        names = {
            name
            for item in group
            for name in item.breaks
            if item.otherwise is otherwise and pattern.search(name)
        }
        if not names:
            continue
        panics = (EXECUTED, OTHERWISE) if otherwise else (EXECUTED,)
        found = run(halmos, f"({'|'.join(sorted(names))})[(]", proved, panics, pattern)
        for name in sorted(names):
            wrong += not report(f"  without {name}", found.get(name), REFUTED)
    return wrong


def report(name: str, result: dict[str, Any] | None, expected: int) -> bool:
    """Print one function's outcome; return whether it is the expected one."""
    if result is None:
        print(f"WRONG: {name}: halmos did not run it")
        return False
    code, cut = result["exitcode"], result["num_bounded_loops"] or 0
    right = bool(code == expected and (cut == 0 or expected == REFUTED))
    seconds = (result["time"] or [0])[0]
    paths = (result["num_paths"] or [0])[0]
    mark = "" if right else "WRONG: "
    loops = f", {cut} loops cut off" if cut else ""
    measured = f"({paths} paths, {seconds:.0f} s)"
    print(f"{mark}{name}: {WORDS.get(code, code)}{loops} {measured}", flush=True)
    return right


def run(
    halmos: str,
    functions: str,
    proved: Path,
    panics: tuple[str, ...],
    pattern: re.Pattern[str],
) -> dict[str, dict[str, Any]]:
    """Run halmos on `functions` that `pattern` matches; return what it found, by name.

    Args:
        functions: regular expression for the beginning of a signature.
        proved: folder with the bytecode that is deployed.
        panics: codes that count as failures.
    """
    chosen = (
        f"^(?=[^(]*(?:{pattern.pattern})){functions}" if pattern.pattern else functions
    )
    with TemporaryDirectory() as folder:
        written = Path(folder) / "report.json"
        command = [
            *(halmos, "--root", str(ROOT)),
            *("--forge-build-out", str(BUILT.relative_to(ROOT))),
            *("--match-test", chosen if chosen.startswith("^") else f"^{chosen}"),
            *("--panic-error-codes", ",".join(panics)),
            # One counterexample to each is enough.
            "--early-exit",
            *("--json-output", str(written), "--no-status"),
            *(*SOLVER, *BRANCHING, *LOOPS),
        ]
        environment = {**os.environ, "AFFIANT_PROVED": str(proved.relative_to(ROOT))}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True
        )
        if not written.exists():
            print(done.stdout[-3000:], done.stderr[-3000:])
            return {}
        results = json.loads(written.read_text())["test_results"]
    return {
        result["name"].partition("(")[0]: result
        for listed in results.values()
        for result in listed
    }


def read_mutations(text: str) -> list[list[Mutation]]:
    """Return the groups of `mutations.json`."""
    return [
        [
            Mutation(
                file=item["file"],
                old=item["old"],
                new=item["new"],
                breaks=tuple(item["breaks"]),
                otherwise="otherwise" in item,
            )
            for item in group
        ]
        for group in json.loads(text)
    ]


def compile_without(group: list[Mutation], folder: Path) -> None:
    """Compile the contracts without the checks of `group`, into `folder`.

    Raises:
        ValueError: a mutation's text is not there exactly once, or does not compile.
    """
    sources = {
        str(path.relative_to(CONTRACTS)): path.read_text()
        for path in CONTRACTS.rglob("*.sol")
        if "devnet" not in path.parts
    }
    for item in group:
        times = sources[item.file].count(item.old)
        if times != 1:
            raise ValueError(f"{item.file}: got {times} of {item.old!r}, expected one")
        sources[item.file] = sources[item.file].replace(item.old, item.new)
    wanted = {file: {name: ["evm.bytecode.object"]} for name, file in DEPLOYED.items()}
    question = {
        "language": "Solidity",
        "sources": {file: {"content": text} for file, text in sources.items()},
        "settings": {**SETTINGS, "outputSelection": wanted},
    }
    done = subprocess.run(
        [CONTRACTS / "solc", "--standard-json"],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    errors = [e for e in answer.get("errors", ()) if e["severity"] == "error"]
    if errors:
        raise ValueError(errors[0]["formattedMessage"])
    folder.mkdir()
    for name, file in DEPLOYED.items():
        code = answer["contracts"][file][name]["evm"]["bytecode"]["object"]
        put(folder, name, code)


def put(folder: Path, name: str, code: str) -> None:
    """Write bytecode where halmos looks for it."""
    artifact = {"bytecode": {"object": code.removeprefix("0x")}}
    (folder / f"{name}.json").write_text(json.dumps(artifact))


if __name__ == "__main__":
    sys.exit(main())
