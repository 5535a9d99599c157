"""What the ledger does when an assignment changes: the receivers of the signals of `assignments`."""

from collections.abc import Sequence

from reminders import conf
from reminders.delivery.log_lines import log_ended
from reminders.ledger import events, notified, replanning


def on_plan_changed(*, ids: Sequence[int], **_: object) -> None:
    """A service has changed the plan of these assignments: the ledger follows in the same transaction."""
    log_ended(replanning.replan(ids, conf.current()))


def on_supervision_changed(**_: object) -> None:
    """Others supervise some work now: notices that were not sent yet go to them."""
    log_ended(replanning.follow_supervision(conf.current()))


def on_imported_as_notified(*, ids: Sequence[int], **_: object) -> None:
    """Another system has notified the assignees of these plans: nobody is notified a second time."""
    log_ended(notified.record_as_notified(ids, conf.current()))


def on_answered(*, ids: Sequence[int], answer: str, **_: object) -> None:
    """Assignees have answered: programs that listen are told."""
    events.emit_answered(ids, answer)


def on_contact_changed(*, ids: Sequence[int], **_: object) -> None:
    """A person can be reached again: what failed for that reason gets another chance."""
    replanning.requeue_failed(ids)
