"""Keys that are elsewhere: in the environment, in a file, with a service."""

import os
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from crossmodel.domain.selection import Outcome
from crossmodel.errors import ConfigurationError, CrossModelError, MissingExtraError, WitnessError
from crossmodel.settings import load_settings
from crossmodel.witness import CrossModelVIF
from crossmodel.witness.keys.keyring import load_or_create_keys
from crossmodel.witness.keys.pairs import ED25519, RSA_2048, FileSigner, PublicKey
from crossmodel.witness.keys.signers import KeyPlace, ServiceSigner, open_keys, open_signer
from crossmodel.witness.statement import outcome_statement

securesystemslib = pytest.importorskip("securesystemslib.signer", reason="no extra 'kms'")
CryptoSigner = securesystemslib.CryptoSigner
SSlibKey = securesystemslib.SSlibKey

RSA = rsa.generate_private_key(65537, 2048)
ED = Ed25519PrivateKey.generate()
SECRET = "correct horse battery staple"


def pem(key, passphrase=None):
    encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def public_pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def public(key):
    return PublicKey.load(
        key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )


def says_no_secret(error, *secrets):
    """Neither the message nor what a traceback would show of its causes."""
    shown, at = "", error
    while at is not None:
        shown += f"{at!r} {at}"
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    for secret in secrets:
        assert secret not in shown
    return str(error)


# the environment


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, RSA_2048), (ED, ED25519)])
def test_a_key_in_the_environment_signs(key, algorithm):
    environment = {"PLAIN": pem(key), "SEALED": pem(key, SECRET), "WORD": SECRET}
    for uri in ("env:PLAIN", "env:SEALED:WORD"):
        signer = open_signer(KeyPlace(uri), algorithm, environment=environment)
        assert signer.public == public(key)
        assert signer.public.verifies(signer.sign(b"x"), b"x")
        assert "PRIVATE" not in repr(signer)
        assert SECRET not in repr(signer)


WEAK = rsa.generate_private_key(65537, 1024)
CUBE = rsa.generate_private_key(3, 2048)
CURVE = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("env:", "env:NAME"),
        ("env:NOWHERE", "NOWHERE is not set"),
        ("env:EMPTY", "EMPTY is not set"),
        ("env:SEALED", "needs a passphrase"),
        ("env:SEALED:NOWHERE", "NOWHERE is not set"),
        ("env:SEALED:OTHER", "wrong passphrase"),
        ("env:PLAIN:WORD", "not encrypted"),
        ("env:JUNK", "cannot be read"),
        ("env:BYTES", "cannot be read"),
        ("env:SEALED:BYTES", "wrong passphrase"),
        ("env:CUT", "cannot be read"),
        ("env:ED", "must be RSA-2048"),
        ("env:CURVE", "must be RSA-2048"),
        ("env:WEAK", "2048 to 4096 bits"),
        ("env:CUBE", "exponent"),
        ("env:PUBLIC", "cannot be read"),
    ],
)
def test_what_is_no_key_in_the_environment_is_named_without_being_shown(uri, reason):
    environment = {
        "EMPTY": "",
        "PLAIN": pem(RSA),
        "SEALED": pem(RSA, SECRET),
        "WORD": SECRET,
        "OTHER": "another word",
        "JUNK": "junk that is secret",
        "BYTES": os.fsdecode(b"\xff\xfe\x00junk that is secret"),
        "CUT": pem(RSA)[:-200],
        "ED": pem(ED),
        "CURVE": pem(CURVE),
        "WEAK": pem(WEAK),
        "CUBE": pem(CUBE),
        "PUBLIC": public_pem(RSA).decode(),
    }
    with pytest.raises(WitnessError, match=reason) as caught:
        open_signer(KeyPlace(uri), RSA_2048, environment=environment)
    hidden = [SECRET, "another word", "junk that is secret", pem(RSA)[100:140]]
    said = says_no_secret(caught.value, *hidden)
    assert any(name in said for name in uri.split(":"))


# files


def test_a_key_in_a_file_signs_and_takes_the_keys_passphrase(tmp_path):
    (tmp_path / "plain.pem").write_text(pem(ED))
    (tmp_path / "sealed.pem").write_text(pem(ED, SECRET))
    plain = open_signer(KeyPlace(f"file:{tmp_path / 'plain.pem'}"), ED25519)
    sealed = open_signer(KeyPlace(f"file:{tmp_path / 'sealed.pem'}"), ED25519, passphrase=SECRET)
    assert plain.public == sealed.public == public(ED)
    for path, passphrase in (("sealed.pem", None), ("sealed.pem", "no"), ("none.pem", None)):
        with pytest.raises(WitnessError):
            open_signer(KeyPlace(f"file:{tmp_path / path}"), ED25519, passphrase=passphrase)
    with pytest.raises(WitnessError, match="cannot read the key"):
        open_signer(KeyPlace(f"file:{tmp_path}"), ED25519)


