"""Rescan: plans what is missing at once, and says beforehand what that would be."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.utils.translation import gettext

from accounts.reasons import checked_reason
from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.delivery import scan
from reminders.delivery.scan import ScanCounts, ScanPreview
from reminders.ledger import scans
from reminders.ledger.audit import record

REQUEST_BUDGET = timedelta(seconds=10)
"""How long a scan may keep a request waiting; after it the scanner goes on."""


@dataclass(frozen=True, slots=True)
class Rescan:
    """A rescan's answer. `counts` is None while the scan runs on: another one's, or this one in the scanner."""

    scan_id: int
    counts: ScanCounts | None
    is_new: bool
    handed_over: bool = False


def rescan(
    *,
    trigger: str,
    by: str,
    config: ReminderConfig,
    reason: str = "",
    budget: timedelta | None = None,
    hand_over: Callable[[int], bool] | None = None,
    watch: Callable[[ScanCounts], None] | None = None,
) -> Rescan:
    """Scans now, behind every entrance: API, admin and command. A second one answers with the running scan's id.

    Needs no broker. Only a scan that takes longer than `budget` is handed over, to `hand_over`; where nobody
    takes it, its record says so and the next scan does the rest. `watch` hears what was done so far. Raises scan.Disabled.
    """
    if not config.enabled:
        raise scan.Disabled(gettext("REMINDER_WORKER_ENABLED is false: nothing is planned until it is true"))
    scan_id, mine = _open_scan(trigger, by, checked_reason(reason, needed=False))
    if not mine:
        return Rescan(scan_id, None, is_new=False)
    done = scan.run_scan(scan_id, config=config, budget=budget, watch=watch)
    if not done.unfinished:
        return Rescan(scan_id, done.counts, is_new=True)
    if hand_over is not None and hand_over(scan_id):
        return Rescan(scan_id, None, is_new=True, handed_over=True)
    scans.close_scan(
        scan_id,
        counts="null",
        error="Time was over and the broker took no message: the next scan does the rest.",
    )
    return Rescan(scan_id, None, is_new=True)


def preview_rescan(*, config: ReminderConfig, budget: timedelta | None = None) -> ScanPreview:
    """What a rescan would do; also while reminders are switched off."""
    return scan.preview_scan(config=config, budget=budget)


@atomically
def _open_scan(trigger: str, by: str, reason: str) -> tuple[int, bool]:
    turn = scans.open_scan(trigger=trigger, by=by)
    if turn.is_new:
        record("rescan", by=by, reason=reason, after={"scan_id": turn.scan_id})
    return turn.scan_id, turn.is_new
