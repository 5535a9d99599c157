"""Message templates that operators write: checked, kept as versions, put into force, and recorded in the audit trail."""

import re
from collections.abc import Sequence

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Now
from django.utils.translation import gettext, gettext_noop

from accounts.reasons import checked_reason
from assignments.contact_point import ContactChannel
from assignments.models import Team
from assignments.services import Refused
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.transactions import atomically
from assignments.wording import quoted
from reminders.content.languages import known_language, stored_code
from reminders.content.message_templates import active, syntax
from reminders.content.message_templates.checks import check
from reminders.content.message_templates.custom_text import CustomText
from reminders.content.message_templates.tree import TOP, Problem
from reminders.insight.message_samples import sample_problems
from reminders.ledger.audit import record
from reminders.models import MessageTemplate, TemplateVersion

LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8}){0,2}")
MOST_OCTETS = 100_000
"""Of what is looked at at all: a text that is longer is refused before it is read."""


class UnknownTemplate(Refused):
    """There is none with this id, or it has no version of this number."""

    code = "unknown_template"


class TemplateChanged(Refused):
    """Somebody else has saved another version since this one was read."""

    code = "template_changed"


def save_template(
    *,
    kind: str,
    channel: str,
    language: str,
    team_id: int | None,
    subject: str,
    body: str,
    by: str,
    note: str = "",
    seen: int | None = None,
    scope: TeamScope = EVERYTHING,
) -> tuple[TemplateVersion, bool]:
    """Keeps a text as the next version, and puts it into force (True). That which is in force already changes nothing.

    `seen` is the number of the newest version that its author knew (0: none); None: whichever. Raises ValidationError, which
    names each field with line, column and what is accepted, and TemplateChanged.
    """
    note = checked_note(note)
    text = checked_text(
        kind=kind,
        channel=channel,
        language=language,
        team_id=team_id,
        subject=subject,
        body=body,
        scope=scope,
    )
    return _save(**text, team_id=team_id, by=by, note=note, seen=seen)


def checked_text(
    *,
    kind: str,
    channel: str,
    language: str,
    team_id: int | None,
    subject: str,
    body: str,
    scope: TeamScope = EVERYTHING,
) -> dict[str, str]:
    """What would be saved, by its names. Raises ValidationError, as `save_template`."""
    language = stored_code(language)
    check_place(kind=kind, channel=channel, language=language, team_id=team_id, scope=scope)
    text = {
        "kind": kind,
        "channel": channel,
        "language": language,
        "subject": syntax.normal(subject),
        "body": syntax.normal(body),
    }
    if errors := problems_of(**text):
        raise ValidationError(errors)
    return text


@atomically
def restore_version(
    pk: int,
    number: int,
    *,
    by: str,
    note: str = "",
    seen: int | None = None,
    scope: TeamScope = EVERYTHING,
) -> TemplateVersion:
    """Puts the text of a former version into force, as a version of its own.

    Raises as `save_template`, and UnknownTemplate.
    """
    found = locked_template(pk, scope)
    former = found.versions.filter(number=number).first()
    if former is None:
        raise UnknownTemplate(
            gettext("template %(pk)s has no version %(number)s") % {"pk": pk, "number": number}
        )
    note = checked_note(note)
    errors = problems_of(
        kind=found.kind,
        channel=found.channel,
        language=found.language,
        subject=former.subject,
        body=former.body,
    )
    if errors:
        raise ValidationError(errors)
    return _add_version(
        found, former.subject, former.body, by=by, note=note, seen=seen, restored_from=number
    )[0]


@atomically
def deactivate_template(
    pk: int, *, by: str, reason: str = "", scope: TeamScope = EVERYTHING
) -> MessageTemplate:
    """Takes a template out of force: the built-in text is used again. Its versions stay. Raises UnknownTemplate."""
    reason = checked_reason(reason, needed=False)
    found = locked_template(pk, scope)
    if found.active_number is None:
        return found
    before = {"version": found.active_number}
    _activate(found, None)
    record("deactivate_template", by=by, reason=reason, selection=selection_of(found), before=before)
    return found


def locked_template(pk: int, scope: TeamScope = EVERYTHING) -> MessageTemplate:
    """The template, locked. Raises UnknownTemplate."""
    found = MessageTemplate.objects.visible_to(scope).select_for_update().filter(pk=pk).first()
    if found is None:
        raise UnknownTemplate(gettext("there is no template %(pk)s") % {"pk": pk})
    return found


