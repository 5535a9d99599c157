"""A person is erased by command, page or call alike: never while work is open, for good, and by nobody who may not."""

import json
import threading
from datetime import timedelta
from io import StringIO

import psycopg
import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.db.utils import DatabaseError

from accounts import roles
from assignments import calendar_links as addresses
from assignments import contact_points, people, services, teams
from assignments.erased_keys import PersonErased
from assignments.erasing import NotErasable
from assignments.history import Actor
from assignments.imports.results import RowsRefused
from assignments.imports.rows import ImportRow
from assignments.imports.writer import import_rows
from assignments.models import Act, Assignee, Assignment, ChangeRecord, ErasedKey, Erasure
from assignments.team_scope import TeamScope
from reminders.content import calendar_links, links
from reminders.content.links import Link
from reminders.content.message_templates import active
from reminders.delivery import retention
from reminders.insight.explain.explain import explain
from reminders.ledger import audit, erased_tables, erased_texts
from reminders.models import Audit, Kind, Reminder, State
from reminders.operations import erasing, merging, message_templates
from reminders.operations.contact_points import UnknownPerson
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.api_caller import ApiCaller, faults
from tests.logins import signed_in, staff

pytestmark = pytest.mark.django_db
ADA = {"name": "Ada Lovelace", "reference": "HR-17-A", "email": "ada@example.test", "phone": "+4930123456"}


@pytest.fixture
def ada(clock):
    return AssigneeFactory(**ADA)


def erase(person, **more):
    return erasing.erase(person.pk, by="olga", reason="she has asked", seconds=None, **more)


def done(person):
    work = AssignmentFactory(assignee=person, scheduled_start=NOON + timedelta(minutes=10))
    acting.start(work.pk)
    acting.complete(work.pk)
    return Assignment.objects.get(pk=work.pk)


# --- refusals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("started", [False, True])
def test_work_that_is_still_to_be_done_refuses_it_and_is_named(ada, started):
    work = AssignmentFactory(assignee=ada, title="Pump")
    if started:
        acting.start(work.pk)
    with pytest.raises(
        NotErasable, match=rf"{work.pk} 'Pump'.*Complete it, cancel it or give it to somebody else"
    ):
        erase(ada)
    assert Assignee.objects.get(pk=ada.pk).name == "Ada Lovelace"
    assert not Erasure.objects.exists()
    assert not Audit.objects.exists()


def test_of_much_open_work_the_next_is_named_and_the_rest_counted(ada):
    for _ in range(7):
        AssignmentFactory(assignee=ada)
    with pytest.raises(NotErasable, match="and 2 more"):
        erase(ada)


def test_a_message_on_its_way_refuses_it(ada):
    work = done(ada)
    Reminder.objects.filter(assignment=work, kind=Kind.REMINDER).update(
        state=State.SENDING, reason="", closed_at=None, lease_until=NOON + timedelta(minutes=1)
    )
    with pytest.raises(NotErasable, match=f"assignment {work.pk} is being sent: try again"):
        erase(ada)


def test_without_a_reason_nothing_is_done(ada):
    with pytest.raises(ValidationError, match="a reason is needed"):
        erasing.erase(ada.pk, by="olga", reason=" ")
    assert Assignee.objects.get(pk=ada.pk).erased_at is None


def test_who_was_merged_into_another_is_erased_with_that_one(ada, config):
    twin = AssigneeFactory(name="A. Lovelace", reference="HR-18-B")
    merging.merge(ada.pk, twin.pk, by="olga", reason="one", config=config)
    with pytest.raises(NotErasable, match=f"merged into person {ada.pk}: erase that one"):
        erase(twin)
    erase(ada)
    gone = Assignee.objects.get(pk=twin.pk)
    assert (gone.name, gone.reference) == (f"erased-person-{ada.pk}", None)


