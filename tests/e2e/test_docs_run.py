"""The examples of README.md, docs/api.md and docs/webhooks.md, and what the runbook does about work for which nobody may
come, work: each is run, as it is written, against a real server."""

import json
import re
import shlex
import shutil
import sys
import textwrap
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.shell import run_script
from tests.fakes.http_sink import HttpSink
from tests.stack import ROOT, running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SAMPLE = [
    {"reference": "W-8", "title": "Read the meter", "scheduled_start": "2030-06-16T09:00:00Z"},
    {"reference": "W-9", "title": "Change the filter", "scheduled_start": "2030-06-16T10:00:00Z"},
]

MORE = {"WEBHOOK_ALLOW_PRIVATE": "true", "PUBLIC_URL": "https://reminders.example.org"}

TABLE = """\
Subject,Start Date,Start Time,End Date,End Time,All day event,Location,Required Attendees
Read the meter,6/17/2030,9:00:00 AM,6/17/2030,10:00:00 AM,False,Lund,ada@example.org
Change the filter,6/17/2030,11:00:00 AM,6/17/2030,12:00:00 PM,False,Malmo,grace@example.org
"""


def mapping_of_the_page() -> str:
    """The mapping that the page shows."""
    page = (ROOT / "docs" / "api.md").read_text()
    return re.findall(r'^( {4}\{"name": "Outlook".*\n(?: {6,}.*\n)+)', page, re.MULTILINE)[0]


def blocks(page: str) -> Iterator[str]:
    """The indented blocks that call the API, those of lists too."""
    for block in re.findall(r"(?:^ {4}.*\n)+", (ROOT / "docs" / page).read_text(), re.MULTILINE):
        lines = textwrap.dedent(block).splitlines()
        if any(line.startswith("call ") for line in lines):
            yield "\n".join(lines) + "\n"


def recipe(heading: str, pk: int) -> list[str]:
    """The commands of a section of the runbook, for this assignment in place of $ID."""
    section = (ROOT / "docs" / "runbook.md").read_text().split(f"\n### {heading}\n")[1].split("\n### ")[0]
    lines = "".join(re.findall(r"^```\n(.*?)^```", section, re.MULTILINE | re.DOTALL)).splitlines()
    assert any("$ID" in line for line in lines)
    return [line.replace("$ID", str(pk)) for line in lines]


def functions() -> str:
    """The shell functions that the page defines; here a refused call also ends the script."""
    page = (ROOT / "docs" / "api.md").read_text()
    found = [line.strip() for line in page.splitlines() if line.startswith(("    call() ", "    id_of() "))]
    assert len(found) == 2
    return "\n".join(found).replace("--silent", "--silent --fail-with-body") + "\n"


@pytest.fixture(scope="module")
def shell(tmp_path_factory) -> Iterator[object]:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    folder = tmp_path_factory.mktemp("docs")
    with running(folder, more=MORE) as stack, HttpSink() as sink:
        _, web = stack.web()
        token = stack.manage("create_api_token", "docs", "--scopes", "read,write,ops,privacy").stdout.strip()
        make_what_was_there(web, token)
        (folder / "assignments.json").write_text(json.dumps(SAMPLE))
        rows = "".join(f"{row['reference']},{row['title']},{row['scheduled_start']}\n" for row in SAMPLE)
        (folder / "assignments.csv").write_text("reference,title,scheduled_start\n" + rows)
        (folder / "team.ics").write_text(CALENDAR)
        (folder / "outlook.csv").write_text(TABLE)
        (folder / "outlook-mapping.json").write_text(mapping_of_the_page())

        def run(script: str) -> str:
            script = script.replace("https://planning.example.org/hook", sink.url)
            environment = {**stack.environment, "API": f"{web}/api", "TOKEN": token}
            return run_script(functions() + script, folder=folder, environment=environment, seconds=60)

        run.folder, run.web, run.token = folder, web, token  # type: ignore[attr-defined]
        run.sink = sink  # type: ignore[attr-defined]
        yield run


def make_what_was_there(web: str, token: str) -> None:
    """What the system holds before anybody tries the examples: somebody's work, and somebody's subscription."""
    for path, body in (
        ("assignments", {"title": "Real work", "scheduled_start": "2030-06-16T08:00:00Z"}),
        (
            "webhooks",
            {"name": "real", "url": "https://real.example.org/hook", "events": ["reminder.failed"]},
        ),
    ):
        assert answered(web, token, path, body)["id"] == 1


