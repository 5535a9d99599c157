"""Somebody who has been through everything that there is is found nowhere after their erasure, and others are whole."""

import io
import json
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from openpyxl import Workbook

from accounts import roles
from accounts.models import SavedView
from assignments import contact_points, services, teams
from assignments.history import Actor
from assignments.imports.rows import row_of
from assignments.imports.writer import import_rows
from assignments.models import Assignee, Assignment, CalendarSource
from notifications.channels import registry
from reminders import conf
from reminders.ledger import archive, audit, opt_outs
from reminders.models import ArchivedReminder, Audit, OptOut
from reminders.operations import contact_points as operated
from reminders.operations import erasing, merging, pauses, reminding, subscriptions, verifications
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.api_caller import ApiCaller
from tests.logins import signed_in, staff
from tests.rule_factory import rule
from tests.sms_stage import sms_stage
from tests.traces import columns, traces

pytestmark = [pytest.mark.django_db, pytest.mark.no_cover]

DAY = timedelta(days=1)
NAME, TWIN, FORMER = "Ada Löwenstein", "A. J. Löwenstein", "Ada Mädchenname"
MAIL, HOME, PHONE, CHAT = (
    "ada.l@example.test",
    "ada@home.test",
    "+4915112345678",
    "ntfy://ntfy.test/ada-secret",
)
REFERENCE, OTHER_REFERENCE = "HR-ADA-17", "payroll/8812-A"
NOTE = "my child has the measles"
WORDS = {
    "name": NAME,
    "twin": TWIN,
    "former name": FORMER,
    "mail": MAIL,
    "home": HOME,
    "phone": PHONE,
    "phone as dialled": "01511 2345678",
    "chat": "ada-secret",
    "reference": REFERENCE,
    "other reference": OTHER_REFERENCE,
    "note": NOTE,
}
OTHERS = [
    {"name": "Mary Ada Löwenstein", "email": "mary.ada.l@example.test", "reference": "HR-ADA-171"},
    {"name": "Ada Löwensteiner", "email": "xada.l@example.test", "phone": "+49151123456789"},
    {"name": "Ben Zweitmann", "email": "ben@example.test", "reference": "X-HR-ADA-17"},
]
ABOUT_OTHERS = (
    "Mary Ada Löwenstein (HR-ADA-171, mary.ada.l@example.test) and "
    "Ada Löwensteiner (xada.l@example.test, +49151123456789)"
)


@pytest.fixture
def stage(clock, settings, tmp_path) -> Iterator[Any]:
    settings.SECURE_SSL_REDIRECT = False
    settings.STATIC_ROOT = tmp_path
    settings.MAIL_SINK_DIR = str(tmp_path)
    settings.WEBHOOK_ALLOW_PRIVATE = True
    settings.CHAT_SCHEMES = ["ntfy"]
    with sms_stage() as made:
        yield made


def work_for(person: Assignee | None, title: str, **more: Any) -> Assignment:
    return AssignmentFactory(
        assignee=person, title=title, scheduled_start=NOON + timedelta(minutes=20), **more
    )


def finish(work: Assignment) -> None:
    acting.start(work.pk)
    acting.complete(work.pk)


