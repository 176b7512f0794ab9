"""Backtests: the very agent class over a path of prices, on a private local chain.

from affiant.agents.backtest import backtest, model_node, synthetic_path

path = synthetic_path(["crash:WETH,drop=40"], seed=1, rows=48, every=3600)
result = backtest(Rebalancer, path, node=model_node("model"), out="out")
assert result.lines[0].drawdown_bps < 3_000
"""

from affiant.agents.backtest.opening import Opening, Position, parse_opening
from affiant.agents.backtest.price_path import PricePath, parse_prices
from affiant.agents.backtest.result import BacktestResult, SlotRow
from affiant.agents.backtest.run import backtest
from affiant.agents.backtest.serving import model_node
from affiant.agents.backtest.synthetic import synthetic_path

__all__ = [
    "BacktestResult",
    "Opening",
    "Position",
    "PricePath",
    "SlotRow",
    "backtest",
    "model_node",
    "parse_opening",
    "parse_prices",
    "synthetic_path",
]
