"""The one checker: what must hold after any fault, once the system has been left alone for a while.

`gather` reads what the database, the sinks and the metrics say; `broken` names every invariant that does not
hold. Each invariant is a pure function of the evidence, so that a sabotage can be shown to each.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from tests.chaos import texts, ways

NAMESPACE = uuid5(NAMESPACE_URL, "urn:assignment-reminders")
Found = Iterator[str]
Facts = dict[str, Any]

FINAL = ("SENT", "FAILED", "SKIPPED", "UNKNOWN", "MARKED")
LEASED = ("QUEUED", "SENDING")
MAY_BE_EARLY = timedelta(seconds=1)
SLACK = timedelta(seconds=2)
LONGEST_HOLD = timedelta(seconds=60)
"""How long a channel's circuit breaker is open at the most: what could only leave after it may end before it."""
FOR_THE_CHANNEL = ("channel_down", "channel_refused", "throttled", "handed_back")
MIN_DISTANCE = timedelta(minutes=10)
HALF_A_REPEAT = timedelta(minutes=5)
"""Half of the shortest interval of a repeat: a step that would follow sooner is left out."""
RATE_MINUTE = timedelta(minutes=1)
ASKED_NOW = "default:now:"
"""How the rules of reminders begin that operators send at once."""
A_COMMIT = timedelta(seconds=1)
"""How long a service's transaction takes at the most, from the instant it writes down to its commit."""

ROWS = """
    SELECT r.*, p.email FROM reminders_reminder r
    LEFT JOIN assignments_assignee p ON p.id = substring(r.recipient FROM '^(?:assignee|person):([0-9]+)$')::bigint
"""


def with_own_id(row: Facts) -> Facts:
    """The id that every attempt at the row must carry, computed beside the project's own way: a
    Message-ID, or the webhook-id of an event."""
    key = ":".join(
        str(row[part]) for part in ("assignment_id", "version", "kind", "rule", "recipient", "channel")
    )
    domain = "" if row["kind"] == "EVENT" else "@example.test"
    return {**row, "own_id": f"{uuid5(NAMESPACE, key)}{domain}"}


def ops_recipient(address: str) -> str:
    """How the ledger names an address of REMINDER_OPS_EMAILS, computed beside the project's own way."""
    return "ops:" + hashlib.sha256(address.lower().encode()).hexdigest()[:16]


def mailbox(row: Facts) -> str:
    """Where the row's messages arrive: the same for all recipients who have one address."""
    address: str | None = row["email"]
    return ops_recipient(address) if address else str(row["recipient"])


