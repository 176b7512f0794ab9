"""Programs and what runs them: `VerifiedAgent`, decide, the graph, the journal.

What an agent's author needs is here. A node's side (`decide`, `node`, `service`) is
imported from its modules, because it needs the `node` extra.
"""

from affiant.agents.agent import VerifiedAgent
from affiant.agents.program import Program
from affiant.agents.progress import Outcome, RunResult
from affiant.agents.questions import Question
from affiant.inference.sampling import GREEDY, Sampling
from affiant.onchain.kits import Hold, Kit, Supply, Swap, Withdraw
from affiant.onchain.observation import ChainView

__all__ = [
    "GREEDY",
    "ChainView",
    "Hold",
    "Kit",
    "Outcome",
    "Program",
    "Question",
    "RunResult",
    "Sampling",
    "Supply",
    "Swap",
    "VerifiedAgent",
    "Withdraw",
]
