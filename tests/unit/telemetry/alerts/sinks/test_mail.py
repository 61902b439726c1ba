"""Mail to a real SMTP server in this process, with and without TLS."""

import email
import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from email import policy

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from crossmodel.domain.alerts import Alert, AlertState, Notification, Severity
from crossmodel.errors import ConfigurationError, InvalidInputError
from crossmodel.telemetry.alerts.grouping import Batch
from crossmodel.telemetry.alerts.messages import notification_of
from crossmodel.telemetry.alerts.sink import SinkError
from crossmodel.telemetry.alerts.sinks import MailSink

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HERE = "127.0.0.1"


def note(subject="m", message="broke"):
    alert = Alert(
        "alt_1",
        "here",
        "availability",
        subject,
        Severity.CRITICAL,
        message,
        AlertState.FIRING,
        NOW,
        NOW,
    )
    return notification_of(Batch("availability", [alert]), NOW)


class AnyPort(Controller):
    """Takes a free port."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


class Mailbox:
    """Takes mail, or refuses it as it is told."""

    def __init__(self):
        self.envelopes, self.answer = [], "250 OK"

    async def handle_DATA(self, _server, session, envelope):  # noqa: N802 - the library's name
        if self.answer.startswith("250"):
            self.envelopes.append((envelope, session.ssl is not None, session.authenticated))
        return self.answer

    @property
    def messages(self):
        return [
            email.message_from_bytes(each.content, policy=policy.default)
            for each, *_ in self.envelopes
        ]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for this machine, and the context of who believes it."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HERE))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))  # fmt: skip
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return server, ssl.create_default_context(cafile=str(folder / "cert.pem"))


@pytest.fixture
def serve():
    running = []

    def start(**options):
        box = Mailbox()
        controller = AnyPort(box, hostname=HERE, port=0, **options)
        controller.start()
        running.append(controller)
        box.port = controller.port
        return box

    yield start
    for controller in running:
        controller.stop()


def sink(box, **more):
    options = {
        "sender": "cm@example.org",
        "recipients": ["ops@example.org", "a@b.c"],
        "tls": "none",
    }
    return MailSink("mail", HERE, port=box.port, **options | more)


def test_people_get_what_is_wrong(serve):
    box = serve()
    sink(box).deliver(note())
    (message,) = box.messages
    assert box.envelopes[0][0].rcpt_tos == ["ops@example.org", "a@b.c"]
    assert message["subject"] == "[critical] availability: 1 firing: m: broke"
    assert message["auto-submitted"] == "auto-generated"
    text = message.get_content()
    assert "FIRING [critical] availability/m" in text
    assert "since 2026-01-01T00:00:00+00:00" in text


def test_attempts_are_one_message_to_who_reads_mail(serve):
    box, told = serve(), note()
    sink(box).deliver(told)
    sink(box).deliver(told)
    assert {message["message-id"] for message in box.messages} == {f"<{told.id}@example.org>"}


@pytest.mark.parametrize("hostile", [
    "x\r\nBcc: thief@example.com", "x\n\nbody", "ü 漢字 😀", "\x00", "\ud800", "a" * 5000, "=?utf-8?q?x?=",
])  # fmt: skip
def test_nothing_that_an_alert_says_becomes_a_header(serve, hostile):
    from crossmodel.domain.operations import Finding, HealthCheckResult
    from crossmodel.telemetry.alerts.policy import AlertPolicy
    from crossmodel.telemetry.alerts.tracking import Tracker

    box = serve()
    result = HealthCheckResult(hostile, is_healthy=False, findings=(Finding(hostile, hostile),))
    alerts = Tracker(AlertPolicy(), "here").observe(result, NOW)
    sink(box).deliver(notification_of(Batch(alerts[0].check, alerts), NOW))
    (message,) = box.messages
    assert message["bcc"] is None
    assert set(map(str.lower, message.keys())) <= {
        "from", "to", "subject", "date", "message-id", "auto-submitted", "content-type",
        "content-transfer-encoding", "mime-version", "x-peer", "x-mailfrom", "x-rcptto",
    }  # fmt: skip
    assert box.envelopes[0][0].rcpt_tos == ["ops@example.org", "a@b.c"]


@pytest.mark.parametrize("address", [
    "", "nobody", "@example.org", "a@", "a@b.c\r\nBcc: x@y.z", "a@b.c,x@y.z", "a@b.c;x@y.z",
    "Name <a@b.c>", '"a b"@c.d', "a b@c.d", "a@b.c\0",
])  # fmt: skip
def test_addresses_that_could_be_more_than_one_are_refused(address):
    for more in (
        {"sender": address, "recipients": ["a@b.c"]},
        {"sender": "a@b.c", "recipients": [address]},
    ):
        with pytest.raises(ConfigurationError, match="plain e-mail address"):
            MailSink("mail", HERE, **more)


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # it does not see TLS from the first byte
@pytest.mark.parametrize("how", ["starttls", "tls"])
def test_over_tls_it_logs_in(serve, certificate, how):
    server, client = certificate
    asked = []

    def authenticator(_server, _session, _envelope, _mechanism, data):
        asked.append((data.login, data.password))
        return AuthResult(success=True)

    more = (
        {"tls_context": server, "require_starttls": True}
        if how == "starttls"
        else {"ssl_context": server}
    )
    box = serve(
        authenticator=authenticator, auth_required=True, auth_require_tls=how == "starttls", **more
    )
    sink(box, tls=how, tls_context=client, username="me", password="hunter2").deliver(note())
    assert asked == [(b"me", b"hunter2")]
    ((_, is_tls, is_known),) = box.envelopes
    assert is_tls or how == "tls"
    assert is_known


@pytest.mark.parametrize("how", ["starttls", "tls"])
def test_a_server_whose_certificate_nobody_vouches_for_is_told_nothing(
    serve, certificate, how, caplog
):
    server, _ = certificate
    box = serve(**({"tls_context": server} if how == "starttls" else {"ssl_context": server}))
    with pytest.raises(SinkError, match="SSLCertVerificationError"):
        sink(box, tls=how, username="me", password="hunter2").deliver(note())
    assert not box.envelopes


def test_a_server_without_tls_is_not_told_either(serve):
    box = serve()
    with pytest.raises(SinkError, match="SMTPNotSupportedError"):
        sink(box, tls="starttls").deliver(note())
    assert not box.envelopes


def test_a_password_in_clear_is_refused():
    with pytest.raises(ConfigurationError, match="without TLS"):
        MailSink(
            "m", HERE, sender="a@b.c", recipients=["a@b.c"], tls="none", username="u", password="p"
        )
    with pytest.raises(InvalidInputError, match="tls"):
        MailSink("m", HERE, sender="a@b.c", recipients=["a@b.c"], tls="maybe")


@pytest.mark.parametrize(("answer", "is_final"), [("554 no", True), ("452 full", False)])
def test_a_refusal_says_whether_it_is_for_good(serve, answer, is_final):
    box = serve()
    box.answer = answer
    with pytest.raises(SinkError, match=answer[:3]) as caught:
        sink(box).deliver(note())
    assert caught.value.is_final is is_final


def test_nobody_there_is_a_failure_without_secrets():
    made = MailSink(
        "m", HERE, port=9, sender="a@b.c", recipients=["a@b.c"], username="u", password="hunter2"
    )
    with pytest.raises(SinkError) as caught:
        made.deliver(Notification("n", NOW, Severity.INFO, "t", note().body))
    assert str(caught.value) == f"{HERE}: ConnectionRefusedError"