RULES = "SELECT * FROM reminders_reminderrule WHERE enabled"
SCHEDULES = "SELECT * FROM reminders_ruleschedule"
SUBSCRIPTIONS = "SELECT id, events FROM reminders_subscription WHERE active"
COUNTERS = "SELECT name, labels, sum(value) AS value FROM reminders_counter GROUP BY name, labels"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What everybody says. `before` are counters seen earlier in the same test, `gauges` those of a scrape.

    `hooks` are the webhooks that an endpoint has read to their end. `refusals` are the mail sink's own, each with what it
    was about in truth: the "recipient", the "channel", or "" where a test did not say. Where `same_clock` is False the
    database's clock was moved, and says nothing about the instants of the sinks. `killed` is how many processes that send
    were killed, where nothing else happened. `points` are the addresses of people, `channels` those over which this system
    reaches them, `events` what became of messages after they were accepted, `texts` and `text_versions` the
    message templates that operators have written.
    """

    now: datetime
    send_deadline: timedelta
    rows: list[Facts]
    attempts: list[Facts]
    assignments: list[Facts]
    mails: list[Facts]
    counters: Mapping[tuple[str, str], float]
    hooks: list[Facts] = field(default_factory=list)
    refusals: list[Facts] = field(default_factory=list)
    subscriptions: list[Facts] = field(default_factory=list)
    acts: list[Facts] = field(default_factory=list)
    rules: list[Facts] = field(default_factory=list)
    schedules: list[Facts] = field(default_factory=list)
    same_clock: bool = True
    before: Mapping[tuple[str, str], float] = field(default_factory=dict)
    gauges: Mapping[str, float] = field(default_factory=dict)
    killed: int | None = None
    points: list[Facts] = field(default_factory=list)
    events: list[Facts] = field(default_factory=list)
    channels: tuple[str, ...] = ("email",)
    texts: list[Facts] = field(default_factory=list)
    text_versions: list[Facts] = field(default_factory=list)

    @cached_property
    def bounced(self) -> set[int]:
        """The rows whose message has bounced for good."""
        return {one["reminder_id"] for one in self.events if one["kind"] == "bounced" and one["permanent"]}

    def version_of(self, row: Facts) -> int:
        """The version in force of the row's assignment."""
        return int(self._versions[row["assignment_id"]])

    @cached_property
    def _versions(self) -> dict[int, int]:
        return {a["id"]: a["version"] for a in self.assignments}

    def tries_of(self, row: Facts) -> list[Facts]:
        return self._tries.get(row["id"], [])

    @cached_property
    def _tries(self) -> dict[int, list[Facts]]:
        found: dict[int, list[Facts]] = defaultdict(list)
        for attempt in sorted(self.attempts, key=lambda attempt: attempt["number"]):
            found[attempt["reminder_id"]].append(attempt)
        return found

    @cached_property
    def accepted(self) -> Counter[str]:
        """How often the sinks took each message."""
        return Counter(message["message_id"] for message in [*self.mails, *self.hooks])

    def refused_about(self, row: Facts) -> set[str]:
        """What the mail server's refusals were about that this row's person has met."""
        return self._refused_about.get(mailbox(row), set())

    @cached_property
    def _refused_about(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for refusal in self.refusals:
            for address in refusal["recipients"]:
                found[ops_recipient(address)].add(refusal["about"])
        return found

    @cached_property
    def owners(self) -> dict[str, Facts]:
        """The row to which each message belongs."""
        return {row["own_id"]: row for row in self.rows}

    def resets(self, assignment_id: int) -> bool:
        """Whether an operator has ever reset this assignment: then its chains begin anew."""
        return assignment_id in self._reset

    @cached_property
    def _reset(self) -> set[int]:
        return {a["id"] for a in self.assignments if a.get("renudge_at") is not None}

    def overdue_rows(self, assignment: Facts) -> list[Facts]:
        """The marker of the assignment's current version, and those who are told of it."""
        return self._overdue.get((assignment["id"], assignment["version"]), [])

    @cached_property
    def _overdue(self) -> dict[tuple[int, int], list[Facts]]:
        found: dict[tuple[int, int], list[Facts]] = defaultdict(list)
        for row in self.rows:
            if row["kind"] == "OVERDUE":
                found[row["assignment_id"], row["version"]].append(row)
        return found

    @cached_property
    def plans(self) -> dict[int, list[tuple[int, datetime]]]:
        """The versions of each assignment and when each was first planned, in the transaction of its change."""
        first: dict[tuple[int, int], datetime] = {}
        for row in self.rows:
            key = row["assignment_id"], row["version"]
            first[key] = min(row["planned_at"], first.get(key, row["planned_at"]))
        found: dict[int, list[tuple[int, datetime]]] = defaultdict(list)
        for (assignment_id, version), at in sorted(first.items()):
            found[assignment_id].append((version, at))
        return found

    @cached_property
    def current(self) -> dict[int, Facts]:
        """The reminder of each assignment's current version; of several rules' the first that was planned."""
        return {assignment_id: rows[0] for assignment_id, rows in self.all_current.items()}

    @cached_property
    def all_current(self) -> dict[int, list[Facts]]:
        """The reminders of each assignment's current version: one for each rule that had an instant."""
        versions = {a["id"]: a["version"] for a in self.assignments}
        found: dict[int, list[Facts]] = defaultdict(list)
        for row in sorted(self.rows, key=lambda row: row["id"]):
            if row["kind"] == "REMINDER" and row["version"] == versions[row["assignment_id"]]:
                found[row["assignment_id"]].append(row)
        return found


def broken(evidence: Evidence) -> list[str]:
    """Every invariant that does not hold, with what was seen."""
    return [f"{name}: {what}" for name, invariant in INVARIANTS.items() for what in invariant(evidence)]


def nothing_is_silent(e: Evidence) -> Found:
    """I1: each eligible assignment has an accepted message, or a final row with a reason; so has whoever is told."""
    for assignment in e.assignments:
        reminders = e.all_current.get(assignment["id"], [])
        if assignment["status"] != "SCHEDULED":
            continue
        if all(row["rule"].startswith(ASKED_NOW) for row in reminders):
            yield f"assignment {assignment['id']} has no row for its version {assignment['version']}"
        for one in [*reminders, *e.overdue_rows(assignment)]:
            if one["due_at"] <= e.now and one["state"] not in FINAL:
                yield f"row {one['id']} was due at {one['due_at']} and is {one['state']}"
            elif one["state"] in ("FAILED", "SKIPPED", "UNKNOWN") and not one["reason"]:
                yield f"row {one['id']} is {one['state']} without a reason"
    yield from _events_are_told(e)


def _events_are_told(e: Evidence) -> Found:
    """What was sent or has failed is an event for each subscription that asked for it, and that event has ended."""
    # An event's rule is 'type:<row>.<attempt>'.
    heard = {
        (row["rule"].split(":")[0], row["rule"].split(":")[1].split(".")[0], row["recipient"])
        for row in e.rows
        if row["kind"] == "EVENT"
    }
    for row in e.rows:
        if row["kind"] == "EVENT" and row["state"] not in FINAL:
            yield f"event {row['id']} was raised at {row['planned_at']} and is {row['state']}"
        if row["kind"] != "REMINDER":
            continue
        type = {"SENT": "reminder.sent", "FAILED": "reminder.failed", "UNKNOWN": "reminder.failed"}.get(
            row["state"]
        )
        for one in e.subscriptions:
            if type in one["events"] and (type, str(row["id"]), f"subscription:{one['id']}") not in heard:
                yield f"row {row['id']} is {row['state']}, and subscription {one['id']} was never told"


def doubles_are_flagged(e: Evidence) -> Found:
    """I2: accepted messages <= 1 + attempts recorded as unknowable; to people never more than 2. A process that was killed
    leaves one message in doubt at the most.

    A program knows by the id what it has had, so an event is tried until it was certainly taken.
    """
    for message_id, times in e.accepted.items():
        if message_id not in e.owners:
            yield f"{message_id} belongs to no row"
            continue
        owner = e.owners[message_id]
        unknowable = sum(a["outcome"] == "unknowable" for a in e.tries_of(owner))
        if times > (1 + unknowable if owner["kind"] == "EVENT" else min(2, 1 + unknowable)):
            yield f"{message_id} was accepted {times} times with {unknowable} unknowable attempts"
    leads = {row["id"]: row["digest_id"] or row["id"] for row in e.rows}
    in_doubt = len(
        {(leads.get(a["reminder_id"]), a["number"]) for a in e.attempts if a["outcome"] == "unknowable"}
    )
    if e.killed is not None and in_doubt > e.killed:
        yield f"{in_doubt} messages may have arrived twice, {e.killed} processes were killed"


def sent_means_accepted(e: Evidence) -> Found:
    """I3: SENT over a channel implies that its sink has it."""
    for row in e.rows:
        if (
            row["state"] == "SENT"
            and ways.channel_of(row["channel"]) in ("email", "webhook")
            and not e.accepted[row["message_id"]]
        ):
            yield f"row {row['id']} is SENT, and the sink never saw it"


def nothing_outdated_is_begun(e: Evidence) -> Found:
    """I4: nothing of an older version is begun after the change's commit, the changes between included.

    A change shows in the first row of a later version, and the last one on the assignment itself.
    """
    changed = {a["id"]: a for a in e.assignments}
    for row in e.rows:
        assignment = changed[row["assignment_id"]]
        # What has happened stays true, and a correction states what is planned when it is begun.
        if row["version"] == assignment["version"] or row["kind"] in ("EVENT", "CORRECTION"):
            continue
        later = [at for version, at in e.plans[row["assignment_id"]] if version > row["version"]]
        changed_at = min([*later, assignment["updated_at"]])
        for attempt in e.tries_of(row):
            if attempt["started_at"] > changed_at + A_COMMIT:
                yield f"row {row['id']} of version {row['version']} was begun after the plan had changed"


def no_lease_is_forgotten(e: Evidence) -> Found:
    """I5: no QUEUED or SENDING row whose lease is over for more than a tick and what a loaded machine adds."""
    for row in e.rows:
        if row["state"] in LEASED and (row["lease_until"] is None or row["lease_until"] + SLACK < e.now):
            yield f"row {row['id']} is {row['state']}, and its lease was over at {row['lease_until']}"


def attempts_are_numbered(e: Evidence) -> Found:
    """I6: attempts are numbered without gaps, and at most one is open."""
    for row in e.rows:
        numbers = [attempt["number"] for attempt in e.tries_of(row)]
        is_open = row["state"] == "SENDING"
        if numbers != list(range(1, row["attempts"] + 1 - is_open)):
            yield f"row {row['id']} has {row['attempts']} attempts, numbered {numbers}"


def figures_agree(e: Evidence) -> Found:
    """I7: counters and gauges equal the rows, and counters never fall."""
    sent = sum(row["state"] == "SENT" and row["kind"] == "REMINDER" for row in e.rows)
    counted = e.counters.get(("reminder_sent_total", "status=SCHEDULED"), 0)
    if counted != sent:
        yield f"reminder_sent_total is {counted:g}, {sent} rows are SENT"
    channels = {row["id"]: ways.channel_of(row["channel"]) for row in e.rows}
    ends = Counter(f"channel={channels[a['reminder_id']]},outcome={a['outcome']}" for a in e.attempts)
    yield from _counted(e, "reminder_attempts_total", ends)
    # Of a message that holds several rows each row has the event, and the counter one.
    of_messages = {
        (one["source"], one["external_id"], one["kind"]): channels[one["reminder_id"]] for one in e.events
    }
    told = Counter(f"channel={channel},kind={kind}" for (_, _, kind), channel in of_messages.items())
    yield from _counted(e, "reminder_delivery_events_total", told)
    for key, value in e.before.items():
        if e.counters.get(key, 0) < value:
            yield f"{key[0]}{{{key[1]}}} fell from {value:g} to {e.counters.get(key, 0):g}"
    for state, value in e.gauges.items():
        rows = sum(row["state"] == state for row in e.rows if row["kind"] != "EVENT")
        if rows != value:
            yield f"reminder_ledger{{state={state}}} is {value:g}, {rows} rows are"


def _counted(e: Evidence, counter: str, recorded: Counter[str]) -> Found:
    """What is recorded with these labels, in their order, and what the counter says of it."""
    told = {labels: value for (name, labels), value in e.counters.items() if name == counter}
    for labels in sorted(told.keys() | recorded.keys()):
        if told.get(labels, 0) != recorded[labels]:
            yield f"{counter}{{{labels}}} is {told.get(labels, 0):g}, {recorded[labels]} are recorded"


def nothing_comes_too_early_or_too_late(e: Evidence) -> Found:
    """I8: nothing is begun before due - 1 s, nor after not_after where there is one; by the sinks' own
    clock nothing is accepted outside of that either, a send's deadline added."""
    for row in e.rows:
        for attempt in e.tries_of(row):
            if attempt["started_at"] < row["due_at"] - MAY_BE_EARLY:
                yield f"row {row['id']} was begun at {attempt['started_at']}, due at {row['due_at']}"
            if row["not_after"] and attempt["started_at"] > row["not_after"] + e.send_deadline:
                yield f"row {row['id']} was begun at {attempt['started_at']}, not after {row['not_after']}"
    if not e.same_clock:
        return
    for message in [*e.mails, *e.hooks]:
        owner = e.owners.get(message["message_id"])
        if owner is None:
            continue  # I2 says so
        at = datetime.fromtimestamp(message["at"], UTC)
        if at < owner["due_at"] - MAY_BE_EARLY:
            yield f"row {owner['id']} was accepted at {at}, due at {owner['due_at']}"
        if owner["not_after"] and at > owner["not_after"] + e.send_deadline + SLACK:
            yield f"row {owner['id']} was accepted at {at}, not after {owner['not_after']}"


def one_message_has_one_id(e: Evidence) -> Found:
    """I9: all messages of one key carry one id: no more ids to anybody than rows that were begun for them, and
    under one webhook-id always the same body."""
    begun: Counter[str] = Counter(mailbox(row) for row in e.rows if row["attempts"])
    ids: dict[str, set[str]] = defaultdict(set)
    for mail in e.mails:
        ids[ops_recipient(mail["recipients"][0])].add(mail["message_id"])
    for contact_for, several in ids.items():
        if len(several) > begun[contact_for]:
            yield f"somebody got {len(several)} different messages from {begun[contact_for]} begun rows"
    bodies: dict[str, set[str]] = defaultdict(set)
    for hook in e.hooks:
        bodies[hook["message_id"]].add(hook["body"])
    for message_id, different in bodies.items():
        if len(different) > 1:
            yield f"{message_id} came with {len(different)} different bodies"


def the_roll_up_is_right(e: Evidence) -> Found:
    """I10: the roll-up equals the ledger."""
    for assignment in e.assignments:
        if assignment["status"] != "SCHEDULED":
            continue
        told = any(
            row["state"] == "SENT" or row["reason"] in ("already_told", "imported")
            for row in e.all_current.get(assignment["id"], [])
        )
        wanted = "OVERDUE" if assignment["overdue_at"] else "SENT" if told else "NONE"
        if assignment["reminder_status"] != wanted:
            yield f"assignment {assignment['id']} says {assignment['reminder_status']}, the ledger {wanted}"


def the_channels_fault_is_nobodys(e: Evidence) -> Found:
    """I11: nobody's message ends FAILED by a mail server's refusal, unless that server has refused this person."""
    for row in e.rows:
        last = e.tries_of(row)[-1:]
        if row["state"] != "FAILED" or row["channel"] != "email" or not last or not last[0]["code"].isdigit():
            continue
        is_final = last[0]["outcome"] == "rejected" or row["reason"] == "rejected"
        if is_final and e.refused_about(row) <= {"channel"}:
            yield f"row {row['id']} is FAILED ({row['reason']}), and the mail server has nothing against its person"


def nothing_ends_early_for_the_channel(e: Evidence) -> Found:
    """I12: what the channel did not take goes on until not_after, less the longest time for which it is left alone."""
    for row in e.rows:
        last = e.tries_of(row)[-1:]
        if (
            row["kind"] == "EVENT"
            or row["state"] not in ("FAILED", "SKIPPED")
            or not last
            or not row["not_after"]
        ):
            continue
        for_the_channel = last[0]["outcome"] in FOR_THE_CHANNEL or (
            last[0]["outcome"] == "refused_for_now" and e.refused_about(row) == {"channel"}
        )
        gave_up = row["reason"] in ("exhausted", "rejected", "too_late")
        if for_the_channel and gave_up and row["closed_at"] < row["not_after"] - LONGEST_HOLD:
            yield f"row {row['id']} ended at {row['closed_at']} for the channel's sake, of use until {row['not_after']}"


def notices_are_told_once(e: Evidence) -> Found:
    """I13: a supervisor gets each notice once, unless its attempts say that it may have arrived; and each notice that is
    SENT belongs to exactly one accepted message, which lists it.

    By the texts of the messages: a digest shows each title on a line of its own, a single notice behind "What:".
    """
    titles = {assignment["id"]: assignment["title"] for assignment in e.assignments}
    rows = {row["id"]: row for row in e.rows}
    told: dict[tuple[str, str], list[Facts]] = defaultdict(list)
    texts: dict[str, str] = {}
    for mail in e.mails:
        if not mail.get("text"):
            continue
        texts[mail["message_id"]] = mail["text"]
        for title in set(_titles_in(mail["text"])):
            told[ops_recipient(mail["recipients"][0]), title].append(mail)
    allowed: Counter[tuple[str, str]] = Counter()
    for row in e.rows:
        if not row["recipient"].startswith(("ops:", "person:")):
            continue
        if row["channel"] != "email" or not row["attempts"]:
            continue
        title = titles[row["assignment_id"]]
        allowed[mailbox(row), title] += 1 + sum(a["outcome"] == "unknowable" for a in e.tries_of(row))
        if row["state"] != "SENT":
            continue
        lead = rows.get(row["digest_id"]) if row["digest_id"] else row
        if lead is None or (lead["recipient"], lead["channel"]) != (row["recipient"], row["channel"]):
            yield f"row {row['id']} is in the digest of {row['digest_id']}, which is another supervisor's or nobody's"
        elif row["message_id"] != lead["own_id"]:
            yield f"row {row['id']} is SENT as {row['message_id']}, and its message is {lead['own_id']}"
        elif row["message_id"] in texts:
            text = texts[row["message_id"]]
            if title not in _titles_in(text) and "\nAnd " not in text:
                yield f"row {row['id']} is SENT, and its message does not list it"
    for (recipient, title), mails in told.items():
        if len(mails) > allowed[recipient, title]:
            yield f"a supervisor was told of {title!r} {len(mails)} times, {allowed[recipient, title]} are accounted for"


def reminders_to_a_person_are_joined(e: Evidence) -> Found:
    """I21: each reminder in a digest belongs to one message to its person, which lists it; and between two messages with
    reminders to one person lies a minute, unless one was tried again or could not wait.

    A rate of one a minute is taken for granted; a test with another one asks the other invariants alone.
    """
    rows = {row["id"]: row for row in e.rows}
    texts = {mail["message_id"]: mail["text"].splitlines() for mail in e.mails if mail.get("text")}
    titles = {assignment["id"]: assignment["title"] for assignment in e.assignments}
    begun: dict[str, dict[int, datetime]] = defaultdict(dict)
    for row in e.rows:
        if (
            row["kind"] != "REMINDER"
            or row["state"] != "SENT"
            or row["rule"].startswith(ASKED_NOW)
            or not row["recipient"].startswith("assignee:")
        ):
            continue
        tries = e.tries_of(row)
        could_wait = not row["not_after"] or (
            tries and tries[-1]["started_at"] < row["not_after"] - RATE_MINUTE - SLACK
        )
        if len(tries) == 1 and could_wait:
            begun[row["recipient"]][row["digest_id"] or row["id"]] = tries[0]["started_at"]
        if not row["digest_id"]:
            continue
        lead = rows.get(row["digest_id"])
        if lead is None or (lead["recipient"], lead["channel"]) != (row["recipient"], row["channel"]):
            yield f"row {row['id']} is in the digest of {row['digest_id']}, which is another person's or nobody's"
        elif row["message_id"] != lead["own_id"]:
            yield f"row {row['id']} is SENT as {row['message_id']}, and its message is {lead['own_id']}"
        elif row["message_id"] in texts:
            text = texts[row["message_id"]]
            if titles[row["assignment_id"]] not in text and not any(line.startswith("And ") for line in text):
                yield f"row {row['id']} is SENT, and its message does not list it"
    for recipient, messages in begun.items():
        for earlier, later in pairwise(sorted(messages.values())):
            if later - earlier < RATE_MINUTE - SLACK:
                yield f"{recipient} got two messages with reminders within {later - earlier}"


def _titles_in(text: str) -> Iterator[str]:
    """The work that the text of a notice lists."""
    lines = text.splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if following.startswith("  Who:"):
            yield line
        elif line.startswith("What:   "):
            yield line.removeprefix("What:   ")


def who_has_declined_is_left_alone(e: Evidence) -> Found:
    """I14: from a decline on, until they confirm again, no reminder of that version is begun for that person."""
    reminders = defaultdict(list)
    for row in e.rows:
        if row["kind"] == "REMINDER":
            reminders[row["assignment_id"], row["version"]].append(row)
    for act in e.acts:
        if act["act"] != "decline":
            continue
        later = [
            other["at"]
            for other in e.acts
            if other["act"] == "confirm"
            and (other["assignment_id"], other["version"]) == (act["assignment_id"], act["version"])
            and other["id"] > act["id"]
        ]
        again = min(later, default=None)
        for row in reminders[act["assignment_id"], act["version"]]:
            for attempt in e.tries_of(row):
                begun = attempt["started_at"]
                if begun > act["at"] + A_COMMIT and (again is None or begun < again):
                    yield f"row {row['id']} was begun at {begun}, declined at {act['at']}"
            if again is None and row["state"] not in FINAL:
                yield f"row {row['id']} is {row['state']}, and its assignee has declined"


def started_work_is_left_alone(e: Evidence) -> Found:
    """I15: for work that was started or completed nothing to people is open, and nothing was begun afterwards.

    Except a correction to somebody whose work it was before: they still have to hear that it is not theirs any more.
    """
    started = {a["id"]: a for a in e.assignments if a["status"] in ("IN_PROGRESS", "COMPLETED")}
    for row in e.rows:
        assignment = started.get(row["assignment_id"])
        if assignment is None or row["kind"] == "EVENT":
            continue
        if row["kind"] == "CORRECTION" and row["recipient"] != f"assignee:{assignment.get('assignee_id')}":
            continue
        if row["state"] not in FINAL:
            yield f"row {row['id']} is {row['state']}, and its work was started"
        at = assignment["started_at"] or assignment["completed_at"]
        for attempt in e.tries_of(row):
            if at is not None and attempt["started_at"] > at + A_COMMIT:
                yield f"row {row['id']} was begun at {attempt['started_at']}, its work was started at {at}"


def what_was_told_is_planned(e: Evidence) -> Found:
    """I16: what each person was, or may have been, told last equals the plan in force, or a row says why not.

    Not where it changed when nobody could use it any more, nor of work that its assignee has begun.
    """
    messages: dict[tuple[int, str], list[Facts]] = defaultdict(list)
    for row in e.rows:
        if row["kind"] in ("REMINDER", "CORRECTION") and row["recipient"].startswith("assignee:"):
            messages[row["assignment_id"], row["recipient"]].append(row)
    assignments = {a["id"]: a for a in e.assignments}
    for (assignment_id, recipient), rows in messages.items():
        assignment = assignments.get(assignment_id)
        if assignment is not None and (wrong := _not_as_told(e, assignment, recipient, rows)):
            yield f"{recipient} was told {wrong} of assignment {assignment_id}, and no row says why"


def _not_as_told(e: Evidence, assignment: Facts, recipient: str, rows: list[Facts]) -> Facts | None:
    theirs = recipient == f"assignee:{assignment.get('assignee_id')}" and assignment["status"] != "CANCELLED"
    if theirs and assignment["status"] in ("IN_PROGRESS", "COMPLETED"):
        return None
    told = [row for row in rows if row["state"] in ("SENT", "UNKNOWN") or row.get("ambiguous")]
    told.sort(key=lambda row: e.tries_of(row)[-1]["started_at"] if e.tries_of(row) else row["planned_at"])
    last_sent = max((n for n, row in enumerate(told) if row["state"] == "SENT"), default=0)
    possible: list[Facts] = []
    for row in told[last_sent:]:
        stated = row.get("announced") or []
        possible += stated[-1:] if row["state"] == "SENT" else stated
    for stated in possible:
        start = datetime.fromisoformat(stated["start"])
        same = start == assignment["scheduled_start"] and all(
            stated[name] in (None, assignment[field])
            for name, field in (("place", "location"), ("title", "title"))
        )
        if stated["theirs"] == theirs and (same or not theirs):
            continue
        useful_until = max(start, assignment["scheduled_start"]) if theirs else start
        if assignment["updated_at"] > useful_until:
            continue
        since = max(row["planned_at"] for row in told)
        if not any(_says_why(row, since) for row in rows):
            return stated
    return None


def _says_why(row: Facts, since: datetime) -> bool:
    """Whether this row was to state the plan in force and ended without, for a reason that it gives."""
    return (
        row["planned_at"] >= since
        and row["state"] in ("FAILED", "SKIPPED", "UNKNOWN")
        and row["reason"] not in ("as_told", "merged", "already_told", "")
    )


ABOUT = {"declined": "decline", "confirmed_after_all": "confirm", "late": "late"}


def supervisors_hear_what_is_so(e: Evidence) -> Found:
    """I17: each notice of an act belongs to one that was recorded, and none is begun once it was taken back; none says that
    nobody has answered, or that work is overdue, where that is not so."""
    acts = {act["id"]: act for act in e.acts}
    for row in e.rows:
        if row["kind"] != "ESCALATION":
            continue
        trigger, named, *_ = row["rule"].split(":")
        if (
            trigger == "brief"
        ):  # Judged when it is begun, from all that is known then: no single act makes it untrue.
            continue
        if trigger not in ABOUT:
            yield from _not_so(e, row, trigger)
            continue
        act = acts.get(int(named))
        if act is None or (act["act"], act["assignment_id"]) != (ABOUT[trigger], row["assignment_id"]):
            yield f"row {row['id']} tells of {row['rule']}, which nobody did"
            continue
        otherwise = {"confirm"} if trigger == "declined" else {"decline"}
        later = (
            other["at"]
            for other in e.acts
            if other["act"] in otherwise
            and (other["assignment_id"], other["version"]) == (act["assignment_id"], act["version"])
            and other["id"] > act["id"]
        )
        taken_back = min(later, default=None)
        if taken_back is None:
            continue
        for attempt in e.tries_of(row):
            if attempt["started_at"] > taken_back + A_COMMIT:
                yield f"row {row['id']} was begun at {attempt['started_at']}, taken back at {taken_back}"
        if row["state"] not in FINAL:
            yield f"row {row['id']} is {row['state']}, and was taken back at {taken_back}"


def _not_so(e: Evidence, row: Facts, trigger: str) -> Found:
    """What a step of a rule says of what nobody did, and is not so."""
    begun = [attempt["started_at"] for attempt in e.tries_of(row)]
    if trigger == "overdue":
        marked = [
            other["closed_at"]
            for other in e.rows
            if other["state"] == "MARKED"
            and (other["assignment_id"], other["planned_start"])
            == (row["assignment_id"], row["planned_start"])
        ]
        if not marked or any(at < min(marked) for at in begun):
            yield f"row {row['id']} tells that work is overdue which nobody had marked"
        return
    answered = min(
        (
            act["at"]
            for act in e.acts
            if act["act"] in ("confirm", "decline")
            and (act["assignment_id"], act["version"]) == (row["assignment_id"], row["version"])
        ),
        default=None,
    )
    if answered is None:
        return
    if row["state"] not in FINAL or any(at > answered + A_COMMIT for at in begun):
        yield f"row {row['id']} tells that nobody has answered, answered at {answered}"


def chains_go_step_by_step(e: Evidence) -> Found:
    """I19: of a chain one step is open for each recipient, its steps are begun in order and not close to each other, and it
    goes on as long as what it is about is so.
    """
    steps: dict[tuple[int, datetime, str, str], list[Facts]] = defaultdict(list)
    for row in e.rows:
        if row["kind"] == "ESCALATION" and ":rule:" in row["rule"]:
            chain = row["rule"].partition("#")[0]
            steps[row["assignment_id"], row["planned_start"], chain, row["recipient"]].append(row)
    for (assignment_id, _, chain, recipient), rows in steps.items():
        which = f"{chain} of assignment {assignment_id} for {recipient}"
        if sum(row["state"] not in FINAL for row in rows) > 1:
            yield f"{which} has several open steps"
        begun = sorted(
            (attempts[0]["started_at"], attempts[-1]["started_at"], _step(row))
            for row in rows
            if (attempts := e.tries_of(row))
        )
        for (_, earlier, one), (later, _, other) in pairwise(begun):
            if other <= one and not e.resets(assignment_id):
                yield f"{which}: step {other} was begun after step {one}"
            elif later - earlier < HALF_A_REPEAT - SLACK and not e.resets(assignment_id):
                yield f"{which}: step {other} was begun {later - earlier} after step {one}"
    yield from _chains_that_stopped(e, steps)


def _chains_that_stopped(e: Evidence, steps: Mapping[tuple[int, datetime, str, str], list[Facts]]) -> Found:
    """Chains with steps to come of which nothing is open, nor kept for later."""
    assignments = {a["id"]: a for a in e.assignments}
    later = {one["assignment_id"] for one in e.schedules if one["next_at"] is not None}
    rules = {f"rule:{rule['id']}": rule for rule in e.rules}
    goes_on = {
        (assignment_id, chain)
        for (assignment_id, _, chain, _), rows in steps.items()
        if any(row["state"] not in FINAL for row in rows)
    }
    for (assignment_id, start, chain, recipient), rows in steps.items():
        work, rule = assignments[assignment_id], rules.get(chain[chain.index("rule:") :])
        last = max(rows, key=_step)
        if rule is None or not rule["repeat_times"] or (assignment_id, chain) in goes_on:
            continue
        dropped = last["reason"] == "replanned" and rule["changed_at"] < last["planned_at"]
        if assignment_id in later or (last["state"] not in ("SENT", "FAILED", "UNKNOWN") and not dropped):
            continue
        if last["version"] != work["version"] or start != work["scheduled_start"] or not _is_so(work, chain):
            continue
        every = timedelta(minutes=rule["repeat_minutes"])
        left = rule["repeat_times"] - _step(last)
        final = last["due_at"] + left * every
        if dropped:
            yield f"{chain} of assignment {assignment_id} for {recipient} was ended, and its rule still asks for it"
        elif left > 0 and final > last["closed_at"] + every and final > rule["changed_at"]:
            yield f"{chain} of assignment {assignment_id} for {recipient} stopped after step {_step(last)}"


def _is_so(work: Facts, chain: str) -> bool:
    """Whether what a chain is about is so. A missing answer is not looked at: its steps end with the start."""
    if work["status"] != "SCHEDULED":
        return False
    if chain.startswith("overdue:"):
        return work["overdue_at"] is not None and work["answer"] != "CONFIRMED"
    return chain.startswith("declined:") and work["answer"] == "DECLINED"


def _step(row: Facts) -> int:
    return int(row["rule"].partition("#")[2] or 0)


def rules_keep_their_distance(e: Evidence) -> Found:
    """I18: two rules remind one person of one start at least 10 minutes apart, unless the later one states a change, an
    operator has reset the work meanwhile, or has asked for one of them at once.
    """
    reminders: dict[tuple[int, str, str], list[tuple[datetime, Facts]]] = defaultdict(list)
    for row in e.rows:
        if row["kind"] == "REMINDER" and row["state"] in ("SENT", "UNKNOWN", "SENDING") and row["announced"]:
            for attempt in e.tries_of(row)[-1:]:
                start = row["announced"][-1]["start"]
                reminders[row["assignment_id"], row["recipient"], start].append((attempt["started_at"], row))
    resets = {a["id"]: a.get("renudge_at") for a in e.assignments}
    for (assignment_id, _, _), begun in reminders.items():
        for (earlier, one), (later, other) in pairwise(sorted(begun, key=lambda pair: pair[0])):
            reset = resets[assignment_id]
            if any(row["rule"].startswith(ASKED_NOW) for row in (one, other)):
                continue
            if one["rule"] == other["rule"] or (reset is not None and earlier <= reset <= later):
                continue
            same = one["announced"][-1] == other["announced"][-1]
            if same and later - earlier < MIN_DISTANCE - SLACK:
                yield f"row {other['id']} was begun {later - earlier} after row {one['id']} of another rule"


def asked_for_once_a_minute(e: Evidence) -> Found:
    """I22: of an assignment's plan operators send one reminder a minute at once, however often it is asked for; each is due
    when it is asked for, and says who asked."""
    asked: dict[tuple[int, int], dict[str, datetime]] = defaultdict(dict)
    for row in e.rows:
        if row["kind"] == "REMINDER" and row["rule"].startswith(ASKED_NOW):
            # The first of several ways.
            rules = asked[row["assignment_id"], row["version"]]
            rules[row["rule"]] = min(row["planned_at"], rules.get(row["rule"], row["planned_at"]))
            if not (row["payload"] or {}).get("by"):
                yield f"row {row['id']} was asked for by nobody"
    for (assignment_id, _), rules in asked.items():
        for earlier, later in pairwise(sorted(rules.values())):
            if later - earlier < RATE_MINUTE:
                yield f"of assignment {assignment_id} two reminders were asked for within {later - earlier}"


INVARIANTS: dict[str, Callable[[Evidence], Found]] = {
    "I1": nothing_is_silent,
    "I2": doubles_are_flagged,
    "I3": sent_means_accepted,
    "I4": nothing_outdated_is_begun,
    "I5": no_lease_is_forgotten,
    "I6": attempts_are_numbered,
    "I7": figures_agree,
    "I8": nothing_comes_too_early_or_too_late,
    "I9": one_message_has_one_id,
    "I10": the_roll_up_is_right,
    "I11": the_channels_fault_is_nobodys,
    "I12": nothing_ends_early_for_the_channel,
    "I13": notices_are_told_once,
    "I14": who_has_declined_is_left_alone,
    "I15": started_work_is_left_alone,
    "I16": what_was_told_is_planned,
    "I17": supervisors_hear_what_is_so,
    "I18": rules_keep_their_distance,
    "I19": chains_go_step_by_step,
    "I20": ways.one_way_is_enough,
    "I21": reminders_to_a_person_are_joined,
    "I22": asked_for_once_a_minute,
    "I23": texts.stored_texts_are_named,
}
