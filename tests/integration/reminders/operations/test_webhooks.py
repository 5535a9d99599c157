"""Webhooks out: events are raised with what they tell of, signed, delivered by the ledger, never in people's way."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from django.db import OperationalError, connection, transaction

from assignments import acts, services
from assignments.models import Act, Assignment
from notifications.channels.memory.channel import MemoryChannel
from notifications.channels.webhook.channel import WebhookChannel
from notifications.message import Delivery, Outcome
from reminders.conf import ReminderConfig
from reminders.delivery import deliver, dispatch, events_turn, scan
from reminders.insight import statistics, subscription_health
from reminders.insight.doctor import doctor
from reminders.ledger import beginning, leases
from reminders.ledger import events as ledger_events
from reminders.models import Attempt, Audit, CircuitBreaker, Kind, Reason, Reminder, State, Subscription
from reminders.operations import pauses, subscriptions
from reminders.policy.endpoints import LANES_EACH
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.api_caller import ApiCaller, faults
from tests.fakes.broker import MemoryBroker
from tests.fakes.http_sink import HttpSink, answer

pytestmark = pytest.mark.django_db

ALL = list(ledger_events.TYPES)
HALF_AN_HOUR = timedelta(minutes=30)


@pytest.fixture(autouse=True)
def _loopback_is_outside(settings) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = True


@pytest.fixture
def desk() -> MemoryBroker:
    return MemoryBroker()


@pytest.fixture
def run(
    config: ReminderConfig, desk: MemoryBroker, outbox: MemoryChannel
) -> Callable[[], list[deliver.Delivered]]:
    """One tick of dispatch, and workers that take what was handed over; mails to memory, webhooks to their URLs."""

    webhook = WebhookChannel()

    def channel(name: str):
        return outbox if name == "memory" else webhook

    def turn() -> list[deliver.Delivered]:
        dispatch.dispatch(config=config, broker=desk)
        batches, desk.batches = desk.batches, []
        return [deliver.deliver(e.hints, config=config, channel=channel) for e in batches]

    return turn


def subscribe(url: str, events: list[str] = ALL, name: str = "planning") -> tuple[Subscription, str]:
    return subscriptions.subscribe(name=name, url=url, events=events, by="ada")


def events(**more: object) -> list[Reminder]:
    return list(Reminder.objects.filter(kind=Kind.EVENT, **more).order_by("id"))


def genuine(heard, secret: str) -> bool:
    """As a subscriber checks it, with nothing but the specification."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{heard.headers['webhook-id']}.{heard.headers['webhook-timestamp']}.".encode() + heard.body
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return wanted in heard.headers["webhook-signature"].split(" ")


def due_work(clock, **more: object) -> Assignment:
    assignment = AssignmentFactory(**more)
    clock.advance(HALF_AN_HOUR)
    return assignment


# --- what is told, and how ---------------------------------------------------------------------------------------


def test_a_reminder_that_was_sent_is_told_signed_and_once(clock, run, outbox):
    with HttpSink() as sink:
        _, secret = subscribe(sink.url)
        work = due_work(clock, reference="W-7", title="Check the boiler")
        run()
        run()
        run()
    (heard,) = sink.heard
    (event,) = events()
    body = json.loads(heard.body)
    assert body["type"] == "reminder.sent"
    assert body["timestamp"] == event.planned_at.isoformat()
    assert body["data"]["assignment"]["reference"] == "W-7"
    assert body["data"]["assignment"]["reminder_status"] == "SENT"
    assert body["data"]["assignment"]["answer"] == "NONE"
    sent = Reminder.objects.get(assignment=work, kind=Kind.REMINDER)
    assert body["data"]["reminder"]["id"] == sent.pk
    assert body["data"]["reminder"]["message_id"] == sent.message_id
    assert work.assignee.email not in heard.body.decode()
    assert genuine(heard, secret)
    assert (event.state, event.recipient, event.rule) == (
        State.SENT,
        f"subscription:{Subscription.objects.get().pk}",
        f"reminder.sent:{sent.pk}.1",
    )
    assert event.not_after == event.planned_at + timedelta(hours=72)
    assert Attempt.objects.get(reminder=event).outcome == "accepted"


