"""Texts: those that operators wrote, and those from which somebody who was erased is still to be taken."""

from collections.abc import Iterator
from datetime import timedelta

from django.utils.translation import gettext, ngettext

from assignments.clock import database_now
from assignments.erasure_models import pseudonym_of
from reminders.insight.doctor.check import Check, Level
from reminders.insight.explain.wording import moment
from reminders.insight.template_use import broken_in_force, faulty_templates, template_name
from reminders.ledger import erased_texts
from reminders.models import MessageTemplate

ERASED_WITHIN = timedelta(hours=1)
"""Texts of millions of rows take minutes; the scanner has gone on several times by then."""


def checks() -> Iterator[Check]:
    """Both, as the database knows them."""
    yield from _message_templates()
    yield _erasures()


def _message_templates() -> Iterator[Check]:
    """The texts that operators wrote: whether this release takes them, and whether lately a message could not have one."""
    name, fix = (
        gettext("message templates"),
        gettext("See docs/runbook.md, A message template cannot be used."),
    )
    broken, faulty = broken_in_force(), faulty_templates()
    for template, problem in broken:
        yield Check(
            name,
            Level.FAIL,
            gettext("“%(template_name)s” cannot be used: %(problem)s")
            % {"template_name": template_name(template), "problem": problem},
            fix,
        )
    for one in faulty:
        seen = ngettext(
            "“%(template_name)s”, version %(number)s, could not be used for %(messages)s message",
            "“%(template_name)s”, version %(number)s, could not be used for %(messages)s messages",
            one.messages,
        ) % {"template_name": template_name(one.template), "number": one.number, "messages": one.messages}
        yield Check(
            name,
            Level.WARN,
            gettext("%(seen)s of the last 24 hours: %(fault)s") % {"seen": seen, "fault": one.fault},
            fix,
        )
    if not broken and not faulty:
        number = MessageTemplate.objects.exclude(active_number=None).count()
        yield Check(
            name,
            Level.PASS,
            gettext("%(number)s in force") % {"number": number}
            if number
            else gettext("none in force: all texts are built in"),
        )


def _erasures() -> Check:
    """Whether texts still name somebody who was erased, for longer than that takes."""
    name, unfinished = gettext("erasures"), erased_texts.unfinished()
    if not unfinished:
        return Check(name, Level.PASS, gettext("none under way"))
    first = unfinished[0]
    seen = gettext(
        "%(number)s under way; of %(pseudonym)s texts are still to be looked at, since %(moment)s"
    ) % {
        "number": len(unfinished),
        "pseudonym": pseudonym_of(first.pk),
        "moment": moment(first.at),
    }
    if first.at > database_now() - ERASED_WITHIN:
        return Check(name, Level.PASS, seen)
    fix = gettext(
        "The scanner goes on after each scan; `manage.py erase_person %(person)s` goes on at once. If that does not end it,"
        " see docs/runbook.md, Somebody asks to be erased."
    )
    return Check(name, Level.WARN, seen, fix % {"person": first.pk})
