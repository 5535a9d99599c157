"""The lists behind the figures: assignments and ledger rows, filterable, each with what can be done about them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import DurationField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseRedirect
from django.urls import reverse

from assignments.clock import database_now
from assignments.models import Answer, Assignment, ReminderStatus, Status
from reminders import conf
from reminders.conf import MAX_LEAD, ReminderConfig
from reminders.insight import statistics
from reminders.insight.explain.wording import WORDS
from reminders.models import NO_CHANNEL, Kind, Reason, Reminder, State
from reminders.operations.actions import MAX_TARGETS
from reminders.web.ops.page import page, show

ROWS = 50
MOST_COUNTED = 1_000
"""A list says how many it holds up to here; beyond it says "more than"."""

LAST_PAGE = 200
LONGEST_QUERY = 200


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a filter, as the form shows it."""

    value: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter of a list: a choice, and the word for none."""

    name: str
    label: str
    choices: Sequence[Choice]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One page of a list."""

    rows: Sequence[Any]
    count: int
    number: int
    before: int | None
    after: int | None

    @property
    def more(self) -> bool:
        return self.count > MOST_COUNTED

    @property
    def most(self) -> int:
        return MOST_COUNTED

    @property
    def takeable(self) -> bool:
        """Whether one preview can take on everything in this list, not only what this page shows."""
        return len(self.rows) < self.count <= MOST_COUNTED


# --- assignments -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is asked of the list of assignments. Words that are not known count as not given."""

    show: str = ""
    status: str = ""
    reminder_status: str = ""
    answer: str = ""
    when: str = "near"
    q: str = ""

    @classmethod
    def of(cls, query: QueryDict) -> "Work":
        return cls(
            show=_known(query.get("show"), SHOWS),
            status=_known(query.get("status"), Status.values),
            reminder_status=_known(query.get("reminder_status"), ReminderStatus.values),
            answer=_known(query.get("answer"), Answer.names),
            when=_known(query.get("when"), WHENS) or ("near" if not query.get("q") else "any"),
            q=text_of(query.get("q")),
        )

    def filters(self) -> Iterator[Filter]:
        yield _filter("show", "Show", SHOWS, self.show)
        yield _filter("status", "Status", {"": "any"} | _same(Status.values), self.status)
        yield _filter(
            "reminder_status", "Reminder", {"": "any"} | _same(ReminderStatus.values), self.reminder_status
        )
        answers = {answer.name: str(answer.label) for answer in Answer}
        yield _filter("answer", "Answer", {"": "any"} | answers, self.answer)
        yield _filter("when", "Start", WHENS, self.when)


SHOWS = {
    "": "all work",
    "overdue": "not started in time",
    "declined": "their person can't make it",
    "unaccounted": "due, without a reminder",
}
WHENS = {
    "near": "within a day of now",
    "past_day": "in the last 24 hours",
    "look_ahead": "within the look-ahead",
    "next_week": "in the next 7 days",
    "past": "in the past",
    "future": "in the future",
    "any": "at any time",
}


def assignments_of(asked: Work, *, now: datetime, config: ReminderConfig) -> QuerySet[Assignment]:
    """What this list holds. The lists behind the figures count what the figures count (`reminders.insight.statistics`)."""
    rows = Assignment.objects.select_related("assignee")
    if asked.q:
        return rows.filter(_hint_arrays(asked.q)).order_by("-scheduled_start", "-pk")
    match asked.show:
        case "overdue":
            late = Assignment.objects.filter(
                status=Status.SCHEDULED, scheduled_start__lte=now - config.overdue
            )
            # One branch for each of the two partial indexes.
            unmarked, marked = (late.filter(overdue_at__isnull=free).values("pk") for free in (True, False))
            return rows.filter(pk__in=unmarked.union(marked, all=True)).order_by("scheduled_start", "pk")
        case "declined":
            declined = rows.filter(status=Status.SCHEDULED, answer=Answer.DECLINED)
            return declined.order_by("scheduled_start", "pk")
        case "unaccounted":
            return rows.filter(_due(now, config), ~Exists(_own_rows())).order_by("scheduled_start", "pk")
        case _:
            return _by_words(rows, asked, now=now, config=config)


