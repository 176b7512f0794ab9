"""Take address book and observation out of an evidence file, as a vector for tests.

    affiant demo --out demo-out
    python tests/vectors/take_observation.py demo-out/evidence/DIGEST.json.zst

The committed one is of the demonstration's tenth decision: half of the money is WETH,
below its band, and idle USDC just covers what is missing. Its reads are what Uniswap's
and Aave's contracts on the local chain returned.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from affiant.onchain.evidence import EvidenceBundle
from affiant.onchain.evidence_check import verify_evidence

VECTOR = Path(__file__).with_name("observation.json")


def main() -> None:
    """Write the vector from the evidence file that is named."""
    bundle = EvidenceBundle.from_bytes(Path(sys.argv[1]).read_bytes())
    verify_evidence(bundle)
    vector = {
        "book": bundle.content("manifests")["book"],
        "observation": bundle.content("observation"),
        "previous": bundle.content("requests")[-1]["previous"],
        "slot": bundle.decision.slot,
    }
    VECTOR.write_text(json.dumps(vector, indent=1) + "\n")


if __name__ == "__main__":
    main()