def test_each_type_is_told_to_those_who_want_it(clock, run, outbox, config):
    with HttpSink() as everything, HttpSink() as answers:
        subscribe(everything.url)
        subscribe(answers.url, ["assignment.confirmed", "assignment.declined"], name="rota")
        work = AssignmentFactory()
        AssignmentFactory(assignee=AssigneeFactory(email=""))
        acting.decline(work, note="my car broke down")
        acting.confirm(work)
        clock.advance(HALF_AN_HOUR)
        run()
        clock.advance(timedelta(hours=1))
        scan.scan(trigger="cli", config=config)
        for _ in range(6):
            run()
            clock.advance(timedelta(seconds=1))
    told = sorted(json.loads(one.body)["type"] for one in everything.heard)
    assert told == [
        "assignment.confirmed",
        "assignment.declined",
        "assignment.overdue",
        "assignment.overdue",
        "reminder.failed",
        "reminder.sent",
    ]
    assert [json.loads(one.body)["type"] for one in answers.heard] == [
        "assignment.declined",
        "assignment.confirmed",
    ]
    declined = json.loads(answers.heard[0].body)["data"]["assignment"]
    assert (declined["answer"], declined["answer_note"]) == ("DECLINED", "my car broke down")
    failed = next(one for one in everything.heard if b"reminder.failed" in one.body)
    assert json.loads(failed.body)["data"]["reminder"]["reason"] == "no_contact"


def test_each_act_is_told_with_who_did_it_and_which_way(clock, run):
    work = AssignmentFactory(soon=True)
    with HttpSink() as sink:
        subscribe(sink.url, list(ledger_events.ACTS.values()))
        for act in (acts.on_my_way, partial(acts.run_late, minutes=15), acts.start, acts.complete):
            act(work.pk, actor=acting.OLGA)
            run()
    told = [json.loads(one.body) for one in sink.heard]
    assert [body["type"] for body in told] == [
        "assignment.on_my_way",
        "assignment.late",
        "assignment.started",
        "assignment.completed",
    ]
    assert told[1]["data"]["act"] == {
        "id": Act.objects.get(act="late").pk,
        "act": "late",
        "via": "ops",
        "actor": "olga",
        "at": told[1]["data"]["act"]["at"],
        "version": 1,
        "minutes": 15,
        "note": "",
    }
    last = told[-1]["data"]["assignment"]
    assert last["expected_start"][:19] == "2026-06-15T12:25:00"
    assert all(last[name] for name in ("on_my_way_at", "started_at", "completed_at"))


def test_each_try_says_the_same_under_one_id(clock, run):
    with HttpSink(answers=[answer("500 Oh"), answer("204 No Content")]) as sink:
        subscribe(sink.url)
        work = AssignmentFactory()
        acting.confirm(work)
        run()
        services.reschedule(work.pk, start=work.scheduled_start + timedelta(days=2))
        clock.advance(timedelta(seconds=20))
        run()
    first, second = sink.heard
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    (event,) = events()
    assert (event.state, event.attempts) == (State.SENT, 2)


@pytest.mark.parametrize("act", ["cancel", "complete", "reschedule"])
def test_what_has_happened_stays_true_whatever_becomes_of_the_plan(clock, run, act):
    with HttpSink() as sink:
        subscribe(sink.url)
        work = AssignmentFactory()
        acting.confirm(work)
        more = {"start": NOON + timedelta(days=1)} if act == "reschedule" else {}
        (acting.complete if act == "complete" else getattr(services, act))(work.pk, **more)
        assert events()[0].state == State.PLANNED
        run()
    completed = ["assignment.completed"] if act == "complete" else []
    assert [json.loads(one.body)["type"] for one in sink.heard] == ["assignment.confirmed", *completed]


def test_an_event_is_as_true_as_what_it_tells_of(clock):
    """It is raised in the same transaction: taken back together, kept together."""
    subscribe("http://127.0.0.1:9/")
    work = AssignmentFactory()
    with transaction.atomic():
        acting.confirm(work)
        assert len(events()) == 1
        transaction.set_rollback(True)
    assert events() == []


def test_without_a_subscription_a_send_asks_nothing_more(
    clock, run, outbox, django_assert_max_num_queries, config, desk
):
    due_work(clock)
    dispatch.dispatch(config=config, broker=desk)
    with django_assert_max_num_queries(30) as asked:
        deliver.deliver(desk.hints(), config=config, channel=lambda _: outbox)
    assert not any("INSERT INTO reminders_reminder" in one["sql"] for one in asked)
    assert events() == []


