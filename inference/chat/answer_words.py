"""What OpenAI's fields of an answer say, derived from the completion behind it.

Pure, and shared: a service writes these words, and a client refuses any others.
"""

from __future__ import annotations

from affiant.encoding import JsonValue
from affiant.inference.chat.completion import Completion


def finish_reason(completion: Completion) -> str:
    """Return OpenAI's word for how an output ends."""
    return "stop" if completion.finished else "length"


def fingerprint(completion: Completion) -> str:
    """Return OpenAI's `system_fingerprint`: here the beginning of the engine's hash."""
    return "fp_" + completion.receipt.engine.hex()[:10]


def usage(completion: Completion) -> dict[str, JsonValue]:
    """Return the token counts."""
    prompt, output = len(completion.prompt_ids), len(completion.output_ids)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
    }
