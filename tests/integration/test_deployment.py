"""Deployments on this machine: they grow, shrink and change under load, and lose nothing."""

import asyncio
import json
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from crossmodel import (
    CrossModelConsciousnessDeployment,
    DeploymentConfig,
    InvalidInputError,
    ResourceAllocation,
)
from crossmodel.deployment.local.process import InstanceProcess
from crossmodel.deployment.local.state import Folder, Wanted
from crossmodel.gateway.serving import LINGER_SECONDS
from crossmodel.store import open_store
from postgres_server import PostgresServer

pytestmark = pytest.mark.slow

SETTINGS = """
[gateway]
drain_seconds = 10
[[providers]]
id = "house"
kind = "fake"
[[models]]
id = "m"
provider = "house"
quality = 0.5
"""


class Load:
    """Clients that ask all the time, some on a connection that they keep and some on new ones."""

    def __init__(self, url, *, kept=5, fresh=2):
        self.url = url
        self.answered, self.failed = [], []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=[n < kept]) for n in range(kept + fresh)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _ask(self, is_kept):
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
        client = httpx.Client(trust_env=False, timeout=20)
        while not self._stop.is_set():
            try:
                answer = client.post(f"{self.url}/v1/chat/completions", json=body)
                if answer.status_code == 200:
                    self.answered.append(answer.headers["x-crossmodel-request-id"])
                else:
                    self.failed.append(f"{answer.status_code} {answer.text}")
            except httpx.HTTPError as error:
                self.failed.append(repr(error))
            if not is_kept:
                client.close()
                client = httpx.Client(trust_env=False, timeout=20)
            time.sleep(0.02)
        client.close()


def config(folder, **more):
    (folder / "crossmodel.toml").write_text(SETTINGS)
    return DeploymentConfig(
        listen="127.0.0.1:0", config_path=str(folder / "crossmodel.toml"), **more
    )


@pytest.fixture
def deployment(tmp_path):
    made = CrossModelConsciousnessDeployment(config(tmp_path))
    yield made
    before = pids(made)
    made.undeploy()
    assert not [pid for pid in before if psutil.pid_exists(pid)]


def pids(deployment):
    return [each.pid for each in deployment.status().instances]


def on_record(where, requests):
    """How many records the log has about each of the requests, once all are written."""
    url = where if isinstance(where, str) else f"sqlite:///{where}/crossmodel.db"

    async def look():
        store = await open_store(url)
        try:
            give_up = time.monotonic() + 20
            while True:
                found = await store.read(
                    lambda tx: Counter(leaf.about for leaf in tx.leaves(0, tx.log_size()))
                )
                if set(requests) <= set(found) or time.monotonic() > give_up:
                    return found
                await asyncio.sleep(0.2)
        finally:
            await store.close()

    return asyncio.run(look())


def test_growing_and_shrinking_under_load_loses_no_request_and_no_record(deployment, tmp_path):
    result = deployment.deploy()
    assert result.success, result.error
    found = result.validation_result
    assert found.is_valid
    assert {each.check_name for each in found.checks} >= {"instances", "clients", "request"}
    assert all(each.latency_ms > 0 for each in found.checks)
    url = deployment.status().url
    with Load(url) as load:
        time.sleep(0.5)
        for wanted in (4, 2):
            scaled = deployment.scale_horizontal(wanted)
            assert (scaled.success, scaled.instances, scaled.error) == (True, wanted, None)
            assert len(set(pids(deployment))) == wanted
            time.sleep(1.0)
        resized = deployment.scale_vertical(ResourceAllocation(cpu_cores=1, memory_mb=400))
        assert resized.success, resized.error
        assert resized.resources == ResourceAllocation(cpu_cores=1, memory_mb=400)
        assert all(len(psutil.Process(pid).cpu_affinity()) == 1 for pid in pids(deployment))
        again = deployment.deploy()  # an upgrade: one by one
        assert again.success, again.error
        assert again.deployment_id != result.deployment_id
        time.sleep(0.5)
    assert load.failed == []
    assert len(load.answered) > 300
    assert deployment.status().url == url
    found = on_record(tmp_path, load.answered)
    assert set(load.answered) <= set(found)


