"""What acts mean for the ledger, in their transaction."""

from collections import defaultdict
from collections.abc import Sequence

from django.db import connection

from assignments.models import Act, ActKind
from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger import counters
from reminders.ledger.corrections import plan_corrections
from reminders.ledger.escalations import plan_escalations
from reminders.ledger.events import ACTS, Event, emit_events
from reminders.ledger.records import Ended
from reminders.ledger.replanning import requeue_declined, retime_late, void


@atomically
def follow(acts: Sequence[Act], config: ReminderConfig) -> list[Ended]:
    """Ends, brings back or moves the rows that the acts are about, plans what supervisors are told of them, counts them,
    and raises their events.

    The assignments' rows are locked by the caller. A start and a completion have ended their rows already: they are
    changes of plan.
    """
    about: dict[str, list[int]] = defaultdict(list)
    for act in acts:
        about[act.act].append(act.assignment_id)
    answered = about[ActKind.DECLINE] + about[ActKind.CONFIRM]
    ended = void(answered) if answered else []
    if about[ActKind.CONFIRM]:
        ended += requeue_declined(about[ActKind.CONFIRM], config)
        plan_corrections(about[ActKind.CONFIRM], config)
    if about[ActKind.LATE]:
        retime_late(about[ActKind.LATE], config)
    counts = counters.Counts(
        (counters.ACTS, counters.labels(act=str(act.act), via=str(act.via))) for act in acts
    )
    with connection.cursor() as cursor:
        plan_escalations(cursor, acts, config)
        counters.write(cursor, counts)
        emit_events(
            cursor,
            [
                Event(ACTS[ActKind(act.act)], act.assignment_id, source=str(act.pk), act_id=act.pk)
                for act in acts
            ],
        )
    return ended
