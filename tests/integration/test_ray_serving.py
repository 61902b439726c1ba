"""The gateway on Ray Serve: scaled, replaced and killed under load, with nothing lost."""

import asyncio
import time
import warnings

import httpx
import pytest
from ray_cluster import kill_one, local_ray, settings_in

from crossmodel import CrossModel
from crossmodel.deployment.target import InstanceState
from crossmodel.domain.operations import DeploymentConfig, ResourceAllocation
from crossmodel.errors import ConfigurationError, DeploymentError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # Ray warns of its own future
]

LISTEN = "127.0.0.1:18731"
SMALL = ResourceAllocation(0.2, 200)


@pytest.fixture(scope="module", autouse=True)
def ray_cluster():
    with warnings.catch_warnings(), local_ray():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def target():
    from crossmodel.deployment.ray.target import RayOptions, RayTarget

    made = RayTarget(RayOptions(resources=SMALL, drain_seconds=10, deploy_seconds=90))
    yield made
    made.undeploy()


def settings(folder, more=""):
    return settings_in(folder, "ok", more)


def config(path, instances=1, listen=LISTEN):
    return DeploymentConfig("ray", instances, listen, str(path))


class Load:
    """Clients that ask until the end of the block; what they were told stays in its lists."""

    def __init__(self, url, clients=4):
        self.url, self.clients = url, clients
        self.acknowledged, self.told, self.broken = [], [], []

    async def __aenter__(self):
        self._stop = asyncio.Event()
        self._client = httpx.AsyncClient(timeout=60)
        self._tasks = [asyncio.create_task(self._ask(n)) for n in range(self.clients)]
        return self

    async def __aexit__(self, *_):
        self._stop.set()
        await asyncio.gather(*self._tasks)
        await self._client.aclose()

    async def _ask(self, client):
        number = 0
        while not self._stop.is_set():
            number += 1
            await asyncio.sleep(0.03)  # two processors have other work as well
            text = f"client {client}, question {number}"
            body = {"model": "ok", "messages": [{"role": "user", "content": text}]}
            try:
                answer = await self._client.post(f"{self.url}/v1/chat/completions", json=body)
            except httpx.HTTPError as error:
                self.broken.append(repr(error))
                await asyncio.sleep(0.2)
                continue
            if answer.status_code == 200:
                assert text in answer.text
                self.acknowledged.append(answer.headers["x-crossmodel-request-id"])
            else:
                self.told.append((answer.status_code, answer.text))

    async def more(self, count):
        """Wait for so many more answers."""
        wanted = len(self.acknowledged) + count
        async with asyncio.timeout(60):
            while len(self.acknowledged) < wanted:
                await asyncio.sleep(0.05)


async def on_record(path, ids):
    """Which of the ids the log has a record of, once all that was handed over is written."""
    async with CrossModel.open(path, with_models=False) as cm:
        found = await cm.engine.store.read(
            lambda tx: {id_ for id_ in ids if tx.leaves_about("default", id_)}
        )
        report = await cm.verify()
    return found, report


async def test_scaling_and_replacing_under_load_lose_no_request_and_no_witness(tmp_path, target):
    path = settings(tmp_path / "state")
    deployed = target.deploy(config(path))
    assert (deployed.ready, deployed.wanted, deployed.is_whole) == (1, 1, True)
    assert deployed.instances[0].pid
    first = deployed.instances[0].id
    assert all(each.is_healthy for each in await asyncio.to_thread(target.probe))
    async with Load(deployed.url) as load:
        await load.more(20)
        four = await asyncio.to_thread(target.scale, 4)
        assert (four.ready, first in {each.id for each in four.instances}) == (4, True)
        await load.more(20)
        two = await asyncio.to_thread(target.scale, 2)
        assert (two.ready, two.wanted) == (2, 2)
        await load.more(20)
        resized = await asyncio.to_thread(target.resize, ResourceAllocation(0.3, 220))
        assert resized.resources == ResourceAllocation(0.3, 220)
        assert not {each.id for each in two.instances} & {each.id for each in resized.instances}
        await load.more(20)
    assert (load.told, load.broken) == ([], [])
    target.undeploy()
    assert target.status().deployment_id is None
    target.undeploy()
    found, report = await on_record(path, load.acknowledged)
    assert found == set(load.acknowledged)
    assert report.is_valid


