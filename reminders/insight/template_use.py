"""Which stored text messages were made from, and which texts could not be used."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.utils.translation import gettext

from assignments.direction import isolated
from assignments.team_scope import EVERYTHING, TeamScope
from reminders.content.message_templates import active
from reminders.content.message_templates.custom_text import CustomText
from reminders.insight.message_samples import sample_problems
from reminders.insight.stored_words import fault_in_words
from reminders.models import Attempt, MessageTemplate, Reminder, TemplateVersion

FAULTY = """
    SELECT t.id, v.number, count(*), max(a.finished_at), (array_agg(a.template_fault ORDER BY a.finished_at DESC))[1]
    FROM reminders_attempt a
    JOIN reminders_templateversion v ON v.id = a.template_version
    JOIN reminders_messagetemplate t ON t.id = v.template_id AND t.active_number = v.number
    WHERE a.template_fault <> '' AND a.finished_at > statement_timestamp() - interval '24 hours'
    GROUP BY 1, 2 ORDER BY 4 DESC LIMIT 20
"""
"""The texts in force that could not be used lately; the partial index over faults has few rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultyTemplate:
    """A text in force that could not be used for some messages of the last 24 hours: they had the built-in one."""

    template: MessageTemplate
    number: int
    messages: int
    last_at: datetime
    fault: str


def template_name(template: MessageTemplate) -> str:
    """How people call a template: "Reminder, e-mail, de, team North"."""
    whose = gettext(", team %(name)s") % {"name": isolated(template.team.name)} if template.team else ""
    return f"{template.get_kind_display()}, {template.get_channel_display()}, {template.language}{whose}"


def faulty_templates(scope: TeamScope = EVERYTHING) -> list[FaultyTemplate]:
    """Those that this caller sees, the latest first: one query of a partial index, where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(FAULTY)
        found = cursor.fetchall()
    if not found:
        return []
    known = (
        MessageTemplate.objects.visible_to(scope).select_related("team").in_bulk([row[0] for row in found])
    )
    return [
        FaultyTemplate(template=known[pk], number=number, messages=messages, last_at=last_at, fault=fault)
        for pk, number, messages, last_at, fault in found
        if pk in known
    ]


def broken_in_force() -> list[tuple[MessageTemplate, str]]:
    """The texts in force that this release would refuse to save, each with what is wrong."""
    broken = []
    for template in MessageTemplate.objects.exclude(active_number=None).select_related("team"):
        version = template.versions.filter(number=template.active_number or 0).first()
        if problem := problem_in_force(template, version):
            broken.append((template, problem))
    return broken


def problem_in_force(template: MessageTemplate, version: TemplateVersion | None) -> str:
    """Why this release would refuse to save the version in force; '' where it would not."""
    if version is None:
        return gettext("it has no version %(active_number)s") % {"active_number": template.active_number}
    text = CustomText(
        version_id=version.pk,
        kind=template.kind,
        form=active.form_of(template.channel),
        language=template.language,
        subject=version.subject,
        body=version.body,
    )
    problems = list(text.checked.problems) or [
        problem for _, problem in sample_problems(text, channel=template.channel)
    ]
    return str(problems[0]) if problems else ""


def wordings_of(rows: Iterable[Reminder]) -> Mapping[int, str]:
    """What the stored texts of these rows' attempts are called, by the ids of their versions."""
    attempts = [one for row in rows for one in row.attempt_rows.all()]
    ids = {one.template_version for one in attempts if one.template_version is not None}
    if not ids:
        return {}
    found = TemplateVersion.objects.filter(pk__in=ids).select_related("template__team")
    return {
        one.pk: gettext("version %(number)s of the text “%(template_name)s”")
        % {"number": one.number, "template_name": template_name(one.template)}
        for one in found
    }


def text_name(version_id: int | None, fault: str = "") -> str:
    """What the text of a message that is not sent yet is: the built-in one, or a version of a template."""
    known = TemplateVersion.objects.select_related("template__team")
    found = known.filter(pk=version_id).first() if version_id is not None else None
    if found is None:
        return gettext("the built-in text")
    named = gettext("version %(number)s of the text “%(template_name)s”") % {
        "number": found.number,
        "template_name": template_name(found.template),
    }
    if not fault:
        return named
    return gettext("the built-in text, because %(named)s cannot be used (%(fault)s)") % {
        "named": named,
        "fault": fault_in_words(fault),
    }


def wording_words(attempt: Attempt, wordings: Mapping[int, str]) -> str:
    """', with version 3 of the text “Reminder, e-mail, en”', or why it was the built-in text; '' for that as usual."""
    if attempt.template_version is None:
        return ""
    named = wordings.get(
        attempt.template_version,
        gettext("version %(template_version)s of a text that is gone")
        % {"template_version": attempt.template_version},
    )
    if not attempt.template_fault:
        return gettext(", with %(named)s") % {"named": named}
    return gettext(", with the built-in text, because %(named)s could not be used (%(template_fault)s)") % {
        "named": named,
        "template_fault": fault_in_words(attempt.template_fault),
    }
