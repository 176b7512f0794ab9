"""What the rules that come with Affiant bound, read from a mandate's terms.

Pure. A rule is known by where it lies: at the address that only our own code can have
(`create2.py`), or at one that an address book's deployment says. It decides nothing
about rules of others: they bound nothing that is printed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from affiant.onchain.deploy import addresses_of, plan_affiant
from affiant.onchain.mandate import Address, Mandate, Rule
from affiant.onchain.worst_case import DAY, RuleLimit

RULE_NAMES: Mapping[str, str] = {
    "EpochDrawdown": "the drawdown rule",
    "HealthFactorFloor": "the health-factor rule",
    "OracleAgainstTwap": "the rule that holds feeds against a pool",
    "RecipientIsAccount": "the rule that proceeds come to the account",
    "RecipientIsListed": "the rule about who may be paid",
    "SafeSettings": "the rule about the Safe's modules and guard",
    "SpendRate": "the spend-rate rule",
}
"""What each rule is called in a sentence, by its contract's name."""


def known_rules() -> dict[Address, str]:
    """Return the contract's name of every rule that comes with Affiant, by address."""
    return {
        address: name for name, address in addresses_of(plan_affiant()).rules.items()
    }


def rule_limits(
    mandate: Mandate, *, known: Mapping[Address, str]
) -> tuple[RuleLimit, ...]:
    """Return what the mandate's known rules let it lose in any span of a day."""
    limits = (_limit(rule, known.get(rule.target)) for rule in mandate.rules)
    return tuple(limit for limit in limits if limit is not None)


def _limit(rule: Rule, name: str | None) -> RuleLimit | None:
    if name == "SpendRate":
        words = _two_words(rule.data)
        # A full bucket at once, and what drips out of it in a day.
        return words and RuleLimit(RULE_NAMES[name], words[0] + words[1])
    if name == "EpochDrawdown":
        words = _two_words(rule.data)
        if words is None or not words[1]:
            return None
        epochs = math.ceil(DAY / words[1]) + 1
        return RuleLimit(RULE_NAMES[name], words[0] * epochs)
    return None


def _two_words(data: bytes) -> tuple[int, int] | None:
    try:
        first, second = decode(["uint256", "uint256"], data)
    except DecodingError:
        # The rule refuses terms that it cannot read, and with them the grant.
        return None
    return int(first), int(second)
