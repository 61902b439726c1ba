"""How every property test runs, whatever the machine; and what must not be tested."""

import os
import sysconfig
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "crossmodel",
    deadline=None,  # a slow machine is no wrong answer: benchmarks/ and people watch the speed
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,  # what lands is decided by the code; new examples come at home
    database=None if "CI" in os.environ else settings.default.database,
    print_blob=True,
)
settings.load_profile("crossmodel")


def pytest_sessionstart():
    """Refuse to test extensions that were compiled from other sources than those that are here."""
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    for library in (Path(__file__).parents[1] / "src").rglob(f"*{suffix}"):
        source = library.with_name(library.name.removesuffix(suffix) + ".py")
        if source.exists() and source.stat().st_mtime > library.stat().st_mtime:
            pytest.exit(f"{source} is newer than its extension: make fast, or make pure", 3)
