"""Every attack of the demonstration, on a Safe and on our own account, really sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from affiant.demo.attacks import ATTACKS, SAFE_ATTACKS
from affiant.demo.lab import Attack, Lab, run_attack
from affiant.onchain.safe import read_safe, safe_cautions

pytestmark = pytest.mark.anvil


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_is_refused_by_its_own_error(lab: Lab, attack: Attack) -> None:
    refused(lab, attack)


@pytest.mark.parametrize("attack", SAFE_ATTACKS, ids=lambda attack: attack.name)
def test_attack_on_a_safe_is_refused_by_its_own_error(
    safe_lab: Lab, attack: Attack
) -> None:
    refused(safe_lab, attack)


def refused(lab: Lab, attack: Attack) -> None:
    before = lab.gate.state_of(lab.mandate.id)
    outcome = run_attack(lab, attack)
    assert (outcome.got, outcome.reason) == (outcome.expected, outcome.reason)
    assert outcome.balances_unchanged
    assert outcome.transaction_mined
    after = lab.gate.state_of(lab.mandate.id)
    assert (after.head, after.unaudited) == (before.head, before.unaudited)


def test_the_safe_is_a_real_one_with_the_gate_as_its_only_module(safe_lab: Lab) -> None:
    settings = read_safe(safe_lab.chain, safe_lab.mandate.account)
    assert settings is not None
    assert settings.version == "1.4.1"
    assert settings.modules == (safe_lab.gate.address,)
    assert [*safe_cautions(settings, gate=safe_lab.gate.address)] == []
    assert len(safe_lab.mandate.rules) == 1


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
