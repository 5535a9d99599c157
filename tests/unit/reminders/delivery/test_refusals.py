"""Whose fault a refusal is that does not say so."""

from dataclasses import replace

import pytest

from notifications.message import Delivery, Outcome, Subject
from reminders.delivery.refusals import RefusalTracker, result_of
from reminders.policy.retries import Result
from tests.unit.reminders.policy.test_policy import ROW

REFUSED = Delivery(Outcome.REJECTED, "550", "5.7.1 not allowed")
ACCEPTED = Delivery(Outcome.ACCEPTED, "250")


def row(number: int):
    return replace(ROW, id=number, recipient=f"assignee:{number}")


def results(
    tracker: RefusalTracker, *numbers: int, result: Result = Result.REJECTED, delivery: Delivery = REFUSED
):
    return [tracker.judge(row(number), result, delivery) for number in numbers]


@pytest.mark.parametrize(
    ("result", "channels"),
    [(Result.REJECTED, Result.CHANNEL_REFUSED), (Result.REFUSED_FOR_NOW, Result.THROTTLED)],
)
def test_what_three_recipients_in_a_row_meet_is_the_channels(result, channels):
    assert results(RefusalTracker(), 1, 2, 3, 4, result=result) == [result, result, channels, channels]


LATER = Delivery(Outcome.REFUSED_FOR_NOW, "451", "4.7.1 try again later")


def test_what_refuses_everybody_once_is_no_sign_that_the_channel_is_sent_too_much():
    assert (
        results(RefusalTracker(), *range(20), result=Result.REFUSED_FOR_NOW, delivery=LATER)
        == [Result.REFUSED_FOR_NOW] * 20
    )


def test_what_refuses_several_of_them_again_is():
    tracker = RefusalTracker()
    again = [replace(row(number), failures=1) for number in (1, 2, 3)]
    assert [tracker.judge(one, Result.REFUSED_FOR_NOW, LATER) for one in again] == [
        Result.REFUSED_FOR_NOW,
        Result.REFUSED_FOR_NOW,
        Result.THROTTLED,
    ]


def test_one_recipient_who_meets_it_three_times_is_one_recipient():
    assert results(RefusalTracker(), 1, 1, 1) == [Result.REJECTED] * 3


def test_an_acceptance_in_between_begins_anew():
    tracker = RefusalTracker()
    results(tracker, 1, 2)
    tracker.judge(row(3), Result.ACCEPTED, ACCEPTED)
    assert results(tracker, 4, 5) == [Result.REJECTED] * 2


def test_dead_mailboxes_are_their_own_however_many():
    dead = Delivery(Outcome.REJECTED, "550", "5.1.1 no such user", subject=Subject.RECIPIENT)
    assert results(RefusalTracker(), *range(20), delivery=dead) == [Result.REJECTED] * 20


def test_other_codes_are_counted_apart():
    tracker = RefusalTracker()
    results(tracker, 1, 2)
    assert results(tracker, 3, delivery=Delivery(Outcome.REJECTED, "554")) == [Result.REJECTED]


def test_those_who_were_refused_before_are_named_once():
    tracker = RefusalTracker()
    results(tracker, 1, 2, 3)
    assert tracker.mistaken(row(3), "550") == [1, 2]
    assert tracker.mistaken(row(3), "550") == []


LIMIT = Delivery(Outcome.CHANNEL_REFUSED, "554", "too many messages")


def test_what_is_presumably_the_channels_rejects_nobody_and_is_the_channels_for_three():
    result = result_of(LIMIT)
    assert result is Result.REFUSED_FOR_NOW
    assert results(RefusalTracker(), 1, 2, 3, result=result, delivery=LIMIT) == [
        Result.REFUSED_FOR_NOW,
        Result.REFUSED_FOR_NOW,
        Result.CHANNEL_REFUSED,
    ]
