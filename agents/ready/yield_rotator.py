"""The yield rotator: keeps cash where it earns more, Aave or an ERC-4626 vault.

Aave states its rate. A vault states only what a share is worth now, so its yield is
measured from a point that the author of the class writes down: what a share was worth
(`rate`) at a time (`since`). Before a whole day has passed nothing is known, and the
difference counts as zero. The average reacts slowly and cannot be pushed by much for
one slot; it should be written anew with every grant (ADR 50).

It decides what is read and asked. It trusts neither the vault's word nor Aave's: a
vault whose rate is off its feed is refused by the kit, and the gate's bounds hold.

    class Mine(YieldRotator):
        since, rate = 1_793_000_000, 1_063_211
        margin, most = 50, 60
"""

from __future__ import annotations

from typing import ClassVar

from affiant.agents.programs.features import Feature
from affiant.agents.ready.ready_agent import ReadyAgent
from affiant.onchain.kits import Deposit, Hold, Redeem, Supply, Withdraw
from affiant.onchain.observation import ChainView


class YieldRotator(ReadyAgent):
    """Moves `cash` between Aave and the vault with the share token `vault`."""

    cash: ClassVar[str] = "USDC"
    vault: ClassVar[str] = "vUSDC"
    margin: ClassVar[int] = 40
    """How much more the other place must earn a year, in basis points."""
    most: ClassVar[int] = 80
    """Most of the portfolio that may be in the vault, in percent."""
    idle: ClassVar[int] = 5
    """Most idle `cash`, in percent of the portfolio."""
    since: ClassVar[int] = 1_735_689_600
    """Unix seconds from which the vault's yield is measured."""
    rate: ClassVar[int] = 1_000_000
    """What one whole share was worth then, in base units of `cash`."""

    words = (
        "Earn on {cash} in Aave or in the vault {vault}: move to the one that pays at "
        "least {margin} bps more; keep at most {most} % in the vault and at most "
        "{idle} % idle."
    )
    ranges: ClassVar = {
        "margin": (1, 95),
        "most": (1, 100),
        "idle": (0, 99),
        "since": (0, 2**40),
        "rate": (1, 2**127),
    }
    tokens = ("cash", "vault")
    actions = (Supply, Withdraw, Deposit, Redeem, Hold)

    @classmethod
    def measures(cls) -> tuple[Feature, ...]:
        """Return by how many basis points a year the vault leads, -100 to 100."""
        source = f"""def vault_lead(facts):
    now = facts.vaults["{cls.vault}"].assets_per_share
    seconds = facts.timestamp - {cls.since}
    if seconds < 86400:
        return 0
    earned = (now - {cls.rate}) * 10000 * 31536000 // ({cls.rate} * seconds)
    lead = earned - facts.lending["{cls.cash}"].supply_rate_ray // 10 ** 23
    return max(-100, min(100, lead))"""
        return (Feature(name="vault_lead", decimals=0, source=source),)

    def observe(self, view: ChainView) -> None:
        """Name what is read at each slot's anchor."""
        view.balances()
        view.prices()
        view.lending(self.cash)
        view.vault(self.vault)
