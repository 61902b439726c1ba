"""Importing the package costs next to nothing and pulls in nothing heavy."""

import subprocess
import sys

HEAVY = ("sqlalchemy", "alembic", "xllamacpp", "pydantic", "httpx", "httptools", "starlette",
         "uvicorn", "numpy", "pyarrow", "ray", "rich", "typer", "cryptography", "structlog", "msgspec")  # fmt: skip


def test_import_loads_no_server_no_model_runtime_and_no_orm():
    code = "import crossmodel, sys; print(*sorted(m.partition('.')[0] for m in sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "crossmodel" in loaded
    assert not set(HEAVY) & set(loaded)


ENGINE = """
import asyncio, os, sys
import crossmodel
from crossmodel.assembly import CrossModel

async def main():
    async with CrossModel.open(sys.argv[1]) as cm:
        assert cm.select("coding").model_id == "ok"

asyncio.run(main())
loaded = set(sys.modules)
print(*sorted(loaded))
"""

LATER = (
    "alembic", "cloudpickle", "cryptography.x509", "detect_secrets", "httpx",
    "httpcore", "markdown_it", "onnxruntime", "opentelemetry", "phonenumbers", "prometheus_client",
    "pyarrow", "pydantic", "rapidfuzz", "ray", "rich",
    "safetensors", "sqlalchemy.dialects.postgresql", "sqlalchemy.orm", "stamina", "stdnum",
    "structlog", "tokenizers", "typer", "usearch", "xllamacpp",
    "crossmodel.extraction.extractor", "crossmodel.replay.replayer",
    "crossmodel.telemetry.alerts.manager", "crossmodel.telemetry.health", "crossmodel.telemetry.logs",
    "crossmodel.transfer.transfer", "crossmodel.witness.provenance.chain",
)  # fmt: skip
"""What an engine that selects has no use for: it loads when an insight, an answer or a proof is."""


def test_an_open_engine_has_loaded_nothing_that_it_has_no_use_for(tmp_path):
    settings = tmp_path / "crossmodel.toml"
    settings.write_text(
        f"""
        [store]
        url = "sqlite:///{tmp_path}/s.db"
        [witness]
        key_dir = "{tmp_path}/keys"
        [[providers]]
        id = "p"
        kind = "openai"
        base_url = "http://127.0.0.1:9/v1"
        [[models]]
        id = "ok"
        provider = "p"
        capabilities = {{ coding = 0.6 }}
        """
    )
    for start in ("the first, on a new store", "the next"):
        loaded = subprocess.run(
            [sys.executable, "-c", ENGINE, str(settings)],
            capture_output=True, text=True, check=True,
        ).stdout.split()  # fmt: skip
        assert "crossmodel.engine" in loaded
        assert sorted(set(LATER) & set(loaded)) == [], start


def test_the_command_line_loads_the_command_that_is_run():
    code = """
import sys
sys.argv = ["crossmodel", "models", "--help"]
try:
    from crossmodel.cli.app import run
    run()
except SystemExit:
    sys.stderr.write(" ".join(sorted(sys.modules)))
"""
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stderr.split()
    assert "crossmodel.cli.models" in loaded
    others = {name for name in loaded if name.startswith("crossmodel.cli.")}
    assert others == {
        f"crossmodel.cli.{name}" for name in ("app", "models", "output", "serving", "source")
    }
