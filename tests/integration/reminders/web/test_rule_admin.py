"""Reminder rules in the admin: what a change would do is shown before it is saved."""

import re
from datetime import time, timedelta

import pytest
from django.urls import reverse

from reminders.models import Audit, ReminderRule
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.rule_factory import rule

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]
LIST = "/admin/reminders/reminderrule/"
ADD = f"{LIST}add/"
HOUR_BEFORE = {
    "name": "An hour before",
    "enabled": "on",
    "audience": "assignee",
    "trigger": "before_start",
    "minutes": "60",
    "condition": "always",
    "scope": "everyone",
    "scope_value": "",
    "quiet_hours": "ignore",
    "when_past": "send",
    "reason": "crews asked for it",
}


def previewed(page) -> dict[str, str]:
    """The fields to send once the preview has been read."""
    return {"previewed": page.context["adminform"].form["previewed"].value()}


def test_a_rule_is_saved_once_its_preview_has_been_read(operator, config):
    ada = AssigneeFactory(name="Ada <b>")
    AssignmentFactory(assignee=ada, title="Boiler", scheduled_start=NOON + timedelta(minutes=90))
    first = operator.post(ADD, HOUR_BEFORE)
    assert first.status_code == 200
    form = first.context["adminform"].form
    assert {name: form[name].value() for name in HOUR_BEFORE} == {**HOUR_BEFORE, "enabled": True}
    text = first.content.decode()
    assert "Nothing is saved yet" in text
    assert "1 message more, 0 fewer, 0 moved" in text
    assert "Ada &lt;b&gt;" in text
    assert not ReminderRule.objects.exists()

    saved = operator.post(ADD, {**HOUR_BEFORE, **previewed(first)})
    assert saved.status_code == 302
    made = ReminderRule.objects.get()
    assert (made.name, made.minutes, made.changed_at) == ("An hour before", 60, NOON)
    line = Audit.objects.get()
    assert (line.actor, line.action, line.reason) == ("olga", "add_rule", "crews asked for it")


def test_quiet_hours_that_are_left_open_are_the_usual_ones(operator):
    for number, (audience, trigger, minutes, usual) in enumerate(
        (
            ("assignee", "before_start", "60", "ignore"),
            ("assignee", "before_start", "600", "respect"),
            ("supervisors", "unanswered", "60", "respect"),
        )
    ):
        given = {
            "name": f"Rule {number}",
            "audience": audience,
            "trigger": trigger,
            "minutes": minutes,
            "quiet_hours": "",
        }
        first = operator.post(ADD, {**HOUR_BEFORE, **given})
        assert operator.post(ADD, {**HOUR_BEFORE, **given, **previewed(first)}).status_code == 302
        assert ReminderRule.objects.get(name=f"Rule {number}").quiet_hours == usual


def test_the_list_says_when_each_rule_is_due_and_for_which_work(operator):
    rule(name="A", minutes=60)
    rule(name="B", trigger="at_local_time", days_before=1, at=time(18), scope="kind", scope_value="repair")
    rule(name="C", audience="ops", trigger="on_decline", minutes=None)
    rule(
        name="D", audience="supervisors", trigger="unanswered", minutes=90, repeat_minutes=20, repeat_times=3
    )
    page = operator.get(LIST)
    shown = page.context["cl"]
    rows = [(one.name, shown.model_admin.when(one), shown.model_admin.work(one)) for one in shown.result_list]
    assert rows == [
        ("A", "60 min", "everyone"),
        ("B", "18:00, 1 day before", "kind repair"),
        ("C", "at once", "everyone"),
        ("D", "90 min, then every 20 min, 3 times", "everyone"),
    ]
    add = operator.get(ADD).content.decode()
    assert "DatabaseDefault" not in add
    assert "Changed at" not in add


def test_other_values_than_were_previewed_are_previewed_again(operator):
    first = operator.post(ADD, HOUR_BEFORE)
    again = operator.post(ADD, {**HOUR_BEFORE, "minutes": "61", **previewed(first)})
    assert "Nothing is saved yet" in again.content.decode()
    assert not ReminderRule.objects.exists()


def test_a_change_is_previewed_saved_and_recorded(operator):
    first = operator.post(ADD, HOUR_BEFORE)
    operator.post(ADD, {**HOUR_BEFORE, **previewed(first)})
    AssignmentFactory(scheduled_start=NOON + timedelta(days=1))
    pk = ReminderRule.objects.get().pk
    page = reverse("admin:reminders_reminderrule_change", args=[pk])
    shown = operator.post(page, {**HOUR_BEFORE, "minutes": "90"})
    seen = shown.context["adminform"].form.preview
    assert (seen.added, seen.dropped, seen.moved) == (0, 0, 1)
    assert "0 messages more, 0 fewer, 1 moved" in shown.content.decode()
    assert operator.post(page, {**HOUR_BEFORE, "minutes": "90", **previewed(shown)}).status_code == 302
    assert ReminderRule.objects.get().minutes == 90
    assert [line.action for line in Audit.objects.order_by("id")] == ["add_rule", "change_rule"]


def test_what_is_not_accepted_is_said_at_its_field(operator):
    shown = operator.post(ADD, {**HOUR_BEFORE, "minutes": "", "scope": "team", "scope_value": "north"})
    errors = shown.context["adminform"].form.errors
    assert set(errors) == {"minutes", "scope_value"}
    assert "1 to 43200 minutes are needed" in errors["minutes"][0]


def test_a_rule_is_removed_and_that_is_recorded(operator):
    first = operator.post(ADD, HOUR_BEFORE)
    operator.post(ADD, {**HOUR_BEFORE, **previewed(first)})
    pk = ReminderRule.objects.get().pk
    gone = operator.post(reverse("admin:reminders_reminderrule_delete", args=[pk]), {"post": "yes"})
    assert gone.status_code == 302
    assert not ReminderRule.objects.exists()
    assert Audit.objects.order_by("-id").first().action == "remove_rule"


def test_viewers_see_rules_and_change_none(viewer):
    assert viewer.get(LIST).status_code == 200
    assert viewer.post(ADD, HOUR_BEFORE).status_code == 403


def test_the_forecast_leads_to_a_morning_brief_that_is_filled_in(operator, clock):
    page = operator.get("/ops/forecast?days=0").content.decode()
    address = "/admin/reminders/reminderrule/add/?audience=supervisors&amp;trigger=at_local_time"
    (link,) = re.findall(rf'href="({re.escape(address)}[^"]*)"', page)
    form = operator.get(link.replace("&amp;", "&")).context["adminform"].form
    assert {
        name: form[name].value() for name in ("audience", "trigger", "condition", "days_before", "at")
    } == {
        "audience": "supervisors",
        "trigger": "at_local_time",
        "condition": "not_reached",
        "days_before": "0",
        "at": "07:00",
    }
