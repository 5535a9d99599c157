"""The Ops pages without a browser: figures and their lists, previews, roles, and what happens when something is away."""

import re
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from psycopg import errors

from assignments import services
from assignments.models import Act, Assignment
from notifications.message import Outcome
from reminders.conf import ReminderConfig
from reminders.delivery import heartbeats, hints, scan
from reminders.delivery.broker import SCAN_QUEUE_LIMIT
from reminders.delivery.broker_status import BrokerProbe
from reminders.insight import statistics
from reminders.insight.simulator import prospects
from reminders.models import Audit, BouncePoll, DeliveryEvent, Pause, Reminder, Statistics
from reminders.operations import pauses
from reminders.operations.act_actions import ACT_ACTIONS
from reminders.operations.plan_change_actions import PLAN_CHANGE_ACTIONS
from reminders.web.ops import health, overview
from tests import acting
from tests.conftest import NOON
from tests.factories import AssignmentFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def everything(clock, config, run, outbox):
    """Work in every fate."""
    AssignmentFactory.create_batch(2, soon=True, title="unknown")
    outbox.answer_with(*[Outcome.UNKNOWABLE] * 3)
    run()
    clock.advance(timedelta(seconds=60))
    run()
    AssignmentFactory.create_batch(2, soon=True, title="unreachable", assignee__unreachable=True)
    AssignmentFactory(soon=True, title="refused")
    outbox.answer_with(Outcome.REJECTED)
    AssignmentFactory.create_batch(3, soon=True, title="sent")
    run()
    late = AssignmentFactory.create_batch(2, soon=True, title="late")
    run()
    clock.advance(timedelta(minutes=41))
    acting.start(late[0].pk)
    scan.scan(trigger="beat", config=config)
    run()
    AssignmentFactory.create_batch(4, title="coming", scheduled_start=NOON + timedelta(minutes=90))
    AssignmentFactory(title="due", scheduled_start=NOON + timedelta(minutes=60))
    AssignmentFactory(title="cancelled", far=True)
    AssignmentFactory(title="forgotten", scheduled_start=NOON + timedelta(minutes=50))
    AssignmentFactory(title="early", scheduled_start=NOON + timedelta(hours=5), lead_minutes=300)
    AssignmentFactory(title="not yet", scheduled_start=NOON + timedelta(hours=9), lead_minutes=300)
    coming = Assignment.objects.filter(title="coming")
    acting.decline(coming[0], note="<i>ill</i>")
    acting.confirm(coming[1])
    Reminder.objects.filter(assignment__title__in=("forgotten", "early", "not yet")).delete()
    heartbeats.record("beat")
    for row in Reminder.objects.filter(assignment__title="sent", kind="REMINDER"):
        for number in range(2):  # A message that is reported twice has bounced once.
            bounce(row, number=number, permanent=number == 0)
    DeliveryEvent.objects.filter(reminder=row).update(received_at=clock.now() - timedelta(hours=25))
    Statistics.objects.all().delete()
    return late[1]


def bounce(row, *, number, permanent):
    DeliveryEvent.objects.create(
        reminder=row, at=NOON, kind="bounced", permanent=permanent, source="dsn", external_id=str(number),
        detail="smtp; 550 5.1.1 <b>no such user</b>",
    )  # fmt: skip


def shown(response):
    return re.sub(r"\s+", " ", response.content.decode())


# --- figures and their lists -----------------------------------------------------------------------------------


def test_every_figure_leads_to_a_list_of_as_many(viewer, everything):
    page = viewer.get("/ops/").context
    tiles = {tile.name: tile for tile in [*page["work"], *page["attendance"], *page["problems"]]}
    counts = {name: tile.value for name, tile in tiles.items()}
    assert counts == {
        "none": 8, "sent": 0, "overdue": 9, "due": 1, "failed": 4, "bounced": 2, "duplicates": 2, "unknown": 1,
        "declined": 1, "declined_soon": 1, "unanswered_soon": 0, "unaccounted": 2, "unaware_soon": 4,
    }  # fmt: skip
    for name, tile in tiles.items():
        assert viewer.get(tile.href).context["listed"].count == tile.value, name
    assert sum(number for _, number, _, _ in page["failed"]) == tiles["failed"].value
    for reason, number, href, says in page["failed"]:
        assert viewer.get(href).context["listed"].count == number, reason
        assert says


