"""`make bench-gas`: what attesting costs, on the real contracts.

Verification, machines and collateral are measured on data that Intel signed, where it
is at hand, and on the development root otherwise; the table says which. Registrations
are always development's: no quote of Intel's carries a binding of ours. Its sizes are
the same.

Beside it stands the same verification without what it saves by remembering: every
certificate, list and piece of collateral submitted for one quote. (A full verifier in
the field, Automata's, is reported at 3.99 million a quote; its collateral store is not
packaged, so this command cannot run it.)
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from eth_account import Account
from table import Row, publish

from affiant.encoding import Digest, keccak256
from affiant.inference.attestation.collateral import Collateral
from affiant.inference.attestation.dev_pki import Machine
from affiant.inference.attestation.dev_root import (
    DevRoot,
    DevStatement,
    DevTd,
    Level,
)
from affiant.inference.attestation.quote import TdReport, TdxQuote
from affiant.onchain.abi import encode_call
from affiant.onchain.attestation.binding import NodeBinding, TdxWorkload
from affiant.onchain.attestation.client import TdxAttestationClient
from affiant.onchain.attestation.deploy import (
    INTEL_ROOT_KEY_HASH,
    deploy_tdx_attestation,
    deploy_tdx_verifier,
)
from affiant.onchain.attestation.submission import (
    collateral_pieces,
    missing,
    submit,
)
from affiant.onchain.attestation.verifier import certificate_id
from affiant.onchain.chain import Chain
from affiant.onchain.chain_types import CallRequest
from affiant.onchain.devnet.accounts import DEPLOYER, DEV_ACCOUNTS
from affiant.onchain.devnet.anvil import Anvil, find_anvil, find_node_modules
from affiant.onchain.mandate import Address
from affiant.onchain.sending import send

PACKAGED = Path(__file__).resolve().parent.parent / ".cache/vendor/dcap-qvl"
"""Where `make setup` puts quotes that Intel signed."""

PAYER = Account.from_key(DEV_ACCOUNTS[0].key)
DAY = 86_400
FOREVER = 400 * DAY
"""As a margin of freshness: everything counts as stale, and is submitted again."""


class Bench:
    """A chain at a moment, with a verifier that knows nothing."""

    def __init__(self, anvil: Anvil, chain: Chain, *, root: Digest) -> None:
        self.anvil, self.chain = anvil, chain
        deployer = Account.from_key(DEPLOYER.key)
        self.verifier = deploy_tdx_verifier(chain, deployer, root_key_hash=root)

    def warp(self, timestamp: int) -> None:
        self.anvil.rpc.request("evm_setNextBlockTimestamp", timestamp)
        self.anvil.rpc.request("evm_mine")

    def tell(
        self, collateral: Collateral, *, machine: bytes | None, fmspc: bytes
    ) -> dict[str, int]:
        """Tell the verifier everything again; return the gas of each piece."""
        pieces = missing(
            self.verifier,
            collateral,
            machine=machine,
            fmspc=fmspc,
            now=self.chain.latest_block().timestamp,
            margin=FOREVER,
        )
        receipts = submit(self.verifier, pieces, payer=PAYER)
        return {
            piece.what: receipt.gas_used
            for piece, receipt in zip(pieces, receipts, strict=True)
        }

    def tell_again(self, collateral: Collateral) -> dict[str, int]:
        """Tell the verifier collateral that it knows; return the gas of each piece."""
        pieces = [offer.piece for offer in collateral_pieces(collateral)]
        receipts = submit(self.verifier, pieces, payer=PAYER)
        return {
            piece.what: receipt.gas_used
            for piece, receipt in zip(pieces, receipts, strict=True)
        }

    def verify(self, quote: TdxQuote, machine: bytes) -> int:
        """Return the gas of a transaction that verifies `quote`."""
        data = encode_call(
            "verify(bytes,bytes,bytes32)",
            [quote.signed, quote.signatures, certificate_id(machine)],
        )
        sender = Address(PAYER.address)
        call = CallRequest(self.verifier.address, data, sender)
        return send(self.chain, call, signer=PAYER).gas_used


def open_bench(*, at: int, root: Digest) -> tuple[Anvil, Chain, Bench]:
    anvil = Anvil.start(
        find_anvil(find_node_modules()),
        port=0,
        arguments=[
            *("--chain-id", "31337", "--hardfork", "osaka"),
            *("--timestamp", str(at)),
        ],
    )
    chain = Chain.connect(anvil.url, expected_chain_id=31337)
    return anvil, chain, Bench(anvil, chain, root=root)


def verification(rows: list[Row]) -> int:
    """Measure one quote with everything it rests on; return a new machine's gas."""
    signed_by_intel = (PACKAGED / "tdx_quote").exists()
    if signed_by_intel:
        at, later = 1_750_414_563, 1_792_500_000
        first = Collateral.parse((PACKAGED / "tdx_quote_collateral.json").read_bytes())
        second = Collateral.parse(
            (PACKAGED / "tdx_quote_td15ex_collateral.json").read_bytes()
        )
        quote = TdxQuote.cut((PACKAGED / "tdx_quote").read_bytes())
        root = INTEL_ROOT_KEY_HASH
    else:
        development = DevRoot(bytes(32))
        at = 1_763_700_000
        later = at + 30 * DAY
        first = development.collateral(now=at)
        second = development.collateral(
            now=later,
            statement=DevStatement(
                levels=[Level(), *(Level("OutOfDate", pce_svn=p) for p in (9, 7, 5))],
                evaluation_number=20,
                revoked_machines=range(10**40, 10**40 + 11),
            ),
        )
        quote = TdxQuote.cut(development.quote(bytes(64)))
        root = development.pki.root_key_hash
    whose = "Intel's data" if signed_by_intel else "DEVELOPMENT DATA"
    machine = quote.certificates[0]
    anvil, chain, bench = open_bench(at=at, root=root)
    try:
        with closing(chain):
            told = bench.tell(first, machine=machine, fmspc=first.fmspc)
            verified = bench.verify(quote, machine)
            again = bench.tell_again(first)
            bench.warp(later)
            news = bench.tell(second, machine=None, fmspc=second.fmspc)
            rows += [
                Row(
                    f"quote on a known machine, whole transaction ({whose})",
                    verified,
                    "gas",
                    85_000,
                ),
                Row(
                    "the same, nothing remembered", verified + sum(told.values()), "gas"
                ),
                Row(
                    "collateral refresh, a month without news",
                    sum(again.values()),
                    "gas",
                    1_200_000,
                ),
                *(Row(f"  {what}", gas, "gas") for what, gas in again.items()),
                Row(
                    "collateral refresh, 16 months of news at once",
                    sum(news.values()),
                    "gas",
                ),
                *(Row(f"  {what}", gas, "gas") for what, gas in news.items()),
            ]
            return told["machine's certificate"]
    finally:
        anvil.stop()


