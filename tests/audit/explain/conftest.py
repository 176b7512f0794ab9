"""Decisions of the real planner model on recorded reads, and their explanations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from neighbours import neighbour

from affiant.audit.explain.explain import Wishes, explain_bundle
from affiant.audit.explain.result import Explanation
from affiant.onchain.evidence import EvidenceBundle

planner_node = neighbour("audit/explain/planner_node.py")


@pytest.fixture(scope="session")
def node() -> Iterator[Any]:
    """A node that runs the planner in transformers."""
    for name in ("torch", "transformers", "xgrammar"):
        pytest.importorskip(name)
    with planner_node.planner_node() as node:
        yield node


@pytest.fixture(scope="session")
def honest(node: Any) -> EvidenceBundle:
    """An honest decision: a swap whose share was a close call."""
    bundle: EvidenceBundle = node.swear()
    return bundle


@pytest.fixture(scope="session")
def replayer(node: Any) -> Iterator[Any]:
    """The auditor's own folder of the planner."""
    from affiant.audit.replayer import FolderReplayer

    replayer = FolderReplayer(planner_node.PLANNER)
    yield replayer
    replayer.close()


@pytest.fixture(scope="session")
def explain(replayer: Any) -> Callable[..., Explanation]:
    """Explain a bundle with the planner at hand."""

    def run(
        bundle: EvidenceBundle, *, model: Any = replayer, **wishes: Any
    ) -> Explanation:
        return explain_bundle(
            bundle,
            replayer=model,
            wishes=Wishes(**wishes),
            progress=lambda words, done, total: None,
        )

    return run


@pytest.fixture(scope="session")
def explanation(
    honest: EvidenceBundle, explain: Callable[..., Explanation]
) -> Explanation:
    """Everything there is to say about the honest decision."""
    from affiant.onchain.what_if import parse_setting, parse_sweep

    return explain(
        honest,
        sensitivity=True,
        generations=12,
        settings=(parse_setting("price:WETH=2500"),),
        sweep=parse_sweep("market:USDC=0.5..1.5/3"),
        token=19,
    )
