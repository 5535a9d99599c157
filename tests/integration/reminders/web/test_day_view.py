"""The Day view without a browser: whose work is where, in which state, at the same time as what, and for whom."""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import limits, roles
from assignments import people, services, teams
from assignments.models import Assignment
from assignments.team_scope import EVERYTHING
from reminders.insight import day as insight
from reminders.insight.day import Span, day
from reminders.web.ops.day import _at
from tests import acting
from tests.factories import NOON, AssigneeFactory, AssignmentFactory
from tests.integration.reminders.web.test_ops_pages import shown
from tests.logins import signed_in, staff

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
TODAY = Span(first=date(2026, 6, 15), days=1, zone=UTC)


def blocks_of(found):
    return {block.title: block for row in found.rows for block in row.blocks}


def test_people_are_rows_and_work_that_nobody_has_is_first(clock, config):
    zoe, ada = AssigneeFactory(name="Zoe"), AssigneeFactory(name="ada")
    AssignmentFactory(title="Pump", assignee=zoe, scheduled_end=NOON + 3 * HOUR)
    AssignmentFactory(title="Lift", unassigned=True)
    found = day(TODAY, scope=EVERYTHING, config=config)
    assert [row.person and row.person.id for row in found.rows] == [None, ada.pk, zoe.pk]
    assert [[block.title for block in row.blocks] for row in found.rows] == [["Lift"], [], ["Pump"]]
    pump = blocks_of(found)["Pump"]
    assert (pump.begin * 24, pump.end * 24) == (pytest.approx(13), pytest.approx(15))


def test_work_is_in_its_state_and_cancelled_work_is_not_there(clock, config):
    for title in ("new", "confirmed", "declined", "started", "completed", "cancelled"):
        AssignmentFactory(title=title)
    of = {one.title: one for one in Assignment.objects.all()}
    acting.confirm(of["confirmed"]), acting.decline(of["declined"])
    acting.start(of["started"].pk), acting.complete(of["completed"].pk)
    services.cancel(of["cancelled"].pk)
    AssignmentFactory(title="nobody's", unassigned=True)
    AssignmentFactory(title="late", scheduled_start=NOON - 3 * HOUR)
    found = blocks_of(day(TODAY, scope=EVERYTHING, config=config))
    assert {title: block.state for title, block in found.items()} == {
        "new": "not_told",
        "confirmed": "confirmed",
        "declined": "declined",
        "started": "started",
        "completed": "completed",
        "nobody's": "unassigned",
        "late": "overdue",
    }
    assert [title for title, block in found.items() if not block.is_movable] == ["started", "completed"]


def test_what_one_person_has_at_the_same_time_is_marked_in_two_lanes(clock, config, viewer):
    ada = AssigneeFactory(name="Ada")
    pump = AssignmentFactory(title="Pump", assignee=ada, scheduled_end=NOON + 3 * HOUR)
    lift = AssignmentFactory(title="Lift", assignee=ada, scheduled_start=NOON + 2 * HOUR)
    AssignmentFactory(title="Roof", assignee=ada, scheduled_start=NOON + 3 * HOUR)
    for _ in range(2):
        AssignmentFactory(title="Free", unassigned=True)
    found = day(TODAY, scope=EVERYTHING, config=config)
    blocks = blocks_of(found)
    assert {title: [one.id for one in block.clashes] for title, block in blocks.items()} == {
        "Pump": [lift.pk],
        "Lift": [pump.pk],
        "Roof": [],
        "Free": [],
    }
    assert [blocks[title].lane for title in ("Pump", "Lift", "Roof")] == [0, 1, 0]
    assert [(row.lanes, row.conflicts) for row in found.rows] == [(2, 0), (2, 2)]
    page = shown(viewer.get("/ops/day?date=2026-06-15"))
    assert "2 at the same time" in page
    assert f"at the same time as “Lift” (#{lift.pk})" in page


def test_work_over_midnight_is_on_both_days(clock, config):
    AssignmentFactory(title="Night", scheduled_start=NOON + 10 * HOUR, scheduled_end=NOON + 18 * HOUR)
    tomorrow = Span(first=date(2026, 6, 16), days=1, zone=UTC)
    today, after = (blocks_of(day(span, scope=EVERYTHING, config=config)) for span in (TODAY, tomorrow))
    assert (today["Night"].begin * 24, today["Night"].end) == (pytest.approx(22), 1.0)
    assert (after["Night"].begin, after["Night"].end * 24) == (0.0, pytest.approx(6))
    yesterday = Span(first=date(2026, 6, 14), days=1, zone=UTC)
    assert blocks_of(day(yesterday, scope=EVERYTHING, config=config)) == {}


