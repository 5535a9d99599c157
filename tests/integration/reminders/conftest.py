"""Who looks at the pages, and what no test leaves behind."""

from collections.abc import Callable

import pytest
from django.test import Client
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from accounts import roles
from notifications.channels.base import Channel
from reminders.conf import ReminderConfig
from reminders.delivery import deliver, dispatch
from reminders.web.ops import health
from tests.fakes.broker import MemoryBroker
from tests.logins import signed_in, staff


@pytest.fixture(autouse=True)
def _nothing_asked_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Ops page keeps what Redis has answered for a while."""
    monkeypatch.setattr(health, "_asked", None)


@pytest.fixture(autouse=True)
def _nothing_counted_yet() -> None:
    """Django's series are of each view that this process has shown: no scrape tells of those of other tests."""
    for collector in set(REGISTRY._collector_to_names):
        if isinstance(collector, MetricWrapperBase):
            collector.clear()


@pytest.fixture
def operator(db: None) -> Client:
    """The browser of olga, who acts."""
    return signed_in(staff("olga", roles.OPERATORS))


@pytest.fixture
def viewer(db: None) -> Client:
    """The browser of vera, who looks."""
    return signed_in(staff("vera", roles.VIEWERS))


@pytest.fixture
def root(db: None) -> Client:
    """The browser of an administrator."""
    return signed_in(staff("root", is_superuser=True))


@pytest.fixture
def run(config: ReminderConfig, channel_of: Callable[[str], Channel]) -> Callable[[], deliver.Delivered]:
    """One tick of dispatch, and a worker that takes all that was handed over."""

    def turn() -> deliver.Delivered:
        broker = MemoryBroker()
        dispatch.dispatch(config=config, broker=broker)
        return deliver.deliver(broker.hints(), config=config, channel=channel_of)

    return turn
