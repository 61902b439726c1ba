"""Helpers beside the tests are importable, and so is the upstream of the integration tests."""

import sys
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).parent),
    str(Path(__file__).parents[1]),
    str(Path(__file__).parents[1] / "integration"),
]
