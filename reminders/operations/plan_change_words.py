"""What another plan means, in sentences: when work starts, who is told, who is reminded when, and what to look out for."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice

from django.utils.translation import gettext, ngettext

from assignments.direction import isolated
from assignments.models import Answer, Assignee, Assignment, Status, Team
from assignments.team_scope import TeamScope
from assignments.teams import effective_team
from reminders.conf import ReminderConfig
from reminders.insight.bookings import booking_of, bookings
from reminders.insight.changed_plans import ChangedPlan, PlanChange, RuleReminder, Told, is_reachable
from reminders.insight.explain.wording import clock_there, local_time, moment, words
from reminders.operations.plan_changes import ChangePlan
from reminders.policy.double_bookings import double_bookings
from reminders.policy.rows import Action

MOST_CLASHES = 5


def named(person: Assignee) -> str:
    """A person's name within a sentence."""
    return isolated(person.name)


def answer_of(work: Assignment) -> str:
    """What the assignee has answered."""
    note = f" ({isolated(work.answer_note)})" if work.answer_note else ""
    return f"“{Answer(work.answer).label}”{note}" if work.answer else gettext("no answer")


def effects(move: ChangedPlan, change: PlanChange, scope: TeamScope, config: ReminderConfig) -> Iterator[str]:
    """What would happen to this work, a sentence each."""
    work, after = move.assignment, move.after
    if work.scheduled_start != after.scheduled_start:
        yield gettext("It starts %(scheduled_start)s.") % {
            "scheduled_start": local_time(after.scheduled_start, _zone(after))
        }
    if work.assignee is not None:
        yield _present(move, named(work.assignee))
        for one in move.ended:
            yield gettext("%(named)s no longer gets the reminder of %(name)s %(when)s.") % {
                "named": named(work.assignee),
                "name": one.name,
                "when": _when(one.forecast.at),
            }
        yield from _lost(work, after)
    if after.status == Status.CANCELLED:
        yield gettext("Nobody is reminded of it any more.")
    elif change.gives or work.assignee is not None:
        yield from reminders(move, config)
    yield from move.steps
    before, then = effective_team(work), _team_after(work, change, scope)
    if before != then:
        yield _other_team(before, then)


def _other_team(before: Team | None, then: Team | None) -> str:
    if then is None:
        assert before is not None
        return gettext("The work then belongs to no team, no longer to team %(before)s.") % {
            "before": isolated(before.name)
        }
    if before is None:
        return gettext("The work then belongs to team %(team)s.") % {"team": isolated(then.name)}
    return gettext("The work then belongs to team %(team)s, no longer to team %(before)s.") % {
        "team": isolated(then.name),
        "before": isolated(before.name),
    }


def _zone(work: Assignment) -> str | None:
    return work.assignee.time_zone if work.assignee is not None else None


def _present(move: ChangedPlan, name: str) -> str:
    """What whoever has the work hears."""
    if move.told is Told.NO:
        return gettext("%(name)s has not been told of it, and hears nothing.") % {"name": name}
    surely = move.told is Told.YES
    if move.as_told:
        told = (
            gettext("%(name)s has been told of it as it is then, and needs no correction.")
            if surely
            else gettext("%(name)s may have been told of it as it is then, and needs no correction.")
        )
        return told % {"name": name}
    told = gettext("%(name)s has been told of it") if surely else gettext("%(name)s may have been told of it")
    told %= {"name": name}
    if move.correction is None:
        return gettext("%(told)s, and it is too late to correct that: tell them yourself.") % {"told": told}
    news = _news(move)
    if not move.reachable:
        return gettext("%(told)s, and has no usable address: tell them yourself that it is %(news)s.") % {
            "told": told,
            "news": news,
        }
    return gettext("%(told)s, and hears %(after)s that it is %(news)s.") % {
        "told": told,
        "after": _after(move.correction),
        "news": news,
    }


def _news(move: ChangedPlan) -> str:
    if move.after.status == Status.CANCELLED:
        return gettext("cancelled")
    if move.after.assignee_id != move.assignment.assignee_id:
        return gettext("no longer theirs")
    return gettext("moved")


def _lost(work: Assignment, after: Assignment) -> Iterator[str]:
    """What its assignee has said, which no longer holds."""
    if work.answer and not after.answer:
        yield gettext("The answer %(answer_of)s no longer holds.") % {"answer_of": answer_of(work)}
    if work.status != Status.SCHEDULED:
        return
    if work.expected_start is not None and after.expected_start is None:
        yield gettext("That it begins at %(moment)s no longer holds.") % {
            "moment": moment(work.expected_start)
        }
    if work.on_my_way_at is not None and after.on_my_way_at is None:
        yield gettext("That its assignee is on the way no longer holds.")


def reminders(move: ChangedPlan, config: ReminderConfig) -> Iterator[str]:
    """What becomes of the reminders of the new plan."""
    to = move.after.assignee
    if to is None:
        yield gettext("Nobody is reminded of it until somebody gets it.")
        return
    name = named(to)
    sent = [one for one in move.reminders if one.forecast.verdict.action is Action.SEND]
    if move.after.status == Status.IN_PROGRESS:
        yield gettext("%(name)s gets no reminder: the work has been started.") % {"name": name}
    elif move.overdue:
        yield gettext("%(name)s gets no reminder: the work is OVERDUE.") % {"name": name}
    elif sent and not is_reachable(to, config):
        yield gettext("No reminder reaches %(name)s: there is no usable address.") % {"name": name}
    else:
        for one in move.reminders:
            yield _reminder(one, to, asked_at=move.asked_at)


