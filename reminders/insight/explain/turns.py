"""What is said of a message that waits for its turn at the pace of its channel."""

from datetime import datetime

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from reminders.insight.explain.answer import GateResult
from reminders.insight.explain.wording import channel_name, moment, rate
from reminders.insight.pace_outlook import Turn

NAME = _("its turn has come")


def in_words(turn: Turn, not_after: datetime | None) -> tuple[str, GateResult]:
    """The summary and the gate; `not_after` is until when the message is of use."""
    pace = pace_words(turn)
    if turn.at is not None:
        observed = why_later(turn)
        at = moment(turn.at)
        return gettext("will be sent at about %(at)s: %(observed)s") % {
            "at": at,
            "observed": observed,
        }, GateResult(str(NAME), False, observed, gettext("waits until about %(at)s") % {"at": at})
    late = gettext("its turn does not come by %(not_after)s, after which it is of no use") % {
        "not_after": moment(not_after)
    }
    return gettext("will not be sent: %(pace)s, and %(late)s") % {"pace": pace, "late": late}, GateResult(
        str(NAME), False, pace, gettext("ends as SKIPPED: %(late)s") % {"late": late}
    )


def pace_words(turn: Turn) -> str:
    """'the mail server accepts about 20 a minute'."""
    return gettext("%(channel_name)s accepts %(rate)s") % {
        "channel_name": channel_name(turn.channel),
        "rate": rate(turn.per_minute),
    }


def why_later(turn: Turn) -> str:
    """Why a message leaves later than it is due, in the middle of a sentence."""
    return gettext("%(pace)s, and %(before_it)s") % {
        "pace": pace_words(turn),
        "before_it": _before_it(turn.ahead),
    }


def _before_it(messages: int) -> str:
    if not messages:
        return gettext("it is the next to leave")
    return ngettext(
        "%(number)s message leaves before it", "%(number)s messages leave before it", messages
    ) % {"number": messages}
