"""A client that is generated from the API's own description makes the round trip of docs/api.md, in types."""

import importlib
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime

import pytest

from tests.stack import running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

# Files come and go as they are; nothing is made pretty.
CONFIG = """
post_hooks: []
content_type_overrides:
  text/csv: application/octet-stream
  text/calendar: application/octet-stream
  application/vnd.openxmlformats-officedocument.spreadsheetml.sheet: application/octet-stream
"""
START = datetime(2030, 6, 15, 13, 0, tzinfo=UTC)


@pytest.fixture
def client(tmp_path, monkeypatch):
    """The module of a client that was made just now, and an instance of it that is logged in."""
    with running(tmp_path) as stack:
        _, web = stack.web()
        token = stack.manage("create_api_token", "generated", "--scopes", "read,write").stdout.strip()
        with urllib.request.urlopen(f"{web}/api/schema?format=json", timeout=30) as answer:
            (tmp_path / "schema.json").write_bytes(answer.read())
        (tmp_path / "config.yaml").write_text(CONFIG)
        made = subprocess.run(
            [
                *(sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"),
                *("--path", str(tmp_path / "schema.json"), "--config", str(tmp_path / "config.yaml")),
                *("--output-path", str(tmp_path / "reminders_client")),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        assert "warning" not in (made.stdout + made.stderr).lower()
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()
        module = importlib.import_module("reminders_client")
        made_now = module.AuthenticatedClient(base_url=web, token=token, raise_on_unexpected_status=True)
        with made_now:  # closes its connections
            yield made_now
        for name in [name for name in sys.modules if name.split(".")[0] == "reminders_client"]:
            del sys.modules[name]


def call(name: str):
    return importlib.import_module(f"reminders_client.api.assignments.assignments_{name}").sync


def test_there_and_back(client):
    models = importlib.import_module("reminders_client.models")
    ada = models.AssigneeInput(reference="P-1", name="Ada", email="ada@example.org")
    wanted = models.AssignmentPutInput(title="Check the boiler", scheduled_start=START, assignee=ada)

    made = call("put")("W-1", client=client, body=wanted)
    again = call("put")("W-1", client=client, body=wanted)
    assert (again.id, again.version) == (made.id, made.version) == (made.id, 1)
    assert made.scheduled_start == START
    assert made.assignee.name == "Ada"

    listed = call("list")(client=client, search="boiler")
    assert [one.id for one in listed.results] == [made.id]

    explained = call("explain")(made.id, client=client)
    assert explained.will_send is True

    later = START.replace(hour=14)
    moved = call("reschedule")(made.id, client=client, body=models.RescheduleInput(scheduled_start=later))
    assert (moved.version, moved.scheduled_start) == (2, later)

    cancelled = call("cancel")(made.id, client=client)
    assert cancelled.status.value == "CANCELLED"

    refused = call("reschedule")(made.id, client=client, body=models.RescheduleInput(scheduled_start=START))
    assert refused.type_ == "conflict"
