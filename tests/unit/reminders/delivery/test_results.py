"""What a delivery's outcome becomes as the result of an attempt."""

import pytest

from notifications.message import Delivery, Outcome, Subject
from reminders.delivery import refusals
from reminders.policy.retries import Result


@pytest.mark.parametrize("outcome", list(Outcome))
def test_each_outcome_is_a_result_of_the_same_word(outcome):
    assert refusals.result_of(Delivery(outcome, "", subject=Subject.CHANNEL)).value == outcome.value


@pytest.mark.parametrize(
    ("outcome", "result"),
    [(Outcome.CHANNEL_REFUSED, Result.REFUSED_FOR_NOW), (Outcome.THROTTLED, Result.REFUSED_FOR_NOW)],
)
def test_a_reply_that_only_may_be_about_the_channel_holds_up_nobody_else(outcome, result):
    assert refusals.result_of(Delivery(outcome, "550", subject=Subject.UNSTATED)) is result
