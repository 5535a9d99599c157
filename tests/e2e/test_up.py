"""`manage.py up` as a person meets it: one command, everything runs, Ctrl-C leaves nothing."""

import contextlib
import email
import email.policy
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import psycopg
import pytest

from config.devstack import processes
from config.devstack.postgres import Postgres
from config.devstack.state import SavedValues
from reminders.management.page_visit import forms_of
from tests.stack import drop_database, make_database, until
from tests.starter import run

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not processes.LINUX, reason="reads /proc"),
]
ROOT = Path(__file__).resolve().parent.parent.parent
OWN = ("DATABASE_URL", "REDIS_URL", "EMAIL_URL", "SECRET_KEY", "HTTPS_ONLY", "PUBLIC_URL", "PORT")


@dataclass
class Up:
    """A running `up`, its state folder and what it printed."""

    state: Path
    process: subprocess.Popen[bytes]
    output: Path

    def file(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.state / "up.json").read_text())
        return content

    def printed(self) -> str:
        return self.output.read_text()

    def end(self, order: signal.Signals) -> int:
        self.process.send_signal(order)
        return self.process.wait(timeout=90)


def environment(state: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in OWN}
    return {**kept, "REMINDERS_STATE": str(state)}


@contextmanager
def up(state: Path, *words: str, **more: str) -> Iterator[Up]:
    """`manage.py up` until it is ready; whatever is left of it at the end is killed by its number."""
    output = state / "printed"
    with output.open("wb") as handle:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", str(processes.free_port()), *words],
            cwd=ROOT,
            env=environment(state) | more,
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=subprocess.STDOUT,
        )
    running = Up(state, process, output)
    try:
        ready = processes.wait_for(
            lambda: (state / "up.json").exists() or process.poll() is not None, seconds=120
        )
        assert ready, running.printed()
        assert process.poll() is None, running.printed()
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=90)
        for pid in processes_of(state):
            os.kill(pid, signal.SIGKILL)


def processes_of(state: Path) -> list[int]:
    """Every living process that has this state folder in its arguments or its environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            content = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if str(state).encode() in content:
            found.append(int(entry.name))
    return found


def new_state() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="reminders-up-"))
    folder.chmod(0o711)
    return folder


def remove(state: Path) -> None:
    Postgres(state, durable=False).delete_data()
    shutil.rmtree(state)


@pytest.fixture
def state() -> Iterator[Path]:
    folder = new_state()
    yield folder
    remove(folder)


@dataclass
class Life:
    """One `up` on a state folder that others had before and after it: what was there once it ran, and at its end."""

    content: dict[str, Any]
    kept: int
    code: int | None = None
    printed: str = ""
    left: list[int] = field(default_factory=list)
    leaves_file: bool = False


@dataclass
class Lives:
    """A state folder from nothing through every way to end, and a copy of it as Ctrl-C has left it."""

    state: Path
    copy: Path
    by_end: dict[str, Life] = field(default_factory=dict)


@pytest.fixture(scope="module")
def lives() -> Iterator[Lives]:
    """Three `up`, one after the other: to make a cluster and its tables takes long, so one state folder serves all tests."""
    with ExitStack() as stack:
        found = Lives(new_state(), new_state())
        for folder in (found.state, found.copy):
            stack.callback(remove, folder)
        with up(found.state) as first:
            with psycopg.connect(first.file()["database_url"]) as connection:
                connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
            found.by_end["Ctrl-C"] = ended(first, signal.SIGINT, within=10)
        copy(found.state, found.copy)
        with up(found.state) as second:
            found.by_end["TERM"] = ended(second, signal.SIGTERM, within=10)
        with up(found.state) as third:
            found.by_end["KILL"] = ended(third, signal.SIGKILL, within=40)
        (found.state / "up.json").unlink(missing_ok=True)  # The next one would seem to be ready.
        yield found


def ended(running: Up, order: signal.Signals, *, within: float) -> Life:
    """Ends it; its processes are to be gone within so many seconds."""
    with psycopg.connect(running.file()["database_url"]) as connection:
        row = connection.execute("SELECT answer FROM kept").fetchone()
    life = Life(running.file(), row[0] if row else 0)
    life.code = running.end(order)
    processes.wait_for(lambda: processes_of(running.state) == [], seconds=within)
    life.left, life.printed = processes_of(running.state), running.printed()
    life.leaves_file = (running.state / "up.json").exists()
    return life


def copy(state: Path, to: Path) -> None:
    """With owners and rights; where PostgreSQL's data are is noted in a file."""
    subprocess.run(["cp", "-a", f"{state}/.", to], check=True)
    places = SavedValues(to, "postgres")
    places["home"] = places["home"].replace(str(state), str(to))