async def test_what_is_killed_under_load_takes_no_acknowledged_request_along(tmp_path, target):
    path = settings(tmp_path / "state")
    deployed = await asyncio.to_thread(target.deploy, config(path, 2))
    async with Load(deployed.url) as load:
        await load.more(20)
        killed = {each.pid for each in deployed.instances}
        assert kill_one("ray::ServeReplica:crossmodel:gateway") in killed
        await load.more(50)
        deadline = time.monotonic() + 60
        while {each.pid for each in target.status().instances} >= killed:
            assert time.monotonic() < deadline, "nobody noticed"
            await asyncio.sleep(0.2)
        while target.status().ready < 2:
            assert time.monotonic() < deadline, "nobody took its place"
            await asyncio.sleep(0.2)
        # whoever was being answered has been told so, or has seen the connection end
        assert len(load.told) + len(load.broken) <= load.clients
        harm = len(load.told) + len(load.broken)
        assert kill_one("ray::ServeController")
        await load.more(100)
        assert len(load.told) + len(load.broken) == harm  # nobody has noticed
        assert kill_one("ray::ProxyActor")
        await load.more(100)  # there is another, for those who try again
    # Ray's proxy answers 404 by itself until it has learned its routes
    assert all(s >= 500 or (s == 404 and "routes" in said) for s, said in load.told), load.told
    assert all(each.is_healthy for each in await asyncio.to_thread(target.probe))
    target.undeploy()
    found, report = await on_record(path, load.acknowledged)
    # an answer goes out two milliseconds before its record is in the spool: of each client the one
    # that it had just got from the replica that was killed may lack it
    assert found <= set(load.acknowledged)
    assert len(load.acknowledged) - len(found) <= load.clients
    assert report.is_valid


async def test_what_cannot_run_leaves_running_what_ran(tmp_path, target):
    from crossmodel.deployment.ray.target import RayOptions, RayTarget

    path = settings(tmp_path / "state")
    deployed = await asyncio.to_thread(target.deploy, config(path))
    replica = {each.id for each in deployed.instances}
    broken = settings(tmp_path / "other", '[model_selector]\nrouter = "/nowhere/router.npz"')
    async with Load(deployed.url) as load:
        await load.more(5)
        with pytest.raises(DeploymentError, match=r"router\.npz"):
            await asyncio.to_thread(target.deploy, config(broken))
        hasty = RayTarget(RayOptions(deploy_seconds=5))
        with pytest.raises(DeploymentError, match="room"):
            await asyncio.to_thread(hasty.resize, ResourceAllocation(50, 200))
        await load.more(5)
    assert (load.told, load.broken) == ([], [])
    broken.write_text("[gateway]\nlisten = 7")
    with pytest.raises(ConfigurationError, match="listen"):
        target.deploy(config(broken))
    with pytest.raises(DeploymentError, match="18731"):
        target.deploy(config(path, listen="127.0.0.1:18732"))
    status = target.status()
    assert {each.id for each in status.instances if each.state is InstanceState.READY} == replica
    assert status.resources == SMALL
    assert all(each.is_healthy for each in target.probe())


def test_a_new_deployment_takes_the_place_of_the_old_and_autoscaling_is_passed_through(tmp_path):
    from crossmodel.deployment.ray import serving
    from crossmodel.deployment.ray.target import RayOptions, RayTarget

    def declared():
        (deployment,) = serving.declared()["crossmodel"]["deployments"]
        return deployment

    path = settings(tmp_path / "state")
    scaling = {"min_replicas": 1, "max_replicas": 3, "target_ongoing_requests": 40}
    options = RayOptions(resources=SMALL, autoscaling=scaling, drain_seconds=5, deploy_seconds=60)
    target = RayTarget(options)
    try:
        first = target.deploy(config(path))
        assert declared()["autoscaling_config"] == scaling | {"initial_replicas": 1}
        second = target.deploy(config(path))
        assert second.generation == first.generation + 1
        assert not {each.id for each in first.instances} & {each.id for each in second.instances}
        assert target.scale(1).wanted == 1  # from now on a fixed number
        assert "autoscaling_config" not in declared()
    finally:
        target.undeploy()
    with pytest.raises(DeploymentError, match="nothing is deployed"):
        target.scale(2)