def test_a_limited_operator_erases_nobody_of_or_with_work_of_other_teams(ada):
    mine, other = teams.add_team(name="Mine"), teams.add_team(name="Other")
    scope = TeamScope(frozenset({mine.pk}))
    with pytest.raises(UnknownPerson):
        erase(ada, scope=scope)
    Assignee.objects.filter(pk=ada.pk).update(team=mine)
    work = done(ada)
    Assignment.objects.filter(pk=work.pk).update(team=other)
    with pytest.raises(NotErasable, match="work outside of your teams"):
        erase(ada, scope=scope)
    Assignment.objects.filter(pk=work.pk).update(team=None)
    assert erase(ada, scope=scope).finished


# --- what is left ----------------------------------------------------------------------------------------------


def test_what_waits_for_them_ends_and_they_supervise_nobody(ada):
    team = teams.add_team(name="Night", supervisors=[ada.pk])
    work = done(ada)
    row = Reminder.objects.create(
        assignment=work, version=1, kind=Kind.CORRECTION, recipient=f"assignee:{ada.pk}", channel="memory",
        planned_start=NOON, due_at=NOON, next_attempt_at=NOON,
    )  # fmt: skip
    erase(ada)
    row.refresh_from_db()
    assert (row.state, row.reason) == ("SKIPPED", "operator")
    assert list(team.supervisors.all()) == []
    assert contact_points.points_of(ada.pk) == []


def test_links_and_the_calendar_end(ada, client, settings):
    settings.SECURE_SSL_REDIRECT = False
    work = done(ada)
    link = links.token_of(Link(assignment_id=work.pk, assignee_id=ada.pk, version=work.version))
    calendar = calendar_links.path_of(ada)
    assert client.get(f"/a/{link}").status_code == 200
    assert client.get(calendar).status_code == 200
    erase(ada)
    assert client.get(f"/a/{link}").status_code == 410
    assert client.get(calendar).status_code == 404
    assert calendar_links.path_of(Assignee.objects.get(pk=ada.pk)) == ""
    gone = Assignee.objects.get(pk=ada.pk)
    with pytest.raises(PersonErased):
        addresses.renew(gone)


def test_lists_pages_and_explanations_go_on(ada, config, settings, tmp_path):
    settings.SECURE_SSL_REDIRECT, settings.STATIC_ROOT = False, tmp_path
    work = done(ada)
    erase(ada)
    root = signed_in(staff("root", is_superuser=True))
    page = root.get(f"/ops/people/{ada.pk}")
    assert page.status_code == 200
    assert f"erased-person-{ada.pk}" in page.content.decode()
    pages = (
        "people",
        f"find?q=%23{work.pk}",
        "board",
        "day",
        f"assignments/{work.pk}",
        "audit",
        "people?q=Ada",
    )
    for path in (*pages, "simulator", "forecast", "assignments", "reminders"):
        assert root.get(f"/ops/{path}", follow=True).status_code == 200, path
    assert f"erased-person-{ada.pk}" not in root.get("/ops/people").content.decode()
    assert root.get(f"/ops/people/{ada.pk}/calendar").status_code == 302
    explain(work, config=config)
    call = ApiCaller("read", "privacy")
    assert call.get("/api/people").json()["results"] == []
    read = call.get(f"/api/people/{ada.pk}").json()
    assert (read["name"], read["reference"], read["email"]) == (f"erased-person-{ada.pk}", None, "")
    assert read["erased_at"] is not None
    exported = call.get(f"/api/people/{ada.pk}/export").json()
    assert [one["id"] for one in exported["assignments"]] == [work.pk]


# --- coming back -----------------------------------------------------------------------------------------------

BACK = [
    {"reference": "HR-17-A", "name": "Ada"},
    {"reference": "mailto:HR-17-A", "name": "Ada"},
    {"name": "Somebody", "email": "ADA@example.test"},
    {"name": "Somebody", "phone": "+49 30 123456"},
]


@pytest.mark.parametrize("who", BACK)
def test_nobody_is_entered_under_the_former_reference_or_address(ada, who):
    erase(ada)
    with pytest.raises(PersonErased, match="was erased, and is not entered again"):
        people.add_assignee(**who)
    call = ApiCaller("read", "write")
    body = {"title": "Pump", "scheduled_start": "2030-06-15T15:00:00Z", "assignee": who}
    refused = call.put("/api/assignments/by-reference/W-1", body)
    assert (refused.status_code, faults(refused)) == (409, [(None, "erased")])
    refused = call.post("/api/people", who)
    assert (refused.status_code, faults(refused)) == (409, [(None, "erased")])
    assert not Assignment.objects.exists()
    assert Assignee.objects.count() == 1


