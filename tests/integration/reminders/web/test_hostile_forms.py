"""What nobody should send to the page behind the link, to Ops pages and to the admin: nothing of it is written, no 5xx."""

import pytest
from django.test import Client

from accounts import roles
from assignments import people, teams
from assignments.models import Assignment, Team
from config.devstack.mail_sink import Folder
from reminders.content import links
from reminders.content.links import Link
from reminders.models import Reminder, ReminderRule
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.integration.reminders.web.api.test_hostile_calls import everything_stored
from tests.integration.reminders.web.test_rule_admin import HOUR_BEFORE
from tests.logins import signed_in, staff
from tests.rule_factory import rule

pytestmark = [pytest.mark.django_db, pytest.mark.no_cover]

HUGE = "9" * 400
LONG = "x" * 100_000
FORM = "application/x-www-form-urlencoded"


def olga(*, superuser: bool = False) -> Client:
    user = staff("olga", roles.OPERATORS, is_superuser=superuser)
    return signed_in(user, raise_request_exception=False)


# --- the page behind the link -----------------------------------------------------------------------------------

ACTS = [
    {},
    {"act": "", "version": "1"},
    {"act": "fly", "version": "1"},
    {"act": ["start", "fly"], "version": "1"},
    {"act": "start"},
    *(
        {"act": "start", "version": version}
        for version in ("", "0", "-1", "1.5", "1e0", "NaN", "Infinity", HUGE, "\u0661x", "1\0", "[1]", "true")
    ),
    *(
        {"act": "late", "version": "1", "minutes": minutes}
        for minutes in ("", "4", "241", "-15", "15.5", "NaN", HUGE, "15\0", "fifteen", "['15']")
    ),
    {"act": "late", "version": "1"},
    {"act": "decline", "version": "1", "note": "a\0b"},
    {"act": "decline", "version": "1", "note": "x" * 201},
    {"act": "decline", "version": "1", "note": LONG},
    {"act": "confirm", "version": "1", "minutes": HUGE},
    {"answer": "MAYBE", "version": "1"},
]


def test_acts_that_are_none_are_refused_and_the_page_shows_what_is_in_force(clock):
    work = AssignmentFactory(soon=True)
    address = f"/a/{links.token_of(Link(work.pk, work.assignee_id, 1))}"
    client, before = Client(raise_request_exception=False), everything_stored()
    for values in ACTS:
        refused = client.post(address, values)
        assert (refused.status_code, work.title in refused.content.decode()) == (400, True), str(values)[:100]
        assert everything_stored() == before
    bodies = [
        (b"", FORM),
        (b"act=start&version=%ff%fe", FORM),
        (b"\xff\xfe\x00", f"{FORM}; charset=utf-16"),
        (b'{"act": "start", "version": 1}', "application/json"),
        (
            b'--x\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n\x00',
            "multipart/form-data; boundary=x",
        ),
        (b"act=start&version=1", "text/plain"),
        (b"&".join(b"a=1" for _ in range(2_000)), FORM),
    ]
    for body, content_type in bodies:
        refused = client.generic("POST", address, body, content_type=content_type)
        assert refused.status_code == 400, (content_type, refused.status_code)
        assert everything_stored() == before
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "NONSENSE"):
        assert client.generic(method, address).status_code == 405
    for token in ("x", HUGE, "%00", "..%2f..%2fetc", "\u202e", LONG[:3_000], "%ed%a0%80", address[3:] + "x"):
        assert client.post(f"/a/{token}", {"act": "start", "version": "1"}).status_code == 404
    assert everything_stored() == before


# --- who gets it ------------------------------------------------------------------------------------------------


def test_work_is_given_to_nobody_who_is_not_there(clock):
    team, other = teams.add_team(name="Ours"), teams.add_team(name="Theirs")
    work = AssignmentFactory(soon=True)
    theirs = AssignmentFactory(soon=True)
    people.change_assignee(theirs.assignee_id, {"team": other.pk})
    people.change_assignee(work.assignee_id, {"team": team.pk})
    client = olga()
    before = everything_stored()
    given = [
        *(
            "",
            "#0",
            "#-1",
            f"#{HUGE}",
            HUGE,
            "#1.0",
            "\u0661",
            "#\u0661",
            "a\0b",
            "x" * 201,
            LONG,
            "' OR 1=1 --",
            "\u202e",
        ),
        *("nobody\0", "NOBODY", "#", "%", "None", "[]", "\ufeff", "\n"),
    ]
    for to in given:
        for sent in ({"ids": work.pk, "to": to}, {"ids": work.pk, "to": to, "confirmed": "1", "plan": "x"}):
            shown = client.post("/ops/act/reassign", {**sent, "reason": "because"})
            assert shown.status_code == 200, (to[:50], shown.status_code)
            assert everything_stored() == before
    for ids in ("0", "-1", HUGE, "x", "1.0", "\0", "[1]", str(2**63), "\u0661", LONG[:5_000]):
        for method in ("get", "post"):
            answer = getattr(client, method)("/ops/act/reassign", {"ids": ids, "to": f"#{work.assignee_id}"})
            assert answer.status_code in (200, 302), (ids[:50], answer.status_code)
    for plan in ("", "x", "\0", HUGE, LONG):
        sent = {
            "ids": work.pk,
            "to": f"#{theirs.assignee_id}",
            "confirmed": "1",
            "reason": "because",
            "plan": plan,
        }
        assert client.post("/ops/act/reassign", sent).status_code in (200, 302)
    for reason in ("", " ", "a\0b", LONG):
        sent = {"ids": work.pk, "to": "nobody", "confirmed": "1", "reason": reason}
        assert client.post("/ops/act/reassign", sent).status_code == 200
    for name in ("nonsense", HUGE, "re%00assign", "reassign/x", "..%2fadmin"):
        assert client.post(f"/ops/act/{name}", {"ids": work.pk}).status_code in (404, 405)
    assert everything_stored() == before


