"""What people do about their work, one function each: by the link in a message, by SMS, through the API, by operators.

Each is recorded with its actor (`history`). The same act again changes nothing. Confirming, declining, being on the way
and running late are no changes of plan. All raise UnknownAssignment (also where the work is out of the caller's
`scope`), NotAssigned (`actor` acts for themselves, and the work is not theirs), Stale (`version` or `if_match` is not in
force), Refused (`act_rules`) or ValidationError.
"""

from datetime import timedelta

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from assignments import act_rules, history, services
from assignments.act_rules import LEAST_LATE, LONGEST_WAY, MOST_LATE
from assignments.clock import database_now
from assignments.direction import without_controls
from assignments.history import Actor
from assignments.models import ANSWER_FIELDS, LONGEST_ANSWER_NOTE, Act, ActKind, Answer, Assignment, Status
from assignments.services import NotAssigned, Refused, Stale
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.transactions import atomically
from assignments.validation import check_text


def carry_out(
    act: ActKind,
    pk: int,
    *,
    actor: Actor,
    version: int | None = None,
    minutes: int | None = None,
    note: str = "",
    scope: TeamScope = EVERYTHING,
) -> Assignment:
    """The act of this kind; `minutes` go with being on the way and running late, `note` with a decline."""
    match act:
        case ActKind.CONFIRM:
            return confirm(pk, actor=actor, version=version, scope=scope)
        case ActKind.DECLINE:
            return decline(pk, actor=actor, version=version, note=note, scope=scope)
        case ActKind.ON_MY_WAY:
            return on_my_way(pk, actor=actor, version=version, minutes=minutes, scope=scope)
        case ActKind.LATE:
            return run_late(pk, actor=actor, version=version, minutes=minutes or 0, scope=scope)
        case ActKind.START:
            return start(pk, actor=actor, version=version, scope=scope)
        case ActKind.COMPLETE:
            return complete(pk, actor=actor, version=version, scope=scope)


def confirm(
    pk: int,
    *,
    actor: Actor,
    version: int | None = None,
    if_match: str | None = None,
    scope: TeamScope = EVERYTHING,
) -> Assignment:
    """The assignee will be there. Until the start it may take a decline back."""
    return _answer(pk, ActKind.CONFIRM, Answer.CONFIRMED, "", actor, version, if_match, scope)


def decline(
    pk: int,
    *,
    actor: Actor,
    version: int | None = None,
    note: str = "",
    if_match: str | None = None,
    scope: TeamScope = EVERYTHING,
) -> Assignment:
    """The assignee can't make it, and may say why: they are not reminded any more."""
    note = without_controls(note)
    check_text("note", note, longest=LONGEST_ANSWER_NOTE)
    return _answer(pk, ActKind.DECLINE, Answer.DECLINED, note, actor, version, if_match, scope)


@atomically
def on_my_way(
    pk: int,
    *,
    actor: Actor,
    version: int | None = None,
    minutes: int | None = None,
    if_match: str | None = None,
    scope: TeamScope = EVERYTHING,
) -> Assignment:
    """The assignee is on the way, and may say how many minutes they still need; the last word counts."""
    if minutes is not None:
        _check_minutes(minutes, 1, LONGEST_WAY)
    work = _seen(pk, actor, version, if_match, scope)
    if act_rules.is_done(ActKind.ON_MY_WAY, work) and minutes in (None, _minutes_on_the_way(work)):
        return work
    _check(ActKind.ON_MY_WAY, work, actor)
    work.on_my_way_at = work.updated_at = database_now()
    work.save(update_fields=["on_my_way_at", "updated_at"])
    history.record([history.new_act(work, ActKind.ON_MY_WAY, actor, at=work.on_my_way_at, minutes=minutes)])
    return work