def test_nor_by_id_nor_by_giving_somebody_else_the_address(ada):
    ben = AssigneeFactory(name="Ben")
    work = AssignmentFactory(assignee=ben)
    old = done(ada)
    erase(ada)
    for call in (
        lambda: people.change_assignee(ben.pk, {"email": "ada@example.test"}),
        lambda: people.change_assignee(ben.pk, {"reference": "HR-17-A"}),
        lambda: people.change_assignee(ada.pk, {"name": "Ada"}),
        lambda: contact_points.add_point(ben.pk, "sms", "+4930123456"),
        lambda: contact_points.add_point(ada.pk, "email", "new@example.test"),
        lambda: services.reassign(work.pk, assignee_id=ada.pk),
        lambda: services.create(services.NewAssignment(title="x", scheduled_start=NOON, assignee_id=ada.pk)),
        lambda: people.identify({"id": ada.pk, "name": "Ada"}),
    ):
        with pytest.raises(PersonErased):
            call()
    with pytest.raises(ValidationError):
        teams.add_team(name="Night", supervisors=[ada.pk])
    assert Assignment.objects.get(pk=old.pk).assignee_id == ada.pk


def test_cancelled_work_of_theirs_is_not_opened_again(ada):
    work = AssignmentFactory(assignee=ada)
    services.cancel(work.pk)
    erase(ada)
    with pytest.raises(PersonErased):
        services.reinstate(work.pk)


def test_an_import_refuses_the_row_and_says_why_without_the_address(ada):
    erase(ada)
    values = {"reference": "W-1", "title": "x", "scheduled_start": NOON}
    rows = [ImportRow(number=1, values=values, assignee={"name": "x", "email": "ada@example.test"})]
    with pytest.raises(RowsRefused) as refused:
        import_rows(rows)
    [error] = refused.value.errors
    assert (error.row, error.code) == (1, "erased")
    assert "ada@" not in error.message


def test_the_pseudonym_is_nobodys_name_to_be_found_by(ada):
    AssigneeFactory(name="Only", email="", reference=None)
    erase(ada)
    found = people.identify({"name": f"erased-person-{ada.pk}"})
    assert found.pk != ada.pk


def test_an_address_that_another_has_too_is_theirs(ada):
    ben = AssigneeFactory(name="Ben Zweitmann", email="ada@example.test")
    note = AssignmentFactory(assignee=ben, notes="write to ada@example.test or call +4930123456")
    erase(ada)
    note.refresh_from_db()
    assert note.notes == f"write to ada@example.test or call erased-person-{ada.pk}"
    assert people.identify({"name": "Ben Zweitmann", "email": "ada@example.test"}).pk == ben.pk


def test_a_changed_secret_key_knows_them_by_the_former_one(ada, settings):
    erase(ada)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key of this installation, long enough"
    with pytest.raises(PersonErased):
        people.add_assignee(name="x", email="ada@example.test")


def test_an_operator_lifts_it_on_purpose(ada):
    erase(ada)
    assert ErasedKey.objects.count() == 3
    out = StringIO()
    call_command("erase_person", str(ada.pk), "--lift", "--reason", "works here again", stdout=out)
    assert "3 references and addresses" in out.getvalue()
    assert Audit.objects.get(action="allow_erased_person").reason == "works here again"
    again = people.add_assignee(**ADA)
    assert again.pk != ada.pk
    assert Assignee.objects.get(pk=ada.pk).name == f"erased-person-{ada.pk}"


# --- the database ----------------------------------------------------------------------------------------------


def tampered(row, **values):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        type(row).objects.filter(pk=row.pk).update(**values)


