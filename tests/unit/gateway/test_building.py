"""Settings become models that can be asked, and connections outlive changes of settings."""

import pytest

from crossmodel.balancing import LoadBalancerConfig
from crossmodel.errors import ConfigurationError
from crossmodel.gateway.building import Switchboard
from crossmodel.gateway.inprocess import InProcess
from crossmodel.providers import FakeProvider
from crossmodel.settings import load_settings
from crossmodel.wire.dialect import Dialect

KEY = "sk-0123456789"


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("P_KEY", KEY)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def settings(*providers, models=None):
    rows = [{"id": f"p{at}", "kind": "openai", **row} for at, row in enumerate(providers)]
    return load_settings(
        {
            "providers": rows,
            "models": models or [{"id": f"m{row['id']}", "provider": row["id"]} for row in rows],
        }
    )


def build(*providers, board=None, config=None, **more):
    return (board or Switchboard()).targets(
        settings(*providers, **more),
        {"p0": FakeProvider("So.")},
        config or LoadBalancerConfig(),
    )


def test_one_address_and_its_key():
    (target,) = build({"base_url": "http://a:8000/v1/", "api_key_env": "P_KEY",
                       "timeout_seconds": 7}).values()  # fmt: skip
    assert list(target.addresses) == ["http://a:8000/v1"]
    assert target.credentials == f"authorization: Bearer {KEY}\r\n".encode()
    assert (target.secret, target.seconds, target.dialect) == (KEY.encode(), 7, Dialect.CHAT)
    assert KEY not in repr(target)
    sent = target.addresses["http://a:8000/v1"].compose(b"/x", b"", b"hi")
    assert sent.startswith(b"POST /v1/x HTTP/1.1\r\nhost: a:8000\r\n")


def test_several_addresses_are_balanced_each_once():
    (target,) = build({"base_urls": ["http://a/v1", "http://b/v1/", "http://b/v1"]}).values()
    assert list(target.addresses) == ["http://a/v1", "http://b/v1"]
    assert [each.id for each in target.balancer.endpoints] == ["http://a/v1", "http://b/v1"]
    assert target.credentials == b""


@pytest.mark.parametrize("url", ["http://a", "http://a/", "http://a/v1", "http://a/v1/"])
def test_anthropics_addresses_may_have_v1_or_not(url):
    (target,) = build({"kind": "anthropic", "base_url": url}).values()
    assert list(target.addresses) == ["http://a"]
    assert target.dialect is Dialect.MESSAGES


def test_openai_itself_has_an_address_and_another_name_for_the_limit(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    (target,) = build({}).values()
    assert list(target.addresses) == ["https://api.openai.com/v1"]
    assert target.limit_field == "max_completion_tokens"
    (other,) = build({"base_url": "http://a/v1"}).values()
    assert other.limit_field == "max_tokens"
    assert other.credentials == b""  # a key is for whom it was made


def test_what_is_no_server_is_asked_in_this_process():
    (target,) = build({"kind": "fake"}).values()
    assert isinstance(target.addresses["p0"], InProcess)
    assert target.talks_only


BAD = ["ftp://a", "http://", "a:80", "http://a:99999", "http://u:p@a", "http://a?q", "http://[::1",
       "http://a/x y", "http://a/\r\nx: y", "http://a/é", "http://a/\x00", "http://\ud800"]  # fmt: skip


@pytest.mark.parametrize("url", BAD)
@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_an_address_that_cannot_be_used_is_named(url, kind):
    good = {"base_url": "http://a/v1"}
    for row, key in (
        ({"base_url": url}, "providers[1].base_url"),
        ({"base_urls": ["http://a/v1", url]}, "providers[1].base_urls[1]"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            build(good, {"kind": kind, **row})
        assert caught.value.path == key


def test_a_missing_key_is_named():
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY") as caught:
        build({})
    assert caught.value.path == "providers[0]"


def test_what_stays_keeps_its_connections_and_what_is_known_of_it():
    board = Switchboard()
    before = build({"base_urls": ["http://a/v1", "http://b/v1"]}, {"base_url": "http://b/v1"},
                   board=board)  # fmt: skip
    lease = before["mp0"].balancer.pick({"http://b/v1"})
    config = LoadBalancerConfig(load_balancing_strategy="least_connections")
    after = build({"base_urls": ["http://a/v1", "http://c/v1"]}, {"base_url": "http://b/v1/"},
                  board=board, config=config)  # fmt: skip
    one, other = before["mp0"], after["mp0"]
    assert other.addresses["http://a/v1"] is one.addresses["http://a/v1"]
    assert after["mp1"].addresses["http://b/v1"] is one.addresses["http://b/v1"]
    assert other.balancer is one.balancer
    assert other.balancer.config is config
    states = {each.id: each.in_flight for each in other.balancer.endpoints}
    assert states == {"http://a/v1": 1, "http://c/v1": 0}
    lease.succeeded(0.1)
    assert other.balancer.endpoints[0].in_flight == 0


def test_addresses_are_shared_by_models_and_let_go_of_by_the_last():
    board = Switchboard()
    rows = [{"base_url": "http://a/v1"}, {"base_url": "http://a/v1"}]
    both = build(*rows, board=board)
    address = both["mp0"].addresses["http://a/v1"]
    assert both["mp1"].addresses["http://a/v1"] is address
    assert build(rows[0], board=board)["mp0"].addresses["http://a/v1"] is address
    build({"base_url": "http://b/v1"}, board=board)
    assert build(rows[0], board=board)["mp0"].addresses["http://a/v1"] is not address


def test_settings_that_cannot_be_used_change_nothing():
    board = Switchboard()
    before = build({"base_url": "http://a/v1"}, board=board)
    for url in BAD:
        with pytest.raises(ConfigurationError):
            build({"base_url": "http://b/v1"}, {"base_url": url}, board=board)
    after = build({"base_url": "http://a/v1"}, board=board)
    assert after["mp0"].addresses == before["mp0"].addresses
