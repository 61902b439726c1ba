"""Importing the package costs next to nothing and pulls in nothing heavy."""

import subprocess
import sys

HEAVY = ("sqlalchemy", "alembic", "xllamacpp", "pydantic", "httpx", "httptools", "starlette",
         "uvicorn", "numpy", "rich", "typer", "cryptography", "structlog", "msgspec")  # fmt: skip


def test_import_loads_no_server_no_model_runtime_and_no_orm():
    code = "import crossmodel, sys; print(*sorted(m.partition('.')[0] for m in sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "crossmodel" in loaded
    assert not set(HEAVY) & set(loaded)