def test_a_day_on_which_clocks_change_has_another_length():
    berlin = ZoneInfo("Europe/Berlin")
    back, forward = (Span(first=on, days=1, zone=berlin) for on in (date(2026, 10, 25), date(2026, 3, 29)))
    assert [(one.until - one.since) / HOUR for one in (back, forward)] == [25, 23]
    assert (len(back.ticks(1)), len(forward.ticks(1))) == (24, 23)
    noon = datetime(2026, 10, 25, 12, tzinfo=berlin)
    assert back.part(noon) == pytest.approx(13 / 25)
    assert [_at(part) for part in (0.0, 0.5, 1.0)] == ["h0 m0", "h12 m0", "h23 m11"]


def test_it_is_narrowed_by_team_and_kind(viewer, clock):
    north = teams.add_team(name="North")
    ann = people.add_assignee(name="Ann", team_id=north.pk)
    bea = people.add_assignee(name="Bea")
    AssignmentFactory(title="Pump", kind="repair", assignee=ann)
    AssignmentFactory(title="Lift", kind="check", assignee=ann)
    AssignmentFactory(title="Roof", kind="repair", assignee=bea)

    def titles(query):
        found = viewer.get(f"/ops/day?date=2026-06-15{query}").context["day"]
        return sorted(blocks_of(found)), [row.person.name for row in found.rows[1:]]

    assert titles("") == (["Lift", "Pump", "Roof"], ["Ann", "Bea"])
    assert titles(f"&team={north.pk}") == (["Lift", "Pump"], ["Ann"])
    assert titles("&kind=repair") == (["Pump", "Roof"], ["Ann", "Bea"])
    assert titles(f"&team={north.pk}&kind=check")[0] == ["Lift"]
    assert viewer.get("/ops/day?date=2026-06-15&kind=check").context["day"].kinds == ["check", "repair"]


def test_days_and_zoom_lead_on(viewer, clock):
    context = viewer.get("/ops/day?date=2026-06-15&days=7").context
    assert (context["span"].days, context["previous"], context["next"]) == (
        7,
        date(2026, 6, 8),
        date(2026, 6, 22),
    )
    assert viewer.get("/ops/day").context["span"].first == NOON.date()
    for query in (
        "date=soon",
        "date=0001-01-01",
        "date=9999-12-31",
        "days=2",
        "team=9",
        "kind=%00",
        "days=-1",
    ):
        page = viewer.get(f"/ops/day?{query}")
        assert (page.status_code, page.context["span"].first, page.context["span"].days) == (
            200,
            NOON.date(),
            1,
        )


def test_viewers_are_offered_no_move(viewer, operator, clock):
    AssignmentFactory()
    pages = [client.get("/ops/day").content.decode() for client in (viewer, operator)]
    assert ["data-move=" in page for page in pages] == [False, True]
    assert ["New assignment" in page for page in pages] == [False, True]
    assert all('href="/ops/day"' in page for page in pages)


def test_a_limited_person_sees_their_team_only(clock):
    mine, theirs = teams.add_team(name="North"), teams.add_team(name="Zanzibar")
    for name, team in (("Ann", mine), ("Zanzibar Eve", theirs)):
        AssignmentFactory(title=f"Work of {name}", assignee=people.add_assignee(name=name, team_id=team.pk))
    user = staff("nora", roles.OPERATORS)
    limits.limit_user(user, [mine.pk], by="root")
    client = signed_in(user)
    for query in ("", f"?team={theirs.pk}", "?days=7"):
        page = client.get(f"/ops/day{query}").content.decode()
        assert "Work of Ann" in page
        assert "Zanzibar" not in page


def test_names_are_text_only(viewer, clock):
    AssignmentFactory(title="<script>x</script>", assignee__name='"><b>Ada')
    page = viewer.get("/ops/day").content.decode()
    assert "<script>x" not in page
    assert '"><b>Ada' not in page
    assert not re.search(r'\sstyle="', page)


def test_more_work_asks_no_more_of_the_database(viewer, clock):
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert viewer.get("/ops/day").status_code == 200
        return len(queries)

    AssignmentFactory()
    before = asked()
    AssignmentFactory.create_batch(30)
    assert asked() == before
    assert before < 25


def test_more_than_it_shows_is_said(viewer, clock, monkeypatch):
    monkeypatch.setattr(insight, "MOST_BLOCKS", 2)
    monkeypatch.setattr(insight, "MOST_PEOPLE", 2)
    AssignmentFactory.create_batch(3)
    found = viewer.get("/ops/day").context["day"]
    assert (found.blocks, found.truncated, found.only_busy, len(found.rows)) == (2, True, True, 3)


def test_a_day_without_work_says_so_and_leads_on(clock, operator, viewer):
    page = operator.get("/ops/day?date=2026-06-15").content.decode()
    assert "No work on this day." in page
    assert 'href="/ops/assignments/new?back=/ops/day%3Fdate%3D2026-06-15"' in page.replace("%2F", "/")
    assert 'id="import-work" href="/ops/import"' in page
    assert "No work on these days." in operator.get("/ops/day?date=2026-06-15&days=3").content.decode()
    assert 'id="enter-work"' not in viewer.get("/ops/day?date=2026-06-15").content.decode()
