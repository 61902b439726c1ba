"""Active health checks of real addresses."""

import asyncio
import contextlib

import pytest

from crossmodel.balancing import Balancer, LoadBalancerConfig
from crossmodel.domain.models import ModelSpec
from crossmodel.gateway.health import HealthChecks
from crossmodel.gateway.targets import Target
from crossmodel.gateway.upstream import Upstream
from crossmodel.wire.dialect import Dialect


class Server:
    """Answers each check with ``status``; not at all if that is ``None``."""

    def __init__(self):
        self.status = 200
        self.heads = []

    async def serve(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            if self.status is None:
                await reader.read()
            else:
                writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 1000\r\n\r\n" % self.status)
                await reader.read()  # the rest of the body is not waited for
        writer.close()


@pytest.fixture
async def pair():
    """Two servers, the addresses that lead to them, and the checks."""
    async with contextlib.AsyncExitStack() as stack:
        servers, addresses = [], {}
        for _ in range(2):
            server = Server()
            listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
            stack.callback(listening.close)
            url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
            addresses[url] = Upstream(f"{url}/deep/v1")
            stack.callback(addresses[url].close)
            servers.append(server)
        config = LoadBalancerConfig(
            health_check_interval=0.01, health_check_timeout=0.05, unhealthy_after=2,
            healthy_after=2, health_check_path="/status?x=1",
        )  # fmt: skip
        checks = HealthChecks(config)
        stack.callback(checks.close)
        yield servers, addresses, checks, config


def target(addresses, name="m", *, config=None):
    balancer = Balancer(addresses, config or LoadBalancerConfig())
    return Target(ModelSpec(name, "p"), Dialect.CHAT, addresses, balancer)


def healthy(of):
    return [endpoint.healthy for endpoint in of.balancer.endpoints]


async def until(checks, holds):
    async with asyncio.timeout(10):
        while not holds():
            checks.tick()
            await asyncio.sleep(0.005)


async def test_only_where_there_is_a_choice_is_anybody_asked(pair):
    servers, addresses, checks, _ = pair
    url = next(iter(addresses))
    checks.watch([target({url: addresses[url]})])
    for _ in range(20):
        checks.tick()
        await asyncio.sleep(0.005)
    assert not servers[0].heads
    checks.watch([target(addresses)])
    await until(checks, lambda: all(len(server.heads) > 1 for server in servers))


async def test_a_check_asks_for_the_path_and_shows_no_key(pair):
    servers, addresses, checks, _ = pair
    checks.watch([target(addresses)])
    await until(checks, lambda: servers[0].heads)
    head = servers[0].heads[0].lower()
    assert head.startswith(b"get /status?x=1 http/1.1\r\nhost: 127.0.0.1:")
    assert b"authorization" not in head
    assert b"x-api-key" not in head


@pytest.mark.parametrize("fault", [500, 503, None])
async def test_who_fails_often_enough_is_left_out_until_it_is_well(pair, fault):
    servers, addresses, checks, _ = pair
    models = [target(addresses), target(addresses, "other")]
    checks.watch(models)
    servers[0].status = fault
    await until(checks, lambda: healthy(models[0]) == [False, True])
    assert healthy(models[1]) == [False, True]
    assert len(servers[0].heads) >= 2
    for _ in range(5):
        assert models[0].balancer.pick().endpoint.id == [*addresses][1]
    servers[0].status = 404  # many know no such path and are well
    await until(checks, lambda: healthy(models[0]) == [True, True])


async def test_one_failure_is_none(pair):
    servers, addresses, checks, config = pair
    config.unhealthy_after = 1000
    model = target(addresses)
    checks.watch([model])
    servers[0].status = 500
    await until(checks, lambda: len(servers[0].heads) > 3)
    assert healthy(model) == [True, True]


async def test_nobody_there_is_unhealthy(pair):
    _, addresses, checks, _ = pair
    model = target({**addresses, "gone": Upstream("http://127.0.0.1:1")})
    checks.watch([model])
    await until(checks, lambda: healthy(model) == [True, True, False])


async def test_what_is_known_outlives_a_reload(pair):
    servers, addresses, checks, _ = pair
    model = target(addresses)
    checks.watch([model])
    servers[0].status = 500
    await until(checks, lambda: healthy(model) == [False, True])
    again = target(addresses)
    checks.watch([again])
    assert healthy(again) == [False, True]
    url = [*addresses][1]
    alone = target({url: addresses[url]})
    checks.watch([alone])  # under way checks end without harm
    checks.tick()
    await asyncio.sleep(0.1)
    checks.watch([back := target(addresses)])
    assert healthy(back) == [True, True]


async def test_a_check_that_hangs_is_given_up_and_its_connection_ended(pair):
    servers, addresses, checks, _ = pair
    for server in servers:
        server.status = None
    model = target(addresses)
    checks.watch([model])
    await until(checks, lambda: healthy(model) == [False, False])
    assert model.balancer.pick().endpoint.id in addresses  # all are out: then none is
    checks.close()
    async with asyncio.timeout(5):
        while any(address.open_connections for address in addresses.values()):
            await asyncio.sleep(0.005)