def answered(web: str, token: str, path: str, body: object = None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(
        urllib.request.Request(f"{web}/api/{path}", data, headers), timeout=20
    ) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//example//EN
BEGIN:VEVENT
UID:W-10
DTSTAMP:20300601T000000Z
DTSTART:20300616T110000Z
SUMMARY:Clean the flue
END:VEVENT
END:VCALENDAR
""".replace("\n", "\r\n")


def test_the_call_of_the_readme(shell):
    """The token is made as it is written there, too."""
    fenced = re.findall(r"^```\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    (block,) = (one for one in fenced if "curl" in one)
    manage = f"{shlex.quote(sys.executable)} {shlex.quote(str(ROOT / 'manage.py'))}"
    written = block.replace("python3 manage.py", manage).replace("http://127.0.0.1:8000", shell.web)
    made = json.loads(shell(written).splitlines()[-1])
    assert (made["reference"], made["assignee"]["name"]) == ("EXAMPLE-README", "Ada")


def test_the_round_trip_and_the_files(shell):
    there = list(blocks("api.md"))
    assert len(there) >= 3
    said = [shell(block) for block in there]
    put, found, explained, moved, ledger, cancelled = map(json.loads, said[0].splitlines())
    assert put["reference"] == "EXAMPLE-1"
    assert [one["id"] for one in found["results"]] == [put["id"]]
    assert explained["will_send"] is True
    assert (moved["version"], moved["scheduled_start"]) == (2, "2030-06-15T14:00:00Z")
    assert ledger == {"results": []}
    assert cancelled["status"] == "CANCELLED"
    real = answered(shell.web, shell.token, "assignments/1")
    assert (real["title"], real["version"], real["status"]) == ("Real work", 1, "SCHEDULED")
    folder: Path = shell.folder
    assert "W-8" in (folder / "assignments.csv").read_text()  # what the export wrote
    assert "due_at" in (folder / "log.csv").read_text().splitlines()[0]


def test_webhooks(shell):
    (block,) = blocks("webhooks.md")
    said = shell(block)
    assert said.count("whsec_") == 2  # made, and replaced
    assert '"outcome":"accepted"' in said.replace(": ", ":")
    assert len(shell.sink.heard) == 1
    real = answered(shell.web, shell.token, "webhooks/1")
    assert (real["name"], real["active"]) == ("real", True)


def reminded_work(shell, reference: str) -> int:
    """Work that starts in an hour, of whose reminder a former system has said that it was sent."""
    start = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    answered(
        shell.web,
        shell.token,
        "assignments/import",
        [
            {
                "reference": reference,
                "title": "Sweep the chimney",
                "scheduled_start": start,
                "reminder_status": "SENT",
                "assignee": {"reference": f"of {reference}", "name": "Ada", "email": "ada@example.test"},
            }
        ],
    )
    found = answered(shell.web, shell.token, f"assignments?reference={reference}")["results"]
    return int(found[0]["id"])


def ids(text: str) -> list[int]:
    return [work["id"] for work in json.loads(text)["results"]]


def test_what_to_do_about_declined_work(shell):
    pk = reminded_work(shell, "RUNBOOK-1")
    answered(shell.web, shell.token, "people", {"reference": "P-2", "name": "Grace"})
    answered(shell.web, shell.token, f"assignments/{pk}/decline", {"note": "My car broke down."})
    lists, explains, gives_away, moves, confirms, cancels = recipe("Work was declined", pk)
    assert ids(shell(lists)) == [pk]
    assert "My car broke down." in shell(explains)
    given = json.loads(shell(gives_away))
    assert (given["assignee"]["reference"], given["answer"]) == ("P-2", "NONE")
    assert ids(shell(lists)) == []
    assert json.loads(shell(moves))["scheduled_start"] == "2030-06-15T14:00:00Z"
    assert json.loads(shell(confirms))["answer"] == "CONFIRMED"
    assert json.loads(shell(cancels))["status"] == "CANCELLED"


def test_what_to_do_about_work_that_nobody_has_answered(shell):
    pk = reminded_work(shell, "RUNBOOK-2")
    lists, explains, reminds, declines, confirms = recipe("Nobody has answered", pk)
    assert ids(shell(lists)) == [pk]
    assert "former system" in shell(explains)
    shell(reminds)
    found = answered(shell.web, shell.token, f"assignments/{pk}")
    assert (found["reminder_status"], ids(shell(lists))) == ("NONE", [])
    declined = json.loads(shell(declines))
    assert (declined["answer"], declined["answer_note"]) == ("DECLINED", "By telephone: ill.")
    assert json.loads(shell(confirms))["answer"] == "CONFIRMED"
