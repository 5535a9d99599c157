"""The system with an SMS gateway on loopback: scan, dispatch and worker in turns, callbacks and replies, in one process."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from django.conf import settings as django_settings
from django.test import Client
from django.test.utils import override_settings

from notifications.channels.memory.channel import MemoryChannel
from notifications.channels.sms.channel import SmsChannel
from notifications.channels.sms.gateway import parse
from notifications.channels.sms.signature import HEADER
from notifications.channels.sms.transport import transport_for
from reminders import conf
from reminders.conf import ReminderConfig
from reminders.delivery import deliver, dispatch, scan
from reminders.models import Counter, Reminder
from tests.fakes.broker import MemoryBroker
from tests.fakes.sms_gateway import Answer, SmsGateway, Taken, signed

SITE = "http://localhost:8000"
ANN = "+4915112345678"
BEN = "+4915187654321"


@dataclass
class SmsStage:
    """One gateway, and our side of it."""

    gateway: SmsGateway
    config: ReminderConfig
    mail: MemoryChannel = field(default_factory=MemoryChannel)
    sms: SmsChannel = field(default_factory=SmsChannel)
    client: Client = field(default_factory=Client)

    def tick(self) -> None:
        """A scan, one dispatch, and a worker for each message."""
        scan.scan(trigger="cli", config=self.config)
        broker = MemoryBroker()
        dispatch.dispatch(config=self.config, broker=broker)
        channels = {"memory": self.mail, "sms": self.sms}
        for batch in broker.batches:
            deliver.deliver(batch.hints, config=self.config, channel=channels.__getitem__)

    def post(self, url: str, fields: dict[str, str], **headers: str) -> Answer:
        """Posts as the gateway does, with its signature unless the headers hold another."""
        told = {HEADER: signed(url, fields), **headers}
        answer = self.client.post(
            url.removeprefix(SITE),
            data=urlencode(fields),
            content_type="application/x-www-form-urlencoded",
            headers={name: value for name, value in told.items() if value},
        )
        return Answer(answer.status_code, answer.headers.get("Content-Type", ""), answer.content.decode())

    def status(self, message: Taken, status: str, *, error: int | None = None) -> Answer:
        """The gateway tells what became of a message."""
        return self.post(message.callback, self.gateway.status(message, status, error=error))

    def reply(self, text: str, *, number: str = ANN, sid: str = "") -> Answer:
        """Somebody answers."""
        return self.post(f"{SITE}/api/inbound/sms", self.gateway.reply(number, text, sid=sid))

    @staticmethod
    def ways() -> list[str]:
        rows = Reminder.objects.exclude(channel="none").order_by("id")
        return [f"{row.channel} {row.state} {row.reason}".strip() for row in rows]


def counted(name: str, labels: str = "") -> float:
    """The sum of a counter."""
    return sum(Counter.objects.filter(name=name, labels=labels).values_list("value", flat=True))


@contextmanager
def sms_stage(**settings: Any) -> Iterator[SmsStage]:
    """The stage, with these settings beside SMS_URL and PUBLIC_URL."""
    config = replace(conf.current(), channel="memory", further_channels=("sms",))
    with SmsGateway() as gateway:
        values = {
            "SMS_URL": gateway.url,
            "PUBLIC_URL": SITE,
            "REMINDERS": config,
            "TRACKED_CHANNELS": {"sms"},
            **settings,
        }
        before = django_settings.REMINDERS
        with override_settings(**values):
            yield SmsStage(gateway, config)
            transport_for(parse(gateway.url)).close()
        assert django_settings.REMINDERS is before