def test_append_only_tables_let_words_go_only_while_an_erasure_is_under_way(ada):
    audit.record("reset", by="olga", reason="Ada Lovelace was late", before={"7": {"status": "x"}})
    [line] = Audit.objects.all()
    word = f"erased-person-{ada.pk}"
    tampered(line, reason=f"{word} was late")
    Erasure.objects.create(person=ada)
    for values in (
        {"reason": "Ben was late"},
        {"reason": f"{word} was never late"},
        {"reason": ""},
        {"reason": f"{word} was late", "actor": "ben"},
        {"before": {}},
        {"before": {"7": {"status": "y"}}},
        {"action": word},
        {"at": NOON + timedelta(days=1)},
    ):
        tampered(line, **values)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        line.delete()
    Audit.objects.filter(pk=line.pk).update(reason=f"{word} was late")
    Erasure.objects.update(finished_at=NOON)
    tampered(line, reason=word)


def test_acts_and_changes_are_protected_alike(ada):
    work = AssignmentFactory(assignee=ada)
    acting.decline(work, note="I am ill")
    services.change(work.pk, {"title": "By Ada Lovelace"}, actor=Actor.ops("olga"))
    act, change = Act.objects.get(), ChangeRecord.objects.get()
    Erasure.objects.create(person=ada)
    tampered(act, note="I am well")
    tampered(act, actor="ben")
    tampered(change, after={"title": "By Ben"})
    tampered(change, actor=f"erased-person-{ada.pk}")
    Act.objects.update(note=f"erased-person-{ada.pk}")
    ChangeRecord.objects.update(after={"title": f"By erased-person-{ada.pk}"})


def test_the_name_of_a_calendar_as_who_changed_work_may_go_and_no_other(ada):
    work = AssignmentFactory()
    services.change(work.pk, {"title": "Rounds"}, actor=Actor.calendar("Calendar of Ada Lovelace"))
    [change] = ChangeRecord.objects.all()
    word = f"erased-person-{ada.pk}"
    tampered(change, actor=f"calendar Calendar of {word}")
    Erasure.objects.create(person=ada)
    for actor in (word, "calendar Calendar of Ben", "olga", ""):
        tampered(change, actor=actor)
    ChangeRecord.objects.update(actor=f"calendar Calendar of {word}")
    assert ChangeRecord.objects.get().actor == f"calendar Calendar of {word}"


@pytest.mark.parametrize("lead", range(0, 40, 3))
def test_a_text_that_would_become_too_long_is_still_one_that_words_were_taken_out_of(ada, lead):
    reason = ("x" * lead + " Ada Lovelace was late;" * 30)[:500]
    audit.record("reset", by="olga", reason=reason)
    assert erase(ada).finished
    line = Audit.objects.get(action="reset")
    word = f"erased-person-{ada.pk}"
    assert len(line.reason) <= 500
    assert "Ada" not in line.reason
    assert line.reason.endswith(word)
    rest = line.reason.replace(word, "").replace(" was late;", "").strip(" xwaste;l")
    assert rest == ""


def test_an_erasure_that_cannot_go_on_stops_nothing_else(ada, config, monkeypatch, caplog):
    erasing.erase(ada.pk, by="olga", reason="asked", seconds=0)

    def refuse(*_: object, **__: object) -> bool:
        raise DatabaseError("no")

    monkeypatch.setattr(erased_texts, "go_on", refuse)
    retention.prune(config)
    assert "Erasure does not go on" in caplog.text


# --- in parts --------------------------------------------------------------------------------------------------


def test_it_goes_on_where_it_was_left_and_the_scanner_ends_it(ada, config, monkeypatch):
    works = [AssignmentFactory(title=f"Call Ada Lovelace {n}") for n in range(7)]
    monkeypatch.setattr(erased_tables.TextTable, "batch", 2)
    state = erasing.erase(ada.pk, by="olga", reason="asked", seconds=0)
    assert not state.finished
    assert Assignee.objects.get(pk=ada.pk).name == f"erased-person-{ada.pk}"
    context = erased_texts.context_of(erased_texts.PersonWords.from_json(Erasure.objects.get().words))
    words = erased_texts.PersonWords.from_json(Erasure.objects.get().words)
    for _ in range(3):
        erased_texts._step(ada.pk, words, context)
    retention.prune(config)
    state = erasing.state_of(ada.pk)
    assert state.finished
    assert state.texts["assignments_assignment"] == 7
    assert Erasure.objects.get().words == {}
    assert {work.title for work in Assignment.objects.filter(pk__in=[one.pk for one in works])} == {
        f"Call erased-person-{ada.pk} {n}" for n in range(7)
    }