# --- endpoints that fail ------------------------------------------------------------------------------------------


def test_an_endpoint_that_is_away_is_held_alone_and_people_go_on(clock, run, outbox):
    with HttpSink() as well:
        away, _ = subscribe("http://127.0.0.1:9/", name="away")
        subscribe(well.url, name="well")
        work = due_work(clock)
        run()
        for _ in range(3):
            run()
        hold = CircuitBreaker.objects.get()
        assert (hold.channel, hold.code) == (f"subscription:{away.pk}", "connect")
        assert timedelta(seconds=5) <= hold.until - clock.now() < timedelta(seconds=15)
        assert len(well.heard) == 1
        assert statistics.count(ReminderConfig()).held_channels == {}
        due_work(clock, reference="next")
        run()
    assert len(outbox.messages) == 2
    (waits,) = events(recipient=f"subscription:{away.pk}", assignment=work)
    assert (waits.state, waits.failures) == (State.PLANNED, 0)


def test_an_endpoint_that_failed_is_tried_with_one_event_alone(clock, run, desk, config):
    subscribe("http://127.0.0.1:9/")
    for work in AssignmentFactory.create_batch(4):
        acting.confirm(work)
    run()
    assert CircuitBreaker.objects.get().failures == 1
    assert sum(event.attempts for event in events()) <= 4
    before = {event.pk: event.attempts for event in events()}
    run()
    assert {event.pk: event.attempts for event in events()} == before  # it is left alone
    clock.advance(timedelta(seconds=6))
    dispatch.dispatch(config=config, broker=desk)
    assert len(desk.hints()) == 1


def test_what_hangs_costs_one_send_and_its_doubt_is_no_loss(clock, run, config, settings):
    with HttpSink(stop_at="answer") as sink:
        subscribe(sink.url)
        for work in AssignmentFactory.create_batch(3):
            acting.confirm(work)
        run()
        assert len(sink.heard) == 1
        tried = [event for event in events() if event.failures]
        assert [(event.state, event.ambiguous) for event in tried] == [(State.PLANNED, 0)]
        for _ in range(8):
            clock.advance(timedelta(minutes=10))
            run()
    assert all(event.state == State.PLANNED for event in events())  # for 72 hours it goes on
    tries = Attempt.objects.filter(reminder__kind=Kind.EVENT)
    outcomes = set(tries.values_list("outcome", flat=True))
    assert outcomes == {"unknowable", "handed_back"} or outcomes == {"unknowable"}


@pytest.mark.parametrize("status", ["429 Too Many", "503 Busy"])
def test_retry_after_is_honoured(clock, run, status):
    with HttpSink(answers=[answer(status, "Retry-After: 900"), answer("200 OK")]) as sink:
        subscribe(sink.url)
        work = AssignmentFactory(scheduled_start=NOON + timedelta(days=2))
        acting.confirm(work)
        run()
        left = CircuitBreaker.objects.get().until - clock.now()
        assert timedelta(seconds=900) <= left < timedelta(seconds=905)
        clock.advance(timedelta(seconds=890))
        run()
        assert len(sink.heard) == 1
        clock.advance(timedelta(seconds=20))
        run()
        assert len(sink.heard) == 2
    assert not CircuitBreaker.objects.exists()
    assert [event.state for event in events()] == [State.SENT]


@pytest.mark.parametrize(
    "status", ["302 Found", "307 Temporary Redirect", "400 Bad Request", "404 Not Found", "500 Oh"]
)
def test_its_health_shows_the_last_answer_until_one_is_good(clock, run, status):
    with HttpSink(answers=[answer(status), answer("200 OK")]) as sink:
        made, _ = subscribe(sink.url)
        work = AssignmentFactory(scheduled_start=NOON + timedelta(days=2))
        acting.confirm(work)
        run()
        health = subscription_health.health([made])[made.pk]
        assert (health.waiting, health.code, health.failing_since) == (1, status[:3], NOON)
        clock.advance(timedelta(minutes=1))
        run()
        health = subscription_health.health([made])[made.pk]
    assert (health.waiting, health.code, health.detail, health.failing_since) == (0, "", "", None)


