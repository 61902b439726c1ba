"""Values that tell who watches them that they changed: what arrays are built from, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")

Notify = Callable[[], None]


class WatchedDict(dict[K, V]):
    """A dictionary that calls ``notify`` after every change of its keys or values.

    Copies and pickles of it are plain dictionaries.
    """

    __slots__ = ("_notify",)

    def __init__(self, items: Any, notify: Notify) -> None:
        super().__init__(items)
        self._notify = notify

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        self._notify()

    def __delitem__(self, key: K) -> None:
        super().__delitem__(key)
        self._notify()

    def __ior__(self, other: Any) -> WatchedDict[K, V]:  # type: ignore[override,misc]
        self.update(other)
        return self

    def update(self, *args: Any, **kwargs: V) -> None:
        """As of a dictionary."""
        super().update(*args, **kwargs)
        self._notify()

    def pop(self, *args: Any) -> Any:
        """As of a dictionary."""
        value = super().pop(*args)
        self._notify()
        return value

    def popitem(self) -> tuple[K, V]:
        """As of a dictionary."""
        item = super().popitem()
        self._notify()
        return item

    def clear(self) -> None:
        """As of a dictionary."""
        super().clear()
        self._notify()

    def setdefault(self, key: K, default: V) -> V:
        """As of a dictionary."""
        value = super().setdefault(key, default)
        self._notify()
        return value

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


class Watched:
    """An object that calls those who watch it after every change of an attribute."""

    __slots__ = ("_watchers",)
    _watchers: tuple[Notify, ...]

    def watch(self, notify: Notify) -> None:
        """Call ``notify`` after every change from here on."""
        watchers = getattr(self, "_watchers", ())
        object.__setattr__(self, "_watchers", (*watchers, notify))

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        for notify in getattr(self, "_watchers", ()):
            notify()