@pytest.fixture(scope="module")
def running(lives: Lives) -> Iterator[Up]:
    """One `up` for the tests that leave it running, after one that was killed."""
    with up(lives.state, REMINDER_LEAD_MINUTES="45", WEBHOOK_ALLOW_PRIVATE="true") as one:
        yield one


def mails(demo: Up, subject: str) -> list[EmailMessage]:
    """The mails that have arrived whose subject begins like this, by time of arrival."""
    stored = [path.read_bytes() for path in sorted((demo.state / "mail").glob("*.eml"))]
    found = [email.message_from_bytes(content, policy=email.policy.default) for content in stored]
    return [mail for mail in found if mail["Subject"].startswith(subject)]


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def each_mail_to_an_assignee_links_to_a_page_that_opens_and_no_notice_does(demo: Up) -> None:
    for mail in mails(demo, ""):
        lines = text_of(mail).splitlines()
        links = [line for line in lines if line.startswith(f"{demo.file()['web']}/a/")]
        if mail["Subject"].startswith(("Overdue: ", "Declined: ")):  # to a supervisor
            assert links == []
            continue
        (link,) = links
        assert status(link) == 200
        seen = "".join(path.read_text(errors="replace") for path in (demo.state / "logs").iterdir())
        assert link.rpartition("/")[2] not in seen


def status(address: str) -> int:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return int(answer.status)


def manage(running: Up, *words: str) -> subprocess.CompletedProcess[str]:
    return run("manage", *words, environment=environment(running.state))


def test_the_web_answers_and_everything_runs(running: Up) -> None:
    content = running.file()

    def answers() -> bool:  # a test before may have killed it: it is on its way back
        with contextlib.suppress(OSError):
            return status(content["web"] + "/healthz") == 200
        return False

    until(answers, within=60, what="web answers")
    assert status(content["web"] + "/admin/login/") == 200
    everybody = {"postgres", "redis", "mail", "web", "worker", "scanner", "beat"}
    until(lambda: set(running.file()["processes"]) == everybody, within=60, what="everything runs")
    assert content["login"]["username"] == "ops"
    assert content["login"]["password"] in running.printed()


def test_what_holds_secrets_is_for_its_owner_alone(running: Up) -> None:
    names = ["up.json", "secret-key", "ops-password", "postgres.json", "redis.json"]

    assert {name: oct((running.state / name).stat().st_mode & 0o777) for name in names} == dict.fromkeys(
        names, "0o600"
    )


def test_no_secret_is_in_a_log_or_on_a_command_line(running: Up) -> None:
    content = running.file()
    postgres_password = content["database_url"].split(":")[2].split("@")[0]
    redis_password = content["redis_url"].split(":")[2].split("@")[0]
    seen = "".join(path.read_text(errors="replace") for path in (running.state / "logs").iterdir())
    for pid in processes_of(running.state):
        seen += " ".join(processes.command_line(pid) or [])

    for secret in (
        postgres_password,
        content["environment"]["DATABASE_URL"].split(":")[2].split("@")[0],
        redis_password,
        content["environment"]["SECRET_KEY"],
        content["login"]["password"],
    ):
        assert secret not in seen


def test_a_second_up_on_the_same_state_is_refused(running: Up) -> None:
    second = manage(running, "up")

    assert second.returncode == 1
    assert "is already running" in second.stderr
    assert running.file()["web"] in second.stderr
    assert running.process.poll() is None


def test_a_command_in_another_terminal_finds_the_services(running: Up) -> None:
    asked = manage(running, "migrate", "--check")

    assert asked.returncode == 0, asked.stderr


