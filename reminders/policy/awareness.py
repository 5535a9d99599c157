"""How far the assignee of a piece of work is known to know of it, as plain facts say."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from assignments.models import Status


class Rung(Enum):
    """Lowest first, from UNASSIGNED to STARTED; DECLINED and OVERDUE are beside this ladder."""

    UNASSIGNED = "unassigned"
    UNREACHABLE = "unreachable"
    NOT_TOLD = "not_told"
    TOLD = "told"
    DELIVERED = "delivered"
    CONFIRMED = "confirmed"
    ON_MY_WAY = "on_my_way"
    STARTED = "started"
    DECLINED = "declined"
    OVERDUE = "overdue"


RUNGS = tuple(rung.value for rung in Rung)
DOES_NOT_KNOW = (Rung.UNASSIGNED, Rung.UNREACHABLE, Rung.NOT_TOLD)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwarenessFacts:
    """What is known of one assignment and its present assignee.

    `overdue`: SCHEDULED, and not started in time by the clock. `reachable`: they have an address that they have not opted
    out of, that does not fail, and over a channel that is set up. `told`: a message that was accepted, or may have been,
    stated the plan in force, since any reset, and has not come back. `certain`: one of these was accepted for certain.
    `delivered`: one of these arrived. `told_wrong`: what they may have been told last is not what is planned, nothing that
    they may have been told is, and they have not been heard from since. `coming`: a message to them is still to come by
    itself. `late`: they have said when they will begin.
    """

    status: Status
    assigned: bool = True
    reachable: bool = True
    overdue: bool = False
    declined: bool = False
    confirmed: bool = False
    late: bool = False
    on_my_way: bool = False
    told: bool = False
    certain: bool = False
    delivered: bool = False
    told_wrong: bool = False
    coming: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Awareness:
    """`in_doubt`: they count as told, and nobody can know whether the message arrived. `told_wrong`: they were told another
    plan. `coming`: they will be told by itself."""

    rung: Rung
    in_doubt: bool = False
    told_wrong: bool = False
    coming: bool = False

    @property
    def may_not_know(self) -> bool:
        """Whether somebody should make sure that the work is known."""
        return self.rung in DOES_NOT_KNOW or self.in_doubt

    @property
    def needs_somebody(self) -> bool:
        """Whether nobody will be told unless somebody acts: no message is to come, or none could arrive."""
        return self.may_not_know and (self.rung in (Rung.UNASSIGNED, Rung.UNREACHABLE) or not self.coming)


def rung_of(facts: AwarenessFacts) -> Rung | None:
    """The rung; None for cancelled work, of which nobody need know.

    Who was told wrong is not told, whatever they answered before. UNKNOWN counts as told, as for corrections.
    """
    if facts.status is Status.CANCELLED:
        return None
    if facts.status is not Status.SCHEDULED:
        return Rung.STARTED
    if facts.overdue:
        return Rung.OVERDUE
    if not facts.assigned:
        return Rung.UNASSIGNED
    if facts.declined:
        return Rung.DECLINED
    if not facts.told_wrong:
        if facts.on_my_way:
            return Rung.ON_MY_WAY
        if facts.confirmed or facts.late:
            return Rung.CONFIRMED
        if facts.told:
            return Rung.DELIVERED if facts.delivered else Rung.TOLD
    return Rung.NOT_TOLD if facts.reachable else Rung.UNREACHABLE


def awareness_of(facts: AwarenessFacts) -> Awareness | None:
    """The rung with what goes with it; None for cancelled work."""
    rung = rung_of(facts)
    if rung is None:
        return None
    return Awareness(
        rung=rung,
        in_doubt=rung is Rung.TOLD and not facts.certain,
        told_wrong=rung in (Rung.NOT_TOLD, Rung.UNREACHABLE) and facts.told_wrong,
        coming=facts.coming,
    )


def by_rung(counted: Mapping[Awareness, int]) -> dict[str, int]:
    """How many are on each rung, by its word; a rung that is missing has none."""
    found: dict[str, int] = {}
    for awareness, number in counted.items():
        found[awareness.rung.value] = found.get(awareness.rung.value, 0) + number
    return found


class Unreachable(Enum):
    """Why nobody can be told by a message; the order is that in which the causes are named."""

    UNASSIGNED = "unassigned"
    NO_CONTACT_POINT = "no_contact_point"
    OPTED_OUT = "opted_out"
    ALL_FAILING = "all_failing"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAddress:
    """What matters of one address of a person. `usable`: its channel is set up here."""

    usable: bool = True
    opted_out: bool = False
    failing: bool = False


def cause_of(addresses: Iterable[KnownAddress]) -> Unreachable | None:
    """Why a person with these addresses is not reached; None where they are. Without a usable one they have none."""
    usable = [one for one in addresses if one.usable]
    if not usable:
        return Unreachable.NO_CONTACT_POINT
    wanted = [one for one in usable if not one.opted_out]
    if not wanted:
        return Unreachable.OPTED_OUT
    return Unreachable.ALL_FAILING if all(one.failing for one in wanted) else None
