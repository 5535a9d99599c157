"""The checker can fail: each invariant is shown sabotages of its own, and finds them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.chaos.checker import Evidence, Facts, broken, ops_recipient

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
START = NOW + 20 * MINUTE


def sound() -> Evidence:
    """One reminder that was sent at the second attempt, after one whose end nobody knows; and its double."""
    row: Facts = {
        "id": 1, "assignment_id": 10, "version": 1, "kind": "REMINDER", "rule": "default", "state": "SENT", "reason": "",
        "channel": "email", "recipient": "assignee:5", "email": "a@example.test", "message_id": "m1@x", "own_id": "m1@x",
        "planned_start": START, "planned_at": NOW - 60 * MINUTE, "due_at": NOW - 10 * MINUTE, "not_after": NOW + 50 * MINUTE,
        "lease_until": None, "attempts": 2, "digest_id": None,
        "announced": [{"start": START.isoformat(), "place": "", "title": "Job", "theirs": True}],
    }  # fmt: skip
    attempts: list[Facts] = [
        {
            "reminder_id": 1,
            "number": 1,
            "outcome": "unknowable",
            "code": "answer",
            "started_at": NOW - 9 * MINUTE,
        },
        {"reminder_id": 1, "number": 2, "outcome": "accepted", "code": "250", "started_at": NOW - 8 * MINUTE},
    ]
    assignment: Facts = {
        "id": 10, "version": 1, "status": "SCHEDULED", "reminder_status": "SENT", "overdue_at": None,
        "updated_at": NOW - 60 * MINUTE, "scheduled_start": START, "title": "Job", "location": "", "assignee_id": 5,
        "answer": "",
    }  # fmt: skip
    mail: Facts = {
        "message_id": "m1@x",
        "recipients": ["a@example.test"],
        "at": (NOW - 8 * MINUTE).timestamp(),
    }
    event: Facts = {
        **row, "id": 9, "kind": "EVENT", "rule": "reminder.sent:1.2", "channel": "webhook", "email": None,
        "recipient": "subscription:4", "message_id": "h1", "own_id": "h1", "due_at": NOW - 8 * MINUTE, "attempts": 1,
    }  # fmt: skip
    attempts.append({"reminder_id": 9, "number": 1, "outcome": "accepted", "started_at": NOW - 7 * MINUTE})
    hook: Facts = {"message_id": "h1", "body": "{}", "at": (NOW - 7 * MINUTE).timestamp()}
    return Evidence(
        now=NOW,
        send_deadline=timedelta(seconds=2),
        rows=[row, event],
        attempts=attempts,
        hooks=[hook],
        subscriptions=[{"id": 4, "events": ["reminder.sent", "reminder.failed"]}],
        assignments=[assignment],
        mails=[mail, dict(mail)],
        counters={
            ("reminder_sent_total", "status=SCHEDULED"): 1,
            ("reminder_attempts_total", "channel=email,outcome=accepted"): 1,
            ("reminder_attempts_total", "channel=email,outcome=unknowable"): 1,
            ("reminder_attempts_total", "channel=webhook,outcome=accepted"): 1,
        },
    )


def row(**changes: object) -> Callable[[Evidence], Evidence]:
    return lambda e: replace(e, rows=[{**e.rows[0], **changes}, *e.rows[1:]])


def event(**changes: object) -> Callable[[Evidence], Evidence]:
    return lambda e: replace(e, rows=[e.rows[0], {**e.rows[1], **changes}])


def another_row(**changes: object) -> Callable[[Evidence], Evidence]:
    """One more row of the assignment, that nobody has begun."""
    fresh = {"id": 2, "attempts": 0, "state": "PLANNED", "own_id": "m2@x", "message_id": ""}
    return lambda e: replace(e, rows=[*e.rows, {**e.rows[0], **fresh, **changes}])


def with_text(**changes: object) -> Callable[[Evidence], Evidence]:
    """The message was made of the second version of a stored text."""

    def written(e: Evidence) -> Evidence:
        text = {"id": 7, "kind": "reminder", "channel": "email", "team_id": None, "active_number": 2}
        known = {"template_id": 7, "made_at": NOW - 30 * MINUTE, "restored_from": None}
        versions = [{"id": 70, "number": 1, **known}, {"id": 71, "number": 2, **known}]
        attempt = {**e.attempts[1], "template_version": 71, "template_fault": ""}
        for part in (text, versions[1], attempt):
            part.update({name: value for name, value in changes.items() if name in part})
        return replace(
            e,
            texts=[text],
            text_versions=versions,
            attempts=[e.attempts[0], attempt, *e.attempts[2:]],
        )

    return written


def sms(**changes: object) -> Callable[[Evidence], Evidence]:
    """The same message over another way."""
    return another_row(channel="sms", closed_at=NOW - MINUTE, **changes)


def failed(e: Evidence) -> Evidence:
    """The mail server refused the person's first address."""
    return row(state="FAILED", reason="rejected", closed_at=NOW - 8 * MINUTE)(e)


