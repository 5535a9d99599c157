"""The page behind the link in a person's mail: what it shows to whom, what it takes, and what it never tells."""

import logging
import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.signing import Signer
from django.db import OperationalError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.module_loading import import_string

from assignments import services
from assignments.models import Act, Assignee
from reminders.content import links
from reminders.content.links import Link
from reminders.delivery import dispatch, scan
from reminders.ledger import beginning
from reminders.web import assignee_page
from tests import acting
from tests.factories import NOON, AssigneeFactory, AssignmentFactory
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db

SECRET_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Frame-Options": "DENY",
}


@pytest.fixture
def work(clock):
    return AssignmentFactory(
        title="Repair <lift>",
        reference="A-17",
        location="Hall & yard",
        kind="Repair",
        notes="Ring twice.\nThen wait.",
        scheduled_end=NOON + timedelta(hours=2),
        assignee__name="Ana Müller",
    )


def path_of(work, *, version=1, assignee_id=None):
    return f"/a/{links.token_of(Link(work.pk, assignee_id or work.assignee_id, version))}"


def text_of(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", re.sub(r"</?bdi>", "", response.content.decode())))


def answer_of(work):
    work.refresh_from_db()
    return work.answer, work.answer_note


def assert_nothing(response):
    """The one answer of every link that does not open."""
    assert response.status_code == 404
    assert "This link does not work" in text_of(response)
    made_up = Client().get("/a/made-up")
    assert response.content == made_up.content
    assert response.headers.items() >= SECRET_HEADERS.items()


# --- looking ---------------------------------------------------------------------------------------------------


def test_the_page_shows_the_work_in_the_persons_zone(client, work):
    response = client.get(path_of(work))
    text = text_of(response)
    assert response.status_code == 200
    for words in (
        "Hello Ana Müller,",
        "Repair &lt;lift&gt;",
        "It starts in 60 minutes.",
        "Monday 15 June 2026, 15:00 (CEST, Europe/Berlin)",
        "Monday 15 June 2026, 16:00 (CEST, Europe/Berlin)",
        "Hall &amp; yard",
        "A-17",
        "Ring twice. Then wait.",
        "Yes, I will be there",
    ):
        assert words in text, words
    assert work.assignee.email not in response.content.decode()


def test_nothing_that_follows_links_changes_anything(client, work):
    for look in (client.get, client.head, client.options):
        look(path_of(work), {"answer": "CONFIRMED", "version": 1})
    assert answer_of(work) == ("", "")


def test_the_page_is_a_secret_address(client, work):
    response = client.get(path_of(work))
    assert response.headers.items() >= SECRET_HEADERS.items()
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "script-src 'none'" in policy
    assert not re.search(r"<script|style=|\son\w+=", response.content.decode())
    assert "sessionid" not in response.cookies


def test_a_look_costs_two_statements(client, work):
    with CaptureQueriesContext(
        connection,
    ) as asked:
        client.get(path_of(work))
    assert len(asked) == 2, [one["sql"] for one in asked]


@pytest.mark.parametrize(
    ("language", "header", "start"),
    [
        ("de", "de", "Montag, 15. Juni 2026, 15:00"),
        ("de-CH", "de", "Montag, 15. Juni 2026, 15:00"),
        ("es", "es", "lunes 15 de junio de 2026, 15:00"),
        ("fr-CA", "fr", "lundi 15 juin 2026, 15:00"),
        ("xx", "en", "Monday 15 June 2026, 15:00"),
        ("", "en", "Monday 15 June 2026, 15:00"),
    ],
)
def test_a_page_is_in_the_language_of_its_person_whatever_the_browser_asks_for(
    client, work, language, header, start
):
    Assignee.objects.filter(pk=work.assignee_id).update(language=language)
    response = client.get(path_of(work), headers={"accept-language": "fr,es;q=0.5"})
    assert response["Content-Language"] == header
    assert "Repair &lt;lift&gt;" in text_of(response)
    assert start in text_of(response)


@pytest.mark.parametrize(
    ("asked_for", "language"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("sv, fr;q=0.5", "fr"),
        ("sv", "en"),
        ("", "en"),
        ("*", "en"),
        ("x" * 5000, "en"),
    ],
)
def test_where_no_person_is_known_the_browser_says_the_language(client, work, asked_for, language):
    response = client.get("/a/1-2-3.invented", headers={"accept-language": asked_for})
    assert response.status_code == 404
    assert response["Content-Language"] == language


def test_where_no_person_is_known_and_nothing_is_asked_for_it_is_that_of_the_installation(client, settings):
    settings.DEFAULT_LANGUAGE = "es"
    assert client.get("/a/1-2-3.invented")["Content-Language"] == "es"


def test_who_has_the_work_no_longer_reads_so_in_their_language(client, work):
    Assignee.objects.filter(pk=work.assignee_id).update(language="de")
    path = path_of(work)
    services.reassign(work.pk, assignee_id=None)
    response = client.get(path, headers={"accept-language": "fr"})
    assert (response.status_code, response["Content-Language"]) == (410, "de")


def test_a_cancelled_plan_is_called_cancelled_and_not_current(client, work):
    services.reschedule(work.pk, start=NOON + timedelta(hours=3))
    services.cancel(work.pk)
    text = text_of(client.get(path_of(work)))
    assert "This has been cancelled." in text
    assert "Here is the current plan." not in text


def test_a_link_opens_until_a_week_after_the_end(client, work, clock):
    clock.set(NOON + timedelta(hours=2) + timedelta(days=7) - timedelta(seconds=1))
    assert client.get(path_of(work)).status_code == 200
    clock.advance(timedelta(seconds=1))
    assert_nothing(client.get(path_of(work)))
    assert_nothing(client.post(path_of(work), {"answer": "CONFIRMED", "version": 1}))
    assert answer_of(work) == ("", "")


# --- answering -------------------------------------------------------------------------------------------------


def test_a_person_confirms_and_sees_it(client, work):
    response = client.post(path_of(work), {"answer": "CONFIRMED", "version": 1})
    assert (response.status_code, response.headers["Location"]) == (303, path_of(work))
    assert response.headers.items() >= SECRET_HEADERS.items()
    assert answer_of(work) == ("CONFIRMED", "")
    text = text_of(client.get(path_of(work)))
    assert "You have confirmed" in text
    assert "Yes, I will be there" not in text


def test_a_person_declines_with_a_reason_and_changes_their_mind(client, work):
    client.post(path_of(work), {"answer": "DECLINED", "version": 1, "note": " I am ill <3 "})
    assert answer_of(work) == ("DECLINED", "I am ill <3")
    text = text_of(client.get(path_of(work)))
    assert "You have said that you can't make it." in text
    assert "I am ill &lt;3" in text
    client.post(path_of(work), {"answer": "CONFIRMED", "version": 1, "note": "never kept"})
    assert answer_of(work) == ("CONFIRMED", "")


def test_an_answer_is_logged_without_its_words(client, work, caplog):
    caplog.set_level(logging.INFO)
    client.post(path_of(work), {"answer": "DECLINED", "version": 1, "note": "call ana@example.test"})
    (line,) = [record for record in caplog.records if record.name == "reminders.web.assignee_page"]
    assert line.getMessage() == "Assignment answered"
    assert (line.assignment_id, line.version, line.answer) == (work.pk, 1, "DECLINED")
    assert "ana@" not in str(vars(line))
    assert links.token_of(Link(work.pk, work.assignee_id, 1)) not in str(vars(line))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"answer": "PERHAPS", "version": 1},
        {"act": "cancel", "version": 1},
        {"act": "confirm"},
        {"act": "confirm", "version": "one"},
        {"act": "confirm", "version": 10**30},
        {"act": "decline", "version": 1, "note": "n" * 201},
        {"act": "decline", "version": 1, "note": "a\x00b"},
        {"act": "late", "version": 1},
        {"act": "late", "version": 1, "minutes": 4},
        {"act": "late", "version": 1, "minutes": 241},
        {"act": "late", "version": 1, "minutes": "soon"},
        {"act": "on_my_way", "version": 1, "minutes": -1},
    ],
)
def test_what_is_no_answer_is_not_taken(client, work, values):
    response = client.post(path_of(work), values)
    assert response.status_code == 400
    assert "That was not saved" in text_of(response)
    assert not Act.objects.exists()


