"""What people type to find somebody or something: one meaning for lists, the API, the admin and the box on Ops pages."""

import json
import re
from datetime import timedelta

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Now
from django.db.models.lookups import IsNull

from assignments.contact_point import ContactChannel, ContactPoint
from assignments.models import Assignee, Assignment
from assignments.references import normalized, person_spellings, spellings
from notifications.phone_numbers import sendable
from reminders.models import Reminder

MAX_SEARCH_LENGTH = 200
MOST_PEOPLE_NAMED = 10_000
"""Of up to so many people work is found by their ids, for which there is an index. Where there are more, all work in the
order of a list is asked for its assignee, until there is enough."""
MOST_WORK_NAMED = 1_000
"""Up to so many assignments are found first, and then looked up by their ids; where there are more, the order of a list soon
meets enough of them."""
FREQUENT = 20_000
"""Of so much work it is taken for granted that the order of a list soon meets enough of it: looking for it by its text first
would read all of its entries in the index."""
SHORT = 2
"""Texts of up to so many characters are looked for at the beginning of titles, places and references alone: there is no
group of three characters (a trigram) to find them by elsewhere."""
FEWEST_DIGITS = 6
"""Of a telephone number without its country."""
MESSAGE_ID = re.compile(r"<?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@[^@\s<>]+>?")
MESSAGES_FOUND = timedelta(days=30)
"""How far back messages are looked for by their Message-ID."""
PHONE = re.compile(r"[+(]?[0-9][0-9 ()./-]*", re.ASCII)


def clean_text(text: str | None) -> str:
    """Text out of an address as PostgreSQL accepts it, no longer than a search may be."""
    return (text or "").replace("\x00", "").strip()[:MAX_SEARCH_LENGTH]


def whole_number(text: str) -> int | None:
    """The number of up to 18 digits that this is; None for any other text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def assignment_id(text: str) -> int | None:
    """The id that `6` or `#6` names; None for any other text."""
    return whole_number(text.removeprefix("#"))


def exact_assignment(text: str, *, prefix: str = "") -> Q:
    """An assignment by exactly its reference, or by `6` or `#6`; both columns have an index."""
    named = Q(**{f"{prefix}reference__in": spellings(text)})
    pk = assignment_id(text)
    return named if pk is None else named | Q(**{f"{prefix}id": pk})


def work_of_message(text: str) -> list[int] | None:
    """The assignments that the message with this Message-ID was about, as mail programs and servers show it; None for any
    other text. No index has it: the rows that ended within MESSAGES_FOUND are read.
    """
    given = MESSAGE_ID.fullmatch(text.lower())
    if given is None:
        return None
    rows = Reminder.objects.filter(
        closed_at__gt=Now() - MESSAGES_FOUND, message_id__startswith=f"{given[1]}@"
    )
    return sorted(set(rows.values_list("assignment", flat=True)[: MOST_WORK_NAMED + 1]))


def work_search(text: str, *, prefix: str = "") -> Q:
    """Assignments by a part of their own reference, title or place, or by `6` or `#6`.

    Conditions on columns of the table alone, joined by OR: PostgreSQL then chooses between the trigrams, where little is
    found, and the order of the list, where much is.
    """
    part = normalized(text)
    lookup = "istartswith" if len(part) <= SHORT else "icontains"
    found = exact_assignment(text, prefix=prefix)
    for column in ("reference", "title", "location"):
        found |= Q(**{f"{prefix}{column}__{lookup}": part})
    return found


def assignment_search(text: str, *, prefix: str = "") -> Q:
    """The same, and the work of the people that the text finds (`people_search`). Asks for people and for work at once.

    With the order of a list PostgreSQL may expect to meet a rare text soon, and read all of the table.
    """
    if (told_of := work_of_message(text)) is not None:
        return Q(**{f"{prefix}id__in": told_of})
    people = Assignee.objects.filter(people_search(text)).order_by()
    found = list(people.values_list("pk", flat=True)[: MOST_PEOPLE_NAMED + 1])
    if len(found) > MOST_PEOPLE_NAMED:
        # Looked up one by one: PostgreSQL would read all of them for each piece of work that it plans to look at.
        them = people.filter(pk=OuterRef(f"{prefix}assignee")).values("pk")[:1]
        return work_search(text, prefix=prefix) | Q(IsNull(Subquery(them), False))
    if not is_frequent(text):
        wanted = work_search(text) | Q(assignee__in=found)
        work = Assignment.objects.filter(wanted).order_by().values_list("pk", flat=True)
        named = list(work[: MOST_WORK_NAMED + 1])
        if len(named) <= MOST_WORK_NAMED:
            return Q(**{f"{prefix}id__in": named})
    return work_search(text, prefix=prefix) | Q(**{f"{prefix}assignee__in": found})


def is_frequent(text: str) -> bool:
    """Whether a great deal of work has this text, by the statistics of the table; nothing is read of it."""
    told = Assignment.objects.filter(work_search(text)).order_by().values("pk").explain(format="json")
    return int(json.loads(told)[0]["Plan"]["Plan Rows"]) > FREQUENT


def people_search(text: str) -> Q:
    """People by a part of their name, reference or e-mail addresses, or by a telephone number in any spelling."""
    part = normalized(text)
    found = Q(name__icontains=part) | Q(reference__icontains=part) | Q(email__icontains=part)
    found |= Q(reference__in=person_spellings(text))
    if "@" in text:
        found |= _at(Q(channel=ContactChannel.EMAIL, address__icontains=part))
    numbers = phone_search(text)
    return found if numbers is None else found | _at(numbers)


def phone_search(text: str) -> Q | None:
    """Contact points by a telephone number; None for what is none.

    A national number without PHONE_REGION is found by its end.
    """
    if (number := sendable(text)) is not None:
        return Q(channel=ContactChannel.SMS, address=number)
    given = text[4:] if text[:4].lower() == "tel:" else text
    digits = re.sub(r"[^0-9]", "", given).lstrip("0")
    if not PHONE.fullmatch(given) or len(digits) < FEWEST_DIGITS:
        return None
    return Q(channel=ContactChannel.SMS, address__endswith=digits)


def people_found(rows: QuerySet[Assignee], text: str) -> QuerySet[Assignee]:
    """Those of the people whom the text finds, also by `#6`."""
    pk = whole_number(text[1:]) if text.startswith("#") else None
    return rows.filter(people_search(text) if pk is None else people_search(text) | Q(pk=pk))


def _at(points: Q) -> Q:
    return Q(pk__in=ContactPoint.objects.filter(points).order_by().values("person"))