def test_gone_ends_the_subscription_and_what_waits_for_it(clock, run):
    with HttpSink(answers=[answer("410 Gone")]) as sink:
        made, _ = subscribe(sink.url)
        for work in AssignmentFactory.create_batch(3):
            acting.confirm(work)
        run()
        run()
    made.refresh_from_db()
    assert (made.active, made.ended_why) == (False, "its endpoint has answered 410: gone")
    assert len(sink.heard) == 1
    assert [event.state for event in events()] == [State.FAILED, State.SKIPPED, State.SKIPPED]
    work = AssignmentFactory()
    acting.confirm(work)
    assert events(assignment=work) == []


def test_after_72_hours_it_ends_and_says_so(clock, run):
    with HttpSink(answers=[answer("500 Oh")]) as sink:
        subscribe(sink.url)
        work = AssignmentFactory(scheduled_start=NOON + timedelta(days=9))
        acting.confirm(work)
        for _ in range(40):
            run()
            (event,) = events()
            if event.state != State.PLANNED:
                break
            clock.set(max(event.next_attempt_at, clock.now()) + timedelta(seconds=1))
    assert (event.state, event.reason) == (State.FAILED, Reason.EXHAUSTED)
    assert 10 <= len(sink.heard) <= 30
    assert clock.now() <= event.not_after + timedelta(hours=1)


# --- never in people's way ----------------------------------------------------------------------------------------


def test_people_come_first(clock, run, desk, config):
    """While reminders are left over for the next tick, no event is handed over."""
    subscribe("http://127.0.0.1:9/")
    works = AssignmentFactory.create_batch(3)
    acting.confirm(works[0])
    clock.advance(HALF_AN_HOUR)
    tight = ReminderConfig(channel="memory", queue_limit=2, batch_size=2)
    dispatch.dispatch(config=tight, broker=desk)
    (event,) = events()
    assert len(desk.hints()) == 2
    assert event.pk not in {hint.reminder_id for hint in desk.hints()}


def test_one_process_at_a_time_posts_events(clock, desk, config):
    for n in range(3):
        subscribe("http://127.0.0.1:9/", name=f"number {n}")
    for work in AssignmentFactory.create_batch(5):
        acting.confirm(work)
    dispatch.dispatch(config=config, broker=desk)
    assert [len(batch.hints) for batch in desk.batches] == [3]  # the oldest of each endpoint
    dispatch.dispatch(config=config, broker=desk)
    assert len(desk.batches) == 1  # the first is still on its way


