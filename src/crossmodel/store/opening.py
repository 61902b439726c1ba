"""Which store a URL means."""

from __future__ import annotations

from crossmodel.errors import ConfigurationError
from crossmodel.ports import Store


async def open_store(url: str, *, embedder: str | None = None) -> Store:
    """Open the store behind ``url`` and bring its schema up to date.

    ``embedder`` names what insights are found by beside their words: ``static``, ``hashed`` or
    ``minilm``; with ``None`` they are found by their words alone. Insights that have no vector by
    it are given one after opening, some hundred at a time.

    Raises:
        ConfigurationError: if no adapter knows the URL.
        InvalidInputError: if there is no embedder of that name. If it is not installed, the first
            use of it says so.
        StoreError: if the store cannot be opened; the message says why and what to do.
    """
    if url.startswith("sqlite:///"):
        from crossmodel.store.sqlite import SqliteStore  # noqa: PLC0415 - an ORM is slow to import

        return await SqliteStore.open(url, embedder=embedder)
    if url.startswith("postgresql://"):
        try:
            from crossmodel.store.postgres import PostgresStore  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigurationError(
                "state in PostgreSQL needs an extra: pip install 'crossmodel[postgres]'",
                path="store.url",
            ) from None
        return await PostgresStore.open(url, embedder=embedder)
    raise ConfigurationError(
        "state is kept in SQLite or PostgreSQL: use sqlite:///FILE or postgresql://…",
        path="store.url",
    )
