"""Who may look: passwords, sessions, how often somebody may try."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.dashboard.access import Access, NotAllowedError, Session, User, open_access
from crossmodel.dashboard.attempts import PER_ADDRESS, PER_NAME, REMEMBERED, SECONDS, Attempts
from crossmodel.dashboard.passwords import hash_password, is_hash, is_password_of
from crossmodel.errors import ConfigurationError, InvalidInputError
from crossmodel.settings import DashboardSettings, DashboardUser, load_settings

PASSWORD = "correct horse battery"
HASH = hash_password(PASSWORD)


class Clock:
    """The time, but for what a test moves it by: tokens carry the true one."""

    def __init__(self):
        self.moved = 0.0

    def __call__(self):
        return time.time() + self.moved


def users(**changed):
    return [
        User("ada", "admin", "acme", HASH),
        User("vera", "viewer", changed.get("tenant", "t"), HASH),
    ]


def access(people=None, secret="s" * 32, clock=time.time, seconds=60.0):
    people = users() if people is None else people
    return Access(people, tenant="acme", secret=secret, lifetime_seconds=seconds, clock=clock)


def test_a_password_is_known_by_its_hash_alone():
    assert is_password_of(PASSWORD, HASH)
    assert not is_password_of(PASSWORD + " ", HASH)
    assert hash_password(PASSWORD) != HASH, "the salt is drawn anew"
    assert PASSWORD not in HASH
    assert HASH.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


@pytest.mark.parametrize("password", ["", "x" * 11, "x" * 1025])
def test_passwords_have_a_length(password):
    with pytest.raises(InvalidInputError, match="12 to 1024 characters"):
        hash_password(password)


def test_any_character_may_be_in_a_password():
    strange = "\ud800\x00\u202e ü 漢字 \N{GRINNING FACE} and more"
    assert is_password_of(strange, hash_password(strange))


@given(st.text())
def test_what_is_no_hash_is_nobodys_password(text):
    assert not is_hash(text)
    assert not is_password_of(PASSWORD, text)


@pytest.mark.parametrize(
    "kept",
    [
        HASH.replace("m=65536", "m=9999999"),
        HASH.replace("m=65536", "m=0"),
        HASH + "\n",
        HASH.replace("argon2id", "argon2i"),
        HASH.replace("v=19", "v=16"),
        HASH[:-60],
    ],
    ids=["too much memory", "none", "a line behind it", "another kind", "another version", "cut"],
)
def test_a_hash_that_would_take_the_memory_or_is_of_another_kind_is_none(kept):
    assert not is_hash(kept)
    assert not is_password_of(PASSWORD, kept)


def test_a_session_is_its_users():
    people = access()
    session = people.session(people.sign_in("vera", PASSWORD))
    assert session is not None
    assert (session.name, session.role, session.tenant) == ("vera", "viewer", "t")
    assert not session.may_change
    assert not session.runs_everything
    with pytest.raises(NotAllowedError, match="vera is a viewer"):
        session.require_admin()
    admin = people.session(people.sign_in("ada", PASSWORD))
    assert admin.may_change
    assert admin.runs_everything
    admin.require_admin()


@pytest.mark.parametrize(
    ("name", "password"), [("ada", "wrong"), ("eve", PASSWORD), ("", ""), ("Ada", PASSWORD)]
)
def test_nobody_else_gets_a_session(name, password):
    assert access().sign_in(name, password) is None


@given(st.text() | st.none())
def test_what_is_no_token_is_no_session(token):
    assert access().session(token) is None


def test_a_token_of_another_secret_another_password_or_a_former_user_is_none():
    token = access().sign_in("ada", PASSWORD)
    assert access().session(token) is not None
    assert access(secret="t" * 32).session(token) is None
    assert access([User("ada", "admin", "acme", hash_password(PASSWORD))]).session(token) is None
    assert access([users()[1]]).session(token) is None
    assert access().session(token + "x") is None
    head, dot, rest = token.partition(".")
    assert access().session(f"{head[:-1]}{'A' if head[-1] != 'A' else 'B'}{dot}{rest}") is None


def test_a_session_ends_by_time_and_by_signing_out():
    clock = Clock()
    people = access(clock=clock, seconds=60)
    token, other = people.sign_in("ada", PASSWORD), people.sign_in("ada", PASSWORD)
    session = people.session(token)
    assert people.is_live(session)
    people.end(session)
    assert people.session(token) is None
    assert not people.is_live(session)
    assert people.session(other) is not None, "only that one ends"
    clock.moved += 63
    assert people.session(other) is None
    people.end(people.session(people.sign_in("vera", PASSWORD)) or session)
    assert len(people._ended) <= 2, "what is too old anyway is forgotten"


def test_a_token_from_the_future_is_none():
    clock = Clock()
    people = access(clock=clock)
    token = people.sign_in("ada", PASSWORD)
    clock.moved -= 3600
    assert people.session(token) is None


def test_without_users_everybody_is_an_admin():
    session = access([]).session(None)
    assert session == Session("", "admin", "acme", runs_everything=True)
    assert not access([]).asks


def test_the_settings_say_who(monkeypatch):
    settings = load_settings(
        {
            "dashboard": {
                "users": [
                    {"name": "ada", "hash_env": "H", "role": "admin"},
                    {"name": "v", "hash_env": "H", "tenant": "x"},
                ]
            }
        }
    ).dashboard
    people = open_access(settings, "acme", {"H": HASH})
    assert people.session(people.sign_in("v", PASSWORD)).tenant == "x"
    assert people.session(people.sign_in("ada", PASSWORD)).tenant == "acme"


@pytest.mark.parametrize(
    ("settings", "environment", "said"),
    [
        (DashboardSettings(listen="0.0.0.0:80"), {}, "nobody has to sign in"),
        (DashboardSettings(listen="[::]:80"), {}, "nobody has to sign in"),
        (DashboardSettings(listen="dash.example:80"), {}, "nobody has to sign in"),
        (DashboardSettings(users=(DashboardUser("a", "H"),)), {}, "H is not set"),
        (DashboardSettings(users=(DashboardUser("a", "H"),)), {"H": PASSWORD}, "H holds no hash"),
        (DashboardSettings(secret_env="S"), {"S": "short"}, "at least 32 characters"),
    ],
)
def test_what_is_not_safe_does_not_start(settings, environment, said):
    with pytest.raises(ConfigurationError, match=said) as raised:
        open_access(settings, "acme", environment)
    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:0", "localhost:0"])
def test_on_this_machine_nobody_needs_to_sign_in(listen):
    assert not open_access(DashboardSettings(listen=listen), "acme", {}).asks


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"users": [{"name": "a", "hash_env": "H", "role": "root"}]}, "viewer, admin"),
        (
            {"users": [{"name": "a", "hash_env": "H"}, {"name": "a", "hash_env": "H"}]},
            "there twice",
        ),
        ({"users": [{"name": " ", "hash_env": "H"}]}, "dashboard"),
        ({"listen": "8082"}, "host:port"),
        ({"session_hours": 0}, "session_hours"),
        ({"session_hours": float("nan")}, "session_hours"),
        ({"tls_key": "k"}, "tls_certificate"),
        ({"gateway": "127.0.0.1:1"}, "http://"),
        ({"user": []}, "did you mean 'users'"),
    ],
)
def test_wrong_settings_are_refused(section, said):
    with pytest.raises(ConfigurationError, match=said):
        load_settings({"dashboard": section})


def test_an_address_that_guesses_waits_and_others_do_not():
    clock = Clock()
    attempts = Attempts(clock)
    for number in range(PER_ADDRESS):
        assert attempts.wait_seconds("10.0.0.1", f"name {number}") == 0
        attempts.failed("10.0.0.1", f"name {number}")
    assert attempts.wait_seconds("10.0.0.1", "ada") == pytest.approx(SECONDS, abs=60)
    assert attempts.wait_seconds("10.0.0.2", "ada") == 0
    clock.moved += SECONDS
    assert attempts.wait_seconds("10.0.0.1", "ada") == 0


def test_a_name_is_guessed_from_many_addresses_only_so_often():
    attempts = Attempts()
    for number in range(PER_NAME):
        attempts.failed(f"10.0.{number}.1", "ada")
    assert attempts.wait_seconds("10.1.1.1", "ada") > 0
    assert attempts.wait_seconds("10.1.1.1", "vera") == 0


def test_a_network_of_one_customer_is_one_address():
    attempts = Attempts()
    for number in range(PER_ADDRESS):
        attempts.failed(f"2001:db8::{number:x}", f"name {number}")
    assert attempts.wait_seconds("2001:db8::ffff", "ada") > 0
    assert attempts.wait_seconds("2001:db8:0:1::1", "ada") == 0


@given(st.lists(st.tuples(st.text(max_size=50), st.text(max_size=50)), max_size=50))
def test_any_address_and_name_are_counted(pairs):
    attempts = Attempts()
    for address, name in pairs:
        attempts.failed(address, name)
        assert attempts.wait_seconds(address, name) >= 0


def test_memory_is_bounded():
    attempts = Attempts()
    for number in range(REMEMBERED):
        attempts.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", f"name {number}")
    assert len(attempts._failures) == REMEMBERED