def test_a_list_shows_what_people_have_answered(viewer, everything):
    listed = viewer.get("/ops/assignments?answer=CONFIRMED")
    assert [(work.title, work.answer) for work, *_ in listed.context["lines"]] == [("coming", "CONFIRMED")]
    declined = viewer.get("/ops/assignments?show=declined")
    for page in (declined, viewer.get(f"/ops/assignments/{declined.context['lines'][0][0].pk}")):
        assert "can&#x27;t make it" in shown(page)
        assert "&lt;i&gt;ill&lt;/i&gt;" in shown(page)


def test_every_slot_of_the_picture_leads_to_a_list_of_as_many(viewer, everything):
    page = viewer.get("/ops/")
    links = re.findall(r'href="(/ops/reminders\?show=[^"]*before=\d+)">(\d+)</a>', page.content.decode())
    assert len(links) > 3
    for href, number in links:
        assert viewer.get(href.replace("&amp;", "&")).context["listed"].count == int(number), href


def test_a_page_says_what_became_of_a_message(viewer, everything):
    work = Assignment.objects.filter(title="sent").first()
    page = shown(viewer.get(f"/ops/assignments/{work.pk}"))
    assert "bounced for good, as dsn reports: smtp; 550 5.1.1 &lt;b&gt;no such user&lt;/b&gt;." in page
    assert '<th scope="row">bounced for good</th>' in page
    assert "it has bounced" in page


def test_a_mailbox_that_cannot_be_read_is_said_on_the_tile(viewer, db, settings):
    settings.BOUNCE_MAILBOX = object()
    for failing_since, alarm in ((NOON, "The mailbox for bounces cannot be read"), (None, "")):
        BouncePoll.objects.update_or_create(pk=1, defaults={"next_at": NOON, "failing_since": failing_since})
        Statistics.objects.all().delete()
        tiles = {tile.name: tile for tile in viewer.get("/ops/").context["problems"]}
        assert tiles["bounced"].alarm == alarm


def test_the_overdue_tile_turns_above_the_threshold(viewer, clock, settings, config):
    AssignmentFactory.create_batch(2, soon=True)
    clock.advance(timedelta(minutes=41))
    for threshold, tone in ((1, "bad"), (2, "quiet")):
        settings.REMINDERS = ReminderConfig(channel="memory", overdue_alert=threshold)
        tile = viewer.get("/ops/").context["work"][2]
        assert (tile.value, tile.tone) == (2, tone)
    assert "more than 2 is an alarm" in tile.note


def test_late_messages_are_an_alarm_but_not_while_they_are_held_on_purpose(viewer, clock):
    AssignmentFactory(soon=True)
    clock.advance(timedelta(minutes=2))
    due = viewer.get("/ops/").context["problems"][0]
    assert (due.value, due.tone, due.note) == (1, "bad", "the oldest has waited for 2 min")
    pauses.pause(by="olga", reason="x")  # It counts at once, whatever figures are kept.
    due = viewer.get("/ops/").context["problems"][0]
    assert (due.tone, due.alarm) == ("warn", "Held by the switch")


def test_an_empty_system_says_so(viewer, clock):
    text = shown(viewer.get("/ops/"))
    assert "Nothing sent in the last hour, and nothing planned for the next 2 h." in text
    assert "none yet" in text
    for path in ("assignments", "reminders", "audit"):
        assert "Nothing here." in shown(viewer.get(f"/ops/{path}"))
    assert "Nobody has ever paused sending." in shown(viewer.get("/ops/switch"))


def test_old_figures_are_shown_with_a_warning(viewer, db, monkeypatch):
    monkeypatch.setattr(statistics, "_failed_at", float("-inf"))
    old = statistics.current().taken - timedelta(minutes=5)
    monkeypatch.setattr(statistics, "count", lambda config: (_ for _ in ()).throw(OperationalError("slow")))
    Statistics.objects.update(taken_at=old)
    Statistics.objects.update(values={**Statistics.objects.get().values, "taken_at": old.timestamp()})
    assert "they cannot be refreshed" in shown(viewer.get("/ops/"))


