"""Operators change plans on the Ops pages: the preview says who is told what, the confirmation does it and goes back."""

import re
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.messages import get_messages
from django.db import connections

from accounts import limits, roles
from assignments import people, services, teams
from assignments.models import Assignment
from reminders.models import Audit
from tests import acting
from tests.factories import NOON, AssigneeFactory, AssignmentFactory
from tests.integration.reminders.web.test_ops_pages import confirmed, shown
from tests.logins import signed_in, staff

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
VALUES = {"title": "Pump 7", "start": "2026-06-15T20:00", "zone": "office", "length": "90"}
LEAVES = "The reminder to Ada leaves at 2026-06-16 09:30:00 UTC (19:30 in Sydney)."


def plain(text: str) -> str:
    """A page whose instants are written out, as in their titles."""
    return re.sub(r'<time [^>]*title="([^"]*)">.*?</time>', r"at \1", text)


@pytest.fixture
def sydney(clock):
    return AssigneeFactory(name="Ada", time_zone="Australia/Sydney", reference="P-1")


def test_a_preview_names_the_time_there_and_here_and_the_reminder(operator, sydney):
    work = AssignmentFactory(assignee=sydney)
    page = f"/ops/assignments/{work.pk}"
    link = f"/ops/act/move?ids={work.pk}&amp;back={page}"
    assert link in operator.get(page).content.decode()
    asked = shown(operator.get(link.replace("&amp;", "&")))
    assert "the assignee&#x27;s time (Sydney)" in asked
    address = f"/ops/act/move?ids={work.pk}&start=2026-06-16T20:00&zone=assignee&back={page}"
    preview = shown(operator.get(address))
    assert "1 assignment to Tue 16 Jun 2026, 20:00 in Sydney (10:00 UTC here)." in preview
    assert "Ada has not been told of it, and hears nothing." in preview
    assert LEAVES in plain(preview)
    done = confirmed(operator, address, reason="flood")
    assert (done.status_code, done["Location"]) == (302, page)
    work.refresh_from_db()
    assert work.scheduled_start == datetime(2026, 6, 16, 10, tzinfo=UTC)
    assert (Audit.objects.get().action, Audit.objects.get().reason) == ("move", "flood")


def test_one_is_moved_by_an_hour_with_one_click(operator, sydney):
    work = AssignmentFactory(assignee=sydney, scheduled_end=NOON + 3 * HOUR)
    address = f"/ops/act/move?ids={work.pk}&back=/ops/board"
    link = f"/ops/act/move?ids={work.pk}&amp;back=%2Fops%2Fboard&amp;minutes=60"
    assert f'href="{link}">1 hour later</a>' in operator.get(address).content.decode()
    assert "1 assignment 1 hour later. Each keeps its length." in shown(operator.get(f"{address}&minutes=60"))
    assert confirmed(operator, f"{address}&minutes=60", reason="traffic")["Location"] == "/ops/board"
    work.refresh_from_db()
    assert (work.scheduled_start, work.scheduled_end) == (NOON + 2 * HOUR, NOON + 4 * HOUR)


def test_several_are_moved_by_an_offset_and_cancelled(operator, clock):
    ids = [work.pk for work in AssignmentFactory.create_batch(2)]
    body = {"ids": [*map(str, ids)], "days": "1", "minutes": "-30", "back": "/ops/assignments?show=none"}
    preview = operator.post("/ops/act/move", body)
    assert "2 assignments 1 day later and 30 minutes earlier." in shown(preview)
    plan = preview.context["preview"].plan
    done = operator.post("/ops/act/move", {**body, "plan": plan, "confirmed": "1", "reason": "x"})
    assert done["Location"] == "/ops/assignments?show=none"
    moved = set(Assignment.objects.values_list("scheduled_start", flat=True))
    assert moved == {NOON + timedelta(days=1, minutes=30)}
    confirmed(operator, f"/ops/act/cancel?ids={ids[0]},{ids[1]}", reason="x")
    assert set(Assignment.objects.values_list("status", flat=True)) == {"CANCELLED"}


def test_a_plan_that_changed_since_its_preview_is_shown_again(operator, clock):
    work = AssignmentFactory()
    address = f"/ops/act/move?ids={work.pk}&start=2026-06-15T18:00"
    plan = operator.get(address).context["preview"].plan
    services.reassign(work.pk, assignee_id=None)
    sent = {"ids": work.pk, "start": "2026-06-15T18:00", "plan": plan, "confirmed": "1", "reason": "x"}
    assert "Nothing was done" in shown(operator.post("/ops/act/move", sent))
    work.refresh_from_db()
    assert work.scheduled_start == NOON + HOUR


