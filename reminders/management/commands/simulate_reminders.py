"""`manage.py simulate_reminders [--from ...] [--to ...] [--set NAME=VALUE ...]`: what would be sent; nothing is."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from assignments.clock import database_now
from reminders import conf
from reminders.insight.explain.wording import channel_name, moment, rate
from reminders.insight.simulator.sends import SimulatedSend
from reminders.insight.simulator.simulator import MOST_LISTED, Simulation, simulate
from reminders.ledger.pauses import pause_in_force
from reminders.management.instants import EXAMPLE, instant
from reminders.management.refusals import in_one_line
from reminders.models import Kind
from reminders.operations.rule_files import UnreadableRules, read_rules
from reminders.policy.rules import Rule

DAY = timedelta(days=1)

NOUNS = {Kind.CORRECTION: ", a correction", Kind.ESCALATION: ", a notice", Kind.OVERDUE: ", a notice"}


class Command(BaseCommand):
    help = "Says what would be sent when, to whom and over which channel, if nobody changed anything. Sends nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--from", dest="since", type=instant, help=f"an instant {EXAMPLE}; now if left out"
        )
        parser.add_argument("--to", dest="until", type=instant, help="an instant; a day later if left out")
        parser.add_argument(
            "--set",
            dest="changes",
            nargs="+",
            action="extend",
            default=[],
            type=_change,
            metavar="NAME=VALUE",
            help="another rule, such as REMINDER_LEAD_MINUTES=60",
        )
        parser.add_argument(
            "--rules",
            type=Path,
            metavar="FILE",
            help="other reminder rules than those in force: a JSON list in the form of the API",
        )
        parser.add_argument(
            "--if-not-started",
            action="store_true",
            help="also what supervisors and Ops would be notified of if nobody started any of the work",
        )
        parser.add_argument(
            "--limit", type=int, default=20, help=f"how many sends are listed: 0 to {MOST_LISTED}"
        )
        parser.add_argument("--json", action="store_true", help="answer as one line of JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        changes = dict(options["changes"])
        with in_one_line():
            try:
                config = conf.with_values(changes) if changes else conf.current()
            except ImproperlyConfigured as refusal:
                raise CommandError("; ".join(str(refusal).splitlines()), returncode=2) from refusal
            since = options["since"] or database_now()
            until = options["until"] or since + DAY
            rules = _rules(options["rules"])
            found = simulate(
                since=since,
                until=until,
                config=config,
                limit=options["limit"],
                rules=rules,
                if_not_started=options["if_not_started"],
            )
            notes = list(_notes(enabled=config.enabled))
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(found, changes, notes), ensure_ascii=False))
        else:
            self.stdout.write("\n".join([*_in_words(found, changes, options["rules"]), *notes]))


def _rules(path: Path | None) -> list[Rule] | None:
    try:
        return None if path is None else read_rules(path)
    except UnreadableRules as refusal:
        raise CommandError(str(refusal), returncode=2) from refusal


def _change(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ArgumentTypeError(f"{text[:40]!r}: NAME=VALUE is needed, such as REMINDER_LEAD_MINUTES=60")
    return name, value


def _notes(*, enabled: bool) -> list[str]:
    notes = []
    if not enabled:
        notes.append(
            "REMINDER_WORKER_ENABLED is false: nothing is sent. `--set REMINDER_WORKER_ENABLED=true` shows what would be."
        )
    if pause_in_force():
        notes.append("Sending is paused at present; this is what goes out without a pause.")
    return notes


def _in_words(found: Simulation, changes: dict[str, str], file: Path | None) -> list[str]:
    settings = [f"{name}={value}" for name, value in changes.items()]
    tried = [*settings, *([f"the rules of {file}"] if file else [])]
    under = ", ".join(tried) or "today's settings"
    lines = [
        f"From {moment(found.since)} until {moment(found.until)}, under {under}:",
        f"{found.total} messages would be sent; people who get one: {found.people}.",
    ]
    if found.joined:
        lines.append(
            f"{found.joined} of them would go in the message of another one: one person gets only so many messages."
        )
    lines += [
        f"{channel_name(channel).capitalize()} accepts {rate(per_minute)}: each reminder leaves in its turn, the most urgent"
        " first."
        for channel, per_minute in found.paces.items()
    ]
    lines += [f"  over {channel}: {count}" for channel, count in found.by_channel.items()]
    if found.unreachable:
        lines.append(f"{found.unreachable} would fail: there is nobody to write to, or no usable address.")
    lines += [f"{count} would be skipped: {reason}." for reason, count in found.skipped.items()]
    if found.busiest:
        at, count = found.busiest
        minutes = round(found.span.total_seconds() / 60)
        lines += ["", f"By {minutes} minutes (most at {moment(at)}: {count}):"]
        lines += [f"  {moment(at)}  {count}" for at, count in found.spans.items()]
    if found.sends:
        lines += ["", f"The first {len(found.sends)}:"]
        lines += [
            f"  {moment(send.at)}  #{send.assignment_id} {send.title}{NOUNS.get(send.kind, '')}: {send.to},"
            f" {send.contact or 'no address'}{_turn(send)}"
            for send in found.sends
        ]
    return lines


def _turn(send: SimulatedSend) -> str:
    if send.too_late:
        return "; not in time: its turn does not come by then"
    waits = f"; waits {send.wait.total_seconds():.0f} s for its turn" if send.wait else ""
    return f"{waits}; in one message with others" if send.joined else waits


def _as_json(found: Simulation, changes: dict[str, str], notes: list[str]) -> dict[str, object]:
    return {
        "from": found.since.isoformat(),
        "to": found.until.isoformat(),
        "set": changes,
        "notes": notes,
        "sends": found.total,
        "people": found.people,
        "joined": found.joined,
        "unreachable": found.unreachable,
        "skipped": dict(found.skipped),
        "by_channel": dict(found.by_channel),
        "paces": dict(found.paces),
        "span_seconds": found.span.total_seconds(),
        "spans": [{"at": at.isoformat(), "sends": count} for at, count in found.spans.items()],
        "first": [
            {
                "at": send.at.isoformat(),
                "assignment_id": send.assignment_id,
                "reference": send.reference,
                "title": send.title,
                "scheduled_start": send.start.isoformat(),
                "to": send.to,
                "channel": send.channel,
                "contact": send.contact,
                "due": send.due.isoformat(),
                "too_late": send.too_late,
                "joined": send.joined,
                "kind": send.kind.value,
            }
            for send in found.sends
        ],
    }