def test_a_command_in_another_terminal_has_the_same_settings(running: Up) -> None:
    """Also WEBHOOK_ALLOW_PRIVATE, which is refused where HTTPS_ONLY is on."""
    ask = (
        "from django.conf import settings as s;"
        "print(s.REMINDERS.lead, s.WEBHOOK_ALLOW_PRIVATE, s.HTTPS_ONLY, f'smtp://{s.EMAIL_HOST}:{s.EMAIL_PORT}')"
    )
    asked = manage(running, "shell", "--verbosity", "0", "-c", ask)

    assert asked.stdout.strip() == f"0:45:00 True False {running.file()['mail']}", asked.stderr


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE reminders_audit",
        "ALTER TABLE reminders_audit DISABLE TRIGGER append_only",
        "SET session_replication_role = replica",
        "CREATE ROLE another",
        "DROP TABLE reminders_audit",
    ],
)
def test_the_processes_cannot_bypass_the_audit_trail(running: Up, statement: str) -> None:
    """Their role neither owns a table nor is a superuser; `migrate` and `prepare` connect as the owner."""
    with (
        psycopg.connect(running.file()["environment"]["DATABASE_URL"]) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


def test_the_doctor_finds_the_running_system_well(running: Up) -> None:
    """Its canary takes the real way; what other tests have killed comes back meanwhile."""

    def well() -> bool:
        asked = manage(running, "reminders_doctor", "--json")
        levels.update({check["name"]: check["level"] for check in json.loads(asked.stdout)["checks"]})
        return asked.returncode == 0

    levels: dict[str, str] = {}
    assert processes.wait_for(well, seconds=120), levels
    taken = ("a message to a worker", "mail server", "switch 1 of 3 in every process", "clocks of the hosts")
    assert {levels[name] for name in taken} == {"pass"}


@pytest.mark.parametrize("name", ["web", "worker", "scanner", "beat", "mail", "redis", "postgres"])
def test_a_child_that_is_killed_is_started_again(running: Up, name: str) -> None:
    before = running.file()["processes"][name]
    os.kill(before, signal.SIGKILL)

    assert processes.wait_for(
        lambda: running.file()["processes"].get(name) not in {None, before}, seconds=45
    ), running.printed()
    assert processes.wait_for(
        lambda: f"{name} was killed by SIGKILL; restarting" in running.printed(), seconds=10
    )
    assert processes.wait_for(lambda: answers(running), seconds=45)


def answers(running: Up) -> bool:
    try:
        with psycopg.connect(running.file()["database_url"], connect_timeout=2):
            return status(running.file()["web"] + "/healthz") == 200
    except (OSError, psycopg.Error):
        return False


@pytest.mark.parametrize(
    ("how", "code", "leaves_file"),
    [("Ctrl-C", 0, False), ("TERM", 0, False), ("KILL", -signal.SIGKILL, True)],
)
def test_however_it_ends_no_process_is_left(lives: Lives, how: str, code: int, leaves_file: bool) -> None:
    end = lives.by_end[how]
    assert (end.code, end.left, end.leaves_file) == (code, [], leaves_file), end.printed
    assert end.printed.strip().endswith("/") or how == "KILL"


def test_the_next_start_has_the_data(lives: Lives, running: Up) -> None:
    """The one after Ctrl-C, the one after TERM, and the one after it was killed."""
    first, *later = [(life.content, life.kept) for life in lives.by_end.values()]
    with psycopg.connect(running.file()["database_url"]) as connection:
        rows = connection.execute("SELECT answer FROM kept").fetchall()
    assert rows == [(42,)]
    for content, kept in [*later, (running.file(), 42)]:
        assert kept == 42
        assert content["login"] == first[0]["login"]
        assert content["environment"]["SECRET_KEY"] == first[0]["environment"]["SECRET_KEY"]


@dataclass(frozen=True)
class Line:
    """One line of the narration: its first word, and all after it."""

    word: str
    rest: str


def narrated(demo: Up) -> list[Line]:
    found = [line.split(maxsplit=2)[1:] for line in demo.printed().splitlines() if line[2:3] == ":"]
    return [Line(*words) for words in found if len(words) == 2]


def test_the_demo_visibly_delivers_and_people_act_within_a_minute_though_the_port_was_taken(
    lives: Lives, running: Up
) -> None:
    taken = running.file()["web"].rpartition(":")[2]
    with up(lives.copy, "--demo", "--port", taken) as demo:
        assert f"port {taken} is taken" in demo.printed()
        assert status(demo.file()["web"] + "/healthz") == 200

        def lines(word: str, what: str = "") -> list[str]:
            return [line.rest for line in narrated(demo) if line.word == word and what in line.rest]

        assert processes.wait_for(lambda: len(lines("sent", "reminder to")) >= 6, seconds=60), demo.printed()
        assert processes.wait_for(lambda: lines("overdue") != [], seconds=30), demo.printed()
        assert processes.wait_for(lambda: lines("demo", "all of it has happened") != [], seconds=60), (
            demo.printed()
        )
        assert processes.wait_for(lambda: len(mails(demo, "")) == 9, seconds=60), demo.printed()
        each_mail_to_an_assignee_links_to_a_page_that_opens_and_no_notice_does(demo)
        the_mailbox_shows_each_mail_with_its_link(demo)
        skipped = lines("skipped")
        by_link = [*lines("started"), *lines("declined")]
        of_demo = [line.partition(" - ")[2] for line in lines("demo")]
        (declined,), (moved,) = mails(demo, "Declined: "), mails(demo, "Moved from ")

    assert any("it was cancelled" in line for line in skipped), skipped
    assert any("it was moved" in line for line in skipped), skipped
    assert [line.partition(" - ")[2] for line in by_link] == [
        "Lucía Moreno has started it, by the link in the mail",
        "Aoife O'Neill can't make it, by the link in the mail",
    ]
    assert len(lines("sent", "notice to supervisors of what Aoife O'Neill has said")) == 1
    assert len(lines("sent", "correction to Chidi Okafor")) == 1
    assert "Maria Lindqvist, supervisor of Care, has heard of it" in of_demo
    assert "Eva Novak was reminded a day before, by a rule" in of_demo
    assert "moved by 2 hours, after Chidi Okafor was reminded" in of_demo
    assert declined["To"] == "Maria Lindqvist <maria.lindqvist@example.org>"
    assert "My car has broken down." in text_of(declined)
    assert moved["To"] == "Chidi Okafor <chidi.okafor@example.org>"
    assert "@" not in "".join(line.rest for line in narrated(demo))


def the_mailbox_shows_each_mail_with_its_link(demo: Up) -> None:
    """As the person who starts `up` sees it: with the login that it prints, in a browser of the standard library."""
    web, login = demo.file()["web"], demo.file()["login"]
    browser = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor()
    )

    def page(path: str, fields: dict[str, str] | None = None) -> str:
        body = None if fields is None else urllib.parse.urlencode(fields).encode()
        with browser.open(web + path, body, timeout=30) as answer:
            return str(answer.read().decode())

    (form, *_) = forms_of(page("/admin/login/?next=/ops/mailbox"))
    listed = page("/admin/login/?next=/ops/mailbox", {**form.hidden, **login})
    names = re.findall(r'href="/ops/mailbox/([0-9TZ.-]+)"', listed)
    assert names == sorted((path.stem for path in (demo.state / "mail").glob("*.eml")), reverse=True)
    shown = [page(f"/ops/mailbox/{name}") for name in names]
    links = [link for mail in shown for link in re.findall(r'<a href="(/a/[^"]+)">', mail)]
    assert len(links) == len(mails(demo, "Reminder: ")) + len(mails(demo, "Moved from ")) == 7
    assert all(status(web + link) == 200 for link in links)


@pytest.fixture
def named() -> Iterator[str]:
    """The address of a database outside the state folder."""
    server, name = os.environ["DATABASE_URL"], f"named_{uuid.uuid4().hex[:10]}"
    yield make_database(server, name)
    drop_database(server, name)


def test_a_demo_on_a_named_database_with_work_in_it_is_refused(state: Path, running: Up, named: str) -> None:
    own = environment(state) | {"DATABASE_URL": named, "REDIS_URL": running.file()["redis_url"]}
    with psycopg.connect(named) as connection:
        connection.execute(
            "INSERT INTO assignments_assignment (title, kind, location, notes, status, scheduled_start, version,"
            " reminder_status, known_at) VALUES ('real work', '', '', '', 'SCHEDULED', now(), 1, 'NONE', now())"
        )

    refused = subprocess.run(
        [sys.executable, "manage.py", "up", "--demo"],
        cwd=ROOT,
        env=own,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert refused.returncode == 1
    assert "--demo needs an empty one" in refused.stderr
    assert processes_of(state) == []