def test_a_form_without_its_token_is_refused_in_words_for_this_person(work):
    client = Client(enforce_csrf_checks=True)
    response = client.post(path_of(work), {"answer": "CONFIRMED", "version": 1})
    assert response.status_code == 403
    assert "Your answer was not saved" in text_of(response)
    assert response.headers.items() >= SECRET_HEADERS.items()
    assert answer_of(work) == ("", "")
    assert "/ops/" not in text_of(response)
    assert "This form has expired" in text_of(client.post("/admin/login/"))


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_no_other_method_is_known(client, work, method):
    response = getattr(client, method)(path_of(work))
    assert response.status_code == 405
    assert response.headers.items() >= SECRET_HEADERS.items()


# --- the plan has changed --------------------------------------------------------------------------------------


def test_moved_work_is_shown_as_it_is_now_and_answered_by_the_old_link(client, work):
    services.reschedule(work.pk, start=NOON + timedelta(hours=3))
    text = text_of(client.get(path_of(work)))
    assert "This has changed since that mail was sent." in text
    assert "Monday 15 June 2026, 17:00 (CEST, Europe/Berlin)" in text
    client.post(path_of(work), {"answer": "CONFIRMED", "version": 2})
    assert answer_of(work) == ("CONFIRMED", "")


def test_what_moves_while_somebody_looks_is_not_confirmed(client, work):
    services.reschedule(work.pk, start=NOON + timedelta(hours=3))
    response = client.post(path_of(work), {"answer": "CONFIRMED", "version": 1})
    assert response.status_code == 409
    assert "This has changed since you opened the page." in text_of(response)
    assert "17:00" in text_of(response)
    assert answer_of(work) == ("", "")


