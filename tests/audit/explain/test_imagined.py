"""What if: the same program on other facts, by the real planner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from affiant.audit.explain.explain import exit_code
from affiant.audit.explain.result import Explanation
from affiant.onchain.errors import SettingError
from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.observation import Observation
from affiant.onchain.what_if import parse_setting, parse_sweep

pytestmark = pytest.mark.model

Explain = Callable[..., Explanation]


def imagine(explain: Explain, bundle: EvidenceBundle, *texts: str) -> Any:
    found = explain(bundle, settings=tuple(parse_setting(text) for text in texts))
    assert found.imagined is not None and exit_code(found) == 0, found.gaps
    return found.imagined


def test_the_same_facts_give_the_same_decision(
    honest: EvidenceBundle, explain: Explain
) -> None:
    view = imagine(explain, honest, "price:WETH=1800")
    assert view.same and view.reproduces
    assert view.facts == view.request == view.prompt == ()
    assert view.sworn == view.imagined


def test_a_dear_market_turns_the_swap_into_a_hold(
    honest: EvidenceBundle, explain: Explain
) -> None:
    view = imagine(explain, honest, "market:WETH=2500")
    assert not view.same and view.imagined.plan == ("hold",)
    assert view.imagined.calls == () and view.imagined.at_risk == 0
    assert view.sworn.at_risk == 218_065_833_500
    assert {row.what for row in view.facts} == {"WETH", "pool WETH/USDC"}
    changed = {row.what: (row.sworn, row.imagined) for row in view.request}
    assert changed["portfolio.tokens.WETH.price"] == ("1800", "2500")
    assert changed["portfolio.tokens.WETH.share.total"] == ("50", "59")
    assert [row.what for row in view.prompt] == ["line 2", "line 3", "line 5"]


def test_a_stale_price_would_have_stopped_the_node(
    honest: EvidenceBundle, explain: Explain
) -> None:
    view = imagine(explain, honest, "age:WETH=7200")
    assert view.imagined.plan == view.sworn.plan
    assert "7200 s old" in view.imagined.refused and view.imagined.at_risk is None
    assert [row.what for row in view.facts] == ["age of the price of WETH"]


def test_what_would_be_decided_is_what_a_node_decides(
    node: Any, honest: EvidenceBundle, explain: Explain
) -> None:
    """The counterfactual is the decision of a node that really reads those facts."""
    from affiant.onchain.address_book import AddressBook
    from affiant.onchain.altered import alter

    manifests = honest.content("manifests")
    for text in ("market:WETH=4200", "wallet:USDC=9000", "supplied:USDC=0"):
        view = imagine(explain, honest, text)
        observation = alter(
            Observation.from_json(honest.content("observation")),
            [parse_setting(text)],
            names=manifests["program"]["observes"],
            book=AddressBook.from_json(manifests["book"]),
        )
        real = explain(node.swear(observation=observation))
        assert real.calls is not None
        assert view.imagined.plan == real.calls.plan
        assert view.imagined.why == real.calls.why
        assert view.imagined.calls == tuple(c.sentence for c in real.calls.calls)
        assert view.imagined.at_risk == real.calls.at_risk


def test_a_sweep_finds_where_the_decision_flips(
    honest: EvidenceBundle, explain: Explain
) -> None:
    found = explain(honest, sweep=parse_sweep("market:WETH=1400..4600/5"))
    sweep = found.sweep
    assert sweep is not None
    assert [point.value for point in sweep.points] == [
        "1400",
        "2200",
        "3000",
        "3800",
        "4600",
    ]
    assert [point.kind for point in sweep.points] == [
        "swap USDC for WETH",
        "hold",
        "hold",
        "swap WETH for USDC",
        "swap WETH for USDC",
    ]
    assert sweep.flips == (1, 3) and "$1,800.00" in sweep.recorded


def test_a_sweep_keeps_the_settings(honest: EvidenceBundle, explain: Explain) -> None:
    found = explain(
        honest,
        settings=(parse_setting("wallet:WETH=0"),),
        sweep=parse_sweep("market:WETH=2000..4000/2"),
    )
    assert found.sweep is not None
    # Without any WETH, its price changes nothing.
    assert len({point.plan for point in found.sweep.points}) == 1


def test_a_fact_cannot_be_set_and_swept(
    honest: EvidenceBundle, explain: Explain
) -> None:
    with pytest.raises(SettingError, match="two values"):
        explain(
            honest,
            settings=(parse_setting("price:WETH=1"),),
            sweep=parse_sweep("market:WETH=1..2/2"),
        )


def test_what_the_planner_reads_and_what_it_does_not(
    honest: EvidenceBundle, explain: Explain
) -> None:
    found = explain(honest, sensitivity=True)
    view = found.sensitivity
    assert view is not None and view.reproduces
    effects = {(trial.path, trial.new): trial.effect for trial in view.trials}
    assert effects["portfolio.tokens.WETH.share.wallet", "51"] == "shares"
    # It states the total as WETH's share in its reason, and reads the wallet's.
    assert effects["portfolio.tokens.WETH.share.total", "51"] == "same"
    assert effects["portfolio.tokens.WETH.price", "1818"] == "same"
    assert effects["slot", "11"] == "not shown"
    assert view.generations == 1 + sum(
        trial.effect not in ("not shown", "not tried") for trial in view.trials
    )


def test_tokens_that_are_withheld_are_compared_by_their_plan(
    honest: EvidenceBundle, explain: Explain
) -> None:
    found = explain(
        honest.withhold(["tokens"]), settings=(parse_setting("market:WETH=2500"),)
    )
    assert found.imagined is not None and found.imagined.reproduces


def test_a_lying_node_s_decision_is_not_reproduced(node: Any, explain: Explain) -> None:
    def forge(engine: Any, done: Any) -> list[int]:
        hold = '{"why":"I say so","actions":[{"action":"hold"}]}'
        return [*engine.encode(hold), engine.eos_id]

    found = explain(
        node.swear(forge=forge), settings=(parse_setting("price:WETH=1800"),)
    )
    assert found.imagined is not None
    assert not found.imagined.reproduces and not found.imagined.same
    assert exit_code(found) == 1


def test_without_what_it_takes_nothing_is_imagined(
    honest: EvidenceBundle, explain: Explain
) -> None:
    settings = (parse_setting("price:WETH=2500"),)
    for name in ("observation", "requests", "manifests"):
        found = explain(
            honest.withhold([name]),
            settings=settings,
            sweep=parse_sweep("price:WETH=1..2/2"),
            sensitivity=True,
        )
        assert found.imagined is None and found.sweep is None
        assert {"what if", "the sweep", "what the plan depends on"} <= {
            gap.what for gap in found.gaps
        }
        assert exit_code(found) == 3


def test_settings_are_refused_where_the_observation_lacks_the_fact(
    honest: EvidenceBundle, explain: Explain
) -> None:
    for text in ("supply-rate:WETH=1%", "pool:WBTC/USDC=1", "supplied:DOGE=1"):
        with pytest.raises(SettingError, match="a name out of"):
            explain(honest, settings=(parse_setting(text),))