def with_points(e: Evidence) -> Evidence:
    """The person has two addresses that may be used."""
    points = [
        {"person_id": 5, "channel": channel, "opted_out_at": None, "verified_at": None}
        for channel in ("email", "sms")
    ]
    return replace(e, points=points, channels=("email", "sms"))


def bounced(e: Evidence) -> Evidence:
    """The message came back for good, and was counted."""
    found = {"reminder_id": 1, "kind": "bounced", "permanent": True, "source": "dsn", "external_id": "x"}
    label = "reminder_delivery_events_total", "channel=email,kind=bounced"
    return replace(e, events=[found], counters={**e.counters, label: 1})


def verified_only(e: Evidence) -> Evidence:
    """The reminder is of a rule for verified addresses."""
    return replace(row(rule="rule:7")(e), rules=[{"id": 7, "verified_only": True}])


def second_rule(minutes_later: int, **changes: object) -> Callable[[Evidence], Evidence]:
    """Another rule has reminded the same person of the same start, so long after the first one."""

    def with_second(e: Evidence) -> Evidence:
        sent = {"rule": "rule:7", "state": "SENT", "attempts": 1, "message_id": "m2@x", **changes}
        e = another_row(**sent)(e)
        at = NOW - 8 * MINUTE + minutes_later * MINUTE
        tried = {"reminder_id": 2, "number": 1, "outcome": "accepted", "code": "250", "started_at": at}
        mail = {**e.mails[0], "message_id": "m2@x", "at": at.timestamp()}
        counters = {**e.counters}
        counters["reminder_sent_total", "status=SCHEDULED"] += 1
        counters["reminder_attempts_total", "channel=email,outcome=accepted"] += 1
        heard = {**e.rows[1], "id": 8, "rule": "reminder.sent:2.1", "own_id": "h2", "message_id": "h2"}
        hook = {**e.hooks[0], "message_id": "h2"}
        counters["reminder_attempts_total", "channel=webhook,outcome=accepted"] += 1
        return replace(
            e,
            rows=[*e.rows, heard],
            attempts=[*e.attempts, tried, {**e.attempts[2], "reminder_id": 8}],
            mails=[*e.mails, mail],
            hooks=[*e.hooks, hook],
            counters=counters,
        )

    return with_second


def asked_now(minutes_later: int, **changes: object) -> Callable[[Evidence], Evidence]:
    """An operator has had the same person reminded at once, so long after the first reminder."""
    at = NOW - 8 * MINUTE + minutes_later * MINUTE
    asked = {"rule": "default:now:1", "planned_at": at, "due_at": at, "payload": {"by": "olga"}}
    return second_rule(minutes_later, **{**asked, **changes})


