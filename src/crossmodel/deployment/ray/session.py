"""A connection to a Ray cluster: the one that is named, or one of our own for as long as it takes.

Which cluster is Ray's to say: ``RAY_ADDRESS``, else the one that was started here, else a new one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from crossmodel.errors import ConfigurationError, MissingExtraError

try:
    import ray
except ImportError as error:
    raise MissingExtraError("working on Ray", "ray") from error


@contextmanager
def session(address: str | None = None, **options: Any) -> Iterator[None]:
    """Be connected with a cluster; a connection that there is already stays as it is.

    Args:
        address: which cluster; ``local`` starts one that ends with us.
        options: what else ``ray.init`` takes.

    Raises:
        ConfigurationError: if the cluster cannot be reached or started.
    """
    if ray.is_initialized():
        yield
        return
    connect(address, **options)
    try:
        yield
    finally:
        ray.shutdown()


def connect(address: str | None = None, **options: Any) -> None:
    """Connect with a cluster, until ``ray.shutdown()``; does nothing if we are connected.

    Raises:
        ConfigurationError: if the cluster cannot be reached or started.
    """
    if ray.is_initialized():
        return
    try:
        ray.init(
            address,
            include_dashboard=False if _starts_one(address) else None,
            logging_level=logging.ERROR,
            log_to_driver=False,  # what is wrong comes back as an error, not between our lines
            **options,
        )
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigurationError(
            f"no Ray cluster can be reached at {address or 'RAY_ADDRESS'}: {error}"
        ) from error


def _starts_one(address: str | None) -> bool:
    return address == "local"
