"""Facts, plans and calls as people say them.

Pure. It words what was already checked and judges nothing. Unknown calls are shown as
target and selector, never guessed at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from pydantic import BaseModel

from affiant.audit.figures import units
from affiant.encoding import JsonValue, to_hex
from affiant.onchain.address_book import AddressBook
from affiant.onchain.decision import Call
from affiant.onchain.facts import Facts
from affiant.onchain.kits.aave_v3 import BORROW, REPAY, SUPPLY, WITHDRAW
from affiant.onchain.kits.native import UNWRAP, WRAP
from affiant.onchain.kits.uniswap_v3 import (
    EXACT_INPUT,
    EXACT_INPUT_ABI,
    EXACT_INPUT_SINGLE,
    EXACT_INPUT_SINGLE_ABI,
    EXACT_OUTPUT,
    unpacked,
)
from affiant.onchain.kits.vault import DEPOSIT, REDEEM
from affiant.onchain.mandate import NATIVE, VALUE_DECIMALS, Address, Tracked
from affiant.onchain.recipients import TRANSFER

_RAY_PER_BPS = 10**23


def token_names(book: AddressBook) -> dict[Address, tuple[str, int]]:
    """Return (name, decimals) of every token that the book knows, by address."""
    names = {NATIVE: ("native currency", 18)}
    for name, token in book.tokens.items():
        names[token.address] = (name, token.decimals)
        if token.a_token is not None:
            names[token.a_token] = (f"{name} lent", token.decimals)
        if token.variable_debt is not None:
            names[token.variable_debt] = (f"{name} owed", token.decimals)
    return names


def name_tracked(entry: Tracked, *, book: AddressBook | None) -> str:
    """Return the name of a tracked entry, or its address."""
    names = {} if book is None else token_names(book)
    return names.get(entry.token, (entry.token, 0))[0]


def facts_in_words(facts: Facts, *, book: AddressBook) -> tuple[tuple[str, str], ...]:
    """Return (what, how much) for everything observed."""
    lines: list[tuple[str, str]] = []
    for name, token in book.tokens.items():
        parts = []
        balance = facts.balances.get(name)
        if balance is not None:
            held = (
                (balance.wallet, "in wallet"),
                (balance.supplied, "lent"),
                (balance.debt, "owed"),
            )
            parts += [
                f"{units(amount, decimals=token.decimals, places=4)} {where}"
                for amount, where in held
                if amount
            ] or ["none"]
        price = facts.prices.get(name)
        if price is not None:
            parts.append(f"at {_price(price.answer, decimals=price.decimals)}")
        if parts:
            lines.append((name, ", ".join(parts)))
    for name, pool in facts.pools.items():
        lines.append((f"pool {name}", _pool(name, pool.sqrt_price_x96, book=book)))
    for name, market in facts.lending.items():
        lines.append(
            (
                f"lending {name}",
                f"earns {_rate(market.supply_rate_ray)}, "
                f"costs {_rate(market.borrow_rate_ray)} a year",
            )
        )
    for name, vault in facts.vaults.items():
        asset = book.vault_named(name)
        shown = units(vault.assets_per_share, decimals=asset.asset.decimals, places=4)
        lines.append((f"vault {name}", f"{shown} {asset.asset_name} a share"))
    if facts.native is not None:
        shown = units(facts.native, decimals=18, places=4)
        lines.append((book.native_entry().name, f"{shown} in wallet"))
    if facts.borrowing is not None:
        left = _price(facts.borrowing.available, decimals=VALUE_DECIMALS)
        lines.append(("borrowing", f"{left} can be borrowed"))
    return tuple(lines)


def plan_in_words(
    actions: Sequence[BaseModel], *, refused: str = ""
) -> tuple[str, ...]:
    """Return each planned action in words, and why none was carried out."""
    planned = tuple(action_in_words(action.model_dump()) for action in actions)
    return (*planned, f"not carried out: {refused}") if refused else planned


def calls_in_words(calls: Sequence[Call], *, book: AddressBook) -> tuple[str, ...]:
    """Return each call in words, its allowance included."""
    return tuple(_call(call, book=book) for call in calls)


def action_in_words(fields: Mapping[str, JsonValue]) -> str:
    """Return one planned action in words.

    Args:
        fields: as a plan states them; hostile text is repeated as it is.
    """
    kind = fields.get("action")
    share = _bps(fields.get("share_bps"))
    if kind == "swap":
        return (
            f"swap {share} of {fields.get('sell')} for {fields.get('buy')}, at most "
            f"{_bps(fields.get('max_slippage_bps'))} below the feeds' price"
        )
    if kind == "supply":
        return f"lend {share} of {fields.get('asset')}"
    if kind == "withdraw":
        return f"take back {share} of the lent {fields.get('asset')}"
    if kind == "hold":
        return "hold"
    if kind == "borrow":
        return (
            f"borrow {share} of what can be borrowed, in {fields.get('asset')}, and "
            f"keep a health factor of at least {_bps(fields.get('min_health_bps'))}"
        )
    if kind == "repay":
        return f"repay {share} of the {fields.get('asset')} owed"
    if kind == "wrap":
        return f"wrap {share} of the native currency"
    if kind == "unwrap":
        return f"unwrap {share} of the wrapped currency"
    if kind == "transfer":
        return f"send {share} of {fields.get('asset')} to {fields.get('to')}"
    slippage = _bps(fields.get("max_slippage_bps"))
    if kind == "swap_path":
        return (
            f"swap {share} of the first token of {fields.get('route')}, at most "
            f"{slippage} below the feeds' price"
        )
    if kind == "swap_exact_out":
        return (
            f"buy the last token of {fields.get('route')} for the worth of {share} of "
            f"the first, at most {slippage} above the feeds' price"
        )
    if kind == "deposit":
        return f"deposit {share} of the asset of {fields.get('vault')} into it"
    if kind == "redeem":
        return f"redeem {share} of {fields.get('vault')}"
    return ", ".join(f"{name} {value}" for name, value in fields.items())


def _call(call: Call, *, book: AddressBook) -> str:
    try:
        sentence = _known(call, book=book)
    except DecodingError:
        sentence = None
    if sentence is None:
        sentence = (
            f"call {to_hex(call.data[:4])} of {call.target} with "
            f"{max(len(call.data) - 4, 0)} bytes"
        )
    if call.value:
        sentence += f", sending {units(call.value, decimals=18)} of native currency"
    if call.allowance:
        shown = _amount(call.allowance, call.token, book=book)
        sentence += f"; allowance {shown} for this call alone"
    return sentence


def _known(call: Call, *, book: AddressBook) -> str | None:
    selector, body = call.data[:4], call.data[4:]
    router = None if book.uniswap is None else book.uniswap.router
    pool = None if book.aave is None else book.aave.pool

    def amount(units_: int, token: str) -> str:
        return _amount(units_, _checksummed(token, book), book=book)

    if call.target == router:
        return _traded(selector, body, amount=amount)
    if call.target == pool:
        return _lent(selector, body, amount=amount)
    if book.native is not None:
        wrapped = book.tokens[book.native.wrapped].address
        if call.target == wrapped and selector == WRAP:
            return f"wrap {book.native.name}"
        if call.target == wrapped and selector == UNWRAP:
            (sold,) = decode(["uint256"], body)
            return f"unwrap {amount(sold, wrapped)}"
    if book.recipients is not None and selector == TRANSFER:
        to, sent = decode(["address", "uint256"], body)
        names = {
            address.lower(): name for name, address in book.recipients.addresses.items()
        }
        return f"send {amount(sent, call.target)} to {names.get(to.lower(), to)}"
    for share, asset in book.vaults.items():
        if call.target == book.tokens[share].address and selector == DEPOSIT:
            given, _ = decode(["uint256", "address"], body)
            return f"deposit {amount(given, book.tokens[asset].address)} into {share}"
        if call.target == book.tokens[share].address and selector == REDEEM:
            given, _, _ = decode(["uint256", "address", "address"], body)
            return f"redeem {amount(given, call.target)}"
    return None


def _traded(
    selector: bytes, body: bytes, *, amount: Callable[[int, str], str]
) -> str | None:
    if selector == EXACT_INPUT_SINGLE:
        (swap,) = decode([EXACT_INPUT_SINGLE_ABI], body)
        return (
            f"sell {amount(swap[5], swap[0])} on Uniswap for at least "
            f"{amount(swap[6], swap[1])}"
        )
    if selector not in (EXACT_INPUT, EXACT_OUTPUT):
        return None
    (swap,) = decode([EXACT_INPUT_ABI], body)
    try:
        ends = [to_hex(token) for token in unpacked(swap[0])]
    except ValueError:
        return None
    pools = "one pool" if len(ends) == 2 else f"{len(ends) - 1} pools"
    if selector == EXACT_INPUT:
        return (
            f"sell {amount(swap[3], ends[0])} on Uniswap for at least "
            f"{amount(swap[4], ends[-1])}, through {pools}"
        )
    return (
        f"buy {amount(swap[3], ends[0])} on Uniswap for at most "
        f"{amount(swap[4], ends[-1])}, through {pools}"
    )


def _lent(
    selector: bytes, body: bytes, *, amount: Callable[[int, str], str]
) -> str | None:
    if selector == SUPPLY:
        asset, units_, _, _ = decode(["address", "uint256", "address", "uint16"], body)
        return f"supply {amount(units_, asset)} to Aave"
    if selector == WITHDRAW:
        asset, units_, _ = decode(["address", "uint256", "address"], body)
        return f"withdraw {amount(units_, asset)} from Aave"
    if selector == BORROW:
        asset, units_, *_ = decode(
            ["address", "uint256", "uint256", "uint16", "address"], body
        )
        return f"borrow {amount(units_, asset)} from Aave"
    if selector == REPAY:
        asset, units_, *_ = decode(["address", "uint256", "uint256", "address"], body)
        return f"repay {amount(units_, asset)} to Aave"
    return None


def _checksummed(address: str, book: AddressBook) -> Address:
    for known in token_names(book):
        if known.lower() == address.lower():
            return known
    return Address(address)


def _amount(amount: int, token: Address, *, book: AddressBook) -> str:
    name, decimals = token_names(book).get(token, (f"base units of {token}", 0))
    return f"{units(amount, decimals=decimals)} {name}"


def _price(answer: int, *, decimals: int) -> str:
    places = 2 if answer >= 10**decimals else 6
    return "$" + _fixed(answer, decimals=decimals, places=places)


def _pool(name: str, sqrt_price_x96: int, *, book: AddressBook) -> str:
    base, _, quote = name.partition("/")
    entry, tokens = book.pool_named(name), book.tokens
    up, down = sqrt_price_x96**2, 2**192
    if tokens[base].address != entry.token0:
        up, down = down, up
    up *= 10 ** tokens[base].decimals
    down *= 10 ** tokens[quote].decimals
    scaled = up * 10**6 // down if down else 0
    shown = _fixed(scaled, decimals=6, places=2 if scaled >= 10**6 else 6)
    return f"{shown} {quote} per {base}"


def _rate(ray: int) -> str:
    bps = ray // _RAY_PER_BPS
    return f"{bps // 100}.{bps % 100:02d} %"


def _bps(value: JsonValue) -> str:
    if not isinstance(value, int):
        return "?"
    whole, part = divmod(value, 100)
    fraction = f".{part:02d}".rstrip("0") if part else ""
    return f"{whole}{fraction} %"


def _fixed(value: int, *, decimals: int, places: int) -> str:
    scale = 10 ** max(decimals - places, 0)
    rounded = (value + scale // 2) // scale
    rounded *= 10 ** max(places - decimals, 0)
    return f"{rounded // 10**places:,}.{rounded % 10**places:0{places}d}"