def asked_twice(e: Evidence) -> Evidence:
    """Another one, half a minute after the first."""
    at = NOW - 3 * MINUTE + timedelta(seconds=30)
    again = another_row(
        id=3, rule="default:now:2", planned_at=at, due_at=at, payload={"by": "olga"}, own_id="m3@x"
    )
    return again(asked_now(5)(e))


def again_by_the_same_rule(e: Evidence) -> Evidence:
    """An operator's resend: a version of its own."""
    since = NOW - 4 * MINUTE
    e = second_rule(5, rule="default", version=2, planned_at=since)(e)
    return assignment(version=2, updated_at=since)(e)


def other_place(e: Evidence) -> Evidence:
    """The second reminder states another place, which is the one that is planned."""
    told = [{"start": START.isoformat(), "place": "Hall 2", "title": "Job", "theirs": True}]
    return assignment(location="Hall 2")(second_rule(5, announced=told)(e))


def outdated_between(e: Evidence) -> Evidence:
    """Begun for version 1 after version 2 was planned; version 3 came only later."""
    e = another_row(version=2, state="SKIPPED", reason="moved", planned_at=NOW - 8.5 * MINUTE)(e)
    third = {**e.rows[2], "id": 3, "version": 3, "own_id": "m3@x", "planned_at": NOW - MINUTE}
    e = replace(e, rows=[*e.rows, third])
    return assignment(version=3, updated_at=NOW - MINUTE)(e)


def assignment(**changes: object) -> Callable[[Evidence], Evidence]:
    return lambda e: replace(e, assignments=[{**e.assignments[0], **changes}])


def first_attempt(**changes: object) -> Callable[[Evidence], Evidence]:
    return lambda e: replace(e, attempts=[{**e.attempts[0], **changes}, *e.attempts[1:]])


def mails(*message_ids: str) -> Callable[[Evidence], Evidence]:
    return lambda e: replace(e, mails=[{**sound().mails[0], "message_id": one} for one in message_ids])


def hooks(*bodies: str, **changes: object) -> Callable[[Evidence], Evidence]:
    return lambda e: replace(e, hooks=[{**sound().hooks[0], "body": body, **changes} for body in bodies])


def unraised(e: Evidence) -> Evidence:
    counters = {key: value for key, value in e.counters.items() if "webhook" not in key[1]}
    return replace(e, rows=e.rows[:1], attempts=e.attempts[:2], hooks=[], counters=counters)


def late_by_the_sinks_clock(e: Evidence) -> Evidence:
    return replace(e, mails=[{**e.mails[0], "at": (NOW + 51 * MINUTE).timestamp()}])


def told_under_two_ids(e: Evidence) -> Evidence:
    """One row for a supervisor, and two messages to them."""
    chief = "chief@example.test"
    e = another_row(kind="OVERDUE", recipient=ops_recipient(chief), email=None, state="SENT", attempts=1)(e)
    return replace(
        e, mails=[{**e.mails[0], "recipients": [chief], "message_id": one} for one in ("m2@x", "m3@x")]
    )


def refused(about: str, outcome: str, *, reason: str = "rejected", left: float = 30):
    """The row has ended so many minutes before its `not_after`, by an answer that was about this."""

    def sabotage(e: Evidence) -> Evidence:
        refusal = {"recipients": ["a@example.test"], "about": about, "answer": "550 5.7.1 suspended"}
        ended = row(state="FAILED", reason=reason, closed_at=NOW + (50 - left) * MINUTE)(e)
        last = {**e.attempts[1], "outcome": outcome, "code": "550"}
        return replace(ended, attempts=[e.attempts[0], last, *e.attempts[2:]], refusals=[refusal])

    return sabotage


