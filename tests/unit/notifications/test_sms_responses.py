"""What a gateway's answers mean."""

import pytest

from notifications.channels.sms.responses import BY_CODE, is_for_good, judge
from notifications.message import Outcome, Subject


@pytest.mark.parametrize(
    ("status", "code", "outcome", "subject", "shown"),
    [
        (400, 21211, Outcome.REJECTED, Subject.RECIPIENT, "21211"),
        (400, 21614, Outcome.REJECTED, Subject.RECIPIENT, "21614"),
        (400, 21610, Outcome.REJECTED, Subject.RECIPIENT, "21610"),
        (403, 21408, Outcome.REJECTED, Subject.RECIPIENT, "21408"),
        (401, 20003, Outcome.CHANNEL_REFUSED, Subject.CHANNEL, "20003"),
        (429, 20429, Outcome.THROTTLED, Subject.CHANNEL, "20429"),
        (429, 30001, Outcome.THROTTLED, Subject.CHANNEL, "30001"),
        (500, 20500, Outcome.UNKNOWABLE, Subject.UNSTATED, "20500"),
        # Codes that are not known: the status decides.
        (400, 99999, Outcome.REJECTED, Subject.UNSTATED, "99999"),
        (400, None, Outcome.REJECTED, Subject.UNSTATED, "400"),
        (401, None, Outcome.CHANNEL_REFUSED, Subject.CHANNEL, "401"),
        (402, None, Outcome.REFUSED_FOR_NOW, Subject.UNSTATED, "402"),
        (429, None, Outcome.THROTTLED, Subject.CHANNEL, "429"),
        (500, None, Outcome.UNKNOWABLE, Subject.UNSTATED, "500"),
        (502, None, Outcome.UNKNOWABLE, Subject.UNSTATED, "502"),
        (503, None, Outcome.CHANNEL_DOWN, Subject.CHANNEL, "503"),
        (504, None, Outcome.UNKNOWABLE, Subject.UNSTATED, "504"),
        (302, None, Outcome.CHANNEL_REFUSED, Subject.CHANNEL, "302"),
    ],
)
def test_what_an_answer_means(
    status: int, code: int | None, outcome: Outcome, subject: Subject, shown: str
) -> None:
    found = judge(status, code)
    assert (found.outcome, found.subject, found.code) == (outcome, subject, shown)


def test_no_refusal_counts_as_accepted() -> None:
    assert Outcome.ACCEPTED not in {outcome for outcome, _ in BY_CODE.values()}
    assert Outcome.ACCEPTED not in {judge(status, None).outcome for status in range(300, 600)}


@pytest.mark.parametrize("code", [30005, 30006, 21211, 21610, 21614, 21635])
def test_these_numbers_take_no_message_at_all(code: int) -> None:
    assert is_for_good(code)


@pytest.mark.parametrize("code", [None, 30001, 30002, 30003, 30004, 30007, 30008, 30034, 99999])
def test_these_may_take_the_next_one(code: int | None) -> None:
    assert not is_for_good(code)
