"""The files below deploy/ name only what the project has: commands, variables, ports, probes, and the same processes as
docker-compose.yml."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands
from django.urls import resolve

from config import container_health as health
from reminders.insight.metrics import MetricsReading, ReminderCollector
from reminders.insight.statistics import Snapshot
from tests.unit.config.test_compose_file import COMPOSE, ROOT, SERVICES, words
from tests.unit.test_docs import in_example

DEPLOY = ROOT / "deploy"
UNITS = {path.stem: path.read_text() for path in (DEPLOY / "systemd").glob("*.service")}
KUBERNETES = DEPLOY / "kubernetes"
CELERY = ["beat", "scanner", "worker"]
PROCESSES = [*CELERY, "web"]


def needs(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"needs {program}")
    return found


def in_image() -> list[str]:
    """What a container without a command of its own runs."""
    (command,) = re.findall(r"^CMD (\[.+\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    found: list[str] = json.loads(command)
    return found


def without_level(command: list[str]) -> list[str]:
    """LOG_LEVEL says it where the command does not."""
    if "--loglevel" not in command:
        return command
    at = command.index("--loglevel")
    return command[:at] + command[at + 2 :]


# --- systemd ---------------------------------------------------------------------------------------------------


def values(unit: str, name: str) -> list[str]:
    """The values of a directive, with continued lines joined."""
    return re.findall(rf"^{name}=(.*)$", UNITS[unit].replace("\\\n", " "), re.MULTILINE)


def started(unit: str) -> list[str]:
    (command,) = values(unit, "ExecStart")
    program, *options = shlex.split(command.replace("%%", "%").replace("${REMINDER_WORKER_CONCURRENCY}", "2"))
    assert Path(program).parent == Path("/opt/reminders/.venv/bin")
    return [Path(program).name, *options]


def test_there_is_a_unit_for_each_process_and_one_that_prepares():
    assert set(UNITS) == {f"reminders-{name}" for name in [*PROCESSES, "prepare"]}


@pytest.mark.parametrize("name", CELERY)
def test_a_unit_starts_what_the_container_starts(name):
    assert without_level(started(f"reminders-{name}")) == without_level(words(name))


def test_web_starts_as_in_the_image_for_the_proxy_of_the_same_host():
    assert started("reminders-web") == [word.replace("0.0.0.0", "127.0.0.1") for word in in_image()]


def test_prepare_alone_knows_the_owner_of_the_tables():
    assert started("reminders-prepare") == words("migrate")
    files = {name: values(name, "EnvironmentFile") for name in UNITS}
    owner = ["/etc/reminders/owner.env", "/etc/reminders/reminders.env"]
    assert files.pop("reminders-prepare") == owner
    assert list(files.values()) == [owner[1:]] * 4


def test_a_command_before_the_start_exists():
    (command,) = values("reminders-web", "ExecStartPre")
    assert shlex.split(command)[2] in get_commands()


@pytest.mark.parametrize("name", CELERY)
def test_a_frozen_process_is_ended_within_30_s_and_started_again(name):
    unit = f"reminders-{name}"
    found = [
        values(unit, one)
        for one in (
            "Type",
            "NotifyAccess",
            "WatchdogSec",
            "WatchdogSignal",
            "Restart",
            "StartLimitIntervalSec",
        )
    ]
    assert found == [["notify"], ["main"], ["30"], ["SIGKILL"], ["always"], ["0"]]


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_that_stops_has_as_long_as_its_container(name):
    unit = f"reminders-{name}"
    assert values(unit, "KillMode") == ["mixed"]
    assert f"{values(unit, 'TimeoutStopSec')[0]}s" == SERVICES[name]["stop_grace_period"]


@pytest.mark.parametrize("unit", sorted(UNITS))
def test_a_unit_has_few_rights(unit):
    wanted = {
        "User": "reminders",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "StateDirectory": "reminders",
    }
    assert {name: values(unit, name) for name in wanted} == {name: [value] for name, value in wanted.items()}


def test_what_is_kept_on_the_host_survives_the_processes():
    """Journals are in REMINDERS_STATE, unless REMINDER_JOURNAL_DIR says otherwise."""
    for unit in UNITS:
        assert "REMINDERS_STATE=/var/lib/reminders " in values(unit, "Environment")[-1]


def test_each_variable_of_the_examples_exists():
    names = [
        name
        for path in (DEPLOY / "systemd").glob("*.env.example")
        for name in re.findall(r"^([A-Z_]+)=", path.read_text(), re.MULTILINE)
    ]
    assert {"SECRET_KEY", "DATABASE_OWNER_URL"} <= set(names) <= in_example().keys()


def test_systemd_accepts_the_units(tmp_path):
    program = needs("systemd-analyze")
    paths = []
    for path in sorted((DEPLOY / "systemd").glob("reminders*.*")):
        if path.suffix == ".example":
            continue
        text = path.read_text().replace("/opt/reminders/.venv/bin", str(Path(sys.executable).parent))
        paths.append(tmp_path / path.name)
        paths[-1].write_text(text.replace("/opt/reminders", str(ROOT)))
    done = subprocess.run(
        [program, "verify", "--man=no", *paths],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
    )
    ours = [line for line in done.stderr.splitlines() if "reminders" in line]
    assert (done.returncode, ours) == (0, [])


# --- Kubernetes ------------------------------------------------------------------------------------------------


def documents(folder: str) -> Iterator[dict[str, Any]]:
    listed = yaml.safe_load((KUBERNETES / folder / "kustomization.yaml").read_text())["resources"]
    for name in listed:
        yield from yaml.safe_load_all((KUBERNETES / folder / name).read_text())


OBJECTS = [*documents("base"), *documents("prepare"), *documents("autoscaling")]


def one(kind: str, name: str) -> dict[str, Any]:
    (found,) = (each for each in OBJECTS if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return found


def pod(name: str) -> dict[str, Any]:
    found: dict[str, Any] = one("Job" if name == "prepare" else "Deployment", f"reminders-{name}")
    return found["spec"]["template"]["spec"]


def container(name: str) -> dict[str, Any]:
    (found,) = pod(name)["containers"]
    assert found["image"] == "assignment-reminders" == SERVICES["web"]["image"]
    return dict(found)


def test_every_file_is_named_by_a_kustomization():
    for folder in KUBERNETES.iterdir():
        named = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
        assert {path.name for path in folder.glob("*.yaml")} == {*named, "kustomization.yaml"}


@pytest.mark.parametrize("name", CELERY)
def test_a_pod_starts_what_the_container_of_compose_starts(name):
    assert container(name)["command"] == words(name)


def test_web_starts_what_the_image_says():
    assert "command" not in container("web")
    assert container("prepare")["command"] == words("migrate")


def test_the_tag_is_the_version_of_the_project():
    version = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    for folder in ("base", "prepare"):
        images = yaml.safe_load((KUBERNETES / folder / "kustomization.yaml").read_text())["images"]
        assert [image["newTag"] for image in images] == version


def test_each_variable_that_is_given_exists():
    (generator,) = yaml.safe_load((KUBERNETES / "base" / "kustomization.yaml").read_text())[
        "configMapGenerator"
    ]
    given = dict(literal.split("=", 1) for literal in generator["literals"])
    assert given.keys() <= in_example().keys()
    for name in PROCESSES:
        assert container(name)["envFrom"] == [
            {"configMapRef": {"name": generator["name"]}},
            {"secretRef": {"name": "reminders"}},
        ]
    # The name by which web's health is asked for, by the probes and by container_health.
    assert given["ALLOWED_HOSTS"].split(",")[0] == "localhost"


def test_the_owner_of_the_tables_is_known_to_the_job_alone():
    secrets = {
        name: [each["secretRef"]["name"] for each in container(name)["envFrom"] if "secretRef" in each]
        for name in [*PROCESSES, "prepare"]
    }
    assert {name for name, used in secrets.items() if "reminders-owner" in used} == {"prepare"}


@pytest.mark.parametrize(
    ("probe", "path"),
    [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")],
)
def test_web_is_asked_at_addresses_that_exist_over_plain_http(probe, path):
    asked = container("web")[probe]["httpGet"]
    (port,) = container("web")["ports"]
    assert (asked["path"], asked["port"]) == (path, port["name"])
    assert resolve(path)
    assert re.match(settings.SECURE_REDIRECT_EXEMPT[0] + "|" + settings.SECURE_REDIRECT_EXEMPT[1], path[1:])
    assert asked["httpHeaders"] == [{"name": "Host", "value": "localhost"}]


def test_web_listens_where_the_service_leads():
    (port,) = container("web")["ports"]
    assert f"0.0.0.0:{port['containerPort']}" in in_image()
    service = one("Service", "reminders-web")["spec"]
    assert [each["targetPort"] for each in service["ports"]] == [port["name"]]
    labels = one("Deployment", "reminders-web")["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()


@pytest.mark.parametrize("name", CELERY)
def test_a_process_is_ended_only_for_what_it_is_guilty_of(name):
    probes = [container(name)[each] for each in ("startupProbe", "livenessProbe") if each in container(name)]
    for probe in probes:
        python, no_path, script, kind, how = probe["exec"]["command"]
        assert (python, no_path, kind, how) == ("python", "-P", name, health.ALIVE)
        assert (ROOT / script).is_file()
        assert kind in health.LIVENESS
        assert probe["timeoutSeconds"] > health.TIMEOUT
    assert "readinessProbe" not in container(name)  # nobody calls it


@pytest.mark.parametrize("name", ["worker", "scanner"])
def test_journals_outlive_a_container_and_belong_to_one_pod(name):
    volumes = {volume["name"]: volume for volume in pod(name)["volumes"]}
    mounted = {mount["mountPath"]: mount["name"] for mount in container(name)["volumeMounts"]}
    generator = yaml.safe_load((KUBERNETES / "base" / "kustomization.yaml").read_text())["configMapGenerator"]
    (folder,) = re.findall(r"REMINDER_JOURNAL_DIR=(\S+)", "\n".join(generator[0]["literals"]))
    journal = volumes[mounted[folder]]
    assert journal["emptyDir"] == {"sizeLimit": "64Mi"}


@pytest.mark.parametrize("name", [*PROCESSES, "prepare"])
def test_a_pod_has_few_rights_and_a_limit(name):
    assert pod(name)["automountServiceAccountToken"] is False
    assert pod(name)["securityContext"]["runAsNonRoot"] is True
    (user,) = re.findall(r"useradd .*--uid (\d+)", (ROOT / "Dockerfile").read_text())
    assert pod(name)["securityContext"]["runAsUser"] == int(user)
    assert container(name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container(name)["resources"]["limits"]
    assert "/tmp" in {mount["mountPath"] for mount in container(name)["volumeMounts"]}


@pytest.mark.parametrize("name", PROCESSES)
def test_a_pod_that_stops_has_longer_than_a_lease(name):
    assert pod(name)["terminationGracePeriodSeconds"] > settings.REMINDERS.lease.total_seconds()
    deployment = one("Deployment", f"reminders-{name}")["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["selector"]["matchLabels"] == labels


def test_workers_are_scaled_by_a_figure_that_exists():
    scaler = one("HorizontalPodAutoscaler", "reminders-worker")["spec"]
    assert scaler["scaleTargetRef"]["name"] == one("Deployment", "reminders-worker")["metadata"]["name"]
    (metric,) = scaler["metrics"]
    collector = ReminderCollector(ask=lambda _: MetricsReading({}, Snapshot(taken_at=0.0), 0))
    shown = {family.name: family.type for family in collector.collect()}
    assert shown[metric["external"]["metric"]["name"]] == "gauge"


@pytest.mark.parametrize("folder", ["base", "prepare"])
def test_kustomize_builds_it(folder):
    done = subprocess.run(
        [needs("kubectl"), "kustomize", str(KUBERNETES / folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kinds = [each["kind"] for each in yaml.safe_load_all(done.stdout)]
    assert len(kinds) == len(list(documents(folder))) + (folder == "base")


def test_the_overlay_that_the_documents_show_is_built_with_both_parts(tmp_path):
    """In a folder beside the clone, as docs/install.md says; its optional line too."""
    (shown,) = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs" / "install.md").read_text(), re.M | re.S)
    shutil.copytree(DEPLOY, tmp_path / "reminders" / "deploy")
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text(shown.replace("# components", "components"))
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "reminders"},
        "spec": {},
    }
    (overlay / "ingress.yaml").write_text(yaml.safe_dump(ingress))
    done = subprocess.run(
        [needs("kubectl"), "kustomize", str(overlay)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    assert {each["metadata"]["namespace"] for each in built} == {"reminders"}
    kinds = sorted(each["kind"] for each in built)
    assert kinds == sorted(
        [
            *["Deployment"] * 4,
            *("ConfigMap", "Service", "PodDisruptionBudget", "Ingress", "HorizontalPodAutoscaler"),
        ]
    )
    (variables,) = (each["data"] for each in built if each["kind"] == "ConfigMap")
    assert variables["ALLOWED_HOSTS"] == "localhost"
    images = {
        container["image"]
        for each in built
        if each["kind"] == "Deployment"
        for container in each["spec"]["template"]["spec"]["containers"]
    }
    assert images == {"REGISTRY/assignment-reminders:1.0.0"}


# --- compose ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["worker", "scanner"])
def test_journals_are_in_a_volume_that_outlives_the_containers(name):
    folder = SERVICES[name]["environment"]["REMINDER_JOURNAL_DIR"]
    assert SERVICES[name]["volumes"] == [f"journal:{folder}"]
    assert "journal" in COMPOSE["volumes"]
    assert f"install -d -o reminders -g reminders -m 0700 {folder}" in (ROOT / "Dockerfile").read_text()


TLS: dict[str, Any] = yaml.safe_load((DEPLOY / "compose" / "tls.yml").read_text())


def test_the_proxy_stands_before_web():
    proxy = TLS["services"]["proxy"]
    text = (DEPLOY / "compose" / "Caddyfile").read_text()
    (upstream,) = re.findall(r"reverse_proxy \{\$UPSTREAM:(.+?)\}", text)
    (port,) = SERVICES["web"]["ports"]
    assert upstream == f"web:{port.rpartition(':')[2]}"
    assert set(re.findall(r"\{\$([A-Z_]+)\}", text)) == {"PUBLIC_URL"} <= proxy["environment"].keys()
    assert proxy["depends_on"]["web"] == {"condition": "service_healthy"}
    outside = {published.split(":")[1].split("/")[0] for published in proxy["ports"]}
    assert outside == set(re.findall(r"https?_port (\d+)", text))


def test_the_proxy_keeps_no_address_of_a_page_of_people():
    assert re.findall(r"^\s*log\b", (DEPLOY / "compose" / "Caddyfile").read_text(), re.MULTILINE) == []


def test_the_proxy_takes_as_much_as_web_does():
    (size,) = re.findall(r"max_size (\d+)MiB", (DEPLOY / "compose" / "Caddyfile").read_text())
    assert int(size) * 1024 * 1024 == settings.DATA_UPLOAD_MAX_MEMORY_SIZE


def test_caddy_accepts_its_file():
    done = subprocess.run(
        [
            needs("caddy"),
            "adapt",
            "--config",
            str(DEPLOY / "compose" / "Caddyfile"),
            "--adapter",
            "caddyfile",
            "--validate",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PUBLIC_URL": "https://reminders.example.org"},
    )
    assert done.returncode == 0, done.stderr