def _by_words(
    rows: QuerySet[Assignment], asked: Work, *, now: datetime, config: ReminderConfig
) -> QuerySet[Assignment]:
    first, last = _span(asked, now=now, config=config)
    if asked.status:
        rows = rows.filter(status=asked.status)
    if asked.reminder_status:
        # Says what the table's own constraint says, so that the partial indexes serve.
        overdue = asked.reminder_status == ReminderStatus.OVERDUE
        rows = rows.filter(reminder_status=asked.reminder_status, overdue_at__isnull=not overdue)
    if asked.answer:
        rows = rows.filter(answer=Answer[asked.answer])
    if first is not None:
        rows = rows.filter(scheduled_start__gt=first)
    if last is not None:
        rows = rows.filter(scheduled_start__lte=last)
    backwards = asked.when in ("past", "past_day", "any")
    return rows.order_by(*(("-scheduled_start", "-pk") if backwards else ("scheduled_start", "pk")))


def _span(asked: Work, *, now: datetime, config: ReminderConfig) -> tuple[datetime | None, datetime | None]:
    day = statistics.DAY
    until = now + max(day, config.lookahead)
    spans: dict[str, tuple[datetime | None, datetime | None]] = {
        # What is older and still SCHEDULED is counted too: it is unfinished business.
        "near": (None if asked.status == Status.SCHEDULED else now - day, until),
        "past_day": (now - day, now),
        "look_ahead": (now, now + config.lookahead),
        "next_week": (now, now + 7 * day),
        "past": (None, now),
        "future": (now, None),
        "any": (None, None),
    }
    return spans[asked.when]


def _due(now: datetime, config: ReminderConfig) -> Q:
    """As `ledger.UNACCOUNTED` counts."""
    own_lead = ExpressionWrapper(F("lead_minutes") * timedelta(minutes=1), output_field=DurationField())
    return Q(status=Status.SCHEDULED, overdue_at__isnull=True) & (
        Q(lead_minutes__isnull=True, scheduled_start__lte=now + config.lead)
        | Q(lead_minutes__isnull=False, scheduled_start__lte=now + MAX_LEAD)
        & Q(scheduled_start__lte=Now() + own_lead)
    )


def _own_rows() -> QuerySet[Reminder]:
    return Reminder.objects.filter(assignment=OuterRef("pk"), version=OuterRef("version"), kind=Kind.REMINDER)


def _hint_arrays(text: str) -> Q:
    wanted = Q(reference=text) | Q(title__icontains=text) | Q(assignee__name__icontains=text)
    return wanted | Q(pk=int(text)) if _is_id(text) else wanted


@page()
def assignments(request: HttpRequest) -> HttpResponse:
    """Work by its status and reminder status, each with where its reminder stands."""
    asked = Work.of(request.GET)
    with statistics.bounded():
        rows = assignments_of(asked, now=database_now(), config=conf.current())
        listed = page_of(rows, request)
        told = reminders_by_assignment(listed.rows)
    lines = [(assignment, told.get(assignment.pk)) for assignment in listed.rows]
    context = {"asked": asked, "filters": list(asked.filters()), "listed": listed, "lines": lines}
    return show(request, "assignments", context)


def reminders_by_assignment(rows: Sequence[Assignment]) -> dict[int, Reminder]:
    """The reminder of each one's present plan, in one query."""
    versions = {assignment.pk: assignment.version for assignment in rows}
    found = Reminder.objects.filter(
        assignment__in=versions, version__in=set(versions.values()), kind=Kind.REMINDER
    )
    return {row.assignment_id: row for row in found if row.version == versions[row.assignment_id]}