class SlowEndpoint(MemoryChannel):
    """Notes how many posts are under way while it is called, and how long each may take."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds
        self.under_way: list[int] = []
        self._now = 0
        self._lock = threading.Lock()

    def address(self, contact) -> str:
        return contact.url

    def send(self, message, **more):
        with self._lock:
            self._now += 1
            self.under_way.append(self._now)
        time.sleep(self.seconds)
        with self._lock:
            self._now -= 1
            return super().send(message, **more)


@pytest.mark.parametrize(("concurrency", "timeout"), [(1, 3), (2, 10), (8, 10)])
def test_a_turn_goes_on_with_what_is_due_and_gives_each_so_long(clock, desk, config, concurrency, timeout):
    subscribe("http://127.0.0.1:9/")
    for work in AssignmentFactory.create_batch(5, far=True):
        acting.confirm(work)
    rules = replace(config, concurrency=concurrency)
    dispatch.dispatch(config=rules, broker=desk)
    endpoint = SlowEndpoint()
    (batch,) = desk.batches
    done = deliver.deliver(batch.hints, config=rules, channel=lambda _: endpoint)
    assert (len(batch.hints), done.sent) == (1, 5)
    assert endpoint.timeouts == [timedelta(seconds=timeout)] * 5
    assert len(events(state=State.SENT)) == 5


def test_an_endpoint_that_answers_gets_several_at_a_time(clock, desk, config):
    subscribe("http://127.0.0.1:9/")
    for work in AssignmentFactory.create_batch(60, far=True):
        acting.confirm(work)
    dispatch.dispatch(config=config, broker=desk)
    endpoint = SlowEndpoint(0.02)
    deliver.deliver(desk.hints(), config=config, channel=lambda _: endpoint)
    assert len(events(state=State.SENT)) == 60
    assert endpoint.under_way[0] == 1
    assert 2 <= max(endpoint.under_way) <= LANES_EACH


def test_the_only_process_of_a_worker_soon_turns_to_people_again(clock, desk, config, monkeypatch):
    """With one process the events that are left after a second wait for the next tick."""
    monkeypatch.setattr("reminders.conf.LONE_EVENTS_TURN", timedelta())
    subscribe("http://127.0.0.1:9/")
    for work in AssignmentFactory.create_batch(5, far=True):
        acting.confirm(work)
    rules = replace(config, concurrency=1)
    dispatch.dispatch(config=rules, broker=desk)
    endpoint = SlowEndpoint()
    done = deliver.deliver(desk.hints(), config=rules, channel=lambda _: endpoint)
    assert (done.sent, done.released) == (1, 0)
    assert {(event.state, event.lease_until) for event in events() if event.state != State.SENT} == {
        (State.PLANNED, None)
    }


def test_what_hangs_delays_no_other_endpoint(clock, run, config):
    """One hangs, one answers: all events of the second are posted while the first one's single post waits."""
    with HttpSink(stop_at="silence") as hangs, HttpSink(keeps=True) as well:
        for name, sink in (("hangs", hangs), ("well", well)):
            subscribe(sink.url, name=name)
        for work in AssignmentFactory.create_batch(100, far=True):
            acting.confirm(work)
        run()
        tried = hangs.heard[0].at
        assert len(hangs.heard) == 1
        assert len({heard.headers["webhook-id"] for heard in well.heard}) == len(well.heard) == 100
        assert max(heard.at for heard in well.heard) - tried < config.send_timeout.total_seconds()
        assert well.connections <= LANES_EACH
    assert [len(events(state=state)) for state in (State.SENT, State.PLANNED)] == [100, 100]
    assert Attempt.objects.filter(outcome="unknowable").count() == 1
    assert Attempt.objects.count() == 101


def test_an_endpoint_that_begins_to_hang_leaves_the_others_alone(clock, run):
    """Several of its posts wait then; what was begun and not posted goes back, and the breaker counts it once."""
    with HttpSink(keeps=True) as turns, HttpSink(keeps=True) as well:
        for name, sink in (("turns", turns), ("well", well)):
            subscribe(sink.url, name=name)
        for work in AssignmentFactory.create_batch(200, far=True):
            acting.confirm(work)
        turns.fall_silent_after = 100
        run()
        assert len(well.heard) == 200
        assert 101 <= len(turns.heard) <= 100 + LANES_EACH
    assert CircuitBreaker.objects.get().failures == 1
    outcomes = Counter(Attempt.objects.values_list("outcome", flat=True))
    assert outcomes["accepted"] == 300
    assert 1 <= outcomes["unknowable"] <= LANES_EACH
    assert not events(state=State.SENDING)
    assert not events(state=State.QUEUED)


def test_a_database_that_fails_in_a_turn_loses_no_end(clock, desk, config, monkeypatch):
    """What was posted is recorded, and what was not is left to its lease."""
    subscribe("http://127.0.0.1:9/")
    for work in AssignmentFactory.create_batch(3, far=True):
        acting.confirm(work)
    dispatch.dispatch(config=config, broker=desk)

    def fail(*_args: object, **_more: object) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(events_turn, "claim_events", fail)
    with pytest.raises(OperationalError):
        deliver.deliver(desk.hints(), config=config, channel=lambda _: SlowEndpoint())
    assert [event.state for event in events()] == [State.SENT, State.PLANNED, State.PLANNED]


def test_an_event_in_doubt_gets_no_more_time_where_people_wait_for_the_same_process(clock, desk, config):
    rules = replace(config, concurrency=1)
    subscribe("http://127.0.0.1:9/")
    work = AssignmentFactory(far=True)
    acting.confirm(work)
    given = []

    class Patient(SlowEndpoint):
        def send(self, message, *, timeout, final_reply_timeout=timedelta()):
            given.append((timeout, final_reply_timeout))
            return super().send(message, timeout=timeout)

    endpoint = Patient()
    endpoint.answer_with(Outcome.UNKNOWABLE)
    for _ in range(2):
        dispatch.dispatch(config=rules, broker=desk)
        hints, desk.batches = desk.hints(), []
        deliver.deliver(hints, config=rules, channel=lambda _: endpoint)
        clock.advance(HALF_AN_HOUR)
    assert given == [(timedelta(seconds=3), timedelta())] * 2