# services


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, RSA_2048), (ED, ED25519)])
def test_what_a_service_signs_verifies_as_ours(key, algorithm, tmp_path):
    signer = ServiceSigner.of(CryptoSigner(key), public(key))
    assert signer.public.verifies(signer.sign(b"x"), b"x")
    assert repr(signer) == f"ServiceSigner(public={public(key)!r})"
    (tmp_path / "key.pem").write_text(pem(key))
    (tmp_path / "public.pem").write_bytes(public_pem(key))
    place = KeyPlace(f"file2:{tmp_path / 'key.pem'}", tmp_path / "public.pem")
    opened = open_signer(place, algorithm)
    assert opened.public.algorithm == algorithm
    assert opened.public.verifies(opened.sign(b"y"), b"y")


@pytest.mark.parametrize(
    "scheme", ["rsa-pkcs1v15-sha256", "rsassa-pss-sha512", "rsassa-pss-sha384"]
)
def test_a_service_set_to_another_scheme_is_refused(scheme):
    described = SSlibKey.from_crypto(RSA.public_key(), scheme=scheme)
    with pytest.raises(WitnessError, match="is not RSA-PSS"):
        ServiceSigner.of(CryptoSigner(RSA, described), public(RSA))


class Answers:
    """A service that answers as it is told: a real one cannot be made to go wrong."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def sign(self, payload):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return securesystemslib.Signature("id", answer(payload))


def signed_with(key, salt=32, mask=hashes.SHA256):
    pss = padding.PSS(mgf=padding.MGF1(mask()), salt_length=salt)
    return lambda message: key.sign(message, pss, hashes.SHA256()).hex()


def test_a_service_with_another_key_salt_or_mask_is_refused():
    stranger = rsa.generate_private_key(65537, 2048)
    good = signed_with(RSA)
    assert ServiceSigner.of(Answers(good), public(RSA))
    for answer in (
        signed_with(stranger),
        signed_with(RSA, salt=20),
        signed_with(RSA, mask=hashes.SHA1),
        lambda message: ED.sign(message).hex(),
        lambda message: "",
        lambda message: good(message + b"\n"),
    ):
        with pytest.raises(WitnessError, match="check the service's key"):
            ServiceSigner.of(Answers(answer), public(RSA))
    with pytest.raises(WitnessError, match="is not Ed25519 by the key"):
        ServiceSigner.of(Answers(good), public(ED))


def test_a_service_that_changes_its_key_later_signs_nothing_more():
    stranger = rsa.generate_private_key(65537, 2048)
    signer = ServiceSigner.of(Answers(signed_with(RSA), signed_with(stranger)), public(RSA))
    with pytest.raises(WitnessError, match="check the service's key"):
        signer.sign(b"x")


@pytest.mark.parametrize(
    "failure", [ConnectionError("no"), TimeoutError(), KeyError("x"), lambda message: "no hex"]
)
def test_a_service_that_fails_is_a_witness_error(failure):
    with pytest.raises(WitnessError, match="Answers could not sign"):
        ServiceSigner.of(Answers(failure), public(RSA))
    signer = ServiceSigner.of(Answers(signed_with(RSA), failure), public(RSA))
    with pytest.raises(WitnessError, match="Answers could not sign"):
        signer.sign(b"x")


def test_places_that_cannot_be_opened_say_why(tmp_path):
    (tmp_path / "public.pem").write_bytes(public_pem(RSA))
    (tmp_path / "ed.pem").write_bytes(public_pem(ED))
    (tmp_path / "weak.pem").write_bytes(public_pem(WEAK))
    (tmp_path / "junk.pem").write_bytes(b"junk")
    (tmp_path / "other.pem").write_text(pem(rsa.generate_private_key(65537, 2048)))
    for uri, file, reason in (
        ("nowhere:x", "public.pem", "known are .*env, file, .*gcpkms"),
        ("file2:x", None, "needs the public key too"),
        ("file2:x", "none.pem", "cannot read"),
        ("file2:x", "junk.pem", "no public key"),
        ("file2:x", "ed.pem", "must be a public key of RSA-2048"),
        ("file2:x", "weak.pem", "2048 to 4096 bits"),
        ("file2:/nowhere/x.pem", "public.pem", "cannot open the key at file2"),
        (f"file2:{tmp_path / 'other.pem'}", "public.pem", "does not match"),
        ("hsm:2", "public.pem", "cannot open the key at hsm"),
    ):
        place = KeyPlace(uri, tmp_path / file if file else None)
        with pytest.raises(WitnessError, match=reason):
            open_signer(place, RSA_2048)


def test_without_the_library_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "securesystemslib.signer", None)  # how Python says: absent
    with pytest.raises(MissingExtraError, match=r"crossmodel\[kms\]"):
        open_signer(KeyPlace("gcpkms:x", tmp_path / "public.pem"), RSA_2048)


# both keys


def test_one_key_may_be_elsewhere_and_the_other_in_the_folder(tmp_path, monkeypatch):
    folder = tmp_path / "keys"
    monkeypatch.setenv("LOG_KEY", pem(RSA))
    monkeypatch.setenv("LOG_ED", pem(ED))
    kept = open_keys(folder)
    assert kept.rsa.public == load_or_create_keys(folder).rsa.public
    one = open_keys(folder, rsa=KeyPlace("env:LOG_KEY"))
    assert (one.rsa.public, one.ed25519.public) == (public(RSA), kept.ed25519.public)
    other = open_keys(folder, ed25519=KeyPlace("env:LOG_ED"))
    assert (other.rsa.public, other.ed25519.public) == (kept.rsa.public, public(ED))
    both = open_keys(tmp_path / "no", rsa=KeyPlace("env:LOG_KEY"), ed25519=KeyPlace("env:LOG_ED"))
    assert (both.rsa.public, both.ed25519.public) == (public(RSA), public(ED))
    assert not (tmp_path / "no").exists()
    with pytest.raises(WitnessError, match="must be RSA-2048"):
        open_keys(folder, rsa=KeyPlace("env:LOG_ED"))


def test_a_log_signed_from_elsewhere_verifies_like_any_other(tmp_path):
    (tmp_path / "rsa.pem").write_text(pem(RSA))
    (tmp_path / "public.pem").write_bytes(public_pem(RSA))
    keys = open_keys(
        tmp_path / "keys",
        rsa=KeyPlace(f"file2:{tmp_path / 'rsa.pem'}", tmp_path / "public.pem"),
    )
    vif = CrossModelVIF(keys=keys)
    vif.append([outcome_statement(Outcome("r", "m", success=True))])
    vif.log.add_checkpoint(vif.sign_checkpoint())
    assert vif.verify_log().is_valid
    plain = CrossModelVIF(keys=type(keys)(FileSigner.of(RSA), keys.ed25519))
    assert plain.verify_witness(vif.generate_witness(0)).is_valid


# settings


def test_settings_name_the_signers(monkeypatch):
    settings = load_settings({"witness": {"rsa_signer": "env:K", "rsa_public_key": "p.pem"}})
    assert settings.witness.rsa_signer == "env:K"
    assert settings.witness.ed25519_signer == ""
    monkeypatch.setenv("CROSSMODEL_WITNESS__ED25519_SIGNER", "file:/keys/ed.pem")
    assert load_settings({}).witness.ed25519_signer == "file:/keys/ed.pem"
    with pytest.raises(ConfigurationError, match="rsa_signer: must be a URI") as caught:
        load_settings({"witness": {"rsa_signer": "MIIEsecret"}})
    assert "MIIEsecret" not in str(caught.value)


async def test_a_whole_crossmodel_signs_with_keys_from_the_environment(tmp_path, monkeypatch):
    from crossmodel.assembly import CrossModel

    monkeypatch.setenv("LOG_KEY", pem(RSA, SECRET))
    monkeypatch.setenv("LOG_WORD", SECRET)
    settings = {
        "store": {"url": f"sqlite:///{tmp_path / 'state.db'}"},
        "witness": {"key_dir": str(tmp_path / "keys"), "rsa_signer": "env:LOG_KEY:LOG_WORD"},
    }
    async with CrossModel.open(settings, with_models=False) as cm:
        believed = {trusted.key.key_id for trusted in cm.engine.ledger.vif.trust.keys}
    assert public(RSA).key_id in believed
    assert load_or_create_keys(tmp_path / "keys").ed25519.public.key_id in believed
    monkeypatch.delenv("LOG_WORD")
    with pytest.raises(CrossModelError, match="LOG_WORD is not set"):
        async with CrossModel.open(settings, with_models=False):
            pass


def test_an_auditor_needs_no_service_library():
    """What verifies imports neither library: checked where nothing has imported them yet."""
    code = (
        "import sys, crossmodel.witness.verify;"
        "print([m for m in sys.modules if m.startswith(('securesystemslib', 'rfc3161_client'))])"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "[]"
