"""What would be sent, when, to whom and over which channel: under today's settings and rules, or under others. It writes
nothing.

Each assignment is asked the question that the explainer asks too (`insight.forecast`), as if nobody changed anything from
now on and nothing were paused or held. Assignments are read as a stream, and what is kept of them is bounded.
Foreseen are reminders, corrections that are planned already, and what rules tell supervisors and Ops of what is so now or,
if nobody answers, of that; on request also of work that nobody starts. Whether it is declined or changed is up to people.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from assignments.clock import database_now
from assignments.team_scope import EVERYTHING, TeamScope
from notifications.channels import registry
from reminders.conf import ReminderConfig
from reminders.insight import pace_outlook, rule_simulation
from reminders.insight.simulator.notices import notices
from reminders.insight.simulator.prospects import prospects
from reminders.insight.simulator.rated import RatedSends
from reminders.insight.simulator.sends import PacedQueue, SimulatedSend, Tally, send_of
from reminders.models import Kind, Reason
from reminders.policy.departures import Waiting
from reminders.policy.rows import Action, Situation
from reminders.policy.rules import Rule
from reminders.policy.ways import channel_name

LONGEST = timedelta(days=366)
MOST_LISTED = 1_000
MOST_SPANS = 300
SPANS = tuple(timedelta(minutes=minutes) for minutes in (5, 15, 60, 360, 1440))
"""How finely the sends are counted: by the first of these with which there are not too many to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What would happen from `since` until before `until`.

    `spans` counts the sends by their instants, in spans of `span`; those without any are left out. `sends` are the
    first of them; `joined` of all go in the message of another one, by the rate of their person. `unreachable` would fail
    for want of an address, `skipped` counts by reason what would be
    skipped. `paces` are the channels that accept only so many messages a minute, with that number; the sends are in turn
    there. `complete` is False where time was over, or a channel had more waiting than are looked at, before every
    assignment was asked.
    """

    since: datetime
    until: datetime
    total: int
    people: int
    joined: int
    unreachable: int
    skipped: Mapping[str, int]
    by_channel: Mapping[str, int]
    span: timedelta
    spans: Mapping[datetime, int]
    sends: tuple[SimulatedSend, ...]
    paces: Mapping[str, float]
    complete: bool

    @property
    def busiest(self) -> tuple[datetime, int] | None:
        """The span with the most sends, and how many; the first of them where several have as many."""
        return max(self.spans.items(), key=lambda one: (one[1], -one[0].timestamp()), default=None)


def simulate(
    *,
    since: datetime,
    until: datetime,
    config: ReminderConfig,
    limit: int = 50,
    budget: timedelta | None = None,
    scope: TeamScope = EVERYTHING,
    rules: Sequence[Rule] | None = None,
    if_not_started: bool = False,
) -> Simulation:
    """Foresees the range under these settings, for the work in the scope; under these reminder rules, or those in force.

    `since` in the past counts as now, for what was sent is in the ledger. `if_not_started`: what supervisors and Ops
    would be told besides, if nobody started any of the work.

    Keeps the first `limit` sends. Raises ValidationError where the range or the limit is of no use.
    """
    now = database_now()
    _check(since, until, limit, now)
    if config.channel not in registry.names():
        raise ValidationError(
            {"channel": gettext("one of %(list)s is needed") % {"list": ", ".join(registry.names())}}
        )
    since = max(since, now)
    over = None if budget is None else time.monotonic() + budget.total_seconds()
    tried = rule_simulation.rules_to_try(rules)
    situation = Situation(now=now, enabled=config.enabled, held={}, unless_confirmed=tried.unless_confirmed)
    span = next((span for span in SPANS if (until - since) <= MOST_SPANS * span), SPANS[-1])
    tally = Tally(since=since, until=until, span=span, limit=limit)
    queues = {
        channel: PacedQueue(known, until=until)
        for channel, known in pace_outlook.channel_paces(now=now, config=config).items()
    }
    rated = RatedSends(config)
    complete = True
    everything = chain(
        prospects(since, until, situation, config, scope, tried),
        notices(until, config, scope, tried, if_not_started=if_not_started),
    )
    for prospect in everything:
        if over is not None and time.monotonic() >= over:
            complete = False
            break
        foreseen, row, channel = prospect.foreseen, prospect.row, channel_name(prospect.channel)
        if prospect.row_id is not None and channel in queues:
            queues[channel].leave_out(prospect.row_id)
        if foreseen is None or foreseen.at is None or foreseen.at >= until:
            continue
        if foreseen.verdict.action is Action.END:
            tally.skip(foreseen.verdict.reason or Reason.REPLANNED, foreseen.at)
        elif foreseen.verdict.action is Action.SEND:
            send = send_of(prospect, foreseen.at, config)
            person = prospect.person.pk if prospect.person else None
            is_nudge = prospect.kind is Kind.REMINDER and not prospect.recipient
            if not send.contact or (channel not in queues and not is_nudge):
                tally.add(send, person)
            elif channel not in queues:
                if person is not None and rated.takes(person, prospect.rule):
                    useful_until = prospect.not_after(config)
                    rated.add(send, person, rule=prospect.rule, way=prospect.channel, not_after=useful_until)
                else:
                    tally.add(send, person)
            else:
                message = Waiting(
                    id=prospect.row_id or 0,
                    at=row.next_attempt_at if row else send.at,
                    not_after=prospect.not_after(config),
                )
                queues[channel].add(send, person, message)
                if queues[channel].is_full:
                    complete = False
                    break
    for send, person in chain(rated.sends(), *(queue.sends() for queue in queues.values())):
        tally.add(send, person)
    return Simulation(
        since=since,
        until=until,
        total=tally.by_channel.total(),
        people=len(tally.people),
        joined=tally.joined,
        unreachable=tally.unreachable,
        skipped=dict(tally.skipped),
        by_channel=dict(tally.by_channel),
        span=span,
        spans=dict(sorted(tally.spans.items())),
        sends=tuple(sorted(one.send for one in tally.first)),
        paces={channel: queue.known.pace.per_minute for channel, queue in queues.items()},
        complete=complete,
    )


def _check(since: datetime, until: datetime, limit: int, now: datetime) -> None:
    if until <= since:
        raise ValidationError({"until": gettext("an instant after the beginning of the range is needed")})
    if until <= now:
        raise ValidationError(
            {"until": gettext("the range lies in the past: what was sent then is in the ledger")}
        )
    if until - max(since, now) > LONGEST:
        raise ValidationError(
            {"until": gettext("a range of no more than %(days)s days is accepted") % {"days": LONGEST.days}}
        )
    if not 0 <= limit <= MOST_LISTED:
        raise ValidationError(
            {
                "limit": gettext("a whole number from 0 to %(most_listed)s is needed")
                % {"most_listed": MOST_LISTED}
            }
        )
