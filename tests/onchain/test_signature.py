"""Several signatures in one: ascending, each signer once, each of the one form."""

from __future__ import annotations

import pytest
from eth_account import Account

from affiant.encoding import keccak256
from affiant.errors import MalformedError
from affiant.onchain.signature import join_signatures, split_signatures
from affiant.signature import CURVE_ORDER, recover_signer

DIGEST = keccak256(b"what is signed")
SECRETS = [keccak256(f"signer {index}".encode()) for index in range(3)]
SIGNATURES = [bytes(Account.unsafe_sign_hash(DIGEST, s).signature) for s in SECRETS]
JOINED = join_signatures(DIGEST, signatures=SIGNATURES)


def test_joins_in_the_order_of_the_signers_whatever_the_order_of_the_signatures() -> (
    None
):
    assert join_signatures(DIGEST, signatures=reversed(SIGNATURES)) == JOINED
    signers = list(split_signatures(DIGEST, joined=JOINED))
    assert signers == sorted(signers, key=lambda signer: int(signer, 16))
    assert set(signers) == {str(Account.from_key(s).address) for s in SECRETS}


def test_splits_into_each_signers_own() -> None:
    for signer, signature in split_signatures(DIGEST, joined=JOINED).items():
        assert recover_signer(DIGEST, signature=signature) == signer


def test_nothing_joins_to_nothing() -> None:
    assert join_signatures(DIGEST, signatures=[]) == b""
    assert split_signatures(DIGEST, joined=b"") == {}


def test_refuses_two_of_the_same_key() -> None:
    twice = [SIGNATURES[0], SIGNATURES[0]]
    with pytest.raises(MalformedError, match="two of 0x"):
        join_signatures(DIGEST, signatures=twice)
    with pytest.raises(MalformedError, match="each once"):
        split_signatures(DIGEST, joined=b"".join(twice))


def test_refuses_another_order() -> None:
    with pytest.raises(MalformedError, match="ascending"):
        split_signatures(DIGEST, joined=JOINED[65:] + JOINED[:65])


@pytest.mark.parametrize("length", [1, 64, 66, 129, 194])
def test_refuses_any_other_length(length: int) -> None:
    with pytest.raises(MalformedError, match="multiple of 65"):
        split_signatures(DIGEST, joined=JOINED[:length])


def test_refuses_the_malleable_twin() -> None:
    r, s, v = SIGNATURES[0][:32], SIGNATURES[0][32:64], SIGNATURES[0][64]
    twin = r + (CURVE_ORDER - int.from_bytes(s, "big")).to_bytes(32, "big")
    twin += bytes([55 - v])
    with pytest.raises(MalformedError, match="half the curve order"):
        join_signatures(DIGEST, signatures=[twin])