# --- the mailbox ------------------------------------------------------------------------------------------------


def test_no_name_of_a_mail_leads_out_of_the_folder(clock, settings, tmp_path):
    settings.MAIL_SINK_DIR = tmp_path / "mail"
    Folder(settings.MAIL_SINK_DIR).store(
        b"Subject: x\n\nx", sender="a@example.test", recipients=["b@example.test"]
    )
    (tmp_path / "secret.eml").write_text("Subject: secret\n\nsecret")
    client = olga()
    names = [
        *(
            "..%2fsecret",
            "%2e%2e%2fsecret",
            "..%5csecret",
            "../secret",
            "%00",
            "a%00b",
            "%ff",
            "%ed%a0%80",
            ".",
            "..",
        ),
        *("secret.eml", "*", "~root", HUGE, LONG[:5_000], "con", "%0d%0aX-Y:z", "%u002e", "....//secret"),
    ]
    for name in names:
        for address in (f"/ops/mailbox/{name}", f"/ops/mailbox/{name}/html"):
            answer = client.get(address)
            assert answer.status_code == 404, (address[:60], answer.status_code)
            assert "secret\n" not in answer.content.decode()
    assert client.post("/ops/mailbox").status_code == 405


# --- rules and teams in the admin -------------------------------------------------------------------------------

RULES = [
    *({"name": name} for name in ("", " ", "a\0b", "x" * 101, LONG, "Rule 0")),
    *(
        {field: word}
        for field in ("audience", "trigger", "condition", "scope", "quiet_hours")
        for word in ("", "x", "a\0")
        if (field, word) != ("quiet_hours", "")  # Left open, it takes the usual value.
    ),
    *(
        {"minutes": minutes}
        for minutes in ("", "0", "-1", "43201", "1.5", "NaN", HUGE, "1\0", "x", str(2**63))
    ),
    *(
        {"trigger": "at_local_time", "minutes": "", "days_before": days, "at": "18:00"}
        for days in ("", "-1", "31", HUGE, "x", "1.5")
    ),
    *(
        {"trigger": "at_local_time", "minutes": "", "days_before": "1", "at": at}
        for at in ("", "24:00", "25:61", "noon", "\u0661\u0668:00x", "a\0", LONG)
    ),
    *(
        {"scope": "team", "scope_value": value}
        for value in ("", "x", "0", "01", "-1", HUGE, "\u0661", "1\0", "987654321")
    ),
    {"scope": "kind", "scope_value": ""},
    {"scope": "everyone", "scope_value": "x"},
    {"reason": LONG},
]


def test_rules_and_teams_that_make_no_sense_are_refused_in_the_admin(clock):
    rule()
    person = AssigneeFactory()
    team = teams.add_team(name="Ours")
    client = olga(superuser=True)
    before = everything_stored()
    for values in RULES:
        shown = client.post("/admin/reminders/reminderrule/add/", {**HOUR_BEFORE, **values})
        errors = shown.context["adminform"].form.errors
        assert (shown.status_code, bool(errors.keys() - {"__all__"} or values.get("scope"))) == (200, True), (
            values
        )
        assert "previewed" not in shown.context["adminform"].form.data, str(values)[:80]
        assert everything_stored() == before
    named = {"name": "New", "time_zone": "UTC"}
    for values in (
        *({"name": name} for name in ("", "a\0b", LONG, "Ours")),
        *({"time_zone": zone} for zone in ("", "Factory", "../etc", "a\0", LONG)),
        *({"quiet_from": at, "quiet_until": "08:00"} for at in ("24:00", "x", "", "a\0", LONG)),
        {"quiet_from": "22:00"},
        {"quiet_from": "22:00", "quiet_until": "22:00"},
        *({"supervisors": ids} for ids in ("x", "0", HUGE, "1\0", [str(person.pk), "x"], str(2**63))),
    ):
        shown = client.post("/admin/assignments/team/add/", {**named, **values})
        assert (shown.status_code, bool(shown.context["adminform"].form.errors)) == (200, True), str(values)[
            :80
        ]
        assert everything_stored() == before
    work = {"title": "Pump", "scheduled_start_0": "2026-06-16", "scheduled_start_1": "09:00:00"}
    for assignee in ("x", "0", HUGE, "1\0", str(2**63)):
        shown = client.post("/admin/assignments/assignment/add/", {**work, "assignee": assignee})
        assert (shown.status_code, "assignee" in shown.context["adminform"].form.errors) == (200, True), (
            assignee
        )
        assert everything_stored() == before
    for address in ("assignments/team", "reminders/reminderrule"):
        for pk in ("0", "-1", HUGE, "x", "%00", str(2**63)):
            for action in ("change", "delete", "history"):
                assert client.post(f"/admin/{address}/{pk}/{action}/", named).status_code in (302, 404)
    assert (ReminderRule.objects.count(), Team.objects.count()) == (1, 1)
    assert client.post(f"/admin/assignments/team/{team.pk}/change/", {**named, "name": ""}).status_code == 200
    assert everything_stored() == before
    assert (Assignment.objects.count(), Reminder.objects.count()) == (0, 0)
