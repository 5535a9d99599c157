"""The Ops list of the ledger: whom each row is for, and which rule has made it."""

from datetime import datetime, timedelta

import pytest
from django.contrib.auth import get_user_model

from accounts import limits
from assignments import services, teams
from reminders.delivery import scan
from reminders.models import Kind, Reminder
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.rule_factory import key, rule
from tests.stage import Ticks

pytestmark = pytest.mark.django_db
URL = "/ops/reminders?show=all"
HOUR = timedelta(hours=1)


@pytest.fixture
def reader(viewer, clock):
    return viewer


def lines(page) -> list[tuple[str, str, str]]:
    return sorted((line.row.kind, line.to, line.rule) for line in page.context["lines"])


def another(row: Reminder, **values: object) -> None:
    """A copy of a row of the ledger with other values."""
    row.pk = None
    for name, value in {"kind": Kind.ESCALATION, **values}.items():
        setattr(row, name, value)
    row.save(force_insert=True)


@pytest.fixture
def ledger(clock):
    """A reminder, and notices to a supervisor and to Ops, of a rule each; the rule and the team."""
    boss = AssigneeFactory(name="Boss <b>")
    team = teams.add_team(name="North", supervisors=[boss.pk])
    work = AssignmentFactory(assignee=AssigneeFactory(name="Ada", team_id=team.pk))
    made = rule(
        name="No <word>", audience="supervisors", trigger="unanswered", scope="team", scope_value=str(team.pk)
    )
    row = Reminder.objects.get(assignment=work, kind=Kind.REMINDER)
    another(row, rule=f"unanswered:{key(made)}#2", recipient=f"person:{boss.pk}")
    another(row, rule=f"declined:17:{key(made)}", recipient="ops:1a2b")
    another(row, rule="late:18", recipient=f"person:{boss.pk}")
    return made, team


def test_each_row_names_who_it_is_for_and_its_rule(reader, ledger):
    page = reader.get(URL)
    assert lines(page) == [
        ("ESCALATION", "Boss <b>", ""),
        ("ESCALATION", "Boss <b>", "No <word>"),
        ("ESCALATION", "Ops", "No <word>"),
        ("REMINDER", "Ada", ""),
    ]
    text = page.content.decode()
    assert "<bdi>Boss &lt;b&gt;</bdi>" in text
    assert "rule <bdi>No &lt;word&gt;</bdi>" in text


def test_a_correction_names_its_recipient_not_who_has_the_work_now(reader, clock):
    work, bea = AssignmentFactory(assignee__name="Ada", soon=True), AssigneeFactory(name="Bea")
    former = work.assignee_id
    services.reassign(work.pk, assignee_id=bea.pk)
    row = Reminder.objects.filter(kind=Kind.REMINDER).latest("id")
    another(row, kind=Kind.CORRECTION, rule="1", recipient=f"assignee:{former}")
    assert ("CORRECTION", "Ada", "") in lines(reader.get(URL))


def test_the_list_is_narrowed_to_the_rows_of_a_rule(reader, ledger):
    made, _ = ledger
    other = rule(name="Other", minutes=45)
    Reminder.objects.filter(kind=Kind.REMINDER).update(rule=key(other))
    assert len(lines(reader.get(f"{URL}&rule={made.pk}"))) == 2
    assert lines(reader.get(f"{URL}&rule={other.pk}")) == [("REMINDER", "Ada", "Other")]
    for unknown in ("999", "x", "-1", "1;--"):
        assert reader.get(f"{URL}&rule={unknown}").status_code == 200


def test_who_is_limited_to_teams_is_offered_their_rules_alone(reader, ledger):
    _, team = ledger
    rule(name="Everybody's", minutes=45)
    limits.limit_user(get_user_model().objects.get(), [team.pk], by="root")
    page = reader.get(URL)
    choices = [name for _, name in page.context["filters"].form.fields["rule"].choices]
    assert choices == ["any", "No <word>"]
    # The supervisor belongs to no team of theirs.
    boss = Reminder.objects.get(rule__endswith="#2").recipient
    assert ("ESCALATION", boss.replace(":", " "), "No <word>") in lines(page)


def test_an_assignment_with_several_reminders_shows_the_next_to_come_and_then_the_last_that_was_sent(
    reader, clock, config, outbox
):
    """As its explanation does; whichever row the database gives first."""
    work = AssignmentFactory(scheduled_start=NOON + HOUR, lead_minutes=[50, 20], assignee__time_zone="UTC")
    scan.scan(trigger="cli", config=config)
    ticks = Ticks(clock, config, outbox)

    def shown() -> tuple[str, datetime]:
        [(_, row, _)] = reader.get("/ops/assignments?when=any").context["lines"]
        return row.state, row.due_at

    early, late = NOON + timedelta(minutes=10), NOON + timedelta(minutes=40)
    assert shown() == ("PLANNED", early)
    # Written again, a row is the last that a plain query finds.
    Reminder.objects.filter(assignment=work, due_at=early).update(payload={})
    assert shown() == ("PLANNED", early)
    clock.set(early)
    ticks.deliver_due()
    Reminder.objects.filter(assignment=work, due_at=early).update(payload={})
    assert shown() == ("PLANNED", late)
    clock.set(late)
    ticks.deliver_due()
    Reminder.objects.filter(assignment=work, due_at=early).update(payload={})
    assert shown() == ("SENT", late)