# --- the ledger ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What is asked of the ledger. `after` and `before` narrow to five minutes of the overview's picture."""

    show: str = "open"
    reason: str = ""
    kind: str = ""
    q: str = ""
    after: datetime | None = None
    before: datetime | None = None

    @classmethod
    def of(cls, query: QueryDict) -> "Rows":
        return cls(
            show=_known(query.get("show"), LEDGERS) or ("all" if query.get("q") else "open"),
            reason=_known(query.get("reason"), Reason.values),
            kind=_known(query.get("kind"), Kind.values),
            q=text_of(query.get("q")),
            after=_instant(query.get("after")),
            before=_instant(query.get("before")),
        )

    def filters(self) -> Iterator[Filter]:
        yield _filter("show", "Show", {name: ledger.label for name, ledger in LEDGERS.items()}, self.show)
        reasons = {reason.value: reason.value.replace("_", " ") for reason in Reason if reason in WORDS}
        yield _filter("reason", "Reason", {"": "any"} | reasons, self.reason)
        yield _filter("kind", "Kind", {"": "any"} | _same(Kind.values), self.kind)


@dataclass(frozen=True, slots=True)
class Ledger:
    """One view of the ledger: its name, its condition at an instant, its order, and the column that `after` means."""

    label: str
    condition: Any
    order: tuple[str, ...] = ("-closed_at", "-id")
    by: str = "closed_at"


FOR_PEOPLE = ~Q(kind=Kind.EVENT)


def _ended(*states: State) -> Any:
    return lambda now: Q(closed_at__gt=now - statistics.DAY, state__in=states) & FOR_PEOPLE


_NEXT: Mapping[str, Any] = {"order": ("next_attempt_at", "id"), "by": "next_attempt_at"}
LEDGERS = {
    "open": Ledger(
        "to come", lambda now: Q(closed_at__isnull=True) & ~Q(channel=NO_CHANNEL) & FOR_PEOPLE, **_NEXT
    ),
    "due": Ledger(
        "due, not sent",
        lambda now: Q(closed_at__isnull=True, due_at__lte=now) & ~Q(channel=NO_CHANNEL) & FOR_PEOPLE,
        **_NEXT,
    ),
    "sent": Ledger("sent in 24 hours", _ended(State.SENT)),
    "failed": Ledger("failed in 24 hours", _ended(State.FAILED, State.UNKNOWN)),
    "skipped": Ledger("skipped in 24 hours", _ended(State.SKIPPED)),
    "marked": Ledger("marked overdue in 24 hours", _ended(State.MARKED)),
    "duplicates": Ledger(
        "possible duplicates",
        lambda now: (
            Q(ambiguous__gt=0, attempts__gt=1)
            & FOR_PEOPLE
            & (Q(closed_at__isnull=True) | Q(closed_at__gt=now - statistics.DAY))
        ),
        order=("-id",),
    ),
    "unknown": Ledger(
        "unknown, to be decided",
        lambda now: (
            Q(
                ambiguous__gt=0,
                state=State.UNKNOWN,
                version=F("assignment__version"),
                assignment__status=Status.SCHEDULED,
            )
            & FOR_PEOPLE
        ),
        order=("-id",),
    ),
    "webhooks": Ledger("webhooks to come", lambda now: Q(closed_at__isnull=True, kind=Kind.EVENT), **_NEXT),
    "all": Ledger("all, newest first", lambda now: Q(), order=("-id",), by="due_at"),
}


