"""Who is told of an agent's runs, as its configuration says.

It puts observers together and decides nothing. What they may say is `logs.py`'s and
`metrics.py`'s, which are imported only where the configuration asks for them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from affiant.agents.observing.observer import Observer, Observers
from affiant.agents.settings.config import AgentConfig
from affiant.onchain.address_book import AddressBook
from affiant.onchain.chain import Chain
from affiant.onchain.mandate import Address, Mandate


def open_observers(
    config: AgentConfig,
    *,
    mandate: Mandate,
    book: AddressBook,
    chain: Chain,
    operator: Address,
    secrets: Sequence[str],
) -> Observers:
    """Return the observers that `config` asks for; close them in the end.

    Args:
        chain: the agent's own endpoint.
        operator: whose nonce is shown.
        secrets: texts that no log may hold.

    Raises:
        OSError: a log file cannot be opened, or a port is taken.
    """
    found: list[Observer] = []
    try:
        if config.log is not None:
            from affiant.agents.observing.logs import open_log

            found.append(open_log(config.log, secrets=secrets))
        if config.metrics is not None:
            from affiant.agents.observing.metrics import ChainFigures, MetricsObserver
            from affiant.agents.observing.status import read_on_chain

            def look() -> ChainFigures:
                return ChainFigures(
                    read_on_chain(chain, gate=book.gate, mandate=mandate),
                    nonce=chain.nonce(operator),
                )

            found.append(
                MetricsObserver(port=config.metrics.port, look=look, clock=time.time)
            )
    except BaseException:
        Observers(found).close()
        raise
    return Observers(found)
