"""Secrets and personal data, as kept libraries recognise them; a cheap look of ours comes first.

``detect-secrets`` knows keys and passwords, ``email-validator``, ``phonenumbers`` and
``python-stdnum`` what people can be reached and identified by. What is found is named by its sort;
the value itself is never returned.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Final

from crossmodel.text.literals import Signs

SECRET: Final = "a key or password"  # noqa: S105 - names the sort, is none
EMAIL: Final = "an e-mail address"
PHONE: Final = "a telephone number"
ACCOUNT: Final = "a bank account number"
CARD: Final = "a payment card number"
IDENTITY: Final = "an identity number"

_SECRET_WORDS: Final = Signs([
    "passw", "pwd", "passphrase", "secret", "token", "api_key", "api-key", "api key", "apikey",
    "credential",
])  # fmt: skip
_DIGIT: Final = re.compile("[0-9]")
_LONG: Final = 16
_LONG_RUN: Final = re.compile(rf"[\w+/=.-]{{{_LONG},}}")
"""The shortest key that no word announces."""

_PLACEHOLDER: Final = re.compile(
    r"your|example|placeholder|change.?me|xxx|\*\*\*|\.\.\.|<|\{|\$|redacted|dummy", re.IGNORECASE
)
_WINDOW, _OVERLAP = 1000, 200
"""Characters of a line that are looked at together; no key is longer than the overlap."""

_EMAIL: Final = re.compile(r"[\w.+%'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")
_PLAIN_DOMAINS: Final = ("example.com", "example.org", "example.net")
"""Set aside for documents (RFC 2606)."""
_PHONE: Final = re.compile(r"(?<![\w.])[+(]?\d[\d ().\-/]{7,18}\d(?![\w.]*\d)")
_INTERNATIONAL: Final = re.compile(r"(?<!\w)\+\d[\d ().\-/]{6,18}\d")
_PHONE_WORDS: Final = re.compile(
    r"(?<!\\)\b(?:phone|telephone|tel|call|mobile|cell|fax|whatsapp|text|ring|dial)\b",  # no \text
    re.IGNORECASE,
)
_ACCOUNT: Final = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD: Final = re.compile(
    r"(?<![\w.])[3-6]\d{3}[ -]?\d{4,6}[ -]?\d{4,5}(?:[ -]?\d{1,4})?(?![\w.]*\d)"
)
_CARD_DIGITS: Final = range(13, 20)  # ISO/IEC 7812
_CARD_WORDS: Final = re.compile(r"\b(?:card|visa|mastercard|amex|cvv|cvc)\b", re.IGNORECASE)
_IDENTITY: Final = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
_DIGITS: Final = re.compile(r"[0-9](?:[ ().\-/]{0,3}[0-9]){7}")
"""All of these have eight digits in a row or more, with little between them."""
_REGIONS: Final = (None, "US", "GB")
"""Where a number without a country may be from; ``None`` wants the country's code."""


def secret_in(text: str) -> str | None:
    """The sort of secret that ``text`` holds, if it holds one."""
    is_likely = (
        "-----BEGIN" in text
        or ("://" in text and "@" in text)
        or (
            _DIGIT.search(text) is not None  # what stands after "password" without one is a word
            and (_SECRET_WORDS.any_in(text.lower()) or _has_long_run(text))
        )
    )
    return SECRET if is_likely and any(_secrets(text)) else None


def personal_data_in(text: str) -> str | None:
    """The sort of personal data that ``text`` holds, if it holds any. Names are none by themselves.

    Addresses of RFC 2606's example domains do not count.
    """
    if "@" in text and any(map(_is_email, _EMAIL.findall(text))):
        return EMAIL
    if not _DIGITS.search(text):
        return None
    checks: tuple[tuple[str, Callable[[str], bool]], ...] = (
        (ACCOUNT, _holds_account),
        (CARD, _holds_card),
        (IDENTITY, _holds_identity),
        (PHONE, _holds_phone),
    )
    return next((sort for sort, holds in checks if holds(text)), None)


def _has_long_run(text: str) -> bool:
    words = [word for word in text.split() if len(word) >= _LONG]
    return any(
        any(map(str.isdigit, run)) and any(map(str.isalpha, run))
        for word in words
        for run in _LONG_RUN.findall(word)
    )