@pytest.mark.parametrize(
    ("seen", "redis", "config", "expected"),
    [
        (
            {},
            BrokerProbe({"reminders": 0, "reminders.scan": 0}),
            ReminderConfig(),
            {"Beat": "bad", "Scanner": "warn", "Workers": "bad", "Sending": "good"},
        ),
        (
            {},
            BrokerProbe(None, "no answer"),
            ReminderConfig(),
            {"Redis": "bad", "Queue": "warn", "Database": "good"},
        ),
        (
            {},
            BrokerProbe({"reminders": 0, "reminders.scan": 0}),
            ReminderConfig(enabled=False),
            {"Sending": "bad", "Workers": "warn", "Redis": "good"},
        ),
        (
            {"beat": heartbeats.ProcessCount(count=2, at_once=2, last_seen_at=0)},
            BrokerProbe({"reminders": 3, "reminders.scan": 0}),
            ReminderConfig(),
            {"Beat": "warn", "Scanner": "bad", "Queue": "good"},
        ),
        (
            {},
            BrokerProbe({"reminders": 0, "reminders.scan": SCAN_QUEUE_LIMIT}),
            ReminderConfig(),
            {"Queue": "warn"},
        ),
    ],
)
def test_the_health_strip_says_what_is_wrong(seen, redis, config, expected):
    taken = statistics.Snapshot(taken_at=1_000.0, processes=seen)
    tones = {part.name: part.tone for part in health.health(taken, redis, config=config)}
    assert {name: tones[name] for name in expected} == expected
    assert tones["Last scan"] == "bad"


def test_a_task_that_an_operator_switched_off_stands_in_the_strip():
    taken = statistics.Snapshot(taken_at=1_000.0, switched_off=["reminders.dispatch"])
    probe = BrokerProbe({"reminders": 0, "reminders.scan": 4})
    parts = {part.name: part for part in health.health(taken, probe, config=ReminderConfig())}
    assert (parts["Sending"].summary, parts["Sending"].tone) == ("reminders.dispatch switched off", "bad")
    assert parts["Queue"].summary == "0 waiting, 4 for the scanner"


def test_a_held_channel_stands_in_the_strip():
    taken = statistics.Snapshot(
        taken_at=1_000.0,
        held_channels={"email": 1_042.0},
        last_scan_timestamp_seconds=970.0,
        last_scan_by="vera",
    )
    parts = {
        part.name: part.summary
        for part in health.health(
            taken, BrokerProbe({"reminders": 0, "reminders.scan": 0}), config=ReminderConfig()
        )
    }
    assert parts["Channel email"] == "held for 42 s"
    assert parts["Last scan"] == "30 s ago by vera"


# --- cheap for everybody ---------------------------------------------------------------------------------------


def test_fifty_viewers_count_once_and_each_asks_little(viewer, everything, monkeypatch):
    counted = []
    count = statistics.count
    monkeypatch.setattr(statistics, "count", lambda config: counted.append(1) or count(config))
    monkeypatch.setattr(health, "broker", lambda: BrokerProbe({"reminders": 0, "reminders.scan": 0}))
    for _ in range(50):
        with CaptureQueriesContext(connection) as asked:
            assert viewer.get("/ops/live").status_code == 200
    assert len(counted) == 1
    # Session, user, two for the permissions, whether the user is limited to teams, figures, pause.
    assert len(asked) <= 9, [one["sql"] for one in asked]


@pytest.mark.parametrize("path", ["assignments", "reminders?show=all", "audit", "switch"])
def test_a_list_asks_the_same_number_of_questions_however_long_it_is(viewer, clock, path):
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert viewer.get(f"/ops/{path}").status_code == 200
        return len(queries)

    AssignmentFactory()
    pauses.pause(by="x", reason="x")
    before = asked()
    AssignmentFactory.create_batch(20)
    assert asked() == before


# --- filters ---------------------------------------------------------------------------------------------------


