"""A gateway over the hostile upstream, for all tests of a session; and clients for it."""

import pytest

from gateway.process import Gateway
from gateway.setting import CLIENT_KEYS, ENVIRONMENT, main_settings


@pytest.fixture(scope="session")
def gateway_process(upstream_process, tmp_path_factory):
    """One gateway whose models behave as the upstream's do: plain ids speak chat, ``claude/…`` messages."""
    folder = tmp_path_factory.mktemp("gateway")
    with Gateway(
        folder, main_settings(upstream_process), ENVIRONMENT, CLIENT_KEYS["all"]
    ) as gateway:
        yield gateway


@pytest.fixture
def gateway(gateway_process, upstream):
    """The same; the upstream has seen nothing yet."""
    return gateway_process


@pytest.fixture
def chat(gateway):
    """OpenAI's client."""
    with gateway.openai() as client:
        yield client


@pytest.fixture
def claude(gateway):
    """Anthropic's client."""
    with gateway.claude() as client:
        yield client


@pytest.fixture(params=["sync", "async"])
async def any_chat(gateway, request):
    """OpenAI's client, in both its kinds; ``settled`` waits for either."""
    if request.param == "sync":
        with gateway.openai() as client:
            yield client
    else:
        async with gateway.async_openai() as client:
            yield client


@pytest.fixture(params=["sync", "async"])
async def any_claude(gateway, request):
    """Anthropic's client, likewise."""
    if request.param == "sync":
        with gateway.claude() as client:
            yield client
    else:
        async with gateway.async_claude() as client:
            yield client