def test_an_instance_that_dies_is_replaced_and_what_was_answered_is_on_record(deployment, tmp_path):
    deployment.config.instances = 2
    assert deployment.deploy().success
    with Load(deployment.status().url) as load:
        time.sleep(0.5)
        for _ in range(3):
            victim = pids(deployment)[0]
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda victim=victim: victim not in pids(deployment))
            wait_for(lambda: deployment.status().is_whole)
            time.sleep(0.5)
        told = len(load.failed)
        time.sleep(1.0)
        assert len(load.failed) == told, "it does not go on without errors"
    # only who was asking the dead one heard of it, and that at once
    assert len(load.failed) <= 3 * 7
    assert all("Error" in each for each in load.failed), load.failed
    restarts = [each.restarts for each in deployment.status().instances]
    assert sum(restarts) == 3
    missing = set(load.answered) - set(on_record(tmp_path, load.answered))
    # an answer goes out two milliseconds before its record is in the spool: of each of 7 clients
    assert len(missing) <= 3 * 7


def test_instances_go_on_without_their_supervisor_and_are_taken_over(deployment, tmp_path):
    deployment.config.instances = 2
    assert deployment.deploy().success
    before = pids(deployment)
    with Load(deployment.status().url) as load:
        supervisor = psutil.Process(before[0]).ppid()
        os.kill(supervisor, signal.SIGKILL)
        wait_for(lambda: not deployment.status().is_supervised)
        time.sleep(0.5)
        assert all(psutil.pid_exists(pid) for pid in before)
        assert deployment.scale_horizontal(3).success
        status = deployment.status()
        assert status.is_whole
        assert status.is_supervised
    assert len(load.failed) <= 2, load.failed
    assert set(load.answered) - set(on_record(tmp_path, load.answered)) == set()


def test_postgresql_dies_under_load_and_every_answer_is_on_record(tmp_path):
    server = PostgresServer()
    try:
        url = server.store()
        made = CrossModelConsciousnessDeployment(config(tmp_path, instances=2))
        (tmp_path / "crossmodel.toml").write_text(
            SETTINGS + f'[store]\nurl = "{url}"\n[witness]\nspool_dir = "spool"\n'
        )
        result = made.deploy()
        assert result.success, result.error
        with Load(made.status().url) as load:
            time.sleep(1.0)
            server.kill()
            during = len(load.answered)
            time.sleep(2.0)
            during = len(load.answered) - during
            server.start()
            time.sleep(2.0)
            assert made.scale_horizontal(1).success
        made.undeploy()
        assert during > 0, "answers waited for the database"
        found = on_record(url, load.answered)
        assert set(load.answered) <= set(found)
        assert all("503" in each for each in load.failed), load.failed
        assert max(Counter(found[each] for each in load.answered)) <= 2  # none was written twice
    finally:
        server.stop()


def test_what_does_not_start_takes_the_place_of_nothing(deployment, tmp_path):
    assert deployment.deploy().success
    before = deployment.status()
    broken = SETTINGS + '[witness]\nkey_dir = "/proc/nowhere"\n'
    (tmp_path / "crossmodel.toml").write_text(broken)
    result = deployment.deploy()
    assert not result.success
    assert "instance 0 does not start" in result.error
    now = deployment.status()
    assert (now.deployment_id, now.instances, now.url) == (
        before.deployment_id, before.instances, before.url,
    )  # fmt: skip
    (tmp_path / "crossmodel.toml").write_text("[gateway]\nlisten = 3\n")
    result = deployment.deploy()
    assert not result.success
    assert "listen" in result.error
    assert deployment.status().instances == before.instances


