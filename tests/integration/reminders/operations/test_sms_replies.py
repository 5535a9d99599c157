"""What people do by SMS."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from assignments import contact_points, services
from assignments.models import Act, Assignment, Status
from reminders.models import SmsReply
from reminders.operations import sms_replies
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.sms_stage import ANN, BEN, SmsStage, sms_stage

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def stage(clock) -> Iterator[SmsStage]:
    with sms_stage() as found:
        yield found


@pytest.fixture
def ann(db):
    return AssigneeFactory(name="Ann", email="", phone=ANN)


def work(person, *, start: timedelta = HOUR / 6, **more: object) -> Assignment:
    return AssignmentFactory(assignee=person, scheduled_start=NOON + start, **more)


def acts() -> list[str]:
    return [f"{act.assignment_id} {act.act} {act.via} {act.actor}" for act in Act.objects.order_by("id")]


@pytest.mark.parametrize(
    ("text", "act"),
    [
        ("YES", "confirm"),
        ("no", "decline"),
        ("Start", "start"),
        ("LATE 15", "late"),
        ("On my way", "on_my_way"),
    ],
)
def test_an_act_by_sms_is_an_act(stage, ann, text, act):
    job = work(ann)
    stage.tick()
    answer = stage.reply(text)
    assert (answer.status, answer.messages) == (200, [])
    assert acts() == [f"{job.pk} {act} sms assignee:{ann.pk}"]
    assert contact_points.points_of(ann.pk)[0].verified_at == NOON
    if act == "late":
        job.refresh_from_db()
        assert job.expected_start == job.scheduled_start + timedelta(minutes=15)


def test_who_has_begun_can_be_done(stage, ann):
    job = work(ann)
    stage.tick()
    stage.reply("START")
    stage.reply("DONE")
    job.refresh_from_db()
    assert job.status == Status.COMPLETED


@pytest.mark.parametrize(("language", "text", "act"), [("de", "Später 20", "late"), ("fr", "oui", "confirm")])
def test_words_are_those_of_the_persons_language(stage, language, text, act):
    person = AssigneeFactory(email="", phone=ANN, language=language)
    work(person)
    stage.tick()
    stage.reply(text)
    assert [one.act for one in Act.objects.all()] == [act]


def test_the_same_message_twice_is_one_act_and_one_answer(stage, ann):
    work(ann)
    stage.tick()
    for _ in range(3):
        stage.reply("LATE 10", sid="SM0001")
    stage.reply("LATE 20", sid="SM0001")
    assert [(one.act, one.minutes) for one in Act.objects.all()] == [("late", 10)]
    first, again = stage.reply("what?", sid="SM0002"), stage.reply("what?", sid="SM0002")
    assert first.messages == again.messages
    assert len(first.messages) == 1
    assert SmsReply.objects.count() == 2


def test_the_work_is_that_of_the_last_sms(stage, ann, clock):
    later = work(ann, start=2 * HOUR, lead_minutes=180)
    stage.tick()
    clock.set(NOON + timedelta(minutes=1))
    work(ann, start=HOUR)  # nobody was told of it yet
    stage.reply("YES")
    assert acts() == [f"{later.pk} confirm sms assignee:{ann.pk}"]


def test_without_an_sms_it_is_the_next_one(stage, ann):
    work(ann, start=30 * HOUR)
    sooner = work(ann, start=20 * HOUR)
    stage.reply("NO")
    assert acts() == [f"{sooner.pk} decline sms assignee:{ann.pk}"]


def test_where_two_people_share_a_number_one_is_asked_which_work(stage, ann):
    ben = AssigneeFactory(name="Ben", email="", phone=ANN)
    anns, bens = work(ann, title="Lift"), work(ben, title="Door")
    stage.tick()
    assert len(stage.gateway.taken) == 2
    answer = stage.reply("YES")
    assert answer.messages == [
        (
            "Which one do you mean?\n"
            f"{anns.pk}: Lift, Mon 15 Jun, 14:10 (Ann)\n"
            f"{bens.pk}: Door, Mon 15 Jun, 14:10 (Ben)\n"
            f"Reply YES, NO, START, DONE or LATE 15, with a number if need be: YES {anns.pk}. STOP ends messages."
        )
    ]
    assert acts() == []
    assert stage.reply(f"YES {bens.pk}").messages == []
    assert acts() == [f"{bens.pk} confirm sms assignee:{ben.pk}"]


def test_what_is_not_understood_is_answered_with_the_choices(stage, ann):
    job = work(ann, title="Lift & <door>")
    stage.tick()
    answer = stage.reply("perhaps?")
    assert answer.messages == [
        (
            "We did not understand that.\n"
            f"{job.pk}: Lift & <door>, Mon 15 Jun, 14:10\n"
            f"Reply YES, NO, START, DONE or LATE 15, with a number if need be: YES {job.pk}. STOP ends messages."
        )
    ]
    assert "Lift &amp; &lt;door&gt;" in answer.text


def test_help_and_nothing_to_do(stage, ann):
    assert stage.reply("HELP").messages == [
        "You have no open work.\nReply YES, NO, START, DONE or LATE 15. STOP ends messages."
    ]


def test_work_of_others_cannot_be_named(stage, ann):
    other = work(AssigneeFactory(email="", phone=BEN))
    mine = work(ann)
    assert stage.reply(f"YES {other.pk}").messages[0].startswith("Which one do you mean?\n")
    assert acts() == []
    assert str(mine.pk) in SmsReply.objects.get().answer


def test_what_is_not_possible_now_is_said(stage, ann):
    job = work(ann)
    stage.tick()
    answer = stage.reply("DONE")
    assert answer.messages[0].startswith(f"That is not possible now.\n{job.pk}: ")
    assert stage.reply("LATE 999").messages[0].startswith("That is not possible now.\n")
    assert acts() == []


def test_a_reply_to_a_plan_that_has_changed_is_not_taken_for_the_new_one(stage, ann):
    job = work(ann)
    stage.tick()
    services.change(job.pk, {"scheduled_start": NOON + 5 * HOUR})
    answer = stage.reply("YES")
    assert answer.messages == [
        (
            f"The plan has changed:\n{job.pk}: {job.title}, Mon 15 Jun, 19:00\n"
            f"Reply with its number: YES {job.pk} or NO {job.pk}. STOP ends messages."
        )
    ]
    assert acts() == []
    stage.reply(f"YES {job.pk}")
    assert acts() == [f"{job.pk} confirm sms assignee:{ann.pk}"]


def test_stop_closes_that_number_alone_and_is_not_answered(stage, ann):
    contact_points.add_point(ann.pk, "email", "ann@example.test")
    work(ann, start=2 * HOUR)
    assert stage.reply("Stop").messages == []
    phone, _ = contact_points.points_of(ann.pk)
    assert phone.opted_out_at == NOON
    work(ann)
    stage.tick()
    assert stage.gateway.taken == []
    assert [one.address for one in stage.mail.messages] == ["ann@example.test"]


def test_rows_that_wait_go_to_the_next_point_after_stop(stage, ann, clock):
    contact_points.add_point(ann.pk, "email", "ann@example.test")
    work(ann, start=HOUR)
    stage.tick()
    assert stage.ways() == ["sms PLANNED"]
    stage.reply("UNSUBSCRIBE")
    clock.set(NOON + HOUR / 2)
    stage.tick()
    assert stage.ways()[0] == "sms SKIPPED opted_out"
    assert len(stage.mail.messages) == 1


@pytest.mark.parametrize("text", ["START", "yes", "UNSTOP"])
def test_who_has_opted_out_comes_back_and_confirms_nothing(stage, ann, text):
    work(ann)
    stage.tick()
    stage.reply("STOP")
    assert stage.reply("DONE").messages == []
    answer = stage.reply(text)
    assert answer.messages == ["You get messages from us again. Reply STOP to end them."]
    assert contact_points.points_of(ann.pk)[0].opted_out_at is None
    assert acts() == []
    stage.reply("YES")
    assert [one.act for one in Act.objects.all()] == ["confirm"]


def test_two_machines_that_answer_each_other_stop(stage, ann, clock):
    answers = [stage.reply(f"I am away, number {number}").messages for number in range(20)]
    assert sum(map(len, answers)) == sms_replies.ANSWERS_PER_HOUR
    clock.set(NOON + timedelta(minutes=61))
    assert len(stage.reply("I am back").messages) == 1


def test_answers_count_as_messages_of_the_month(stage, ann, settings):
    settings.SMS_MONTHLY_CAP = 1
    assert len(stage.reply("what?").messages) == 1
    assert stage.reply("what?").messages == []