def test_the_same_again_changes_nothing(ada):
    first = erase(ada)
    assert erase(ada) == first
    assert Audit.objects.filter(action="erase_person").count() == 1


# --- who may ---------------------------------------------------------------------------------------------------


def test_the_call_needs_a_scope_of_its_own(ada):
    for scopes in (("read",), ("read", "write", "ops")):
        call = ApiCaller(*scopes)
        assert call.post(f"/api/people/{ada.pk}/erase", {"reason": "x"}).status_code == 403
        assert call.get(f"/api/people/{ada.pk}/export").status_code == 403
    call = ApiCaller("privacy")
    planned = call.post(f"/api/people/{ada.pk}/erase", {"reason": "x", "dry_run": True}).json()
    assert planned["plan"]["goes"]["contact_points"] == 2
    assert Assignee.objects.get(pk=ada.pk).erased_at is None
    work = AssignmentFactory(assignee=ada)
    refused = call.post(f"/api/people/{ada.pk}/erase", {"reason": "x"})
    assert (refused.status_code, faults(refused)) == (409, [(None, "not_erasable")])
    services.cancel(work.pk)
    answered = call.post(f"/api/people/{ada.pk}/erase", {"reason": "x"})
    assert (answered.status_code, answered.json()["finished"]) == (200, True)
    assert call.post(f"/api/people/{ada.pk}/erase", {"reason": "x"}).json() == answered.json()
    assert call.post("/api/people/4711/erase", {"reason": "x"}).status_code == 404


def test_the_page_previews_asks_for_the_number_and_erases(ada, settings, tmp_path):
    settings.SECURE_SSL_REDIRECT, settings.STATIC_ROOT = False, tmp_path
    done(ada)
    page = f"/ops/people/{ada.pk}/erase"
    for role in (roles.VIEWERS, roles.OPERATORS):
        browser = signed_in(staff(role, role))
        assert browser.get(page).status_code == 403
        assert browser.post(page, {"reason": "x", "confirm": ada.pk}).status_code == 403
        assert browser.post(f"/ops/people/{ada.pk}/export").status_code == 403
        assert "Erase this person" not in browser.get(f"/ops/people/{ada.pk}").content.decode()
    paula = signed_in(staff("paula", roles.PRIVACY_OFFICERS))
    assert "Erase this person" in paula.get(f"/ops/people/{ada.pk}").content.decode()
    shown = paula.get(page).content.decode()
    assert f"erased-person-{ada.pk}" in shown
    again = paula.post(page, {"reason": "asked", "confirm": "4711"})
    assert again.status_code == 200
    assert "That is another number" in again.content.decode()
    assert Assignee.objects.get(pk=ada.pk).erased_at is None
    assert paula.post(page, {"reason": "asked", "confirm": f"#{ada.pk}"}).status_code == 302
    assert Assignee.objects.get(pk=ada.pk).erased_at is not None
    [line] = Audit.objects.filter(action="erase_person")
    assert (line.actor, line.reason, line.selection) == ("paula", "asked", {"person": ada.pk})


def test_the_export_is_a_file_and_in_the_audit_trail(ada, settings, tmp_path):
    settings.SECURE_SSL_REDIRECT, settings.STATIC_ROOT = False, tmp_path
    paula = signed_in(staff("paula", roles.PRIVACY_OFFICERS))
    got = paula.post(f"/ops/people/{ada.pk}/export")
    assert got["Content-Disposition"] == f'attachment; filename="person-{ada.pk}.json"'
    assert json.loads(got.content)["person"]["name"] == "Ada Lovelace"
    [line] = Audit.objects.filter(action="export_person")
    assert (line.actor, line.selection) == ("paula", {"person": ada.pk})
    assert paula.get(f"/ops/people/{ada.pk}/export").status_code == 302


