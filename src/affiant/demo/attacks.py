"""The attacks of `affiant demo`: each is sent to the real gate, which must refuse it.

Every attack starts from the same chain state and an honest decision that the gate would
execute. The transaction is really mined and reverts; then the account's balances are
compared, the revert is decoded, and the chain is put back. An attack that is not
refused by exactly the expected error fails the demonstration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from eth_account import Account

from affiant.demo.forger import invented
from affiant.demo.lab import Attack, Lab
from affiant.encoding import Digest
from affiant.inference.keys import NodeKey
from affiant.onchain import contract_errors as errors
from affiant.onchain.abi import encode_call
from affiant.onchain.decision import Call
from affiant.onchain.gate import Submission
from affiant.onchain.kits import uniswap_v3
from affiant.onchain.mandate import (
    NATIVE,
    VALUE_DECIMALS,
    Address,
    Mandate,
    Permission,
    Tracked,
)
from affiant.onchain.registry import NodeRegistryClient

BORROW = "borrow(address,uint256,uint256,uint16,address)"
"""Aave v3's `Pool.borrow`: asset, amount, rate mode, referral, on behalf of."""


def _swapped_calls(lab: Lab) -> Submission:
    # More is sold than was sworn; everything else stays as signed.
    (call,) = lab.honest.calls
    return replace(lab.honest, calls=(replace(call, allowance=call.allowance * 2),))


def _executed_before(lab: Lab) -> Submission:
    lab.gate.execute(lab.honest, operator=lab.operator)
    return lab.honest


def _other_mandate(lab: Lab) -> Submission:
    # All that is not signed anew is made to fit the other mandate.
    twin = replace(lab.mandate, salt=invented("another mandate"))
    lab.as_owner(lab.gate.address, lab.gate.grant_call(twin).data)
    decision = replace(lab.honest.decision, mandate=twin.id, previous=twin.id)
    return replace(lab.honest, mandate=twin, decision=decision)


def _unpermitted_key(lab: Lab) -> Submission:
    stranger = NodeKey(Account.create())
    return lab.forger.swear(lab.honest, key=stranger)


def _revoked_key(lab: Lab) -> Submission:
    registry = NodeRegistryClient(lab.chain, lab.devnet.book.node_registry)
    registry.revoke(lab.thief)
    return lab.honest


def _other_model(lab: Lab) -> Submission:
    # The owner wants a better model, and the node swears without having it.
    mandate = replace(lab.mandate, model=invented("a better model"))
    lab.as_owner(lab.gate.address, lab.gate.grant_call(mandate).data)
    return _under(lab, mandate, calls=list(lab.honest.calls), bounds=lab.honest.bounds)


def _older_slot(lab: Lab) -> Submission:
    lab.scenario.next_slot(lab.mandate.cadence)
    return lab.honest


def _stale_anchor(lab: Lab) -> Submission:
    slot = lab.honest.decision.slot - 1
    block = lab.chain.block_by_number(lab.mandate.anchor_of(slot))
    return lab.forger.swear(lab.honest, anchor_hash=block.hash)


def _reorged_anchor(lab: Lab) -> Submission:
    # A copied chain keeps the hashes of blocks that it was copied with, so the anchor
    # to replace is one of its own.
    slot = lab.scenario.next_slot(lab.mandate.cadence)
    submission = lab.forger.swear(
        lab.honest,
        slot=slot.number,
        anchor_hash=lab.chain.block_by_number(slot.anchor).hash,
        valid_until=2**40,
    )
    # The gate would have executed it, had the anchor stayed.
    lab.gate.simulate(submission, sender=Address(lab.operator.address))
    lab.scenario.reorg(lab.chain.block_number() - slot.anchor + 1)
    return submission


def _target_outside(lab: Lab) -> Submission:
    book = lab.devnet.book
    thief = lab.operator.address
    data = encode_call("transfer(address,uint256)", [thief, 10**6])
    call = Call(book.tokens["USDC"].address, 0, data, NATIVE, 0)
    return lab.forger.swear(lab.honest, calls=[call])


def _selector_outside(lab: Lab) -> Submission:
    (call,) = lab.honest.calls
    data = encode_call("multicall(bytes[])", [[call.data]])
    return lab.forger.swear(lab.honest, calls=[replace(call, data=data)])


def _allowance_left(lab: Lab) -> Submission:
    siphon = lab.deploy("Siphon")
    sticky = lab.deploy("StickyToken", types=["uint256"], arguments=[10**24])
    take = "take(address,uint256)"
    mandate = _widened(
        lab,
        permission=Permission(siphon, encode_call(take, [NATIVE, 0])[:4]),
        tracked=Tracked(sticky, feed=0, decimals=18, debt=False),
    )
    call = Call(siphon, 0, encode_call(take, [sticky, 0]), sticky, 10**18)
    return _under(lab, mandate, calls=[call], bounds=[0] * len(mandate.tracked))


