"""Over which addresses a message goes: those that were tried, this one, and the one that is tried next."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime, timedelta

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assignments.contact_point import ContactPoint
from reminders.conf import ReminderConfig
from reminders.ledger.rules import verified_only_rules
from reminders.models import NO_CHANNEL, Kind, Reason, Reminder, State
from reminders.policy.recipients import person_behind
from reminders.policy.rows import Situation
from reminders.policy.ways import NEXT_NEEDS, carrier_of, channel_name, contact_point_of, first_way, is_set_up

NAMES = {"email": _("e-mail"), "sms": "SMS", "chat": _("chat")}


def way_words(way: str, names: Mapping[str, object] = NAMES) -> str:
    """A way in the middle of a sentence: "e-mail", "SMS", "e-mail (contact point 42)"; `names` are those of channels."""
    name, point = channel_name(way), contact_point_of(way)
    return str(names.get(name, name)) + (
        "" if point is None else gettext(" (contact point %(point)s)") % {"point": point}
    )


class Ways:
    """The addresses of the people of one assignment, as `ledger.ways` chooses among them."""

    def __init__(
        self,
        rows: Sequence[Reminder],
        recipient: str,
        config: ReminderConfig,
        *,
        points: Iterable[ContactPoint] | None = None,
        verified_only: Set[str] | None = None,
    ) -> None:
        """`points` are those of the people, in their order, and `verified_only` the rules of that kind, where they are known
        already."""
        self._rows = rows
        self._config = config
        if points is None:
            ids = {person_behind(one) for one in (recipient, *(row.recipient for row in rows))}
            points = ContactPoint.objects.filter(person__in=ids - {None}).order_by("person", "order", "id")
        self._of: dict[int, list[ContactPoint]] = {}
        for point in points:
            self._of.setdefault(point.person_id, []).append(point)
        self._verified_only = verified_only_rules() if verified_only is None else verified_only

    def is_verified_only(self, rule: str) -> bool:
        """Whether reminders of this rule go to verified addresses alone."""
        return rule in self._verified_only

    def first(self, recipient: str, way: str, rule: str) -> str:
        """The way that a reminder of this rule goes first to a person with this `Assignee.way`."""
        if self.is_verified_only(rule):
            usable = [
                (point.failing_since is not None, place, way)
                for point, place, way in self._usable(recipient, rule)
            ]
            if usable:
                return min(usable)[-1]
        return first_way(way, self._config)

    def by(self, recipient: str, way: str, tried: Sequence[Reminder] = ()) -> str:
        """ " by SMS", where the person has other addresses too, or had; nothing where there is no choice."""
        several = len(self._of.get(person_behind(recipient) or 0, [])) > 1 or tried
        return (
            gettext(" by %(way_words)s") % {"way_words": way_words(way)}
            if several and way != NO_CHANNEL
            else ""
        )

    def by_row(self, row: Reminder) -> str:
        """The same for a row of the ledger."""
        return self.by(row.recipient, row.channel, self.tried_before(row))

    def tried_before(self, row: Reminder) -> list[Reminder]:
        """The rows of the same message over other addresses, which were tried before this one."""
        return [one for one in self._of_nudge(row) if one.pk < row.pk and one.closed_at is not None]

    def trail(self, row: Reminder) -> str:
        """ "was refused by e-mail (550), and ", before what becomes of this row; nothing where it is the first."""
        tried = [_tried(one) for one in self.tried_before(row)]
        return gettext("%(tried)s, and ") % {"tried": ", ".join(tried)} if tried else ""

    def then(self, row: Reminder, at: datetime | None, situation: Situation) -> str:
        """ "; if it is refused, SMS is tried next": what follows this row; nothing where no address is left, or no time."""
        taken = {one.channel for one in self._of_nudge(row)}
        late = _is_too_late(at, row.not_after)
        return "" if late else self._then(row.recipient, row.rule, taken, situation)

    def then_of_planned(self, recipient: str, way: str, rule: str, situation: Situation) -> str:
        """The same for a message that no scan has planned yet."""
        return self._then(recipient, rule, {way}, situation)

    def _then(self, recipient: str, rule: str, taken: Iterable[str], situation: Situation) -> str:
        """What follows by the way that `ledger.ways` plans next, if messages over those that are `taken` are refused."""
        found = []
        for point, place, way in self._usable(recipient, rule):
            if way not in taken:
                held = situation.held.get(channel_name(way))
                is_held = held is not None and held > situation.now
                found.append((point.failing_since is not None, is_held, place, way))
        return (
            gettext("; if it is refused, %(way_words)s is tried next")
            % {"way_words": way_words(min(found)[-1])}
            if found
            else ""
        )

    def _usable(self, recipient: str, rule: str) -> Iterator[tuple[ContactPoint, int, str]]:
        """The addresses to which a message of this rule may go, each with its place and its way."""
        seen: set[str] = set()
        for place, point in enumerate(self._of.get(person_behind(recipient) or 0, [])):
            name = carrier_of(point.channel, self._config)
            way = f"{name}:{point.pk}" if name in seen else name
            seen.add(name)
            is_open = point.opted_out_at is None and is_set_up(point.channel, self._config)
            if is_open and (point.verified_at is not None or not self.is_verified_only(rule)):
                yield point, place, way

    def _of_nudge(self, row: Reminder) -> list[Reminder]:
        if row.kind == Kind.EVENT or person_behind(row.recipient) is None:
            return [row]
        key = _nudge(row)
        return sorted((one for one in self._rows if _nudge(one) == key), key=lambda one: one.pk)


def _nudge(row: Reminder) -> tuple[object, ...]:
    return row.version, row.kind, row.rule, row.recipient


def _is_too_late(at: datetime | None, not_after: datetime | None) -> bool:
    return at is not None and not_after is not None and not_after - at <= timedelta(seconds=NEXT_NEEDS)


def _tried(row: Reminder) -> str:
    by = way_words(row.channel)
    last = max(row.attempt_rows.all(), key=lambda one: one.number, default=None)
    code = f" ({last.code})" if last is not None and last.code else ""
    match State(row.state), row.reason:
        case State.FAILED, Reason.REJECTED:
            return gettext("was refused by %(by)s%(code)s") % {"by": by, "code": code}
        case State.FAILED, Reason.NO_CONTACT:
            return gettext("found no usable address by %(by)s") % {"by": by}
        case State.SENT, _:
            return gettext("bounced by %(by)s") % {"by": by}
        case State.SKIPPED, Reason.OPTED_OUT:
            return gettext("was not sent by %(by)s, where this person wants no messages") % {"by": by}
        case _:
            return gettext("was not sent by %(by)s") % {"by": by}