def test_the_command_counts_asks_and_answers_in_json(ada):
    audit.record("reset", by="olga", reason="Ada Lovelace was late")
    out = StringIO()
    call_command("erase_person", "HR-17-A", "--dry-run", stdout=out)
    assert "reminders_audit: 1" in out.getvalue()
    with pytest.raises(CommandError, match="--yes erases without asking"):
        call_command("erase_person", "HR-17-A", "--reason", "x", "--json")
    out = StringIO()
    call_command("erase_person", "HR-17-A", "--reason", "x", "--yes", "--json", stdout=out)
    answer = json.loads(out.getvalue())
    assert (answer["person"], answer["finished"], answer["texts"]) == (ada.pk, True, {"reminders_audit": 1})
    with pytest.raises(CommandError, match="no person with this reference or id"):
        call_command("erase_person", "HR-17-A", "--reason", "x")


# --- at the same time ------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("database", ["own", "another"])
def test_texts_wait_for_older_transactions_of_the_own_database_alone(ada, database):
    """Who wrote before the erasure may have read the name; who is in another database has not."""
    name = connection.settings_dict["NAME"] if database == "own" else "postgres"
    account = {key: connection.get_connection_params()[key] for key in ("host", "port", "user", "password")}
    with psycopg.connect(dbname=name, **account) as older:
        older.execute("SELECT pg_current_xact_id()")
        state = erasing.erase(ada.pk, by="olga", reason="she has asked", seconds=1)
        assert (state.finished_at is None) is (database == "own")
    assert erase(ada).finished_at is not None


@pytest.mark.django_db(transaction=True)
@pytest.mark.no_cover
@pytest.mark.parametrize("other", ["reassign", "import"])
def test_work_that_comes_at_the_same_time_is_there_first_or_not_at_all(clock, other):
    for turn in range(6):
        ada = AssigneeFactory(
            name=f"Ada Lovelace {turn}x", reference=f"HR-17-{turn}A", email=f"ada{turn}@example.test"
        )
        work = AssignmentFactory(unassigned=True)
        start, results = threading.Barrier(2), {}

        def give(ada=ada, work=work, start=start, results=results, turn=turn):
            start.wait()
            try:
                if other == "reassign":
                    services.reassign(work.pk, assignee_id=ada.pk)
                else:
                    person = people.identify({"reference": f"HR-17-{turn}A", "name": "Ada"})
                    services.reassign(work.pk, assignee_id=person.pk)
                results["given"] = True
            except PersonErased:
                results["given"] = False
            finally:
                connections.close_all()

        def remove(ada=ada, start=start, results=results):
            start.wait()
            try:
                erase(ada)
                results["erased"] = True
            except NotErasable:
                results["erased"] = False
            finally:
                connections.close_all()

        threads = [threading.Thread(target=one) for one in (give, remove)]
        for one in threads:
            one.start()
        for one in threads:
            one.join(60)
        assert results["given"] != results["erased"], results
        present = Assignment.objects.get(pk=work.pk)
        assert present.assignee_id == (ada.pk if results["given"] else None)
        assert (
            Assignee.objects.filter(erased_at=None, reference=f"HR-17-{turn}A").exists() is results["given"]
        )


def test_who_is_named_in_the_text_of_a_message_is_taken_out_and_the_text_stays_in_force(ada):
    saved, _ = message_templates.save_template(
        kind="reminder",
        channel="email",
        language="en",
        team_id=None,
        subject="{{ title }}",
        body="{{ time_line }}\nQuestions? Ada Lovelace, +4930123456",
        note="as Ada Lovelace has asked",
        by="ada@example.test",
    )
    active.expire()
    active.refresh()
    erase(ada)
    gone = f"erased-person-{ada.pk}"
    saved.refresh_from_db()
    assert (saved.subject, saved.note, saved.made_by) == (
        "{{ title }}",
        f"as {gone} has asked",
        "ada@example.test",
    )
    assert "Lovelace" not in saved.body
    assert "30123456" not in saved.body
    active.expire()
    active.refresh()
    text = active.text_for("reminder", "email", languages=("en",), built_in="en", team_id=None)
    assert text is not None
    assert (text.body, text.checked.problems) == (saved.body, ())