def _undeclared_debt(lab: Lab) -> Submission:
    book = lab.devnet.book
    if book.aave is None:
        raise RuntimeError("the local chain has no lending market")
    usdc = book.tokens["USDC"].address
    account = lab.mandate.account
    # Collateral first, as an owner with a loan would have it.
    weth, amount = book.tokens["WETH"].address, 10**17
    lab.as_owner(
        weth, encode_call("approve(address,uint256)", [book.aave.pool, amount])
    )
    lab.as_owner(
        book.aave.pool,
        encode_call(
            "supply(address,uint256,address,uint16)", [weth, amount, account, 0]
        ),
    )
    data = encode_call(BORROW, [usdc, 10 * 10**6, 2, 0, account])
    mandate = _widened(lab, permission=Permission(book.aave.pool, data[:4]))
    call = Call(book.aave.pool, 0, data, NATIVE, 0)
    return _under(lab, mandate, calls=[call], bounds=[0] * len(mandate.tracked))


def _missed_bounds(lab: Lab) -> Submission:
    # The swap accepts any price, and the sworn bound asks for more than it gives.
    bounds = [
        bound * 3 // 2 if bound > 0 and not entry.debt else bound
        for entry, bound in zip(lab.mandate.tracked, lab.honest.bounds, strict=True)
    ]
    return lab.forger.swear(lab.honest, calls=[_any_price(lab)], bounds=bounds)


def _loss(lab: Lab) -> Submission:
    # The thief moves the pool, and swears bounds that accept what is left.
    price = lab.scenario.price("WETH")
    sells_weth = any(
        bound < 0 and entry.token == lab.devnet.book.tokens["WETH"].address
        for entry, bound in zip(lab.mandate.tracked, lab.honest.bounds, strict=True)
    )
    lab.scenario.move_pool(
        "WETH/USDC", price * (Decimal("0.7") if sells_weth else Decimal("1.4"))
    )
    bounds = [1 if bound > 0 else bound for bound in lab.honest.bounds]
    return lab.forger.swear(lab.honest, calls=[_any_price(lab)], bounds=bounds)