def reminders_of(asked: Rows, *, now: datetime) -> QuerySet[Reminder]:
    """What this list holds; the lists behind the figures hold what the figures count."""
    ledger = LEDGERS[asked.show]
    rows = Reminder.objects.select_related("assignment__assignee").filter(ledger.condition(now))
    if asked.reason:
        rows = rows.filter(reason=asked.reason)
    if asked.kind:
        rows = rows.filter(kind=asked.kind)
    if asked.after is not None:
        rows = rows.filter(**{f"{ledger.by}__gte": asked.after})
    if asked.before is not None:
        rows = rows.filter(**{f"{ledger.by}__lt": asked.before})
    if asked.q:
        named = Q(assignment__reference=asked.q)
        rows = rows.filter(named | Q(assignment=int(asked.q)) if _is_id(asked.q) else named)
    return rows.order_by(*ledger.order)


@page()
def reminders(request: HttpRequest) -> HttpResponse:
    """The ledger: what is to be sent, what came of it, and why."""
    asked = Rows.of(request.GET)
    with statistics.bounded():
        listed = page_of(reminders_of(asked, now=database_now()), request)
    lines = [(row, WORDS.get(Reason(row.reason), "") if row.reason else "") for row in listed.rows]
    context = {"asked": asked, "filters": list(asked.filters()), "listed": listed, "lines": lines}
    return show(request, "reminders", context)


# --- finding one -----------------------------------------------------------------------------------------------


@page()
def find(request: HttpRequest) -> HttpResponse:
    """A reference or a number leads straight to the explanation, anything else to a list."""
    text = text_of(request.GET.get("q"))
    exact = Q(reference=text) | (Q(pk=int(text)) if _is_id(text) else Q())
    found = list(Assignment.objects.filter(exact).values_list("pk", "reference")[:2]) if text else []
    # A reference goes first, as everywhere.
    pk = next((pk for pk, reference in found if reference == text), found[0][0] if found else None)
    if pk is not None:
        return HttpResponseRedirect(reverse("ops:explain", args=[pk]))
    values = QueryDict(mutable=True)
    values["q"] = text
    return HttpResponseRedirect(f"{reverse('ops:assignments')}?{values.urlencode()}")


def chosen(values: QueryDict) -> list[int]:
    """The assignments that a list's form names: the marked ones, or all that the list holds."""
    if "everything" not in values:
        return sorted({int(text) for text in values.getlist("ids") if _is_id(text)})[:MAX_TARGETS]
    query, now = QueryDict(values.get("query", "").lstrip("?")), database_now()
    with statistics.bounded():
        if values.get("list") == "reminders":
            rows = reminders_of(Rows.of(query), now=now).values_list("assignment_id", flat=True)
            return sorted(set(rows[:MAX_TARGETS]))
        work = assignments_of(Work.of(query), now=now, config=conf.current())
        return sorted(set(work.values_list("pk", flat=True)[:MAX_TARGETS]))


# --- what they share -------------------------------------------------------------------------------------------


def page_of(rows: QuerySet[Any], request: HttpRequest) -> Listed:
    text = request.GET.get("page", "")
    number = min(max(int(text), 1), LAST_PAGE) if _is_id(text) else 1
    first = (number - 1) * ROWS
    found = list(rows[first : first + ROWS + 1])
    short = number == 1 and len(found) <= ROWS
    return Listed(
        rows=found[:ROWS],
        count=len(found) if short else rows.order_by()[: MOST_COUNTED + 1].count(),
        number=number,
        before=number - 1 if number > 1 else None,
        after=number + 1 if len(found) > ROWS and number < LAST_PAGE else None,
    )


def _filter(name: str, label: str, choices: Mapping[str, str], chosen: str) -> Filter:
    return Filter(name, label, [Choice(value, shown, value == chosen) for value, shown in choices.items()])


def _same(words: Sequence[str]) -> dict[str, str]:
    return {word: word for word in words}


def _known(word: str | None, words: Any) -> str:
    return word if word is not None and word in words else ""


def text_of(text: str | None) -> str:
    return (text or "").replace("\x00", "").strip()[:LONGEST_QUERY]


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _instant(text: str | None) -> datetime | None:
    """Seconds since 1970."""
    return datetime.fromtimestamp(int(text), UTC) if text and _is_id(text) and len(text) < 12 else None