def with_digest(e: Evidence, **changes: object) -> Evidence:
    """Two notices to a supervisor that went in one message, which lists both."""
    chief = "chief@example.test"
    notice = {
        **e.rows[0], "kind": "OVERDUE", "recipient": ops_recipient(chief), "email": None, "attempts": 1,
        "digest_id": 21, "message_id": "m21@x",
    }  # fmt: skip
    notices = [
        {**notice, "id": 21, "own_id": "m21@x"},
        {**notice, "id": 22, "own_id": "m22@x", "assignment_id": 11, **changes},
    ]
    tries = [
        {"reminder_id": pk, "number": 1, "outcome": "accepted", "code": "250", "started_at": NOW - 8 * MINUTE}
        for pk in (21, 22)
    ]
    second = {
        **e.rows[0],
        "id": 3,
        "assignment_id": 11,
        "own_id": "m3@x",
        "message_id": "m3@x",
        "attempts": 0,
    }
    other = {**second, "state": "SKIPPED", "reason": "imported"}
    mail = {
        **e.mails[0],
        "recipients": [chief],
        "message_id": "m21@x",
        "text": "Two.\n\nJob\n  Who:     a\n\nOther job\n  Who:     b\n",
    }
    accepted = ("reminder_attempts_total", "channel=email,outcome=accepted")
    return replace(
        e,
        rows=[*e.rows, *notices, other],
        attempts=[*e.attempts, *tries],
        assignments=[*e.assignments, {**e.assignments[0], "id": 11, "title": "Other job"}],
        mails=[*e.mails, mail],
        counters={**e.counters, accepted: 3},
    )


def to_a_person(sabotage: Callable[[Evidence], Evidence]) -> Callable[[Evidence], Evidence]:
    """The same, where the supervisor is a person with an address."""
    known = ops_recipient("chief@example.test")

    def sabotaged(e: Evidence) -> Evidence:
        e = sabotage(e)
        person = {"recipient": "person:7", "email": "chief@example.test"}
        return replace(e, rows=[{**row, **person} if row["recipient"] == known else row for row in e.rows])

    return sabotaged


def digest(
    change: Callable[[Evidence], Evidence] = lambda e: e, **changes: object
) -> Callable[[Evidence], Evidence]:
    return lambda e: change(with_digest(e, **changes))


def mail_again(**changes: object) -> Callable[[Evidence], Evidence]:
    return lambda e: replace(e, mails=[*e.mails, {**e.mails[-1], **changes}])


def mail_without(title: str) -> Callable[[Evidence], Evidence]:
    def change(e: Evidence) -> Evidence:
        mail = {**e.mails[-1], "text": e.mails[-1]["text"].replace(title, "Nobody's job")}
        return replace(e, mails=[*e.mails[:-1], mail])

    return change


def joined(
    apart: float = 0, text: str = "Job\n  When:   then\nOther job\n  When:   then\n", **changes: object
) -> Callable[[Evidence], Evidence]:
    """Two more reminders to one person, of which the second goes in the message of the first; or so many seconds later, in a
    message of its own."""

    def with_two(e: Evidence) -> Evidence:
        first = {
            **e.rows[0],
            "id": 31,
            "recipient": "assignee:6",
            "attempts": 1,
            "message_id": "m31@x",
            "own_id": "m31@x",
        }
        together = {
            "digest_id": None if apart else 31,
            "message_id": "m32@x" if apart else "m31@x",
            **changes,
        }
        second = {**first, "id": 32, "own_id": "m32@x", "assignment_id": 11, **together}
        at = {31: NOW - 8 * MINUTE, 32: NOW - 8 * MINUTE + timedelta(seconds=apart)}
        tried = [
            {"reminder_id": n, "number": 1, "outcome": "accepted", "code": "250", "started_at": at[n]}
            for n in at
        ]
        ids = {first["message_id"], second["message_id"]}
        return replace(
            e,
            rows=[*e.rows, first, second],
            attempts=[*e.attempts, *tried],
            assignments=[*e.assignments, {**e.assignments[0], "id": 11, "title": "Other job"}],
            mails=[*e.mails, *({**e.mails[0], "message_id": one, "text": text} for one in ids)],
        )

    return with_two


