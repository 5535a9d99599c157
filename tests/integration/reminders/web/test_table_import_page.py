"""An import by page: upload, questions, preview, check, errors as a table, import in parts; by operators in their teams."""

import csv
import io

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from openpyxl import Workbook

from accounts import limits, roles
from assignments import teams
from assignments.import_models import ImportMapping, TableUpload, TableUploadPart
from assignments.models import Assignment
from reminders.models import Audit
from reminders.operations import table_uploads
from tests.logins import set_up_roles
from tests.unit.assignments.imports import exports

pytestmark = pytest.mark.django_db

PAGE = "/ops/import"


@pytest.fixture(autouse=True)
def plain_http(settings, tmp_path):
    settings.SECURE_SSL_REDIRECT = False
    settings.STATIC_ROOT = tmp_path


def signed_in(name, group=roles.OPERATORS, **options):
    set_up_roles()
    user, _ = get_user_model().objects.get_or_create(username=name, defaults={"is_staff": True})
    user.groups.set([Group.objects.get(name=group)])
    client = Client(**options)
    client.force_login(user)
    return client


@pytest.fixture
def olga(clock):
    return signed_in("olga")


def upload(client, text, name="plan.csv", **form):
    content = text if isinstance(text, bytes) else text.encode()
    sent = client.post(PAGE, {"file": SimpleUploadedFile(name, content), **form})
    assert sent.status_code == 302, sent.content.decode()[:3_000]
    return sent["Location"]


def filled(page, **changes):
    """The form as the page shows it."""
    mapping = page.context["mapping"]
    form = {"header_row": mapping.header_row, "decimal": mapping.decimal, "zone": mapping.zone or ""}
    form |= {name: getattr(mapping, name) or "" for name in ("date_format", "all_day_start", "duration_unit")}
    for line in page.context["lines"]:
        form[f"column_{line['place']}"] = line["name"]
        form[f"fills_{line['place']}"] = line["fills"]
        if line["key"]:
            form[f"key_{line['place']}"] = "on"
    return {**form, **changes}


def post(client, address, action, **form):
    return client.post(address, {**form, "action": action})


def test_a_table_is_previewed_checked_and_imported(olga):
    address = upload(olga, exports.GOOGLE)
    page = olga.get(address)
    assert [row.values["title"] for row in page.context["preview"]] == ["Boiler check"]
    assert not Assignment.objects.exists()
    post(olga, address, "check", **filled(page))
    checked = olga.get(address)
    assert "All 1 row can be imported." in checked.content.decode()
    assert not Assignment.objects.exists()
    post(olga, address, "import")
    done = olga.get(address)
    assert "1 created, 0 updated, 0 unchanged" in done.content.decode()
    listed = olga.get(f"/ops/assignments?{done.context['work']}").content.decode()
    assert "Boiler check" in listed
    assert Assignment.objects.get().title == "Boiler check"
    assert list(Audit.objects.order_by("id").values_list("actor", "action")) == [
        ("olga", "import_table"),
        ("olga", "finish_import"),
    ]


def test_dates_that_can_be_read_both_ways_are_asked_about_first(olga):
    address = upload(olga, exports.GOOGLE.replace("23/11", "05/11"))
    page = olga.get(address)
    assert "Is the day first or the month?" in page.content.decode()
    assert page.context["preview"] == ()
    post(olga, address, "preview", **filled(page, date_format="day_first"))
    shown = olga.get(address).context["preview"][0].values["scheduled_start"]
    assert shown.startswith("2026-11-05T")


def test_a_file_of_another_encoding_is_told_which_one_excel_writes(olga):
    content = exports.OUTLOOK_GERMAN.encode("cp1252")
    refused = olga.post(PAGE, {"file": SimpleUploadedFile("plan.csv", content), "charset": "utf-8"})
    assert refused.status_code == 400
    assert "Excel writes CSV files in Windows-1252" in refused.content.decode()
    assert '<option value="cp1252" selected>' in refused.content.decode()
    upload(olga, content, charset=refused.context["charset"])