def test_what_runs_but_does_not_answer_is_taken_back(deployment, tmp_path):
    assert deployment.deploy().success
    before = deployment.status()
    (tmp_path / "no.gguf").write_bytes(b"no model")  # which is found out by the first request
    settings = SETTINGS.replace('kind = "fake"', 'kind = "local"\nmodel_path = "no.gguf"')
    (tmp_path / "crossmodel.toml").write_text(settings)
    result = deployment.deploy()
    assert not result.success
    assert not result.validation_result.is_valid
    [wrong] = [each for each in result.validation_result.checks if not each.is_healthy]
    assert wrong.check_name == "request"
    assert result.error.endswith("what ran before runs again")
    now = deployment.status()
    assert (now.deployment_id, now.generation) == (before.deployment_id, before.generation)
    assert now.is_whole
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    asked = httpx.post(f"{now.url}/v1/chat/completions", json=body, trust_env=False)
    assert asked.status_code == 200


def test_a_first_deployment_that_does_not_start_leaves_nothing(tmp_path):
    made = CrossModelConsciousnessDeployment(config(tmp_path))
    settings = SETTINGS.replace('kind = "fake"', 'kind = "local"\nmodel_path = "none.gguf"')
    (tmp_path / "crossmodel.toml").write_text(settings)
    result = made.deploy()
    assert not result.success
    assert "no model file none.gguf" in result.error
    assert made.status().deployment_id is None
    assert made.status().instances == ()
    made.undeploy()  # again is no error


def test_a_port_that_is_taken_is_told(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        made = CrossModelConsciousnessDeployment(config(tmp_path))
        made.config.listen = f"127.0.0.1:{taken.getsockname()[1]}"
        result = made.deploy()
    assert not result.success
    assert "in use" in result.error
    assert made.status().deployment_id is None


def test_who_connects_while_a_gateway_ends_is_answered_by_the_next(tmp_path):
    """Accepted at the last moment, before a word was said, a connection would be cut."""
    (tmp_path / "crossmodel.toml").write_text(SETTINGS)
    folder = Folder(tmp_path / "state")
    folder.make()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
        wanted = Wanted(
            deployment_id="d", home=str(tmp_path), settings=str(tmp_path / "crossmodel.toml"),
            listen="127.0.0.1:0", instances=1,
        )  # fmt: skip

        def start():
            made = InstanceProcess.start(folder, wanted, listening, place=0, restarts=0)
            wait_for(lambda: made.look_for_address(folder))
            return made

        first = start()
        first.drain()
        time.sleep(0.8 * LINGER_SECONDS)
        with socket.create_connection(address, timeout=20) as client:
            wait_for(lambda: not first.is_alive)
            second = start()
            client.sendall(b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert client.recv(12) == b"HTTP/1.1 200"
        second.drain()
        wait_for(lambda: not second.is_alive)


@pytest.mark.parametrize("wanted", [0, -1, True, 1.5, float("nan")])
def test_so_many_cannot_be(deployment, wanted):
    with pytest.raises(InvalidInputError, match="target_instances"):
        deployment.scale_horizontal(wanted)


def test_without_a_deployment_there_is_nothing_to_scale(deployment):
    result = deployment.scale_horizontal(2)
    assert not result.success
    assert "nothing is deployed" in result.error
    assert deployment.status().instances == ()


def test_the_command_line(tmp_path, crossmodel_command):
    (tmp_path / "crossmodel.toml").write_text(SETTINGS + "[deployment]\ninstances = 1\n")
    try:
        made = crossmodel_command("deploy", "--listen", "127.0.0.1:0", "--json")
        assert made.returncode == 0, made.stderr + made.stdout
        told = json.loads(made.stdout)
        assert told["success"]
        assert told["validation"]["is_valid"]
        url = told["status"]["url"]
        assert httpx.get(f"{url}/v1/models", trust_env=False).status_code == 200
        scaled = json.loads(crossmodel_command("scale", 2, "--json").stdout)
        assert scaled == {"success": True, "instances": 2, "resources": None, "error": None}
        status = crossmodel_command("status")
        assert status.returncode == 0
        assert f"2 of 2 gateways answer at {url}" in status.stdout
        assert crossmodel_command("scale").returncode == 2
    finally:
        ended = crossmodel_command("undeploy")
    assert "2 gateways have ended" in ended.stdout
    assert crossmodel_command("status").returncode == 1
    assert "nothing was deployed" in crossmodel_command("undeploy").stdout


def wait_for(holds, seconds=20.0):
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up, "it has not come to that"
        time.sleep(0.05)
