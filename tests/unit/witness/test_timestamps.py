"""Time-stamps by a real authority: ``openssl ts`` under a certificate authority made here."""

import base64
import dataclasses
import json
import random
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from crossmodel.domain.selection import Outcome
from crossmodel.domain.witness import Statement
from crossmodel.errors import MissingExtraError, VerificationError
from crossmodel.witness import CrossModelVIF, KeyPair, Trust
from crossmodel.witness.keys.trust import TimestampAuthority
from crossmodel.witness.log import MemoryLog
from crossmodel.witness.note import Note, add_line, line_hash, signature_line
from crossmodel.witness.statement import PAYLOAD_TYPE, outcome_statement
from crossmodel.witness.timestamps import (
    TIMESTAMP_TYPE,
    Timestamp,
    check_log_times,
    check_timestamps,
    timestamp_line,
    timestamp_request,
)

pytest.importorskip("rfc3161_client", reason="the extra 'audit' is not installed")
pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl here")

PAIR = KeyPair.generate()
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def certificate(name, key, issuer=None, *, ca=False, purpose=True, until=30 * DAY):
    issuing, issuing_key = issuer or (None, key)
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(issuing.subject if issuing else called)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - 60 * DAY)
        .not_valid_after(NOW + until)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca and purpose:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(issuing_key, hashes.SHA256())


class Authority:
    """A time-stamp authority in a folder."""

    def __init__(self, folder, name="tsa.example", **leaf):
        folder.mkdir()
        self.folder = folder
        self.root_key = ec.generate_private_key(ec.SECP256R1())
        self.root = certificate(f"{name} root", self.root_key, ca=True)
        self.key = rsa.generate_private_key(65537, 2048)
        self.certificate = certificate(name, self.key, (self.root, self.root_key), **leaf)
        self.trusted = TimestampAuthority(name, (self.root.public_bytes(Encoding.DER),))
        (folder / "tsa.pem").write_bytes(self.certificate.public_bytes(Encoding.PEM))
        (folder / "key.pem").write_bytes(
            self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        (folder / "serial").write_text("01\n")
        self.configure()

    def configure(self, *lines, digest="sha256"):
        settings = (
            "[tsa]\ndefault_tsa = this\n[this]\nserial = serial\nsigner_cert = tsa.pem\n"
            f"signer_key = key.pem\nsigner_digest = {digest}\ndefault_policy = 1.2.3.4\n"
            "digests = sha1, sha256, sha384, sha512\ness_cert_id_alg = sha256\n"
        )
        (self.folder / "tsa.cnf").write_text(settings + "\n".join(lines) + "\n")

    def stamp(self, request):
        """The answer to a request."""
        (self.folder / "query").write_bytes(request)
        command = ["openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query"]
        subprocess.run(
            [*command, "-out", "reply"], cwd=self.folder, check=True, capture_output=True
        )
        return (self.folder / "reply").read_bytes()

    def query(self, data, *options):
        """A request that openssl makes, for what ours never ask."""
        (self.folder / "data").write_bytes(data)
        command = ["openssl", "ts", "-query", "-data", "data", *options]
        run = subprocess.run(command, cwd=self.folder, check=True, capture_output=True)
        return run.stdout


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tsa") / "one")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tsa") / "other", "other.example")


def rfc3339(moment):
    return moment.isoformat().replace("+00:00", "Z")


def record(logged_at=None):
    """A statement that says when it was logged, as the log's owner could write it."""
    made = outcome_statement(Outcome("r", "m", success=True)).seal(NOW)
    document = json.loads(made.body)
    del document["predicate"]["logged_at"]
    if logged_at is not None:
        document["predicate"]["logged_at"] = logged_at  # last, where we write it first
    return Statement(PAYLOAD_TYPE, json.dumps(document).encode(), made.commitments)


def new_log(*times, keys=PAIR):
    vif = CrossModelVIF(keys=keys, log=MemoryLog())
    vif.append([record(time) for time in times or (None, None, None)])
    vif.log.add_checkpoint(vif.sign_checkpoint())
    return vif


def head(vif):
    return vif.log.latest_checkpoint().note


def keep(vif, line):
    vif.log.attach_signature(vif.log.latest_checkpoint().size, line)


def stamped(vif, *authorities):
    """Attach time-stamps to the log's checkpoint, as a store does."""
    for each in authorities:
        answer = each.stamp(timestamp_request(head(vif)))
        keep(vif, timestamp_line(head(vif), each.trusted, answer))
    return vif


def asking(vif, *authorities):
    trusted = tuple(each.trusted for each in authorities)
    return dataclasses.replace(vif.trust, timestamp_authorities=trusted)


def refused_at(report):
    assert report.verdict == "invalid"
    return report.steps[-1].number


