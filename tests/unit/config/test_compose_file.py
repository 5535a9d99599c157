"""The compose file names only what the project has: programs, modules, variables, checks, and the right order."""

import importlib.util
import re
import shlex
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands
from django.urls import resolve

from config import container_health as health
from config.celery import app
from config.devstack.launch import CELERY_WORKER

ROOT = Path(settings.BASE_DIR)
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if service.get("build"))
PROCESSES = sorted(set(OURS) - {"migrate"})
INTERPOLATED = re.compile(r"(?<!\$)\$\{([A-Z_]+)(:[-?])?([^}]*)\}")
EXAMPLE = (ROOT / ".env.example").read_text()


def words(service: str) -> list[str]:
    """A service's command with the defaults of its variables filled in."""
    return shlex.split(INTERPOLATED.sub(lambda found: found[3], SERVICES[service]["command"]))


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


def test_the_services_are_the_processes_of_the_project():
    assert OURS == ["beat", "migrate", "scanner", "web", "worker"]
    assert set(SERVICES) - set(OURS) == {
        "mailpit",
        "postgres",
        "redis",
        "prometheus",
        "alertmanager",
        "grafana",
    }


def test_one_image_serves_all_of_our_processes():
    assert {SERVICES[name]["image"] for name in OURS} == {"assignment-reminders"}
    assert {SERVICES[name]["build"] for name in OURS} == {"."}
    assert (ROOT / "Dockerfile").is_file()


def test_the_image_installs_what_the_lock_names_by_its_hash_and_runs_as_nobody_special():
    recipe = (ROOT / "Dockerfile").read_text()
    assert "--require-hashes --no-deps" in recipe
    (lock,) = re.findall(r"^COPY (\S+\.lock) ", recipe, re.MULTILINE)
    assert lock == "requirements/image.lock"
    assert re.findall(r"^USER (.+)$", recipe, re.MULTILINE)[-1] not in {"root", "0"}


def locked(name: str) -> dict[str, str]:
    """Package and version, as a lock file pins them."""
    return dict(
        re.findall(r"^([a-z0-9._-]+)(?:\[\S+\])?==([^\s;]+)", (ROOT / name).read_text(), re.MULTILINE)
    )


def test_the_image_has_what_was_tested_and_both_extras():
    image, tested = locked("requirements/image.lock"), locked("requirements/dev.lock")
    assert locked("requirements/base.lock").items() <= image.items() <= tested.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {
        re.split("[>=<]", wanted)[0]
        for group in project["optional-dependencies"].values()
        for wanted in group
    }
    assert "sentry-sdk" in extras
    assert extras <= image.keys()


@pytest.mark.parametrize("service", ["worker", "scanner", "beat"])
def test_celery_starts_our_application(service):
    command = words(service)
    assert command[:3] == ["celery", "-A", "config"]
    assert command[3] == ("beat" if service == "beat" else "worker")
    assert shutil.which("celery", path=str(Path(sys.executable).parent))


def test_each_queue_has_its_consumer():
    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    assert {option(words("worker"), "-Q")} == {settings.CELERY_TASK_DEFAULT_QUEUE}
    assert {option(words("scanner"), "-Q")} == routed


@pytest.mark.parametrize("service", ["worker", "scanner"])
def test_workers_are_started_as_up_starts_them(service):
    command = words(service)
    assert " ".join(CELERY_WORKER) in " ".join(command)
    assert option(command, "--pool") == "prefork"
    assert int(option(command, "--concurrency")) == 2
    assert int(option(command, "--prefetch-multiplier")) == settings.CELERY_WORKER_PREFETCH_MULTIPLIER


def test_beat_uses_the_scheduler_of_the_settings():
    scheduler = option(words("beat"), "--scheduler")
    assert scheduler == app.conf.beat_scheduler == settings.CELERY_BEAT_SCHEDULER
    assert importlib.util.find_spec(scheduler.partition(":")[0]) is not None


def test_the_migrate_job_runs_a_command_that_exists_and_ends():
    program, script, command = words("migrate")
    assert (program, script) == ("python", "manage.py")
    assert command in get_commands()
    assert SERVICES["migrate"]["restart"] == "no"
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


@pytest.mark.parametrize("service", PROCESSES)
def test_whoever_needs_the_database_waits_for_the_migration(service):
    needs = SERVICES[service]["depends_on"]
    assert needs["migrate"] == {"condition": "service_completed_successfully"}
    assert needs["postgres"] == needs["redis"] == {"condition": "service_healthy"}


def test_every_dependency_is_a_service_that_can_be_waited_for():
    for service in SERVICES.values():
        for name, how in service.get("depends_on", {}).items():
            assert name in SERVICES
            if how["condition"] == "service_healthy":
                assert SERVICES[name]["healthcheck"]["test"]


def test_every_variable_is_in_the_example():
    named = {found[0] for found in INTERPOLATED.findall((ROOT / "docker-compose.yml").read_text())}
    given = {name for service in OURS for name in SERVICES[service].get("environment", {})}
    known = set(re.findall(r"^#?([A-Z][A-Z_]+)=", EXAMPLE, re.MULTILINE))
    assert named | given <= known
    assert {"SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD"} <= named


