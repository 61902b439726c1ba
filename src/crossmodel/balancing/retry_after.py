"""How long a server asks to be left alone, from what it put into a header.

The bytes come from outside: whatever is not exactly one of the forms is ``None``, never an error.
"""

from __future__ import annotations

from datetime import UTC, datetime

LONGEST_WAIT = 86_400.0  # seconds; more than a day is taken as a day
LONGEST_VALUE = 64  # bytes; no valid value is longer
PIVOT_YEARS = 50  # RFC 9110, 5.6.7: a two-digit year further ahead than this is in the past
MONTHS = {
    name: number
    for number, name in enumerate(
        (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun",
         b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"), 1
    )
}  # fmt: skip


def retry_after_seconds(value: bytes, now: float) -> float | None:
    """Seconds that a ``Retry-After`` asks for (RFC 9110, 10.2.3).

    Args:
        value: delta-seconds, decimals allowed since servers send them, or any of the three forms
            of an HTTP-date.
        now: seconds since 1970-01-01 UTC, for dates.

    Returns:
        0 to ``LONGEST_WAIT`` seconds (0 for a date that is past); ``None`` if it says nothing.
    """
    value = value[: LONGEST_VALUE + 1].strip(b" \t")
    if len(value) > LONGEST_VALUE:
        return None
    seconds = _decimal(value)
    if seconds is None:
        instant = _http_date(value, now)
        if instant is None:
            return None
        seconds = instant - now
    return _bounded(seconds)


def retry_after_ms_seconds(value: bytes) -> float | None:
    """Seconds that a ``retry-after-ms`` asks for, which OpenAI's servers send: milliseconds.

    Returns:
        0 to ``LONGEST_WAIT`` seconds; ``None`` if it says nothing.
    """
    value = value[: LONGEST_VALUE + 1].strip(b" \t")
    milliseconds = _decimal(value) if len(value) <= LONGEST_VALUE else None
    return None if milliseconds is None else _bounded(milliseconds / 1000.0)


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_WAIT)


def _decimal(value: bytes) -> float | None:
    """Digits, or digits with a point between them: no sign, no exponent, no ``inf``, no ``1_0``."""
    whole, point, part = value.partition(b".")
    # bytes.isdigit knows ASCII digits only
    if whole.isdigit() and (part.isdigit() if point else True):
        return float(value)
    return None


def _http_date(value: bytes, now: float) -> float | None:
    """Seconds since 1970 of an HTTP-date (RFC 9110, 5.6.7)."""
    match value.split():
        case [_, day, month, year, clock, b"GMT"]:  # Sun, 06 Nov 1994 08:49:37 GMT
            pass
        case [_, date, clock, b"GMT"] if date.count(b"-") == 2:  # noqa: PLR2004 - Sunday, 06-Nov-94 08:49:37 GMT
            day, month, year = date.split(b"-")
        case [_, month, day, clock, year]:  # Sun Nov  6 08:49:37 1994
            pass
        case _:
            return None
    parts = clock.split(b":")
    if [len(part) for part in parts] != [2, 2, 2] or month not in MONTHS:
        return None
    if not all(number.isdigit() for number in (day, year, *parts)):
        return None
    hour, minute, second = (int(part) for part in parts)
    try:
        full_year = int(year) if len(year) > 2 else _century(int(year), now)  # noqa: PLR2004
        # a leap second, 60, is valid in an HTTP-date but not in a datetime
        moment = datetime(
            full_year, MONTHS[month], int(day), hour, minute, min(second, 59), tzinfo=UTC
        )
    except (ValueError, OverflowError):
        return None
    return moment.timestamp()


def _century(year: int, now: float) -> int:
    this_year = datetime.fromtimestamp(now, UTC).year
    full_year = this_year - this_year % 100 + year
    return full_year - 100 if full_year > this_year + PIVOT_YEARS else full_year