def test_bad_rows_are_left_out_and_are_a_table_to_download(olga):
    text = (
        exports.GOOGLE
        + '=cmd,32/11/2026,09:00,,,,,,\n"x,23/11/2026,09:00,,,,,,\nMeter,24/11/2026,09:00,,,,,,\n'
    )
    address = upload(olga, text)
    post(olga, address, "check", **filled(olga.get(address)))
    page = olga.get(address)
    assert "2 of 4 rows can be imported, 2 cannot." in page.content.decode()
    file = b"".join(olga.get(f"{address}/errors.csv")).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(file)))
    assert [(row["row"], row["column"], row["code"]) for row in rows] == [
        ("3", "Start Date", "invalid_date"),
        ("4", "", "broken_row"),
    ]
    post(olga, address, "import")
    assert sorted(Assignment.objects.values_list("title", flat=True)) == ["Boiler check", "Meter"]


def test_a_large_table_goes_on_part_by_part(olga, monkeypatch):
    """Without a script each press of the button does the next part; the script asks for the same."""
    monkeypatch.setattr(table_uploads, "PART_ROWS", 2)
    monkeypatch.setattr("reminders.web.ops.table_import.BUDGET", table_uploads.timedelta(0))
    lines = "".join(f"Work {n},23/11/2026,{8 + n:02}:00,,,,,,\n" for n in range(5))
    header = exports.GOOGLE.splitlines()[0]
    address = upload(olga, f"{header}\n{lines}Work 0,23/11/2026,08:00,,,,,,\n")
    post(olga, address, "check", **filled(olga.get(address)))
    page = olga.get(address).content.decode()
    assert 'max="3" value="1"' in page
    assert 'value="step"' in page
    part = olga.post(address, {"action": "step"}, headers={"HX-Request": "true"}).content.decode()
    assert 'max="3" value="2"' in part
    assert "<html" not in part
    post(olga, address, "step")
    assert "5 of 6 rows can be imported, 1 cannot." in olga.get(address).content.decode()
    assert "is the reference of row 2 already" in olga.get(address).content.decode()
    post(olga, address, "import")
    assert Assignment.objects.count() == 2
    post(olga, address, "step")
    post(olga, address, "step")
    assert Assignment.objects.count() == 5
    post(olga, address, "step")
    assert TableUpload.objects.get().rows_created == 5


def test_another_header_row_is_guessed_anew(olga):
    address = upload(olga, "Roster,\n" + exports.GOOGLE)
    page = olga.get(address)
    assert page.context["mapping"].header_row == 2
    post(olga, address, "preview", **filled(page, header_row="1"))
    assert [line["name"] for line in olga.get(address).context["lines"]] == ["Roster"]
    post(olga, address, "preview", **filled(olga.get(address), header_row="2"))
    assert olga.get(address).context["mapping"].columns["title"] == ("Subject",)


def test_a_mapping_is_saved_used_and_removed(olga):
    address = upload(olga, exports.GOOGLE)
    post(olga, address, "save", **filled(olga.get(address)), mapping_name="Google")
    saved = ImportMapping.objects.get(name="Google")
    again = upload(olga, exports.GOOGLE.replace("23/11", "05/11"), mapping="Google")
    assert olga.get(again).context["preview"][0].values["scheduled_start"].startswith("2026-11-05T")
    assert olga.post(f"{PAGE}/mapping/{saved.pk}/remove").status_code == 302
    assert not ImportMapping.objects.exists()


def test_a_mapping_of_other_columns_says_which_are_missing(olga):
    first = upload(olga, exports.GOOGLE)
    post(olga, first, "save", **filled(olga.get(first)), mapping_name="Google")
    address = upload(olga, exports.GOOGLE.replace("Location", "Where"), mapping="Google")
    page = olga.get(address)
    assert "The file has no column &#x27;Location&#x27;" in page.content.decode()
    form = filled(page)
    place = next(line["place"] for line in page.context["lines"] if line["name"] == "Where")
    post(olga, address, "preview", **{**form, f"fills_{place}": "location"})
    assert olga.get(address).context["preview"][0].values["location"] == "Hill Road 4"


