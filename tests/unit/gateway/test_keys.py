"""Whose key it is, at once and for as long as it is of use; and no key is ever shown."""

import logging
import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from crossmodel.domain.client_key import ClientKey, digest_of
from crossmodel.errors import ConfigurationError, InvalidInputError, NotFoundError
from crossmodel.gateway.keys import (
    MOST_BYTES,
    Keyring,
    admin_digest,
    bearer,
    configured_keys,
    create_key,
    is_admin,
    load_keys,
)
from crossmodel.settings import load_settings
from crossmodel.store import open_store

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
CLEAR = "clear-key-of-the-client"


class Calendar:
    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now


def key(name="ci", clear=CLEAR, **limits):
    return ClientKey(name, digest_of(clear.encode()), **limits)


def test_a_made_key_is_random_and_its_owner_is_found():
    made = [create_key("ci", daily_budget=1.0), create_key("app", tenant="red")]
    assert made[0].clear != made[1].clear
    assert all(each.clear.startswith("cmk-") and len(each.clear) == 47 for each in made)
    ring = Keyring(each.key for each in made)
    for each in made:
        assert ring.identify(each.clear.encode()) is each.key
    assert (made[0].key.daily_budget, made[1].key.tenant) == (1.0, "red")


def test_nobody_else_is_anybody():
    ring = Keyring([key()])
    others = (CLEAR[:-1], CLEAR + "x", CLEAR.upper(), "", " ", "\0", digest_of(CLEAR.encode()))
    assert {ring.identify(other.encode()) for other in others} == {None}
    assert ring.identify(bytes.fromhex(digest_of(CLEAR.encode()))) is None
    assert ring.identify(CLEAR.encode() + b"\0" * 1_000_000) is None
    assert Keyring().identify(b"") is None


@given(st.binary(max_size=MOST_BYTES + 2))
def test_any_bytes_are_the_key_or_are_not(presented):
    assert (Keyring([key()]).identify(presented) is None) == (presented != CLEAR.encode())


def test_a_key_as_long_as_may_be_is_known():
    longest = "x" * MOST_BYTES
    assert Keyring([key(clear=longest)]).identify(longest.encode()) is not None
    assert Keyring([key(clear=longest + "x")]).identify(longest.encode() + b"x") is None


def test_it_expires_in_mid_life():
    clock = Calendar()
    ring = Keyring([key(expires_at=NOON + timedelta(seconds=1))], clock=clock)
    assert ring.identify(CLEAR.encode()) is not None
    clock.now += timedelta(seconds=1)
    assert ring.identify(CLEAR.encode()) is None


def test_what_is_revoked_is_refused_at_once_and_for_good():
    clock = Calendar()
    ring = Keyring([key(), key("app", "another")], clock=clock)
    assert ring.revoke("ci").revoked_at == NOON
    assert ring.identify(CLEAR.encode()) is None
    assert ring.identify(b"another") is not None
    clock.now += timedelta(days=1)
    assert ring.revoke("ci").revoked_at == NOON
    for again in (key(), key(clear="a new one"), key("new")):
        with pytest.raises(InvalidInputError, match=r"take another name|the same as 'ci'"):
            ring.add(again)
    with pytest.raises(NotFoundError, match="no client key 'nobody'"):
        ring.revoke("nobody")


def test_a_revocation_to_come_waits_for_its_moment():
    clock = Calendar()
    ring = Keyring([key()], clock=clock)
    ring.revoke("ci", NOON + timedelta(hours=1))
    assert ring.identify(CLEAR.encode()) is not None
    clock.now += timedelta(hours=1)
    assert ring.identify(CLEAR.encode()) is None


def test_a_gateway_whose_last_key_is_gone_still_asks_for_one():
    assert not Keyring().asks_for_keys
    ring = Keyring([key()])
    ring.revoke("ci")
    assert ring.asks_for_keys
    assert Keyring([key(expires_at=NOON)]).asks_for_keys


def test_other_limits_of_the_same_key_take_its_place():
    ring = Keyring([key()])
    ring.add(key(models=("m",)))
    assert ring.identify(CLEAR.encode()).models == ("m",)
    assert len(ring.keys) == 1