def _secrets(text: str) -> Iterator[str]:
    for line in _windows(text):
        for detector, options in _detectors():
            for found in detector.analyze_string(line, **options):
                if not options or not _is_plain(found, line):
                    yield found


def _windows(text: str) -> Iterator[str]:
    """Its lines; long ones in parts that overlap, since some detectors are quadratic in a line."""
    for line in text.splitlines():
        for start in range(0, max(1, len(line)), _WINDOW - _OVERLAP):
            yield line[start : start + _WINDOW]


def _is_plain(value: str, line: str) -> bool:
    """Whether what stands after "password" is a placeholder, code, or an ordinary word."""
    if _PLACEHOLDER.search(value) or not any(map(str.isdigit, value)):
        return True
    return "(" in value or "[" in value or f"{value}(" in line


@cache
def _detectors() -> tuple[tuple[Any, dict[str, Any]], ...]:
    # importing these takes a quarter of a second, so it waits for a text that needs it
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class  # noqa: PLC0415
    from detect_secrets.plugins.base import RegexBasedDetector  # noqa: PLC0415
    from detect_secrets.plugins.keyword import (  # noqa: PLC0415
        CONFIG_DENYLIST_REGEX_TO_GROUP,
        KeywordDetector,
    )

    class NewerDetector(RegexBasedDetector):
        """Shapes that are newer than the library's, and a password that is told in a sentence."""

        secret_type = "Newer key"  # noqa: S105 - names the sort, is none
        denylist = (
            re.compile(r"\b(?:sk|pk|rk)-(?:proj[-_]|ant-|or-|svcacct-)?[A-Za-z0-9_-]{16,}"),
            re.compile(r"\bhf_[A-Za-z0-9]{30,}|\bAIza[\w-]{35}|\bgsk_[A-Za-z0-9]{30,}"),
            re.compile(r"(?i:\bpass(?:word|phrase|wd) is:? [\"'`]?(?=\S{0,60}\d)[^\s\"'`]{8,})"),
            re.compile(r"\bgithub_pat_\w{30,}|\bxai-[A-Za-z0-9]{40,}|\bglpat-[\w-]{20}"),
        )

    unwanted = {"KeywordDetector", "Base64HighEntropyString", "HexHighEntropyString"}
    unwanted |= {"IPPublicDetector"}  # an address of a machine is no secret
    plugins: Iterable[type[Any]] = get_mapping_from_secret_type_to_class().values()
    found: list[tuple[Any, dict[str, Any]]] = [
        (plugin(), {}) for plugin in plugins if plugin.__name__ not in unwanted
    ]
    keywords = {"denylist_regex_to_group": CONFIG_DENYLIST_REGEX_TO_GROUP}
    return (*found, (NewerDetector(), {}), (KeywordDetector(), keywords))


def _is_email(address: str) -> bool:
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415 - seldom needed

    if address.lower().endswith(_PLAIN_DOMAINS):
        return False
    try:
        validate_email(address.strip("'."), check_deliverability=False)
    except EmailNotValidError:
        return False
    return True


def _holds_account(text: str) -> bool:
    from stdnum import iban  # noqa: PLC0415 - seldom needed

    return any(iban.is_valid(match) for match in _ACCOUNT.findall(text))


def _holds_card(text: str) -> bool:
    from stdnum import luhn  # noqa: PLC0415 - seldom needed

    is_named = _CARD_WORDS.search(text) is not None
    for match in _CARD.findall(text):
        digits = re.sub(r"\D", "", match)
        has_groups = len(digits) < len(match)  # digits in one run are a figure, unless it is named
        if len(digits) in _CARD_DIGITS and (is_named or has_groups) and luhn.is_valid(digits):
            return True
    return False


def _holds_identity(text: str) -> bool:
    from stdnum.us import ssn  # noqa: PLC0415 - seldom needed

    return any(ssn.is_valid(match) for match in _IDENTITY.findall(text))


def _holds_phone(text: str) -> bool:
    if not _PHONE.search(text):
        return False
    named = _PHONE_WORDS.search(text) is not None
    if not named and not _INTERNATIONAL.search(text):
        return False  # digits alone are figures
    import phonenumbers  # noqa: PLC0415 - seldom needed

    regions = _REGIONS if named else _REGIONS[:1]
    return any(phonenumbers.PhoneNumberMatcher(text, region).has_next() for region in regions)