def counters(**changes: float) -> Callable[[Evidence], Evidence]:
    key = ("reminder_sent_total", "status=SCHEDULED")
    return lambda e: replace(e, counters={**e.counters, key: changes["sent"]})


def acts(*made: tuple[str, float], version: int = 1) -> Callable[[Evidence], Evidence]:
    """What the assignee did, so many minutes ago."""
    return lambda e: replace(
        e,
        acts=[
            {"id": n, "assignment_id": 10, "version": version, "act": act, "at": NOW - ago * MINUTE}
            for n, (act, ago) in enumerate(made)
        ],
    )


def declined_and_open(e: Evidence) -> Evidence:
    return acts(("decline", 5))(another_row(due_at=NOW + 5 * MINUTE)(e))


def started(**changes: object) -> Callable[[Evidence], Evidence]:
    return assignment(status="IN_PROGRESS", started_at=NOW - 5 * MINUTE, completed_at=None, **changes)


def started_and_open(e: Evidence) -> Evidence:
    return started()(another_row(kind="OVERDUE", recipient="", due_at=NOW + 5 * MINUTE)(e))


def notice(*made: tuple[str, float], **changes: object) -> Callable[[Evidence], Evidence]:
    """A supervisor was told of the first of these acts three minutes ago."""
    chief = "chief@example.test"

    def with_notice(e: Evidence) -> Evidence:
        told = {
            "id": 31,
            "kind": "ESCALATION",
            "rule": "declined:0",
            "recipient": ops_recipient(chief),
            "email": None,
        }
        sent = {
            "state": "SENT",
            "attempts": 1,
            "own_id": "m31@x",
            "message_id": "m31@x",
            "due_at": NOW - 4 * MINUTE,
        }
        e = another_row(**{**told, **sent, **changes})(acts(*made)(e))
        if not e.rows[-1]["attempts"]:
            return e
        began = {
            "reminder_id": 31,
            "number": 1,
            "outcome": "accepted",
            "code": "250",
            "started_at": NOW - 3 * MINUTE,
        }
        mail = {
            "message_id": "m31@x", "recipients": [chief], "at": (NOW - 3 * MINUTE).timestamp(), "text": "What:   Job\n",
        }  # fmt: skip
        accepted = ("reminder_attempts_total", "channel=email,outcome=accepted")
        return replace(
            e,
            attempts=[*e.attempts, began],
            mails=[*e.mails, mail],
            counters={**e.counters, accepted: e.counters[accepted] + 1},
        )

    return with_notice


def chain(
    *minutes_ago: float, repeat: int = 15, times: int = 1, **changes: object
) -> Callable[[Evidence], Evidence]:
    """A rule has told a supervisor that the work is overdue, so long ago each time; `changes` are to its rows."""

    def with_steps(e: Evidence) -> Evidence:
        e = assignment(overdue_at=NOW - 90 * MINUTE, reminder_status="OVERDUE")(e)
        marker = {"id": 40, "kind": "OVERDUE", "recipient": "", "channel": "none", "state": "MARKED"}
        e = another_row(**marker, closed_at=NOW - 90 * MINUTE, due_at=NOW - 90 * MINUTE)(e)
        rows, attempts, mails, counters = [*e.rows], [*e.attempts], [*e.mails], {**e.counters}
        for number, ago in enumerate(minutes_ago):
            at = NOW - ago * MINUTE
            step = {
                **e.rows[0], "id": 41 + number, "kind": "ESCALATION", "email": None, "attempts": 1,
                "rule": f"overdue:rule:7#{number}" if number else "overdue:rule:7", "closed_at": at, "not_after": None,
                "recipient": ops_recipient("chief@example.test"), "due_at": at, **dict.fromkeys(ID, f"m{41 + number}@x"),
                **changes,
            }  # fmt: skip
            rows.append(step)
            if not step["attempts"]:
                continue
            attempts.append(
                {
                    "reminder_id": step["id"],
                    "number": 1,
                    "outcome": "accepted",
                    "code": "250",
                    "started_at": at,
                }
            )
            mails.append(
                {"message_id": step["own_id"], "recipients": ["chief@example.test"], "at": at.timestamp(),
                 "text": "What:   Job\n"}
            )  # fmt: skip
            counters["reminder_attempts_total", "channel=email,outcome=accepted"] += 1
        rule = {"id": 7, "repeat_minutes": repeat, "repeat_times": times, "changed_at": NOW - 999 * MINUTE}
        return replace(e, rows=rows, attempts=attempts, mails=mails, counters=counters, rules=[rule])

    return with_steps