@atomically
def run_late(
    pk: int,
    *,
    actor: Actor,
    minutes: int,
    version: int | None = None,
    if_match: str | None = None,
    scope: TeamScope = EVERYTHING,
) -> Assignment:
    """The assignee will begin so many minutes after `scheduled_start`: the overdue instant moves along.

    Possible twice, until the work is marked OVERDUE.
    """
    _check_minutes(minutes, LEAST_LATE, MOST_LATE)
    work = _seen(pk, actor, version, if_match, scope)
    expected = work.scheduled_start + timedelta(minutes=minutes)
    if work.expected_start == expected:
        return work
    _check(ActKind.LATE, work, actor)
    work.expected_start, work.updated_at = expected, database_now()
    work.times_late += 1
    work.save(update_fields=["expected_start", "times_late", "updated_at"])
    history.record([history.new_act(work, ActKind.LATE, actor, at=work.updated_at, minutes=minutes)])
    return work


def start(
    pk: int,
    *,
    actor: Actor,
    version: int | None = None,
    if_match: str | None = None,
    scope: TeamScope = EVERYTHING,
) -> Assignment:
    """The work has begun: everything that is still open for it ends, also after it was marked OVERDUE."""
    return _progress(pk, ActKind.START, Status.IN_PROGRESS, actor, version, if_match, scope)


def complete(
    pk: int,
    *,
    actor: Actor,
    version: int | None = None,
    if_match: str | None = None,
    scope: TeamScope = EVERYTHING,
) -> Assignment:
    """The work is done."""
    return _progress(pk, ActKind.COMPLETE, Status.COMPLETED, actor, version, if_match, scope)


@atomically
def _answer(
    pk: int,
    act: ActKind,
    answer: Answer,
    note: str,
    actor: Actor,
    version: int | None,
    if_match: str | None,
    scope: TeamScope,
) -> Assignment:
    work = _seen(pk, actor, version, if_match, scope)
    if (work.answer, work.answer_note) == (answer, note):
        return work
    _check(act, work, actor)
    work.updated_at = work.answered_at = database_now()
    work.answer, work.answer_note = answer, note
    if answer == Answer.DECLINED:
        work.on_my_way_at = None
    work.save(update_fields=[*ANSWER_FIELDS, "on_my_way_at", "updated_at"])
    history.record([history.new_act(work, act, actor, at=work.answered_at, note=note)])
    return work


@atomically
def _progress(
    pk: int,
    act: ActKind,
    status: Status,
    actor: Actor,
    version: int | None,
    if_match: str | None,
    scope: TeamScope,
) -> Assignment:
    work = _seen(pk, actor, version, if_match, scope)
    if not act_rules.is_done(act, work):
        _check(act, work, actor)
    return services.change(pk, {"status": status}, scope=scope, actor=actor)


def _seen(pk: int, actor: Actor, version: int | None, if_match: str | None, scope: TeamScope) -> Assignment:
    """The assignment, locked, if it is in the scope, this actor's and as they have seen it."""
    work = services.locked(pk, scope=scope)
    if actor.assignee_id is not None and work.assignee_id != actor.assignee_id:
        raise NotAssigned(
            gettext("assignment %(pk)s is not assigned to %(person)s")
            % {"pk": pk, "person": actor.assignee_id}
        )
    if if_match is not None and if_match != services.etag(work):
        raise services.changed_since_read(pk)
    if version is not None and work.version != version:
        raise Stale(
            gettext(
                "version %(version)s of assignment %(pk)s is not in force, %(version2)s is: read it again, then "
                "act"
            )
            % {"version": version, "pk": pk, "version2": work.version}
        )
    return work


def _check(act: ActKind, work: Assignment, actor: Actor) -> None:
    refusal = act_rules.refusal(act, work, now=database_now(), by_assignee=actor.assignee_id is not None)
    if refusal:
        raise Refused(refusal)


def _minutes_on_the_way(work: Assignment) -> int | None:
    """How many minutes the last act of this kind has named."""
    acts = Act.objects.filter(assignment=work, act=ActKind.ON_MY_WAY).order_by("-id")
    return acts.values_list("minutes", flat=True).first()


def _check_minutes(minutes: int, least: int, most: int) -> None:
    if not least <= minutes <= most:
        message = gettext(
            "%(minutes)s is not accepted: a whole number of minutes from %(least)s to %(most)s is needed"
        ) % {"minutes": minutes, "least": least, "most": most}
        raise ValidationError({"minutes": ValidationError(message, code="out_of_range")})
