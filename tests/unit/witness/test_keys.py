"""Key files and the policy for keys, on real files."""

import base64
import os
import shutil
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.errors import VerificationError, WitnessError
from crossmodel.witness import FolderKeyring, KeyPair, Trust, load_or_create_keys
from crossmodel.witness.keys.files import generation_folder, newest_generation
from crossmodel.witness.keys.keyring import NEXT
from crossmodel.witness.keys.pairs import (
    ED25519,
    PKCS8_PLAIN,
    RSA_2048,
    PublicKey,
    load_signer,
)
from crossmodel.witness.keys.trust import TrustedKey

TINY_PRIMES = (
    0xF2F0609B831945E2BD04AD2CC9DB32433BDEDB8B47045E76C57643A5B5634121,
    0xE593216604F1DF656E7F401EEB10DF3E6ED99674FDBDF92E50DD3CD2D2A5BDE3,
)
"""Of a key of 512 bits: the library makes none, but reads it."""
PASSPHRASE = "correct horse"


def spki(key):
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def pem(key, encryption=None, form=PrivateFormat.PKCS8):
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())


def tiny_rsa():
    p, q = TINY_PRIMES
    d = pow(65537, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(65537, p * q)
    exponents = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    return rsa.RSAPrivateNumbers(p, q, d, *exponents, public).private_key()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A key folder, encrypted, which tests copy: making keys is slow."""
    folder = tmp_path_factory.mktemp("made") / "k"
    load_or_create_keys(folder, passphrase=PASSPHRASE)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "k")


def modes(folder):
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*.pem")}


# policy


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_rsa_keys_of_the_policy_sign_and_verify(bits):
    signer = load_signer(pem(rsa.generate_private_key(65537, bits)), "k", RSA_2048, None)
    signature = signer.sign(b"message")
    assert len(signature) == bits // 8
    assert signer.public.verifies(signature, b"message")
    assert not signer.public.verifies(signature, b"another")


def test_ed25519_keys_sign_and_verify():
    signer = load_signer(pem(Ed25519PrivateKey.generate()), "k", ED25519, None)
    assert signer.public.verifies(signer.sign(b"message"), b"message")
    assert not signer.public.verifies(signer.sign(b"message"), b"another")


def test_the_library_loads_keys_that_the_policy_refuses():
    """Without a policy of ours a 512-bit key and an exponent of 3 would pass."""
    for data, reason in (
        (pem(tiny_rsa()), "2048 to 4096 bits, not 512"),
        (pem(rsa.generate_private_key(65537, 1024)), "2048 to 4096 bits, not 1024"),
        (pem(rsa.generate_private_key(3, 2048)), "exponent 65537"),
    ):
        key = load_pem_private_key(data, None)
        with pytest.raises(VerificationError, match=reason):
            PublicKey.load(spki(key))
        with pytest.raises(WitnessError, match=f"the key rsa.pem: RSA keys must .*{reason}"):
            load_signer(data, "rsa.pem", RSA_2048, None)


@pytest.mark.parametrize("make", [lambda: ec.generate_private_key(ec.SECP256R1()),
                                  ed448.Ed448PrivateKey.generate])  # fmt: skip
def test_other_algorithms_are_refused(make):
    key = make()
    with pytest.raises(VerificationError, match="RSA or Ed25519"):
        PublicKey.load(spki(key))
    with pytest.raises(WitnessError, match="must be Ed25519"):
        load_signer(pem(key), "ed25519.pem", ED25519, None)


@pytest.mark.parametrize("data", [b"", b"x", b"\x30\x03\x02\x01\x00", b"\x30" * 200])
def test_bytes_that_are_no_public_key_are_refused(data):
    with pytest.raises(VerificationError, match="not a public key"):
        PublicKey.load(data)


@pytest.mark.parametrize(
    "point",
    [
        "0100000000000000000000000000000000000000000000000000000000000000",  # of order 1
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # 2
        "0000000000000000000000000000000000000000000000000000000000000000",  # 4
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",  # 8
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # 1, as p + 1
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # 4, as p
    ],
)
def test_an_ed25519_key_by_which_anyone_signs_is_none(point):
    with pytest.raises(VerificationError, match="small order"):
        PublicKey.load(bytes.fromhex("302a300506032b6570032100" + point))


def test_trailing_bytes_make_no_second_name_for_a_key():
    good = spki(Ed25519PrivateKey.generate())
    with pytest.raises(VerificationError):
        PublicKey.load(good + b"\0")


# files


def test_files_are_private_encrypted_pkcs8(folder):
    assert modes(folder) == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        data = path.read_bytes()
        assert data.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
        load_pem_private_key(data, PASSPHRASE.encode())  # raises if that is not the passphrase


def test_a_strict_umask_or_a_lax_one_change_nothing(tmp_path):
    before = os.umask(0)
    try:
        ring = FolderKeyring(tmp_path / "k")
        ring.prepare()
    finally:
        os.umask(before)
    assert modes(tmp_path) == {0o600}
    assert stat.S_IMODE((tmp_path / "k" / NEXT).stat().st_mode) == 0o700


def test_what_is_wrong_with_a_passphrase_is_said(folder, tmp_path):
    for passphrase, message in ((None, "needs a passphrase"), ("wrong", "wrong passphrase"),
                                ("", "needs a passphrase")):  # fmt: skip
        with pytest.raises(WitnessError, match=message) as caught:
            FolderKeyring(folder, passphrase=passphrase)
        assert "correct" not in str(caught.value)
    load_or_create_keys(tmp_path / "plain")
    with pytest.raises(WitnessError, match="is not encrypted: unset the passphrase"):
        load_or_create_keys(tmp_path / "plain", passphrase=PASSPHRASE)


def test_only_pkcs8_is_read(folder):
    key = rsa.generate_private_key(65537, 2048)
    for data in (
        pem(key, form=PrivateFormat.TraditionalOpenSSL),
        pem(key, form=PrivateFormat.OpenSSH),
        pem(key, BestAvailableEncryption(b"x"), PrivateFormat.TraditionalOpenSSL),
        b"x" + pem(key),
        b"",
    ):
        with pytest.raises(WitnessError, match="not PKCS#8"):
            load_signer(data, "rsa.pem", RSA_2048, None)
    (folder / "rsa.pem").write_bytes((folder / "rsa.pem").read_bytes()[:300])
    with pytest.raises(WitnessError, match="cannot be read: wrong passphrase, or a damaged file"):
        load_or_create_keys(folder, passphrase=PASSPHRASE)


WHOLE = rsa.generate_private_key(65537, 2048).private_bytes(
    Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
)


@given(position=st.integers(0, len(WHOLE) - 1), bit=st.integers(0, 7))
def test_whichever_bit_of_an_rsa_key_is_flipped_it_is_refused(position, bit):
    """Most such keys would sign still: the library does without what is damaged."""
    damaged = bytearray(WHOLE)
    damaged[position] ^= 1 << bit
    data = PKCS8_PLAIN + b"\n" + base64.encodebytes(damaged) + b"-----END PRIVATE KEY-----\n"
    with pytest.raises(WitnessError, match=r"the key rsa\.pem "):
        load_signer(data, "rsa.pem", RSA_2048, None)


def test_nothing_of_a_private_key_is_shown(folder):
    ring = FolderKeyring(folder, passphrase=PASSPHRASE)
    for shown in (repr(ring), repr(ring.current()), str(ring.describe(Trust("o", ())))):
        assert "PRIVATE" not in shown
        assert PASSPHRASE not in shown


def test_a_list_of_keys_says_where_they_are_and_who_can_read_them(folder):
    ring = FolderKeyring(folder, passphrase=PASSPHRASE)
    other = KeyPair.generate()
    pair = ring.current()
    trust = Trust(
        "o", (TrustedKey(other.rsa.public, 0, 7), TrustedKey(pair.rsa.public, 7),
              TrustedKey(pair.ed25519.public, 7)),
    )  # fmt: skip
    gone, kept, kept_too = ring.describe(trust)
    assert (gone.path, gone.mode, gone.is_encrypted, gone.is_private) == (None, None, None, True)
    assert not gone.is_current
    assert (gone.rotation, kept.rotation) == (None, 6)
    assert kept.path == str(folder / "rsa.pem")
    assert kept.is_encrypted
    assert kept.is_private
    assert kept.is_current
    (folder / "ed25519.pem").chmod(0o640)
    assert not ring.describe(trust)[2].is_private
    assert ring.describe(trust)[2].to_dict()["mode"] == "0640"
    assert kept_too.to_dict()["mode"] == "0600"


# generations


def test_one_rename_puts_new_keys_in_use(folder):
    ring = FolderKeyring(folder, passphrase=PASSPHRASE)
    other = FolderKeyring(folder, passphrase=PASSPHRASE)
    old = ring.current()
    assert ring.upcoming() is None
    assert ring.is_settled()
    new = ring.prepare()
    assert not ring.is_settled()
    assert ring.current() is old
    assert other.current().rsa.public == old.rsa.public
    assert other.upcoming().rsa.public == new.rsa.public
    ring.promote()
    assert newest_generation(folder) == 2
    for each in (ring, other, FolderKeyring(folder, passphrase=PASSPHRASE)):
        assert each.current().rsa.public == new.rsa.public
        assert each.upcoming() is None
    assert load_or_create_keys(folder, passphrase=PASSPHRASE).ed25519.public == new.ed25519.public
    assert [path.name for path in folder.iterdir()] == ["generation-2"]
    assert modes(folder) == {0o600}


def test_whoever_reads_while_keys_are_rotated_gets_one_whole_generation(tmp_path):
    folder = tmp_path / "k"
    generations = [FolderKeyring(folder)]
    known = [generations[0].current()]
    read, stop = [], threading.Event()

    def keep_reading():
        while not stop.is_set():
            ring = FolderKeyring(folder)
            read.append((ring.current(), ring.upcoming()))

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(keep_reading)
        for _ in range(4):
            known.append(generations[0].prepare())
            generations[0].promote()
        stop.set()
        reading.result()
    allowed = {(pair.rsa.public, pair.ed25519.public) for pair in known}
    for pairs in read:
        for pair in pairs:
            assert pair is None or (pair.rsa.public, pair.ed25519.public) in allowed
    assert len(read) > len(known)


def test_replaced_keys_are_overwritten_before_they_are_removed(folder, tmp_path):
    os.link(folder / "rsa.pem", tmp_path / "same-bytes")
    ring = FolderKeyring(folder, passphrase=PASSPHRASE)
    ring.prepare()
    ring.promote()
    data = (tmp_path / "same-bytes").read_bytes()
    assert data == bytes(len(data))


def test_unused_keys_are_discarded_whole(folder):
    ring = FolderKeyring(folder, passphrase=PASSPHRASE)
    old = ring.current()
    ring.prepare()
    ring.discard()
    assert sorted(path.name for path in folder.iterdir()) == ["ed25519.pem", "rsa.pem"]
    assert ring.is_settled()
    assert ring.current() == old


def test_halves_of_keys_are_never_read_and_are_tidied_away(folder):
    """What a crash can leave: a half-made next generation, a half-destroyed old one."""
    ring = FolderKeyring(folder, passphrase=PASSPHRASE)
    new = ring.prepare()
    (folder / NEXT).rename(folder / "generation-3")
    (folder / "rsa.pem").write_bytes(bytes(10))
    (folder / "generation-2").mkdir()
    shutil.copytree(folder / "generation-3", folder / f".{NEXT}.0123")
    (folder / f".{NEXT}.0123" / "rsa.pem").unlink()
    again = FolderKeyring(folder, passphrase=PASSPHRASE)
    assert again.current().rsa.public == new.rsa.public
    assert not again.is_settled()
    again.tidy()
    assert again.is_settled()
    assert [path.name for path in folder.iterdir()] == ["generation-3"]


def test_names_that_only_look_like_generations_are_not_read(folder):
    for name in ("generation-0", "generation-01", "generation-9x", "generation-²", "generation-",
                 "xgeneration-7", "generation-7\n"):  # fmt: skip
        (folder / name).mkdir()
    assert newest_generation(folder) == 1
    assert generation_folder(folder, 1) == folder


def test_a_generation_without_its_keys_is_an_error_not_a_reason_to_make_some(folder):
    (folder / "generation-2").mkdir()
    for _ in range(2):
        with pytest.raises(WitnessError, match="cannot keep keys"):
            FolderKeyring(folder, passphrase=PASSPHRASE)
    assert list((folder / "generation-2").iterdir()) == []


def test_only_one_changes_a_folder_at_a_time(folder):
    ring = FolderKeyring(folder, passphrase=PASSPHRASE)
    code = (
        "import sys, pathlib; from crossmodel.witness import FolderKeyring\n"
        "ring = FolderKeyring(pathlib.Path(sys.argv[1]), passphrase=sys.stdin.read())\n"
        "with ring.locked() as is_ours: print(is_ours)"
    )

    def elsewhere():
        arguments = [sys.executable, "-c", code, str(folder)]
        done = subprocess.run(
            arguments, input=PASSPHRASE, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout.strip()

    with ring.locked() as first, ring.locked() as second:
        assert (first, second) == (True, False)
        assert elsewhere() == "False"
    assert elsewhere() == "True"
