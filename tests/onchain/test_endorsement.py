"""An endorsement is one key's signature over one digest, in the gate's one form."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account

from affiant.encoding import Digest, keccak256, to_hex
from affiant.errors import MalformedError
from affiant.inference.keys import NodeKey
from affiant.onchain.endorsement import Endorsement, ascending, checked
from affiant.onchain.mandate import Address
from affiant.onchain.signature import join_signatures

DIGEST = keccak256(b"a decision")
KEYS = [NodeKey(Account.from_key(keccak256(b"key %d" % n))) for n in range(4)]


def endorsement(key: NodeKey, digest: Digest = DIGEST) -> Endorsement:
    return checked(digest, endorser=Address(key.address), signature=key.sign(digest))


def test_json_there_and_back() -> None:
    item = endorsement(KEYS[0])
    assert Endorsement.from_json(item.to_json()) == item


BAD: dict[str, dict[str, Any]] = {
    "another digest": {"digest": to_hex(keccak256(b"another"))},
    "another endorser": {"endorser": KEYS[1].address},
    "another's signature": {"signature": to_hex(KEYS[1].sign(DIGEST))},
    "a short signature": {"signature": to_hex(KEYS[0].sign(DIGEST)[:-1])},
    "v of zero": {"signature": to_hex(KEYS[0].sign(DIGEST)[:-1] + b"\0")},
    "no hex": {"signature": "0xzz"},
    "a number": {"digest": 1},
    "one field more": {"weight": 2},
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
def test_hostile_json_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        Endorsement.from_json({**endorsement(KEYS[0]).to_json(), **change})


def test_the_other_half_of_the_curve_is_refused() -> None:
    from affiant.signature import CURVE_ORDER

    good = KEYS[0].sign(DIGEST)
    high = CURVE_ORDER - int.from_bytes(good[32:64], "big")
    flipped = good[:32] + high.to_bytes(32, "big") + bytes([55 - good[64]])
    with pytest.raises(MalformedError, match="signature s"):
        checked(DIGEST, endorser=Address(KEYS[0].address), signature=flipped)


def test_the_gates_order_is_ascending_and_each_once() -> None:
    items = [endorsement(key) for key in (*KEYS, KEYS[2], KEYS[0])]
    sorted_ones = ascending(items)
    addresses = [item.endorser.lower() for item in sorted_ones]
    assert addresses == sorted({key.address.lower() for key in KEYS})
    assert b"".join(item.signature for item in sorted_ones) == join_signatures(
        DIGEST, signatures=[key.sign(DIGEST) for key in KEYS]
    )


def test_endorsements_of_two_decisions_do_not_go_together() -> None:
    with pytest.raises(MalformedError, match="2 decisions"):
        ascending([endorsement(KEYS[0]), endorsement(KEYS[1], keccak256(b"other"))])


def test_none_are_none() -> None:
    assert ascending([]) == ()
