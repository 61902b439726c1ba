"""Which store a URL means."""

from __future__ import annotations

from crossmodel.errors import ConfigurationError
from crossmodel.ports import Store


async def open_store(url: str) -> Store:
    """Open the store behind ``url`` and bring its schema up to date.

    Raises:
        ConfigurationError: if no adapter knows the URL.
        StoreError: if the store cannot be opened; the message says why and what to do.
    """
    if url.startswith("sqlite:///"):
        from crossmodel.store.sqlite import SqliteStore  # noqa: PLC0415 - an ORM is slow to import

        return await SqliteStore.open(url)
    raise ConfigurationError(
        "this version keeps state in SQLite: use sqlite:///FILE", path="store.url"
    )
