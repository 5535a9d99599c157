"""What the ledger does when an assignment changes: the receivers of the signals of `assignments`."""

import logging
from collections.abc import Sequence

from assignments.models import Act
from reminders import conf
from reminders.delivery.log_lines import log_ended
from reminders.ledger import corrections, erasing, merging, notified, replanning, rule_changes, ways
from reminders.ledger.acts import follow
from reminders.models import Reason

logger = logging.getLogger(__name__)


def on_plan_changed(*, ids: Sequence[int], new: bool, **_: object) -> None:
    """A service has changed the plan of these assignments: the ledger follows in the same transaction."""
    log_ended(replanning.replan(ids, conf.current(), new=new))


def on_details_changed(*, ids: Sequence[int], **_: object) -> None:
    """What messages state has changed: who was told otherwise is corrected."""
    corrections.plan_corrections(ids, conf.current())


def on_supervision_changed(**_: object) -> None:
    """Others supervise some work now: notices that were not sent yet go to them."""
    log_ended(replanning.follow_supervision(conf.current()))


def on_circumstances_changed(
    *, assignments: Sequence[int], people: Sequence[int], teams: Sequence[int], **_: object
) -> None:
    """Other rules apply to some work now, or at other times: its rows follow."""
    config = conf.current()
    log_ended(
        rule_changes.follow_circumstances(assignments=assignments, people=people, teams=teams, config=config)
    )


def on_imported_as_notified(*, ids: Sequence[int], **_: object) -> None:
    """Another system has notified the assignees of these plans: nobody is notified a second time."""
    log_ended(notified.record_as_notified(ids, conf.current()))


def on_acted(*, acts: Sequence[Act], **_: object) -> None:
    """People have acted: the ledger follows in the same transaction."""
    log_ended(follow(acts, conf.current()))
    for act in acts:
        extra = {"assignment_id": act.assignment_id, "version": act.version, "act": act.act, "via": act.via}
        logger.info("Assignment acted on", extra=extra)


def on_contact_point_left(*, point: int, why: str, **_: object) -> None:
    """No message should go to this address any more: what was to go there goes to the next one."""
    reason = Reason.OPTED_OUT if why == "opted_out" else Reason.FALLBACK
    log_ended(ways.leave_point(point, reason, conf.current()))


def on_people_merged(*, kept: int, gone: int, **_: object) -> None:
    """Two people were one: what was and is to be sent to the second is the first's."""
    log_ended(merging.follow_merge(kept, gone))


def on_person_erased(*, ids: Sequence[int], **_: object) -> None:
    """A person is being erased: nothing more is sent to them."""
    log_ended(erasing.follow_erasure(ids))


def on_contact_changed(*, ids: Sequence[int], **_: object) -> None:
    """A person can be reached again: what failed for that reason gets another chance."""
    replanning.requeue_failed(ids)