@pytest.mark.parametrize("given", ["soon", "2026-02-30T10:00", "0001-01-01T00:00", "\0", "9" * 50])
def test_a_time_that_is_none_is_said_at_its_field(operator, clock, given):
    work = AssignmentFactory()
    asked = operator.post("/ops/act/move", {"ids": work.pk, "start": given, "confirmed": "1", "reason": "x"})
    assert asked.status_code == 200
    assert "start" in asked.context["question"].errors
    assert not Audit.objects.exists()


def test_work_at_the_same_time_is_warned_of(operator, sydney):
    AssignmentFactory(assignee=sydney, title="Lift", scheduled_start=NOON + 5 * HOUR)
    work = AssignmentFactory(assignee=sydney, title="Pump")
    preview = shown(operator.get(f"/ops/act/move?ids={work.pk}&start=2026-06-15T17:00"))
    assert "Ada would have “Lift”" in preview


def test_the_list_offers_its_acts_to_operators_only(operator, viewer, clock):
    AssignmentFactory()
    page, seen = (client.get("/ops/assignments").content.decode() for client in (operator, viewer))
    for name in ("move", "reassign", "cancel", "remind-now", "reset"):
        assert f'formaction="/ops/act/{name}"' in page
    assert "/ops/assignments/new" in page
    assert "formaction" not in seen
    assert "/ops/assignments/new" not in seen


# --- new work -----------------------------------------------------------------------------------------------------


def made(client, **values):
    """Looks at the preview of new work and confirms it."""
    preview = client.post("/ops/assignments/new", values)
    return client.post(
        "/ops/assignments/new", {**values, "key": preview.context["key"], "confirmed": "1"}, follow=True
    )


def test_new_work_is_shown_before_it_is_made_and_is_made_once(operator, sydney):
    values = {**VALUES, "to": f"#{sydney.pk}", "zone": "assignee", "back": "/ops/assignments?when=any"}
    preview = operator.post("/ops/assignments/new", {**values, "start": "2026-06-16T20:00"})
    text = shown(preview)
    assert "Tue 16 Jun 2026, 20:00 in Sydney (10:00 UTC here)" in text
    assert LEAVES in plain(text)
    assert not Assignment.objects.exists()
    sent = {**values, "start": "2026-06-16T20:00", "key": preview.context["key"], "confirmed": "1"}
    done = operator.post("/ops/assignments/new", sent)
    assert done["Location"] == "/ops/assignments?when=any"
    work = Assignment.objects.get()
    assert (work.title, work.assignee, work.scheduled_start) == (
        "Pump 7",
        sydney,
        datetime(2026, 6, 16, 10, tzinfo=UTC),
    )
    assert work.scheduled_end == work.scheduled_start + timedelta(minutes=90)
    line = Audit.objects.get()
    assert (line.action, line.actor, line.selection) == ("create", "olga", {"ids": [work.pk]})
    again = operator.post("/ops/assignments/new", sent, follow=True)
    assert "This was confirmed before" in shown(again)
    assert Assignment.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_confirmations_at_one_moment_make_one(config):
    """From two windows of one person, each with the session as it was; the reference is taken by the first."""
    user = staff("olga", roles.OPERATORS)
    clients = [signed_in(user) for _ in range(2)]
    values = {**VALUES, "start": "2030-06-16T20:00", "reference": "W-9"}
    key = clients[0].post("/ops/assignments/new", values).context["key"]
    ready, said = threading.Barrier(2), []

    def click(client):
        ready.wait()
        done = client.post("/ops/assignments/new", {**values, "key": key, "confirmed": "1"})
        said.append([str(message) for message in get_messages(done.wsgi_request)])
        connections.close_all()

    clicks = [threading.Thread(target=click, args=[client]) for client in clients]
    for one in clicks:
        one.start()
    for one in clicks:
        one.join()
    pk = Assignment.objects.get().pk
    assert sorted(said) == [
        [f"This was confirmed before: it is assignment {pk}."],
        [f'“Pump 7” was made: assignment {pk}. <a href="/ops/assignments/{pk}">Look at it</a>'],
    ]


