"""What tests of the gateway share."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from crossmodel.domain.models import ModelCapability, ModelSpec
from crossmodel.domain.period import utc_now
from crossmodel.domain.selection import ModelSelection, TaskRequirement
from crossmodel.gateway.served import Served
from crossmodel.wire.dialect import Dialect


@pytest.fixture(scope="session")
def served():
    """Makes requests that are over."""
    selection = ModelSelection("m", TaskRequirement([ModelCapability.CODING]), 1.0)

    def make(*, model="m", tenant="acme", path="/v1/chat/completions", status=200, **values):
        return Served(
            id="req_1", tenant=tenant, key=None, path=path, dialect=Dialect.CHAT, request=b"{}",
            selection=selection, model=ModelSpec(model, "p"), started_at=utc_now(), status=status,
            **values,
        )  # fmt: skip

    return make
