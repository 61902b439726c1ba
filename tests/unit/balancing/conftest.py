"""Lets the tests of balancing share a clock."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
