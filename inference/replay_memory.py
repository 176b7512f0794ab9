"""How much memory a replay may take: said before anything is computed.

A prefill holds one row of logits per output token, as wide as the vocabulary: hostile
evidence of a few megabytes would ask for tens of gigabytes. It decides how many tokens
are replayed at all, and how many inferences together. What is beyond it is nobody's
lie: a node with more memory may have computed it.
"""

from __future__ import annotations

from collections.abc import Sequence

from affiant.inference.errors import ReplayMemoryError

MAX_REPLAY_BYTES = 8 * 2**30
"""Memory for the logits and masks of what is replayed at once, where no other is
given: 28,000 output tokens over 30,000 ids, 5,600 over 152,000."""

BYTES_PER_LOGIT = 10
"""A float32 and a byte of its mask, and each once more while rows are joined."""


def check_replay_memory(
    tokens: int, *, vocab_size: int, most_bytes: int = MAX_REPLAY_BYTES
) -> None:
    """Refuse an output that takes too much memory.

    Args:
        tokens: length of the output.
        vocab_size: width of a row of logits.
        most_bytes: memory for logits and masks.

    Raises:
        ReplayMemoryError: it does.
    """
    needed = tokens * vocab_size * BYTES_PER_LOGIT
    if needed > most_bytes:
        raise ReplayMemoryError(
            tokens=tokens, vocab_size=vocab_size, got=needed, limit=most_bytes
        )


def batches_of(
    lengths: Sequence[int], *, vocab_size: int, most_bytes: int = MAX_REPLAY_BYTES
) -> list[list[int]]:
    """Return which of several outputs are replayed together; of like length, mostly.

    Each batch stays within `most_bytes` even if every output is padded to its longest;
    an output that does not by itself is alone.

    Args:
        lengths: tokens of each output.
        vocab_size: width of a row of logits.
        most_bytes: memory for logits and masks.
    """
    rows = most_bytes // (vocab_size * BYTES_PER_LOGIT)
    batches: list[list[int]] = []
    for at in sorted(range(len(lengths)), key=lambda at: lengths[at]):
        # Ascending: this one is the longest so far.
        if not batches or (len(batches[-1]) + 1) * lengths[at] > rows:
            batches.append([])
        batches[-1].append(at)
    return batches
