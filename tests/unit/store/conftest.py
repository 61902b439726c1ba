"""Each database that a store can be on: what the tests of stores share."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from postgres_server import PostgresServer


@pytest.fixture(scope="session")
def postgres_server():
    """A real server, started by the first test that asks for it."""
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture(params=["file", "memory", "postgres"])
def store_url(request, tmp_path):
    """The URL of a new store on each of the databases in turn."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres_server").store()
    return f"sqlite:///{tmp_path}/s.db" if request.param == "file" else "sqlite:///:memory:"


@pytest.fixture(params=["file", "postgres"])
def durable_url(request, tmp_path):
    """Likewise of those that a second process can open."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres_server").store()
    return f"sqlite:///{tmp_path}/s.db"