def _over_the_rung(lab: Lab) -> Submission:
    limit = lab.mandate.ladder[0].limit
    usdc = lab.devnet.book.tokens["USDC"]
    bounds = [
        -(limit * 10**usdc.decimals // 10**VALUE_DECIMALS) - 10**usdc.decimals
        if entry.token == usdc.address
        else bound
        for entry, bound in zip(lab.mandate.tracked, lab.honest.bounds, strict=True)
    ]
    return lab.forger.swear(lab.honest, bounds=bounds)


def _stale_feed(lab: Lab) -> Submission:
    lab.scenario.set_feed("WETH", answer=2_500 * 10**8, age=lab_max_age(lab) + 60)
    return lab.honest


def _no_price(lab: Lab) -> Submission:
    lab.scenario.set_feed("WETH", answer=0)
    return lab.honest


def _revoked_mandate(lab: Lab) -> Submission:
    call = lab.gate.revoke_call(lab.mandate.id, account=lab.mandate.account)
    lab.as_owner(lab.gate.address, call.data)
    return lab.honest


def _second_module(lab: Lab) -> Submission:
    # The owners let somebody else in, who may then act without gate and mandate.
    data = encode_call("enableModule(address)", [lab.operator.address])
    lab.as_owner(lab.mandate.account, data)
    return lab.honest


def _lets_itself_in(lab: Lab) -> Submission:
    data = encode_call("enableModule(address)", [lab.operator.address])
    call = Call(lab.mandate.account, 0, data, NATIVE, 0)
    return lab.forger.swear(lab.honest, calls=[call])


def lab_max_age(lab: Lab) -> int:
    """Return the longest time that any feed of the mandate may be silent, seconds."""
    return max(feed.max_age for feed in lab.mandate.feeds)


def _any_price(lab: Lab) -> Call:
    """Return the honest swap with its own minimum taken out."""
    (call,) = lab.honest.calls
    selector, words = call.data[:4], bytearray(call.data[4:])
    if selector != uniswap_v3.EXACT_INPUT_SINGLE:
        raise RuntimeError("the honest decision is no swap")
    words[6 * 32 : 7 * 32] = bytes(32)
    return replace(call, data=selector + bytes(words))


def _widened(
    lab: Lab, *, permission: Permission, tracked: Tracked | None = None
) -> Mandate:
    """Let a careless owner grant one permission too many."""
    mandate = replace(
        lab.mandate,
        salt=invented("a careless mandate"),
        allow_list=(*lab.mandate.allow_list, permission),
        tracked=lab.mandate.tracked + ((tracked,) if tracked else ()),
    )
    lab.as_owner(lab.gate.address, lab.gate.grant_call(mandate).data)
    return mandate


def _under(
    lab: Lab, mandate: Mandate, *, calls: list[Call], bounds: Sequence[int]
) -> Submission:
    """Swear under a mandate granted just now, in whatever slot is the newest."""
    slot = mandate.slot_of(lab.chain.block_number())
    block = lab.chain.block_by_number(mandate.anchor_of(slot))
    return lab.forger.swear(
        lab.honest,
        mandate=mandate,
        calls=calls,
        bounds=bounds,
        previous=lab.gate.head_of(mandate.id),
        slot=slot,
        anchor_hash=block.hash,
    )


def _edited(lab: Lab, **fields: Digest) -> Submission:
    """Change fields of the decision, and keep the signature."""
    decision = replace(lab.honest.decision, **fields)  # type: ignore[arg-type]
    return replace(lab.honest, decision=decision)


ATTACKS: tuple[Attack, ...] = (
    Attack(
        "the calls are swapped after signing",
        errors.GateCallsMismatchError,
        _swapped_calls,
    ),
    Attack(
        "the bounds are loosened after signing",
        errors.GateBoundsMismatchError,
        lambda lab: replace(lab.honest, bounds=(-1,) * len(lab.honest.bounds)),
    ),
    Attack(
        "the receipts of another decision",
        errors.GateNodeNotPermittedError,
        lambda lab: _edited(lab, receipts=lab.earlier.decision.receipts),
    ),
    Attack(
        "the evidence of another decision",
        errors.GateNodeNotPermittedError,
        lambda lab: _edited(lab, evidence=lab.earlier.decision.evidence),
    ),
    Attack("the same decision twice", errors.GateHeadMismatchError, _executed_before),
    Attack(
        "a decision for another mandate",
        errors.GateNodeNotPermittedError,
        _other_mandate,
    ),
    Attack(
        "a decision signed for another gate",
        errors.GateNodeNotPermittedError,
        lambda lab: lab.forger.swear(lab.honest, gate=lab.mandate.account),
    ),
    Attack(
        "a decision signed for another chain",
        errors.GateNodeNotPermittedError,
        lambda lab: lab.forger.swear(lab.honest, chain_id=1),
    ),
    Attack(
        "a key that the mandate does not permit",
        errors.GateNodeNotPermittedError,
        _unpermitted_key,
    ),
    Attack("a key that has revoked itself", errors.GateNodeRevokedError, _revoked_key),
    Attack(
        "a model that the key never announced",
        errors.GateNodeUnannouncedError,
        _other_model,
    ),
    Attack("an older slot", errors.GateSlotNotNewestError, _older_slot),
    Attack("a stale anchor", errors.GateAnchorMismatchError, _stale_anchor),
    Attack(
        "an anchor from a reorganised block",
        errors.GateAnchorMismatchError,
        _reorged_anchor,
        on_copy=True,
    ),
    Attack(
        "a target outside the allow-list",
        errors.GateCallNotAllowedError,
        _target_outside,
    ),
    Attack(
        "a selector outside the allow-list",
        errors.GateCallNotAllowedError,
        _selector_outside,
    ),
    Attack("an allowance left behind", errors.GateAllowanceLeftError, _allowance_left),
    Attack(
        "a debt that grows undeclared",
        errors.GateUndeclaredLossError,
        _undeclared_debt,
    ),
    Attack(
        "bounds that the swap then misses", errors.GateBoundMissedError, _missed_bounds
    ),
    Attack("a loss over the limit at feed prices", errors.GateLossExceededError, _loss),
    Attack("value above the rung", errors.GateRungExceededError, _over_the_rung),
    Attack("a stale feed", errors.GatePriceStaleError, _stale_feed),
    Attack("a feed without a price", errors.GatePriceInvalidError, _no_price),
    Attack(
        "a mandate that its owner has revoked",
        errors.GateMandateRevokedError,
        _revoked_mandate,
    ),
)
"""In the order in which they are shown."""

SAFE_ATTACKS: tuple[Attack, ...] = (
    Attack(
        "a call that would let another module into the Safe",
        errors.GateCallNotAllowedError,
        _lets_itself_in,
    ),
    Attack(
        "another module in the Safe, beside the gate",
        errors.GateRuleRefusedError,
        _second_module,
    ),
)
"""On accounts that are Safes, after all others."""
