"""What must hold of messages that go to several addresses of a person, one after the other."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.chaos.checker import Evidence

POINTS = "SELECT id, person_id, channel, opted_out_at, verified_at FROM assignments_contactpoint"
EVENTS = "SELECT reminder_id, kind, permanent, source, external_id FROM reminders_deliveryevent ORDER BY id"
NUDGE = ("assignment_id", "version", "kind", "rule", "recipient")
FOR_ITS_ADDRESS = ("rejected", "no_contact")
NEXT_NEEDS = timedelta(seconds=30)
"""How much must be left of a message's use for another address to be tried."""
A_MOMENT = timedelta(seconds=2)


def channel_of(way: str) -> str:
    return way.partition(":")[0]


def one_way_is_enough(e: "Evidence") -> Iterator[str]:
    """I20: each message to a person is accepted over one way, over another only after a bounce for good; nothing goes
    another way after an end that nobody knows; and what failed for its address in time goes to the next usable one.
    """
    nudges: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in e.rows:
        if row["kind"] != "EVENT" and row["channel"] != "none":
            nudges[tuple(row[part] for part in NUDGE)].append(row)
    usable: dict[tuple[str, bool], int] = defaultdict(int)
    for point in e.points:
        if point["opted_out_at"] is None and point["channel"] in e.channels:
            usable[str(point["person_id"]), False] += 1
            usable[str(point["person_id"]), True] += point["verified_at"] is not None
    verified_only = {f"rule:{rule['id']}" for rule in e.rules if rule.get("verified_only")}
    several = {f"rule:{rule['id']}" for rule in e.rules if len(rule.get("channels") or ()) > 1}
    for rows in nudges.values():
        if rows[0]["rule"] in several:
            continue
        accepted = [row for row in rows if row["state"] == "SENT" and row["id"] not in e.bounced]
        if len(accepted) > 1:
            yield f"rows {[row['id'] for row in accepted]} say the same, and were accepted over several ways"
        if len({row["channel"] for row in rows}) < len(rows):
            yield f"rows {[row['id'] for row in rows]} say the same over one way"
        if accepted and any(row["state"] == "UNKNOWN" and row["id"] not in e.bounced for row in rows):
            yield f"row {accepted[0]['id']} was sent though another way may have been taken"
        last = max(rows, key=lambda row: row["id"])
        tried = sum(row["state"] in ("FAILED", "SENT", "SKIPPED") for row in rows)
        others = usable[last["recipient"].partition(":")[2], last["rule"] in verified_only]
        if last["state"] == "FAILED" and last["reason"] in FOR_ITS_ADDRESS and tried < others:
            in_time = (
                last["not_after"] is None or last["not_after"] - NEXT_NEEDS - A_MOMENT > last["closed_at"]
            )
            if in_time and last["version"] == e.version_of(last):
                yield f"row {last['id']} failed for its address, and no other one was tried"