ID = ("own_id", "message_id")


def unmarked(e: Evidence) -> Evidence:
    return replace(e, rows=[row for row in e.rows if row["id"] != 40])


def unanswered(*made: tuple[str, float]) -> Callable[[Evidence], Evidence]:
    """A supervisor was told three minutes ago that nobody has answered."""
    return notice(*made, rule="unanswered:rule:7")


SABOTAGES = [
    ("I1", "lost", lambda e: replace(e, rows=[], attempts=[], counters={}, mails=[])),
    ("I1", "stuck", row(state="PLANNED")),
    ("I1", "no reason", row(state="FAILED")),
    ("I1", "a supervisor who was never told", another_row(kind="OVERDUE", recipient="ops:1")),
    (
        "I1",
        "a supervisor not told, for no reason",
        another_row(kind="OVERDUE", recipient="ops:1", state="FAILED"),
    ),
    ("I1", "an event that nobody raised", unraised),
    ("I1", "an event that is stuck", event(state="PLANNED")),
    ("I2", "a webhook twice for no reason", hooks("{}", "{}")),
    ("I2", "a double that nobody flagged", first_attempt(outcome="refused_for_now")),
    ("I2", "three times", mails("m1@x", "m1@x", "m1@x")),
    ("I2", "more in doubt than were killed", lambda e: replace(e, killed=0)),
    ("I2", "a mail of nobody's", mails("m1@x", "stranger@x")),
    ("I3", "sent, they say", mails()),
    ("I3", "told, they say", hooks()),
    ("I4", "begun for an old plan", assignment(version=2, updated_at=NOW - 8.5 * MINUTE)),
    ("I4", "begun for a plan between", outdated_between),
    ("I5", "a forgotten lease", row(state="QUEUED", lease_until=NOW - MINUTE)),
    ("I6", "a gap", lambda e: replace(e, attempts=e.attempts[1:])),
    ("I7", "one too many counted", counters(sent=2)),
    ("I7", "an event that is not counted", lambda e: replace(bounced(e), counters=e.counters)),
    ("I7", "an event that is counted and not there", lambda e: replace(bounced(e), events=[])),
    ("I7", "a counter fell", lambda e: replace(e, before={("reminder_failed_total", "reason=x"): 3})),
    ("I7", "a gauge that lies", lambda e: replace(e, gauges={"SENT": 2})),
    ("I8", "too early", row(due_at=NOW - 8.9 * MINUTE)),
    ("I8", "too early by the sink's clock", hooks("{}", at=(NOW - 9 * MINUTE).timestamp())),
    ("I8", "too late by the sink's clock", late_by_the_sinks_clock),
    ("I8", "too late", row(not_after=NOW - 9 * MINUTE)),
    ("I9", "another Message-ID", mails("m1@x", "m2@x", "m3@x")),
    ("I9", "another body under the same id", hooks("{}", "{1}")),
    ("I9", "a supervisor told under two ids", told_under_two_ids),
    ("I10", "the roll-up forgot", assignment(reminder_status="NONE")),
    ("I11", "a suspended sender is a person's fault", refused("channel", "rejected")),
    ("I12", "given up while the channel is down", refused("channel", "channel_refused", reason="exhausted")),
    ("I12", "too late before its time", refused("channel", "throttled", reason="too_late")),
    ("I12", "tried too often against a limit", refused("channel", "refused_for_now", reason="exhausted")),
    ("I13", "a digest twice", digest(mail_again())),
    (
        "I13",
        "told again by a message of its own",
        digest(mail_again(message_id="m22@x", text="What:   Other job\n")),
    ),
    ("I13", "a member that is not listed", digest(mail_without("Other job"))),
    ("I13", "a digest twice to a person", to_a_person(digest(mail_again()))),
    ("I13", "a person's member that is not listed", to_a_person(digest(mail_without("Other job")))),
    ("I9", "a person's row under two ids", to_a_person(told_under_two_ids)),
    ("I13", "a member under an id of its own", digest(message_id="m22@x")),
    ("I13", "a member of nobody's digest", digest(digest_id=99)),
    ("I13", "a member of somebody else's digest", digest(digest_id=1)),
    ("I14", "begun after a decline", acts(("confirm", 12), ("decline", 11))),
    ("I14", "begun after a decline that was taken back later", acts(("decline", 11), ("confirm", 5))),
    ("I14", "open after a decline", declined_and_open),
    ("I15", "open after a start", started_and_open),
    (
        "I15",
        "begun after a start",
        assignment(status="COMPLETED", started_at=None, completed_at=NOW - 11 * MINUTE),
    ),
    ("I16", "moved, and nobody told", assignment(scheduled_start=START + 60 * MINUTE)),
    ("I16", "another place, and nobody told", assignment(location="Hall 2")),
    ("I16", "cancelled, and nobody told", assignment(status="CANCELLED")),
    ("I16", "given away, and nobody told", assignment(assignee_id=6)),
    ("I17", "a notice of what nobody did", notice(("confirm", 4))),
    ("I17", "a notice of a decline that was taken back", notice(("decline", 5), ("confirm", 4))),
    (
        "I17",
        "a notice that waits, and was taken back",
        notice(("decline", 5), ("confirm", 4), state="PLANNED", attempts=0, message_id=""),
    ),
    ("I17", "a missing answer that was given", unanswered(("confirm", 5))),
    ("I17", "a notice of overdue work that nobody has marked", lambda e: unmarked(chain(30, 15)(e))),
    ("I18", "another rule minutes later", second_rule(5)),
    ("I19", "two steps at once", chain(30, 30)),
    ("I19", "a step before the one before", chain(15, 30)),
    ("I19", "a chain that stopped", chain(80, 60, times=6)),
    ("I19", "a step that nobody asked to end", chain(80, state="SKIPPED", reason="replanned", attempts=0)),
    ("I19", "two open steps", chain(-15, -30, state="PLANNED", attempts=0, closed_at=None, message_id="")),
    ("I21", "two messages within a minute", joined(apart=20)),
    ("I21", "a reminder that its message does not list", joined(text="Job\n  When:   then\n")),
    ("I21", "a reminder under an id of its own", joined(message_id="m32@x")),
    ("I21", "a reminder in nobody's digest", joined(digest_id=99)),
    ("I22", "two reminders at once within a minute", asked_twice),
    ("I22", "a reminder at once that nobody asked for", asked_now(5, payload=None)),
    (
        "I23",
        "a version is gone",
        lambda e: replace(with_text()(e), text_versions=with_text()(e).text_versions[:1]),
    ),
    ("I23", "a gap between versions", with_text(number=4)),
    ("I23", "a version in force that there is not", with_text(active_number=3)),
    ("I23", "a text of other messages", with_text(kind="overdue")),
    ("I23", "a version saved afterwards", with_text(made_at=NOW)),
    ("I23", "a fault without its text", with_text(template_version=None, template_fault="too long")),
    ("I1", "another rule is open after it was due", another_row(rule="rule:7")),
    ("I20", "accepted over two ways", sms(state="SENT", attempts=1, message_id="m2@x")),
    (
        "I20",
        "another way after an end that nobody knows",
        lambda e: sms(state="UNKNOWN", reason="ambiguous")(e),
    ),
    ("I20", "one way twice", another_row(channel="email", state="SKIPPED", reason="fallback")),
    ("I20", "nobody tried the next address", lambda e: with_points(failed(e))),
]


