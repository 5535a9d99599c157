"""What gates look at: whether a route is usable, a window over, a person within their rate, and how that is said."""

from datetime import UTC, datetime

from django.utils.translation import gettext

from reminders.policy import digests, rates
from reminders.policy.distance import MIN_DISTANCE
from reminders.policy.rows import Plan, Row, Situation


def format_instant(instant: datetime) -> str:
    """'2026-11-24 09:30:00 UTC': what was seen, for people."""
    return gettext("%(astimezone)s UTC") % {"astimezone": f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S}"}


def route_usable(row: Row, situation: Situation) -> bool:
    if not situation.held:
        return True
    held = situation.held.get(row.route)
    return held is None or held <= situation.now


def route_observed(row: Row, situation: Situation) -> str:
    held = situation.held.get(row.route)
    return (
        gettext("%(route)s held until %(format_instant)s")
        % {"route": row.route, "format_instant": format_instant(held)}
        if held
        else gettext("%(route)s is open") % {"route": row.route}
    )


def window_over(row: Row, situation: Situation) -> bool:
    until = situation.windows.get((row.recipient, row.channel))
    return until is None or until <= situation.now or not digests.may_wait(row)


def window_observed(row: Row, situation: Situation) -> str:
    until = situation.windows.get((row.recipient, row.channel))
    if until is None or until <= situation.now:
        return gettext("no message to this supervisor has just left")
    return gettext("the next message to this supervisor leaves at %(format_instant)s") % {
        "format_instant": format_instant(until)
    }


def held_by_rate_until(row: Row, situation: Situation) -> datetime | None:
    """Until when the rate of its person keeps this row back; None where it does not."""
    hold = situation.rates.get(row.recipient)
    if hold is None or row.rule in situation.exempt or not digests.may_wait(row):
        return None
    until = rates.held_until(hold, start=row.planned_start, not_after=row.not_after)
    return until if until > situation.now else None


def rate_observed(row: Row, situation: Situation) -> str:
    hold, until = situation.rates.get(row.recipient), held_by_rate_until(row, situation)
    if hold is None or until is None:
        return gettext("no further reminder to them has to wait")
    seconds = round((until - max(situation.now, row.due_at)).total_seconds())
    values = {"seconds": seconds, "at": format_instant(hold.after)}
    if hold.after > situation.now:
        return gettext("held %(seconds)s s: they have one at %(at)s") % values
    return gettext("held %(seconds)s s: they had one at %(at)s") % values


def changes_observed(plan: Plan) -> str:
    changes = plan.news.changes if plan.news else ()
    return ", ".join(change.value for change in changes) or gettext("as they were told, or told nothing")


def confirmed_observed(row: Row, plan: Plan, situation: Situation) -> str:
    if row.rule_key not in situation.unless_confirmed:
        return gettext("the rule reminds whoever has confirmed too")
    return gettext("confirmed by the assignee") if plan.confirmed else gettext("not confirmed")


def far_enough(plan: Plan, situation: Situation) -> bool:
    """A reminder that states a change is never too close to the one before."""
    news = plan.news
    if news is None or news.reminded_at is None or news.outdated is not None:
        return True
    return situation.now - news.reminded_at >= MIN_DISTANCE


def distance_observed(plan: Plan) -> str:
    if plan.news is None or plan.news.reminded_at is None:
        return gettext("no other rule has reminded them")
    return gettext("reminded by another rule at %(format_instant)s") % {
        "format_instant": format_instant(plan.news.reminded_at)
    }