@pytest.fixture
def world(stage, clock, monkeypatch, tmp_path) -> Any:
    """A person who has done everything that there is to do."""
    settings_config = stage.config
    monkeypatch.setattr(conf, "current", lambda: settings_config)
    monkeypatch.setattr(registry, "get", {"memory": stage.mail, "sms": stage.sms}.__getitem__)
    olga = signed_in(staff("olga", roles.OPERATORS))
    root = signed_in(staff("root", is_superuser=True))
    team = teams.add_team(name="Night shift")
    subscriptions.subscribe(
        name="payroll",
        url="http://127.0.0.1:9/hook",
        events=["reminder.sent", "assignment.declined", "assignment.late"],
        by="olga",
    )
    others = [AssigneeFactory(**{"phone": "", **one}) for one in OTHERS]
    ada = AssigneeFactory(name=FORMER, reference=REFERENCE, email=MAIL, phone=PHONE)
    form = {"name": NAME, "reference": REFERENCE, "email": MAIL, "phone": PHONE, "time_zone": "Europe/Berlin"}
    points = {"contact_points-TOTAL_FORMS": 0, "contact_points-INITIAL_FORMS": 0}
    for name, language in ((FORMER, "fr"), (NAME, "de")):
        changes = {**form, **points, "name": name, "language": language, "team": ""}
        changed = root.post(f"/admin/assignments/assignee/{ada.pk}/change/", changes)
        assert changed.status_code == 302, changed.content.decode()
    ada.refresh_from_db()
    assert ada.name == NAME
    operated.add(ada.pk, "email", HOME, by="olga", reason=f"{NAME} has moved")
    operated.add(ada.pk, "chat", CHAT, by="olga", reason=f"call {PHONE} first")
    mail, phone, home, _ = contact_points.points_of(ada.pk)
    teams.change_team(team.pk, {"supervisors": [ada.pk], "phone": PHONE, "reply_to": MAIL})
    rule(name=f"Early call for {NAME}", scope="person", scope_value=str(ada.pk), minutes=60)

    # Mail, bounce, act, decline, correction, reassignment.
    first = work_for(ada, "Pump", notes=f"{NAME} has the key", location="Hall 1")
    declined, moved, given = work_for(ada, "Gate"), work_for(ada, "Door"), work_for(ada, "Lift")
    stage.tick()
    assert stage.mail.messages
    acting.confirm(first)
    acting.decline(declined, note=NOTE)
    services.reschedule(moved.pk, start=NOON + timedelta(hours=3), actor=acting.OLGA)
    services.reassign(given.pk, assignee_id=others[2].pk, actor=acting.OLGA)
    services.change(first.pk, {"title": f"Pump with {NAME}"}, actor=acting.OLGA)
    clock.advance(timedelta(minutes=2))
    stage.tick()
    contact_points.mark_failing(mail.pk, "550 no such user")
    # SMS, its replies.
    contact_points.opt_out(home.pk)
    contact_points.opt_out(mail.pk)
    texted = work_for(ada, "Roof")
    clock.advance(timedelta(minutes=1))
    stage.tick()
    assert stage.gateway.taken
    stage.status(stage.gateway.taken[-1], "delivered")
    stage.reply("LATE 10", number=PHONE, sid="SM1")
    verifications.send(ada.pk, phone.pk, by="olga", config=settings_config)
    opt_outs.opt_out(ada.pk, "default", via=OptOut.Via.PAGE, config=settings_config)
    # Operators and their words.
    plan = reminding.plan_reminding([texted.pk], config=settings_config)
    reminding.run_reminding(plan, by="olga", reason=f"{NAME} lost the phone", config=settings_config)
    pauses.pause(by="olga", reason=f"{TWIN} asked, call 01511 2345678", until=None)
    audit.record("reset", by="olga", reason=f"Says löwenstein, ada; not {ABOUT_OTHERS}")
    other = work_for(
        others[0], f"Help {NAME.upper()}", notes=ABOUT_OTHERS + f", and {MAIL}, +49 151 123-45678, {HOME}"
    )
    AssignmentFactory(unassigned=True, reference=f"task/{REFERENCE}", title="Nobody's")
    acting.decline(declined, note=NOTE)
    # The API, with kept answers.
    call = ApiCaller("read", "write", "ops")
    body = {"reference": "W-1", "title": "By API", "scheduled_start": (NOON + DAY).isoformat()}
    who = {"reference": REFERENCE, "name": NAME, "email": MAIL}
    made = call.post("/api/assignments", {**body, "assignee": who}, Idempotency_Key="k-1")
    assert made.status_code == 201, made.content
    twin = call.post(
        "/api/people",
        {"reference": OTHER_REFERENCE, "name": TWIN, "email": "twin@home.test"},
        Idempotency_Key=f"new-{OTHER_REFERENCE}",
    )
    assert twin.status_code == 201, twin.content
    call.post("/api/people", {"name": "Carl Dritt", "email": "carl@example.test"}, Idempotency_Key="k-2")
    merging.merge(ada.pk, twin.json()["id"], by="olga", reason=f"{TWIN} is {NAME}", config=settings_config)
    # Imports by page, as CSV and as a spreadsheet.
    lines = f"Reference,Title,Start,Name,Email\nI-1,Import,2026-06-20 10:00,{NAME},{MAIL}\n"
    olga.post("/ops/import", {"file": SimpleUploadedFile("plan.csv", lines.encode())})
    book, packed = Workbook(), io.BytesIO()
    book.active.append(["Reference", "Title", "Start", "Name"])
    book.active.append(["I-2", "Import", "2026-06-20 10:00", NAME])
    book.save(packed)
    olga.post("/ops/import", {"file": SimpleUploadedFile("plan.xlsx", packed.getvalue())})
    olga.post(
        "/ops/import",
        {"file": SimpleUploadedFile("others.csv", b"Reference,Title,Start\nI-3,Import,2026-06-20 10:00\n")},
    )
    # A calendar that names them, saved views, sessions.
    feed = CalendarSource.objects.create(
        name=f"Calendar of {NAME}", url=f"https://cal.test/{MAIL.replace('@', '%40')}/x.ics"
    )
    of_feed = row_of(1, {"title": "Rounds", "reference": "C-1", "scheduled_start": NOON + DAY})
    import_rows([of_feed], feed=feed.pk, actor=Actor.calendar(feed.name))
    by_feed = Assignment.objects.get(reference="C-1").pk
    services.reschedule(by_feed, start=NOON + 2 * DAY, actor=Actor.calendar(feed.name))
    services.cancel(by_feed)
    user = get_user_model().objects.get(username="olga")
    SavedView.objects.create(user=user, page="people", name="Her", query="q=Ada+L%C3%B6wenstein")
    SavedView.objects.create(user=user, page="people", name="Others", query="q=Mary")
    session = olga.session
    session["last_search"] = NAME
    session.save()
    (tmp_path / "20260615T120000.000000Z-1.eml").write_bytes(f"To: {MAIL}\nSubject: x\n\nHello".encode())
    (tmp_path / "20260615T120000.000000Z-2.eml").write_bytes(b"To: ben@example.test\nSubject: x\n\nHello")
    # Work long ago, in the archive.
    pauses.resume(by="olga", reason="on")
    return SimpleNamespace(
        ada=ada,
        others=others,
        first=first,
        declined=declined,
        given=given,
        other=other,
        call=call,
        olga=olga,
        root=root,
        feed=feed,
        phone=phone,
        made=made,
        team=team,
        folder=tmp_path,
        twin=twin.json()["id"],
        stage=stage,
    )


