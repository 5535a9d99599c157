"""A missing SECRET_KEY stops every process, and a change of it breaks no link."""

import os
import subprocess

import pytest

from config.environment import Environment
from reminders.content import links
from tests import starter

CELERY = ["celery", "-A", "config"]
PROCESSES = {
    "web": ["config.wsgi"],
    "worker": [*CELERY, "worker", "-Q", "reminders", "--concurrency", "1"],
    "scanner": [*CELERY, "worker", "-Q", "reminders.scan", "--concurrency", "1"],
    "beat": [*CELERY, "beat", "--pidfile="],
    "check": ["manage", "check", "--deploy"],
}


def run(words: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SECRET_KEY")}
    return starter.run(*words, environment={**kept, **more})


@pytest.mark.parametrize("name", PROCESSES)
def test_no_process_starts_without_it(name, tmp_path):
    # Beat's usual scheduler reads the database before it checks the settings, and this one has no tables.
    schedule = ["--scheduler", "celery.beat:PersistentScheduler", "--schedule", str(tmp_path / "schedule")]
    done = run(PROCESSES[name] + (schedule if name == "beat" else []))
    assert done.returncode != 0
    assert "SECRET_KEY is not set: a long random text is needed" in done.stderr


@pytest.mark.parametrize("more", [{"SECRET_KEY": "k" * 50}, {"DEBUG": "true"}])
def test_with_it_or_in_development_web_starts(more):
    assert run(PROCESSES["web"], **more).returncode == 0


def test_commands_that_sign_nothing_need_none():
    assert run(["manage", "check"]).returncode == 0


def test_a_link_of_the_former_key_still_opens_and_none_of_a_removed_one(settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "old" * 20, []
    link = links.Link(assignment_id=1, assignee_id=2, version=3)
    token = links.token_of(link)

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new" * 20, ["older" * 10, "old" * 20]
    assert links.link_from(token) == link

    settings.SECRET_KEY_FALLBACKS = []
    assert links.link_from(token) is None


def test_former_keys_may_come_from_a_file(tmp_path):
    path = tmp_path / "keys"
    path.write_text("one,two\n")
    assert Environment({"SECRET_KEY_FALLBACKS_FILE": str(path)}).words(
        "SECRET_KEY_FALLBACKS", secret=True
    ) == [
        "one",
        "two",
    ]
