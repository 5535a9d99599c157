"""MAIL_SINK_DIR: the mailbox exists where mail goes to this machine's own server, and nowhere else."""

import os
import subprocess
import sys

import pytest
from django.conf import settings


def read(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from django.conf import settings as s; print(s.MAIL_SINK_DIR)"],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "EMAIL_BACKEND": "", **environment},
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def test_it_is_the_folder_where_mail_goes_to_this_machine() -> None:
    assert read(MAIL_SINK_DIR="/srv/mail", EMAIL_URL="smtp://127.0.0.1:2525") == "/srv/mail"


@pytest.mark.parametrize(
    "environment",
    [
        {"EMAIL_URL": "smtp://127.0.0.1:2525"},
        {"MAIL_SINK_DIR": "", "EMAIL_URL": "smtp://127.0.0.1:2525"},
        {"MAIL_SINK_DIR": "/srv/mail", "EMAIL_URL": "smtp://mail.example.org:25"},
        {"MAIL_SINK_DIR": "/srv/mail", "EMAIL_URL": "filemail:///srv/mail"},
        {"MAIL_SINK_DIR": "/srv/mail", "EMAIL_URL": "smtp://127.0.0.1:2525", "EMAIL_BACKEND": "foreign.Backend"},
    ],
    ids=["not set", "empty", "another machine", "a folder of Django's", "a foreign backend"],
)  # fmt: skip
def test_elsewhere_there_is_none(environment: dict[str, str]) -> None:
    assert read(**environment) == "None"
