"""How channels are found, the two that need no network, and the checks of the mail settings."""

import importlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.core import checks
from pytest_django.fixtures import Settings

from notifications import channels
from notifications.channels.email import EmailChannel
from notifications.channels.memory import MemoryChannel
from notifications.channels.noop import NoopChannel
from notifications.channels.webhook import WebhookChannel
from notifications.checks import mail_settings
from notifications.message import Contact, Delivery, Message, Outcome

SOON = timedelta(seconds=10)
MESSAGE = Message("1@example.com", "ann@example.com", "Ann", "Reminder", "Hello")


def test_every_module_with_a_channel_is_one() -> None:
    assert channels.names() == ("email", "memory", "noop", "webhook")
    assert [type(channels.get(name)) for name in channels.names()] == [
        EmailChannel,
        MemoryChannel,
        NoopChannel,
        WebhookChannel,
    ]


def test_a_process_has_one_instance_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    here = channels.get("noop")
    assert channels.get("noop") is here
    monkeypatch.setattr("os.getpid", lambda: -1)
    forked = channels.get("noop")
    assert forked is not here
    assert channels.get("noop") is forked


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        channels.UnknownChannel, match=r"^'pigeon' is not a channel: one of email, memory, noop, webhook is"
    ):
        channels.get("pigeon")


@pytest.fixture
def another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose modules are found as if they lay beside the other channels."""
    monkeypatch.setattr(channels, "__path__", [*channels.__path__, str(tmp_path)])
    monkeypatch.setattr(channels, "_instances", {})
    importlib.invalidate_caches()
    channels._classes.cache_clear()
    yield tmp_path
    channels._classes.cache_clear()


PIGEON = """
from notifications.channels.noop import NoopChannel
from notifications.channels.webhook import WebhookChannel

class Pigeon(NoopChannel):
    name = {name!r}
"""


def test_a_channel_is_added_by_one_file(another_folder: Path) -> None:
    (another_folder / "pigeon_one.py").write_text(PIGEON.format(name="pigeon"))
    assert channels.names() == ("email", "memory", "noop", "pigeon", "webhook")
    assert channels.get("pigeon").send(MESSAGE, timeout=SOON).accepted


def test_two_channels_of_one_name_are_refused(another_folder: Path) -> None:
    (another_folder / "pigeon_two.py").write_text(PIGEON.format(name="noop"))
    with pytest.raises(RuntimeError, match="two channels are called 'noop'"):
        channels.names()


def test_noop_accepts_and_counts() -> None:
    channel = NoopChannel()
    assert [channel.send(MESSAGE, timeout=SOON) for _ in range(3)] == [Delivery(Outcome.ACCEPTED, "noop")] * 3
    assert channel.count == 3
    assert channel.address(Contact(name="Ann", email="ann@example.com")) == "ann@example.com"
    assert channel.address(Contact(name="Ann")) is None
    channel.close()


def test_the_twin_ends_as_it_is_told_to() -> None:
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
def test_a_contact_without_one_valid_address_cannot_be_reached(channel: channels.Channel) -> None:
    assert channel.address(Contact(name="Ann", email="ann@Bücher.example")) == "ann@xn--bcher-kva.example"
    assert channel.address(Contact(name="Ann", phone="+4930123456")) is None
    assert channel.address(Contact(name="Ann", email="ann@example.com\r\nDATA")) is None


class TestChecks:
    @pytest.fixture(autouse=True)
    def _good(self, settings: Settings) -> None:
        settings.EMAIL_BACKEND = "notifications.smtp.EmailBackend"
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

    def test_two_kinds_of_tls_contradict_each_other(self, settings: Settings) -> None:
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = True
        assert [error.id for error in mail_settings(None)] == ["notifications.E004"]
