"""Where bounces arrive: whether the mailbox can be read from here, and whether workers read it."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assignments.clock import database_now
from notifications.bounces.mailbox import Mailbox, MailboxFailed
from reminders.bounces import polls
from reminders.insight.doctor.check import Check, Level
from reminders.insight.explain.wording import moment
from reminders.insight.stored_words import fault_in_words

PATIENCE = timedelta(seconds=10)
LOOK = _("Look at BOUNCE_MAILBOX_URL and at the mailbox: bounces wait there until it can be read.")


def mailbox(*, usable: bool) -> Iterator[Check]:
    """Nothing where no mailbox is configured. `usable`: the database can be asked."""
    address = settings.BOUNCE_MAILBOX
    if address is None:
        return
    try:
        with Mailbox(address, timeout=PATIENCE) as opened:
            waiting = len(opened.new(limit=1_000))
    except MailboxFailed as failure:
        yield Check(gettext("mailbox for bounces"), Level.FAIL, f"{failure} ({failure.code})", str(LOOK))
    else:
        yield Check(
            gettext("mailbox for bounces"),
            Level.PASS,
            gettext("it can be read; %(waiting)s new in it") % {"waiting": waiting},
        )
    if usable:
        yield _polls()


def _polls() -> Check:
    every = timedelta(seconds=settings.BOUNCE_POLL_SECONDS)
    name, status, now = gettext("polls of the mailbox"), polls.status(), database_now()
    if status is None or status.polled_at is None:
        return Check(
            name,
            Level.WARN,
            gettext("none yet"),
            gettext("A worker makes the first one within a minute of its start."),
        )
    ago = gettext("the last one ended at %(moment)s") % {"moment": moment(status.polled_at)}
    if status.failing_since is not None:
        seen = gettext("none has succeeded since %(moment)s: %(detail)s") % {
            "moment": moment(status.failing_since),
            "detail": fault_in_words(status.detail),
        }
        return Check(name, Level.FAIL, seen, str(LOOK))
    if now - status.polled_at > 5 * every:
        return Check(
            name,
            Level.FAIL,
            ago,
            gettext("See worker and scanner in this list: dispatch asks a worker for each."),
        )
    return Check(name, Level.PASS, ago)