def test_one_of_several_sheets_is_chosen(olga):
    book = Workbook()
    book.active.append(["Name"])
    for row in csv.reader(exports.GOOGLE.splitlines()):
        (book["Plan"] if "Plan" in book.sheetnames else book.create_sheet("Plan")).append(row)
    file = io.BytesIO()
    book.save(file)
    address = upload(olga, file.getvalue(), name="plan.xlsx")
    assert olga.get(address).context["sheets"] == ("Sheet", "Plan")
    post(olga, address, "preview", sheet="Plan")
    assert [row.values["title"] for row in olga.get(address).context["preview"]] == ["Boiler check"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "a file is needed"),
        (b"\xff\xfea", "is not in UTF-16"),
        (b"PK\x03\x04 x", "this is not an XLSX file"),
        (b"%PDF-1.7 \xe2\xe3\xcf\xd3", "this is not an XLSX file"),
        (b"\xfc\xfc,b\n", "is not in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(olga, content, why):
    answer = olga.post(PAGE, {"file": SimpleUploadedFile("plan.csv", content)})
    assert answer.status_code == 400
    assert why in answer.content.decode()
    assert not TableUpload.objects.exists()


def test_what_is_missing_is_said_and_nothing_is_checked(olga):
    address = upload(olga, exports.GOOGLE)
    form = {name: value for name, value in filled(olga.get(address)).items() if not name.startswith("key_")}
    post(olga, address, "check", **form)
    assert TableUpload.objects.get().state == "MAPPING"
    assert "no column is the reference" in olga.get(address).content.decode()


def test_an_upload_is_seen_by_its_owner_alone_and_by_operators(olga):
    address = upload(olga, exports.GOOGLE)
    other = signed_in("oscar")
    for path in (address, f"{address}/errors.csv"):
        assert other.get(path).status_code == 404
    assert post(other, address, "check").status_code == 404
    assert signed_in("vera", roles.VIEWERS).get(PAGE).status_code == 403


def test_an_operator_of_a_team_imports_into_that_team(olga):
    north, south = teams.add_team(name="North", time_zone="Asia/Tokyo"), teams.add_team(name="South")
    limits.limit_user(get_user_model().objects.get(username="olga"), [north.pk], by="root")
    client = signed_in("olga")
    address = upload(client, exports.GOOGLE.replace("Private", "Team").replace(",True", ",South"))
    page = client.get(address)
    assert page.context["mapping"].zone == "Asia/Tokyo"
    post(client, address, "check", **filled(page))
    assert "None of the 1 row can be imported" in client.get(address).content.decode()
    address = upload(client, exports.GOOGLE)
    post(client, address, "check", **filled(client.get(address)))
    post(client, address, "import")
    assert [work.team for work in Assignment.objects.all()] == [north]
    assert south.assignments.count() == 0


def test_the_form_of_a_file_needs_its_token(clock):
    client = signed_in("olga", enforce_csrf_checks=True)
    assert client.post(PAGE, {"file": SimpleUploadedFile("a.csv", b"a,b\n")}).status_code == 403
    assert not TableUpload.objects.exists()


def test_a_second_file_in_the_form_is_not_read(olga):
    files = {"more": SimpleUploadedFile("b.csv", b"a,b\n"), "file": SimpleUploadedFile("a.csv", b"a,b\n")}
    assert olga.post(PAGE, files).status_code == 400
    assert not TableUpload.objects.exists()


def test_files_are_removed_after_a_day_and_beyond_the_last_five(olga, clock):
    for _ in range(7):
        upload(olga, exports.GOOGLE)
    assert TableUpload.objects.count() == 5
    clock.advance(table_uploads.timedelta(days=1, seconds=1))
    table_uploads.prune_uploads(after=table_uploads.timedelta(days=1))
    assert (TableUpload.objects.count(), TableUploadPart.objects.count()) == (0, 0)


def test_steps_out_of_order_change_nothing(olga):
    address = upload(olga, exports.GOOGLE)
    post(olga, address, "import")
    assert not Assignment.objects.exists()
    form = filled(olga.get(address))
    post(olga, address, "check", **form)
    post(olga, address, "import")
    post(olga, address, "import")
    post(olga, address, "preview", **form)
    assert TableUpload.objects.get().state == "DONE"
    assert olga.post(address, {"action": "fly"}).status_code == 404
