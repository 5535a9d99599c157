"""`manage.py seed_demo`: loads sample people and work whose reminders fall due within seconds."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from assignments import people as assignments_people
from assignments import services
from assignments import teams as assignments_teams
from assignments.clock import database_now
from assignments.history import Actor
from assignments.models import Assignee, Assignment, Team
from assignments.services import NewAssignment
from reminders import conf
from reminders.conf import ReminderConfig
from reminders.management.demo_acts import Demonstration
from reminders.management.progress import progress
from reminders.management.refusals import in_one_line
from reminders.management.sample_work import (
    DISPATCHER,
    PEOPLE,
    PLANNER,
    RULES,
    TEAMS,
    Sample,
    SamplePerson,
    Then,
    samples,
)
from reminders.models import ReminderRule
from reminders.operations.reminder_rules import add_rule


class Command(BaseCommand):
    help = (
        "Loads invented people and work: within half a minute reminders arrive, one assignment becomes overdue, "
        "one is cancelled, one is moved and one person cannot be reached. Each run adds a set of its own."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--act",
            action="store_true",
            help="then act for three of these people as their mails arrive, by the links in them; only beside `up`, which"
            " keeps mails on this machine",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        config = conf.current()
        with in_one_line():
            people = {person.key: _known(person) for person in PEOPLE}
            _make_teams(people)
            _make_rules()
            turn = 1 + _sets_loaded()
            wanted, made = list(samples(now=database_now(), config=config)), []
            with progress("loading", stream=self.stderr, unit="assignments", total=len(wanted)) as bar:
                for number, sample in enumerate(wanted, start=1):
                    work = _make(sample, people[sample.person], reference=f"DEMO-{turn}-{number:02}")
                    made.append((work, sample))
                    bar.advance()
            self.stdout.write(f"sample set {turn}: {len(made)} assignments for {len(people)} people")
            if not config.enabled:
                self.stdout.write("REMINDER_WORKER_ENABLED is false: nothing will be planned or sent")
                return
            self.stdout.write(
                "watch the next 30 seconds: six reminders arrive, one is not delivered, one assignment becomes overdue;"
                " the other work starts later"
            )
            if options["act"]:
                self._act([(work, sample.then) for work, sample in made if sample.then is not None], config)

    def _act(self, works: Sequence[tuple[Assignment, Then]], config: ReminderConfig) -> None:
        folder: Path | None = settings.MAIL_SINK_DIR
        if folder is None:
            self.stdout.write("nobody acts: mails are not kept on this machine, so their links are not known")
            return
        self.stdout.write(
            "as their mails arrive, one person starts, one declines, one hears of a change, one of work tomorrow"
        )
        missing = Demonstration(folder=folder, config=config, say=self.stdout.write).play(works)
        if missing:
            self.stdout.write(f"{missing} of these things did not happen, see above")
            sys.exit(1)
        self.stdout.write(f"all of it has happened; the mails are at {settings.PUBLIC_URL}/ops/mailbox")


def _known(person: SamplePerson) -> Assignee:
    reference = f"demo-{person.key}"
    found = Assignee.objects.filter(reference=reference).first()
    return found or assignments_people.add_assignee(
        reference=reference,
        name=person.name,
        email=person.email,
        phone=person.phone,
        time_zone=person.time_zone,
    )


def _make_teams(people: Mapping[str, Assignee]) -> None:
    """The invented teams with their people and supervisors; those that are there already stay as they are."""
    for sample in TEAMS:
        if Team.objects.filter(name=sample.name).exists():
            continue
        supervisors = [people[sample.supervisor].pk]
        team = assignments_teams.add_team(
            name=sample.name, time_zone=sample.time_zone, supervisors=supervisors
        )
        for person in PEOPLE:
            if person.team == sample.name and people[person.key].team_id is None:
                assignments_people.change_assignee(people[person.key].pk, {"team_id": team.pk})


def _make_rules() -> None:
    """The invented rules; those that are there already stay as they are."""
    for sample in RULES:
        if not ReminderRule.objects.filter(name=sample.name).exists():
            add_rule(
                {
                    "name": sample.name,
                    "audience": ReminderRule.Audience.ASSIGNEE,
                    "trigger": ReminderRule.Trigger.BEFORE_START,
                    "minutes": sample.minutes,
                    "scope": ReminderRule.Scope.KIND,
                    "scope_value": sample.kind,
                },
                by=PLANNER,
            )


def _sets_loaded() -> int:
    references = Assignment.objects.filter(reference__regex=r"^DEMO-\d{1,9}-\d+$").values_list(
        "reference", flat=True
    )
    return max((int(reference.split("-")[1]) for reference in references if reference), default=0)


def _make(sample: Sample, person: Assignee, *, reference: str) -> Assignment:
    made = services.create(
        NewAssignment(
            title=sample.title,
            kind=sample.kind,
            location=sample.location,
            notes=sample.notes,
            assignee_id=person.pk,
            reference=reference,
            scheduled_start=sample.start,
            scheduled_end=sample.start + sample.length,
            lead_minutes=sample.lead_minutes,
        ),
        actor=Actor.ops(PLANNER),
    )
    if sample.cancel:
        services.cancel(made.pk, actor=Actor.ops(DISPATCHER))
    if sample.move_to:
        services.reschedule(made.pk, start=sample.move_to, actor=Actor.ops(PLANNER))
    return made
