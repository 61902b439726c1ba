"""Secrets and personal data are recognised, plain technical text is not, values never come out."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.text.privacy import personal_data_in, secret_in

SECRETS = [
    "-----BEGIN RSA PRIVATE KEY-----",
    "AKIAIOSFODNN7EXAMPLE is the id",
    "ghp_0123456789abcdefghijABCDEFGHIJ0123456789",
    "github_pat_11ABCDEFG0123456789abcdefghijklmnop",
    "xoxb-123456789012-1234567890123-abcdefghijABCDEFGHIJabcd",
    "sk_" + "live_0123456789abcdefghijABCD",
    "sk-proj_abcdefghij0123456789",
    "sk-ant-api03-AbCdEf0123456789AbCdEf0123456789",
    "hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijk",
    "postgresql://bob:pa55word@db/x",
    'password = "hunter2hunter2"',
    "password: hunter2hunter2",
    "My password is hunter2hunter2.",
]
NO_SECRETS = [
    "commit 3f786850e387550fdab836ed7e6dc881de23001b",
    "uuid 123e4567-e89b-12d3-a456-426614174000",
    "api_key=YOUR_API_KEY1",
    "password = os.environ['DB_PASSWORD1']",
    "password = get_password2()",
    "the token is valid for 15 minutes",
    "token = tokens[0]",
    "Use the secret: keep it simple",
    "see https://example.org/a/b?c=1 for 2 of them",
    "\\frac{1.602 \\times 10^{-19}}{9.109 \\times 10^{-31}}",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "isinstance(value, collections.abc.Mapping2)",
]
PERSONAL = {
    "mail bob.smith@firma.de now": "e-mail",
    "call +49 30 901820 today": "telephone",
    "(650) 253-0000 is the phone": "telephone",
    "DE89 3704 0044 0532 0130 00": "bank account",
    "GB29 NWBK 6016 1331 9268 19": "bank account",
    "pay with 4111 1111 1111 1111": "card",
    "the card is 4111111111111111": "card",
    "ssn 536-90-4399": "identity",
}
IMPERSONAL = [
    "user@example.com", "def f(a@b): pass", "a @ b.T", "ISBN 978-3-16-148410-0",
    "on 2023-10-12 at 12:30:59", "3.14159265358979 is pi", "1,234,567,890 people",
    "1024 * 768 / 12 - 144 = 65392", "4111111111111111 is a large number", "10.0.0.1 and 192.0.2.44",
    "12345678901234567890", "0.1 + 0.2 = 0.30000000000000004", "call f(1234567890)",
    "1 2 3 4 5 6 7 8 9 10 11 12 13", "ORD-2024-000-12-3456",
]  # fmt: skip


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_are_recognised(text):
    found = secret_in(f"In short: {text}\nand more")
    assert found == "a key or password"


@pytest.mark.parametrize("text", NO_SECRETS)
def test_technical_text_holds_no_secret(text):
    assert secret_in(text) is None


@pytest.mark.parametrize("text", PERSONAL)
def test_personal_data_is_recognised(text):
    assert PERSONAL[text] in personal_data_in(text)


@pytest.mark.parametrize("text", IMPERSONAL)
def test_figures_and_dates_are_not_personal(text):
    assert personal_data_in(text) is None


@given(st.text(max_size=80), st.sampled_from(SECRETS), st.text(max_size=80))
def test_a_planted_secret_is_found_wherever_it_stands(before, secret, after):
    assert secret_in(f"{before}\n {secret} \n{after}") is not None


@given(st.text(max_size=300))
def test_any_text_has_a_verdict(text):
    for look in (secret_in, personal_data_in):
        found = look(text)
        assert found is None or len(found) < 40


@pytest.mark.parametrize(
    "text",
    ["password=" * 60_000, "1-" * 300_000, "a@" * 300_000, "+1 " * 150_000, "4111 " * 100_000,
     "x1" * 300_000, "://" * 200_000, "1" * 600_000],
)  # fmt: skip
def test_hostile_texts_take_linear_time(text):
    def seconds(part):
        started = time.process_time()
        secret_in(part)
        personal_data_in(part)
        return time.process_time() - started

    eighth = seconds(text[: len(text) // 8])
    assert seconds(text) < 8 * 6 * eighth + 1
