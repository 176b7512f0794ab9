"""Running a call to the gate before it is sent, on the agent's own endpoint.

It decides that a simulated success below a sworn bound is a lie. It trusts the endpoint
as far as a simulation can be trusted (`affiant.onchain.simulate`).
"""

from __future__ import annotations

from collections.abc import Sequence

from affiant.agents.errors import SimulatedBoundsError
from affiant.agents.running.surroundings import Surroundings
from affiant.onchain.chain_types import CallRequest
from affiant.onchain.mandate import Tracked
from affiant.onchain.simulate import Simulation, simulate_execution


def simulated(call: CallRequest, *, around: Surroundings) -> Simulation:
    """Run `call`, from the operator to the gate, on the newest state.

    Raises:
        SimulatedReadError, TransactionRefusedError, ChainUnavailableError: as
            `simulate_execution`.
    """
    return simulate_execution(
        around.chain,
        sender=around.operator,
        gate=call.target,
        calldata=call.data,
        account=around.mandate.account,
        tracked=around.mandate.tracked,
    )


def require_bounds(
    simulation: Simulation, *, tracked: Sequence[Tracked], bounds: Sequence[int]
) -> None:
    """Refuse a simulated success that the gate could not have let pass.

    Bounds are on what the gate measures, and so are simulated changes: a success below
    a bound is a lie, or a token that shows its balance to callers it likes.

    Raises:
        SimulatedBoundsError: a change is below its bound.
    """
    for entry, got, bound in zip(tracked, simulation.changes, bounds, strict=True):
        if got < bound:
            raise SimulatedBoundsError(entry.token, got=got, bound=bound)
