"""What an act means for the ledger, in the transaction of the act."""

from django.db import connection

from assignments.models import Act, ActKind
from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger import counters
from reminders.ledger.events import ACTS, Event, emit_events
from reminders.ledger.records import Ended
from reminders.ledger.replanning import requeue_declined, retime_late, void


@atomically
def follow(act: Act, config: ReminderConfig) -> list[Ended]:
    """Ends, brings back or moves the rows that the act is about, counts it, and raises its event.

    The assignment's row is locked by the caller. A start and a completion have ended their rows already: they are
    changes of plan. This is also the place where notices about an act are planned: the id of the act tells two
    answers of one version apart.
    """
    ids, ended = [act.assignment_id], []
    match ActKind(act.act):
        case ActKind.DECLINE:
            ended = void(ids)
        case ActKind.CONFIRM:
            requeue_declined(ids)
        case ActKind.LATE:
            retime_late(ids, config)
    with connection.cursor() as cursor:
        counters.write(
            cursor, counters.Counts({(counters.ACTS, counters.labels(act=act.act, via=act.via)): 1})
        )
        event = Event(ACTS[ActKind(act.act)], act.assignment_id, source=str(act.pk), act_id=act.pk)
        emit_events(cursor, [event])
    return ended
