"""People of a demonstration act by the links in their mails; what does not come is named, within a bound."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from assignments import services
from assignments.models import ActKind, Assignee, Assignment, Status
from config.devstack.mail_sink import Folder
from reminders.content import links
from reminders.content.links import Link
from reminders.management.demo_acts import LOOK_EVERY_SECONDS, MOST_WAIT, Demonstration
from reminders.management.page_visit import CannotAct, act_by_link, forms_of
from reminders.management.sample_work import Then

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(clock, settings):
    """The works of one set that somebody acts upon, by what happens to them."""
    settings.PUBLIC_URL = "http://127.0.0.1:8000"
    call_command("seed_demo", stdout=StringIO())
    numbers = {Then.MOVE: 3, Then.START: 4, Then.DECLINE: 5}
    return {then: Assignment.objects.get(reference=f"DEMO-1-{number:02}") for then, number in numbers.items()}


class Play:
    """A demonstration without a second of waiting: mails arrive when somebody waits."""

    def __init__(self, folder, config):
        self.folder, self.said, self.acts, self.seconds, self.refusal = Folder(folder), [], [], 0.0, ""
        self.coming = []
        self.demonstration = Demonstration(
            folder=folder,
            config=config,
            say=self.said.append,
            act=self.act,
            clock=lambda: self.seconds,
            sleep=self.sleep,
        )

    def sleep(self, seconds):
        self.seconds += seconds
        if self.coming:
            self.store(*self.coming.pop(0))

    def store(self, person, work, subject):
        link = links.url_of(Link(work.pk, work.assignee_id, 1))
        head = f"To: {person.name} <{person.email}>\nSubject: {subject}\nContent-Type: text/plain; charset=utf-8\n\n"
        content = f"{head}Number: {work.reference}\n\nOpen {link}\n".encode()
        self.folder.store(content, sender="", recipients=[])

    def act(self, link, act, more):
        if self.refusal:
            raise CannotAct(self.refusal)
        self.acts.append((link, act, more))

    def run(self, made):
        return self.demonstration.play([(work, then) for then, work in made.items()])


@pytest.fixture
def play(tmp_path, config):
    return Play(tmp_path, config)


def test_a_reminder_by_a_rule_is_waited_for_and_told(made, play):
    work = Assignment.objects.get(title="Inspect playground")
    play.coming = [(work.assignee, work, "Reminder")]
    assert play.run({Then.NOTHING: work}) == 0
    assert play.acts == []
    assert any("was reminded a day before, by a rule" in line for line in play.said)


def test_each_acts_by_the_link_in_the_own_mail_and_what_follows_is_waited_for(made, play):
    moved, started, declined = made[Then.MOVE], made[Then.START], made[Then.DECLINE]
    chief = Assignee.objects.get(reference="demo-lindqvist")
    play.store(moved.assignee, started, "of somebody else")
    play.store(started.assignee, moved, "of somebody else")
    play.coming = [
        (moved.assignee, moved, "Reminder"),
        (started.assignee, started, "Reminder"),
        (declined.assignee, declined, "Reminder"),
        (chief, declined, "Declined"),
        (moved.assignee, moved, "Moved"),
    ]
    assert play.run(made) == 0
    assert play.acts == [
        (links.url_of(Link(started.pk, started.assignee_id, 1)), ActKind.START, {}),
        (
            links.url_of(Link(declined.pk, declined.assignee_id, 1)),
            ActKind.DECLINE,
            {"note": "My car has broken down."},
        ),
    ]
    before = moved.scheduled_start
    moved.refresh_from_db()
    assert moved.scheduled_start == before + timedelta(hours=2)
    assert play.said == [
        f"#{moved.pk} Patient transport to dialysis - moved by 2 hours, after Chidi Okafor was reminded",
        f"#{declined.pk} Night watch handover - Maria Lindqvist, supervisor of Care, has heard of it",
    ]
    assert play.seconds == pytest.approx(5 * LOOK_EVERY_SECONDS)


def test_what_does_not_come_is_named_and_keeps_nothing_else_from_happening(made, play):
    started = made[Then.START]
    play.store(started.assignee, started, "Reminder")
    assert play.run(made) == 2
    assert [act for _, act, _ in play.acts] == [ActKind.START]
    assert play.said == [
        f"waited 60 s for the reminder to {work.assignee.name} about #{work.pk} {work.title}: no mail came"
        for work in (made[Then.MOVE], made[Then.DECLINE])
    ]
    assert play.seconds < 2 * MOST_WAIT.total_seconds() + 1
    assert not any("@" in line for line in play.said)


def test_news_for_a_supervisor_may_wait_to_be_joined_with_other_news(made, play, config):
    declined = made[Then.DECLINE]
    play.store(declined.assignee, declined, "Reminder")
    assert play.run({Then.DECLINE: declined}) == 1
    assert config.digest_wait == timedelta(seconds=60)
    assert play.said == [
        (
            "waited 120 s for the news that Aoife O'Neill can't make it to Maria Lindqvist about"
            f" #{declined.pk} Night watch handover: no mail came"
        )
    ]


def test_a_correction_is_waited_for_as_long_as_it_may_wait_itself(made, play, config):
    moved = made[Then.MOVE]
    play.store(moved.assignee, moved, "Reminder")
    assert play.run({Then.MOVE: moved}) == 1
    assert config.correction_grace == timedelta(seconds=60)
    assert play.said[1].startswith("waited 120 s for the correction to Chidi Okafor about ")


def test_an_act_that_is_refused_is_named(made, play):
    started = made[Then.START]
    play.store(started.assignee, started, "Reminder")
    play.refusal = "the page behind the link answers 409"
    assert play.run({Then.START: started}) == 1
    assert play.said == ["Lucía Moreno cannot start: the page behind the link answers 409"]


def test_a_mail_without_a_link_is_named(made, play, settings):
    settings.PUBLIC_URL = ""
    started = made[Then.START]
    play.store(started.assignee, started, "Reminder")
    assert play.run({Then.START: started}) == 1
    assert play.said == ["Lucía Moreno cannot start: the mail has no link (PUBLIC_URL is not set)"]


def test_without_the_local_mail_server_nobody_acts(clock, settings):
    settings.MAIL_SINK_DIR = None
    said = StringIO()
    call_command("seed_demo", "--act", stdout=said)
    assert said.getvalue().splitlines()[2] == (
        "nobody acts: mails are not kept on this machine, so their links are not known"
    )


def test_a_form_has_its_hidden_fields_and_the_acts_of_its_buttons():
    first, second = forms_of(
        "<input type=hidden name=stray value=1><form><input type=hidden name=token value='a&amp;b'>"
        "<input type=hidden name=version value=3><button name=act value=start>Go</button></form>"
        "<form><input name=note><button name=act value=decline>No</button><button name=minutes value=5></form>"
    )
    assert (first.hidden, first.acts) == ({"token": "a&b", "version": "3"}, {"start"})
    assert (second.hidden, second.acts) == ({}, {"decline"})


@pytest.mark.django_db(transaction=True)
class TestOverHttp:
    @pytest.fixture
    def link(self, live_server, settings, monkeypatch):
        settings.SECURE_SSL_REDIRECT = settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False
        settings.PUBLIC_URL = live_server.url
        # A proxy of the environment is not asked for what is on this machine.
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        call_command("seed_demo", stdout=StringIO())
        work = Assignment.objects.get(reference="DEMO-1-04")
        return work, links.url_of(Link(work.pk, work.assignee_id, work.version))

    def test_the_page_takes_the_act_once(self, link):
        work, address = link
        act_by_link(address, ActKind.START)
        work.refresh_from_db()
        assert work.status == Status.IN_PROGRESS
        with pytest.raises(CannotAct, match=r"^the page behind the link does not offer to start$"):
            act_by_link(address, ActKind.START)

    def test_a_decline_carries_its_reason(self, link):
        work, address = link
        act_by_link(address, ActKind.DECLINE, {"note": "My car has broken down."})
        work.refresh_from_db()
        assert (work.answer, work.answer_note) == ("DECLINED", "My car has broken down.")

    def test_what_went_wrong_is_said_without_the_address(self, link):
        work, address = link
        with pytest.raises(CannotAct, match=r"^the page behind the link answers 404$"):
            act_by_link(address + "x", ActKind.START)
        services.change(work.pk, {"assignee_id": Assignee.objects.exclude(pk=work.assignee_id)[0].pk})
        with pytest.raises(CannotAct, match=r"^the page behind the link answers 410$"):
            act_by_link(address, ActKind.START)
        with pytest.raises(CannotAct, match=r"^the page behind the link does not answer \(URLError\)$"):
            act_by_link("http://127.0.0.1:9/a/x", ActKind.START)
