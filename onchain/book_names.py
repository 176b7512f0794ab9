"""What the address book's contracts are called in sentences.

Pure. It decides nothing; names are the book's, and may be wrong.
"""

from __future__ import annotations

from affiant.onchain.address_book import AddressBook
from affiant.onchain.mandate import Address


def book_names(book: AddressBook) -> dict[Address, str]:
    """Return a name for every address in `book`: "the Uniswap router"."""
    names = {
        book.gate: "the Affiant gate",
        book.node_registry: "the node registry",
        book.model_registry: "the model registry",
    }
    for name, token in book.tokens.items():
        names[token.address] = name
        names.setdefault(token.feed, f"the {name} price feed")
        if token.a_token is not None:
            names[token.a_token] = f"{name} lent to Aave"
        if token.variable_debt is not None:
            names[token.variable_debt] = f"{name} owed to Aave"
    if book.uniswap is not None:
        names[book.uniswap.router] = "the Uniswap router"
        names[book.uniswap.quoter] = "the Uniswap quoter"
        names[book.uniswap.factory] = "the Uniswap factory"
        names[book.uniswap.position_manager] = "Uniswap's position manager"
        for name, pool in book.uniswap.pools.items():
            names[pool.address] = f"the Uniswap pool {name}"
    if book.aave is not None:
        names[book.aave.pool] = "the Aave pool"
        names[book.aave.oracle] = "the Aave oracle"
        names[book.aave.data_provider] = "Aave's data provider"
    for vault in book.vaults:
        names[book.tokens[vault].address] = f"the vault {vault}"
    if book.native is not None:
        names.setdefault(book.native.reader, "the reader of native balances")
    if book.recipients is not None:
        names[book.recipients.rule] = "the rule about recipients"
        for name, address in book.recipients.addresses.items():
            names.setdefault(address, name)
    return names
