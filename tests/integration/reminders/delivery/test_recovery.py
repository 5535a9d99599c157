"""What was handed over and is lost is handed over again at once: the broker's messages, and what dead processes held."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from celery import current_app
from django.db import OperationalError, connection

from notifications.channels.memory.channel import MemoryChannel
from notifications.message import Delivery, Message
from reminders.delivery import broker_status, deliver, dispatch, journal, recovery, scan
from reminders.delivery.broker import MARK, CeleryBroker
from reminders.delivery.hints import BrokerContents, HintBatch
from reminders.delivery.journal import JournalFile
from reminders.ledger import claims, finishing, leases, replanning, scans
from reminders.ledger.records import Hint
from reminders.models import Attempt, Reminder, State
from reminders.models import Counter as CounterRow
from tests.factories import AssignmentFactory
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> MemoryBroker:
    return MemoryBroker()


def states() -> dict[int, str]:
    return dict(Reminder.objects.values_list("pk", "state"))


# --- a broker that has lost its messages -----------------------------------------------------------------------


def test_what_a_broker_has_lost_is_handed_over_at_the_next_tick(clock, config, desk, channel_of, outbox):
    AssignmentFactory.create_batch(3, soon=True)
    dispatch.dispatch(config=config, broker=desk)
    old = desk.hints()
    desk.lose_everything()
    clock.advance(timedelta(seconds=1))
    done = dispatch.dispatch(config=config, broker=desk)
    assert (done.lost, done.handed_over) == (3, 3)
    deliver.deliver(desk.hints(), config=config, channel=channel_of)
    assert deliver.deliver(old, config=config, channel=channel_of).stale == 3
    assert len(outbox.messages) == 3


def test_a_broker_that_keeps_its_messages_is_given_none_twice(clock, config, desk):
    AssignmentFactory.create_batch(3, soon=True)
    for _ in range(20):
        dispatch.dispatch(config=config, broker=desk)
        clock.advance(timedelta(seconds=1))
    assert len(desk.hints()) == 3


def test_a_loss_is_noticed_once(clock, config, desk, caplog):
    AssignmentFactory.create_batch(3, soon=True)
    dispatch.dispatch(config=config, broker=desk)
    desk.lose_everything()
    for _ in range(5):
        dispatch.dispatch(config=config, broker=desk)
    assert len(desk.hints()) == 3
    lines = [record for record in caplog.records if record.getMessage() == "Lost hints are replaced"]
    assert [(line.reason, line.count) for line in lines] == [("broker_emptied", 3)]


def test_rows_that_are_being_sent_are_left_to_their_worker(clock, config, desk, channel_of, outbox):
    """It may have sent them: a broker that was emptied says nothing about that."""
    AssignmentFactory(soon=True)
    dispatch.dispatch(config=config, broker=desk)
    Reminder.objects.update(state=State.SENDING)
    desk.lose_everything()
    assert dispatch.dispatch(config=config, broker=desk).lost == 0
    assert set(states().values()) == {State.SENDING}
    assert not Attempt.objects.exists()


@pytest.fixture
def redis():
    broker_status.purge()
    client = current_app.connection_for_write().default_channel.client
    client.delete(MARK)
    yield client
    broker_status.purge()


def test_who_asks_every_tick_keeps_the_connection_and_survives_its_end(redis):
    """A server that was restarted, or hangs up, is asked again over a new one."""
    broker = CeleryBroker()
    broker.mark()

    def asks_over() -> set[str]:
        """The connections over which the broker was asked for its contents; other tests have databases of their own."""
        here = redis.client_info()
        asked = [one for one in redis.client_list() if one["cmd"] in ("info", "exec")]
        return {one["id"] for one in asked if one["db"] == str(here["db"]) and one["id"] != str(here["id"])}

    assert [broker.contents().is_intact for _ in range(3)] == [True] * 3
    assert len(asks_over()) == 1
    for one in asks_over():
        redis.client_kill_filter(_id=one)
    assert [broker.contents().is_intact for _ in range(3)] == [True] * 3
    assert len(asks_over()) == 1


def test_a_tick_of_a_system_at_rest_claims_nothing(clock, config, desk, monkeypatch):
    """What is due later is looked at once it is nearly due."""
    AssignmentFactory(soon=True, scheduled_start=clock.now() + timedelta(hours=1))
    asked = []
    monkeypatch.setattr(claims, "claim", lambda *_a, **_k: asked.append("claim"))
    monkeypatch.setattr(leases, "reap", lambda *_a, **_k: asked.append("reap"))
    assert dispatch.dispatch(config=config, broker=desk).handed_over == 0
    assert asked == []
    monkeypatch.undo()
    clock.advance(timedelta(minutes=30))
    assert dispatch.dispatch(config=config, broker=desk).handed_over == 1


def test_the_real_broker_says_what_it_holds_and_whether_it_was_emptied(redis):
    broker = CeleryBroker()
    assert broker.contents() == BrokerContents(0, is_intact=False)
    broker.mark()
    broker.publish([HintBatch((Hint(7, 1), Hint(8, 3))), HintBatch(()), HintBatch((Hint(9, 2),))])
    redis.lpush("reminders", "no message of ours", b'{"body": "bm90IGpzb24="}')
    assert broker.contents() == BrokerContents(5, is_intact=True)
    assert broker.waiting_hints() == [Hint(9, 2), Hint(7, 1), Hint(8, 3)]
    redis.flushdb()
    assert broker.contents() == BrokerContents(0, is_intact=False)


def test_a_mark_that_another_server_has_set_says_nothing_about_this_one(redis):
    """A replica has the mark of its master, and not the last messages."""
    broker = CeleryBroker()
    broker.mark()
    assert broker.contents().is_intact is True
    redis.set(MARK, "0" * 40)
    assert broker.contents() == BrokerContents(0, is_intact=False)


def test_after_a_loss_what_waits_all_the_same_is_not_handed_over_again(clock, config, redis):
    """A broker that came back with a part of its messages."""
    broker = CeleryBroker()
    dispatch.dispatch(config=config, broker=broker)
    AssignmentFactory.create_batch(2, soon=True)
    dispatch.dispatch(config=config, broker=broker)
    first = broker.waiting_hints()
    assert len(first) == 2
    redis.ltrim("reminders", 0, 0)
    redis.delete(MARK)
    (kept,) = broker.waiting_hints()
    assert dispatch.dispatch(config=config, broker=broker).lost == 1
    (other,) = [hint for hint in first if hint != kept]
    assert sorted(broker.waiting_hints(), key=lambda hint: hint.reminder_id) == sorted(
        [kept, Hint(other.reminder_id, other.ticket + 1)], key=lambda hint: hint.reminder_id
    )


HOLD = """
import sys, time
from pathlib import Path
import django
django.setup()
from django.db import connection
from reminders.delivery.journal import JournalFile
from reminders.ledger.records import Hint
folder, host, database, reminder_id, ticket = sys.argv[1:]
connection.settings_dict |= {"HOST": host, "NAME": database}
notes = JournalFile(Path(folder))
notes.take([Hint(int(reminder_id), int(ticket))])
print("held", flush=True)
time.sleep(600)
"""


# --- processes that die ----------------------------------------------------------------------------------------


class Killed(BaseException):
    """In place of SIGKILL: nothing of the process runs after it."""


class LastNotes(JournalFile):
    """A journal whose process ends with the task: what it has noted stays, and its lock is gone."""

    def clear(self) -> None:
        self.close()

    def end_scan(self) -> None:
        self.close()


class DeadlyChannel(MemoryChannel):
    """Kills the process at the nth message: before it is complete, when it is complete, or once it is answered."""

    def __init__(self, when: str, nth: int) -> None:
        super().__init__()
        self.when, self.left = when, nth

    def send_announcing(
        self,
        message: Message,
        *,
        timeout: timedelta,
        final_reply_timeout: timedelta = timedelta(),
        before_last_octet: Callable[[], None],
    ) -> Delivery:
        self.left -= 1
        if not self.left and self.when == "started":
            raise Killed
        before_last_octet()
        if not self.left and self.when == "complete":
            raise Killed
        return self.send(message, timeout=timeout)


@pytest.fixture
def die(config, desk, tmp_path, monkeypatch) -> Callable[..., DeadlyChannel]:
    """A worker takes what was handed over and is killed at its nth message."""

    def deliver_and_die(when: str, *, nth: int = 2) -> DeadlyChannel:
        channel = DeadlyChannel(when, nth if when in ("started", "complete") else 0)
        with monkeypatch.context() as fatal:
            if when in ("begun", "recording", "recorded"):
                name = {"begun": "_send_all", "recording": "record", "recorded": "log_finished"}[when]

                def killed(*_args: object) -> None:
                    raise Killed

                fatal.setattr(deliver, name, killed)
            with pytest.raises(Killed):
                deliver.deliver(
                    desk.hints(), config=config, channel=lambda _: channel, journal=LastNotes(tmp_path)
                )
        desk.batches.clear()
        return channel

    return deliver_and_die


@pytest.fixture
def tick(config, desk, tmp_path) -> Callable[[], int]:
    """A tick of dispatch on the same host."""

    def settle_and_dispatch() -> int:
        dead = recovery.settle_dead(config=config, broker=desk, folder=tmp_path)
        dispatch.dispatch(config=config, broker=desk)
        return dead

    return settle_and_dispatch


def ends() -> list[tuple[str, int]]:
    """State and possible duplicates of each row, in the order of their ids."""
    return list(Reminder.objects.order_by("pk").values_list("state", "ambiguous"))


QUEUED, SENT = (State.QUEUED, 0), (State.SENT, 0)
MAY_HAVE_ARRIVED = (State.QUEUED, 1)


@pytest.mark.parametrize(
    ("when", "expected", "outcomes"),
    [
        ("begun", [QUEUED, QUEUED, QUEUED], ["handed_back"] * 3),
        ("started", [SENT, QUEUED, QUEUED], ["accepted", "handed_back", "handed_back"]),
        ("complete", [SENT, MAY_HAVE_ARRIVED, QUEUED], ["accepted", "unknowable", "handed_back"]),
        ("recording", [SENT, SENT, SENT], ["accepted"] * 3),
        ("recorded", [SENT, SENT, SENT], ["accepted"] * 3),
    ],
)
def test_only_a_message_that_was_complete_and_not_answered_may_have_arrived(
    clock, config, desk, die, tick, channel_of, outbox, when, expected, outcomes
):
    """Within a tick, and long before a lease is over."""
    rows = [AssignmentFactory(soon=True) for _ in range(3)]
    dispatch.dispatch(config=config, broker=desk)
    channel = die(when)
    assert tick() == 1
    assert ends() == expected
    recorded = Attempt.objects.order_by("reminder_id").values_list("outcome", flat=True)
    assert list(recorded) == outcomes
    assert Reminder.objects.filter(state=State.SENT).exclude(message_id="").count() == expected.count(SENT)
    deliver.deliver(desk.hints(), config=config, channel=channel_of)
    assert ends() == [(State.SENT, doubt) for _, doubt in expected]
    arrived = Counter(message.address for message in [*channel.messages, *outbox.messages])
    assert arrived == {row.assignee.email: 1 for row in rows}
    counted = Counter[str]()
    for labels, value in CounterRow.objects.filter(name="reminder_attempts_total").values_list(
        "labels", "value"
    ):
        counted[labels.split("outcome=")[1]] += value
    assert counted == Counter(Attempt.objects.values_list("outcome", flat=True))


def test_the_message_of_an_accepted_row_has_the_id_under_which_it_went(clock, config, desk, die, tick):
    AssignmentFactory(soon=True)
    dispatch.dispatch(config=config, broker=desk)
    channel = die("recording")
    tick()
    assert Reminder.objects.get().message_id == channel.messages[0].message_id


def test_what_was_in_hand_and_not_begun_is_due_again(clock, config, desk, die, tick, monkeypatch):
    AssignmentFactory.create_batch(8, soon=True)
    dispatch.dispatch(config=config, broker=desk)
    monkeypatch.setattr(deliver.SendSpeed, "slice_size", lambda *_: 2)
    die("complete")
    tick()
    assert ends() == [SENT, MAY_HAVE_ARRIVED, *[QUEUED] * 6]
    assert len(desk.hints()) == 7


def test_the_living_are_left_alone(clock, config, desk, tick, tmp_path):
    """A process that is suspended holds its journal; its leases and tickets do the rest."""
    AssignmentFactory(soon=True)
    dispatch.dispatch(config=config, broker=desk)
    (hint,) = desk.hints()
    database = [str(connection.settings_dict[part]) for part in ("HOST", "NAME")]
    words = (str(tmp_path), *database, str(hint.reminder_id), str(hint.ticket))
    with subprocess.Popen([sys.executable, "-c", HOLD, *words], stdout=subprocess.PIPE, text=True) as owner:
        try:
            assert owner.stdout is not None
            assert owner.stdout.readline() == "held\n"
            owner.send_signal(signal.SIGSTOP)
            desk.batches.clear()
            assert tick() == 0
            assert (ends(), desk.hints()) == ([QUEUED], [])
            owner.kill()
            owner.wait(timeout=30)
            assert tick() == 1
            assert [hint.ticket for hint in desk.hints()] == [2]
        finally:
            owner.kill()


def test_a_journal_is_settled_once_and_removed(clock, config, desk, die, tick, tmp_path):
    AssignmentFactory(soon=True)
    dispatch.dispatch(config=config, broker=desk)
    die("complete", nth=1)
    assert (tick(), tick()) == (1, 0)
    assert list(tmp_path.iterdir()) == []
    assert ends() == [MAY_HAVE_ARRIVED]


def test_a_second_death_after_the_last_octet_ends_the_row_as_unknown(clock, config, desk, die, tick):
    AssignmentFactory(soon=True)
    dispatch.dispatch(config=config, broker=desk)
    for _ in range(2):
        die("complete", nth=1)
        tick()
    row = Reminder.objects.get()
    assert (row.state, row.reason, row.ambiguous) == (State.UNKNOWN, "ambiguous", 2)


def test_a_message_that_kills_three_processes_ends_as_failed(clock, config, desk, die, tick):
    """And waits before the third, so that it does not end one process after the other."""
    AssignmentFactory(soon=True)
    dispatch.dispatch(config=config, broker=desk)
    for deaths in (1, 2):
        die("started", nth=1)
        tick()
        assert len(desk.hints()) == (1 if deaths == 1 else 0)
    clock.advance(timedelta(seconds=15))
    tick()
    die("started", nth=1)
    tick()
    row = Reminder.objects.get()
    assert (row.state, row.reason, row.ambiguous, row.attempts) == (State.FAILED, "internal", 0, 3)


def test_an_old_note_says_nothing_about_a_row_that_was_claimed_again(
    clock, config, desk, die, tick, channel_of
):
    AssignmentFactory(soon=True)
    dispatch.dispatch(config=config, broker=desk)
    die("complete", nth=1)
    clock.advance(config.lease + timedelta(seconds=1))
    dispatch.dispatch(config=config, broker=desk)  # of another host: it takes the row back by its lease
    clock.advance(timedelta(seconds=3))
    dispatch.dispatch(config=config, broker=desk)
    deliver.deliver(desk.hints(), config=config, channel=channel_of)
    tick()
    assert ends() == [(State.SENT, 1)]
    assert Attempt.objects.count() == 2


def test_a_journal_of_another_database_is_left_alone(clock, config, desk, die, tick, monkeypatch, tmp_path):
    AssignmentFactory(soon=True)
    dispatch.dispatch(config=config, broker=desk)
    monkeypatch.setattr(journal, "database_mark", lambda: b"another!")
    die("complete", nth=1)
    monkeypatch.undo()
    assert tick() == 0
    assert ends() == [(State.SENDING, 0)]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_that_is_no_journal_is_removed(clock, config, desk, tick, tmp_path):
    (tmp_path / "1-broken.journal").write_bytes(b"journal1")
    (tmp_path / "notes.txt").write_text("not ours")
    assert tick() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_dispatcher_that_dies_before_it_publishes_costs_a_tick(clock, config, desk, tick, tmp_path):
    AssignmentFactory.create_batch(2, soon=True)

    class DeadlyBroker(MemoryBroker):
        def publish(self, batches):
            raise Killed

    notes = JournalFile(tmp_path)
    with pytest.raises(Killed):
        dispatch.dispatch(config=config, broker=DeadlyBroker(), journal=notes)
    notes.close()
    assert tick() == 1
    assert [hint.ticket for hint in desk.hints()] == [2, 2]


def test_a_database_that_is_away_leaves_the_journal_for_later(
    clock, config, desk, die, tick, monkeypatch, tmp_path
):
    AssignmentFactory(soon=True)
    dispatch.dispatch(config=config, broker=desk)
    die("recording")

    def refuse(*_args, **_more):
        raise OperationalError("connection refused")

    with monkeypatch.context() as away:
        away.setattr(finishing, "finish", refuse)
        assert tick() == 0
    assert ends() == [(State.SENDING, 0)]
    assert tick() == 1
    assert ends() == [SENT]


def test_a_scan_whose_process_died_is_resumed_at_once(clock, config, desk, tick, tmp_path, monkeypatch):
    AssignmentFactory(soon=True)

    def killed(*_args: object, **_more: object) -> None:
        raise Killed

    with monkeypatch.context() as deadly:
        deadly.setattr(replanning, "retime", killed)
        notes = LastNotes(tmp_path)
        with pytest.raises(Killed):
            scan.scan(trigger="cli", config=config, journal=notes)
    assert scans.take_over_scan() is None  # nobody knows yet
    assert tick() == 1
    scan_id = scans.take_over_scan()
    assert scan_id is not None
    resumed = scan.resume_scan(scan_id, config=config)
    assert resumed is not None
    assert resumed.counts is not None
    assert tick() == 0


def test_a_scan_that_has_ended_is_nobodys(clock, config, tick, tmp_path):
    notes = JournalFile(tmp_path)
    done = scan.scan(trigger="cli", config=config, journal=notes)
    assert done.counts is not None
    notes.close()
    assert tick() == 0
    assert scans.take_over_scan() is None
