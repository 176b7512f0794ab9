"""Write the worked example of docs/explaining.md: what the command says, word for word.

    python tests/audit/explain/write_example.py           # writes it
    python tests/audit/explain/write_example.py --check   # fails if it would differ

The decision is the planner's on the recorded reads of `tests/vectors/observation.json`.
Lines that name a digest, a key or this machine's engine are left out.
"""

from __future__ import annotations

import re
import sys
from typing import Any

from planner_node import PLANNER, ROOT, planner_node
from rich.console import Console

from affiant.audit.explain.explain import Wishes, explain_bundle
from affiant.audit.explain.terminal import print_explanation
from affiant.audit.replayer import FolderReplayer
from affiant.onchain.what_if import parse_setting, parse_sweep

PAGE = ROOT / "docs" / "explaining.md"


def main() -> int:
    """Write the blocks, or check them; return the exit status."""
    page = PAGE.read_text()
    written = page
    for name, text in blocks().items():
        pattern = rf"(<!-- {name} -->\n```text\n).*?(```\n<!-- /{name} -->)"
        written, count = re.subn(
            pattern, lambda m, text=text: m[1] + text + m[2], written, flags=re.DOTALL
        )
        if count != 1:
            raise SystemExit(f"{PAGE}: got {count} blocks {name}, expected one")
    if "--check" in sys.argv:
        if written != page:
            print(f"{PAGE} is not what the command says")
        return int(written != page)
    PAGE.write_text(written)
    return 0


def blocks() -> dict[str, str]:
    """Return the text of each block, which stands between two comments of its name."""
    with planner_node() as node:
        bundle = node.swear()
    replayer = FolderReplayer(PLANNER)

    def say(*wanted: str, **wishes: Any) -> str:
        explanation = explain_bundle(
            bundle,
            replayer=replayer,
            wishes=Wishes(**wishes),
            progress=lambda words, done, total: None,
        )
        console = Console(width=200, force_terminal=False, color_system=None)
        with console.capture() as capture:
            print_explanation(explanation, console)
        lines = capture.get().splitlines()
        kept: list[str] = []
        for title in wanted:
            start = next(i for i, line in enumerate(lines) if line.startswith(title))
            kept.append(lines[start])
            for line in lines[start + 1 :]:
                if not line.startswith(" "):
                    break
                kept.append(line)
        machine = ("the sworn profile", "not the sworn profile")
        return "".join(
            f"{line}\n" for line in kept if not any(words in line for words in machine)
        )

    said = {
        "decision": say(
            "plan:", "why:", "The plan, token", "what the model was", "from the plan"
        ),
        "sensitivity": say("what the plan depends on", sensitivity=True),
        "what-if": say("what if", settings=(parse_setting("market:WETH=2500"),)),
        "sweep": say(
            "the decision over", sweep=parse_sweep("market:WETH=1400..4600/9")
        ),
    }
    replayer.close()
    return said


if __name__ == "__main__":
    sys.exit(main())
