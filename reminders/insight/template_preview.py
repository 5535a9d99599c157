"""What a message template makes of a row, before it is saved. Nothing is written, and no link in it opens anything."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from assignments.direction import without_controls
from assignments.models import Assignment
from assignments.team_scope import EVERYTHING, TeamScope
from notifications.channels.sms import alphabet
from reminders.content.message_templates import active
from reminders.content.message_templates.custom_text import CustomText, fault_of
from reminders.content.message_templates.variables import TextForm
from reminders.insight.message_samples import SampleRows, contact_of, samples, written
from reminders.insight.work_facts import facts_of

_SIGNED = re.compile(r"(/(?:a|u|c|v)/[0-9]+(?:-[0-9]+)*[.-])[A-Za-z0-9_-]{16,}")
"""The signature of an address in a mail: whoever has it may act for its reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplatePreview:
    """A message as it would leave. A short text has `encoding`, `units` and `segments`, a mail a subject and HTML.

    `fault` says why the text cannot be used for this row, for which the built-in text would go out; it is shown then.
    """

    text: str
    subject: str = ""
    html: str = ""
    encoding: str = ""
    units: int = 0
    segments: int = 0
    fault: str = ""


def sample_names(kind: str, channel: str) -> Sequence[str]:
    """What the rows are called on which a text can be tried, the usual one first."""
    return list(samples(kind, channel))


def preview_text(
    *,
    kind: str,
    channel: str,
    language: str,
    subject: str,
    body: str,
    sample: str = "",
    work: Assignment | None = None,
) -> TemplatePreview:
    """What this text, which has no problems, makes of a sample row, or of such a row about this work.

    A row that there is not is the first one, which each kind has: it is the usual one.
    """
    made = None
    if work is not None:
        made = SampleRows(facts_of(work), assignment_id=work.pk, person_id=work.assignee_id or 0)
    found = samples(kind, channel, made=made)
    claim = found.get(sample) or next(iter(found.values()))
    form = active.form_of(channel)
    text = CustomText(version_id=0, kind=kind, form=form, language=language, subject=subject, body=body)
    contact, fault = contact_of(claim, language), ""
    try:
        message = written(text, claim, contact)
    except Exception as error:
        # Whatever it is: the message would have the built-in text.
        fault = fault_of(error)
        message = written(None, claim, contact)
    shown = without_signatures(message.text)
    if form is TextForm.SHORT:
        size = alphabet.size(message.text)
        return TemplatePreview(
            text=shown, encoding=size.encoding.value, units=size.units, segments=size.segments, fault=fault
        )
    return TemplatePreview(
        text=shown, subject=message.subject, html=without_signatures(message.html), fault=fault
    )


def without_signatures(text: str) -> str:
    """The text, with as many x in place of what opens a link."""
    return _SIGNED.sub(lambda found: found[1] + "x" * (len(found[0]) - len(found[1])), text)


def previewed_work(wanted: str, scope: TeamScope = EVERYTHING) -> Assignment | None:
    """The assignment with this id or reference that the reader sees; None where there is none."""
    wanted = without_controls(wanted).strip().removeprefix("#")
    known = Assignment.objects.visible_to(scope).select_related("assignee__team", "team")
    if wanted.isascii() and wanted.isdigit() and len(wanted) <= 18:
        found = known.filter(pk=int(wanted)).first()
        if found is not None:
            return found
    return known.filter(reference=wanted).first() if wanted else None
