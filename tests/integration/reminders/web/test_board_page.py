"""The board, as a page and over HTTP: who does not know yet, what comes next, and what can be done about it."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model

from accounts import limits
from assignments import teams
from reminders.models import Statistics
from tests import acting
from tests.factories import NOON, AssigneeFactory, AssignmentFactory
from tests.fakes.api_caller import ApiCaller

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def text(response):
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


def shown(response):
    """Title and state of each line, in order."""
    assert response.status_code == 200
    return [(line["entry"].assignment.title, line["entry"].state) for line in response.context["lines"]]


@pytest.fixture
def people(clock, run):
    """Work of every kind, around noon."""
    ada = AssigneeFactory(name="<Ada>", email="ada+x@example.test", phone="+4930123456")
    AssignmentFactory(title="told", scheduled_start=NOON + 20 * MINUTE)
    run()
    work = {
        "told": None,
        "confirmed": AssignmentFactory(title="confirmed", scheduled_start=NOON + 40 * MINUTE),
        "coming": AssignmentFactory(
            title="coming", scheduled_start=NOON + 50 * MINUTE, assignee=ada, location="Hall 1"
        ),
        "silent": AssignmentFactory(
            title="silent",
            scheduled_start=NOON + 55 * MINUTE,
            assignee__unreachable=True,
            assignee__name="Nemo",
        ),
        "open": AssignmentFactory(title="open", scheduled_start=NOON + 60 * MINUTE, unassigned=True),
        "tonight": AssignmentFactory(title="tonight", scheduled_start=NOON + 11 * HOUR),
        "tomorrow": AssignmentFactory(title="tomorrow", scheduled_start=NOON + 23 * HOUR),
    }
    acting.confirm(work["confirmed"])
    return work


UNAWARE = [
    ("coming", "not told yet"),
    ("silent", "cannot be reached"),
    ("open", "nobody is assigned"),
    ("tonight", "not told yet"),
]


def test_it_lists_who_does_not_know_yet_by_the_time_that_is_left(viewer, people):
    page = viewer.get("/ops/board")
    assert shown(page) == UNAWARE
    assert shown(viewer.get("/ops/board?hours=2")) == UNAWARE[:3]
    assert shown(viewer.get("/ops/board?hours=24"))[-1] == ("tomorrow", "not told yet")
    assert shown(viewer.get("/ops/board?hours=2&show=everybody")) == [
        ("told", "told"), ("confirmed", "confirmed"), *UNAWARE[:3],
    ]  # fmt: skip
    assert "2 may not know, and no message will tell them" in re.sub("<[^>]+>", "", text(page))


def test_each_line_says_what_comes_next_and_how_to_reach_them(viewer, people):
    page = text(viewer.get("/ops/board?hours=2"))
    assert "A reminder goes by memory" in page
    assert 'href="tel:+4930123456"' in page
    assert 'href="mailto:ada%2Bx@example.test"' in page
    assert "&lt;Ada&gt;" in page
    assert "<Ada>" not in page
    assert "no telephone number or e-mail address" in page
    assert "no address is known to which messages could go" in page
    assert f'href="/ops/people/{people["coming"].assignee_id}"' in page


def test_operators_are_offered_acts_and_viewers_are_not(operator, viewer, people):
    page, pk = text(operator.get("/ops/board?hours=2")), people["coming"].pk
    for name in ("remind-now", "reassign", "confirm", "start"):
        link = f"/ops/act/{name}?ids={pk}&amp;back=%2Fops%2Fboard%3Fhours%3D2"
        assert f'href="{link}"' in page
        assert operator.get(link.replace("&amp;", "&")).context["back"] == "/ops/board?hours=2"
    assert f"/ops/act/confirm?ids={people['open'].pk}&" not in page  # Nobody is assigned who could.
    assert "/ops/act/" not in text(viewer.get("/ops/board"))


def test_confirming_for_somebody_takes_them_off_the_board(operator, people):
    pk = people["silent"].pk
    asked = operator.get(f"/ops/act/confirm?ids={pk}&back=/ops/board")
    answered = operator.post(
        "/ops/act/confirm",
        {
            "ids": pk,
            "plan": asked.context["preview"].plan,
            "reason": "called",
            "confirmed": "1",
            "back": "/ops/board",
        },
        follow=True,
    )
    assert ("silent", "cannot be reached") not in shown(answered)


def test_all_who_can_be_reminded_are_by_one_button(operator, viewer, people):
    page = operator.get("/ops/board")
    ids = [people["coming"].pk, people["tonight"].pk]
    assert page.context["remindable"] == ids
    link = f"/ops/act/remind-now?ids={ids[0]},{ids[1]}&amp;back=%2Fops%2Fboard"
    assert f'href="{link}">Remind these 2 now…' in text(page)
    assert "Remind these" not in text(viewer.get("/ops/board"))


def test_who_cannot_be_reached_is_given_an_address_and_one_comes_back(operator, people):
    nemo = people["silent"].assignee_id
    link = f"/ops/people/{nemo}/add?back=%2Fops%2Fboard"
    assert f'href="{link}" aria-label="Add an address: Nemo, for silent"' in text(operator.get("/ops/board"))
    assert f'href="{link.replace("board", "forecast")}%3Fdays%3D0"' in text(
        operator.get("/ops/forecast?days=0")
    )
    assert "Add an address…" in text(operator.get(f"/ops/assignments/{people['silent'].pk}"))
    assert 'name="back" value="/ops/board"' in text(operator.get(link))
    values = {
        "channel": "email",
        "address": "nemo@example.test",
        "reason": "They called",
        "back": "/ops/board",
    }
    assert operator.post(f"/ops/people/{nemo}/add", values)["Location"] == "/ops/board"
    assert ("silent", "not told yet") in shown(operator.get("/ops/board"))
    away = operator.get(f"/ops/people/{nemo}/add?back=https://example.test/")
    assert "https://example.test" not in text(away)


def test_a_board_without_lines_says_so_in_one_sentence(viewer, clock):
    assert "No work starts within 12 hours, so there is nobody to tell." in text(viewer.get("/ops/board"))
    acting.confirm(AssignmentFactory())
    assert "Everybody knows of the work that starts within 12 hours." in text(viewer.get("/ops/board"))
    assert "Everybody knows of the work that starts within 7 days." in text(
        viewer.get("/ops/board?hours=168")
    )
    assert (
        "None"
        not in text(viewer.get("/ops/board?show=everybody&hours=4")).split("<main")[1].split("</main")[0]
    )


def test_the_live_part_is_the_same_list_and_keeps_the_filters(viewer, people):
    page = viewer.get("/ops/board?hours=2&show=everybody")
    assert 'hx-get="/ops/board/live?hours=2&amp;show=everybody"' in page.content.decode()
    part = viewer.get("/ops/board/live?hours=2&show=everybody")
    assert shown(part) == shown(page)
    assert "<html" not in part.content.decode()


@pytest.mark.parametrize(
    "query", ["hours=0", "hours=5", "hours=x", "team=4711", "team=x", "page=0", "page=x", "show=x"]
)
def test_a_value_that_is_not_known_counts_as_not_given(viewer, people, query):
    assert shown(viewer.get(f"/ops/board?{query}")) == UNAWARE


def test_a_long_board_has_pages(viewer, clock):
    person = AssigneeFactory()
    for minute in range(51):
        AssignmentFactory(
            title=f"job {minute}", scheduled_start=NOON + HOUR + minute * MINUTE, assignee=person
        )
    first = viewer.get("/ops/board")
    assert (len(first.context["lines"]), first.context["listed"].count, first.context["listed"].next) == (
        50,
        51,
        2,
    )
    assert [title for title, _ in shown(viewer.get("/ops/board?page=2"))] == ["job 50"]


def test_the_board_of_a_limited_reader_is_that_of_their_teams(operator, people):
    north, south = (teams.add_team(name=name) for name in ("North", "South"))
    AssignmentFactory(title="ours", team_id=north.pk, assignee=people["coming"].assignee)
    AssignmentFactory(title="theirs", team_id=south.pk)
    limits.limit_user(get_user_model().objects.get(), [north.pk], by="root")
    page = operator.get("/ops/board?show=everybody")
    assert [title for title, _ in shown(page)] == ["ours"]
    assert f'href="/ops/people/{people["coming"].assignee_id}"' not in text(page)  # Another team's person.
    assert shown(operator.get(f"/ops/board?team={south.pk}")) == shown(operator.get("/ops/board"))
    assert operator.get(f"/api/board?team={south.pk}").json() == []
    assert [one["assignment"]["title"] for one in operator.get("/api/board").json()] == ["ours"]


def test_the_tile_leads_to_the_board(viewer, people):
    Statistics.objects.all().delete()
    tile = {tile.name: tile for tile in viewer.get("/ops/").context["attendance"]}["unaware_soon"]
    assert (tile.value, tile.tone, tile.alarm) == (3, "bad", "2 will not be told by any message")
    assert viewer.get(tile.href).context["listed"].count == tile.value


def test_the_board_comes_second_in_the_navigation(viewer, clock):
    assert [label for _, label, _ in viewer.get("/ops/").context["navigation"]][:2] == ["Overview", "Board"]


# --- over HTTP -------------------------------------------------------------------------------------------------


def test_the_api_lists_everybody_or_who_does_not_know(people):
    call = ApiCaller("read")
    everybody = call.get("/api/board?hours=2").json()
    assert [(one["assignment"]["title"], one["rung"]) for one in everybody] == [
        ("told", "told"),
        ("confirmed", "confirmed"),
        ("coming", "not_told"),
        ("silent", "unreachable"),
        ("open", "unassigned"),
    ]
    unaware = call.get("/api/board?hours=2&show=unaware").json()
    assert unaware == everybody[2:]
    work = people["coming"]
    assert unaware[0] == {
        "assignment": {
            "id": work.pk, "reference": None, "title": "coming", "location": "Hall 1", "team": None,
            "scheduled_start": "2026-06-15T12:50:00Z", "version": 1,
        },
        "person": {
            "id": work.assignee_id, "reference": None, "name": "<Ada>", "email": "ada+x@example.test",
            "phone": "+4930123456",
        },
        "rung": "not_told", "in_doubt": False, "told_wrong": False, "unreachable_because": None, "minutes_left": 49,
        "next": {"at": "2026-06-15T12:20:00Z", "summary": "A reminder goes by memory; if it is refused, SMS is tried next"},
    } | {"minutes_left": unaware[0]["minutes_left"], "next": unaware[0]["next"]}  # fmt: skip
    assert unaware[0]["minutes_left"] in (49, 50)
    assert unaware[0]["next"]["at"] == "2026-06-15T12:20:00Z"
    assert (unaware[1]["unreachable_because"], unaware[2]["unreachable_because"]) == (
        "no_contact_point",
        "unassigned",
    )
    assert unaware[2]["person"] is None
    assert len(call.get("/api/board?hours=2&limit=2").json()) == 2


@pytest.mark.parametrize(
    "query", ["hours=0", "hours=169", "hours=x", "team=x", "show=x", "limit=2001", "hour=2"]
)
def test_the_api_refuses_what_it_does_not_know(clock, query):
    refused = ApiCaller("read").get(f"/api/board?{query}")
    assert refused.status_code == 400
    assert [error["field"] for error in refused.json()["errors"]] == [query.split("=")[0]]


def test_awareness_of_assignments_is_that_of_the_board(people):
    call = ApiCaller("read")
    listed = {one["id"]: one["awareness"] for one in call.get("/api/assignments").json()["results"]}
    board = {one["assignment"]["id"]: one["rung"] for one in call.get("/api/board?hours=168").json()}
    assert listed == board
    pk = people["silent"].pk
    assert call.get(f"/api/assignments/{pk}").json()["awareness"] == "unreachable"
    assert ApiCaller("write").post(f"/api/assignments/{pk}/cancel").json()["awareness"] is None