@pytest.mark.parametrize(
    "sensible",
    [
        acts(("decline", 5)),
        acts(("decline", 12), ("confirm", 11)),
        acts(("decline", 12), version=2),
        started(),
        notice(("decline", 4)),
        notice(("decline", 4), ("confirm", 2)),
        unanswered(),
        unanswered(("confirm", 2)),
        chain(30, 15),
        notice(("decline", 4), rule="declined:0:rule:7"),
        second_rule(10),
        asked_now(5),
        other_place,
        again_by_the_same_rule,
        with_text(),
    ],
    ids=[
        "declined after the send",
        "confirmed before the send",
        "of another plan",
        "started after the send",
        "a supervisor hears of a decline",
        "taken back once it was told",
        "nobody has answered",
        "answered once it was told",
        "overdue and overdue still",
        "a rule tells of a decline",
        "another rule in time",
        "an operator reminds at once",
        "a change is stated",
        "a version of the same rule",
        "made of a stored text",
    ],
)
def test_acts_that_the_rows_agree_with_break_nothing(sensible):
    assert broken(sensible(sound())) == []


def test_sound_evidence_breaks_nothing():
    assert broken(sound()) == []
    assert broken(with_digest(sound())) == []
    assert broken(to_a_person(with_digest)(sound())) == []


