"""Every attack of the demonstration, against the real gate on a real chain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from affiant.demo.attacks import ATTACKS
from affiant.demo.lab import Attack, Lab, run_attack

pytestmark = pytest.mark.anvil


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_is_refused_by_its_own_error(lab: Lab, attack: Attack) -> None:
    before = lab.gate.state_of(lab.mandate.id)
    outcome = run_attack(lab, attack)
    assert (outcome.got, outcome.reason) == (outcome.expected, outcome.reason)
    assert outcome.balances_unchanged
    assert outcome.transaction_mined
    after = lab.gate.state_of(lab.mandate.id)
    assert (after.head, after.unaudited) == (before.head, before.unaudited)


def test_honest_decision_is_executed(lab: Lab) -> None:
    with lab.undone():
        before = lab.balances(lab.mandate)
        lab.gate.execute(lab.honest, operator=lab.operator)
        assert lab.balances(lab.mandate) != before


def test_an_attack_that_succeeds_is_not_called_refused(lab: Lab) -> None:
    honest = replace(ATTACKS[0], prepare=lambda lab: lab.honest)
    outcome = run_attack(lab, honest)
    assert outcome.got == "executed"
    assert not outcome.balances_unchanged
    assert not outcome.refused