def test_a_stamped_checkpoint_passes_and_says_when(authority):
    before = datetime.now(UTC).replace(microsecond=0)  # the authority's clock states whole seconds
    vif = stamped(new_log(None, rfc3339(NOW), rfc3339(NOW)), authority)
    trust = asking(vif, authority)
    for report in (vif.verify_witness(vif.generate_witness(1), trust), vif.verify_log(trust=trust)):
        assert report.verdict == "valid, completeness not checked"
        assert report.steps[-1].number == 19
        assert "tsa.example at 20" in report.steps[-1].detail
    (stamp,) = check_timestamps(Note.parse(head(vif)), [authority.trusted])
    assert before <= stamp.stated <= datetime.now(UTC)
    assert stamp.latest == stamp.stated + timedelta(seconds=1)
    # to whom trusts no authority, the line means nothing
    assert vif.verify_log().is_valid


def test_the_request_is_one_that_openssl_reads(authority):
    vif = new_log()
    request = timestamp_request(head(vif))
    (authority.folder / "ours").write_bytes(request)
    command = ["openssl", "ts", "-query", "-in", "ours", "-text"]
    run = subprocess.run(command, cwd=authority.folder, check=True, capture_output=True)
    assert b"Hash Algorithm: sha256" in run.stdout
    assert b"Certificate required: yes" in run.stdout
    text = Note.parse(head(vif)).text
    digest = hashes.Hash(hashes.SHA256())
    digest.update(text.encode())
    assert digest.finalize() in request
    assert timestamp_request(head(vif)) == request
    with pytest.raises(VerificationError):
        timestamp_request("no note")


def test_a_checkpoint_without_the_time_stamp_that_is_asked_for_is_refused(authority, other):
    vif = new_log()
    trust = asking(vif, authority)
    assert refused_at(vif.verify_witness(vif.generate_witness(1), trust)) == 19
    assert refused_at(vif.verify_log(trust=trust)) == 19
    stamped(vif, other)  # by somebody, but nobody who is trusted
    assert refused_at(vif.verify_witness(vif.generate_witness(1), trust)) == 19
    assert vif.verify_log(trust=asking(vif, authority, other)).is_valid


def test_no_record_may_be_younger_than_the_time_stamp_over_it(authority):
    late = rfc3339(datetime.now(UTC) + timedelta(minutes=1))
    vif = stamped(new_log(rfc3339(NOW), late), authority)
    trust = asking(vif, authority)
    assert refused_at(vif.verify_witness(vif.generate_witness(1), trust)) == 19
    assert vif.verify_witness(vif.generate_witness(0), trust).is_valid
    report = vif.verify_log(trust=trust)
    assert refused_at(report) == 19
    assert "was logged at" in report.steps[-1].detail
    # what no checkpoint covers yet has no time-stamp to be younger than
    vif = stamped(new_log(rfc3339(NOW)), authority)
    vif.append([record(late)])
    assert vif.verify_log(trust=trust).is_valid