MODULES = (
    (3, ((3, "UpToDate"),)),
    (1, ((4, "UpToDate"), (3, "OutOfDate"), (2, "OutOfDate"), (1, "OutOfDate"))),
)
"""Levels of TDX modules, as many as Intel has."""


def recovery(rows: list[Row]) -> None:
    """Measure the dearest month: a TCB recovery, and machines newly revoked.

    On development data as large as Intel's: no two months of Intel's are at hand
    between which a recovery lies and little else.
    """
    development = DevRoot(bytes(32))
    start = 1_763_700_000
    known = [f"INTEL-SA-{number:05}" for number in range(58)]
    levels = (
        Level(),
        Level("OutOfDate", pce_svn=9, advisories=known[:20]),
        Level("OutOfDate", pce_svn=7, advisories=known),
    )
    revoked = range(10**40, 10**40 + 44)
    before = DevStatement(levels=levels, modules=MODULES, revoked_machines=revoked)
    after = DevStatement(
        levels=(
            Level(pce_svn=12),
            Level("OutOfDate", advisories=known[:5]),
            *levels[1:],
        ),
        modules=((3, ((4, "UpToDate"), (3, "OutOfDate"))), MODULES[1]),
        evaluation_number=18,
        revoked_machines=range(10**40, 10**40 + 46),
    )
    anvil, chain, bench = open_bench(at=start, root=development.pki.root_key_hash)
    try:
        with closing(chain):
            fmspc = Machine().fmspc
            first = development.collateral(now=start, statement=before)
            bench.tell(first, machine=None, fmspc=fmspc)
            bench.warp(start + 30 * DAY)
            second = development.collateral(now=start + 30 * DAY, statement=after)
            news = bench.tell(second, machine=None, fmspc=fmspc)
    finally:
        anvil.stop()
    assert abs(len(second.tcb_info) - 5_524) < 150, "the largest of Intel's at hand"
    rows.append(
        Row(
            "collateral refresh, a month with a TCB recovery and 2 machines newly "
            "revoked (DEVELOPMENT DATA)",
            sum(news.values()),
            "gas",
            1_200_000,
        )
    )
    rows += [Row(f"  {what}", gas, "gas") for what, gas in news.items()]


