"""What ``chaos.py`` is made of; the hostile upstream is the one that the integration tests have."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "tests" / "integration"))
