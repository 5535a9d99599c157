"""Whose work an event is."""

import pytest

from tests.unit.assignments.imports.reading import NAMED, calendar, read, rows

START = "DTSTART:20260615T130000Z"
DESK = "ORGANIZER;CN=Desk:mailto:desk@example.test"
ADA, BO = "ATTENDEE;CN=Ada{}:mailto:ada@example.test", "ATTENDEE;CN=Bo{}:mailto:bo@example.test"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([DESK, ADA.format(""), BO.format("")], ["Ada", "Bo"]),
        ([DESK, "ATTENDEE;CN=Desk:mailto:desk@example.test", BO.format("")], ["Bo"]),
        ([DESK, ADA.format(";PARTSTAT=DECLINED"), BO.format("")], ["Bo"]),
        ([DESK, ADA.format(";ROLE=OPT-PARTICIPANT"), BO.format("")], ["Bo"]),
        ([DESK, ADA.format(";ROLE=NON-PARTICIPANT")], [None]),
        ([DESK, ADA.format(";PARTSTAT=DECLINED")], [None]),
        ([DESK, ADA.format(";PARTSTAT=TENTATIVE;ROLE=CHAIR")], ["Ada"]),
        ([DESK, ADA.format(""), ADA.format(";X-A=1")], ["Ada"]),
        ([DESK], ["Desk"]),
        (["ATTENDEE;CUTYPE=ROOM;CN=Cellar:mailto:cellar@example.test", DESK], ["Desk"]),
        ([], [None]),
    ],
)
def test_each_attendee_that_is_needed_does_the_work(lines, expected):
    found = rows(calendar([*NAMED, START, *lines]))
    assert [one.assignee.get("name") if one.assignee else None for one in found] == expected


def test_several_people_have_references_of_their_own_without_their_addresses():
    found = rows(calendar([*NAMED, START, ADA.format(""), BO.format("")]))
    ada, bo = (one.reference for one in found)
    assert ada != bo
    assert all(one.startswith("W-1/") and "@" not in one for one in (ada, bo))
    (alone,) = rows(calendar([*NAMED, START, BO.format("")]))
    assert alone.reference == "W-1"
    assert alone.dates.dates[0].person == bo.split("/")[1]


def test_who_is_left_out_is_reported():
    _, file = read(calendar([*NAMED, START, ADA.format(";PARTSTAT=DECLINED"), BO.format("")]))
    assert file.notes.left_out == {"attendees who have declined": 1}
    assert [(one.row, one.field, one.message) for one in file.notes.rows] == [
        (1, "assignee", "Ada: attendees who have declined get no assignment")
    ]


def test_a_program_that_writes_parameters_into_the_value_is_understood():
    (one,) = rows(
        calendar([*NAMED, START, "ATTENDEE:X-KEY=1;CN=Cy;CUTYPE=INDIVIDUAL:mailto:cy@example.test"])
    )
    assert one.assignee == {"email": "cy@example.test"}


def test_too_many_people_are_refused():
    many = [f"ATTENDEE:mailto:p{n}@example.test" for n in range(101)]
    assert read(calendar([*NAMED, START, *many]))[0] == [("assignee", "several")]


def test_a_title_may_be_missing_and_a_uid_too():
    first, second = rows(calendar([START], [START, "SUMMARY:Roof"]))
    assert (first.values["title"], second.values["title"]) == ("(no title)", "Roof")
    assert first.reference != second.reference
    (again,) = rows(calendar([START, "SUMMARY:Roof"]))
    assert again.reference == second.reference


def test_a_long_uid_is_shortened_the_same_each_time():
    long = "x" * 300
    (one,) = rows(calendar([f"UID:{long}", START]))
    first, _ = rows(calendar([f"UID:{long}", "DTSTART:20260608T090000Z", "RRULE:FREQ=DAILY;COUNT=2"]))
    assert len(one.reference) <= 200
    assert first.reference == f"{one.reference}/20260608T090000Z"
