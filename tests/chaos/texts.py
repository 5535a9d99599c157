"""What must hold of the stored texts of messages: their versions are kept, and attempts name those they were made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.chaos.checker import Evidence

TEMPLATES = "SELECT id, kind, channel, team_id, active_number FROM reminders_messagetemplate"
VERSIONS = "SELECT id, template_id, number, made_at, restored_from FROM reminders_templateversion"
TO_ASSIGNEES = ("reminder", "reminders", "correction")
SLACK = timedelta(seconds=2)


def stored_texts_are_named(e: Evidence) -> Iterator[str]:
    """I23: the versions of a text are numbered without gaps, and that in force is one of them; an attempt whose message was
    made of a stored text, or should have been, names a version of such messages that was saved before it ended.
    """
    numbers: dict[int, list[int]] = defaultdict(list)
    for version in e.text_versions:
        numbers[version["template_id"]].append(version["number"])
        former = version["restored_from"]
        if former is not None and former >= version["number"]:
            yield f"version {version['number']} of text {version['template_id']} repeats the later one {former}"
    for text in e.texts:
        found = sorted(numbers[text["id"]])
        if not found or found != list(range(1, len(found) + 1)):
            yield f"text {text['id']} has the versions {found}"
        if text["active_number"] is not None and text["active_number"] not in found:
            yield f"text {text['id']} has no version {text['active_number']}, which is in force"
    yield from _attempts(e)


def _attempts(e: Evidence) -> Iterator[str]:
    texts = {text["id"]: text for text in e.texts}
    versions = {version["id"]: version for version in e.text_versions}
    rows = {row["id"]: row for row in e.rows}
    for attempt in e.attempts:
        pk, row = attempt.get("template_version"), rows.get(attempt["reminder_id"])
        which = f"attempt {attempt['number']} of row {attempt['reminder_id']}"
        if pk is None:
            if attempt.get("template_fault"):
                yield f"{which} could not use a text that it does not name"
            continue
        if pk not in versions:
            yield f"{which} names version {pk}, which is gone"
            continue
        version = versions[pk]
        if row is not None and not _is_of(row, texts[version["template_id"]]):
            yield f"{which} names a text of other messages"
        ended: Any = attempt.get("finished_at") or attempt["started_at"]
        if version["made_at"] > ended + SLACK:
            yield f"{which} names a version that was saved after it had ended"


def _is_of(row: dict[str, Any], text: dict[str, Any]) -> bool:
    return row["kind"] != "EVENT" and (text["kind"] in TO_ASSIGNEES) == (
        row["kind"] in ("REMINDER", "CORRECTION")
    )