def registration(rows: list[Row], *, new_machine: int) -> None:
    """Measure registering, renewing, rechecking and asking."""
    development = DevRoot(bytes(32))
    anvil, chain, bench = open_bench(
        at=1_763_700_000, root=development.pki.root_key_hash
    )
    try:
        with closing(chain):
            machine = development.pki.machine_certificate(Machine())
            now = chain.latest_block().timestamp
            bench.tell(
                development.collateral(now=now), machine=machine, fmspc=Machine().fmspc
            )
            contract = deploy_tdx_attestation(
                chain, Account.from_key(DEPLOYER.key), verifier=bench.verifier
            )
            first = register(development, chain, contract, gpus=False)
            asked = asking(chain, contract)
            renewed = register(development, chain, contract, gpus=False)
            bench.tell(
                development.collateral(
                    now=chain.latest_block().timestamp,
                    statement=DevStatement(evaluation_number=18),
                ),
                machine=None,
                fmspc=Machine().fmspc,
            )
            changed = asking(chain, contract)
            recheck = contract.recheck(key_address(), WORKLOAD.id, payer=PAYER).gas_used
            rows += [
                Row(
                    "registering a node, new machine",
                    first + new_machine,
                    "gas",
                    600_000,
                ),
                Row("registering a node, known machine", first, "gas", 240_000),
                Row("renewing a registration", renewed, "gas"),
                Row("asking whether a key is attested (execution alone)", asked, "gas"),
                Row(
                    "asking after collateral changed, before a recheck", changed, "gas"
                ),
                Row("recheck", recheck, "gas"),
            ]
    finally:
        anvil.stop()


KEY = Account.from_key(keccak256(b"bench: a node's key"))
ENGINE = keccak256(b"bench: engine")
WORKLOAD = TdxWorkload(
    measurements=TdReport(DevTd().report(bytes(64))).measurements(whole=False),
    engines=(ENGINE,),
)


def key_address() -> Address:
    return Address(KEY.address)


def register(
    development: DevRoot, chain: Chain, contract: TdxAttestationClient, *, gpus: bool
) -> int:
    """Return the gas of one registration."""
    block = chain.latest_block()
    filled = keccak256(b"bench: some hash")
    binding = NodeBinding(
        key=key_address(),
        engine=ENGINE,
        model=filled,
        program=filled,
        configuration=filled,
        tls_key=filled,
        gpu_evidence=filled if gpus else Digest(bytes(32)),
        operator=Address(PAYER.address),
        block_number=block.number,
        block_hash=block.hash,
        valid_until=block.timestamp + DAY,
    )
    where = {"chain_id": chain.chain_id, "contract": contract.address}
    digest = binding.digest(chain_id=chain.chain_id, contract=contract.address)
    quote = TdxQuote.cut(development.quote(binding.report_data(**where)))
    machine = certificate_id(development.pki.machine_certificate(Machine()))
    signature = bytes(KEY.unsafe_sign_hash(digest).signature)
    return contract.register(
        quote, binding, signature, WORKLOAD, machine=machine, payer=PAYER
    ).gas_used


def asking(chain: Chain, contract: TdxAttestationClient) -> int:
    """Return what the gate's question costs, without transaction and calldata."""
    data = encode_call("attestationOf(address,bytes32)", [KEY.address, WORKLOAD.id])
    (simulated,) = chain.simulate([CallRequest(contract.address, data)])
    zeros = data.count(0)
    return simulated.gas_used - 21_000 - 4 * zeros - 16 * (len(data) - zeros)


def main() -> None:
    """Measure and publish."""
    rows: list[Row] = []
    machine = verification(rows)
    recovery(rows)
    registration(rows, new_machine=machine)
    publish("gas_attestation", rows, title="Attesting nodes in Intel TDX")


if __name__ == "__main__":
    main()
