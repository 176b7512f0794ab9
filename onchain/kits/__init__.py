"""Action kits: pure, versioned functions from plan and observation to calls and bounds.

A new kit is one module with a `Kit` and one entry in `compile.KITS`.
"""

from affiant.onchain.kits.compile import KITS, Compiled, compile_plan
from affiant.onchain.kits.hold import Hold, HoldParams
from affiant.onchain.kits.kit import BPS, Kit, KitContext, KitParams, KitStep
from affiant.onchain.kits.lending import (
    Supply,
    SupplyParams,
    Withdraw,
    WithdrawParams,
)
from affiant.onchain.kits.swap import Swap, SwapParams

__all__ = [
    "BPS",
    "KITS",
    "Compiled",
    "Hold",
    "HoldParams",
    "Kit",
    "KitContext",
    "KitParams",
    "KitStep",
    "Supply",
    "SupplyParams",
    "Swap",
    "SwapParams",
    "Withdraw",
    "WithdrawParams",
    "compile_plan",
]
