"""How channels are found, the two that need no network, and the system checks of the mail settings."""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core import checks
from pytest_django.fixtures import Settings

from notifications import channels
from notifications.channels import base, registry
from notifications.channels.chat.channel import ChatChannel
from notifications.channels.email.channel import OWN_BACKEND, EmailChannel
from notifications.channels.email.checks import mail_settings
from notifications.channels.memory.channel import MemoryChannel
from notifications.channels.noop.channel import NoopChannel
from notifications.channels.sms.channel import SmsChannel
from notifications.channels.webhook.channel import WebhookChannel
from notifications.message import Contact, Delivery, Message, Outcome

SOON = timedelta(seconds=10)
MESSAGE = Message("1@example.com", "ann@example.com", "Ann", "Reminder", "Hello")


def test_every_folder_is_a_channel() -> None:
    assert registry.names() == ("chat", "email", "memory", "noop", "sms", "webhook")
    assert [type(registry.get(name)) for name in registry.names()] == [
        ChatChannel,
        EmailChannel,
        MemoryChannel,
        NoopChannel,
        SmsChannel,
        WebhookChannel,
    ]


def test_a_process_has_one_instance_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    here = registry.get("noop")
    assert registry.get("noop") is here
    monkeypatch.setattr("os.getpid", lambda: -1)
    forked = registry.get("noop")
    assert forked is not here
    assert registry.get("noop") is forked


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        registry.UnknownChannel,
        match=r"^'pigeon' is not a channel: one of chat, email, memory, noop, sms, webhook is",
    ):
        registry.get("pigeon")


@pytest.fixture
def another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose packages are found as if they were beside the other channels."""
    monkeypatch.setattr(channels, "__path__", [*channels.__path__, str(tmp_path)])
    monkeypatch.setattr(registry, "_instances", {})
    importlib.invalidate_caches()
    forget_channels()
    yield tmp_path
    forget_channels()
    for name in [name for name in sys.modules if name.startswith("notifications.channels.pigeon")]:
        del sys.modules[name]


def forget_channels() -> None:
    registry.names.cache_clear()
    registry._class_of.cache_clear()


def pigeon(folder: Path, source: str) -> Path:
    """The folder of a channel called "pigeon", without a checks.py."""
    package = folder / "pigeon"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "channel.py").write_text(source)
    return package


PIGEON = """
from notifications.channels.noop.channel import NoopChannel
from notifications.channels.webhook.channel import WebhookChannel

class Pigeon(NoopChannel):
    name = "pigeon"
"""


def test_a_channel_is_added_by_one_folder(another_folder: Path) -> None:
    package = pigeon(another_folder, PIGEON)
    (package / "checks.py").write_text("imported = True")
    assert registry.names() == ("chat", "email", "memory", "noop", "pigeon", "sms", "webhook")
    assert registry.get("pigeon").send(MESSAGE, timeout=SOON).accepted
    registry.import_checks()
    assert sys.modules["notifications.channels.pigeon.checks"].imported


@pytest.mark.parametrize(
    "source",
    ["", PIGEON.replace('"pigeon"', '"dove"'), PIGEON + "class Dove(NoopChannel):\n    name = 'dove'"],
    ids=["no channel", "another name", "two channels"],
)
def test_a_folder_holds_the_one_channel_of_its_name(another_folder: Path, source: str) -> None:
    pigeon(another_folder, source)
    with pytest.raises(RuntimeError, match="must define one Channel whose name is 'pigeon'"):
        registry.get("pigeon")


def test_noop_accepts_and_counts() -> None:
    channel = NoopChannel()
    assert [channel.send(MESSAGE, timeout=SOON) for _ in range(3)] == [Delivery(Outcome.ACCEPTED, "noop")] * 3
    assert channel.count == 3
    assert channel.address(Contact(name="Ann", email="ann@example.com")) == "ann@example.com"
    assert channel.address(Contact(name="Ann")) is None
    channel.close()


def test_the_memory_channel_ends_as_a_test_wants_it_to() -> None:
    channel = MemoryChannel()
    rejected = Delivery(Outcome.REJECTED, "550", "no such user")
    channel.answer_with(Outcome.UNKNOWABLE, rejected, OSError("surprise"))
    assert channel.send(MESSAGE, timeout=SOON) == Delivery(Outcome.UNKNOWABLE, "unknowable")
    assert channel.send(MESSAGE, timeout=SOON) == rejected
    with pytest.raises(OSError, match="surprise"):
        channel.send(MESSAGE, timeout=SOON)
    assert channel.messages == []
    assert channel.send(MESSAGE, timeout=SOON).accepted
    assert channel.messages == [MESSAGE]
    assert channel.attempts == [MESSAGE] * 4
    assert channel.timeouts == [SOON] * 4
    channel.answer_with(Outcome.REJECTED)
    channel.clear()
    assert (channel.messages, channel.attempts, channel.timeouts) == ([], [], [])
    assert channel.send(MESSAGE, timeout=SOON).accepted


@pytest.mark.parametrize("channel", [EmailChannel(), MemoryChannel()], ids=["email", "memory"])
def test_a_contact_without_one_valid_address_cannot_be_reached(channel: base.Channel) -> None:
    assert channel.address(Contact(name="Ann", email="ann@Bücher.example")) == "ann@xn--bcher-kva.example"
    assert channel.address(Contact(name="Ann", phone="+4930123456")) is None
    assert channel.address(Contact(name="Ann", email="ann@example.com\r\nDATA")) is None


class TestChecks:
    @pytest.fixture(autouse=True)
    def _good(self, settings: Settings) -> None:
        settings.EMAIL_BACKEND = "notifications.channels.email.backend.EmailBackend"
        settings.DEFAULT_FROM_EMAIL = "Assignment reminders <reminders@example.com>"
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False

    def test_good_settings_pass(self) -> None:
        assert mail_settings(None) == []
        assert checks.run_checks(tags=["notifications"]) == []

    @pytest.mark.parametrize(
        ("name", "value", "number"),
        [
            ("DEFAULT_FROM_EMAIL", "nobody", "notifications.E001"),
            ("DEFAULT_FROM_EMAIL", "a@example.com, b@example.com", "notifications.E001"),
            ("EMAIL_REPLY_TO", "nobody", "notifications.E005"),
            ("EMAIL_BACKEND", "no.such.Backend", "notifications.E002"),
            ("EMAIL_BACKEND", "nodots", "notifications.E002"),
            ("EMAIL_BACKEND", "notifications.message.Message", "notifications.E003"),
        ],
    )
    def test_each_bad_one_is_refused_by_the_registered_check(
        self, settings: Settings, name: str, value: str, number: str
    ) -> None:
        setattr(settings, name, value)
        [error] = checks.run_checks(tags=["notifications"])
        assert error.id == number
        assert name in error.msg
        assert error.hint

    def test_the_settings_name_our_backend(self) -> None:
        assert django_settings.OWN_EMAIL_BACKEND == OWN_BACKEND

    def test_the_name_of_release_1_0_still_means_our_backend(self) -> None:
        names = ("PATH", "SECRET_KEY", "DATABASE_URL", "REDIS_URL")
        environment = {name: os.environ[name] for name in names if name in os.environ}
        environment["EMAIL_BACKEND"] = "notifications.channels.email.backend.EmailBackend"
        program = "from config import settings; print(settings.EMAIL_BACKEND)"
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
        )
        assert (done.stdout.strip(), done.stderr) == (OWN_BACKEND, "")

    def test_two_kinds_of_tls_contradict_each_other(self, settings: Settings) -> None:
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = True
        assert [error.id for error in mail_settings(None)] == ["notifications.E004"]