@pytest.mark.parametrize(("invariant", "name", "sabotage"), SABOTAGES, ids=[s[1] for s in SABOTAGES])
def test_each_invariant_finds_its_sabotage(invariant, name, sabotage):
    found = {line.split(":")[0] for line in broken(sabotage(sound()))}
    assert invariant in found


@pytest.mark.parametrize("sensible", [joined(), joined(apart=60)], ids=["in one message", "a minute apart"])
def test_reminders_that_are_joined_or_far_enough_apart_keep_the_rate(sensible):
    assert not any(found.startswith("I21") for found in broken(sensible(sound())))


def test_a_row_that_says_why_somebody_knows_another_plan_is_enough():
    moved = assignment(scheduled_start=START + 60 * MINUTE)(sound())
    refused = another_row(
        kind="CORRECTION", version=1, rule="correction:1", state="FAILED", reason="rejected", attempts=0
    )(moved)
    assert not [line for line in broken(refused) if line.startswith("I16")]


@pytest.mark.parametrize(
    "sensible",
    [
        lambda e: bounced(sms(state="SENT", attempts=1, message_id="m2@x")(e)),
        lambda e: with_points(sms(state="SENT", attempts=1, message_id="m2@x")(failed(e))),
        lambda e: replace(with_points(failed(e)), channels=("email",)),
        lambda e: failed(replace(e, points=[])),
        lambda e: verified_only(with_points(failed(e))),
    ],
    ids=[
        "after a bounce",
        "after a refusal",
        "over no channel that is set up",
        "nobody has another address",
        "the other address is not verified",
    ],
)
def test_another_way_is_right_after_a_bounce_or_a_refusal(sensible):
    assert not [line for line in broken(sensible(sound())) if line.startswith("I20")]


def test_each_invariant_has_a_sabotage():
    assert {invariant for invariant, _, _ in SABOTAGES} == {f"I{n}" for n in range(1, 24)}


@pytest.mark.parametrize(
    "ended",
    [
        refused("recipient", "rejected"),
        refused("recipient", "refused_for_now", reason="exhausted"),
        refused("channel", "channel_refused", reason="exhausted", left=0.9),
    ],
    ids=["the person's own fault", "the person's own patience", "of no use any more"],
)
def test_an_end_that_is_the_persons_or_in_time_breaks_neither(ended):
    found = {line.split(":")[0] for line in broken(ended(sound()))}
    assert not found & {"I11", "I12"}
