"""Each table keeps its rows for as long as its own setting says, and a scan removes a bounded number of them."""

from dataclasses import fields, replace
from datetime import timedelta

import pytest
from django.db import connection

from assignments.import_models import TableUpload
from reminders.conf import ReminderConfig, Retention
from reminders.delivery import retention
from reminders.delivery.retention import Kept, kept_tables
from reminders.models import ArchivedReminder, ScanRun, SmsReply

pytestmark = pytest.mark.django_db


def test_every_setting_has_its_table():
    every = Retention(archive=timedelta(days=5))
    settings = [field.name for field in fields(Retention)]
    assert len(kept_tables(every)) == len(settings) - 1, "and `uploads`, which go with their parts"
    assert len(kept_tables(Retention())) == len(settings) - 2, (
        "the archive keeps its rows for good by default"
    )


@pytest.mark.parametrize("name", [field.name for field in fields(Retention) if field.name != "uploads"])
def test_a_setting_changes_one_table_and_no_other(name):
    before = Retention(archive=timedelta(days=5))
    after = replace(before, **{name: timedelta(days=4_711)})
    changed = [
        new.table
        for old, new in zip(kept_tables(before), kept_tables(after), strict=True)
        if old.after != new.after
    ]
    assert len(changed) == 1


def test_every_column_is_there_and_has_an_index():
    for kept in kept_tables(Retention(archive=timedelta(days=5))):
        with connection.cursor() as cursor:
            found = connection.introspection.get_constraints(cursor, kept.table).values()
        leading = {
            one["columns"][0] for one in found if one["columns"] and (one["index"] or one["primary_key"])
        }
        assert {kept.oldest, kept.key} <= leading, kept.table


def test_a_scan_is_kept_for_as_long_as_the_setting_says(clock):
    now = clock.now()
    for days in (1, 6, 8, 40):
        ScanRun.objects.create(
            trigger="interval", alive_until=now, finished_at=now - timedelta(days=days), by=str(days)
        )
    retention.prune(ReminderConfig())
    assert sorted(ScanRun.objects.values_list("by", flat=True)) == ["1", "6", "8"]
    retention.prune(ReminderConfig(retention=Retention(scans=timedelta(days=7))))
    assert sorted(ScanRun.objects.values_list("by", flat=True)) == ["1", "6"]


def test_a_scan_removes_batch_after_batch_of_each_table_while_it_has_time(clock, monkeypatch):
    def left(rules: Retention) -> int:
        for sid in range(5):
            received = clock.now() - timedelta(days=31)
            SmsReply.objects.create(sid=str(sid), received_at=received, contact_point=1, outcome="x")
        monkeypatch.setattr(
            retention, "kept_tables", lambda _: [replace(kept, batch=2) for kept in kept_tables(rules)]
        )
        retention.prune(ReminderConfig())
        return SmsReply.objects.count()

    assert left(Retention()) == 0
    monkeypatch.setattr(retention, "SHARE", float("inf"))
    monkeypatch.setattr(retention, "LEAST_SECONDS", 0.0)
    assert left(Retention()) == 3, "each table has its turn in any case"


def test_one_statement_removes_no_more_than_its_batch_the_oldest_first(clock):
    now = clock.now()
    for days in (31, 32, 33, 29):
        SmsReply.objects.create(
            sid=str(days), received_at=now - timedelta(days=days), contact_point=1, outcome="x"
        )
    kept = Kept(
        table="reminders_smsreply",
        instant="received_at",
        after=timedelta(days=30),
        oldest="received_at",
        key="sid",
        batch=2,
    )
    left = []
    for _ in range(3):
        with connection.cursor() as cursor:
            cursor.execute(kept.statement, {"seconds": kept.after.total_seconds(), "batch": kept.batch})
        left.append(sorted(SmsReply.objects.values_list("sid", flat=True)))
    assert left == [["29", "31"], ["29"], ["29"]]


def test_the_archive_is_kept_for_good_unless_a_setting_says_otherwise(clock):
    for pk, days in ((1, 5_000), (2, 9), (3, 11)):
        ArchivedReminder.objects.create(
            id=pk, assignment_id=1, archived_at=clock.now() - timedelta(days=days), row={}, attempts=[]
        )
    retention.prune(ReminderConfig())
    assert ArchivedReminder.objects.count() == 3
    retention.prune(ReminderConfig(retention=Retention(archive=timedelta(days=10))))
    assert [row.pk for row in ArchivedReminder.objects.all()] == [2]


def test_the_trail_is_not_asked_to_forget_what_the_database_holds():
    """The trigger counts two years by the calendar, which are 731 days where a leap day is among them."""
    with connection.cursor() as cursor:
        for day in ("2027-03-01", "2028-02-29", "2028-03-01", "2029-02-28"):
            cursor.execute(
                "SELECT %s::timestamptz - interval '731 days' <= %s::timestamptz - interval '2 years'",
                [day, day],
            )
            assert cursor.fetchone() == (True,), day


def test_uploads_have_their_own_setting(clock, django_user_model):
    owner = django_user_model.objects.create(username="olga")
    for days in (2, 4):
        TableUpload.objects.create(
            owner=owner, name="a.csv", content=b"", mapping={}, created_at=clock.now() - timedelta(days=days)
        )
    retention.prune(ReminderConfig(retention=Retention(uploads=timedelta(days=3))))
    assert TableUpload.objects.get().created_at == clock.now() - timedelta(days=2)
    retention.prune(ReminderConfig())
    assert not TableUpload.objects.exists()
