"""What is held until somebody gives it back, and never for longer."""

from __future__ import annotations

from abc import abstractmethod
from types import TracebackType
from typing import Self


class Held:
    """Given back once: by a word of the holder, on leaving a ``with``, or when it is collected."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = True

    @abstractmethod
    def _let_go(self) -> object:
        """Give back what is held without a word of the holder."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._held:
            self._let_go()

    def __del__(self) -> None:
        if self._held:
            self._let_go()
