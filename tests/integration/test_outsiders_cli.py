"""Outsiders at the command line: cosigners and a time-stamp authority, with real openssl keys."""

import json
import shutil
import subprocess

import pytest
from echo_settings import ECHO

pytestmark = [
    pytest.mark.slow,  # every line of it is a process
    pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl here"),
]

VARIABLE = "CROSSMODEL_KEY_PASSPHRASE"
NAME = "watcher.example"
AUTHORITY = """
[req]
distinguished_name = dn
[dn]
[ca]
basicConstraints = critical, CA:true
[leaf]
basicConstraints = critical, CA:false
extendedKeyUsage = critical, timeStamping
[tsa]
default_tsa = this
[this]
serial = serial
signer_cert = leaf.pem
signer_key = leaf.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha1, sha256, sha512
ess_cert_id_alg = sha256
"""


def openssl(folder, *arguments):
    command = ["openssl", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def document(done, code=0):
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def cli(tmp_path, crossmodel_command):
    (tmp_path / "crossmodel.toml").write_text(ECHO)
    return crossmodel_command


@pytest.fixture
def log(cli):
    """A log with a checkpoint, and what an outsider is handed of it."""
    document(cli("ask", "One?", "--json"))
    cli("log", "root", "--out", "first.txt", "--trust-out", "trust.json")
    return cli


@pytest.fixture
def watcher(tmp_path):
    """An outsider's folder: neither settings nor a store of ours."""
    folder = tmp_path / "watcher"
    folder.mkdir()
    openssl(folder, "genpkey", "-algorithm", "ed25519", "-out", "key.pem")
    openssl(folder, "pkey", "-in", "key.pem", "-pubout", "-out", "public.pem")
    return folder


def signing(checkpoint, *more, key="watcher/key.pem", trust="trust.json", name=NAME):
    return ("log", "cosign", checkpoint, "--trust", trust, "--name", name, "--key", key, *more)


def grow(cli, name):
    document(cli("ask", "More?", "--json"))
    cli("log", "root", "--out", name)


def sizes(tmp_path, *names):
    return [int((tmp_path / name).read_text("utf-8").splitlines()[1]) for name in names]


def test_a_cosigner_from_the_first_checkpoint_to_a_verifier_without_a_pin(log, watcher, tmp_path):
    named = ("keys", "trust", "--cosigner", f"{NAME}=watcher/public.pem")
    assert log(*named, "--cosignatures-needed", 1, "--out", "watched.json").returncode == 0
    refused = document(log("verify", "--trust", "watched.json", "--json"), 1)
    assert refused["steps"][-1]["number"] == 18
    # the outsider, with what was handed out and nothing else
    (tmp_path / "crossmodel.toml").rename(tmp_path / "aside.toml")
    signed = log(*signing("first.txt", "--out", "line.txt", "--json"))
    row = document(signed)
    assert row["line"] + "\n" == (tmp_path / "line.txt").read_text("utf-8")
    assert "keep first.txt for --previous" in signed.stderr
    (tmp_path / "aside.toml").rename(tmp_path / "crossmodel.toml")

    [first] = sizes(tmp_path, "first.txt")
    grow(log, "second.txt")  # in between the log has grown: the line's own checkpoint is found
    kept = document(log("log", "attach", "line.txt", "--trust", "watched.json", "--json"))
    assert kept == [{"name": NAME, "size": first}]
    assert document(log("verify", "--trust", "watched.json", "--json"), 1)["steps"][-1][
        "number"] == 18  # fmt: skip

    log("log", "consistency", first, "--out", "proof.json")
    more = ("--previous", "first.txt", "--proof", "proof.json")
    printed = log(*signing("second.txt", *more))
    assert printed.returncode == 0, printed.stderr
    assert not printed.stderr
    (tmp_path / "line.txt").write_text(printed.stdout, "utf-8")
    for _ in range(2):  # the second time it has it already
        assert log("log", "attach", "line.txt", "--trust", "watched.json").returncode == 0
    shown = document(log("log", "root", "--out", "cosigned.txt", "--json"))["checkpoint"]
    assert shown.count(printed.stdout) == 1
    assert (tmp_path / "cosigned.txt").read_text("utf-8") == shown
    report = document(log("verify", "--trust", "watched.json", "--json"))
    assert (report["verdict"], report["details"]["cosigned"]) == ("valid", True)
    log("log", "prove", 0, "--out", "evidence.json")
    log("log", "export", "--out", "export")
    for path in ("evidence.json", "export"):
        report = document(log("verify", path, "--trust", "watched.json", "--json"))
        assert report["verdict"] == "valid"
    # a cosigned checkpoint is signed on from, too
    grow(log, "third.txt")
    [second] = sizes(tmp_path, "second.txt")
    log("log", "consistency", second, "--out", "proof.json")
    more = ("--previous", "cosigned.txt", "--proof", "proof.json")
    assert log(*signing("third.txt", *more)).returncode == 0


def test_what_does_not_extend_the_previous_one_is_not_signed(log, watcher, tmp_path):
    grow(log, "second.txt")
    [first, second] = sizes(tmp_path, "first.txt", "second.txt")
    log("log", "consistency", first, "--out", "proof.json")
    honest = json.loads((tmp_path / "proof.json").read_text())
    (tmp_path / "more.json").write_text(json.dumps(honest | {"by": "me"}))
    # another log under the same keys, as whoever forks it would show it
    fork = tmp_path / "fork"
    fork.mkdir()
    shutil.copytree(tmp_path / "crossmodel-keys", fork / "crossmodel-keys")
    (fork / "crossmodel.toml").write_text(
        ECHO.replace("state.db", str(fork / "state.db"))
        + f'[witness]\nkey_dir = "{fork}/crossmodel-keys"\n'
    )
    for _ in range(2):
        document(log("ask", "Another?", "--json", "--config", "fork/crossmodel.toml"))
    log("log", "root", "--out", "forked.txt", "--config", "fork/crossmodel.toml")
    assert sizes(tmp_path, "forked.txt") == [second]
    log("log", "consistency", first, "--out", "f.json", "--config", "fork/crossmodel.toml")
    text = (tmp_path / "second.txt").read_text("utf-8")
    (tmp_path / "edited.txt").write_text(text.replace(f"\n{second}\n", f"\n{second + 1}\n"))

    before, with_proof = ("--previous", "first.txt"), ("--proof", "proof.json")
    for checkpoint, more, message in (
        ("second.txt", before, "not shown to extend"),
        ("forked.txt", (*before, "--proof", "f.json"), "not shown to extend"),
        ("first.txt", ("--previous", "second.txt", *with_proof), "it was rolled back"),
        ("edited.txt", (), "no valid signature"),
        ("second.txt", (*before, "--proof", "more.json"), "exactly the fields"),
    ):
        done = log(*signing(checkpoint, *more, "--out", "never.txt"))
        assert done.returncode == 1, (checkpoint, more, done.stderr)
        assert message in done.stderr
        assert not (tmp_path / "never.txt").exists()
    for more, message in (
        (with_proof, "a proof leads from"),
        (("--previous", "missing.txt"), "cannot read missing.txt"),
        (("--trust", "first.txt"), "the trust file"),
    ):
        done = log(*signing("second.txt", *more))
        assert done.returncode == 2
        assert message in done.stderr
    assert log(*signing("second.txt", "--previous", "second.txt")).returncode == 0  # once more


def test_a_cosigners_key_is_its_own_and_its_passphrase_in_the_environment(log, watcher, tmp_path):
    openssl(
        watcher, "pkcs8", "-topk8", "-in", "key.pem", "-passout", "pass:hush", "-out", "enc.pem"
    )
    encrypted = signing("first.txt", key="watcher/enc.pem")
    assert log(*encrypted, **{VARIABLE: "hush"}).returncode == 0
    assert log(*encrypted, "--passphrase-env", "MINE", MINE="hush").returncode == 0
    openssl(watcher, "genpkey", "-algorithm", "rsa", "-out", "rsa.pem")
    for arguments, environment, message in (
        (encrypted, {}, "needs a passphrase"),
        (encrypted, {VARIABLE: "no"}, "wrong passphrase"),
        (signing("first.txt", key="watcher/rsa.pem"), {}, "must be Ed25519"),
    ):
        done = log(*arguments, **environment)
        assert done.returncode == 3, done.stderr
        assert message in done.stderr
        assert not done.stdout
    assert "hush" not in log(*encrypted, **{VARIABLE: "hush"}).stderr
    assert "passphrase TEXT" not in log("log", "cosign", "--help").stdout


def test_lines_that_are_malformed_or_anothers_are_not_kept(log, watcher, tmp_path):
    [size] = sizes(tmp_path, "first.txt")
    line = document(log(*signing("first.txt", "--json")))["line"]
    assert log("keys", "trust", "--cosigner", f"{NAME}=watcher/public.pem", "--out",
               "watched.json").returncode == 0  # fmt: skip
    forged = line[:-8] + ("AAAA" if line[-8:-4] != "AAAA" else "BBBB") + line[-4:]
    before = document(log("log", "root", "--json"))
    for content, arguments, code, message in (
        ("no line", ("--size", size), 1, "a dash, a name and base64"),
        (line, (), 2, "say which checkpoint"),
        (line, ("--trust", "first.txt"), 2, "the trust file"),
        (forged, ("--trust", "watched.json"), 1, "is not over any checkpoint"),
    ):
        (tmp_path / "line.txt").write_text(content, "utf-8")
        done = log("log", "attach", "line.txt", *arguments)
        assert done.returncode == code, (content, done.stderr)
        assert message in done.stderr
    assert document(log("log", "root", "--json")) == before
    (tmp_path / "line.txt").write_text(line, "utf-8")
    assert log("log", "attach", "line.txt", "--size", size).returncode == 0  # at one's word
    after = document(log("log", "root", "--json"))
    assert after["checkpoint"] == f"{before['checkpoint']}{line}\n"


def test_a_trust_file_names_only_outsiders_that_verifiers_accept(log, watcher, tmp_path):
    good = ("--cosigner", f"{NAME}=watcher/public.pem")
    for arguments, message in (
        (("--cosigner", NAME), "is NAME=FILE"),
        (("--cosigner", "a=missing.pem"), "cannot read missing.pem"),
        (("--cosigner", "a=watcher/key.pem"), "no public key"),
        ((*good, *good), "a name stands twice"),
        (("--authority", "a=watcher/public.pem"), "not certificates in PEM"),
    ):
        done = log("keys", "trust", *arguments, "--out", "never.json")
        assert done.returncode == 2, (arguments, done.stderr)
        assert message in done.stderr
    assert not (tmp_path / "never.json").exists()
    assert json.loads(log("keys", "trust", *good).stdout)["cosignatures_needed"] == 1


@pytest.fixture
def authority(tmp_path):
    """A time-stamp authority under a root of its own."""
    return make_authority(tmp_path / "tsa")


def make_authority(folder):
    folder.mkdir()
    (folder / "tsa.cnf").write_text(AUTHORITY)
    (folder / "serial").write_text("01\n")
    new = ("req", "-config", "tsa.cnf", "-newkey", "rsa:2048", "-nodes", "-days", 30)
    openssl(folder, *new, "-x509", "-extensions", "ca", "-subj", "/CN=root",
            "-keyout", "root.key", "-out", "root.pem")  # fmt: skip
    openssl(folder, *new[:-2], "-subj", "/CN=tsa", "-keyout", "leaf.key", "-out", "leaf.csr")
    openssl(folder, "x509", "-req", "-in", "leaf.csr", "-CA", "root.pem", "-CAkey", "root.key",
            "-set_serial", 2, "-days", 30, "-extfile", "tsa.cnf", "-extensions", "leaf",
            "-out", "leaf.pem")  # fmt: skip
    return folder


def answer(folder, query, reply):
    openssl(folder, "ts", "-reply", "-config", "tsa.cnf", "-queryfile", query, "-out", reply)


def test_a_time_stamp_from_its_request_to_a_verifier(log, authority, tmp_path):
    pytest.importorskip("rfc3161_client", reason="the extra 'audit' is not installed")
    named = ("keys", "trust", "--authority", "tsa.example=tsa/root.pem", "--out", "stamped.json")
    assert log(*named).returncode == 0
    assert document(log("verify", "--trust", "stamped.json", "--json"), 1)["steps"][-1][
        "number"] == 19  # fmt: skip
    asked = document(log("log", "stamp", "--request", "head.tsq", "--json"))
    assert asked == {"size": sizes(tmp_path, "first.txt")[0], "request": "head.tsq"}
    text = (tmp_path / "first.txt").read_text("utf-8").split("\n\n")[0] + "\n"
    (tmp_path / "text").write_text(text, "utf-8")
    answer(authority, "../head.tsq", "../head.tsr")
    # openssl too says that it is over exactly the checkpoint's text
    openssl(tmp_path, "ts", "-verify", "-in", "head.tsr", "-data", "text", "-CAfile",
            "tsa/root.pem")  # fmt: skip
    done = log("log", "stamp", "--response", "head.tsr", "--trust", "stamped.json")
    assert done.returncode == 0, done.stderr
    assert "bears a time-stamp by tsa.example" in done.stdout
    report = document(log("verify", "--trust", "stamped.json", "--json"))
    assert {step["number"] for step in report["steps"]} >= {19}
    log("log", "prove", 0, "--out", "evidence.json")
    assert document(log("verify", "evidence.json", "--trust", "stamped.json", "--json"))["valid"]

    # an answer that comes late finds its own checkpoint
    log("log", "stamp", "--request", "head.tsq")
    grow(log, "second.txt")
    answer(authority, "../head.tsq", "../late.tsr")
    late = ("log", "stamp", "--response", "late.tsr", "--trust", "stamped.json", "--json")
    assert document(log(*late)) == {"name": "tsa.example", "size": asked["size"]}
    # and the later checkpoint has none yet
    assert document(log("verify", "--trust", "stamped.json", "--json"), 1)["steps"][-1][
        "number"] == 19  # fmt: skip


def test_a_time_stamp_over_something_else_or_by_somebody_else_is_not_kept(log, authority, tmp_path):
    pytest.importorskip("rfc3161_client", reason="the extra 'audit' is not installed")
    make_authority(tmp_path / "stranger")
    assert log("keys", "trust", "--authority", "tsa.example=tsa/root.pem", "--out",
               "stamped.json").returncode == 0  # fmt: skip
    log("log", "stamp", "--request", "head.tsq")
    answer(tmp_path / "stranger", "../head.tsq", "../strange.tsr")
    text = (tmp_path / "first.txt").read_text("utf-8").split("\n\n")[0] + "\n"
    (tmp_path / "text").write_text(text, "utf-8")
    for name, options in (("note", ("-data", "first.txt")), ("weak", ("-data", "text", "-sha1"))):
        openssl(tmp_path, "ts", "-query", *options, "-cert", "-out", f"{name}.tsq")
        answer(authority, f"../{name}.tsq", f"../{name}.tsr")
    before = document(log("log", "root", "--json"))
    for response, trust, code, message in (
        ("strange.tsr", ("--trust", "stamped.json"), 1, "not by tsa.example"),
        ("note.tsr", ("--trust", "stamped.json"), 1, "over none of this log's checkpoints"),
        ("weak.tsr", ("--trust", "stamped.json"), 1, "a weak digest"),
        ("strange.tsr", ("--trust", "trust.json"), 2, "name the time-stamp authority"),
        ("strange.tsr", (), 2, "--trust is needed"),
    ):
        done = log("log", "stamp", "--response", response, *trust)
        assert done.returncode == code, (response, done.stderr)
        assert message in done.stderr
    for arguments in ((), ("--request", "a", "--response", "b")):
        assert log("log", "stamp", *arguments).returncode == 2
    assert document(log("log", "root", "--json")) == before