NONSENSE = [
    "assignments?show=x&status=x&reminder_status=x&when=x&page=x", "assignments?page=-1", "assignments?page=0",
    "assignments?page=99999999999999999999999", "assignments?q=%00", "assignments?q=" + "9" * 30,
    "assignments?status=CANCELLED&when=past", "assignments?reminder_status=OVERDUE&when=past_day",
    "assignments?when=look_ahead", "assignments?when=next_week", "assignments?when=future", "assignments?q=ob",
    "reminders?show=x&reason=x&kind=x", "reminders?show=all&q=1", "reminders?q=%00x", "reminders?after=x&before=9",
    "reminders?after=99999999999999&before=-1", "reminders?show=skipped", "reminders?show=marked",
    "reminders?show=sent&reason=past&kind=OVERDUE", "audit?action=%00&q=%00", "audit?q=a&action=reset", "find",
    "find?q=%00",
    "simulator?since=x", "simulator?lead=x", "simulator?lead=%00", "simulator?rules=x", "simulator?rules=REMINDER_X=1",
    "simulator?since=2026-01-01T00:00&until=2025-01-01T00:00", "simulator?until=9999-12-31T23:59",
]  # fmt: skip


def test_nothing_that_is_asked_breaks_a_page(viewer, everything):
    viewer.raise_request_exception = False
    answered = {query: viewer.get(f"/ops/{query}").status_code for query in NONSENSE}
    assert {query: status for query, status in answered.items() if status not in (200, 302)} == {}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("show=overdue&q=Brandt", ["Brandt, late"]),
        ("show=overdue", ["Brandt, late", "Abel, late"]),
        ("q=Brandt", ["Brandt, coming", "Brandt, late"]),
        ("q=Brandt&status=CANCELLED", []),
        ("q=Brandt&when=future", ["Brandt, coming"]),
        ("q=%23{pk}", ["Abel, late"]),
        ("q=ABEL@EXAMPLE", ["Abel, late"]),
    ],
)
def test_a_search_keeps_every_filter(viewer, clock, query, expected):
    AssignmentFactory(soon=True, title="Brandt, late")
    late = AssignmentFactory(soon=True, title="Abel, late", assignee__email="abel@example.com")
    clock.advance(timedelta(minutes=61))
    AssignmentFactory(title="Brandt, coming", scheduled_start=NOON + timedelta(hours=5))
    page = viewer.get(f"/ops/assignments?{query.format(pk=late.pk)}")
    assert [work.title for work, *_ in page.context["lines"]] == expected


def test_a_number_with_its_sign_finds_the_assignment(viewer, clock):
    work = AssignmentFactory()
    answer = viewer.get("/ops/find", {"q": f"#{work.pk}"})
    assert (answer.status_code, answer["Location"]) == (302, f"/ops/assignments/{work.pk}")


def test_a_list_is_leafed_through(viewer, clock):
    AssignmentFactory.create_batch(51)
    first = viewer.get("/ops/assignments?when=next_week")
    assert (len(first.context["lines"]), first.context["listed"].count) == (50, 51)
    assert "page=2" in first.content.decode()
    last = viewer.get("/ops/assignments?when=next_week&page=2")
    assert (len(last.context["lines"]), last.context["listed"].next) == (1, None)


@pytest.mark.parametrize("text", ["KEY-7", "{pk}"])
def test_a_reference_or_a_number_leads_to_its_explanation(viewer, clock, text):
    work = AssignmentFactory(reference="KEY-7")
    answer = viewer.get("/ops/find", {"q": text.format(pk=work.pk)})
    assert answer["Location"] == reverse("ops:explain", args=[work.pk])


def test_the_simulator_foresees_under_todays_rules_and_under_others(viewer, clock):
    AssignmentFactory(scheduled_start=NOON + timedelta(hours=5))
    today = viewer.get("/ops/simulator").context["found"]
    assert (today.total, today.sends[0].at) == (1, NOON + timedelta(hours=4, minutes=30))
    other = viewer.get("/ops/simulator", {"lead": "60", "rules": "REMINDER_OVERDUE_MINUTES=45"}).context
    assert other["found"].sends[0].at == NOON + timedelta(hours=4)
    assert other["changes"] == {"REMINDER_OVERDUE_MINUTES": "45", "REMINDER_LEAD_MINUTES": "60"}