def test_names_and_keys_are_unique():
    ring = Keyring([key()])
    for other in (key(clear="another"), key("app")):
        with pytest.raises(InvalidInputError):
            ring.add(other)
        with pytest.raises(InvalidInputError, match=r"two client keys|the same as"):
            ring.replace_all([key(), other])
    assert ring.keys == (ring.identify(CLEAR.encode()),)


def test_all_are_replaced_at_once():
    ring = Keyring([key(), key("app", "another")])
    ring.replace_all([key("new", "third")])
    found = [ring.identify(each) for each in (CLEAR.encode(), b"another", b"third")]
    assert [each and each.name for each in found] == [None, None, "new"]


def test_nothing_shows_a_key():
    made = create_key("ci")
    ring = Keyring([made.key])
    for shown in (repr(made), str(made), repr(ring), repr(ring.keys), f"{made.key}"):
        assert made.clear[4:] not in shown
        assert made.key.digest not in shown
    assert made.clear.encode() not in pickle.dumps(ring.keys)


class Rings(RuleBasedStateMachine):
    """However keys come and go, who is known is who was let in and not thrown out."""

    names = st.sampled_from(["a", "b", "c"])

    def __init__(self):
        super().__init__()
        self.ring = Keyring()
        self.live, self.gone = {}, {}

    @rule(name=names, clear=st.sampled_from(["1", "2", "3"]))
    def add(self, name, clear):
        taken = self.gone | self.live
        mine = self.live.get(name) == clear
        is_fine = mine or (name not in taken and clear not in taken.values())
        try:
            self.ring.add(key(name, clear))
        except InvalidInputError:
            assert not is_fine
        else:
            assert is_fine
            self.live[name] = clear

    @rule(name=names)
    def revoke(self, name):
        try:
            self.ring.revoke(name)
        except NotFoundError:
            assert name not in self.live | self.gone
        else:
            if name in self.live:
                self.gone[name] = self.live.pop(name)

    @invariant()
    def only_the_living_are_known(self):
        for clear in ("1", "2", "3"):
            known = self.ring.identify(clear.encode())
            assert ([known.name] if known else []) == [
                n for n, c in self.live.items() if c == clear
            ]


TestRings = Rings.TestCase


SETTINGS = {
    "loop": {"tenant": "house"},
    "models": [{"id": "m", "provider": "local"}],
    "keys": [
        {"name": "ci", "key_env": "CI_KEY", "models": ["m"], "daily_budget": 2, "concurrent": 3},
        {
            "name": "app",
            "key_env": "APP_KEY",
            "tenant": "red",
            "expires_at": "2031-01-01T00:00:00Z",
        },
    ],
}
ENVIRON = {"CI_KEY": CLEAR, "APP_KEY": "another-clear-key-0123456789"}


def test_the_keys_of_the_settings_are_in_the_environment():
    ci, app = configured_keys(load_settings(SETTINGS), ENVIRON)
    assert (ci.name, ci.tenant, ci.models, ci.budgets) == (
        "ci",
        "house",
        ("m",),
        {"daily_budget": 2},
    )
    assert (ci.concurrent, ci.requests_per_minute) == (3, None)
    assert (app.tenant, app.expires_at) == ("red", datetime(2031, 1, 1, tzinfo=UTC))
    assert Keyring([ci, app]).identify(CLEAR.encode()) is ci


@pytest.mark.parametrize(
    ("environ", "path", "message"),
    [
        ({"CI_KEY": CLEAR}, r"keys\[1\]\.key_env", "APP_KEY is not set"),
        (ENVIRON | {"APP_KEY": ""}, r"keys\[1\]\.key_env", "APP_KEY is not set"),
        (ENVIRON | {"APP_KEY": CLEAR}, r"keys\[1\]\.key_env", "the same key as that of 'ci'"),
        (ENVIRON | {"CI_KEY": CLEAR + "\n"}, r"keys\[0\]\.key_env", "printable ASCII"),
        (ENVIRON | {"CI_KEY": "clé " * 8}, r"keys\[0\]\.key_env", "printable ASCII"),
        (ENVIRON | {"CI_KEY": "x" * 513}, r"keys\[0\]\.key_env", "at most 512"),
    ],
)
def test_a_key_that_nobody_could_use_is_refused_and_not_shown(environ, path, message):
    with pytest.raises(ConfigurationError, match=f"{path}.*{message}") as caught:
        configured_keys(load_settings(SETTINGS), environ)
    for clear in environ.values():
        assert not clear or clear not in str(caught.value)


