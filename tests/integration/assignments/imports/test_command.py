"""`import_assignments`: a file of any size, committed in portions, resumed where it stopped."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from assignments.models import Assignment
from reminders.management.commands import import_assignments
from tests.factories import AssigneeFactory
from tests.terminal import terminal

pytestmark = pytest.mark.django_db


@pytest.fixture
def path(tmp_path):
    return tmp_path / "work.csv"


@pytest.fixture(autouse=True)
def _small_portions(monkeypatch, clock):
    monkeypatch.setattr(import_assignments, "MAX_ROWS", 2)


def written(path, *titles):
    path.write_text(
        "title,scheduled_start\n" + "".join(f"{title},2026-06-15T13:00:00Z\n" for title in titles)
    )
    return path


def run(path, *args):
    out = StringIO()
    call_command("import_assignments", str(path), *args, stdout=out)
    return out.getvalue()


def titles():
    return list(Assignment.objects.order_by("pk").values_list("title", flat=True))


def test_a_file_is_taken_in_portions(path):
    assert run(written(path, *"abcde")) == "5 created, 0 updated, 0 unchanged\n"
    assert titles() == list("abcde")


def test_it_stops_before_the_portion_with_a_bad_row_and_goes_on_there(path):
    with pytest.raises(CommandError) as stopped:
        run(written(path, "a", "b", "c", "", "e", ""))
    assert str(stopped.value) == (
        "work.csv: 2 bad rows; nothing from row 4 on was written: correct it, then continue with --from-row 4"
    )
    assert titles() == ["a", "b"]
    assert run(written(path, *"abcdef"), "--from-row", "4") == "4 created, 0 updated, 0 unchanged\n"
    assert titles() == list("abcdef")


def test_bad_rows_are_skipped_on_request(path):
    said = json.loads(run(written(path, "a", "", "c", "d"), "--skip-bad", "--json"))
    fault = {"row": 3, "field": "title", "code": "required", "message": "title is needed"}
    counts = {"created": 3, "updated": 0, "unchanged": 0, "left_out": {}, "notes": []}
    assert said == {"dry_run": False, **counts, "errors": [fault]}
    assert titles() == ["a", "c", "d"]


def test_a_quotation_mark_that_is_never_closed_costs_its_row_alone(path):
    start = "2026-06-15T13:00:00Z"
    path.write_text(f'title,scheduled_start\na,{start}\n"b,{start}\nc,{start}\n"d",{start}\n"e,{start}\n')
    said = json.loads(run(path, "--skip-bad", "--json"))
    assert (said["created"], [(one["row"], one["code"]) for one in said["errors"]]) == (
        3,
        [(3, "broken_csv"), (6, "broken_csv")],
    )
    assert titles() == ["a", "c", "d"]


def test_a_dry_run_writes_nothing(path):
    assert run(written(path, *"abc"), "--dry-run") == "3 would be created, 0 would be updated, 0 unchanged\n"
    assert titles() == []


def test_json_and_json_lines_are_read(tmp_path):
    work = [{"title": title, "scheduled_start": "2026-06-15T13:00:00Z"} for title in "abc"]
    (tmp_path / "work.json").write_text(json.dumps(work))
    (tmp_path / "work.jsonl").write_text("\n".join(json.dumps(one) for one in work) + "\n\n{")
    assert run(tmp_path / "work.json") == "3 created, 0 updated, 0 unchanged\n"
    said = json.loads(run(tmp_path / "work.jsonl", "--skip-bad", "--json"))
    assert (said["created"], [(one["row"], one["code"]) for one in said["errors"]]) == (
        3,
        [(5, "parse_error")],
    )


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file"), (b"\xff\xfet", "UTF-16"), (b"colour\n", "not a column")]
)
def test_a_file_that_cannot_be_read_is_refused_in_one_line(path, content, why):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CommandError, match=why) as refused:
        run(path)
    assert "\n" not in str(refused.value)


def test_a_charset_and_the_ids_of_this_system_are_read_on_request(path):
    there = AssigneeFactory(name="Ada")
    path.write_bytes(
        f"title,scheduled_start,assignee_id\nM\u00fcll,2026-06-15T13:00:00Z,{there.pk}\n".encode("cp1252")
    )
    with pytest.raises(CommandError, match="not in UTF-8"):
        run(path)
    with pytest.raises(CommandError, match="1 bad rows"):
        run(path, "--charset", "windows-1252")
    assert run(path, "--charset", "windows-1252", "--match-ids") == "1 created, 0 updated, 0 unchanged\n"
    assert Assignment.objects.get().assignee == there


def test_what_was_left_out_is_counted(tmp_path):
    todo = "BEGIN:VCALENDAR\r\nBEGIN:VTODO\r\nEND:VTODO\r\nEND:VCALENDAR\r\n"
    (tmp_path / "work.ics").write_text(todo)
    said = run(tmp_path / "work.ics")
    assert said == "left out: 1 x VTODO\n0 created, 0 updated, 0 unchanged\n"
    assert json.loads(run(tmp_path / "work.ics", "--json"))["left_out"] == {"VTODO": 1}


def test_a_terminal_shows_how_far_an_import_is_but_not_beside_json(path, monkeypatch):
    monkeypatch.setattr(import_assignments, "SHOWN_EVERY", 1)
    written(path, "one", "two", "three")
    with terminal(monkeypatch) as (stream, seen):
        call_command("import_assignments", str(path), stdout=StringIO(), stderr=stream)
        shown = seen()
    assert "importing:   0%|" in shown
    assert "row 3]" in shown
    with terminal(monkeypatch) as (stream, seen):
        call_command("import_assignments", str(path), "--json", stdout=StringIO(), stderr=stream)
        assert seen() == ""