def test_where_there_is_much_work_the_simulator_shows_its_form_first(viewer, clock, monkeypatch):
    AssignmentFactory(scheduled_start=NOON + timedelta(hours=5))
    monkeypatch.setattr(prospects, "QUICK", 0)
    page = viewer.get("/ops/simulator")
    assert "found" not in page.context
    assert 'hx-get="/ops/simulator?now=1"' in page.content.decode()
    assert viewer.get("/ops/simulator?now=1").context["found"].total == 1


def test_the_simulator_names_a_rule_that_is_refused(viewer, clock):
    page = viewer.get("/ops/simulator", {"lead": "x", "rules": "REMINDER_OVERDUE_MINUTES=y"})
    errors = page.context["form"].errors
    assert "REMINDER_LEAD_MINUTES" in str(errors["lead"])
    assert "REMINDER_LEAD_MINUTES" not in str(errors["rules"])
    assert "REMINDER_OVERDUE_MINUTES" in str(errors["rules"])
    assert "found" not in page.context


# --- acts ------------------------------------------------------------------------------------------------------


def confirmed(client, address, **values):
    """Looks at a preview and confirms it as a browser would."""
    page = client.get(address)
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.content.decode())
    sent = {name: [value for other, value in fields if other == name] for name, _ in fields}
    return client.post(address.split("?")[0], {**sent, **values})


def test_a_whole_list_is_acted_on_at_once(operator, everything):
    listed = operator.post(
        "/ops/act/close", {"everything": "1", "list": "assignments", "query": "show=overdue"}
    )
    ids = listed.context["ids"]
    assert len(ids) == 9
    by_reason = operator.post(
        "/ops/act/resend", {"everything": "1", "list": "reminders", "query": "show=failed&reason=no_contact"}
    )
    assert len(by_reason.context["ids"]) == 2
    assert not Audit.objects.exists()


def test_a_button_without_a_mark_does_not_mean_everything(operator, clock):
    work = AssignmentFactory()
    Assignment.objects.filter(pk=work.pk).update(reminder_status="SENT")
    back = {"list": "assignments", "query": "", "back": "/ops/assignments?show=declined"}
    nothing = operator.post("/ops/act/reset", back, follow=True)
    assert nothing.redirect_chain == [("/ops/assignments?show=declined", 302)]
    assert "Nothing was selected: select assignments first." in shown(nothing)
    all_of_it = operator.get("/ops/act/reset?scope=out_of_sync")
    assert [target.id for target, _ in all_of_it.context["preview"].rows] == [work.pk]


def test_an_act_goes_back_to_where_it_was_asked_for_but_never_elsewhere(operator, clock):
    work = AssignmentFactory()
    for back, goes in (
        ("/ops/reminders?show=failed", "/ops/reminders?show=failed"),
        ("https://example.org/ops/", "/ops/"),
        ("//example.org/ops/", "/ops/"),
        ("/admin/assignments/assignment/", "/admin/assignments/assignment/"),
        ("/administration/", "/ops/"),
    ):
        done = confirmed(
            operator, f"/ops/act/resend?ids={work.pk}&back={back.replace('?', '%3F')}", reason="x"
        )
        assert (done.status_code, done["Location"]) == (302, goes)


def test_a_reason_is_required_by_every_act(operator, everything, monkeypatch):
    pauses.pause(by="x", reason="x")
    before = Audit.objects.count()
    for name in (
        "reset",
        "resend",
        "close",
        "rescan",
        "pause",
        "resume",
        "purge",
        *PLAN_CHANGE_ACTIONS,
        *ACT_ACTIONS,
    ):
        sent = {"confirmed": "1", "ids": everything.pk, "reason": " ", "to": "nobody"}
        refused = operator.post(f"/ops/act/{name}", sent)
        assert refused.context["form"].errors["reason"] == ["This field is required."], name
    assert Audit.objects.count() == before