def test_the_owner_of_the_tables_is_known_to_the_migration_alone():
    for service in OURS:
        given = SERVICES[service].get("environment", {})
        assert ("DATABASE_OWNER_URL" in given) is (service == "migrate")
        assert given["DATABASE_URL"].startswith("postgres://reminders_app:${POSTGRES_APP_PASSWORD:?")
        assert given["POSTGRES_PASSWORD"] == ""  # .env has it, and reaches every container


def test_no_secret_has_a_default():
    for name, how, default in INTERPOLATED.findall((ROOT / "docker-compose.yml").read_text()):
        if name.endswith(("_PASSWORD", "_KEY")):
            assert (how, default) == (":?", "set it in .env")


@pytest.mark.parametrize("service", PROCESSES)
def test_each_process_is_checked_for_the_work_it_does(service):
    program, no_path, script, kind = SERVICES[service]["healthcheck"]["test"][1:]
    assert no_path == "-P"
    assert program == "python"
    assert (ROOT / script).is_file()
    assert kind == service
    assert kind in health.CHECKS


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_each_container_has_few_rights_and_a_limit(service):
    container = SERVICES[service]
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert any(mount.startswith("/tmp") for mount in container["tmpfs"])
    assert set(container["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    if service not in OURS:  # ours say so in the Dockerfile
        assert not container["user"].startswith(("0", "root"))


def test_a_stopping_worker_has_longer_than_a_lease():
    grace = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
    assert grace > settings.REMINDERS.lease.total_seconds()


def test_redis_refuses_when_it_is_full_and_asks_for_a_password():
    start = SERVICES["redis"]["command"][-1]
    assert "--maxmemory-policy noeviction" in start
    assert "requirepass" in start


PAGES = {"web", "mailpit", "prometheus", "alertmanager", "grafana"}


def test_only_pages_can_be_reached_and_only_from_this_machine():
    assert {name for name, service in SERVICES.items() if "ports" in service} == PAGES
    for service in PAGES:
        assert all(port.startswith("127.0.0.1:") for port in SERVICES[service]["ports"])


def mounts(service: str) -> dict[str, str]:
    """Where it finds what lies in the project: path in the container -> path in the project."""
    found = {}
    for mount in SERVICES[service].get("volumes", []):
        source, target, *rights = mount.split(":")
        if source.startswith("./"):
            assert rights == ["ro"], mount
            found[target] = source
    return found


def test_every_mounted_file_is_there_and_cannot_be_written():
    for service in SERVICES:
        for source in mounts(service).values():
            assert source == "./secrets" or (ROOT / source).exists(), source


@pytest.mark.parametrize("service", ["prometheus", "alertmanager"])
def test_monitoring_starts_with_the_configuration_that_is_mounted(service):
    (path,) = (word.partition("=")[2] for word in SERVICES[service]["command"] if "--config.file" in word)
    assert (ROOT / mounts(service)[path]).is_file()


def test_prometheus_finds_rules_web_and_alertmanager():
    inside = mounts("prometheus")
    wanted = yaml.safe_load((ROOT / inside["/etc/prometheus/prometheus.yml"]).read_text())
    assert [f"/etc/prometheus/{name}" in inside for name in wanted["rule_files"]] == [True]
    (job,) = wanted["scrape_configs"]
    assert resolve(job["metrics_path"]).url_name == "metrics"
    assert SERVICES["web"]["environment"]["ALLOWED_HOSTS"].endswith("},web")
    (alerting,) = wanted["alerting"]["alertmanagers"]
    for group, container, port in (
        (job["static_configs"], "web", "8000"),
        (alerting["static_configs"], "alertmanager", "9093"),
    ):
        assert group == [{"targets": [f"{container}:{port}"]}]
        assert SERVICES[container]["ports"][0].endswith(f":{port}")


def test_alertmanager_reads_its_secrets_where_they_are_mounted():
    inside = mounts("alertmanager")
    text = (ROOT / inside["/etc/alertmanager/alertmanager.yml"]).read_text()
    files = re.findall(r"_file: (\S+)", text)
    assert len(files) == 2
    assert {path.rpartition("/")[0] for path in files} <= set(inside)


def test_grafana_finds_its_source_and_its_dashboards():
    inside = mounts("grafana")
    provisioning = ROOT / inside["/etc/grafana/provisioning"]
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "reminders.yml").read_text())["providers"]
    assert source["url"] == "http://prometheus:9090"
    assert SERVICES["prometheus"]["ports"] == ["127.0.0.1:9090:9090"]
    assert list((ROOT / inside[provider["options"]["path"]]).glob("*.json"))


def test_the_data_lie_in_a_volume_that_is_declared():
    used = {mount.partition(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])}
    assert {name for name in used if not name.startswith("./")} == set(COMPOSE["volumes"])