def everything() -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables."""
    found = {}
    with connection.cursor() as cursor:
        for table in sorted({table for table, _ in columns()}):
            cursor.execute(f'SELECT to_jsonb(t) FROM "{table}" t ORDER BY t::text')
            found[table] = [json.loads(row) if isinstance(row, str) else row for (row,) in cursor.fetchall()]
    return found


def erase(world: Any, **more: Any) -> erasing.ErasureState:
    return erasing.erase(world.ada.pk, by="olga", reason=f"{NAME} has asked, by {MAIL}", seconds=None, **more)


def close_all(world: Any) -> None:
    for work in Assignment.objects.filter(assignee=world.ada).exclude(status="COMPLETED"):
        services.cancel(work.pk) if work.status == "SCHEDULED" else acting.complete(work.pk)


def test_nobody_finds_them_after_the_erasure_and_others_are_whole(world, clock):
    clock.advance(DAY)
    close_all(world)
    world.stage.tick()
    clock.set(NOON + 100 * DAY)
    archive.archive_batch(after=90 * DAY)
    assert ArchivedReminder.objects.exists()
    before, found = everything(), traces(WORDS)
    missing = [
        place
        for place in (
            "assignments_assignee.name: name",
            "assignments_contactpoint.address: chat",
            "assignments_act.note: note",
            "assignments_assignment.entered_by: name",
            "assignments_changerecord.actor: name",
            "assignments_changerecord.after: name",
            "assignments_tableupload.content: name",
            "assignments_calendarsource.url: mail",
            "access_savedview.query: name",
            "django_admin_log.object_repr: former name",
            "django_session.session_data: name",
            "reminders_audit.reason: phone as dialled",
            "reminders_audit.before: other reference",
            "reminders_keptanswer.body: twin",
            "reminders_keptanswer.key: other reference",
            "reminders_archivedreminder.row: name",
            "reminders_pause.reason: twin",
            "reminders_reminderrule.name: name",
        )
        if place not in found
    ]
    assert missing == [], sorted(found)
    erase(world)
    others = [value for one in OTHERS for value in one.values()]
    assert sorted(traces(WORDS, others=others)) == []
    after = everything()
    pseudonym = f"erased-person-{world.ada.pk}"
    for table, rows in before.items():
        kept = [json.dumps(row, sort_keys=True) for row in after[table]]
        for row in rows:
            text = json.dumps(row, ensure_ascii=False).casefold()
            if not any(word.casefold() in text for word in WORDS.values()) and table not in CHANGED_OTHERWISE:
                assert json.dumps(row, sort_keys=True) in kept, (table, row)
    for one in world.others:
        fresh = Assignee.objects.get(pk=one.pk)
        assert (fresh.name, fresh.reference, fresh.email, fresh.phone) == (
            one.name,
            one.reference,
            one.email,
            one.phone,
        )
    assert Audit.objects.filter(reason=f"Says {pseudonym}; not {ABOUT_OTHERS}").count() == 1
    world.other.refresh_from_db()
    assert world.other.title == f"Help {pseudonym}"
    assert world.other.notes.startswith(ABOUT_OTHERS)
    entry = Audit.objects.filter(action="erase_person").get()
    assert entry.reason == f"{pseudonym} has asked, by {pseudonym}"
    assert SavedView.objects.values_list("name", flat=True).get() == "Others"
    assert [path.name for path in world.folder.glob("*.eml")] == ["20260615T120000.000000Z-2.eml"]


CHANGED_OTHERWISE = {
    "access_savedview",
    "django_session",
    # Rows of the person that name them by id alone, and counters.
    *("assignments_assignee", "assignments_assignment", "assignments_team", "assignments_contactpoint"),
    *(
        "reminders_counter",
        "reminders_verification",
        "reminders_smsreply",
        "reminders_optout",
        "reminders_reminderrule",
    ),
    *("reminders_reminder", "assignments_tableuploadpart", "assignments_tableupload", "reminders_rulechange"),
}
