"""The cumulative test: honest nodes stay quiet, small steady differences do not."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from affiant.encoding import keccak256
from affiant.inference.drift import ALARM, MOST, POWERS, bet, drift_of, p_value
from affiant.inference.measure import Measures
from affiant.inference.profile import LengthClass, Limits, Profile
from affiant.inference.receipt import InferenceReceipt
from affiant.inference.replay import ReplayVerdict

HONEST = np.random.default_rng(0).lognormal(0, 0.1, 1000)
LIMITS = Limits(worst_margin=1, mean_margin=1, fingerprint=9, worst_window=9)


@pytest.fixture
def profile(calibration: Profile) -> Profile:
    """A profile of outputs up to 64 tokens, made from `HONEST`."""
    known = LengthClass(
        least=1,
        most=64,
        calibrated=len(HONEST),
        judged=1,
        exceeded=0,
        false_positives=1.0,
        limits=LIMITS,
        drift=tuple(sorted(HONEST)),
    )
    return replace(calibration, classes=(known,))


def verdicts(profile: Profile, values: object) -> list[ReplayVerdict]:
    """Return consistent verdicts with these distances."""
    address = profile.hash
    return [
        ReplayVerdict(
            grade="consistent",
            same_profile=False,
            measures=Measures(
                tokens=30,
                mismatches=0,
                worst_margin=0.0,
                mean_margin=0.0,
                fingerprint=float(value),
                worst_window=float(value),
            ),
            profile=address,
            reasons=(),
        )
        for value in np.asarray(values)
    ]


def test_an_inference_is_counted_once(profile: Profile) -> None:
    receipt = InferenceReceipt(*(keccak256(bytes([part])) for part in range(6)))
    (far,) = verdicts(profile, [99.0])
    named = replace(far, receipt=receipt)
    asked_again = replace(named, receipt=replace(receipt, request=keccak256(b"nonce")))
    for repeated in ([named] * 50, [named, asked_again] * 25):
        found = drift_of(repeated, profiles=[profile])
        assert (found.inferences, found.alarm) == (1, None)
    # Another output, or the same one sworn to with other fingerprints, is another.
    others = [
        replace(named, receipt=replace(receipt, **{field: keccak256(bytes([number]))}))
        for number in range(50, 60)
        for field in ("output", "trace", "prompt")
    ]
    found = drift_of([named, *others], profiles=[profile])
    assert found.inferences == 31 and found.alarm is not None


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("size", [20, 1000, 100_000])
def test_bets_pay_no_more_than_they_cost_under_honesty(size: int, power: float) -> None:
    # What p-values can be, against `size` honest values, each as likely.
    steps = (np.arange(size + 1) + 1) / (size + 1)
    paid = float(np.mean([bet(float(p), power=power) for p in steps]))
    assert 0.2 < paid <= 1.0
    some = steps[:: max(size // 50, 1)]
    assert all(bet(a, power=power) >= bet(b, power=power) for a, b in pairwise(some))
    assert bet(1.0, power=power) == power


def test_p_values_count_what_lies_as_far() -> None:
    honest = (1.0, 2.0, 2.0, 3.0)
    assert p_value(0.5, honest=honest) == 1.0
    assert p_value(2.0, honest=honest) == 4 / 5
    assert p_value(3.5, honest=honest) == 1 / 5
    assert p_value(math.inf, honest=honest) == p_value(math.nan, honest=honest) == 1 / 5


def test_honest_nodes_stay_quiet(profile: Profile) -> None:
    draw = np.random.default_rng(1)
    alarms = 0
    for _ in range(40):
        values = draw.lognormal(0, 0.1, 250)
        alarms += (
            drift_of(verdicts(profile, values), profiles=[profile]).alarm is not None
        )
    # 10 000 inferences: one alarm is expected at the very most.
    assert alarms <= 3


def test_a_small_steady_difference_adds_up_within_ten(profile: Profile) -> None:
    # A third of a standard deviation beyond the furthest honest one would be found at
    # once; this lies two standard deviations off the middle, inside of all limits.
    values = np.random.default_rng(2).lognormal(0.25, 0.1, 40)
    assert values.max() < LIMITS.fingerprint
    found = drift_of(verdicts(profile, values), profiles=[profile])
    assert found.alarm is not None and found.alarm <= 10
    assert found.highest >= ALARM and found.inferences == 40


def test_few_cheats_among_many_add_up(profile: Profile) -> None:
    # Three standard deviations off, every tenth: the mean of the bets at each step
    # loses more on nine honest ones than it wins on the tenth.
    draw = np.random.default_rng(4)
    values = draw.lognormal(0, 0.1, 600)
    values[::10] = draw.lognormal(0.3, 0.1, 60)
    found = drift_of(verdicts(profile, values), profiles=[profile])
    assert found.alarm is not None and found.alarm > 10


def test_levels_are_of_the_written_formula(profile: Profile) -> None:
    values = [1.0, 1.3, 1.25, 0.8, 1.2]
    levels = {power: 1.0 for power in POWERS}
    expected = []
    for value in values:
        p = p_value(value, honest=profile.classes[0].drift)
        for power in POWERS:
            levels[power] = max(levels[power], 1) * power * p ** (power - 1)
        expected.append(sum(levels.values()) / 9)
    found = drift_of(verdicts(profile, values), profiles=[profile])
    assert found.level == pytest.approx(expected[-1])
    assert found.highest == pytest.approx(max(expected))


def test_a_level_stays_a_number(profile: Profile) -> None:
    far = verdicts(profile, [math.inf, math.nan] * 500)
    found = drift_of(far, profiles=[profile])
    assert found.alarm is not None and found.alarm <= 4
    assert math.isfinite(found.level) and found.level <= MOST


def test_drift_may_begin_late(profile: Profile) -> None:
    draw = np.random.default_rng(3)
    values = [*draw.lognormal(0, 0.1, 300), *draw.lognormal(0.3, 0.1, 12)]
    found = drift_of(verdicts(profile, values), profiles=[profile])
    assert found.alarm is not None and 300 < found.alarm <= 312


def test_what_rests_on_no_calibration_does_not_count(profile: Profile) -> None:
    far = verdicts(profile, [50.0] * 20)
    exact = [replace(item, profile=None, same_profile=True) for item in far]
    unknown = [replace(item, profile=keccak256(b"other")) for item in far]
    longer = [replace(item, measures=replace(item.measures, tokens=65)) for item in far]
    for silent in (exact, unknown, longer, []):
        found = drift_of(silent, profiles=[profile])
        assert (found.inferences, found.level, found.alarm) == (0, 0.0, None)
    assert drift_of(far, profiles=[]).inferences == 0
