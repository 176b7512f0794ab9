"""Whether a service answers at all; what it says is not looked at.

It decides nothing and trusts nobody: an answer shows that somebody listens there.
"""

from __future__ import annotations

from contextlib import closing

from affiant.http_exchange import HttpEndpoint

MAX_BYTES = 256 * 1024
"""Most bytes of an answer that are read."""


def endorser_answers(url: str, *, timeout: float) -> str | None:
    """Return None where an endorser answers at `url`, otherwise why not.

    Args:
        timeout: longest wait, in seconds.
    """
    return _answers(url, "/v1/endorser", timeout=timeout)


def node_answers(url: str, *, timeout: float) -> str | None:
    """Return None where a node answers at `url`, otherwise why not."""
    return _answers(url, "/v1/node", timeout=timeout)


def _answers(url: str, path: str, *, timeout: float) -> str | None:
    with closing(HttpEndpoint(url.rstrip("/"), timeout=timeout)) as endpoint:
        try:
            answer = endpoint.exchange("GET", path=path, max_bytes=MAX_BYTES)
        except TimeoutError:
            return f"gives no whole answer within {timeout:g} s"
        except ConnectionError as error:
            return str(error)[:300]
    return None if answer.status == 200 else f"answers with status {answer.status}"
