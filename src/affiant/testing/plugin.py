"""pytest's plug-in: the fixtures `chain`, `node`, `gate` and `agent`.

It imports nothing of Affiant's until a test asks for a fixture, so that pytest starts
as fast beside it as without. The agent under test is what the fixture `agent_class`
returns: override it, or name the class in the configuration:

    [tool.pytest.ini_options]
    affiant_agent = "agent.py:Keeper"

`pytest --affiant-model=FOLDER` runs the same tests with a real model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from affiant.agents import VerifiedAgent
    from affiant.onchain.devnet import Devnet
    from affiant.testing.stage import GrantedGate, LocalChain, RealNodes, ServedNode

FUNDS = {"WETH": 6, "USDC": 10_000}
"""Whole tokens in the account of the agent under test, unless `affiant_funds` says
otherwise."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options; see the module."""
    group = parser.getgroup("affiant", "agents that swear to every decision")
    group.addoption(
        "--affiant-model",
        metavar="MODEL",
        help="let this model decide instead of the test double: a folder, or a hub id",
    )
    group.addoption(
        "--affiant-engine",
        choices=("vllm", "transformers"),
        default="vllm",
        help="what serves the model",
    )
    parser.addini("affiant_agent", "the agent under test, as FILE.py:CLASS")


@pytest.fixture
def agent_class(request: pytest.FixtureRequest) -> type[VerifiedAgent]:
    """The agent under test; override this fixture, or set `affiant_agent`."""
    named = str(request.config.getini("affiant_agent"))
    if not named:
        pytest.fail(
            "no agent under test: override the fixture `agent_class`, or set "
            "`affiant_agent` in pytest's configuration to FILE.py:CLASS. pytest took "
            f"{request.config.rootpath} for its root; options with a path need a `=`, "
            "or it takes the path for tests: --affiant-model=FOLDER",
            pytrace=False,
        )
    from affiant.agents.settings.loading import load_agent_class

    return load_agent_class(str(request.config.rootpath / named))


@pytest.fixture
def affiant_funds() -> dict[str, int]:
    """Whole tokens that the account starts with; override this fixture."""
    return dict(FUNDS)


@pytest.fixture(scope="session")
def _affiant_devnet(request: pytest.FixtureRequest) -> Iterator[Devnet]:
    from affiant.onchain.devnet import Devnet
    from affiant.onchain.devnet.errors import ToolMissingError

    root = request.config.rootpath
    missing = None
    try:
        devnet = Devnet.start(node_modules=_node_modules(root))
    except ToolMissingError as error:
        missing = error
    if missing is not None:
        pytest.fail(
            f"the local chain is not installed: {missing.what} is missing (looked at "
            f"{missing.looked_at}).\nRun `npm ci` in {root}; it takes Node 20 or newer "
            "and about 110 MB.\n`affiant new` writes the package.json and the lock "
            "file that it needs.",
            pytrace=False,
        )
    with devnet:
        yield devnet


@pytest.fixture(scope="session")
def _affiant_real_nodes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealNodes]:
    from affiant.testing.stage import RealNodes

    nodes = RealNodes(
        str(request.config.getoption("--affiant-model")),
        engine=str(request.config.getoption("--affiant-engine")),
        folder=tmp_path_factory.mktemp("nodes"),
    )
    yield nodes
    nodes.stop()


@pytest.fixture
def chain(_affiant_devnet: Devnet) -> Iterator[LocalChain]:
    """A local chain with real protocols; what a test does to it is undone."""
    from affiant.testing.stage import local_chain

    with local_chain(_affiant_devnet) as local:
        yield local


@pytest.fixture
def node(
    agent_class: type[VerifiedAgent],
    chain: LocalChain,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[ServedNode]:
    """A node that serves the agent; a TEST DOUBLE says what `node.says` says."""
    if request.config.getoption("--affiant-model"):
        nodes = request.getfixturevalue("_affiant_real_nodes")
        yield nodes.serving(agent_class, chain=chain)
        return
    from affiant.testing.stage import scripted_node

    with scripted_node(agent_class, chain=chain, folder=tmp_path) as serving:
        yield serving


@pytest.fixture
def gate(
    agent_class: type[VerifiedAgent],
    chain: LocalChain,
    node: ServedNode,
    affiant_funds: dict[str, int],
) -> GrantedGate:
    """The deployed gate, a funded account, and a mandate granted to the agent."""
    from affiant.testing.stage import granted_gate

    granted = granted_gate(
        agent_class,
        chain=chain,
        node=node,
        funds=affiant_funds,
    )
    chain.next_slot()
    return granted


@pytest.fixture
def agent(
    agent_class: type[VerifiedAgent],
    chain: LocalChain,
    node: ServedNode,
    gate: GrantedGate,
    tmp_path: Path,
) -> Iterator[Callable[..., Any]]:
    """A factory of agents: `agent()`, or with changes to the constructor's arguments.

    All of them share their files, as an agent that was started again does.
    """
    from affiant.testing.stage import make_agent

    made: list[VerifiedAgent] = []

    def make(**changes: Any) -> VerifiedAgent:
        made.append(
            make_agent(
                agent_class,
                chain=chain,
                node=node,
                gate=gate,
                folder=tmp_path,
                **changes,
            )
        )
        return made[-1]

    yield make
    for one in made:
        one.close()


def _node_modules(root: Path) -> Path | None:
    """Return the nearest `node_modules` that has anvil, from `root` upwards.

    None leaves it to the local chain: it looks beside Affiant's own checkout.
    """
    for folder in (root, *root.parents):
        modules = folder / "node_modules"
        if (modules / "@foundry-rs" / "anvil").is_dir():
            return modules
    return None
