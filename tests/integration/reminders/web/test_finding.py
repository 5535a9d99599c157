"""Finding people and work: every filter beside every other, the box on every page, and the list of people."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from accounts import limits
from assignments import contact_points, teams
from assignments.models import Assignee, Assignment
from reminders.insight import selections
from reminders.ledger.fragments import reachable_sql
from reminders.models import Reminder
from reminders.web import search
from reminders.web.filters import LEDGER, SHOW, START, shown_assignments
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.plans import plan_with_only

pytestmark = pytest.mark.django_db


@pytest.fixture
def work(clock):
    """A late and a coming job of each of two people."""
    for number, start in enumerate((NOON + timedelta(minutes=10), NOON + timedelta(hours=5))):
        for name in ("Jonas Brandt", "Ada Abel"):
            AssignmentFactory(
                title=f"Visit {name.split()[0]} {number}",
                reference=f"W-{name[0]}{number}",
                location="Hill Road 4",
                scheduled_start=start,
                assignee=Assignee.objects.filter(name=name).first()
                or AssigneeFactory(name=name, email=f"{name[0].lower()}@example.test", phone=""),
            )
    clock.advance(timedelta(minutes=71))


def titles(page) -> list[str]:
    return sorted(one.title for one, *_ in page.context["lines"])


# --- search and filters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("show=overdue&q=Brandt", ["Visit Jonas 0"]),
        ("show=overdue&q=Brandt&when=any", ["Visit Jonas 0"]),
        ("show=overdue&q=Brandt&when=future", []),
        ("show=overdue&q=Brandt&status=CANCELLED", []),
        ("show=overdue&q=Brandt&answer=CONFIRMED", []),
        ("q=Brandt", ["Visit Jonas 0", "Visit Jonas 1"]),
        ("q=hill road&when=future", ["Visit Ada 1", "Visit Jonas 1"]),
        ("q=W-J1", ["Visit Jonas 1"]),
        ("q=w-j&when=past", ["Visit Jonas 0"]),
        ("q=ill Road", ["Visit Ada 0", "Visit Ada 1", "Visit Jonas 0", "Visit Jonas 1"]),
        ("q=Vi&show=overdue", ["Visit Ada 0", "Visit Jonas 0"]),
        ("q=is", []),
    ],
)
def test_a_search_and_every_filter_apply_together(viewer, work, query, expected):
    page = viewer.get(f"/ops/assignments?{query}")
    assert titles(page) == expected
    assert page.context["listed"].count == len(expected)


def test_a_search_narrows_whatever_is_shown(viewer, work):
    """Each of the figures with each start: the rows of a list with a search are those without it that the search finds."""
    wanted = set(Assignment.objects.filter(assignee__name="Jonas Brandt").values_list("pk", flat=True))
    compared = 0
    for show in ("", *SHOW):
        for when in START:
            query = f"show={show}&when={when}"
            everything = {one.pk for one, *_ in viewer.get(f"/ops/assignments?{query}").context["lines"]}
            page = viewer.get(f"/ops/assignments?{query}&q=Brandt")
            assert {one.pk for one, *_ in page.context["lines"]} == everything & wanted, query
            compared += len(everything - wanted)
    assert compared > 10


def test_what_is_found_does_not_depend_on_how_much_there_is(viewer, work, monkeypatch):
    """Of many people, of a text that most work has, and of much work, the statements differ."""
    queries = ("q=Brandt", "q=j@example.test", "q=Visit Ada", "q=hill&when=future", "q=nobody", "q=W-J1")
    pages = [f"/ops/{part}&{query}" for part in ("assignments?", "reminders?show=all") for query in queries]

    def found() -> list[list[int]]:
        shown = [viewer.get(page).context["lines"] for page in pages]
        return [[line.row.pk if hasattr(line, "row") else line[0].pk for line in lines] for lines in shown]

    before = found()
    assert sum(map(len, before)) > 10
    for limit, value in (("MOST_PEOPLE_NAMED", 0), ("FREQUENT", -1), ("MOST_WORK_NAMED", 1)):
        with monkeypatch.context() as patched:
            patched.setattr(search, limit, value)
            assert found() == before, limit


@pytest.mark.parametrize("text", ["Brandt", "P-77"])
def test_the_index_of_trigrams_answers_who_is_meant(work, text):
    wanted, params = Assignee.objects.filter(search.people_search(text)).order_by().query.sql_with_params()
    assert "assignee_trigram_idx" in plan_with_only("assignee_trigram_idx", wanted, params)


def test_people_by_name_come_from_an_index(work):
    listed = Assignee.objects.present().order_by("name", "pk")[:50]
    plan = plan_with_only("assignee_name_idx", *listed.query.sql_with_params())
    assert "assignee_name_idx" in plan
    assert "Sort" not in plan


def test_a_search_narrows_every_view_of_the_ledger(viewer, operator, work):
    wanted = set(
        Reminder.objects.filter(assignment__assignee__name="Jonas Brandt").values_list("pk", flat=True)
    )
    seen = 0
    for show in LEDGER:
        everything = {line.row.pk for line in viewer.get(f"/ops/reminders?show={show}").context["lines"]}
        page = viewer.get(f"/ops/reminders?show={show}&q=brandt")
        assert {line.row.pk for line in page.context["lines"]} == everything & wanted, show
        assert page.context["listed"].count == len(everything & wanted)
        seen += len(everything & wanted)
    assert seen > 2


def test_the_api_and_the_admin_search_beside_their_filters(operator, work):
    query = {"search": "Brandt", "starts_after": (NOON + timedelta(hours=2)).isoformat()}
    found = operator.get("/api/assignments", query).json()["results"]
    assert [one["title"] for one in found] == ["Visit Jonas 1"]
    listed = operator.get("/admin/assignments/assignment/?q=Brandt&show=overdue").context["cl"]
    assert [one.title for one in listed.result_list] == ["Visit Jonas 0"]
    rows = operator.get("/admin/reminders/reminder/?q=Brandt&kind=REMINDER").context["cl"].result_list
    assert {row.assignment.assignee.name for row in rows} == {"Jonas Brandt"}


def test_an_action_on_a_whole_list_takes_what_the_search_left(operator, work, config, clock):
    assert shown_assignments("overdue", now=clock.now(), config=config).count() == 2
    given = {"everything": "1", "list": "assignments", "query": "show=overdue&q=Brandt"}
    assert len(operator.post("/ops/act/close", given).context["ids"]) == 1


# --- the box on every page -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Brandt", "jonas", "J@EXAMPLE", "P-7", "+49 30 1234567 8", "+49(30)1234-5678",
        "030 12345678", "tel:+493012345678", "brandt.second@example.test",
    ],
)  # fmt: skip
def test_who_is_meant_alone_is_opened(viewer, clock, text):
    person = AssigneeFactory(
        name="Jonas Brandt", reference="P-7", email="j@example.test", phone="+493012345678"
    )
    contact_points.add_point(person.pk, "email", "brandt.second@example.test")
    AssigneeFactory(name="Ada", email="ada@host.test", phone="+493087654321")
    AssignmentFactory.create_batch(2, assignee=person)
    answer = viewer.get("/ops/find", {"q": text})
    assert (answer.status_code, answer.get("Location")) == (302, f"/ops/people/{person.pk}")


@pytest.mark.parametrize("text", ["KEY-7", "{pk}", "#{pk}", "boiler", "Harbour 9"])
def test_work_that_is_meant_alone_is_opened(viewer, clock, text):
    AssignmentFactory.create_batch(2)
    work = AssignmentFactory(reference="KEY-7", title="Service boiler", location="Harbour 9")
    answer = viewer.get("/ops/find", {"q": text.format(pk=work.pk)})
    assert answer["Location"] == f"/ops/assignments/{work.pk}"


def test_several_hits_are_shown_in_a_section_each(viewer, work):
    page = viewer.get("/ops/find", {"q": "Abel & Brandt"})
    assert (page.status_code, page.context["people"], page.context["lines"]) == (200, [], [])
    assert "Nothing is found" in page.content.decode()
    page = viewer.get("/ops/find", {"q": "example.test"})
    assert [line.person.name for line in page.context["people"]] == ["Ada Abel", "Jonas Brandt"]
    assert len(page.context["lines"]) == 4
    assert 'value="example.test"' in page.content.decode()


def test_more_hits_than_are_shown_lead_to_their_lists(viewer, clock):
    AssignmentFactory.create_batch(21, title="Care visit", assignee__name="Maria & Co")
    page = viewer.get("/ops/find", {"q": "Maria & Co"})
    links = re.findall(r'href="(/ops/(?:people|assignments)\?q=[^"]*)"', page.content.decode())
    assert links == ["/ops/people?q=Maria+%26+Co", "/ops/assignments?q=Maria+%26+Co"]
    for link in links:
        assert viewer.get(link).context["listed"].count == 21


def test_a_box_is_on_every_page_and_says_what_it_finds(viewer, clock):
    for address in (
        "/ops/",
        "/ops/assignments",
        "/ops/people",
        "/ops/reminders",
        "/ops/doctor",
        "/ops/nothing",
    ):
        text = viewer.get(address).content.decode()
        assert text.count('action="/ops/find"') == 1, address


def test_who_is_limited_finds_nobody_of_other_teams(viewer, clock):
    north, south = teams.add_team(name="North"), teams.add_team(name="South")
    mine = AssigneeFactory(name="Ada Field", team_id=north.pk)
    AssigneeFactory(name="Bea Field", team_id=south.pk)
    limits.limit_user(get_user_model().objects.get(), [north.pk], by="root")
    assert viewer.get("/ops/find", {"q": "Field"})["Location"] == f"/ops/people/{mine.pk}"
    page = viewer.get("/ops/people")
    assert [line.person.name for line in page.context["lines"]] == ["Ada Field"]
    assert [name for _, name in page.context["filters"].form.fields["team"].choices] == ["any", "North"]


# --- people ----------------------------------------------------------------------------------------------------


def test_people_are_listed_by_team_and_by_whether_they_can_be_reached(viewer, clock):
    team = teams.add_team(name="North")
    ada = AssigneeFactory(name="Ada", team_id=team.pk)
    AssigneeFactory(name="Bea", unreachable=True)
    carl = AssigneeFactory(name="Carl")
    contact_points.opt_out(contact_points.points_of(carl.pk)[0].pk)
    contact_points.mark_failing(contact_points.points_of(ada.pk)[0].pk, "no such user")

    def names(query: str) -> list[str]:
        return [line.person.name for line in viewer.get(f"/ops/people?{query}").context["lines"]]

    assert names("") == ["Ada", "Bea", "Carl"]
    assert names(f"team={team.pk}") == ["Ada"]
    assert names("reach=unreachable") == ["Bea", "Carl"]
    assert names("reach=unreachable&q=car") == ["Carl"]
    assert names(f"reach=unreachable&team={team.pk}") == []
    assert names("reach=failing") == ["Ada"]
    assert names(f"q=%23{carl.pk}") == ["Carl"]
    for nonsense in ("team=x", "reach=x", "q=%00", "page=x", "q=" + "9" * 30, "team=99999999999999999999"):
        assert viewer.get(f"/ops/people?{nonsense}").status_code == 200


def test_who_cannot_be_reached_is_the_same_in_the_ledger(clock, config):
    for way in ("", "none", "sms", "chat", "sms:4", "email:4"):
        for email in ("", "x@example.test"):
            person = AssigneeFactory(email=email or "y@example.test")
            Assignee.objects.filter(pk=person.pk).update(way=way, email=email)
            Assignee.objects.filter(pk=person.pk).update(way=way)
    for further in ((), ("sms",), ("sms", "chat")):
        chosen = replace(config, further_channels=further)
        here = set(selections.unreachable(Assignee.objects.all(), config=chosen).values_list("pk", flat=True))
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT p.id FROM assignments_assignee p WHERE NOT {reachable_sql('p', '%s')}",
                [list(chosen.further_channels)],
            )
            assert here == {pk for (pk,) in cursor.fetchall()}, further


def test_a_message_id_leads_to_its_work(viewer, run, clock):
    work = AssignmentFactory(soon=True, title="Boiler")
    AssignmentFactory(soon=True, title="Valve")
    run()
    row = Reminder.objects.get(assignment=work, kind="REMINDER", state="SENT")
    for given in (row.message_id, f"<{row.message_id}>", row.message_id.upper()):
        assert viewer.get("/ops/find", {"q": given})["Location"] == f"/ops/assignments/{work.pk}"
        listed = viewer.get("/ops/assignments", {"q": given, "when": "any"}).context["lines"]
        assert [one[0].pk for one in listed] == [work.pk]
    other = row.message_id.replace(row.message_id[:8], "00000000")
    assert viewer.get("/ops/find", {"q": other}).status_code == 200
    clock.set(NOON + timedelta(days=31))
    assert viewer.get("/ops/find", {"q": row.message_id}).status_code == 200
