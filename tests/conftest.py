"""What every test may use: a clock that can be set, factories, a channel that remembers, real servers."""

import gc
import os
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from pytest_django import DjangoDbBlocker
from pytest_socket import disable_socket, socket_allow_hosts

from config.devstack.processes import LINUX
from notifications.channels.memory.channel import MemoryChannel
from reminders.conf import ReminderConfig
from reminders.content.message_templates import active
from reminders.delivery import deliver, dispatch, refusals
from tests import depth, emptying, starter
from tests.factories import NOON
from tests.parallel import ONE_SYSTEM, WHOLE_SYSTEM
from tests.stack import migrated_template, running_now

MANY = 40
"""So many tests make a file a long one."""
COLLECTS_AFTER = (20_000, 10, 10)
"""For `gc.set_threshold`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--chaos",
        nargs="?",
        const="on",
        default="",
        choices=("", "on", "full"),
        help="also the long fault injection; --chaos=full for its largest storms, and waits that take their time",
    )
    parser.addoption(
        "--chaos-seed",
        type=int,
        default=20261124,
        help="the seed of the nemesis that mixes all faults; the same seed does the same again",
    )


def pytest_configure(config: pytest.Config) -> None:
    if not os.environ.get("DATABASE_URL"):
        raise pytest.UsageError(
            "the tests need a PostgreSQL and a Redis of their own: start them by `python3 manage.py test`"
        )
    # A third of the time that a short statement takes is that of the loopback interface.
    if sockets := os.environ.get("TEST_DATABASE_SOCKETS"):
        settings.DATABASES["default"]["HOST"] = sockets
    # No test is about the hash, and the real one takes half a second by design.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    emptying.install()
    depth.set_default()
    if LINUX:
        starter.of_this_run = starter.Starter()


def pytest_unconfigure() -> None:
    if starter.of_this_run is not None:
        starter.of_this_run.stop()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start the whole system come first, folder by folder: what a folder shares is started once, and ends
    before the tests that compute. The long files come first, so that parallel processes end together; of the folder that
    shares one system the long tests do.
    """
    tell_apart(items)
    tests = Counter(item.path for item in items)
    patience: Counter[Path] = Counter()
    for item in items:
        if mark := item.get_closest_marker("timeout"):
            patience[item.path] = max(patience[item.path], mark.args[0])
    long = {path for path, number in tests.items() if number >= MANY} | patience.keys()

    def place(item: pytest.Item) -> tuple[int, float, int]:
        for number, folder in enumerate(WHOLE_SYSTEM):
            if folder == ONE_SYSTEM and folder in item.path.parts:
                mark = item.get_closest_marker("timeout")
                quick = (item.get_closest_marker("chaos") is None) + ("system" not in item.fixturenames)
                return number, -mark.args[0] if mark else 0, quick
            if folder in item.path.parts:
                return number, -patience[item.path], -tests[item.path]
        return len(WHOLE_SYSTEM), item.path not in long, 0

    items.sort(key=place)


def tell_apart(items: list[pytest.Item]) -> None:
    """Of two tests with one id, a run of several processes would leave one out."""
    twice = [nodeid for nodeid, number in Counter(item.nodeid for item in items).items() if number > 1]
    if twice:
        raise pytest.UsageError(f"tests of one name: {', '.join(twice)}")


def pytest_collection_finish() -> None:
    """What the imports have left stays to the end, garbage too: the collector need not look through it even once.

    From here on it works again (`tests.parallel`), less often than it does by default.
    """
    gc.freeze()
    gc.set_threshold(*COLLECTS_AFTER)
    gc.enable()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """No test talks to another machine; a unit test talks to nobody."""
    if "unit" in item.path.parts:
        disable_socket(allow_unix_socket=True)
    else:
        socket_allow_hosts(["127.0.0.1", "localhost", "::1"], allow_unix_socket=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what the processes of its system said last."""
    report = yield
    if report.failed:
        report.sections += [("logs of the system", system.last_words()) for system in running_now]
    return report


@pytest.fixture(scope="session", autouse=True)
def _static_folder() -> None:
    """The web server looks for it at its start; the finders serve what the pages need."""
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)


@pytest.fixture
def config() -> ReminderConfig:
    """The defaults, over the in-memory channel."""
    return ReminderConfig(channel="memory")


@pytest.fixture(autouse=True)
def _default_rules(config: ReminderConfig) -> Iterator[None]:
    """The rules that listeners read are the test's own."""
    before = settings.REMINDERS
    settings.REMINDERS = config
    yield
    settings.REMINDERS = before


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test begins with what the sends of another have taught this process."""
    monkeypatch.setattr(deliver.speed, "seconds_per_send", deliver.SendSpeed().seconds_per_send)
    monkeypatch.setattr(deliver.speed, "cautious_until", 0.0)
    monkeypatch.setattr(dispatch.handover, "rows", None)
    refusals.tracker.met.clear()
    monkeypatch.setattr(active, "_active", active.ActiveTemplates())
    active.expire()


@pytest.fixture
def outbox() -> MemoryChannel:
    """A channel that remembers what it was given."""
    return MemoryChannel()


class DatabaseClock:
    """Sets the clock that the ledger's statements read, by a function that shadows PostgreSQL's own."""

    HAND = "test_clock.now"
    """The session's variable that holds the instant; where it is empty, the time is the real one."""

    @classmethod
    def install(cls) -> None:
        """Once for each database, so that no test changes how names are found: PostgreSQL's cached plans stay."""
        statements = (
            "CREATE SCHEMA test_clock",
            # One expression, which PostgreSQL expands into the statement that calls it.
            (
                "CREATE FUNCTION test_clock.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT"
                f" coalesce(nullif(current_setting('{cls.HAND}', true), '')::timestamptz,"
                " pg_catalog.statement_timestamp()) $$"
            ),
            f"ALTER DATABASE {connection.settings_dict['NAME']} SET search_path = test_clock, pg_catalog, public",
        )
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        connection.close()  # The next session finds the clock.

    def set(self, instant: datetime) -> datetime:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config(%s, %s, false)", [self.HAND, instant.isoformat()])
        return instant

    def advance(self, span: timedelta) -> datetime:
        return self.set(self.now() + span)

    def now(self) -> datetime:
        with connection.cursor() as cursor:
            cursor.execute("SELECT statement_timestamp()")
            instant: datetime = cursor.fetchone()[0]
            return instant

    def stop(self) -> None:
        """The time is the real one again."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config(%s, '', false)", [self.HAND])


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """In a run of several processes one of them migrates, and the others copy its database."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        template = migrated_template(os.environ["DATABASE_URL"])
        connection.settings_dict["TEST"]["TEMPLATE"] = template


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """The test database, with the clock in it."""
    with django_db_blocker.unblock():
        DatabaseClock.install()


@pytest.fixture
def clock(db: None) -> Iterator[DatabaseClock]:
    """The database's clock, standing at noon until the test moves it."""
    hands = DatabaseClock()
    hands.set(NOON)
    yield hands
    hands.stop()


@pytest.fixture
def channel_of(outbox: MemoryChannel) -> Callable[[str], MemoryChannel]:
    """Hands the outbox over in place of every channel."""
    return lambda _name: outbox