def assert_no_longer_theirs(response):
    """It says that much, with no detail of the work and nothing to do."""
    text = text_of(response)
    assert response.status_code == 410
    assert response.headers.items() >= SECRET_HEADERS.items()
    assert "This is no longer yours" in text
    for detail in ("Repair", "A-17", "Hall", "Ring twice", "Ana", "15 June", "<form"):
        assert detail not in response.content.decode(), detail


def test_reassigned_work_shows_nothing_to_whom_it_belonged(client, work):
    other, former = AssigneeFactory(name="Bo"), work.assignee_id
    old = path_of(work)
    services.reassign(work.pk, assignee_id=other.pk)
    assert_no_longer_theirs(client.get(old))
    for act in ("confirm", "start"):
        assert_no_longer_theirs(client.post(old, {"act": act, "version": 2}))
    assert client.get(path_of(work, version=2, assignee_id=other.pk)).status_code == 200
    services.reassign(work.pk, assignee_id=None)
    assert_no_longer_theirs(client.get(old))
    assert answer_of(work) == ("", "")
    assert not Act.objects.exists()
    services.reassign(work.pk, assignee_id=former)
    assert client.get(old).status_code == 200


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (services.cancel, "This has been cancelled."),
        (acting.start, "This has begun."),
        (acting.complete, "This is done."),
    ],
)
def test_work_that_takes_no_answers_says_why(client, work, change, words):
    change(work.pk)
    work.refresh_from_db()
    response = client.get(path_of(work))
    assert response.status_code == 200
    assert words in text_of(response)
    assert ("<form" in response.content.decode()) == (work.status == "IN_PROGRESS")
    refused = client.post(path_of(work), {"act": "decline", "version": work.version})
    assert refused.status_code == 409
    assert words in text_of(refused)
    assert answer_of(work) == ("", "")


# --- what does not open ----------------------------------------------------------------------------------------


def test_every_link_that_does_not_open_gets_the_same_answer(client, work):
    good = links.token_of(Link(work.pk, work.assignee_id, 1))
    for token in (
        good[:-1],
        good.replace(f"{work.pk}-", f"{work.pk + 1}-", 1),
        Signer(salt="reminders.content.links", sep=".", key="of another site").sign(good.rpartition(".")[0]),
        links.token_of(Link(work.pk + 1_000, work.assignee_id, 1)),
        links.token_of(Link(10**17, 10**17, 1)),
        "%00",
        "x" * 3_000,
    ):
        assert_nothing(client.get(f"/a/{token}"))
        assert_nothing(client.post(f"/a/{token}", {"answer": "CONFIRMED", "version": 1}))


@pytest.mark.parametrize("formatter", [one["()"] for one in settings.LOGGING["formatters"].values()])
def test_the_request_log_shows_no_link(client, work, caplog, formatter):
    token = links.token_of(Link(work.pk + 1, work.assignee_id, 1))
    with caplog.at_level(logging.WARNING, logger="django.request"):
        client.get(f"/a/{token}")
    (record,) = caplog.records
    told = import_string(formatter)().format(record)
    assert "Not Found: /a/(link)" in told
    assert token not in told


def test_a_database_that_is_away_is_said_without_detail(client, work, monkeypatch):
    def away(*_):
        raise OperationalError("connection to server at 10.0.0.7 failed")

    monkeypatch.setattr(assignee_page, "_assigned", away)
    response = client.get(path_of(work))
    assert (response.status_code, response.headers["Retry-After"]) == (503, "30")
    assert "Please try again in a minute" in text_of(response)
    assert "10.0.0.7" not in response.content.decode()
    assert response.headers.items() >= SECRET_HEADERS.items()


# --- the acts --------------------------------------------------------------------------------------------------


def offered(response):
    """The acts that the page offers, and the large one."""
    html = response.content.decode()
    large = re.findall(r'class="main large" name="act" value="(\w+)"', html)
    every = re.findall(r'name="act" value="(\w+)"', html)
    return large, sorted(set(every) - set(large))