@pytest.mark.parametrize(
    ("name", "values", "stored"),
    [
        ("confirm", {}, {"answer": "CONFIRMED"}),
        ("decline", {"note": "ill"}, {"answer": "DECLINED", "answer_note": "ill"}),
        ("on_my_way", {"minutes": "20"}, {"on_my_way_at": NOON}),
        ("late", {"minutes": "15"}, {"expected_start": NOON + timedelta(minutes=75)}),
        ("start", {}, {"status": "IN_PROGRESS", "started_at": NOON}),
        ("complete", {}, {"status": "COMPLETED", "completed_at": NOON}),
    ],
)
def test_operators_act_for_an_assignee_with_a_reason(operator, clock, name, values, stored):
    work = AssignmentFactory()
    page = f"/ops/assignments/{work.pk}"
    link = f"/ops/act/{name}?ids={work.pk}&amp;back={page}"
    assert link in operator.get(page).content.decode()
    done = confirmed(operator, link.replace("&amp;", "&"), reason="called me", **values)
    assert (done.status_code, done["Location"]) == (302, page)
    assert Assignment.objects.values(*stored).get() == stored
    (act,) = Act.objects.all()
    assert (act.act, act.via, act.actor) == (name, "ops", "olga")
    (line,) = Audit.objects.all()
    assert (line.action, line.actor, line.reason) == (name, "olga", "called me")
    told = shown(operator.get(page))
    assert "olga" in told
    again = operator.get(link.replace("&amp;", "&"))
    assert again.context["preview"].possible == (name == "late")


def test_an_act_that_has_become_impossible_since_its_preview_does_nothing(operator, clock):
    work = AssignmentFactory()
    address = f"/ops/act/late?ids={work.pk}"
    plan = operator.get(address).context["preview"].plan
    services.cancel(work.pk)
    sent = {"confirmed": "1", "ids": work.pk, "plan": plan, "reason": "x", "minutes": "15"}
    assert "Nothing was done" in shown(operator.post("/ops/act/late", sent, follow=True))
    assert (Act.objects.count(), Audit.objects.count()) == (0, 0)


def test_minutes_that_are_not_accepted_are_said_at_their_field(operator, clock):
    work = AssignmentFactory()
    for minutes in ("", "4", "241", "soon"):
        refused = confirmed(operator, f"/ops/act/late?ids={work.pk}", reason="x", minutes=minutes)
        assert "minutes" in refused.context["form"].errors, minutes
    assert not Act.objects.exists()


def test_viewers_are_not_offered_acts(viewer, clock):
    work = AssignmentFactory()
    assert "/ops/act/" not in viewer.get(f"/ops/assignments/{work.pk}").content.decode()
    assert viewer.post("/ops/act/start", {"confirmed": "1", "ids": work.pk, "reason": "x"}).status_code == 403
    assert not Act.objects.exists()


def test_late_reminders_are_skipped_unless_somebody_wants_them(operator, clock, run):
    AssignmentFactory(soon=True)
    operator.post("/ops/act/pause", {"confirmed": "1", "reason": "x", "length": "60"})
    assert Pause.objects.get().until is not None
    clock.advance(timedelta(minutes=20))
    page = operator.get("/ops/act/resume")
    assert ("late reminders: the work has begun by the clock", 1) in page.context["preview"].facts
    form = page.context["form"]
    assert {name: form[name].value() for name in ("useful", "late", "notices")} == {
        "useful": "send", "late": "skip", "notices": "send",
    }  # fmt: skip
    operator.post(
        "/ops/act/resume",
        {"confirmed": "1", "reason": "x", "useful": "send", "late": "skip", "notices": "send"},
    )
    assert Reminder.objects.get(kind="REMINDER").reason == "operator"
    assert run().sent == 0


@pytest.mark.parametrize("length", ["at", "x"])
def test_a_pause_until_no_instant_is_refused(operator, clock, length):
    refused = operator.post("/ops/act/pause", {"confirmed": "1", "reason": "x", "length": length})
    assert refused.status_code == 200
    assert refused.context["form"].errors
    assert not Pause.objects.exists()


# --- the policy, and what is away ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "live", "assignments", "reminders", "doctor", "nothing", "act/pause"])
def test_nothing_inline_may_run(operator, clock, path):
    answer = operator.get(f"/ops/{path}")
    assert answer["Content-Security-Policy"].startswith("default-src 'self';")
    assert "unsafe" not in answer["Content-Security-Policy"]
    text = answer.content.decode()
    assert not re.search(r"<script(?! src=)|<style|\sstyle=|\son\w+=|https?://(?!www\.w3\.org)", text)


def test_the_first_address_leads_here(client, db):
    assert client.get("/")["Location"] == "/ops/"
    assert client.get("/ops/")["Location"] == "/account/sign-in?next=/ops/"


