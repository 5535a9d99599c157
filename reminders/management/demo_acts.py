"""What people do in a demonstration once a mail has told them of their work; and the mails that follow from it.

Assignees act by the link in their mail, over HTTP, as they would. Each wait is bounded and says what did not come.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from assignments import services
from assignments.history import Actor
from assignments.models import ActKind, Assignee, Assignment
from reminders.conf import ReminderConfig
from reminders.content import links
from reminders.insight import mailbox
from reminders.insight.mailbox import Mail
from reminders.management.page_visit import CannotAct, act_by_link
from reminders.management.sample_work import DISPATCHER, Then

MOST_WAIT = timedelta(seconds=60)
LOOK_EVERY_SECONDS = 0.2
MOVED_BY = timedelta(hours=2)
WHY_DECLINED = "My car has broken down."

Act = Callable[[str, ActKind, dict[str, str]], None]
"""Takes a link, an act, and the fields to fill in; `act_by_link` outside of tests. Raises CannotAct."""


class DidNotCome(Exception):
    """A mail that was waited for; the message names it, without an address."""


@dataclass(frozen=True)
class Expected:
    """A mail that must follow from what somebody has done."""

    what: str
    person: Assignee
    work: Assignment
    after: str = ""
    """The name of an earlier mail."""
    within: timedelta = MOST_WAIT
    then_say: str = ""

    @property
    def missing(self) -> str:
        """What is said where it does not come."""
        waited, about = f"{self.within.total_seconds():.0f} s", f"#{self.work.pk} {self.work.title}"
        return f"waited {waited} for the {self.what} to {self.person.name} about {about}: no mail came"


class Demonstration:
    """Plays what `sample_work` says about the works of one set. `say` gets one line for each thing that happens."""

    def __init__(
        self,
        *,
        folder: Path,
        config: ReminderConfig,
        say: Callable[[str], None],
        act: Act = act_by_link,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folder, self._config, self._say, self._act = folder, config, say, act
        self._clock, self._sleep = clock, sleep

    def play(self, works: Sequence[tuple[Assignment, Then]]) -> int:
        """Everything in turn; returns how much of it did not happen."""
        missing, expected = 0, list[Expected]()
        for work, then in works:
            try:
                expected += self._follow(work, then)
            except (DidNotCome, CannotAct) as error:
                self._say(str(error))
                missing += 1
        for one, mail in self._as_they_arrive(expected):
            if mail is None:
                self._say(one.missing)
                missing += 1
            elif one.then_say:
                self._say(one.then_say)
        return missing

    def _follow(self, work: Assignment, then: Then) -> Iterator[Expected]:
        """Waits for the reminder, and does what follows from it; yields the mails that this must cause."""
        person = work.assignee
        assert person is not None  # each sample has one
        reminder = self._wait(Expected("reminder", person, work))
        match then:
            case Then.START:
                self._by_link(reminder, person, ActKind.START)
            case Then.DECLINE:
                self._by_link(reminder, person, ActKind.DECLINE, note=WHY_DECLINED)
                yield from self._supervisors_hear(work, person, after=reminder.heading.name)
            case Then.NOTHING:
                self._say(f"#{work.pk} {work.title} - {person.name} was reminded a day before, by a rule")
            case Then.MOVE:
                services.reschedule(
                    work.pk, start=work.scheduled_start + MOVED_BY, actor=Actor.ops(DISPATCHER)
                )
                hours = MOVED_BY // timedelta(hours=1)
                self._say(
                    f"#{work.pk} {work.title} - moved by {hours} hours, after {person.name} was reminded"
                )
                within = self._config.correction_grace + MOST_WAIT
                yield Expected("correction", person, work, after=reminder.heading.name, within=within)

    def _supervisors_hear(self, work: Assignment, person: Assignee, *, after: str) -> Iterator[Expected]:
        if person.team is None:
            return
        for supervisor in person.team.supervisors.all():
            heard = f"#{work.pk} {work.title} - {supervisor.name}, supervisor of {person.team.name}, has heard of it"
            # Soon after another notice to the same supervisor it waits to be joined with more.
            within = self._config.digest_wait + MOST_WAIT
            yield Expected(f"news that {person.name} can't make it", supervisor, work, after, within, heard)

    def _by_link(self, mail: Mail, person: Assignee, act: ActKind, **more: str) -> None:
        link = next((piece for piece, path in links.linked(mail.text) if path.startswith(links.PATH)), None)
        try:
            if link is None:
                raise CannotAct("the mail has no link (PUBLIC_URL is not set)")
            self._act(link, act, more)
        except CannotAct as error:
            raise CannotAct(f"{person.name} cannot {act.label.lower()}: {error}") from None

    def _wait(self, wanted: Expected) -> Mail:
        ((_, mail),) = self._as_they_arrive([wanted])
        if mail is None:
            raise DidNotCome(wanted.missing)
        return mail

    def _as_they_arrive(self, wanted: Sequence[Expected]) -> Iterator[tuple[Expected, Mail | None]]:
        """Each of them with its mail, in the order of arrival; with None once it has been waited for long enough."""
        waiting = {one: self._clock() + one.within.total_seconds() for one in wanted}
        while waiting:
            for one, deadline in list(waiting.items()):
                mail = self._arrived(one)
                if mail is not None or self._clock() > deadline:
                    del waiting[one]
                    yield one, mail
            if waiting:
                self._sleep(LOOK_EVERY_SECONDS)

    def _arrived(self, wanted: Expected) -> Mail | None:
        """Mails name the reference of the work, which no other set has."""
        headings, _ = mailbox.newest(self._folder, after=wanted.after)
        for heading in reversed(headings):
            if wanted.person.email in heading.to:
                mail = mailbox.read(self._folder, heading.name)
                if mail is not None and str(wanted.work.reference) in mail.text:
                    return mail
        return None
