"""A person who was entered twice becomes one: nothing is told twice or lost, and what was sent stays explained."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import limits
from assignments import contact_points, people, teams
from assignments.merging import NotMergeable
from assignments.models import Answer, Assignee, Assignment
from assignments.team_scope import TeamScope
from notifications.message import Outcome
from reminders.content import links
from reminders.content.links import Link
from reminders.delivery import deliver, dispatch, scan
from reminders.insight import trail
from reminders.insight.explain.explain import explain
from reminders.insight.trail import TrailFilter
from reminders.ledger import opt_outs
from reminders.models import Audit, OptOut, Reminder, ReminderRule
from reminders.operations import merging, reminder_rules
from reminders.operations.plans import PlanChanged
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory, overdue_notice
from tests.fakes.api_caller import ApiCaller
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(config, channel_of):
    def turn():
        scan.scan(trigger="cli", config=config)
        desk = MemoryBroker()
        dispatch.dispatch(config=config, broker=desk)
        return deliver.deliver(desk.hints(), config=config, channel=channel_of)

    return turn


@pytest.fixture
def ada(clock):
    return AssigneeFactory(name="Ada", reference="P-1", email="ada@example.test")


@pytest.fixture
def twin(clock):
    return AssigneeFactory(
        name="A. Lovelace", reference="X-9", email="lovelace@example.test", phone="+4930123456"
    )


@pytest.fixture
def merge(config):
    def merged(kept, gone, **more):
        return merging.merge(kept.pk, gone.pk, by="olga", reason="one person", config=config, **more)

    return merged


def rows(**more):
    found = Reminder.objects.exclude(channel="none").filter(**more).order_by("id")
    return [(row.kind, row.version, row.recipient, row.state, row.reason) for row in found]


def test_what_was_told_is_not_told_again_and_an_answer_stays(run, merge, ada, twin, outbox, clock):
    told = AssignmentFactory(soon=True, assignee=twin)
    run()
    acting.confirm(told)
    coming = AssignmentFactory(assignee=twin)
    merge(ada, twin)
    clock.advance(timedelta(minutes=2))
    run()
    assert [message.address for message in outbox.messages] == ["lovelace@example.test"]
    told.refresh_from_db()
    assert (told.assignee, told.version, told.answer) == (ada, 1, Answer.CONFIRMED)
    assert rows(assignment=told) == [("REMINDER", 1, f"assignee:{ada.pk}", "SENT", "")]
    clock.advance(timedelta(minutes=30))
    run()
    assert [message.address for message in outbox.messages] == ["lovelace@example.test", "ada@example.test"]
    assert rows(assignment=coming) == [("REMINDER", 1, f"assignee:{ada.pk}", "SENT", "")]


def test_a_change_after_it_is_told_to_the_one_person_once(run, merge, ada, twin, outbox, clock):
    work = AssignmentFactory(soon=True, assignee=twin)
    run()
    merge(ada, twin)
    call = ApiCaller("write")
    later = (NOON + timedelta(hours=3)).isoformat()
    assert call.post(f"/api/assignments/{work.pk}/reschedule", {"scheduled_start": later}).status_code == 200
    clock.advance(timedelta(minutes=2))
    run()
    assert [message.address for message in outbox.messages] == ["lovelace@example.test", "ada@example.test"]
    assert "moved" in outbox.messages[1].text


def test_addresses_teams_rules_and_opt_outs_move(merge, ada, twin, config):
    same = contact_points.add_point(twin.pk, "email", "ADA@example.test")
    contact_points.opt_out(same.pk)
    team = teams.add_team(name="North", supervisors=[twin.pk])
    rule = reminder_rules.add_rule(
        {
            "name": "Twice",
            "audience": "assignee",
            "trigger": "before_start",
            "minutes": 45,
            "scope": "person",
            "scope_value": str(twin.pk),
        },
        by="olga",
    )
    opt_outs.opt_out(twin.pk, "default", via=OptOut.Via.PAGE, config=config)
    merge(ada, twin)
    points = contact_points.points_of(ada.pk)
    assert [(one.order, one.channel, one.address) for one in points] == [
        (1, "email", "ada@example.test"),
        (2, "email", "lovelace@example.test"),
        (3, "sms", "+4930123456"),
    ]
    assert points[0].opted_out_at is not None  # They have said so of this address.
    ada.refresh_from_db()
    assert (ada.email, ada.phone, ada.way) == ("ada@example.test", "+4930123456", f"email:{points[1].pk}")
    assert list(team.supervisors.all()) == [ada]
    assert ReminderRule.objects.get(pk=rule.pk).scope_value == str(ada.pk)
    assert [one.rule for one in opt_outs.in_force(ada.pk)] == ["default"]
    twin.refresh_from_db()
    assert (twin.email, twin.phone, twin.way, twin.merged_into) == ("", "", "", ada)
    assert contact_points.points_of(twin.pk) == []
    audit = Audit.objects.get(action="merge_people")
    assert (audit.reason, audit.selection) == ("one person", {"kept": ada.pk, "gone": twin.pk})
    assert "example.test" not in str([audit.before, audit.after])


def test_addresses_of_a_chat_service_that_differ_in_case_are_two(merge, ada, twin, settings):
    settings.CHAT_SCHEMES = ("json",)
    for person, secret in ((ada, "aBc"), (twin, "AbC")):
        contact_points.add_point(person.pk, "chat", f"json://chat.example.org/{secret}")
    merge(ada, twin)
    assert [one.address for one in contact_points.points_of(ada.pk) if one.channel == "chat"] == [
        "json://chat.example.org/aBc",
        "json://chat.example.org/AbC",
    ]


def test_a_notice_that_both_would_get_goes_once(merge, ada, twin, clock):
    team = teams.add_team(name="North", supervisors=[ada.pk, twin.pk])
    work = AssignmentFactory(past=True, team_id=team.pk)
    for person in (ada, twin):
        overdue_notice(work, due_at=NOON, recipient=f"person:{person.pk}")
    other = AssignmentFactory(past=True, team_id=team.pk)
    overdue_notice(other, due_at=NOON, recipient=f"person:{twin.pk}")
    merge(ada, twin)
    assert [row[2:] for row in rows(kind="OVERDUE")] == [
        (f"person:{ada.pk}", "PLANNED", ""),
        (f"person:{twin.pk}", "SKIPPED", "operator"),
        (f"person:{ada.pk}", "PLANNED", ""),
    ]


def test_links_in_mails_that_were_sent_still_work(run, merge, ada, twin, clock):
    work = AssignmentFactory(soon=True, assignee=twin)
    run()
    path = f"/a/{links.token_of(Link(work.pk, twin.pk, 1))}"
    merge(ada, twin)
    page = Client().get(path)
    assert page.status_code == 200
    assert Client().post(path, {"act": "confirm", "version": 1}).status_code == 303
    work.refresh_from_db()
    assert work.answer == Answer.CONFIRMED


def test_imports_that_name_the_second_mean_the_first(merge, ada, twin):
    merge(ada, twin)
    call = ApiCaller("read", "write")
    row = {"title": "Job", "scheduled_start": "2026-06-15T15:00:00Z"}
    for number, named in enumerate(({"reference": "X-9", "name": "Somebody"}, {"id": twin.pk})):
        body = [{**row, "reference": f"W-{number}", "assignee": named}]
        assert call.post("/api/assignments/import?match_ids=1", body).json()["created"] == 1
    assert set(Assignment.objects.values_list("assignee", flat=True)) == {ada.pk}
    assert Assignee.objects.count() == 2
    ada.refresh_from_db()
    assert (ada.name, ada.reference) == ("Ada", "P-1")
    assert [one["id"] for one in call.get("/api/people").json()["results"]] == [ada.pk]
    assert call.get(f"/api/people/{twin.pk}").status_code == 404


def test_imports_of_a_limited_caller_mean_the_first_too(clock, merge):
    team = teams.add_team(name="North")
    ada, twin = (AssigneeFactory(reference=one, team_id=team.pk) for one in ("P-1", "X-9"))
    merge(ada, twin)
    found = people.identify({"reference": "X-9"}, scope=TeamScope(frozenset({team.pk})))
    assert found.pk == ada.pk


def test_it_is_explained(run, merge, ada, twin, config):
    work = AssignmentFactory(soon=True, assignee=twin)
    run()
    merge(ada, twin)
    answer = explain(work, config=config)
    assert answer.summary.startswith("The reminder was accepted")
    assert f"Ada (assignee {ada.pk})" in answer.to


@pytest.mark.parametrize("fate", ["sending", "in doubt"])
def test_while_a_message_is_on_its_way_nothing_is_merged(run, merge, ada, twin, outbox, fate, clock):
    work = AssignmentFactory(soon=True, assignee=twin)
    if fate == "in doubt":
        outbox.answer_with(Outcome.UNKNOWABLE)
        run()
    else:
        Reminder.objects.filter(assignment=work, kind="REMINDER").update(
            state="SENDING", lease_until=NOON + timedelta(minutes=1), attempts=1
        )
    before = rows(assignment=work)
    with pytest.raises(NotMergeable, match=f"assignment {work.pk}"):
        merge(ada, twin)
    assert rows(assignment=work) == before
    assert Assignee.objects.filter(merged_into=None).count() == 2


def test_who_is_one_already_is_not_merged(merge, ada, twin):
    with pytest.raises(NotMergeable, match="one already"):
        merge(ada, ada)
    merge(ada, twin)
    for kept, gone in ((ada, twin), (twin, ada)):
        with pytest.raises(NotMergeable, match="merged"):
            merge(kept, gone)


def test_a_third_who_is_merged_into_the_first_takes_the_second_along(merge, ada, twin):
    third = AssigneeFactory()
    merge(ada, twin)
    merge(third, ada)
    twin.refresh_from_db()
    assert twin.merged_into == third


def test_what_was_shown_is_what_is_done(merge, ada, twin):
    plan = merging.plan_merge(ada.pk, twin.pk).fingerprint
    AssignmentFactory(assignee=twin)
    with pytest.raises(PlanChanged):
        merge(ada, twin, plan=plan)
    with pytest.raises(ValidationError):
        merging.merge(ada.pk, twin.pk, by="olga", reason=" ", config=None)


def test_the_command_shows_first_and_does_it_with_a_reason(ada, twin, capsys):
    call_command("merge_people", ada.pk, twin.pk)
    assert "addresses: 2" in capsys.readouterr().out
    assert Assignee.objects.filter(merged_into=None).count() == 2
    with pytest.raises(CommandError, match="a reason is needed"):
        call_command("merge_people", ada.pk, twin.pk, "--yes")
    call_command("merge_people", ada.pk, twin.pk, "--yes", "--reason", "one person")
    assert Assignee.objects.get(pk=twin.pk).merged_into_id == ada.pk
    with pytest.raises(CommandError, match="there is no person 4711"):
        call_command("merge_people", ada.pk, 4711)


def test_on_the_ops_page(operator, viewer, ada, twin):
    work = AssignmentFactory(title="Boiler", assignee=twin)
    url = f"/ops/people/{ada.pk}/merge"
    assert viewer.get(url).status_code == 403
    assert "There is no person" in operator.get(url, {"other": "somebody"}).content.decode()
    shown = operator.get(url, {"other": "X-9"})
    assert "Boiler" in shown.content.decode()
    values = {"other": f"#{twin.pk}", "plan": shown.context["plan"].fingerprint}
    assert "This field is required" in operator.post(url, values).content.decode()
    assert "has changed since" in operator.post(url, {**values, "plan": "x", "reason": "x"}).content.decode()
    done = operator.post(url, {**values, "reason": "one person"})
    assert (done.status_code, done["Location"]) == (302, f"/ops/people/{ada.pk}")
    work.refresh_from_db()
    assert work.assignee == ada
    assert operator.get(f"/ops/people/{twin.pk}")["Location"] == f"/ops/people/{ada.pk}"


def test_an_operator_of_a_team_merges_nobody_with_other_work(operator, clock, merge):
    north, south = (teams.add_team(name=name) for name in ("North", "South"))
    ada, twin = (AssigneeFactory(team_id=north.pk) for _ in range(2))
    AssignmentFactory(assignee=twin, team_id=south.pk)
    limits.limit_user(get_user_model().objects.get(username="olga"), [north.pk], by="root")
    page = operator.get(f"/ops/people/{ada.pk}/merge", {"other": f"#{twin.pk}"})
    assert "has work outside of your teams" in page.content.decode()


def test_the_history_of_work_and_person_says_who_merged_them(merge, ada, twin, config, operator):
    work, other = AssignmentFactory(assignee=twin), AssignmentFactory(assignee=ada)
    merge(ada, twin)
    both = f"{twin.name} (person {twin.pk}) and Ada (person {ada.pk})"
    merged = f"{both} are one person: merged by olga, and the work moved with it."
    assert [step.summary for step in explain(work, config=config).history if "merged" in step.summary] == [
        merged
    ]
    assert not any("merged" in step.summary for step in explain(other, config=config).history)
    page = operator.get(f"/ops/people/{ada.pk}").content.decode()
    assert f"{twin.name} (person {twin.pk}) was merged into this person by olga, with 1 assignment." in page
    assert "Reason: one person" in page


def test_the_trail_of_a_team_has_merges_of_its_people(merge, ada, twin):
    team = teams.add_team(name="North")
    Assignee.objects.filter(pk=ada.pk).update(team=team)
    merge(ada, twin)
    own, other = (TeamScope(frozenset({pk})) for pk in (team.pk, 0))
    (line,) = trail.lines(list(trail.entries(TrailFilter(kind="merge_people"), own)), own)
    assert f"{line.actor} {line.before}" == f"olga merged “{twin.name}” into Ada"
    assert list(trail.entries(TrailFilter(kind="merge_people"), other)) == []
