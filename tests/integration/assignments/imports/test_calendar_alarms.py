"""The alarms of a calendar as lead times, where an import asks for them."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from assignments.leads import stored_leads
from assignments.models import Assignment
from tests.integration.assignments.imports.test_calendars import WORK, alarm, calendar

pytestmark = pytest.mark.django_db
URL = "/api/assignments/import"
TOO_CLOSE = (
    "an alarm 35 minutes before the start, and one 30 minutes before it: "
    "at least 10 minutes between lead times are needed"
)


def before(*minutes):
    return [line for one in minutes for line in alarm(f"TRIGGER:-PT{one}M")]


def sent(api, *lines, query="?alarms=leads"):
    text = calendar([*WORK, *lines])
    return api.post(f"{URL}{query}", text.encode(), content_type="text/calendar")


def kept():
    work = Assignment.objects.get()
    return list(stored_leads(work.lead_minutes, work.further_lead_minutes))


def left(answer):
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert sum(one["count"] for one in body["left_out"]) == len(body["notes"])
    assert {(one["row"], one["field"]) for one in body["notes"]} <= {(1, "lead_minutes")}
    return [(one["code"], one["message"]) for one in body["notes"]]


@pytest.mark.parametrize(
    ("lines", "leads"),
    [
        ([], []),
        (before(45), [45]),
        (before(1440, 30), [30, 1440]),
        (before(30, 30, 60, 60), [30, 60]),
        (["BEGIN:VALARM", "TRIGGER:-P1D", "ACTION:EMAIL", "END:VALARM", *before(10)], [10, 1440]),
        (before(10, 20, 30, 40, 50), [10, 20, 30, 40, 50]),
    ],
)
def test_every_alarm_before_the_start_makes_a_lead(api, lines, leads):
    assert left(sent(api, *lines)) == []
    assert kept() == leads


@pytest.mark.parametrize("query", ["", "?alarms=one"])
def test_without_asking_only_the_one_alarm_of_an_event_does(api, query):
    answer = sent(api, *before(1440, 30), query=query)
    assert (answer.json()["notes"], answer.json()["left_out"]) == ([], [])
    assert kept() == []
    sent(api, "BEGIN:VALARM", "TRIGGER:-PT25M", "END:VALARM", query=query)
    assert kept() == [25]


@pytest.mark.parametrize(
    ("lines", "code", "message"),
    [
        (
            ["BEGIN:VALARM", "ACTION:AUDIO", "TRIGGER:-PT1H", "END:VALARM"],
            "action",
            "an alarm with the ACTION 'AUDIO': DISPLAY or EMAIL is needed",
        ),
        (
            ["BEGIN:VALARM", "TRIGGER:-PT1H", "END:VALARM"],
            "action",
            "an alarm with the ACTION '': DISPLAY or EMAIL is needed",
        ),
        (
            ["BEGIN:VALARM", "ACTION:DISPLAY", "END:VALARM"],
            "required",
            "an alarm with 0 TRIGGERs: one is needed",
        ),
        (
            alarm("TRIGGER;VALUE=DATE-TIME:20260615T120000Z"),
            "invalid",
            "an alarm with the TRIGGER '20260615T120000Z': a length before the start is needed, such as -PT30M",
        ),
        (
            alarm("TRIGGER;RELATED=END:-PT5M"),
            "invalid",
            "an alarm with the TRIGGER '-PT5M': a length before the start is needed, such as -PT30M",
        ),
        (
            alarm("TRIGGER:PT5M"),
            "out_of_range",
            "an alarm with the TRIGGER 'PT5M': 1 to 43200 whole minutes before the start are needed",
        ),
        (
            alarm("TRIGGER:-PT90S"),
            "out_of_range",
            "an alarm with the TRIGGER '-PT90S': 1 to 43200 whole minutes before the start are needed",
        ),
        (
            before(35),
            "too_close",
            TOO_CLOSE,
        ),
    ],
)
def test_an_alarm_that_makes_none_is_reported_and_the_row_is_taken(api, lines, code, message):
    answer = sent(api, *before(30), *lines)
    assert left(answer) == [(code, message)]
    assert answer.json()["left_out"] == [{"what": "alarms that are no lead times", "count": 1}]
    assert kept() == [30]


def test_of_too_many_the_shortest_five_stay(api):
    messages = [message for _, message in left(sent(api, *before(*range(60, 0, -10), 1440)))]
    assert kept() == [10, 20, 30, 40, 50]
    assert messages == [
        f"an alarm {minutes} minutes before the start: 5 lead times are the most" for minutes in (60, 1440)
    ]


def test_alarms_of_a_format_that_has_none_are_refused(api):
    refused = api.post(f"{URL}?alarms=leads", b"title\nx\n", content_type="text/csv")
    assert refused.status_code == 400
    (error,) = refused.json()["errors"]
    assert (error["field"], error["message"]) == (
        "alarms",
        '"leads": only a calendar (iCalendar) has alarms',
    )
    assert sent(api, query="?alarms=all").status_code == 400
    assert not Assignment.objects.exists()


def test_the_command_takes_and_reports_them(api, tmp_path):
    file = tmp_path / "team.ics"
    file.write_text(calendar([*WORK, *before(30, 35, 1440)]))
    said = StringIO()
    call_command("import_assignments", file, "--alarms", "leads", stdout=said)
    assert kept() == [30, 1440]
    assert "row 1: left out: lead_minutes: an alarm 35 minutes before the start" in said.getvalue()
    assert "left out: 1 x alarms that are no lead times" in said.getvalue()
    said = StringIO()
    call_command("import_assignments", file, "--alarms", "leads", "--json", stdout=said)
    assert [(one["row"], one["code"]) for one in json.loads(said.getvalue())["notes"]] == [(1, "too_close")]
    table = tmp_path / "team.csv"
    table.write_text("title\nx\n")
    with pytest.raises(CommandError, match="only a calendar"):
        call_command("import_assignments", table, "--alarms", "leads", stdout=StringIO())
