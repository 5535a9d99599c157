"""docs/install.md: what can be run here is run as it is written. The blocks marked `sh` are these; the others need Docker,
systemd or Kubernetes."""

import http.cookiejar
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default as default_policy
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from config.devstack.postgres import postgres_programs
from tests.e2e.shell import run_script
from tests.fakes.smtp_server import SmtpServer
from tests.stack import ROOT, Stack, running, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PAGE = (ROOT / "docs" / "install.md").read_text()
SENT = "SELECT count(*) FROM reminders_reminder WHERE kind = 'REMINDER' AND state = 'SENT'"
SITE = "https://reminders.example.org"
ROLE = "reminders_app_install"
WORK = """
import datetime
from django.utils import timezone
from assignments import people, services
from assignments.services import NewAssignment
person = people.add_assignee(name='Ada', email='ada@example.test')
start = timezone.now() + datetime.timedelta(minutes=10)
services.create_many([NewAssignment(title='Sweep', scheduled_start=start, assignee_id=person.pk)])
"""


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def blocks(title: str) -> list[str]:
    """What a section tells its reader to run, and this machine can."""
    found = re.findall(r"^```sh\n(.*?)^```", section(title), re.MULTILINE | re.DOTALL)
    assert found
    return found


class Shell:
    """A reader's shell beside a running system; it runs in a folder of its own."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack, self.folder, self.web = stack, folder, ""
        self.more: dict[str, str] = {}

    def __call__(self, script: str) -> str:
        script = script.replace(SITE, self.web)
        environment = {
            **self.stack.environment,
            "PATH": f"{postgres_programs()}:{os.environ['PATH']}",
            **self.more,
        }
        return run_script(script, folder=self.folder, environment=environment, seconds=120)


@pytest.fixture
def shell(tmp_path) -> Iterator[Shell]:
    """The processes connect as a role that owns nothing, which `prepare` makes."""
    public = {"PUBLIC_URL": "http://127.0.0.1:9"}
    with running(tmp_path, more=public) as stack:
        owner = stack.environment["DATABASE_URL"]
        host = owner.rpartition("@")[2]
        stack.environment["DATABASE_URL"] = f"postgres://{ROLE}:of-a-role@{host}"
        stack.console(DATABASE_OWNER_URL=owner).manage(("prepare",)).check_returncode()
        shell = Shell(stack, tmp_path)
        try:
            yield shell
        finally:
            stack.stop()
            with psycopg.connect(owner.replace("postgres://", "postgresql://", 1), autocommit=True) as link:
                for statement in ("DROP OWNED BY {}", "DROP ROLE {}"):
                    link.execute(sql.SQL(statement).format(sql.Identifier(ROLE)))


def test_what_this_machine_cannot_run_is_of_docker_systemd_or_kubernetes():
    """Or it is a line of a file: a variable, or what sentinels are told."""
    programs = {
        line.split()[0]
        for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
        if not language and not re.match("[A-Z_]+=|sentinel ", line)
    }
    assert programs <= {
        *("git", "cd", "cp", "install", "useradd", "sudo", "python3"),
        *("docker", "systemctl", "kubectl"),
    }


def test_from_nothing_to_the_first_reminder(shell):
    stack: Stack = shell.stack
    (login,) = blocks("First login")
    reminds, explains, revokes = blocks("First reminder")
    stack.worker(wait=False), stack.scanner(), stack.beat()
    _, shell.web = stack.web()

    shell.more = {"DJANGO_SUPERUSER_PASSWORD": "a-password-for-a-trial"}
    shell(f"{login.strip()} --noinput --username ada --email ada@example.test")
    shell.more = {}
    browser = Browser(shell.web)
    assert browser.sign_in("ada", "a-password-for-a-trial").url == f"{shell.web}/ops/"

    shell(reminds)
    (mail,) = until(stack.mails, within=30, what="the first reminder arrives")
    assert mail["recipients"] == ["me@example.org"]
    explain, doctor = explains.splitlines()
    until(lambda: stack.query(SENT) == [(1,)], within=20, what="it is recorded")
    assert "SENT" in shell(explain)
    shell(f"{doctor} || true")  # nobody reads the metrics, and the figures say so
    shell(revokes)
    (after,) = blocks("Upgrade")
    shell(after.splitlines()[0])


def test_a_backup_is_restored(shell):
    """Into an empty database, with the rights of the processes; nothing is sent before somebody resumes."""
    stack: Stack = shell.stack
    dump, restore, prepare = blocks("Backup and restore")
    owner = stack.database_url
    stack.python(WORK)
    before = stack.query("SELECT title, version, scheduled_start FROM assignments_assignment")
    shell.more = {"DATABASE_OWNER_URL": owner}
    shell(dump)
    name = f"{owner.rpartition('/')[2]}_restored"
    restored = f"{owner.rpartition('/')[0]}/{name}"
    with psycopg.connect(owner.replace("postgres://", "postgresql://", 1), autocommit=True) as link:
        link.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            shell.more = {"RESTORED_URL": restored}
            shell(restore)
            stack.database_url = restored
            stack.environment["DATABASE_URL"] = f"{stack.environment['DATABASE_URL']}_restored"
            shell.more = {"DATABASE_OWNER_URL": restored}
            prepares, checks, pauses = prepare.splitlines()
            shell(prepares)
            shell(checks)
            shell.more = {}
            assert stack.query("SELECT title, version, scheduled_start FROM assignments_assignment") == before
            shell(pauses)
            stack.manage("rescan_reminders", "--sync")
            assert stack.mails() == []
            stack.manage("resume_reminders")
            stack.manage("rescan_reminders", "--sync")
            assert [mail["recipients"] for mail in stack.mails()] == [["ada@example.test"]]
        finally:
            with psycopg.connect(
                restored.replace("postgres://", "postgresql://", 1), autocommit=True
            ) as other:
                other.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(ROLE)))
            link.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_another_secret_key_breaks_neither_links_nor_sessions(shell):
    stack: Stack = shell.stack
    stack.python(WORK)
    with SmtpServer() as server:
        to_server = stack.console(EMAIL_URL=f"smtp://127.0.0.1:{server.port}")
        to_server.manage(("rescan_reminders", "--sync")).check_returncode()
    (mail,) = server.accepted
    parts = message_from_bytes(mail.content, policy=default_policy).walk()
    texts = [part.get_content() for part in parts if part.get_content_type() == "text/plain"]
    (path,) = set(re.findall(r"http://127.0.0.1:9(/a/[\w.-]+)", texts[0]))
    words = ("createsuperuser", "--noinput", "--username", "ada", "--email", "ada@example.test")
    password = {"DJANGO_SUPERUSER_PASSWORD": "a-password-for-a-trial"}
    stack.console(**password).manage(words).check_returncode()
    browser = Browser("")
    former = stack.environment["SECRET_KEY"]
    found = []
    for present, fallbacks in ((former, ""), ("new" * 20, former), ("new" * 20, ""), ("newer" * 10, "")):
        stack.environment |= {"SECRET_KEY": present, "SECRET_KEY_FALLBACKS": fallbacks}
        web, browser.site = stack.web()
        if not found:
            browser.sign_in("ada", "a-password-for-a-trial")
        found.append((browser.status(path), browser.get("/ops/").url == f"{browser.site}/ops/"))
        web.stop()
    # Whoever comes while both keys hold has a session under the new one from then on.
    assert found == [(200, True), (200, True), (404, True), (404, False)]


class Browser:
    """Keeps cookies, whichever port the site has."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.cookies = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self.cookies), urllib.request.ProxyHandler({})
        )

    def get(self, path: str, form: dict[str, str] | None = None):
        data = urllib.parse.urlencode(form).encode() if form else None
        return self.opener.open(f"{self.site}{path}", data, timeout=30)

    def status(self, path: str) -> int:
        try:
            with self.get(path) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def sign_in(self, name: str, password: str):
        self.get("/admin/login/?next=/ops/")
        (token,) = (cookie.value for cookie in self.cookies if cookie.name == "csrftoken")
        return self.get(
            "/admin/login/?next=/ops/",
            {"username": name, "password": password, "csrfmiddlewaretoken": token, "next": "/ops/"},
        )