def _reminder(one: RuleReminder, to: Assignee, *, asked_at: datetime) -> str:
    verdict, at = one.forecast.verdict, one.forecast.at
    name = named(to)
    reminder = (
        gettext("The reminder of %(name)s to %(name2)s") % {"name": one.name, "name2": name}
        if one.name
        else gettext("The reminder to %(name)s") % {"name": name}
    )
    if verdict.action is not Action.SEND:
        if at is None and verdict.action is Action.WAIT:
            return gettext("%(reminder)s waits: %(why)s.") % {
                "reminder": reminder,
                "why": words(verdict.reason),
            }
        return gettext("%(reminder)s is not sent: %(why)s.") % {
            "reminder": reminder,
            "why": words(verdict.reason),
        }
    if at is not None and at <= asked_at:
        return gettext("%(reminder)s leaves at once.") % {"reminder": reminder}
    there = clock_there(at, to.time_zone) if at else ""
    return gettext("%(reminder)s leaves %(when)s.") % {"reminder": reminder, "when": f"{_when(at)}{there}"}


def _when(at: datetime | None) -> str:
    return (
        gettext("once sending goes on") if at is None else gettext("at %(moment)s") % {"moment": moment(at)}
    )


def _team_after(work: Assignment, change: PlanChange, scope: TeamScope) -> Team | None:
    """To which team the work belongs then (`assignments.teams.effective_team`, `services.keep_within`)."""
    if work.team is not None or not change.gives:
        return effective_team(work)
    if change.to is not None:
        return change.to.team
    return None if scope.only_team is None else effective_team(work)


def _after(span: timedelta) -> str:
    seconds = round(span.total_seconds())
    if seconds <= 0:
        return gettext("at once")
    return (
        gettext("after %(seconds)s s") % {"seconds": seconds}
        if seconds < 120
        else gettext("after %(minutes)s min") % {"minutes": seconds // 60}
    )


# --- warnings --------------------------------------------------------------------------------------------------


def warnings(plan: ChangePlan, config: ReminderConfig, scope: TeamScope) -> Iterator[str]:
    """What to look out for before it is confirmed."""
    started = [move for move in plan.moves if move.after.status == Status.IN_PROGRESS]
    overdue = [move for move in plan.moves if move.overdue]
    overdue_at_once = [move for move in plan.moves if move.overdue_at_once]
    if started:
        yield gettext("Already started, and stays so: %(some)s.") % {"some": _some(started)}
    if overdue:
        yield gettext("OVERDUE, and stays so until it is started or closed: %(some)s.") % {
            "some": _some(overdue)
        }
    if overdue_at_once:
        why = (
            gettext("Becomes OVERDUE at once, by its new start: %(work)s.")
            if plan.change.starts
            else gettext(
                "Becomes OVERDUE at once, since the delay that was announced no longer counts: %(work)s."
            )
        )
        yield why % {"work": _some(overdue_at_once)}
    if plan.change.gives and plan.to is not None:
        yield from _about(plan.to, plan, config)
    if plan.change.gives or plan.change.starts:
        yield from clashes([move.after for move in plan.moves], scope)


def _about(to: Assignee, plan: ChangePlan, config: ReminderConfig) -> Iterator[str]:
    name = named(to)
    if plan.moves and not is_reachable(to, config):
        yield gettext("%(name)s has no usable address: no reminder reaches them.") % {"name": name}
    for move in islice((move for move in plan.moves if move.declined), MOST_CLASHES):
        assert move.declined is not None
        note = f" ({isolated(move.declined.note)})" if move.declined.note else ""
        yield gettext("%(name)s has declined %(one)s before, at %(moment)s%(note)s.") % {
            "name": name,
            "one": _one(move.assignment),
            "moment": moment(move.declined.at),
            "note": note,
        }


def clashes(work: Sequence[Assignment], scope: TeamScope) -> Iterator[str]:
    """Who would have this work, which need not be stored, and something else at the same time."""
    given = [one for one in work if one.assignee is not None and one.status == Status.SCHEDULED]
    if not given:
        return
    people = {one.assignee.pk: one.assignee for one in given if one.assignee is not None}
    busy = bookings(people, [booking_of(one) for one in given], scope=scope)
    pairs = (
        (person, one, other)
        for pk, person in people.items()
        for one, other in double_bookings(
            [booking_of(work) for work in given if work.assignee_id == pk], busy.get(pk, ())
        )
    )
    found = list(islice(pairs, MOST_CLASHES + 1))
    for person, one, other in found[:MOST_CLASHES]:
        number = f" (#{one.id})" if one.id else ""
        yield gettext(
            "%(name)s would have “%(other)s” (#%(id)s, %(start)s) at the same time as “%(title)s”%(number)s."
        ) % {
            "name": named(person),
            "other": isolated(other.title),
            "id": other.id,
            "start": moment(other.start),
            "title": isolated(one.title),
            "number": number,
        }
    if len(found) > MOST_CLASHES:
        if len(people) == 1:
            name = named(found[-1][0])
            yield gettext("%(name)s would have still more at the same time.") % {"name": name}
        else:
            yield gettext("There would be still more at the same time.")


def _some(moves: Sequence[ChangedPlan]) -> str:
    left = len(moves) - MOST_CLASHES
    more = (
        ngettext(" and %(number)s more", " and %(number)s more", left) % {"number": left} if left > 0 else ""
    )
    return ", ".join(_one(move.assignment) for move in moves[:MOST_CLASHES]) + more


def _one(work: Assignment) -> str:
    return f"“{isolated(work.title)}” (#{work.pk})"