def test_a_fragment_asks_for_the_login_in_the_whole_window(client, db):
    answer = client.get("/ops/live", headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Refresh"]) == (401, "true")


def test_forged_requests_are_refused(operator, clock):
    operator.handler.enforce_csrf_checks = True
    assert operator.post("/ops/act/pause", {"confirmed": "1", "reason": "x"}).status_code == 403
    assert not Pause.objects.exists()


def test_a_database_that_is_away_has_a_page_of_its_own(viewer, monkeypatch):
    def away(*_args, **_values):
        raise OperationalError("connection to server at 10.0.0.1 failed")

    monkeypatch.setattr(statistics, "current", away)
    answer = viewer.get("/ops/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "The database does not answer" in shown(answer)
    assert "10.0.0.1" not in shown(answer)
    assert "Content-Security-Policy" in answer


def test_a_database_that_is_read_only_refuses_an_act_with_a_page(operator, clock):
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL transaction_read_only = on")
        answer = operator.post("/ops/act/pause", {"confirmed": "1", "reason": "x", "length": "60"})
        transaction.set_rollback(True)
    assert (answer.status_code, "The database does not answer" in shown(answer)) == (503, True)


def test_a_question_that_takes_too_long_says_how_to_ask_less(viewer, monkeypatch):
    def slow(*_args, **_values):
        raise OperationalError("canceling statement") from errors.QueryCanceled("canceling statement")

    monkeypatch.setattr("reminders.web.ops.lists.list_page", slow)
    answer = viewer.get("/ops/assignments?q=a")
    assert answer.status_code == 503
    assert "That took too long" in shown(answer)


def test_a_redis_that_is_away_is_said_and_nothing_else_suffers(viewer, clock, monkeypatch):
    def down():
        raise hints.BrokerDown("the broker does not answer (ConnectionError)")

    monkeypatch.setattr("reminders.delivery.broker_status.queue_lengths", down)
    assert "does not answer" in shown(viewer.get("/ops/"))
    assert "the broker does not answer (ConnectionError)" in shown(viewer.get("/ops/queue"))


def test_a_fault_of_the_program_has_a_page_too(viewer, monkeypatch):
    viewer.raise_request_exception = False
    monkeypatch.setattr(overview, "_shown", lambda request: 1 / 0)
    answer = viewer.get("/ops/")
    assert answer.status_code == 500
    assert "Something went wrong" in shown(answer)
    assert "ZeroDivisionError" not in shown(answer)
    assert "Page not found" in shown(viewer.get("/nothing"))


def test_a_channel_that_reaches_nobody_is_a_banner_on_every_page(operator, settings):
    assert "Nobody receives reminders" in operator.get("/ops/").content.decode()
    settings.REMINDERS = ReminderConfig(channel="email")
    assert "Nobody receives reminders" not in operator.get("/ops/").content.decode()


def test_text_from_right_to_left_ends_its_direction_with_itself(operator, clock):
    hebrew = "\u05ea\u05d9\u05e7\u05d5\u05df"
    assignment = AssignmentFactory(title=hebrew)
    pauses.pause(by="olga", reason=hebrew, until=None)
    pages = ["/ops/", "/ops/assignments", "/ops/reminders", f"/ops/assignments/{assignment.pk}", "/ops/audit"]
    for page in [*pages, "/ops/switch", "/ops/simulator"]:
        shown = re.sub(r"<title>.*?</title>", "", operator.get(page).content.decode(), flags=re.DOTALL)
        texts = re.sub(r'="[^"]*"', "", shown)
        assert f">{hebrew}" in texts, page
        ended = texts.count(f"<bdi>{hebrew}</bdi>") + texts.count(f"\u2068{hebrew}\u2069")
        assert texts.count(hebrew) == ended, page


def test_a_pause_goes_back_to_where_one_was(operator):
    page = operator.get("/ops/assignments?show=overdue").content.decode()
    assert 'href="/ops/act/pause?back=/ops/assignments%3Fshow%3Doverdue"' in page.replace("%2F", "/")
    assert 'href="/ops/act/pause"' in operator.get("/ops/act/rescan").content.decode()  # Not to a question.
