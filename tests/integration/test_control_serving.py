"""The control plane's address: taken, left, and beside the signals of whoever runs the loop."""

import asyncio
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from starlette.responses import PlainTextResponse

from crossmodel import ConfigurationError
from crossmodel.gateway.control.serving import start

APP = PlainTextResponse("here")


async def test_it_listens_answers_and_lets_go():
    running = await start(APP, "127.0.0.1", 0)
    host, port = running.address
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"http://{host}:{port}/")).text == "here"
    await running.stop()
    await running.stop()
    with socket.create_server((host, port)):
        pass  # nobody else has it any more


async def test_it_can_be_stopped_before_it_has_begun():
    running = await start(APP, "localhost", 0)
    await asyncio.wait_for(running.stop(), 5)


async def test_an_address_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"gateway.control: .*127.0.0.1:{port}"):
            await start(APP, "127.0.0.1", port)
    with pytest.raises(ConfigurationError, match=r"gateway\.control"):
        await start(APP, "no.such.host.invalid", 0)


async def test_signals_stay_with_whoever_runs_the_loop():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    running = await start(APP, "127.0.0.1", 0)
    await asyncio.sleep(0.05)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    await running.stop()


def test_what_the_hot_path_needs_imports_no_server_and_no_metrics_library():
    code = (
        "import sys, crossmodel.gateway.metrics, crossmodel.gateway.control.ports;"
        "print([n for n in ('starlette', 'uvicorn', 'prometheus_client') if n in sys.modules]);"
        "import crossmodel.gateway.control.app;"
        "print('prometheus_client' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:2] == ["[]", "False"]
