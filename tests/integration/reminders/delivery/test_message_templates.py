"""Messages leave with the text in force, at once and without a query each; what cannot be used costs nobody a reminder."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from assignments.teams import add_team
from reminders.content.message_templates import active
from reminders.ledger import counters
from reminders.models import Attempt, Counter, MessageTemplate, TemplateVersion
from reminders.operations import message_templates
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.integration.reminders.delivery.test_team_digests import overdue

pytestmark = pytest.mark.django_db

BODY = "Dear {{ name }}, {{ title }} is on {{ time_line }}."


def save(**values: Any) -> TemplateVersion:
    known = {"kind": "reminder", "channel": "email", "language": "en", "team_id": None, "by": "olga"}
    made, _ = message_templates.save_template(
        **{**known, "subject": "Heads up: {{ title }}", "body": BODY, **values}
    )
    active.expire()
    return made


def broken(**values: Any) -> TemplateVersion:
    """A text in force that no form would have saved: of a release that knew other values, say."""
    template = MessageTemplate.objects.create(
        kind="reminder", channel="email", language="en", active_number=1, revision=1
    )
    active.expire()
    known = {"subject": "Heads up", "body": "{{ time_line }} {{ gone }}", "made_by": "olga"}
    return TemplateVersion.objects.create(template=template, number=1, **{**known, **values})


def fallbacks() -> float:
    return sum(Counter.objects.filter(name=counters.TEMPLATE_FALLBACKS).values_list("value", flat=True))


def test_a_saved_text_goes_out_and_the_attempt_names_its_version(clock, run, outbox):
    version = save()
    work = AssignmentFactory(soon=True)
    assert run().sent == 1
    (message,) = outbox.messages
    assert message.subject == f"Heads up: {work.title}"
    assert message.text.startswith(f"Dear {work.assignee.name}, {work.title} is on ")
    assert (
        f'<p dir="auto" style="margin:0 0 16px;white-space:pre-line">Dear {work.assignee.name}'
        in message.html
    )
    attempt = Attempt.objects.get()
    assert (attempt.template_version, attempt.template_fault) == (version.pk, "")
    assert fallbacks() == 0


def test_without_a_text_the_attempt_names_none(clock, run):
    AssignmentFactory(soon=True)
    assert run().sent == 1
    attempt = Attempt.objects.get()
    assert (attempt.template_version, attempt.template_fault) == (None, "")


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({}, "line 1, column 17: gone: these messages have no such value: "),
        ({"body": "{% if x %}"}, "line 1, column 1: this if has no end: {% endif %} is needed"),
        ({"body": "{{ time_line }}" + "{{ notes }}" * 150}, "the text has 300"),
        ({"subject": "{{ notes }}", "body": BODY}, "the subject has 2000 characters: 500 are accepted"),
    ],
)
def test_what_cannot_be_used_goes_out_in_the_built_in_words_and_is_counted(clock, run, outbox, values, fault):
    version = broken(**values)
    work = AssignmentFactory(soon=True, notes="x" * 2_000)
    assert run().sent == 1
    (message,) = outbox.messages
    assert message.subject.startswith(f"Reminder: {work.title}, ")
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.template_version) == ("accepted", version.pk)
    assert attempt.template_fault.startswith(fault)
    assert fallbacks() == 1


def test_no_value_of_a_row_makes_a_header_or_html(clock, run, outbox):
    save(subject="{{ location }} {{ name }}", body=BODY + "\n\n{{ notes }}\n\n{{ location }}")
    hostile = "Hall\r\nBcc: all@example.test"
    AssignmentFactory(soon=True, location=hostile, notes="<script>alert(1)</script>{{ title }}{% if x %}")
    assert run().sent == 1
    (message,) = outbox.messages
    assert message.subject.startswith("Hall Bcc: all@example.test ")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ title }}{% if x %}" in message.html
    assert "<script" not in message.html


def test_a_change_is_followed_without_a_query_for_each_message(clock, run, outbox, monkeypatch):
    save()
    for _ in range(3):
        AssignmentFactory(soon=True)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert run().sent == 3
    assert sum("reminders_messagetemplate" in query["sql"] for query in asked) == 2, (
        "its revision, and the texts"
    )

    save(subject="Changed: {{ title }}")
    AssignmentFactory(soon=True)
    with CaptureQueriesContext(connection) as asked:
        assert run().sent == 1
        assert outbox.messages[-1].subject.startswith("Changed: ")
        AssignmentFactory(soon=True)
        assert run().sent == 1
    assert sum("reminders_messagetemplate" in query["sql"] for query in asked) == 2

    message_templates.deactivate_template(MessageTemplate.objects.get().pk, by="olga")
    AssignmentFactory(soon=True)
    monkeypatch.setattr(active.time, "monotonic", lambda: active._next_look)  # REFRESH_SECONDS later
    assert run().sent == 1
    assert outbox.messages[-1].subject.startswith("Reminder: ")


def test_a_database_that_does_not_say_leaves_the_known_texts_in_force(db, monkeypatch, caplog):
    save()
    active.refresh()
    known = active._active
    active.expire()
    monkeypatch.setattr(active, "REVISION", "SELECT 1 / 0, 0, 0")
    connection.needs_rollback = False
    savepoint = connection.savepoint()
    active.refresh()
    connection.savepoint_rollback(savepoint)
    assert active._active is known
    assert caplog.messages == ["Message templates not read"]


@pytest.mark.parametrize(
    ("language", "team", "subject"),
    [
        ("en", "North", "of North"),
        ("en", "South", "in English"),
        ("en", None, "in English"),
        ("de-at", "North", "auf Deutsch"),
        ("de-at", "South", "auf Deutsch"),
        ("de", None, "auf Deutsch"),
    ],
)
def test_the_language_of_the_reader_comes_first_and_then_their_team(
    clock, run, outbox, language, team, subject
):
    teams = {name: add_team(name=name) for name in ("North", "South")}
    save(subject="in English")
    save(subject="of North", team_id=teams["North"].pk)
    save(subject="auf Deutsch", language="de")
    person = AssigneeFactory(language=language, team_id=teams[team].pk if team else None)
    AssignmentFactory(soon=True, assignee=person)
    assert run().sent == 1
    assert outbox.messages[0].subject == subject


def test_a_text_of_another_channel_or_kind_is_not_used(clock, run, outbox):
    save(channel="sms", subject="", body="{{ title }} {{ time_line }} {{ link }}")
    save(kind="overdue")
    AssignmentFactory(soon=True)
    assert run().sent == 1
    assert outbox.messages[0].subject.startswith("Reminder: ")


def test_several_notices_to_a_supervisor_go_out_with_the_text_for_several(clock, run, outbox, config):
    save(kind="digest", subject="{{ number }} things", body="Look:\n\n{{ entries }}\n\nThat is all.")
    save(kind="overdue", subject="Not begun: {{ title }}")
    boss = AssigneeFactory()
    team = add_team(name="North", supervisors=[boss.pk])
    overdue(config, *[team] * 4)
    assert run().sent == 4
    told = [message for message in outbox.messages if message.address == boss.email]
    assert [message.subject for message in told] == ["4 things"]
    assert told[0].text.startswith("Look:\n\nJob ")
    assert 'white-space:pre-line">Look:</p>\n<p style="margin:16px 0"><strong' in told[0].html
    assert told[0].html.count("Overdue since") == 4
    assert "That is all.</p>" in told[0].html