def test_a_key_of_somebody_else_is_none(operator, sydney):
    values = {**VALUES, "key": "k", "confirmed": "1"}
    operator.post("/ops/assignments/new", values)
    other = signed_in(staff("oscar", roles.OPERATORS))
    other.post("/ops/assignments/new", values)
    assert Assignment.objects.count() == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", ""),
        ("start", "soon"),
        ("to", "#999"),
        ("zone", "assignee"),
        ("length", "0"),
        ("reference", "W-1"),
        ("lead_minutes", "now"),
        ("team", "999"),
    ],
)
def test_what_is_not_accepted_is_said_at_its_field(operator, clock, field, value):
    AssignmentFactory(reference="W-1")
    refused = operator.post("/ops/assignments/new", {**VALUES, field: value, "confirmed": "1", "key": "k"})
    assert field in refused.context["form"].errors
    assert Assignment.objects.count() == 1


@pytest.mark.parametrize(
    "value", ["\0", "9" * 40, "-1", "\u0661", "\u202ex", "%", "x" * 11_000, "#" + "9" * 19]
)
def test_whatever_is_sent_nothing_breaks(operator, clock, value):
    work = AssignmentFactory()
    for name in (
        "title",
        "to",
        "start",
        "zone",
        "length",
        "location",
        "kind",
        "team",
        "reference",
        "lead_minutes",
    ):
        sent = {**VALUES, "title": "", name: value}
        assert operator.post("/ops/assignments/new", sent).status_code == 200, name
        assert operator.get("/ops/assignments/new", {name: value}).status_code == 200, name
    for name in ("start", "zone", "days", "minutes", "to"):
        for ids in (str(work.pk), f"{work.pk},{work.pk + 1}"):
            assert operator.post("/ops/act/move", {"ids": ids, name: value}).status_code == 200, name
    assert Assignment.objects.count() == 1
    assert not Audit.objects.exists()


def test_nobody_may_be_given_it_yet(operator, clock):
    done = made(operator, **VALUES, to="nobody")
    assert "“Pump 7” was made" in shown(done)
    assert Assignment.objects.get().assignee is None


def test_a_preview_of_nothing_says_why(operator, clock):
    done, ben = AssignmentFactory(), AssigneeFactory(reference="E-2")
    acting.start(done.pk)
    acting.complete(done.pk)
    his = AssignmentFactory(assignee=ben)

    def said(address):
        preview = operator.get(address).context["preview"]
        assert not preview.possible
        return preview.summary

    state, so = "its state does not allow this", "it is so already"
    assert said(f"/ops/act/cancel?ids={done.pk}") == f"Nothing is to be done: {state}."
    assert said(f"/ops/act/reassign?ids={done.pk}") == f"Nothing is to be done: {state}."
    assert said(f"/ops/act/reassign?ids={his.pk}&to=E-2") == f"Nothing is to be done: {so}."
    assert (
        said(f"/ops/act/reassign?ids={done.pk},{his.pk}&to=E-2")
        == "Nothing is to be done: each of these assignments is skipped, for the reason below."
    )
    assert said("/ops/act/reset?scope=out_of_sync").startswith(
        "Nothing is to be done: no assignment is out of"
    )


def test_viewers_make_and_change_nothing(viewer, clock):
    work = AssignmentFactory()
    for address in ("/ops/assignments/new", f"/ops/act/move?ids={work.pk}", f"/ops/act/cancel?ids={work.pk}"):
        assert viewer.get(address).status_code == 403
        assert viewer.post(address, {"confirmed": "1", "key": "k", **VALUES}).status_code == 403
    assert Assignment.objects.count() == 1


def test_a_limited_operator_makes_and_moves_work_of_their_team_only(clock):
    mine, theirs = teams.add_team(name="North"), teams.add_team(name="South")
    ann, eve = (
        people.add_assignee(name=name, reference=name, team_id=team.pk)
        for name, team in (("Ann", mine), ("Eve", theirs))
    )
    user = staff("nora", roles.OPERATORS)
    limits.limit_user(user, [mine.pk], by="root")
    client = signed_in(user)
    refused = client.post("/ops/assignments/new", {**VALUES, "to": "Eve"})
    assert "to" in refused.context["form"].errors
    refused = client.post("/ops/assignments/new", {**VALUES, "to": "Ann", "team": theirs.pk})
    assert "team" in refused.context["form"].errors
    made(client, **VALUES, to="nobody")
    assert Assignment.objects.get().team_id == mine.pk
    hers = AssignmentFactory(assignee=eve)
    preview = client.get(f"/ops/act/move?ids={hers.pk}&start=2026-06-15T18:00")
    assert not preview.context["preview"].possible
    own = AssignmentFactory(assignee=ann)
    refused = client.get(f"/ops/act/move?ids={own.pk}&start=2026-06-15T18:00&to=Eve")
    assert refused.context["question"].errors
