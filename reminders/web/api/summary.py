"""The statistics of the Ops overview over HTTP."""

from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from reminders import conf
from reminders.delivery import broker_status
from reminders.insight import statistics
from reminders.insight.statistics import Snapshot
from reminders.ledger.pauses import pause_in_force
from reminders.policy.awareness import RUNGS
from reminders.web.api.endpoint import Endpoint, responses
from reminders.web.api.serializers import summary
from reminders.web.team_limits import TeamAccess


class SummaryView(Endpoint):
    """The state of all reminders."""

    team_limit = TeamAccess.NARROWS

    @extend_schema(operation_id="reminders_summary", responses=responses({200: summary.SummarySerializer}))
    def get(self, request: Request) -> Response:
        """Reads the figures of the Ops overview.

        What is waiting, what ended, what is wrong, and which processes run.
        """
        config, scope = conf.current(), self.team_scope
        snapshot = statistics.current_of(scope, config=config)
        # The queues hold the messages of all teams.
        broker = None if scope.limited else broker_status.probe()
        shown = _shown(snapshot) | {
            "enabled": config.enabled,
            "pause": pause_in_force(),
            "queue_depth": broker.depth if broker else None,
            "scan_queue_depth": broker.scan_depth if broker else None,
            "switched_off": snapshot.switched_off,
        }
        return Response(summary.SummarySerializer(shown).data)


def _shown(snapshot: Snapshot) -> dict[str, Any]:
    scanned = snapshot.last_scan_timestamp_seconds
    return {
        "taken_at": snapshot.taken,
        "assignments": [
            {"status": status, "reminder_status": reminder_status, "count": count}
            for (status, reminder_status), count in sorted(snapshot.assignments.items())
        ],
        "declined": snapshot.declined,
        "declined_soon": snapshot.declined_soon,
        "unanswered_soon": snapshot.unanswered_soon,
        "awareness": {rung: snapshot.awareness.get(rung, 0) for rung in RUNGS},
        "unaware_soon": snapshot.unaware_soon,
        "untold_soon": snapshot.untold_soon,
        "overdue": snapshot.overdue,
        "due_unsent": snapshot.due_unsent,
        "oldest_due_age_seconds": snapshot.oldest_due_age_seconds,
        "unaccounted": snapshot.unaccounted,
        "unknown": snapshot.unknown,
        "possible_duplicates": snapshot.possible_duplicates,
        "bounced": snapshot.bounced,
        "ledger": snapshot.ledger,
        "failed": snapshot.failed,
        "messages": [
            {"at": _instant(begin), "state": state, "count": count}
            for begin, state, count in snapshot.messages
        ],
        "last_scan": {"at": _instant(scanned), "by": snapshot.last_scan_by} if scanned else None,
        "held_channels": [
            {"channel": channel, "until": _instant(until)}
            for channel, until in snapshot.held_channels.items()
        ],
        "paces": [
            {
                "channel": one.channel,
                "per_minute": round(one.per_minute, 2),
                "since": _instant(one.since) if one.since is not None else None,
                "code": one.code,
                "waiting": one.waiting,
                "last_leaves_at": _instant(one.last_leaves_at) if one.last_leaves_at is not None else None,
                "too_late": one.too_late,
            }
            for one in snapshot.paces
        ],
        "processes": [
            {"kind": kind, "count": seen.count, "last_seen_at": _instant(seen.last_seen_at)}
            for kind, seen in sorted(snapshot.processes.items())
        ],
    }


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
