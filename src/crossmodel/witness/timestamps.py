"""Time-stamps: an authority says when a checkpoint existed (RFC 3161).

What is stamped is a checkpoint's text, the same bytes that its signatures cover. An authority's
answer is kept whole as one more signature line of the note: its type is 0xff, which is open to all,
with a long identifier of ours. Needs the extra ``audit``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from crossmodel.errors import MissingExtraError, VerificationError
from crossmodel.witness.evidence import parse_statement
from crossmodel.witness.keys.trust import TIMESTAMPS_NEED, TimestampAuthority
from crossmodel.witness.note import Note, line_hash, signature_line
from crossmodel.witness.schemas import LOGGED_AT
from crossmodel.witness.statement import logged_at

if TYPE_CHECKING:
    from cryptography import x509
    from rfc3161_client import TimeStampResponse

TIMESTAMP_TYPE: Final = b"\xffcrossmodel.dev/rfc3161-timestamp"
GRANULARITY: Final = timedelta(seconds=1)
"""Least that a stated time may lie before the true one: authorities state whole seconds."""

_SHA2: Final = {
    f"2.16.840.1.101.3.4.2.{arc}": name
    for arc, name in enumerate(("sha256", "sha384", "sha512"), 1)
}
"""SHA-256, SHA-384 and SHA-512 (RFC 5754, 2)."""

_RFC3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)
"""Log times of any statement that somebody logged, not only of those that we write."""


@dataclass(frozen=True, slots=True)
class Timestamp:
    """That what was stamped existed at ``latest`` or before, as ``authority`` says.

    ``stated`` is the authority's own word; ``latest`` adds the accuracy that it claims, at least a
    second.
    """

    authority: str
    stated: datetime
    latest: datetime


def timestamp_request(note: str, *, with_certificates: bool = True) -> bytes:
    """The request for a time-stamp over a checkpoint (DER of a TimeStampReq, SHA-256).

    Post it to an authority as ``application/timestamp-query``. It has no nonce: an old answer over
    the same text would be as true. Some authorities send their certificates in an order that DER
    does not allow, and their answers cannot be read; ask those for none, and put the one that
    signs into the trust file.

    Raises:
        VerificationError: if it is no note.
        MissingExtraError: without the extra ``audit``.
    """
    text = Note.parse(note).text
    try:
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtraError("asking for time-stamps", "audit") from None
    builder = TimestampRequestBuilder(
        text.encode(), HashAlgorithm.SHA256, nonce=False, cert_req=with_certificates
    )
    return builder.build().as_bytes()


def timestamp_line(note: str, authority: TimestampAuthority, response: bytes) -> str:
    """An authority's answer as a signature line of the checkpoint that it is over.

    Raises:
        VerificationError: if it is not that authority's over this checkpoint.
    """
    verify_timestamp(Note.parse(note).text.encode(), authority, response)
    return signature_line(authority.name, _hint(authority), response)


def verify_timestamp(message: bytes, authority: TimestampAuthority, response: bytes) -> Timestamp:
    """What an authority's answer (DER of a TimeStampResp) says of a message.

    Raises:
        VerificationError: if it is not that authority's over this message, or the extra ``audit``
            is not installed.
    """
    try:
        from rfc3161_client import VerifierBuilder, decode_timestamp_response  # noqa: PLC0415 - an extra
    except ImportError:
        raise VerificationError(TIMESTAMPS_NEED) from None
    trusted = _certificates(authority)
    try:
        answer = decode_timestamp_response(response)
        builder = VerifierBuilder(roots=trusted, tsa_certificate=_signing(answer, trusted))
        builder.build().verify_message(answer, message)
        digests = {each.dotted_string for each in answer.signed_data.digest_algorithms}
        stated = answer.tst_info.gen_time.astimezone(UTC)
        latest = stated + max(_accuracy(answer), GRANULARITY)
    except Exception as error:  # whatever a foreign parser says of hostile bytes
        reason = str(error).partition("ErrorStack")[0][:200]
        raise VerificationError(
            f"the time-stamp is not by {authority.name} over this: {reason}"
        ) from error
    if not digests <= _SHA2.keys():
        raise VerificationError(f"the time-stamp by {authority.name} is signed over a weak digest")
    return Timestamp(authority.name, stated, latest)


def stamped_digest(response: bytes) -> tuple[str, bytes]:
    """The hash, by its name for :mod:`hashlib`, and the digest that an answer is over, whoever's.

    Raises:
        VerificationError: if it is no answer, or not over a digest by SHA-2.
        MissingExtraError: without the extra ``audit``.
    """
    try:
        from rfc3161_client import decode_timestamp_response  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtraError("time-stamps", "audit") from None
    try:
        imprint = decode_timestamp_response(response).tst_info.message_imprint
        return _SHA2[imprint.hash_algorithm.dotted_string], imprint.message
    except KeyError:
        raise VerificationError("the time-stamp is over a weak digest") from None
    except Exception as error:  # whatever a foreign parser says of hostile bytes
        raise VerificationError(f"this is no time-stamp response: {str(error)[:200]}") from error


def check_timestamps(note: Note, authorities: Sequence[TimestampAuthority]) -> list[Timestamp]:
    """All time-stamps of trusted authorities that a note bears, the earliest first.

    Raises:
        VerificationError: if it bears none, one pretends to be theirs, or the extra ``audit`` is
            not installed.
    """
    found = [
        verify_timestamp(note.text.encode(), authority, response)
        for authority in authorities
        for response in note.lines(authority.name, _hint(authority))
    ]
    if not found:
        raise VerificationError("no trusted authority has time-stamped the checkpoint")
    return sorted(found, key=lambda stamp: stamp.latest)


def check_log_times(statements: Iterable[bytes], stamp: Timestamp) -> None:
    """Whether statements that a stamped checkpoint covers say that they were logged before.

    Raises:
        VerificationError: for the first that says otherwise, or that cannot be read.
    """
    for body in statements:
        logged = _log_time(body)
        if logged is not None and logged > stamp.latest:
            raise VerificationError(
                f"a record says that it was logged at {logged.isoformat()}, but {stamp.authority} "
                f"stamped a head over it at {stamp.stated.isoformat()}"
            )


def _log_time(body: bytes) -> datetime | None:
    """When a statement says that it was logged; older ones do not say."""
    with suppress(ValueError):  # no such day or hour
        known = logged_at(body)
        if known is not None:
            return known
        said = parse_statement(body)["predicate"].get(LOGGED_AT)
        if said is None:
            return None
        if isinstance(said, str) and _RFC3339_UTC.fullmatch(said):
            return datetime.fromisoformat(said)
    raise VerificationError(f"{LOGGED_AT} is a time in UTC (RFC 3339)")


def _hint(authority: TimestampAuthority) -> bytes:
    """A name alone: which key signs, an answer says itself, and authorities change theirs."""
    return line_hash(authority.name, TIMESTAMP_TYPE, b"")


def _certificates(authority: TimestampAuthority) -> list[x509.Certificate]:
    from cryptography import x509  # noqa: PLC0415 - slow, and most verifiers ask for no time-stamps

    try:
        return [x509.load_der_x509_certificate(der) for der in authority.certificates]
    except (ValueError, x509.InvalidVersion):
        raise VerificationError(f"{authority.name}: not a certificate in DER") from None


def _signing(
    answer: TimeStampResponse, trusted: Sequence[x509.Certificate]
) -> x509.Certificate | None:
    """The trusted certificate that the answer names; ``None`` if it brings a chain of its own."""
    (signer,) = answer.signed_data.signer_infos
    for certificate in trusted:
        if (certificate.issuer, certificate.serial_number) == (signer.issuer, signer.serial_number):
            return certificate
    return None


def _accuracy(answer: TimeStampResponse) -> timedelta:
    claimed = answer.tst_info.accuracy
    if claimed is None:
        return timedelta()
    return timedelta(
        seconds=claimed.seconds or 0,
        milliseconds=claimed.millis or 0,
        microseconds=claimed.micros or 0,
    )