def check_place(
    *, kind: str, channel: str, language: str, team_id: int | None, scope: TeamScope = EVERYTHING
) -> None:
    """Raises ValidationError where there are no such messages, and where a limited caller may not say what they read."""
    errors: dict[str, str] = {}
    for name, value, accepted in (
        ("kind", kind, MessageTemplate.Kind.values),
        ("channel", channel, ContactChannel.values),
    ):
        if value not in accepted:
            errors[name] = gettext("%(value)s: one of %(list)s is needed") % {
                "value": quoted(value),
                "list": ", ".join(accepted),
            }
    if not LANGUAGE.fullmatch(language) or not known_language([language]):
        known = ", ".join(dict(settings.LANGUAGES))
        errors["language"] = gettext(
            "%(language)s: one of %(known)s, or one of their variants such as de-at, is needed"
        ) % {"language": quoted(language), "known": known}
    if team_id is None and scope.limited:
        errors["team"] = gettext(
            "a caller who is limited to teams writes texts for one of them: its id is needed"
        )
    elif team_id is not None and not Team.objects.visible_to(scope).filter(pk=team_id).exists():
        errors["team"] = gettext("%(team_id)s: the id of a team is needed") % {"team_id": team_id}
    if errors:
        raise ValidationError(errors)


def problems_of(
    *, kind: str, channel: str, language: str, subject: str, body: str
) -> dict[str, list[ValidationError]]:
    """Everything that is wrong with a text, by its field; nothing where it can be saved. Each error has `params` with `line`
    and `column`.
    """
    form = active.form_of(channel)
    for name, text in (("subject", subject), ("body", body)):
        if len(text) > MOST_OCTETS:
            return {
                name: [
                    _error(
                        Problem(
                            gettext_noop("%(number)s characters are too long"), TOP, {"number": len(text)}
                        )
                    )
                ]
            }
    checked = check(kind, form, subject=subject, body=body)
    found = {"subject": list(checked.subject_problems), "body": list(checked.body_problems)}
    if not checked.problems:
        tried = CustomText(version_id=0, kind=kind, form=form, language=language, subject=subject, body=body)
        for name, problem in sample_problems(tried, channel=channel):
            found[name].append(problem)
    return {name: [_error(one) for one in problems] for name, problems in found.items() if problems}


def checked_note(note: str) -> str:
    """The note. Raises ValidationError for one that is too long or no text."""
    try:
        return checked_reason(note, needed=False)
    except ValidationError as refusal:
        raise ValidationError({"note": refusal.message_dict["reason"]}) from refusal


def selection_of(template: MessageTemplate) -> dict[str, object]:
    """Which template, as the audit trail names it."""
    return {
        "template": template.pk,
        "kind": template.kind,
        "channel": template.channel,
        "language": template.language,
        "team": template.team_id,
    }


def _error(problem: Problem) -> ValidationError:
    place = problem.place
    said = str(problem).replace("%", "%%")  # It names tags, and is formatted with the place.
    return ValidationError(said, code="invalid", params={"line": place.line, "column": place.column})


@atomically
def _save(
    *,
    kind: str,
    channel: str,
    language: str,
    team_id: int | None,
    subject: str,
    body: str,
    by: str,
    note: str,
    seen: int | None,
) -> tuple[TemplateVersion, bool]:
    team = Team.objects.get(pk=team_id) if team_id is not None else None
    made, _ = MessageTemplate.objects.get_or_create(kind=kind, channel=channel, language=language, team=team)
    return _add_version(locked_template(made.pk), subject, body, by=by, note=note, seen=seen)


def _add_version(
    template: MessageTemplate,
    subject: str,
    body: str,
    *,
    by: str,
    note: str,
    seen: int | None,
    restored_from: int | None = None,
) -> tuple[TemplateVersion, bool]:
    newest = template.versions.aggregate(newest=Max("number"))["newest"] or 0
    if seen is not None and seen != newest:
        raise TemplateChanged(
            gettext(
                "somebody has saved version %(newest)s meanwhile: look at it, and save your text anew if it is "
                "still wanted"
            )
            % {"newest": newest}
        )
    in_force = active_version(template)
    if in_force is not None and (in_force.subject, in_force.body) == (subject, body):
        return in_force, False
    made = TemplateVersion.objects.create(
        template=template,
        number=newest + 1,
        subject=subject,
        body=body,
        note=note,
        made_by=by,
        restored_from=restored_from,
    )
    before = {"version": template.active_number}
    _activate(template, made.number)
    action = "save_template" if restored_from is None else "restore_template"
    after: dict[str, object] = {"version": made.number, "subject": subject, "body": body}
    if restored_from is not None:
        after = {"version": made.number, "restored_from": restored_from}
    record(action, by=by, reason=note, selection=selection_of(template), before=before, after=after)
    return made, True


def _activate(template: MessageTemplate, number: int | None) -> None:
    template.active_number = number
    template.revision += 1
    template.changed_at = Now()
    template.save(update_fields=["active_number", "revision", "changed_at"])
    template.refresh_from_db(fields=["changed_at"])
    transaction.on_commit(active.expire)


def active_version(template: MessageTemplate) -> TemplateVersion | None:
    """The version in force; None where the built-in text is."""
    if template.active_number is None:
        return None
    return template.versions.filter(number=template.active_number).first()


def versions_of(template: MessageTemplate) -> Sequence[TemplateVersion]:
    """All versions, the newest first."""
    return list(template.versions.order_by("-number"))
