"""Programs and what runs them: `VerifiedAgent`, decide, the graph, the journal.

What an agent's author needs is here, and is loaded when it is first asked for: whoever
imports one module of this package does not wait for all of it. A node's side (`decide`,
`node`, `service`) is imported from its modules, because it needs the `node` extra.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from affiant.agents.agent import VerifiedAgent
    from affiant.agents.programs.features import Feature, feature
    from affiant.agents.programs.program import Program
    from affiant.agents.programs.questions import Question
    from affiant.agents.ready.dollar_cost_averager import DollarCostAverager
    from affiant.agents.ready.loan_guardian import LoanGuardian
    from affiant.agents.ready.rebalancer import Rebalancer
    from affiant.agents.ready.yield_rotator import YieldRotator
    from affiant.agents.running.progress import Outcome, RunResult
    from affiant.inference.sampling import GREEDY, Sampling
    from affiant.onchain.facts import Facts
    from affiant.onchain.kits import (
        Borrow,
        Deposit,
        Hold,
        Kit,
        Redeem,
        Repay,
        Supply,
        Swap,
        SwapExactOut,
        SwapPath,
        Transfer,
        Unwrap,
        Withdraw,
        Wrap,
    )
    from affiant.onchain.observation import ChainView

__all__ = [
    "GREEDY",
    "Borrow",
    "ChainView",
    "Deposit",
    "DollarCostAverager",
    "Facts",
    "Feature",
    "Hold",
    "Kit",
    "LoanGuardian",
    "Outcome",
    "Program",
    "Question",
    "Rebalancer",
    "Redeem",
    "Repay",
    "RunResult",
    "Sampling",
    "Supply",
    "Swap",
    "SwapExactOut",
    "SwapPath",
    "Transfer",
    "Unwrap",
    "VerifiedAgent",
    "Withdraw",
    "Wrap",
    "YieldRotator",
    "feature",
]

_KITS = "affiant.onchain.kits"
_MODULES = {
    "GREEDY": "affiant.inference.sampling",
    "Borrow": _KITS,
    "ChainView": "affiant.onchain.observation",
    "Deposit": _KITS,
    "DollarCostAverager": "affiant.agents.ready.dollar_cost_averager",
    "Facts": "affiant.onchain.facts",
    "Feature": "affiant.agents.programs.features",
    "Hold": _KITS,
    "Kit": _KITS,
    "LoanGuardian": "affiant.agents.ready.loan_guardian",
    "Outcome": "affiant.agents.running.progress",
    "Program": "affiant.agents.programs.program",
    "Question": "affiant.agents.programs.questions",
    "Rebalancer": "affiant.agents.ready.rebalancer",
    "Redeem": _KITS,
    "Repay": _KITS,
    "RunResult": "affiant.agents.running.progress",
    "Sampling": "affiant.inference.sampling",
    "Supply": _KITS,
    "Swap": _KITS,
    "SwapExactOut": _KITS,
    "SwapPath": _KITS,
    "Transfer": _KITS,
    "Unwrap": _KITS,
    "VerifiedAgent": "affiant.agents.agent",
    "Withdraw": _KITS,
    "Wrap": _KITS,
    "YieldRotator": "affiant.agents.ready.yield_rotator",
    "feature": "affiant.agents.programs.features",
}


def __getattr__(name: str) -> object:
    """Import what `__all__` names when it is first asked for."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value