def test_events_are_no_reminders_in_any_figure(clock, run, config):
    subscribe("http://127.0.0.1:9/")
    due_work(clock)
    run()
    before = statistics.count(config)
    work = AssignmentFactory(far=True)
    acting.confirm(work)
    after = statistics.count(config)
    assert after.due_unsent == before.due_unsent
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(value) FROM reminders_counter WHERE name = 'reminder_sent_total'",
        )
        assert cursor.fetchone()[0] == 1
    work.refresh_from_db()
    assert work.reminder_status == "NONE"


def test_a_pause_holds_them_and_resume_lets_them_go(clock, run):
    with HttpSink() as sink:
        subscribe(sink.url)
        pauses.pause(by="ada", reason="a quiet hour")
        work = AssignmentFactory()
        acting.confirm(work)
        run()
        assert sink.heard == []
        pauses.resume(by="ada")
        run()
    assert len(sink.heard) == 1


def test_a_worker_that_dies_often_in_mid_event_ends_it_unknown(clock, config, desk):
    subscribe("http://127.0.0.1:9/")
    work = AssignmentFactory(scheduled_start=NOON + timedelta(days=2))
    acting.confirm(work)
    for turn in range(5):
        dispatch.dispatch(config=config, broker=desk)
        hints, desk.batches = desk.hints(), []
        assert beginning.begin(hints, config=config).claims, turn
        clock.advance(config.lease + timedelta(seconds=1))
        leases.reap(config)
        clock.advance(timedelta(seconds=4))
    (event,) = events()
    assert (event.state, event.ambiguous) == (State.UNKNOWN, 5)


# --- who is told ---------------------------------------------------------------------------------------------------


def test_round_trip_over_the_api(clock, run):
    call = ApiCaller("ops")
    with HttpSink() as sink:
        made = call.post(
            "/api/webhooks", {"name": "planning", "url": sink.url, "events": ["assignment.confirmed"]}
        )
        assert made.status_code == 201, made.content
        assert made["Cache-Control"] == "no-store"
        secret, pk = made.json()["secret"], made.json()["id"]
        assert secret.startswith("whsec_")

        tried = call.post(f"/api/webhooks/{pk}/test", {})
        assert tried.json() == {"outcome": "accepted", "code": "204", "detail": ""}
        assert genuine(sink.heard[-1], secret)

        turned = call.post(f"/api/webhooks/{pk}/rotate", {"reason": "a new year"})
        fresh = turned.json()["secret"]
        call.post(f"/api/webhooks/{pk}/test", {})
        assert genuine(sink.heard[-1], secret)
        assert genuine(sink.heard[-1], fresh)
        clock.advance(timedelta(hours=25))
        call.post(f"/api/webhooks/{pk}/test", {})
        assert not genuine(sink.heard[-1], secret)
        assert genuine(sink.heard[-1], fresh)

        for text in (
            call.get(f"/api/webhooks/{pk}").content.decode(),
            call.get("/api/webhooks").content.decode(),
            json.dumps(list(Audit.objects.values("selection", "before", "after"))),
        ):
            assert "whsec_" not in text

        ended = call.patch(f"/api/webhooks/{pk}", {"active": False})
        assert (ended.json()["active"], ended.json()["ended_why"]) == (False, "ended by token:ops")
        assert call.post(f"/api/webhooks/{pk}/test", {}).status_code == 409
        again = call.patch(f"/api/webhooks/{pk}", {"active": True, "events": ALL})
        assert (again.json()["active"], again.json()["events"]) == (True, ALL)
        assert call.delete(f"/api/webhooks/{pk}").status_code == 204
        assert call.get(f"/api/webhooks/{pk}").status_code == 404
    assert [*Audit.objects.order_by("id").values_list("action", flat=True)] == [
        "subscribe",
        "rotate_secret",
        "change_subscription",
        "change_subscription",
        "unsubscribe",
    ]


def test_how_it_fares_is_shown(clock, run):
    away, _ = subscribe("http://127.0.0.1:9/")
    work = AssignmentFactory()
    acting.confirm(work)
    run()
    health = ApiCaller("ops").get(f"/api/webhooks/{away.pk}").json()["health"]
    assert (health["waiting"], health["code"]) == (1, "connect")
    assert health["breaker_open_until"] is not None


