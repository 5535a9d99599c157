"""Merges of people in sentences, by whom: for the history of work that moved with one, and for the page of who was kept."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.utils.translation import gettext, ngettext

from assignments.direction import isolated
from assignments.models import Assignee
from reminders.insight.recipient_names import named_and_numbered
from reminders.models import Audit
from reminders.policy import recipients

MERGE = "merge_people"


def merges_of_work(assignment_id: int) -> list[tuple[datetime, str]]:
    """When this work came from an entry of somebody to another entry of the same person, and how; the first merge first."""
    records = list(
        Audit.objects.filter(action=MERGE, after__assignments__contains=[assignment_id]).order_by("id")
    )
    names = _names(records)
    return [
        (
            one.at,
            gettext("%(gone)s and %(kept)s are one person: merged by %(by)s, and the work moved with it.")
            % {"gone": _gone(one), "kept": _named(names, one, "kept"), "by": isolated(one.actor)},
        )
        for one in records
    ]


def merges_into(person: Assignee) -> list[tuple[datetime, str, str]]:
    """When, how and why others were merged into this person, or into somebody who was merged into them; the last first."""
    own = [person.pk, *person.merged_people.order_by("pk").values_list("pk", flat=True)]
    records = list(Audit.objects.filter(action=MERGE, selection__kept__in=own).order_by("-id"))
    names = _names(records)
    return [(one.at, _merged(one, person.pk, names), one.reason) for one in records]


def _merged(record: Audit, person_id: int, names: dict[int, str]) -> str:
    work = len(record.after.get("assignments", ()))
    what = ngettext("%(work)s assignment", "%(work)s assignments", work) % {"work": work}
    values = {"gone": _gone(record), "by": isolated(record.actor), "what": what}
    if record.selection["kept"] == person_id:
        return gettext("%(gone)s was merged into this person by %(by)s, with %(what)s.") % values
    return gettext("%(gone)s was merged into %(kept)s by %(by)s, with %(what)s.") % {
        **values,
        "kept": _named(names, record, "kept"),
    }


def _names(records: Sequence[Audit]) -> dict[int, str]:
    ids: Iterable[int] = {record.selection["kept"] for record in records}
    return dict(Assignee.objects.filter(pk__in=ids).values_list("pk", "name")) if records else {}


def _gone(record: Audit) -> str:
    """Who is gone, by the name and number of then."""
    return named_and_numbered(
        record.before.get("name", ""), recipients.person_recipient(record.selection["gone"])
    )


def _named(names: dict[int, str], record: Audit, part: str) -> str:
    pk = record.selection[part]
    return named_and_numbered(names.get(pk, ""), recipients.person_recipient(pk))
