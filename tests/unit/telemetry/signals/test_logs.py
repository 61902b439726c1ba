import json
import logging
import time

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from crossmodel import InvalidInputError
from crossmodel.domain.scope import RequestScope, within
from crossmodel.telemetry import configure_logs
from crossmodel.telemetry.secrets import BLOT, MOST_CHARACTERS, Secrets

SCOPE = RequestScope("req_1", "acme", "0af7651916cd43dd8448eb211c80319c")

LOOK_LIKE_SECRETS = [
    "sk-proj-abcdefghijklmnop", "sk-ant-api03-AAAABBBBCCCC", "cm-a-key-of-the-tests",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "hf_AbCdEfGhIjKlMnOpQrStUv",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N",
]  # fmt: skip


class Said:
    """What was written to standard error so far."""

    def __init__(self, capsys):
        self._capsys = capsys
        self._text = ""

    def getvalue(self):
        self._text += self._capsys.readouterr().err
        return self._text


@pytest.fixture
def said(monkeypatch, capsys):
    """What is written to standard error; logging is put back as it was."""
    stream = Said(capsys)
    monkeypatch.delenv("CROSSMODEL_LOG_LEVEL", raising=False)
    before = {
        name: (list(logging.getLogger(name).handlers), logging.getLogger(name).level)
        for name in ("crossmodel", "opentelemetry")
    }
    yield stream
    for name, (handlers, level) in before.items():
        logging.getLogger(name).handlers[:] = handlers
        logging.getLogger(name).setLevel(level)
    structlog.reset_defaults()


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


logger = logging.getLogger("crossmodel.tests")


def test_every_line_of_a_request_says_whose_it_is(said):
    configure_logs("json", "info")
    with within(SCOPE):
        logger.info("selected %s", "m")
        structlog.get_logger().info("retry", attempt=2)
    logger.info("between requests")
    logger.info("of another", extra={"request_id": "req_2", "tenant": "b", "password": "no"})
    first, second, third, fourth = lines(said)
    for line in (first, second):
        assert line["request_id"] == "req_1"
        assert line["tenant"] == "acme"
        assert line["trace_id"] == SCOPE.trace_id
    assert first["event"] == "selected m"
    assert (first["level"], first["logger"]) == ("info", "crossmodel.tests")
    assert second["attempt"] == 2
    assert not {"request_id", "tenant"} & set(third)
    assert (fourth["request_id"], fourth["tenant"]) == ("req_2", "b")
    assert "password" not in fourth, "only known fields are taken over"


def test_text_says_the_same_to_people(said):
    configure_logs("text", "info")
    with within(SCOPE):
        logger.warning("a stage failed")
    assert "a stage failed" in said.getvalue()
    assert "request_id=req_1" in said.getvalue()
    assert "tenant=acme" in said.getvalue()


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_secrets_are_said_nowhere(said, log_format):
    known = ['p4ss"word\\with\nescapes', "sk-short1", "ключ-провайдера"]
    configure_logs(log_format, "info", secrets=known)
    planted = [*known, *LOOK_LIKE_SECRETS]
    for secret in planted:
        logger.warning("refused: %s", secret)
        logger.warning(
            "Authorization: Bearer %s", secret.replace("\n", ""), extra={"model": secret}
        )
        structlog.get_logger().warning("retry", headers={"x-api-key": [secret]}, error=secret)
        try:
            raise ValueError(f"401 from https://user:{secret}@host/v1?api_key={secret}")
        except ValueError:
            logger.exception("a call failed")
    text = said.getvalue()
    for secret in planted:
        for shown in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]):
            assert shown not in text
    assert "a call failed" in text
    assert "ValueError" in text, "what happened is still said"


def test_what_is_no_secret_is_left_alone():
    secrets = Secrets(["none", "", "a-long-secret"])
    plain = [
        "none of the models may answer", "req_0198f2c4d5e67890abcdef0123456789",
        "see https://docs.example/keys and ask", "tokens: 12, secretary: Ada",
        "0af7651916cd43dd8448eb211c80319c", "the basic idea", "bearer of news",
    ]  # fmt: skip
    for text in plain:
        assert secrets.blot(text) == text
    assert secrets.blot("x a-long-secret y") == f"x {BLOT} y"


@given(st.text(min_size=8), st.text(), st.text())
def test_a_known_secret_is_found_wherever_it_stands(secret, before, after):
    secrets = Secrets([secret])
    if secret in BLOT or secret in before + BLOT + after:
        return
    assert secret not in secrets.blot(before + secret + after)


@given(st.recursive(
    st.one_of(st.text(), st.binary(), st.floats(), st.integers(), st.none()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)), max_leaves=20,
))  # fmt: skip
def test_whatever_is_logged_is_one_line_of_json(value):
    line = Secrets().blot_line(None, "info", {"event": "x", "value": value})
    assert json.loads(json.dumps(line)) is not None


def test_a_line_of_hostile_text_is_one_line_and_can_be_written(said, monkeypatch):
    configure_logs("json", "info")
    # pytest's own report of what was logged cannot be handed over with half a surrogate pair
    monkeypatch.setattr(logging.getLogger("crossmodel"), "propagate", False)
    hostile = "a\nb\r\x85\u2028\u2029\x00\ud800\x1b[31m"
    with within(RequestScope("req_1", hostile)):
        logger.warning("%s", hostile)
    written = said.getvalue()
    written.encode("utf-8")
    assert len(written.splitlines()) == 1
    assert "\x1b" not in written


def test_text_drives_no_terminal_and_forges_no_line(said):
    configure_logs("text", "info")
    logger.warning("%s", "a\n2026-01-01 [error] forged\x1b]0;title\x07\u202e")
    try:
        raise ValueError("of \x1b[2J an error")
    except ValueError:
        logger.exception("failed")
    written = said.getvalue()
    assert not {"\x1b", "\x07", "\u202e"} & set(written)
    assert not any(line.startswith("2026-01-01") for line in written.splitlines())
    assert "Traceback" in written


def test_long_texts_are_cut_and_take_no_time_to_look_through():
    secrets = Secrets(["a-long-secret"])
    began = time.perf_counter()
    for text in ("a" * 10**6, "eyJ" * 10**6, "sk-" * 10**6, "://:@" * 10**5, "-----BEGIN " * 10**5):
        assert len(secrets.blot(text)) < MOST_CHARACTERS + 100
    assert time.perf_counter() - began < 5
    cut = secrets.blot("x" * (MOST_CHARACTERS - 5) + "a-long-secret")
    assert "a-lon" not in cut, "it is found before the text is cut"


def test_the_variable_overrides_the_level_of_the_settings(said, monkeypatch):
    configure_logs("json", "error")
    logger.warning("not said")
    monkeypatch.setenv("CROSSMODEL_LOG_LEVEL", "INFO")
    configure_logs("json", "error")
    logger.info("said")
    assert [line["event"] for line in lines(said)] == ["said"], "and only by one handler"


def test_a_level_or_format_that_is_none_is_refused_by_name(said, monkeypatch):
    with pytest.raises(InvalidInputError, match="log_format must be one of text, json"):
        configure_logs("xml")
    with pytest.raises(InvalidInputError, match="log_level"):
        configure_logs(level="loud")
    monkeypatch.setenv("CROSSMODEL_LOG_LEVEL", "loud")
    with pytest.raises(InvalidInputError, match="CROSSMODEL_LOG_LEVEL"):
        configure_logs()
