"""How every property test runs, whatever the machine."""

import os

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
