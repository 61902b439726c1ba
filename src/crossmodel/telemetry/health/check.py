"""What a health check is."""

from __future__ import annotations

from abc import ABC, abstractmethod

from crossmodel.domain.operations import HealthCheckResult


class HealthCheck(ABC):
    """Derive from it, give it a name, and say in :meth:`check` how things are.

    Attributes:
        name: of the check: unique in its monitor, and the same after a restart, since alerts go by
            it. The class's name if it is left out.
        time_limit_seconds: how long it may take; ``None`` for the monitor's own limit.
    """

    name: str = ""
    time_limit_seconds: float | None = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        inherited = {"", *(base.__name__ for base in cls.__mro__[1:])}  # by this very rule
        if "name" not in cls.__dict__ and cls.name in inherited:
            cls.name = cls.__name__

    @abstractmethod
    def check(self) -> HealthCheckResult:
        """Look, and say what was found. Called in a thread, by one caller at a time.

        Whatever it raises is a finding, and so is taking longer than it may.
        """