@pytest.mark.parametrize(
    ("given", "field", "code"),
    [
        ({"url": "ftp://example.org/"}, "url", "invalid"),
        ({"url": "https://user:secret@example.org/"}, "url", "invalid"),
        ({"url": "https://example.org/#x"}, "url", "invalid"),
        ({"url": "https://127.0.0.1/"}, "url", "not_public"),
        ({"url": "https://[::ffff:10.0.0.1]/"}, "url", "not_public"),
        ({"events": []}, "events", "min_length"),
        ({"events": ["reminder.lost"]}, "events.0", "invalid_choice"),
        ({"name": ""}, "name", "blank"),
        ({"name": "a\nb"}, "name", "invalid"),
        ({"secret": "whsec_x"}, "secret", "read_only"),
        ({"colour": "red"}, "colour", "unknown_field"),
    ],
)
def test_what_is_not_accepted_is_named(clock, settings, given, field, code):
    settings.WEBHOOK_ALLOW_PRIVATE = False
    body = {"name": "planning", "url": "https://example.org/hook", "events": ALL, **given}
    answered = ApiCaller("ops").post("/api/webhooks", body)
    assert answered.status_code == 400, answered.content
    assert faults(answered) == [(field, code)]
    assert not Subscription.objects.exists()


def test_an_endpoint_inside_is_never_called(clock, run, settings):
    with HttpSink() as sink:
        subscribe(sink.url)
        settings.WEBHOOK_ALLOW_PRIVATE = False
        Subscription.objects.update(url="https://localhost/")
        work = AssignmentFactory()
        acting.confirm(work)
        run()
    assert sink.connections == 0
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.code) == ("refused_for_now", "address")


def test_ending_it_ends_what_waits_and_removing_keeps_what_was(clock, run):
    made, _ = subscribe("http://127.0.0.1:9/")
    work = AssignmentFactory()
    acting.confirm(work)
    subscriptions.remove(made.pk, by="ada")
    assert [(event.state, event.reason) for event in events()] == [(State.SKIPPED, Reason.UNSUBSCRIBED)]
    run()


def test_the_explainer_tells_of_them(clock, run):
    made, _ = subscribe("http://127.0.0.1:9/")
    work = AssignmentFactory()
    acting.confirm(work)
    call = ApiCaller("read")
    shown = call.get(f"/api/assignments/{work.pk}/explain").json()
    story = next(story for story in shown["reminders"] if story["kind"] == "EVENT")
    assert story["to"] == f"the program of subscription {made.pk}"
    assert story["summary"] == "will be sent now: every condition is met"
    assert call.get(f"/api/assignments/{work.pk}/reminders").status_code == 200


def test_the_doctor_names_an_endpoint_that_does_not_answer(clock, run, config):
    def said() -> dict[str, tuple[str, str]]:
        found = doctor.run_checks(config, canary=None)
        return {one.name: (one.level.name, one.seen) for one in found if one.name.startswith("webhook")}

    assert said() == {}
    away, _ = subscribe("http://127.0.0.1:9/")
    assert said() == {"webhooks": ("PASS", "1 subscriptions, all are told")}
    work = AssignmentFactory()
    acting.confirm(work)
    run()
    assert said() == {
        f"webhook {away.pk}": ("WARN", "planning does not answer (connect): 1 events wait"),
    }


def test_a_channel_that_raises_costs_its_own_event_only(clock, config, desk):
    class Broken(WebhookChannel):
        def send_announcing(self, message, **more):
            if not hasattr(self, "one"):
                self.one = True
                raise RuntimeError("a fault")
            return Delivery(Outcome.ACCEPTED, "200")

    broken = Broken()
    subscribe("http://127.0.0.1:9/")
    for work in AssignmentFactory.create_batch(2):
        acting.confirm(work)
    for _ in range(4):
        dispatch.dispatch(config=config, broker=desk)
        hints, desk.batches = desk.hints(), []
        deliver.deliver(hints, config=config, channel=lambda _: broken)
        clock.advance(timedelta(seconds=20))
    assert [event.state for event in events()] == [State.SENT, State.SENT]
