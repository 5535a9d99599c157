"""Everything that is known of one person, as plain JSON values: for somebody who asks what is kept of them."""

from collections.abc import Iterable, Sequence
from datetime import datetime, time
from typing import Any

from django.db.models import Q

from assignments import contact_points
from assignments.clock import database_now
from assignments.history import Actor
from assignments.models import Act, Assignee, Assignment, Team
from reminders.ledger import archive
from reminders.models import Audit, DeliveryEvent, OptOut, SmsReply, Verification
from reminders.models.ledger import Kind
from reminders.policy import recipients

CHUNK = 2_000
"""Rows of the ledger that are in memory at once as they are read."""

PERSON = (
    "id",
    "reference",
    "name",
    "email",
    "phone",
    "time_zone",
    "language",
    "quiet_from",
    "quiet_until",
    "calendar_number",
    "calendar_revoked_at",
    "created_at",
    "updated_at",
)
CONTACT_POINT = (
    "id",
    "channel",
    "address",
    "order",
    "address_since",
    "verified_at",
    "opted_out_at",
    "failing_since",
    "failing_reason",
)
ASSIGNMENT = (
    "id",
    "reference",
    "title",
    "kind",
    "location",
    "notes",
    "status",
    "scheduled_start",
    "scheduled_end",
    "answer",
    "answered_at",
    "answer_note",
    "expected_start",
    "on_my_way_at",
    "started_at",
    "completed_at",
)
MESSAGE = (
    "id",
    "assignment_id",
    "version",
    "kind",
    "rule",
    "channel",
    "contact_point",
    "state",
    "reason",
    "due_at",
    "sent_at",
    "closed_at",
    "attempts",
    "message_id",
)
DELIVERY_EVENT = ("at", "kind", "permanent", "source", "detail")
ACT = ("assignment_id", "version", "act", "via", "at", "minutes", "note")
OPT_OUT = ("rule", "at", "via", "undone_at")
VERIFICATION = ("contact_point_id", "requested_at", "expires_at", "outcome", "used_at")
SMS_REPLY = ("contact_point", "received_at", "outcome")
ABOUT_PERSON = ("action", "at", "reason", "selection", "before", "after")


def person_export(person: Assignee) -> dict[str, Any]:
    """What is kept of a person who is no shell of another, those who were merged into them included.

    Work that is somebody else's by now is in it only by the messages and acts of this person, and no other person is
    named: neither who did what the audit trail tells, nor what it says of work beyond its id. Reads the whole ledger,
    with its archive, and the whole audit trail: there is no index by person.
    """
    ids = [person.pk, *person.merged_people.order_by("pk").values_list("pk", flat=True)]
    points = contact_points.points_of(person.pk)
    numbers = [point.pk for point in points]
    work = list(Assignment.objects.filter(assignee=person).order_by("pk"))
    actors = [Actor.assignee(pk).name for pk in ids]
    return {
        "exported_at": _plain(database_now()),
        "person": {
            **_values(person, PERSON),
            "team": person.team.name if person.team else None,
            "supervises": list(
                Team.objects.filter(supervisors=person).order_by("name").values_list("name", flat=True)
            ),
            "merged": [
                _values(one, ("id", "reference", "name")) for one in person.merged_people.order_by("pk")
            ],
        },
        "contact_points": _listed(points, CONTACT_POINT),
        "assignments": _listed(work, ASSIGNMENT),
        "messages": _messages(ids),
        "acts": _listed(Act.objects.filter(actor__in=actors).order_by("pk"), ACT),
        "opt_outs": _listed(OptOut.objects.filter(person__in=ids).order_by("pk"), OPT_OUT),
        "verifications": _listed(
            Verification.objects.filter(contact_point__in=numbers).order_by("pk"), VERIFICATION
        ),
        "sms_replies": _listed(
            SmsReply.objects.filter(contact_point__in=numbers).order_by("received_at"), SMS_REPLY
        ),
        "audit": _audit(ids, [one.pk for one in work]),
    }


def _messages(ids: Sequence[int]) -> list[dict[str, Any]]:
    to = [name for pk in ids for name in (recipients.assignee_recipient(pk), recipients.person_recipient(pk))]
    rows = [
        {name: _plain(value) for name, value in row.items()}
        for row in archive.live_and_archived(MESSAGE, {"recipients": to}, chunk=CHUNK)
        if row["kind"] != Kind.EVENT
    ]
    events: dict[int, list[dict[str, Any]]] = {row["id"]: [] for row in rows}
    for event in DeliveryEvent.objects.filter(reminder__in=list(events)).order_by("at", "pk"):
        events[event.reminder_id].append(_values(event, DELIVERY_EVENT))
    return [{**row, "delivery_events": events[row["id"]]} for row in rows]


def _audit(ids: Sequence[int], work: Sequence[int]) -> list[dict[str, Any]]:
    """Entries about the person whole, but for who did it; of those about their work which of it, and when."""
    about = Q(selection__person__in=ids) | Q(selection__kept__in=ids) | Q(selection__gone__in=ids)
    own = {str(pk) for pk in work}
    found: dict[int, dict[str, Any]] = {
        entry.pk: _values(entry, ABOUT_PERSON) for entry in Audit.objects.filter(about)
    }
    if own:
        of_work = Q(before__has_any_keys=sorted(own)) | Q(after__has_any_keys=sorted(own))
        for entry in Audit.objects.filter(of_work).exclude(pk__in=list(found)):
            named = sorted(int(key) for key in own & (entry.before.keys() | entry.after.keys()))
            found[entry.pk] = {**_values(entry, ("action", "at")), "assignments": named}
    return [found[pk] for pk in sorted(found)]


def _listed(rows: Iterable[object], names: Sequence[str]) -> list[dict[str, Any]]:
    return [_values(row, names) for row in rows]


def _values(row: object, names: Sequence[str]) -> dict[str, Any]:
    return {name: _plain(getattr(row, name)) for name in names}


def _plain(value: Any) -> Any:
    """Instants and times of day as ISO 8601, everything else as it is."""
    return value.isoformat() if isinstance(value, datetime | time) else value
