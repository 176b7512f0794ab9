"""Action kits: pure, versioned functions from plan and observation to calls and bounds.

A new kit is one module with a `Kit`, and one entry point (`registry.py`, docs/kits.md).
"""

from affiant.onchain.kits.borrowing import (
    Borrow,
    BorrowParams,
    Repay,
    RepayParams,
)
from affiant.onchain.kits.compile import Compiled, compile_plan
from affiant.onchain.kits.hold import Hold, HoldParams
from affiant.onchain.kits.kit import (
    BPS,
    SHARE_SCHEMA,
    Kit,
    KitContext,
    KitParams,
    KitStep,
    fresh_price,
    named_token,
    object_schema,
    require_balance,
    share_of,
)
from affiant.onchain.kits.lending import (
    Supply,
    SupplyParams,
    Withdraw,
    WithdrawParams,
)
from affiant.onchain.kits.native import Unwrap, UnwrapParams, Wrap, WrapParams
from affiant.onchain.kits.registry import KITS, find_kit, installed_kits
from affiant.onchain.kits.swap import Swap, SwapParams
from affiant.onchain.kits.swap_path import (
    SwapExactOut,
    SwapExactOutParams,
    SwapPath,
    SwapPathParams,
)
from affiant.onchain.kits.transfer import Transfer, TransferParams
from affiant.onchain.kits.vault import (
    Deposit,
    DepositParams,
    Redeem,
    RedeemParams,
)

__all__ = [
    "BPS",
    "KITS",
    "SHARE_SCHEMA",
    "Borrow",
    "BorrowParams",
    "Compiled",
    "Deposit",
    "DepositParams",
    "Hold",
    "HoldParams",
    "Kit",
    "KitContext",
    "KitParams",
    "KitStep",
    "Redeem",
    "RedeemParams",
    "Repay",
    "RepayParams",
    "Supply",
    "SupplyParams",
    "Swap",
    "SwapExactOut",
    "SwapExactOutParams",
    "SwapParams",
    "SwapPath",
    "SwapPathParams",
    "Transfer",
    "TransferParams",
    "Unwrap",
    "UnwrapParams",
    "Withdraw",
    "WithdrawParams",
    "Wrap",
    "WrapParams",
    "compile_plan",
    "find_kit",
    "fresh_price",
    "installed_kits",
    "named_token",
    "object_schema",
    "require_balance",
    "share_of",
]
