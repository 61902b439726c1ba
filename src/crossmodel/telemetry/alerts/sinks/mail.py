"""People are told by e-mail."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

import msgspec

from crossmodel.domain import checks
from crossmodel.domain.alerts import Notification, Severity
from crossmodel.errors import ConfigurationError
from crossmodel.telemetry.alerts.sink import SinkError

TLS: Final = ("starttls", "tls", "none")

MOST_RECIPIENTS: Final = 50

PERMANENT: Final = range(500, 600)
"""SMTP replies that mean never (RFC 5321, 4.2.1)."""


class MailSink:
    """Sends one message for each notification over SMTP (RFC 5321).

    Args:
        name: of the sink.
        host: of the mail server.
        port: where it listens: 587 for ``starttls``, 465 for ``tls``.
        sender: the address that it comes from.
        recipients: the addresses that it goes to, each of them in sight of the others.
        tls: ``starttls`` (RFC 3207), ``tls`` from the first byte (RFC 8314), or ``none``; a server
            whose certificate does not hold is not told anything.
        username: with ``password``, logs in; only over TLS.
        password: likewise.
        least_severity: what matters less is not sent.
        time_limit_seconds: how long it may take.
        tls_context: which authorities are believed; the system's if left out.

    Raises:
        ConfigurationError: if an address holds what could begin another header, or the login would
            go over the wire in clear.
    """

    def __init__(
        self,
        name: str,
        host: str,
        *,
        sender: str,
        recipients: Sequence[str],
        port: int = 587,
        tls: str = "starttls",
        username: str = "",
        password: str = "",
        least_severity: Severity = Severity.INFO,
        time_limit_seconds: float = 30.0,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        checks.one_of("tls", tls, TLS)
        if not 0 < len(recipients) <= MOST_RECIPIENTS:
            raise ConfigurationError(f"sink {name!r} needs 1 to {MOST_RECIPIENTS} recipients")
        for address in (sender, *recipients):
            _check_address(address, name)
        if username and tls == "none":
            raise ConfigurationError(f"sink {name!r} would log in without TLS: set tls")
        self.name = name
        self.least_severity = least_severity
        self.time_limit_seconds = time_limit_seconds
        self._host, self._port, self._tls = host, port, tls
        self._sender, self._recipients = sender, list(recipients)
        self._username, self._password = username, password
        self._context = tls_context

    def deliver(self, notification: Notification) -> None:
        """Send it; taken once the server has it for at least one recipient.

        Raises:
            SinkError: if it was not taken.
        """
        import smtplib  # noqa: PLC0415 - only who alerts needs it

        message = self._message(notification)
        timeout = self.time_limit_seconds
        try:
            if self._tls == "tls":
                client: smtplib.SMTP = smtplib.SMTP_SSL(
                    self._host, self._port, timeout=timeout, context=self._trusted()
                )
            else:
                client = smtplib.SMTP(self._host, self._port, timeout=timeout)
            with client:
                if self._tls == "starttls":
                    client.starttls(context=self._trusted())
                if self._username:
                    client.login(self._username, self._password)
                client.send_message(message)
        except smtplib.SMTPDataError as error:
            raise SinkError(
                f"{self._host} refused the message with {error.smtp_code}",
                is_final=error.smtp_code in PERMANENT,
            ) from None
        except smtplib.SMTPResponseException as error:
            raise SinkError(f"{self._host} answered with {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError) as error:  # their text may name people
            raise SinkError(f"{self._host}: {type(error).__name__}") from None

    def _trusted(self) -> ssl.SSLContext:
        return self._context or ssl.create_default_context()

    def _message(self, notification: Notification) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = ", ".join(self._recipients)
        message["Subject"] = notification.title
        message["Date"] = format_datetime(notification.created_at)
        domain = self._sender.rpartition("@")[2].rstrip(">")
        message["Message-ID"] = f"<{notification.id}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no machine answers it
        message.set_content(_text(notification))
        return message


def _text(notification: Notification) -> str:
    data = msgspec.json.decode(notification.body)["data"]
    lines = [notification.title, ""]
    for alert in data["alerts"]:
        what = f"{alert['check']}/{alert['subject']}" if alert["subject"] else alert["check"]
        ended = f", over at {alert['resolved_at']}" if alert["resolved_at"] else ""
        lines += [
            f"{alert['state'].upper()} [{alert['severity']}] {what}",
            f"  {alert['message']}",
            f"  since {alert['opened_at']}{ended}",
            "",
        ]
    if data["omitted"]:
        lines += [f"and {data['omitted']} more", ""]
    return "\n".join([*lines, f"instance {data['instance']}, notification {notification.id}", ""])


def _check_address(address: str, name: str) -> None:
    local, _, domain = address.rpartition("@")
    if not (local and domain) or not address.isprintable() or set(address) & set(',;:\\" '):
        raise ConfigurationError(
            f"sink {name!r}: {address!r} is no plain e-mail address: name@example.org"
        )
