"""Message templates: saved as versions, put into force, restored and taken out again; every change is on record."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import ProgrammingError, transaction

from assignments.teams import add_team
from reminders.models import Audit, MessageTemplate, TemplateVersion
from reminders.operations import message_templates
from reminders.operations.message_templates import TemplateChanged, UnknownTemplate

pytestmark = pytest.mark.django_db

SUBJECT = "Heads up: {{ title }}"
BODY = "{{ title }}: {{ time_line }}"


def save(**values: Any) -> TemplateVersion:
    known = {"kind": "reminder", "channel": "email", "language": "en", "team_id": None, "by": "olga"}
    return message_templates.save_template(**{**known, "subject": SUBJECT, "body": BODY, **values})[0]


def test_each_text_is_a_version_with_its_author_and_the_last_one_is_in_force():
    first = save(note="friendlier")
    second = save(body=f"Hello!\r\n{BODY}", by="omar")
    template = MessageTemplate.objects.get()
    assert (first.number, second.number, template.active_number, template.revision) == (1, 2, 2, 2)
    assert [
        (one.number, one.made_by, one.note, one.body) for one in message_templates.versions_of(template)
    ] == [
        (2, "omar", "", f"Hello!\n{BODY}"),
        (1, "olga", "friendlier", BODY),
    ]
    (newest, oldest) = Audit.objects.filter(action="save_template").order_by("-id")
    assert (oldest.actor, oldest.reason, oldest.before) == ("olga", "friendlier", {"version": None})
    assert newest.before == {"version": 1}
    assert newest.after == {"version": 2, "subject": SUBJECT, "body": f"Hello!\n{BODY}"}
    assert newest.selection == {
        "template": template.pk,
        "kind": "reminder",
        "channel": "email",
        "language": "en",
        "team": None,
    }


def test_the_text_in_force_saved_again_changes_nothing():
    assert save().pk == save().pk
    assert Audit.objects.filter(action="save_template").count() == 1


def test_a_version_is_never_changed():
    version = save()
    version.body = "x"
    with pytest.raises(ProgrammingError, match="never changed"), transaction.atomic():
        version.save()


def test_a_former_version_comes_back_as_a_new_one():
    save()
    save(body=f"{BODY}!")
    template = MessageTemplate.objects.get()
    restored = message_templates.restore_version(template.pk, 1, by="omar", note="was better")
    assert (restored.number, restored.body, restored.restored_from) == (3, BODY, 1)
    assert Audit.objects.get(action="restore_template").after == {"version": 3, "restored_from": 1}
    with pytest.raises(UnknownTemplate, match=f"template {template.pk} has no version 9"):
        message_templates.restore_version(template.pk, 9, by="omar")


def test_a_template_is_taken_out_of_force_and_its_versions_stay():
    save()
    template = MessageTemplate.objects.get()
    message_templates.deactivate_template(template.pk, by="omar", reason="a trial")
    message_templates.deactivate_template(template.pk, by="omar", reason="a trial")
    template.refresh_from_db()
    assert (template.active_number, template.revision, template.versions.count()) == (None, 2, 1)
    assert Audit.objects.get(action="deactivate_template").before == {"version": 1}
    assert save().number == 2, "the same text again is a version of its own, now that it is not in force"
    with pytest.raises(UnknownTemplate, match="there is no template 0"):
        message_templates.deactivate_template(0, by="omar")


def test_who_has_not_seen_the_newest_version_overwrites_nothing():
    save(seen=0)
    with pytest.raises(TemplateChanged, match="somebody has saved version 1 meanwhile"):
        save(body=f"{BODY}!", seen=0)
    assert save(body=f"{BODY}!", seen=1).number == 2


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        (
            {"body": "{{ titel }}"},
            "body",
            "line 1, column 1: titel: these messages have no such value: title",
        ),
        ({"subject": "a\nb"}, "subject", "line 1, column 2: a subject is one line"),
        ({"body": "x" * 1_000_000}, "body", "line 1, column 1: 1000000 characters are too long"),
        (
            {"kind": "party"},
            "kind",
            "'party': one of reminder, reminders, correction, overdue, escalation, digest is",
        ),
        ({"channel": "pigeon"}, "channel", "'pigeon': one of email, sms, chat is needed"),
        (
            {"language": "../etc"},
            "language",
            "'../etc': one of en, de, es, fr, or one of their variants such as de-at, is needed",
        ),
        (
            {"language": "xx"},
            "language",
            "'xx': one of en, de, es, fr, or one of their variants such as de-at, is needed",
        ),
        ({"team_id": 0}, "team", "0: the id of a team is needed"),
        ({"note": "x" * 501}, "note", "no more than 500 characters are accepted"),
    ],
)
def test_what_cannot_be_used_is_not_saved(values, field, message):
    with pytest.raises(ValidationError) as refusal:
        save(**values)
    assert refusal.value.message_dict[field][0].startswith(message)
    assert not MessageTemplate.objects.exists()


def test_templates_of_a_team_stand_beside_those_of_everybody():
    north = add_team(name="North")
    save()
    save(team_id=north.pk)
    assert MessageTemplate.objects.count() == 2