def test_a_short_key_is_warned_of_and_works(caplog):
    with caplog.at_level(logging.WARNING):
        ci, _ = configured_keys(load_settings(SETTINGS), ENVIRON | {"CI_KEY": "sk-test"})
    assert "CI_KEY holds fewer than 16 characters" in caplog.text
    assert "sk-test" not in caplog.text
    assert Keyring([ci]).identify(b"sk-test") is ci


async def test_keys_of_settings_and_store_are_one_ring(tmp_path, monkeypatch):
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(SETTINGS)
    store = await open_store(f"sqlite:///{tmp_path}/s.db")
    made, gone = create_key("made", tenant="blue"), create_key("gone")
    await store.transact(lambda tx: [tx.put_client_key(each.key) for each in (made, gone)])
    await store.transact(lambda tx: tx.revoke_client_key("gone", NOON))
    await store.close()

    store = await open_store(f"sqlite:///{tmp_path}/s.db")  # as after a restart
    ring = await Keyring.load(settings, store)
    assert sorted(each.name for each in ring.keys) == ["app", "ci", "gone", "made"]
    assert ring.identify(made.clear.encode()) == made.key
    assert ring.identify(gone.clear.encode()) is None
    assert ring.identify(CLEAR.encode()).tenant == "house"

    clash = load_settings(SETTINGS | {"keys": [{"name": "gone", "key_env": "CI_KEY"}]})
    with pytest.raises(ConfigurationError, match=r"keys\[0\]\.name: .*client key 'gone'"):
        await load_keys(clash, store)
    monkeypatch.setenv("CI_KEY", made.clear)
    with pytest.raises(ConfigurationError, match=r"keys\[0\]\.key_env: .*under the name 'made'"):
        await load_keys(settings, store)
    await store.close()


def test_the_admin_key_is_another_one():
    settings = load_settings({"gateway": {"admin_key_env": "ADMIN"}})
    digest = admin_digest(settings, {"ADMIN": CLEAR})
    assert is_admin(CLEAR.encode(), digest)
    others = (b"", CLEAR.encode()[:-1], digest.encode(), b"x" * 1_000_000, b"\xff")
    assert not any(is_admin(other, digest) for other in others)


def test_without_an_admin_key_nobody_shows_it():
    assert admin_digest(load_settings(), {}) == ""
    assert not is_admin(b"", "")
    assert not is_admin(CLEAR.encode(), "")


@pytest.mark.parametrize("environ", [{}, {"ADMIN": ""}, {"ADMIN": "short"}, {"ADMIN": "a b" * 9}])
def test_an_admin_key_that_is_none_stops_the_start(environ):
    settings = load_settings({"gateway": {"admin_key_env": "ADMIN"}})
    with pytest.raises(ConfigurationError, match=r"gateway\.admin_key_env: ADMIN|variable ADMIN"):
        admin_digest(settings, environ)


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (b"Bearer abc", b"abc"),
        (b"bearer  abc ", b"abc"),
        (b"BEARER abc", b"abc"),
        (b"Bearer", b""),
        (b"Bearerabc", b""),
        (b"Basic abc", b""),
        (b"abc", b""),
        (b"", b""),
        (b"Bearer\tabc", b""),
    ],
)
def test_a_bearer_is_a_bearer(header, token):
    assert bearer(header) == token


def test_a_key_keeps_its_place_when_it_is_replaced_by_an_equal_one():
    ring = Keyring([key()])
    equal = replace(ring.keys[0])
    ring.add(equal)
    assert ring.identify(CLEAR.encode()) is equal
