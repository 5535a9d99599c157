"""What a change makes of an assignment, in memory: its fields, its version, and the act that it is.

`services` and `imports.writer` apply changes to rows that they have locked and store what comes of it; a preview applies
them to a copy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.utils.translation import gettext

from assignments.change_record import RECORDED
from assignments.models import ACT_FIELDS, ANSWER_FIELDS, ActKind, Answer, Assignment, Status
from assignments.refusals import Refused
from assignments.validation import check_assignment, differing, stored_form

PLAN_FIELDS = frozenset({"scheduled_start", "assignee_id", "lead_minutes", "further_lead_minutes", "status"})
APPOINTMENT_FIELDS = PLAN_FIELDS - {"lead_minutes", "further_lead_minutes"}
"""What an assignee answers: when one of these changes, what they have said no longer holds."""
WRITTEN_BY_CHANGES = (*ACT_FIELDS, "times_late", "version", "known_at", "updated_at")
"""What `apply_changes` may set besides the fields that are given."""
DETAIL_FIELDS = frozenset({"title", "location"})
"""What messages state beside the plan: a change of these alone draws no version and sends `details_changed`."""
CIRCUMSTANCES = frozenset({"kind", "team_id"})
"""What rules go by beside the plan: a change of these alone draws no version and sends `circumstances_changed`."""
WRITABLE = (
    "reference",
    "title",
    "kind",
    "location",
    "notes",
    "assignee_id",
    "team_id",
    "status",
    "scheduled_start",
    "scheduled_end",
    "lead_minutes",
    "further_lead_minutes",
)
GIVEN = tuple(name for name in WRITABLE if name != "further_lead_minutes")
"""The same, as callers give them: several lead times are one value."""
ALLOWED_NEXT = {
    Status.SCHEDULED: {Status.IN_PROGRESS, Status.COMPLETED, Status.CANCELLED},
    Status.IN_PROGRESS: {Status.SCHEDULED, Status.COMPLETED, Status.CANCELLED},
    Status.COMPLETED: set(),
    Status.CANCELLED: {Status.SCHEDULED},
}
"""Which status may follow which."""
OPEN = (Status.SCHEDULED, Status.IN_PROGRESS)
"""Work that is still to be done."""


@dataclass(frozen=True, slots=True)
class AppliedChange:
    """The fields that a change has given other values, whether the plan is another one, and the act that it is. `before`
    holds the former values of those that are recorded."""

    written: set[str]
    plan_changed: bool
    act: ActKind | None = None
    before: Mapping[str, object] = field(default_factory=dict)

    def recorded(self, *, is_act: bool) -> dict[str, object]:
        """The former values that go into the record of changes; a status that is an act does not."""
        left_out = {"status"} if is_act and self.act is not None else set()
        return {name: value for name, value in self.before.items() if name not in left_out}

    @property
    def details_changed(self) -> bool:
        return not self.plan_changed and not self.written.isdisjoint(DETAIL_FIELDS)


def apply_changes(
    assignment: Assignment, changes: Mapping[str, object], *, now: datetime
) -> AppliedChange | None:
    """Gives a locked assignment these values in memory; None where it has them already.

    Raises Refused (a status that cannot follow the present one) or ValidationError (a value that is not accepted).
    """
    changed = differing(assignment, stored_form(changes))
    unknown = set(changed) - set(WRITABLE)
    if unknown:
        raise ValueError(f"not writable: {sorted(unknown)}")
    if not changed:
        return None
    plan = changed.keys() & PLAN_FIELDS
    if "status" in changed:
        _check_transition(assignment, Status(str(changed["status"])))
    elif assignment.status == Status.CANCELLED and plan:
        raise Refused(
            gettext("assignment %(pk)s is CANCELLED: put it back with status SCHEDULED to change its plan")
            % {"pk": assignment.pk}
        )
    before = Status(assignment.status)
    former = {name: getattr(assignment, name) for name in RECORDED if name in changed}
    for name, value in changed.items():
        setattr(assignment, name, value)
    check_assignment(assignment, changed)
    progresses = plan == {"status"} and assignment.status in (Status.IN_PROGRESS, Status.COMPLETED)
    written = set(changed) | {"updated_at"}
    assignment.updated_at = now
    if plan and not progresses:
        # Starting and completing keep the version; receivers of the signal see the status.
        assignment.version += 1
        written.add("version")
        if plan & APPOINTMENT_FIELDS:
            assignment.answer, assignment.answered_at, assignment.answer_note = Answer.NONE, None, ""
            assignment.expected_start, assignment.times_late, assignment.on_my_way_at = None, 0, None
            written.update((*ANSWER_FIELDS, "expected_start", "times_late", "on_my_way_at"))
    act = _progress(assignment, now=now, written=written) if "status" in changed else None
    if "scheduled_start" in changed or before == Status.CANCELLED:
        assignment.known_at = now
        written.add("known_at")
    return AppliedChange(written, bool(plan), act, former)


def _progress(assignment: Assignment, *, now: datetime, written: set[str]) -> ActKind | None:
    """Sets when the work was started and completed after a change of status; the act that this is, if it is one."""
    match assignment.status:
        case Status.IN_PROGRESS:
            assignment.started_at = now
            written.add("started_at")
            return ActKind.START
        case Status.COMPLETED:
            assignment.completed_at = now
            written.add("completed_at")
            return ActKind.COMPLETE
        case Status.SCHEDULED:
            assignment.started_at = assignment.completed_at = None
            written.update(("started_at", "completed_at"))
    return None


def _check_transition(assignment: Assignment, wanted: Status) -> None:
    present = Status(assignment.status)
    if wanted not in ALLOWED_NEXT[present]:
        accepted = ", ".join(sorted(ALLOWED_NEXT[present])) or "nothing"
        raise Refused(
            gettext("assignment %(pk)s is %(present)s: %(wanted)s cannot follow it, only %(accepted)s can")
            % {"pk": assignment.pk, "present": present, "wanted": wanted, "accepted": accepted}
        )