@pytest.mark.parametrize(
    "time", ["yesterday", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", 7, ["x"], "9" * 400, ""]
)
def test_a_log_time_that_is_no_time_is_refused_where_it_matters(authority, time):
    vif = stamped(new_log(time), authority)
    trust = asking(vif, authority)
    assert refused_at(vif.verify_witness(vif.generate_witness(0), trust)) == 19
    assert refused_at(vif.verify_log(trust=trust)) == 19


def test_records_that_are_no_statements_say_no_time(authority):
    vif = CrossModelVIF(keys=PAIR, log=MemoryLog())
    vif.append([record(), Statement("application/x-other", b"{")])
    vif.log.add_checkpoint(vif.sign_checkpoint())
    stamped(vif, authority)
    assert vif.verify_log(trust=asking(vif, authority)).is_valid
    vif = CrossModelVIF(keys=PAIR, log=MemoryLog())
    vif.append([record(), Statement(PAYLOAD_TYPE, b"{")])
    vif.log.add_checkpoint(vif.sign_checkpoint())
    stamped(vif, authority)
    assert refused_at(vif.verify_log(trust=asking(vif, authority))) == 19


def test_the_earliest_time_stamp_counts(authority, other):
    stamp = Timestamp("a", NOW, NOW + timedelta(seconds=1))
    later = stamp.latest + timedelta(microseconds=1)
    ours = outcome_statement(Outcome("r", "m", success=True))
    check_log_times([record().body, record(rfc3339(stamp.latest)).body], stamp)
    check_log_times([ours.seal(stamp.latest).body], stamp)
    for late in (record(rfc3339(later)), ours.seal(later)):
        with pytest.raises(VerificationError, match="stamped a head over it"):
            check_log_times([late.body], stamp)
    no_month = ours.seal(datetime(2026, 1, 1, tzinfo=UTC)).body.replace(
        b"2026-01-01", b"2026-13-01"
    )
    with pytest.raises(VerificationError, match="a time in UTC"):
        check_log_times([no_month], stamp)
    vif = stamped(new_log(), authority, other)
    found = check_timestamps(Note.parse(head(vif)), [other.trusted, authority.trusted])
    assert [each.latest for each in found] == sorted(each.latest for each in found)
    assert {each.authority for each in found} == {"tsa.example", "other.example"}


def test_the_accuracy_that_an_authority_claims_is_granted(authority, tmp_path):
    exact = Authority(tmp_path / "exact")
    exact.configure("accuracy = secs:90, millisecs:500, microsecs:100")
    vif = stamped(new_log(rfc3339(datetime.now(UTC) + timedelta(minutes=1))), exact)
    assert vif.verify_log(trust=asking(vif, exact)).is_valid
    (stamp,) = check_timestamps(Note.parse(head(vif)), [exact.trusted])
    assert stamp.latest - stamp.stated == timedelta(seconds=90, milliseconds=500, microseconds=100)


def test_an_authority_may_leave_out_its_certificate_if_the_verifier_has_it(authority):
    vif = new_log()
    answer = authority.stamp(timestamp_request(head(vif), with_certificates=False))
    with pytest.raises(VerificationError, match=r"not by tsa\.example"):
        timestamp_line(head(vif), authority.trusted, answer)
    both = TimestampAuthority(
        "tsa.example",
        (*authority.trusted.certificates, authority.certificate.public_bytes(Encoding.DER)),
    )
    keep(vif, timestamp_line(head(vif), both, answer))
    trust = dataclasses.replace(vif.trust, timestamp_authorities=(both,))
    assert vif.verify_log(trust=trust).is_valid
    alone = dataclasses.replace(both, certificates=both.certificates[1:])  # leads to no root
    with pytest.raises(VerificationError):
        check_timestamps(Note.parse(head(vif)), [alone])


def hint(name):
    return line_hash(name, TIMESTAMP_TYPE, b"")


def refused(vif, authority, answer):
    """Neither taken, nor believed if somebody else attached it."""
    with pytest.raises(VerificationError):
        timestamp_line(head(vif), authority.trusted, answer)
    name = authority.trusted.name
    forged = add_line(head(vif), signature_line(name, hint(name), answer))
    with pytest.raises(VerificationError):
        check_timestamps(Note.parse(forged), [authority.trusted])


def test_answers_over_anything_else_are_refused(authority, other):
    vif, another = new_log(), new_log(None, None)
    text = Note.parse(head(vif)).text.encode()
    refused(vif, authority, authority.stamp(timestamp_request(head(another))))
    refused(vif, authority, other.stamp(timestamp_request(head(vif))))
    whole = authority.query(head(vif).encode(), "-sha256", "-cert")  # with the signature lines
    refused(vif, authority, authority.stamp(whole))
    refused(vif, authority, authority.stamp(authority.query(text, "-sha1", "-cert")))
    rejection = authority.stamp(authority.query(text, "-md5", "-cert"))
    refused(vif, authority, rejection)
    for digest in ("-sha384", "-sha512"):
        answer = authority.stamp(authority.query(text, digest, "-cert"))
        assert timestamp_line(head(vif), authority.trusted, answer)


def test_a_weakly_signed_time_stamp_is_refused(tmp_path):
    weak = Authority(tmp_path / "weak")
    weak.configure(digest="sha1")
    vif = new_log()
    answer = weak.stamp(timestamp_request(head(vif)))
    refused(vif, weak, answer)
    with pytest.raises(VerificationError, match="weak digest"):
        timestamp_line(head(vif), weak.trusted, answer)


def test_a_certificate_that_is_expired_or_for_something_else_stamps_nothing(tmp_path):
    expired = Authority(tmp_path / "expired", until=-DAY)
    vif = new_log()
    refused(vif, expired, expired.stamp(timestamp_request(head(vif))))
    # openssl itself refuses to stamp with a key for something else: its twin has the same key
    good = Authority(tmp_path / "good")
    answer = good.stamp(timestamp_request(head(vif)))
    assert timestamp_line(head(vif), good.trusted, answer)
    purposeless = certificate(
        "tsa.example", good.key, (good.root, good.root_key), purpose=False
    ).public_bytes(Encoding.DER)
    der = good.certificate.public_bytes(Encoding.DER)
    assert der in answer
    refused(vif, good, answer.replace(der, purposeless))


def test_a_stamp_of_one_authority_under_the_name_of_another_is_refused(authority, other):
    vif = new_log()
    answer = other.stamp(timestamp_request(head(vif)))
    renamed = dataclasses.replace(other.trusted, name="tsa.example")
    keep(vif, timestamp_line(head(vif), renamed, answer))
    assert refused_at(vif.verify_log(trust=asking(vif, authority))) == 19
    # one good stamp does not make up for a line that lies
    stamped(vif, authority)
    assert refused_at(vif.verify_log(trust=asking(vif, authority))) == 19


def test_hostile_answers_are_refused_and_never_crash(authority):
    vif = new_log()
    answer = authority.stamp(timestamp_request(head(vif)))
    for data in (b"", b"\0", b"0", b"0\x80\0\0", b"0\x84\xff\xff\xff\xff", answer[:-1]):
        with pytest.raises(VerificationError):
            timestamp_line(head(vif), authority.trusted, data)
    for data in (answer + b"\0", bytes.fromhex("30053003020102"), b"0" * 5000):
        refused(vif, authority, data)
    text = Note.parse(head(vif)).text
    (honest,) = check_timestamps(
        Note.parse(add_line(head(vif), timestamp_line(head(vif), authority.trusted, answer))),
        [authority.trusted],
    )
    source = random.Random(5)
    for _ in range(1500):
        changed = bytearray(answer)
        for _ in range(source.choice([1, 1, 1, 4])):
            at = source.randrange(len(changed))
            changed[at] ^= 1 << source.randrange(8)
        line = signature_line("tsa.example", hint("tsa.example"), bytes(changed))
        try:
            found = check_timestamps(Note.parse(f"{text}\n{line}\n"), [authority.trusted])
        except VerificationError:
            continue
        # some bytes of the container are not signed and mean nothing: what it says is the same
        assert found == [honest]


def test_the_trust_file_carries_authorities(authority, other):
    vif = stamped(new_log(), authority)
    trust = asking(vif, authority, other)
    again = Trust.from_json(trust.to_json())
    assert again == trust
    assert vif.verify_log(trust=again).is_valid
    rows = json.loads(trust.to_json())["timestamp_authorities"]
    assert [row["name"] for row in rows] == ["tsa.example", "other.example"]
    twice = dataclasses.replace(trust, timestamp_authorities=trust.timestamp_authorities * 2)
    with pytest.raises(VerificationError, match="a name of its own"):
        Trust.from_json(twice.to_json())
    for junk in (b"", b"junk", authority.trusted.certificates[0][:-1]):
        bad = dataclasses.replace(
            vif.trust, timestamp_authorities=(TimestampAuthority("tsa.example", (junk,)),)
        )
        assert refused_at(vif.verify_log(trust=bad)) == 19


def test_without_the_library_what_asks_for_time_stamps_is_refused(authority, monkeypatch):
    vif = stamped(new_log(), authority)
    trust = asking(vif, authority)
    evidence = vif.generate_witness(0)
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)  # how Python says: not to be had
    report = vif.verify_witness(evidence, trust)
    assert refused_at(report) == 19
    assert "crossmodel[audit]" in report.steps[-1].detail
    with pytest.raises(VerificationError, match=r"crossmodel\[audit\]"):
        Trust.from_json(trust.to_json())
    with pytest.raises(MissingExtraError, match="audit"):
        timestamp_request(head(vif))
    with pytest.raises(VerificationError, match=r"crossmodel\[audit\]"):
        timestamp_line(head(vif), authority.trusted, b"")
    assert vif.verify_witness(evidence).is_valid  # who asks for none needs no library


def test_the_command_verifies_stamped_evidence(authority, tmp_path):
    vif = stamped(new_log(rfc3339(NOW)), authority)
    (tmp_path / "evidence.json").write_bytes(vif.generate_witness(0))
    (tmp_path / "trust.json").write_bytes(asking(vif, authority).to_json())
    command = [sys.executable, "-m", "crossmodel.witness.verify", "evidence.json"]
    command += ["--trust", "trust.json"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert " 19 ok" in run.stdout
    document = json.loads((tmp_path / "evidence.json").read_text())
    document["proof"] = "\n".join(document["proof"].split("\n")[:-2]) + "\n"  # the stamp's line
    (tmp_path / "evidence.json").write_text(json.dumps(document))
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert " 19 REFUSED" in run.stdout


def test_a_long_answer_still_fits_a_note():
    vif = new_log()
    line = signature_line("tsa.example", hint("tsa.example"), bytes(100_000))
    assert len(base64.b64decode(line.split(" ")[2])) == 100_004
    assert Note.parse(add_line(head(vif), line))
    with pytest.raises(VerificationError, match="at most"):
        add_line(head(vif), signature_line("tsa.example", bytes(4), bytes(1_000_000)))
