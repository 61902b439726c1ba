"""Work spread over a cluster by Ray Data: in order, and no faster than results are taken."""

from __future__ import annotations

import functools
import logging
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import cloudpickle
import ray
import ray.data

from crossmodel.deployment.ray.session import session
from crossmodel.errors import CrossModelError
from crossmodel.ports import Spread

Item = TypeVar("Item")
Made = TypeVar("Made")

MOST_ERROR: Final = 500
"""Characters of what Ray says went wrong."""


@contextmanager
def spreading(address: str | None = None, **options: Any) -> Iterator[Spread]:
    """Spread work over the cluster of :func:`~.session.session` while this is open."""
    with session(address, **options):
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        yield spread


def spread(work: Callable[[Item], Made], items: Sequence[Item]) -> Iterator[Made]:
    """What ``work`` makes of each item, in order; see :class:`~crossmodel.ports.Spread`.

    Results wait in the cluster's object store. When it is full of them no more work is begun, until
    some have been taken.

    Raises:
        CrossModelError: what ``work`` raised, or that the cluster could not do it.
    """
    if not items:
        return
    doing = _Doing(ray.put(cloudpickle.dumps(work)), ray.put([pickle.dumps(i) for i in items]))
    context = ray.data.DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    with ray.data.DataContext.current(context):  # a data set keeps the one that it is made in
        count = len(items)
        made = ray.data.range(count, override_num_blocks=count).map(doing)
    try:
        for row in made.iter_rows():
            outcome = pickle.loads(row["made"])  # noqa: S301 - from our own workers
            if isinstance(outcome, CrossModelError):
                raise outcome
            yield outcome
    except ray.exceptions.RayError as error:
        raise CrossModelError(f"Ray could not do the work: {_short(error)}") from error


@dataclass(frozen=True, slots=True)
class _Doing:
    """Does the work on the item of a row's number; what it makes is opaque to Ray."""

    work: ray.ObjectRef[bytes]
    items: ray.ObjectRef[list[bytes]]

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            item = pickle.loads(_fetched(self.items)[row["id"]])  # noqa: S301 - from our driver
            return {"made": cloudpickle.dumps(_loaded(self.work)(item))}
        except ray.exceptions.RayError:
            raise
        except Exception as error:  # noqa: BLE001 - told by the one who asked for the work
            return {"made": _packed_error(error)}


@functools.lru_cache(maxsize=2)
def _fetched(ref: ray.ObjectRef[Any]) -> Any:
    """An object of the cluster, fetched and unpacked once per process and not for each item."""
    return ray.get(ref)


@functools.lru_cache(maxsize=2)
def _loaded(ref: ray.ObjectRef[bytes]) -> Callable[[Any], Any]:
    work: Callable[[Any], Any] = cloudpickle.loads(ray.get(ref))
    return work


def _packed_error(error: Exception) -> bytes:
    try:
        packed = pickle.dumps(error)
        if isinstance(error, CrossModelError) and pickle.loads(packed):  # noqa: S301 - our own
            return packed
    except Exception:  # noqa: BLE001, S110 - some errors need more than a message to be made again
        pass
    known = isinstance(error, CrossModelError)
    return pickle.dumps(CrossModelError(f"{'' if known else f'{type(error).__name__}: '}{error}"))


def _short(error: Exception) -> str:
    """What went wrong, without the stack of the machine that it went wrong on."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1].strip() if lines else ''}"[:MOST_ERROR]
