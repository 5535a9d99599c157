"""The operators' pages: what viewers see, what operators may do, and that text stays text."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.urls import reverse

from accounts.models import ApiToken, digest
from assignments import services
from assignments.models import Assignee, Assignment, ReminderStatus, Status
from reminders.conf import ReminderConfig
from reminders.delivery import scan as delivery_scan
from reminders.ledger import scans
from reminders.models import (
    Attempt,
    Audit,
    CircuitBreaker,
    Pause,
    Process,
    Reminder,
    ScanRun,
    State,
    Subscription,
)
from reminders.operations import pauses, rescans
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.logins import staff

pytestmark = pytest.mark.django_db

PAYLOAD = "<script>alert('x')</script>"
SHOWN = (Assignment, Assignee, Reminder, ScanRun, Pause, CircuitBreaker, Audit, Process, Subscription)


def page(model, name="changelist", *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def said(response):
    return [str(message) for message in response.context["messages"]]


@pytest.fixture
def everything(clock, config, run):
    """At least one row of all that the admin shows, with markup in every text of it."""
    person = AssigneeFactory(name=PAYLOAD)
    work = AssignmentFactory(
        soon=True,
        title=PAYLOAD,
        notes=PAYLOAD,
        kind=PAYLOAD,
        location=PAYLOAD,
        reference=PAYLOAD,
        assignee=person,
    )
    run()
    Attempt.objects.update(code=PAYLOAD, detail=PAYLOAD)
    rescans.rescan(trigger="cli", by=PAYLOAD, reason=PAYLOAD, config=config)
    ScanRun.objects.update(error=PAYLOAD)
    pauses.pause(by=PAYLOAD, reason=PAYLOAD)
    CircuitBreaker.objects.create(channel="<b>mail", until=NOON, code=PAYLOAD, detail=PAYLOAD)
    Process.objects.create(kind="worker", host=PAYLOAD, pid=1)
    Subscription.objects.create(
        name=PAYLOAD,
        url="https://example.org/a-secret-path",
        events=[PAYLOAD[:40]],
        secret="whsec_not-for-any-page",
        created_by=PAYLOAD,
        ended_why=PAYLOAD,
    )
    Audit.objects.create(
        actor=PAYLOAD,
        action="reset",
        reason=PAYLOAD,
        selection={"ids": [PAYLOAD]},
        before={PAYLOAD: 1},
        after={PAYLOAD: 1},
    )
    return work


# --- looking ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", SHOWN, ids=lambda model: model.__name__)
def test_a_viewer_sees_every_list_and_page_as_text_and_can_change_nothing(viewer, everything, model):
    row = model.objects.first()
    listed = viewer.get(page(model))
    shown = viewer.get(page(model, "change", row.pk))
    for response in (listed, shown):
        assert response.status_code == 200
        assert PAYLOAD not in response.content.decode()
        assert "<b>mail" not in response.content.decode()
        assert "whsec_" not in response.content.decode()
        assert "a-secret-path" not in response.content.decode()
    assert 'name="_save"' not in shown.content.decode()
    assert viewer.post(page(model, "change", row.pk), {"title": "x"}).status_code == 403
    assert viewer.post(page(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert viewer.get(page(model, "add")).status_code == 403


def test_a_viewer_is_offered_no_action(viewer, everything):
    listed = viewer.get(page(Assignment)).content.decode()
    for word in (
        "Reset reminder status",
        "Send the reminder again",
        "Close as not done",
        "Give it to somebody else",
        "Rescan now",
    ):
        assert word not in listed
    shown = viewer.get(page(Assignment, "change", everything.pk)).content.decode()
    assert "Send the reminder again" not in shown


OPERATIONS = [
    "/ops/act/rescan",
    "/ops/act/pause",
    "/ops/act/resume",
    "/ops/act/reset?ids=1",
    "/ops/act/resend?ids=1",
    "/ops/act/close?ids=1",
    "/ops/act/reassign?ids=1",
]


@pytest.mark.parametrize("url", OPERATIONS)
def test_only_operators_reach_what_operators_do(viewer, clock, url):
    assert viewer.get(url).status_code == 403
    assert viewer.post(url, {"confirmed": "1", "reason": "x"}).status_code == 403
    assert not Audit.objects.exists()


@pytest.mark.parametrize("url", OPERATIONS)
def test_nobody_reaches_them_without_a_login(client, clock, url):
    response = client.post(url, {"confirmed": "1", "reason": "x"})
    assert (response.status_code, response["Location"].split("?")[0]) == (302, "/account/sign-in")
    assert not Audit.objects.exists()


@pytest.mark.parametrize("url", OPERATIONS)
def test_an_operator_reaches_them(operator, clock, url):
    assert operator.get(url).status_code == 200


@pytest.mark.parametrize("url", OPERATIONS)
def test_they_are_protected_against_forged_requests(operator, clock, url):
    operator.handler.enforce_csrf_checks = True
    assert operator.post(url, {"confirmed": "1", "reason": "x"}).status_code == 403
    assert not Audit.objects.exists()


def test_the_ledger_of_an_assignment_is_shown_with_its_attempts(viewer, clock, run):
    assignment = AssignmentFactory(soon=True)
    run()
    shown = viewer.get(page(Assignment, "change", assignment.pk)).content.decode()
    assert "<strong>accepted</strong>" in shown
    assert ">Sent<" in shown
    listed = viewer.get(page(Assignment)).content.decode()
    assert "?reminder_status__exact=NONE" in listed
    assert ">Waiting</a>" in listed


@pytest.mark.parametrize("query", [
    "", "?status=SCHEDULED", "?reminder_status=SENT", "?start=look_ahead", "?start=past_day", "?start=next_week",
    "?start=past", "?start=future", "?start=nonsense", "?show=overdue", "?reminder_status__exact=OVERDUE",
    "?show=unmarked", "?q=Job", "?q=%00", "?o=1.2.3.4.5.6.7", "?p=2",
])  # fmt: skip
def test_the_list_can_be_filtered_and_searched_with_a_fixed_number_of_queries(
    operator, clock, query, django_assert_max_num_queries
):
    AssignmentFactory.create_batch(3)
    with django_assert_max_num_queries(14):  # Two ask what is frequent, for a search (decision 60).
        response = operator.get(page(Assignment) + query, follow=True)
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?show=overdue", ["late", "marked"]),
        ("?reminder_status__exact=OVERDUE", ["marked"]),
        ("?show=unmarked", ["late"]),
        ("?start=past", ["late", "marked"]),
        ("?start=future", ["ahead", "soon"]),
        ("?start=look_ahead", ["soon"]),
        ("?reminder_status=OVERDUE", ["marked"]),
        ("?q=soo", ["soon"]),
        ("?q=KEY-7", ["ahead"]),
        ("?q=ada@example", ["soon"]),
    ],
)
def test_filters_find_what_they_say(operator, clock, query, found):
    AssignmentFactory(title="soon", assignee=AssigneeFactory(email="ada@example.test"))
    AssignmentFactory(title="ahead", far=True, reference="KEY-7")
    for title in ("late", "marked"):
        AssignmentFactory(title=title, scheduled_start=NOON - timedelta(hours=2))
    Assignment.objects.filter(title="marked").update(reminder_status="OVERDUE", overdue_at=NOON)
    response = operator.get(page(Assignment) + query)
    assert sorted(work.title for work in response.context["cl"].result_list) == found


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("overdue", "overdue now"),
        ("unmarked", "overdue now"),
        ("declined", "declined"),
        ("unaccounted", "due now"),
    ],
)
def test_admin_and_ops_list_hold_the_same_work_to_the_instant(operator, clock, config, name, title):
    """The boundary itself counts: overdue from the very instant on, as the figure has it."""
    AssignmentFactory(title="overdue now", scheduled_start=NOON - config.overdue)
    AssignmentFactory(title="overdue soon", scheduled_start=NOON - config.overdue + timedelta(seconds=1))
    declined = AssignmentFactory(title="declined", far=True)
    acting.decline(declined, note="")
    due = AssignmentFactory(title="due now", scheduled_start=NOON + config.lead)
    Reminder.objects.filter(assignment=due).delete()
    rows = operator.get(page(Assignment) + f"?show={name}").context["cl"].result_list
    listed = operator.get(f"/ops/assignments?show={name}").context["lines"]
    assert [work.title for work in rows] == [work.title for work, *_ in listed] == [title]


def test_a_list_counts_no_further_than_anybody_leafs(operator, clock, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr("reminders.web.admin.lists.MAX_COUNTED", 2)
    AssignmentFactory.create_batch(3)
    response = operator.get(page(Assignment))
    assert response.context["cl"].result_count == 2


@pytest.mark.parametrize(
    "query",
    ["", "?state=SENT", "?kind=OVERDUE", "?reason=moved", "?q=7", "?q=KEY", "?q=%00x", "?q=" + "9" * 30],
)
def test_the_ledger_can_be_filtered_and_searched(viewer, everything, query):
    assert viewer.get(page(Reminder) + query).status_code == 200


def test_the_ledger_is_searched_by_reference_and_number(viewer, clock):
    one, _ = AssignmentFactory(reference="KEY-1"), AssignmentFactory(reference="KEY-2")
    for term in ("KEY-1", f"#{one.pk}"):
        rows = viewer.get(page(Reminder), {"q": term}).context["cl"].result_list
        assert {row.assignment_id for row in rows} == {one.pk}


# --- changing --------------------------------------------------------------------------------------------------

FIELDS = ("title", "reference", "kind", "location", "notes", "assignee", "status", "lead_minutes")


def filled(client, assignment, **changes):
    """The form of an assignment as a browser would send it back."""
    form = client.get(page(Assignment, "change", assignment.pk)).context["adminform"].form
    values = {name: form[name].value() for name in FIELDS}
    for name in ("scheduled_start", "scheduled_end"):
        instant = getattr(assignment, name)
        values[f"{name}_0"] = instant.strftime("%Y-%m-%d") if instant else ""
        values[f"{name}_1"] = instant.strftime("%H:%M:%S") if instant else ""
    values["seen"] = form["seen"].value()
    prefix = "reminders"
    values |= {f"{prefix}-{name}_FORMS": "0" for name in ("TOTAL", "INITIAL", "MIN_NUM", "MAX_NUM")}
    values |= changes
    return {name: "" if value is None else value for name, value in values.items()}


def test_moving_work_in_the_admin_plans_anew(operator, clock):
    assignment = AssignmentFactory()
    sent = filled(operator, assignment, scheduled_start_1="15:00:00")
    response = operator.post(page(Assignment, "change", assignment.pk), sent)
    assert response.status_code == 302
    assignment.refresh_from_db()
    assert (assignment.version, assignment.scheduled_start) == (2, NOON + timedelta(hours=3))
    assert Reminder.objects.get(version=1, kind="REMINDER").reason == "moved"


def test_a_new_title_draws_no_new_version(operator, clock):
    assignment = AssignmentFactory()
    sent = filled(operator, assignment, title="Other")
    operator.post(page(Assignment, "change", assignment.pk), sent)
    assignment.refresh_from_db()
    assert (assignment.version, assignment.title) == (1, "Other")


def test_several_lead_times_are_shown_kept_and_changed(operator, clock):
    assignment = AssignmentFactory(lead_minutes=[1440, 30])
    sent = filled(operator, assignment, title="Other")
    assert sent["lead_minutes"] == "1440, 30"
    operator.post(page(Assignment, "change", assignment.pk), sent)
    assignment.refresh_from_db()
    assert (assignment.title, assignment.lead_minutes, assignment.further_lead_minutes) == (
        "Other",
        30,
        "1440",
    )
    for given, stored in (("60, 20 1440", (20, "60 1440")), ("45", (45, "")), ("", (None, ""))):
        operator.post(
            page(Assignment, "change", assignment.pk), filled(operator, assignment, lead_minutes=given)
        )
        assignment.refresh_from_db()
        assert (assignment.lead_minutes, assignment.further_lead_minutes) == stored


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("30 39", "30 and 39 are too close: at least 10 minutes between them are needed"),
        ("soon", "'soon' is not a whole number: 1 to 5 whole numbers from 1 to 43200 are needed"),
        ("0", "0 is out of range: 1 to 5 whole numbers from 1 to 43200 are needed"),
        ("9" * 30, f"'{'9' * 30}' is not a whole number: 1 to 5 whole numbers from 1 to 43200 are needed"),
    ],
)
def test_lead_times_that_are_not_accepted_are_refused_at_their_field(operator, clock, given, said):
    assignment = AssignmentFactory()
    sent = filled(operator, assignment, lead_minutes=given)
    response = operator.post(page(Assignment, "change", assignment.pk), sent)
    assert response.context["adminform"].form.errors == {"lead_minutes": [said]}


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(operator, clock):
    assignment = AssignmentFactory()
    sent = filled(operator, assignment, title="Mine")
    services.change(assignment.pk, {"title": "Theirs"})
    response = operator.post(page(Assignment, "change", assignment.pk), sent, follow=True)
    assert "has changed since it was read" in said(response)[0]
    assignment.refresh_from_db()
    assert assignment.title == "Theirs"


def test_only_a_status_that_can_follow_is_offered(operator, clock):
    assignment = AssignmentFactory()
    services.cancel(assignment.pk)
    form = operator.get(page(Assignment, "change", assignment.pk)).context["adminform"].form
    assert [value for value, _ in form.fields["status"].choices] == ["SCHEDULED", "CANCELLED"]


def test_the_plan_of_cancelled_work_cannot_be_changed(operator, clock):
    assignment = AssignmentFactory()
    services.cancel(assignment.pk)
    sent = filled(operator, assignment, scheduled_start_1="15:00:00")
    response = operator.post(page(Assignment, "change", assignment.pk), sent, follow=True)
    told = f"assignment {assignment.pk} is CANCELLED: put it back with status SCHEDULED to change its plan"
    assert said(response) == [f"Nothing was changed: {told}"]


def test_an_end_before_the_start_is_refused_at_its_field(operator, clock):
    assignment = AssignmentFactory()
    sent = filled(operator, assignment, scheduled_end_0="2026-06-15", scheduled_end_1="12:30:00")
    response = operator.post(page(Assignment, "change", assignment.pk), sent)
    assert response.context["adminform"].form.errors == {
        "scheduled_end": ["The end must not lie before the start."]
    }


def test_a_start_that_is_moved_past_the_end_takes_it_along(operator, clock):
    assignment = AssignmentFactory(scheduled_end=NOON + timedelta(hours=3))
    sent = filled(operator, assignment, scheduled_start_0="2026-06-16")
    response = operator.post(page(Assignment, "change", assignment.pk), sent, follow=True)
    assignment.refresh_from_db()
    start = NOON + timedelta(days=1, hours=1)
    assert (assignment.scheduled_start, assignment.scheduled_end) == (start, start + timedelta(hours=2))
    assert said(response)[0].startswith("The end was moved along with the start, to ")


def test_an_end_that_is_given_too_is_taken_as_it_is(operator, clock):
    assignment = AssignmentFactory(scheduled_end=NOON + timedelta(hours=3))
    sent = filled(operator, assignment, scheduled_start_0="2026-06-16", scheduled_end_1="16:00:00")
    response = operator.post(page(Assignment, "change", assignment.pk), sent)
    assert list(response.context["adminform"].form.errors) == ["scheduled_end"]


def test_an_end_that_is_taken_along_over_a_change_of_clocks_keeps_the_duration(operator, clock, settings):
    """In Berlin the night of 2026-10-25 has an hour more."""
    settings.TIME_ZONE = "Europe/Berlin"
    first = datetime(2026, 10, 23, 21, 30, tzinfo=UTC)
    assignment = AssignmentFactory(scheduled_start=first, scheduled_end=first + timedelta(hours=5))
    local = {
        "scheduled_start_0": "2026-10-24", "scheduled_start_1": "23:30:00",
        "scheduled_end_0": "2026-10-24", "scheduled_end_1": "04:30:00",
    }  # fmt: skip
    sent = filled(operator, assignment, **local)
    assert operator.post(page(Assignment, "change", assignment.pk), sent).status_code == 302
    assignment.refresh_from_db()
    assert assignment.scheduled_start == datetime(2026, 10, 24, 21, 30, tzinfo=UTC)
    assert assignment.scheduled_end == assignment.scheduled_start + timedelta(hours=5)


@pytest.mark.parametrize("hour", [0, 1], ids=["first", "second"])
def test_work_in_the_repeated_hour_can_be_changed_and_cancelled(operator, clock, settings, hour):
    """02:30 comes twice in Berlin on 2027-10-31, at 00:30 and at 01:30 UTC."""
    settings.TIME_ZONE = "Europe/Berlin"
    start = datetime(2027, 10, 31, hour, 30, 15, tzinfo=UTC)
    assignment = AssignmentFactory(scheduled_start=start, scheduled_end=start + timedelta(minutes=20))
    local = {
        "scheduled_start_0": "2027-10-31", "scheduled_start_1": "02:30:15",
        "scheduled_end_0": "2027-10-31", "scheduled_end_1": "02:50:15",
    }  # fmt: skip
    url = page(Assignment, "change", assignment.pk)
    assert f"stored is 02:30 {('CEST', 'CET')[hour]}" in operator.get(url).content.decode()
    for change in ({"title": "Other"}, {"status": "CANCELLED"}):
        sent = filled(operator, assignment, **local, **change)
        assert operator.post(url, sent).status_code == 302
        assignment.refresh_from_db()
        assert (assignment.scheduled_start, assignment.scheduled_end - start) == (
            start,
            timedelta(minutes=20),
        )
    assert (assignment.title, assignment.status) == ("Other", "CANCELLED")


def test_a_new_time_in_the_repeated_hour_is_refused(operator, clock, settings):
    settings.TIME_ZONE = "Europe/Berlin"
    assignment = AssignmentFactory()
    sent = filled(operator, assignment, scheduled_start_0="2027-10-31", scheduled_start_1="02:30:00")
    response = operator.post(page(Assignment, "change", assignment.pk), sent)
    assert list(response.context["adminform"].form.errors) == ["scheduled_start"]


def test_work_that_is_added_in_the_admin_is_planned(root, clock):
    person = AssigneeFactory()
    response = root.post(
        page(Assignment, "add"),
        {
            "title": "New", "reference": "", "kind": "", "location": "", "notes": "", "assignee": person.pk,
            "scheduled_start_0": "2026-06-15", "scheduled_start_1": "13:00:00", "scheduled_end_0": "",
            "scheduled_end_1": "", "lead_minutes": "", "reminders-TOTAL_FORMS": "0", "reminders-INITIAL_FORMS": "0",
        },
    )  # fmt: skip
    assert response.status_code == 302
    assignment = Assignment.objects.get()
    assert (assignment.title, assignment.reference, assignment.known_at) == ("New", None, NOON)
    assert Reminder.objects.get(kind="REMINDER").state == State.PLANNED


def test_a_corrected_address_revives_what_failed_for_want_of_it(operator, clock, run):
    assignment = AssignmentFactory(soon=True, assignee__unreachable=True)
    run()
    person = assignment.assignee
    values = {
        "name": person.name,
        "reference": "",
        "email": "found@example.test",
        "phone": "",
        "language": "en",
        "contact_points-TOTAL_FORMS": "0",
        "contact_points-INITIAL_FORMS": "0",
    }
    response = operator.post(page(Assignee, "change", person.pk), {**values, "time_zone": person.time_zone})
    assert response.status_code == 302
    assert Reminder.objects.get(kind="REMINDER").state == State.PLANNED


def test_nobody_deletes(root, clock):
    assignment = AssignmentFactory()
    for row in (assignment, assignment.assignee):
        assert root.post(page(type(row), "delete", row.pk), {"post": "yes"}).status_code == 403
    assert "delete_selected" not in root.get(page(Assignment)).content.decode()


# --- acting ----------------------------------------------------------------------------------------------------


def choose(client, action, *assignments):
    return client.post(
        page(Assignment),
        {"action": action, "_selected_action": [assignment.pk for assignment in assignments]},
    )


def confirmed(response, **values):
    shown = response.context
    return {"confirmed": "1", "plan": shown["preview"].plan, "ids": shown["ids"], **values}


def test_a_reset_is_shown_first_and_done_after_a_reason(operator, clock, run):
    told, untold = AssignmentFactory(soon=True, title=PAYLOAD), AssignmentFactory()
    run()
    clock.advance(timedelta(seconds=1))
    cancelled = AssignmentFactory()
    services.cancel(cancelled.pk)
    shown = choose(operator, "reset_reminder_status", told, untold, cancelled)
    text = shown.content.decode()
    assert "Already notified: 1 person. They get a second message." in text
    assert f"Assignment {cancelled.pk}: it is not SCHEDULED any more" in text
    assert PAYLOAD not in text
    assert not Audit.objects.exists()
    url = reverse("ops:act", args=["reset"])
    refused = operator.post(url, confirmed(shown, reason=" "))
    assert refused.context["form"].errors == {"reason": ["This field is required."]}
    assert not Audit.objects.exists()
    done = operator.post(url, confirmed(shown, reason="phones were off"), follow=True)
    assert said(done) == ["2 reset, 1 left alone."]
    told.refresh_from_db()
    assert (told.version, told.reminder_status) == (2, ReminderStatus.NONE)
    audit = Audit.objects.get()
    assert (audit.actor, audit.action, audit.reason) == ("olga", "reset", "phones were off")


def test_a_preview_that_is_out_of_date_is_shown_again(operator, clock):
    assignment = AssignmentFactory()
    shown = choose(operator, "reset_reminder_status", assignment)
    services.remind_again([assignment.pk])
    again = operator.post(reverse("ops:act", args=["reset"]), confirmed(shown, reason="x"), follow=True)
    assert "read the new one" in said(again)[0]
    assert again.context["preview"].plan != shown.context["preview"].plan
    assert not Audit.objects.exists()


def test_the_page_of_one_assignment_reminds_at_once(operator, clock):
    assignment = AssignmentFactory()
    url = reverse("ops:act", args=["remind-now"])
    shown = operator.get(page(Assignment, "change", assignment.pk)).content.decode()
    assert f"{url}?ids={assignment.pk}" in shown


def test_a_resend_sends_once_more(operator, clock, run, outbox):
    assignment = AssignmentFactory(soon=True)
    run()
    clock.advance(timedelta(minutes=1))
    url = reverse("ops:act", args=["resend"])
    shown = operator.get(f"{url}?ids={assignment.pk}")
    operator.post(url, confirmed(shown, reason="phone was off"))
    assert run().sent == 1
    assert len(outbox.messages) == 2
    assert Audit.objects.get().action == "resend"


def test_forgotten_work_is_closed(operator, clock, config, run):
    forgotten = AssignmentFactory(soon=True)
    clock.advance(timedelta(minutes=41))
    delivery_scan.scan(trigger="cli", config=config)
    run()
    shown = choose(operator, "close_as_not_done", forgotten)
    done = operator.post(reverse("ops:act", args=["close"]), confirmed(shown, reason="no show"), follow=True)
    assert said(done) == ["1 closed."]
    forgotten.refresh_from_db()
    assert forgotten.status == Status.CANCELLED


def test_too_many_at_once_are_refused(operator, clock, monkeypatch):
    monkeypatch.setattr("reminders.web.admin.assignments.MAX_TARGETS", 1)
    response = operator.post(
        page(Assignment),
        {
            "action": "reset_reminder_status",
            "_selected_action": [AssignmentFactory().pk, AssignmentFactory().pk],
        },
        follow=True,
    )
    assert said(response)[0].startswith("No more than 1 at once")


@pytest.mark.parametrize("ids", ["", ",,", " , "])
def test_an_action_on_nothing_goes_back_and_says_what_to_do(operator, clock, ids):
    back = page(Assignment)
    response = operator.get(reverse("ops:act", args=["reset"]), {"ids": ids, "back": back}, follow=True)
    assert response.redirect_chain == [(back, 302)]
    assert said(response) == ["Nothing was selected: select assignments first."]


@pytest.mark.parametrize("wrong", ["x", "-1", "9" * 30, "\x00", "\u0661"])
def test_an_action_on_what_is_no_number_names_it_and_does_nothing(operator, clock, wrong):
    """Also not for the assignments that are named beside it."""
    back, work = page(Assignment), AssignmentFactory()
    for name in ("reset", "reassign", "start"):
        answer = operator.post(
            reverse("ops:act", args=[name]),
            {"ids": f"{work.pk},{wrong}", "back": back, "confirmed": "1", "reason": "x", "to": "nobody"},
            follow=True,
        )
        assert answer.redirect_chain == [(back, 302)]
        (message,) = said(answer)
        assert message.startswith(f"Nothing was done: {wrong!r} is not the number of an assignment: ")
    assert not Audit.objects.exists()


def test_an_unknown_operation_does_not_exist(operator, clock):
    assert operator.get("/ops/act/explode").status_code == 404


def test_a_rescan_shows_what_it_would_do_and_does_it(operator, clock):
    AssignmentFactory()
    Reminder.objects.all().delete()
    url = "/ops/act/rescan"
    shown = operator.get(url)
    assert ("reminders planned", 1) in shown.context["preview"].facts
    assert not Reminder.objects.exists()
    done = operator.post(url, {"confirmed": "1", "reason": "x"}, follow=True)
    scan = ScanRun.objects.get()
    assert said(done) == [f"Scan {scan.pk} is finished: 1 reminder planned."]
    assert (scan.trigger, scan.by) == ("admin", "olga")


def test_a_second_rescan_names_the_running_one(operator, clock):
    running = scans.open_scan(trigger="beat", by="")
    done = operator.post("/ops/act/rescan", {"confirmed": "1", "reason": "x"}, follow=True)
    assert said(done) == [f"Scan {running.scan_id} is running already: it does the same work."]


def test_a_rescan_is_refused_while_switched_off(operator, clock, settings):
    settings.REMINDERS = ReminderConfig(enabled=False)
    shown = operator.get("/ops/act/rescan")
    assert shown.context["preview"].possible is False
    done = operator.post("/ops/act/rescan", {"confirmed": "1", "reason": "x"}, follow=True)
    assert said(done) == [
        "Nothing was done: REMINDER_WORKER_ENABLED is false: nothing is planned until it is true."
    ]


def test_pausing_and_resuming(operator, clock, run):
    AssignmentFactory(soon=True)
    begin, end = "/ops/act/pause", "/ops/act/resume"
    assert "Pause all sending" in operator.get(page(Pause)).content.decode()
    missing = operator.post(begin, {"confirmed": "1", "length": "60"})
    assert missing.context["form"].errors == {"reason": ["This field is required."]}
    past = operator.post(
        begin, {"confirmed": "1", "reason": "x", "length": "at", "until": "2026-06-15T11:00"}
    )
    assert past.context["form"].errors == {"until": ["an instant in the future is needed, or none at all"]}
    done = operator.post(begin, {"confirmed": "1", "reason": PAYLOAD, "length": ""}, follow=True)
    assert said(done) == ["Sending is paused."]
    assert run().sent == 0
    assert "Resume sending" in operator.get(page(Pause)).content.decode()
    shown = operator.get(end)
    assert ("reminders that are still useful", 1) in shown.context["preview"].facts
    assert PAYLOAD not in shown.content.decode()
    done = operator.post(end, {"confirmed": "1", "reason": "x"}, follow=True)
    assert said(done) == ["Sending goes on. Skipped: 0 messages."]
    assert run().sent == 1
    again = operator.post(end, {"confirmed": "1", "reason": "x"}, follow=True)
    assert said(again) == ["Nothing was done: sending is not paused."]


# --- tokens ----------------------------------------------------------------------------------------------------


def test_a_token_is_shown_once_and_kept_as_a_hash(root, clock):
    response = root.post(
        reverse("admin:access_apitoken_add"),
        {"name": "feeder", "scopes": ["read", "write"], "days": "30"},
        follow=True,
    )
    token = ApiToken.objects.get()
    secret = response.context["secret"]
    assert secret in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    assert (token.digest, token.scopes) == (digest(secret), "read,write")
    assert said(response) == []
    kept = [
        *(cookie.value for cookie in root.cookies.values()),
        *(json.dumps(session.get_decoded()) for session in Session.objects.all()),
        *(f"{entry} {entry.change_message}" for entry in LogEntry.objects.all()),
        json.dumps(list(Audit.objects.values("actor", "reason", "selection", "before", "after"))),
    ]
    assert not any(secret in text for text in kept)
    made = Audit.objects.get(action="create_token")
    assert (made.after["prefix"], made.after["scopes"]) == (secret[:10], ["read", "write"])
    for url in (
        reverse("admin:access_apitoken_changelist"),
        reverse("admin:access_apitoken_change", args=[token.pk]),
    ):
        text = root.get(url).content.decode()
        assert "feeder" in text
        assert secret not in text
        assert token.digest not in text


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": "", "scopes": ["read"]}, "name"),
        ({"name": "a<b", "scopes": ["read"]}, "name"),
        ({"name": "feeder", "scopes": []}, "scopes"),
        ({"name": "feeder", "scopes": ["root"]}, "scopes"),
        ({"name": "feeder", "scopes": ["read"], "days": "0"}, "days"),
        ({"name": "taken", "scopes": ["read"]}, "name"),
    ],
)
def test_a_bad_token_is_refused_at_its_field(root, clock, values, field):
    ApiToken.issue("taken", scopes=["read"], days=None)
    response = root.post(reverse("admin:access_apitoken_add"), values)
    assert list(response.context["adminform"].form.errors) == [field]
    assert ApiToken.objects.count() == 1


def test_a_token_is_revoked_and_stays_on_record(root, clock):
    token, _ = ApiToken.issue("feeder", scopes=["read"], days=None)
    url = reverse("admin:access_apitoken_changelist")
    wish = {"action": "revoke", "_selected_action": [token.pk]}
    asked = root.post(url, wish, follow=True)
    assert "From now on these tokens are refused" in asked.content.decode()
    unreasoned = root.post(url, {**wish, "confirmed": "1", "reason": " "}, follow=True)
    assert list(unreasoned.context["form"].errors) == ["reason"]
    token.refresh_from_db()
    assert token.revoked_at is None
    done = root.post(url, {**wish, "confirmed": "1", "reason": "it leaked"}, follow=True)
    assert said(done) == ["Tokens revoked: 1."]
    token.refresh_from_db()
    assert token.revoked_at == NOON
    record = Audit.objects.get(action="revoke_token")
    assert (record.reason, record.before["name"]) == ("it leaked", "feeder")
    assert (
        root.post(reverse("admin:access_apitoken_delete", args=[token.pk]), {"post": "yes"}).status_code
        == 403
    )


def test_who_may_not_operate_makes_no_token(client, clock):
    user = staff("tina")
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="access"))
    client.force_login(user)
    assert client.get(reverse("admin:access_apitoken_add")).status_code == 403


def test_every_table_of_ours_is_registered():
    assert {*SHOWN, ApiToken} <= set(admin.site._registry)


def test_the_checks_find_nothing(clock):
    call_command("check")
