"""Paper mode: a live chain, real decisions, and nothing that could be sent."""

from affiant.agents.paper.agent import PaperAgent
from affiant.agents.paper.journal import PaperEntry, PaperJournal
from affiant.agents.paper.portfolio import PaperPoint, paper_portfolio

__all__ = [
    "PaperAgent",
    "PaperEntry",
    "PaperJournal",
    "PaperPoint",
    "paper_portfolio",
]
