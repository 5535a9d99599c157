"""Calendars that are polled: what they say is taken, and what is gone is cancelled, or asked for where it is much."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

import pytest

from assignments import services
from assignments.models import Assignee, Assignment, CalendarSource, Team
from notifications.fetch import Document, Fetcher, FetchFailed
from reminders.feeds import poll, polls
from reminders.ledger import counters
from reminders.models import Counter
from reminders.operations import calendars, erasing
from tests.fakes.http_sink import HttpSink
from tests.integration.notifications.test_webhook_channel import loopback

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECRET = "https://calendar.example/private-0a1b2c/basic.ics"


@dataclass
class Feed:
    """A calendar as its server answers with it: bytes, None for "not modified", or a failure."""

    answers: list[bytes | FetchFailed | None] = field(default_factory=list)
    asked: list[dict] = field(default_factory=list)

    def fetch(self, url, **conditions):
        self.asked.append(conditions)
        assert url == SECRET
        reply = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(reply, FetchFailed):
            raise reply
        return None if reply is None else Document(body=reply, etag=f'"{len(self.asked)}"')


@pytest.fixture(autouse=True)
def _noon(clock):
    clock.set(NOON)


@pytest.fixture
def source():
    return CalendarSource.objects.create(
        name="Field team", url=SECRET, time_zone="Europe/Berlin", all_day=time(8), next_poll_at=NOON
    )


def calendar(*uids, day=8, more=()):
    lines = ["BEGIN:VCALENDAR"]
    for uid in uids:
        lines += [
            "BEGIN:VEVENT",
            f"UID:{uid}",
            "SUMMARY:Work",
            f"DTSTART:202606{day:02d}T090000Z",
            *more,
            "END:VEVENT",
        ]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


MANY = tuple(f"W-{n}" for n in range(10))


def polled(source, *answers):
    """Polls once for each answer, as if the time for it had come."""
    feed, results = Feed([*answers]), []
    for _ in answers:
        CalendarSource.objects.filter(pk=source.pk).update(next_poll_at=NOON)
        results.append(poll.poll(source.pk, fetch=feed))
    source.refresh_from_db()
    return results[-1]


def statuses():
    return dict(Assignment.objects.values_list("reference", "status"))


def test_what_a_calendar_says_becomes_work_of_its_team_and_kind(source):
    source.team, source.kind = Team.objects.create(name="North"), "repair"
    source.save()
    result = polled(source, calendar("W-1"))
    work = Assignment.objects.get()
    assert (result.outcome, work.team, work.kind, work.calendar_source) == (
        "taken",
        source.team,
        "repair",
        source,
    )
    assert source.counts == {"created": 1, "updated": 0, "unchanged": 0, "cancelled": 0, "refused": 0}
    assert (source.failures, source.leased_until, source.polled_at) == (0, None, NOON)
    assert source.next_poll_at == NOON + timedelta(minutes=14)


def test_who_was_erased_does_not_come_back_by_a_calendar(source):
    """The other events are taken, and what the page says of the row names nobody."""
    attended = ["ATTENDEE;CN=Ada Lovelace:mailto:ada@example.test"]
    polled(source, calendar("W-1", more=attended))
    work = Assignment.objects.get()
    services.cancel(work.pk)
    erasing.erase(work.assignee_id, by="olga", reason="asked", seconds=None)
    both = (
        calendar("W-2", more=attended)[: -len(b"END:VCALENDAR\r\n")] + calendar("W-3").partition(b"\r\n")[2]
    )
    assert polled(source, both).outcome == "taken"
    assert statuses() == {"W-1": "CANCELLED", "W-3": "SCHEDULED"}
    [refused] = source.refused
    assert refused["code"] == "erased"
    assert "ada" not in str(refused).lower()
    assert Assignee.objects.count() == 1


def test_a_local_time_and_a_whole_day_are_in_the_zone_of_the_source(source):
    body = calendar("W-1").replace(b"T090000Z", b"T090000") + calendar("W-2").replace(b"T090000Z", b"")
    polled(source, body)
    assert {f"{one.scheduled_start:%H:%M}" for one in Assignment.objects.all()} == {"07:00", "06:00"}


def test_past_events_make_no_work(source):
    polled(source, calendar("W-1").replace(b"20260608", b"20200608"))
    assert not Assignment.objects.exists()


def test_the_next_request_asks_whether_it_has_changed_until_the_answer_is_old(source, clock):
    feed = Feed([calendar("W-1"), None, calendar("W-1")])
    for at in (NOON, NOON + timedelta(hours=1), NOON + timedelta(hours=21)):
        clock.set(at)
        assert poll.poll(source.pk, fetch=feed).outcome == ("unchanged" if at.hour == 13 else "taken")
    assert [one["etag"] for one in feed.asked] == ["", '"1"', ""]


def test_events_that_are_gone_are_cancelled_and_come_back(source):
    polled(source, calendar(*MANY), calendar(*MANY[:8]))
    assert [one for one, status in statuses().items() if status == "CANCELLED"] == ["W-8", "W-9"]
    assert source.counts["cancelled"] == 2
    polled(source, calendar(*MANY))
    assert set(statuses().values()) == {"SCHEDULED"}


def test_only_work_that_this_feed_made_is_cancelled(source):
    other = CalendarSource.objects.create(name="Other", url=SECRET, next_poll_at=NOON)
    start = NOON + timedelta(days=7)
    services.create(services.NewAssignment(title="By hand", scheduled_start=start, reference="H-1"))
    polled(other, calendar("X-1"))
    polled(source, calendar("W-1", "W-2"), calendar("W-1"))
    assert statuses() == {"H-1": "SCHEDULED", "X-1": "SCHEDULED", "W-1": "SCHEDULED", "W-2": "CANCELLED"}


def test_what_was_cancelled_here_stays_cancelled(source):
    polled(source, calendar("W-1", "W-2"))
    services.cancel(Assignment.objects.get(reference="W-1").pk)
    polled(source, calendar("W-1", "W-2"))
    assert statuses()["W-1"] == "CANCELLED"


@pytest.mark.parametrize("left", [MANY[:3], ()])
def test_a_calendar_that_shrinks_suddenly_asks_first(source, left):
    result = polled(source, calendar(*MANY), calendar(*left))
    assert (result.outcome, set(statuses().values())) == ("asks", {"SCHEDULED"})
    assert (len(source.vanished), source.asks_since, source.counts["cancelled"]) == (10 - len(left), NOON, 0)
    assert polled(source, calendar(*MANY)).outcome == "taken"
    assert (source.vanished, source.asks_since) == ([], None)


def test_an_event_that_cannot_be_read_is_not_gone(source):
    broken = calendar("W-1").replace(b"DTSTART:20260608T090000Z", b"DTSTART:tomorrow")
    polled(source, calendar("W-1", "W-2", "W-3"), broken + calendar("W-3"))
    assert statuses() == {"W-1": "SCHEDULED", "W-2": "CANCELLED", "W-3": "SCHEDULED"}
    assert (source.counts["refused"], source.refused[0]["code"]) == (1, "invalid")


@pytest.mark.parametrize(
    "body", [b"<html>", b"", calendar("W-1")[:-20], calendar("W-1").replace(b"END:VEVENT\r\n", b"")]
)
def test_an_answer_that_is_no_whole_calendar_cancels_nothing(source, body):
    polled(source, calendar("W-1", "W-2"), body)
    assert set(statuses().values()) == {"SCHEDULED"}


def test_a_failure_is_recorded_without_the_address_and_tried_again(source):
    failed = FetchFailed("503", "the server answered no document", retry_after=timedelta(hours=2))
    assert polled(source, failed, failed).outcome == "failed"
    assert (source.failures, source.failing_since, source.code) == (2, NOON, "503")
    assert source.next_poll_at == NOON + timedelta(hours=2) - timedelta(minutes=1)
    assert "private" not in source.detail
    polled(source, calendar("W-1"))
    assert (source.failures, source.failing_since, source.code, source.succeeded_at) == (0, None, "", NOON)


def test_a_moved_series_moves_its_dates(source):
    weekly = calendar("W-1", more=["RRULE:FREQ=WEEKLY;COUNT=2"])
    polled(source, weekly, weekly.replace(b"T090000Z", b"T100000Z"))
    assert Assignment.objects.count() == 2
    assert {f"{one.scheduled_start:%H}" for one in Assignment.objects.filter(status="SCHEDULED")} == {"10"}


def test_two_workers_do_not_poll_one_calendar_at_once(source, clock):
    assert polls.due() == [source.pk]
    first = polls.claim(source.pk)
    assert (polls.claim(source.pk), polls.due()) == (None, [])
    clock.set(NOON + polls.LEASE)
    second = polls.claim(source.pk)
    assert polls.finish(first, polls.CalendarPollResult(outcome="failed")) is False
    assert polls.finish(second, polls.CalendarPollResult(outcome="taken")) is True


def test_a_poll_that_read_a_former_address_writes_nothing(source):
    class Moved(Feed):
        def fetch(self, url, **conditions):
            calendars.change_calendar(source.pk, {"url": "https://calendar.example/other"}, by="olga")
            return super().fetch(url, **conditions)

    assert poll.poll(source.pk, fetch=Moved([calendar("W-1")])) is None
    source.refresh_from_db()
    assert (Assignment.objects.count(), source.etag, source.succeeded_at) == (0, "", None)


def test_one_that_is_switched_off_is_not_polled(source):
    CalendarSource.objects.update(active=False)
    assert (polls.due(), poll.poll(source.pk, fetch=Feed([b""]))) == ([], None)


def test_polls_are_counted_by_what_they_came_to(source):
    polled(source, calendar("W-1"), None, FetchFailed("404", "x"))
    rows = Counter.objects.filter(name=counters.CALENDAR_POLLS).values_list("labels", "value")
    assert dict(rows) == {"outcome=taken": 1, "outcome=unchanged": 1, "outcome=failed": 1}


def test_the_address_is_in_no_line_of_the_log(source, caplog):
    caplog.set_level("DEBUG")
    polled(source, calendar("W-1"), FetchFailed("404", "the server answered no document"))
    assert [one.message for one in caplog.records if one.name.endswith("poll")] == ["Calendar polled"] * 2
    assert "private-0a1b2c" not in "".join(str(vars(one)) for one in caplog.records)


# --- over HTTP ---


def test_a_feed_that_shrinks_over_http_asks_and_a_server_in_trouble_changes_nothing(source, settings):
    def served(body, status="200 OK", *, length=None, etag='"1"', location=""):
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}"]
        lines += [
            "Content-Type: text/calendar",
            f"ETag: {etag}",
            *([f"Location: {location}"] if location else []),
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body

    whole, rest = calendar(*MANY), calendar("W-1")
    answers = [
        (served(whole), "taken", ""),
        (served(b"", "304 Not Modified"), "unchanged", ""),
        (served(whole[:300], length=len(whole), etag='"2"'), "failed", "answer"),
        (served(whole[:300], etag='"2"'), "failed", "unreadable"),
        (served(b"", "500 Broken"), "failed", "500"),
        (served(b"", "302 Found", location="http://10.0.0.1/"), "failed", "address"),
        (served(rest, etag='"3"'), "asks", ""),
        (served(b"", "304 Not Modified"), "asks", ""),
    ]
    with HttpSink(answers=[body for body, _, _ in answers]) as sink:
        CalendarSource.objects.update(url=sink.url)
        fetch = Fetcher(timeout=timedelta(seconds=60), most=100_000, private=True, permitted=loopback)
        for place, (_, outcome, code) in enumerate(answers):
            CalendarSource.objects.update(next_poll_at=NOON)
            result = poll.poll(source.pk, fetch=fetch)
            assert (result.outcome, result.values.get("code", "")) == (outcome, code), place
            assert set(statuses().values()) == {"SCHEDULED"}, place
    asked_by = [one.headers.get("if-none-match", "") for one in sink.heard]
    assert asked_by == ["", *['"1"'] * 6, '"3"']
    assert len(calendars.asked()[0].work) == 9
    assert calendars.accept(by="olga") == 9
    assert [name for name, status in statuses().items() if status == "SCHEDULED"] == ["W-1"]
