"""What operators do to the system: rescan, pause, resume, empty the queue."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from reminders import conf
from reminders.delivery.broker import CeleryBroker
from reminders.insight import queue_status
from reminders.ledger.pauses import pause_in_force
from reminders.models import ScanRun
from reminders.operations import pauses, queue_purge, rescans
from reminders.operations.action_types import ActionRequest, Preview
from reminders.operations.counts import counted

PREVIEW_BUDGET = timedelta(seconds=3)


SCANNED = {
    "planned": _("reminders planned"),
    "markers": _("markers planned: the work is marked OVERDUE if nobody has started it by then"),
    "skipped": _("planned and skipped at once: too late, past, or already notified"),
    "voided": _("ended, because their plan no longer holds"),
    "retimed": _("moved, because the rules have changed"),
    "synced": _("reminder statuses corrected"),
    "returned": _("taken back from workers or queue, to be handed over again"),
    "ambiguous": _("taken back in the middle of a send, may have arrived"),
    "unaccounted": _("due work that would still have no reminder: must be 0"),
}


def preview_rescan(_request: ActionRequest) -> Preview:
    config = conf.current()
    preview = rescans.preview_rescan(config=config, budget=PREVIEW_BUDGET)
    warnings = []
    if not config.enabled:
        warnings.append(
            gettext("Reminders are switched off (REMINDER_WORKER_ENABLED=false): a rescan is refused.")
        )
    if not preview.complete:
        warnings.append(
            gettext(
                "There is more than could be counted just now: the figures are the least a scan would do."
            )
        )
    return Preview(
        summary=(
            gettext(
                "A scan plans the reminders that are missing, and ends those whose plan no longer holds. "
                "It sends nothing twice, however often it runs. It would do this now:"
            )
        ),
        facts=[(SCANNED[name], value) for name, value in asdict(preview.counts).items()],
        warnings=warnings,
        possible=config.enabled,
    )


def run_rescan(request: ActionRequest, form: Any) -> str:
    done = rescans.rescan(
        trigger=ScanRun.Trigger.ADMIN,
        by=request.by,
        reason=form.cleaned_data["reason"],
        config=conf.current(),
        budget=rescans.REQUEST_BUDGET,
        hand_over=CeleryBroker().resume_scan_elsewhere,
    )
    if done.counts is not None:
        return gettext("Scan %(scan_id)s is finished: %(count)s planned.") % {
            "scan_id": done.scan_id,
            "count": counted(done.counts.planned, "reminder"),
        }
    if not done.is_new:
        return gettext("Scan %(scan_id)s is running already: it does the same work.") % {
            "scan_id": done.scan_id
        }
    return gettext("Scan %(scan_id)s takes longer and goes on by itself: its record says how it ends.") % {
        "scan_id": done.scan_id
    }


def preview_pause(_request: ActionRequest) -> Preview:
    waits = pauses.backlog(config=conf.current())
    return Preview(
        summary=(
            gettext(
                "Nothing is sent to anybody until sending is resumed. Reminders go on being planned and wait; "
                "work that nobody has started is still marked OVERDUE."
            )
        ),
        facts=[
            (
                gettext("messages due at this moment, which would wait"),
                waits.useful + waits.late + waits.notices + waits.corrections + waits.escalations,
            )
        ],
        possible=pause_in_force() is None,
        warnings=[gettext("Sending is paused already.")] if pause_in_force() else [],
    )


def run_pause(request: ActionRequest, form: Any) -> str:
    pauses.pause(by=request.by, reason=form.cleaned_data["reason"], until=form.end())
    return gettext("Sending is paused.")


def preview_resume(_request: ActionRequest) -> Preview:
    pause, waits = pause_in_force(), pauses.backlog(config=conf.current())
    if pause is None:
        return Preview(summary=gettext("Sending is not paused: there is nothing to end."), possible=False)
    unplanned = gettext("Not planned yet: %(count)s. After a rescan they are counted below.") % {
        "count": counted(waits.unplanned, "due assignment")
    }
    return Preview(
        summary=gettext("Choose what becomes of the messages that have become due meanwhile:"),
        warnings=[unplanned] if waits.unplanned else [],
        facts=[
            (gettext("reminders that are still useful"), waits.useful),
            (gettext("late reminders: the work has begun by the clock"), waits.late),
            (gettext("reminders that are too late: skipped by themselves"), waits.too_late),
            (gettext("notices of overdue work"), waits.notices),
            (gettext("corrections to who was told otherwise"), waits.corrections),
            (gettext("notices of what assignees did"), waits.escalations),
        ],
    )


def run_resume(request: ActionRequest, form: Any) -> str:
    done = pauses.resume(by=request.by, reason=form.cleaned_data["reason"], skip=form.skipped())
    return gettext("Sending goes on. Skipped: %(count)s.") % {"count": counted(done.skipped, "message")}


def preview_purge(_request: ActionRequest) -> Preview:
    queue = queue_status.read_queue_status()
    if queue.redis is None:
        return Preview(
            summary=gettext("Redis cannot be emptied: %(error)s.") % {"error": queue.error}, possible=False
        )
    return Preview(
        summary=(
            gettext(
                "The queues in Redis are emptied, and every reminder that was handed over and not begun goes back to the "
                "ledger. Nothing is lost: a scan follows, and all is handed over again within seconds. What a worker "
                "is sending "
                "is left alone."
            )
        ),
        facts=[
            *(
                (gettext("messages in %(name)s") % {"name": name}, number)
                for name, number in queue.redis.items()
            ),
            (gettext("reminders handed over"), queue.queued),
            (gettext("reminders being sent, left alone"), queue.sending),
        ],
    )


def run_purge(request: ActionRequest, form: Any) -> str:
    done = queue_purge.purge(
        by=request.by,
        reason=form.cleaned_data["reason"],
        trigger=ScanRun.Trigger.ADMIN,
        config=conf.current(),
        budget=rescans.REQUEST_BUDGET,
    )
    return gettext("Deleted from Redis: %(count)s. Returned to the ledger: %(count2)s.") % {
        "count": counted(sum(done.redis.values()), "message"),
        "count2": counted(done.returned, "reminder"),
    }