def put_at(clock, work, minutes):
    """So many minutes after the start; before it where the number is negative."""
    clock.set(work.scheduled_start + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("minutes", "before", "large", "others"),
    [
        (-241, [], ["confirm"], ["decline"]),
        (-241, ["confirm"], [], ["decline"]),
        (-241, ["decline"], ["confirm"], []),
        (-240, [], ["confirm"], ["decline", "late", "on_my_way"]),
        (-240, ["confirm"], ["on_my_way"], ["decline", "late"]),
        (-61, ["confirm", "on_my_way"], [], ["decline", "late"]),
        (-60, ["confirm", "on_my_way"], ["start"], ["decline", "late"]),
        (-60, ["decline"], ["confirm"], ["start"]),
        (-1, ["confirm"], ["on_my_way"], ["decline", "late", "start"]),
        (0, [], ["start"], ["late", "on_my_way"]),
        (5, ["confirm", "on_my_way"], ["start"], ["late"]),
        (5, ["start"], ["complete"], []),
        (5, ["start", "complete"], [], []),
    ],
)
def test_the_page_offers_what_makes_sense_now_and_the_next_act_large(
    client, work, clock, minutes, before, large, others
):
    put_at(clock, work, -30)
    for act in before:
        assert client.post(path_of(work), {"act": act, "version": 1}).status_code == 303, act
    put_at(clock, work, minutes)
    response = client.get(path_of(work))
    assert offered(response) == (large, others)
    for act in (*large, *others):
        more = {"minutes": 45} if act == "late" else {}
        work.refresh_from_db()
        with transaction.atomic():
            assert client.post(path_of(work), {"act": act, "version": 1, **more}).status_code == 303, act
            transaction.set_rollback(True)


def test_a_crew_starts_by_the_link_after_overdue_and_is_done(client, work, clock, config):
    put_at(clock, work, 31)
    scan.scan(trigger="cli", config=config)
    desk = MemoryBroker()
    dispatch.dispatch(config=config, broker=desk)
    beginning.begin(desk.hints(), config=config)
    work.refresh_from_db()
    assert work.reminder_status == "OVERDUE"
    text = text_of(client.get(path_of(work)))
    assert "It was to start 31 minutes ago." in text
    assert "Nobody has started this yet." in text
    assert offered(client.get(path_of(work))) == (["start"], ["on_my_way"])
    client.post(path_of(work), {"act": "start", "version": 1})
    work.refresh_from_db()
    assert (work.status, work.reminder_status) == ("IN_PROGRESS", "OVERDUE")
    assert "You get no more reminders of it." in text_of(client.get(path_of(work)))
    client.post(path_of(work), {"act": "complete", "version": 1})
    assert "This is done." in text_of(client.get(path_of(work)))


def test_running_late_by_the_link_says_when_it_will_begin(client, work):
    client.post(path_of(work), {"act": "late", "version": 1, "minutes": 45})
    text = text_of(client.get(path_of(work)))
    assert "You will begin later: Monday 15 June 2026, 15:45 (CEST, Europe/Berlin)." in text
    assert "has been told" not in text


def test_an_act_too_early_takes_nothing_and_says_so(client, work, clock):
    put_at(clock, work, -61)
    refused = client.post(path_of(work), {"act": "start", "version": 1})
    assert refused.status_code == 409
    assert "That is not possible at this moment" in text_of(refused)
    assert not Act.objects.exists()


def test_each_act_on_an_outdated_plan_takes_nothing_and_shows_what_is_in_force(client, work):
    services.reschedule(work.pk, start=NOON + timedelta(minutes=50))
    for act in ("confirm", "decline", "on_my_way", "late", "start", "complete"):
        response = client.post(path_of(work), {"act": act, "version": 1, "minutes": 30})
        assert response.status_code == 409
        assert "This has changed since you opened the page." in text_of(response)
        assert "14:50" in text_of(response)
    assert not Act.objects.exists()


def test_the_same_tap_twice_changes_nothing(client, work):
    for act in ("confirm", "on_my_way", "late", "start", "complete"):
        for _ in range(2):
            answer = client.post(path_of(work), {"act": act, "version": 1, "minutes": 30})
            assert answer.status_code == 303, act
    assert [act.act for act in Act.objects.all()] == ["confirm", "on_my_way", "late", "start", "complete"]
    assert {(act.via, act.actor) for act in Act.objects.all()} == {("link", f"assignee:{work.assignee_id}")}


def test_a_page_that_the_release_before_has_shown_still_answers(client, work):
    client.post(path_of(work), {"answer": "DECLINED", "version": 1, "note": "ill"})
    assert answer_of(work) == ("DECLINED", "ill")
