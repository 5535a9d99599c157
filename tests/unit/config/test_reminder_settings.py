"""The rules that the environment asks for."""

import pytest

from config.environment import Environment
from config.reminder_settings import read_reminders


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({}, 500),
        ({"REMINDER_QUEUE_LIMIT": "100"}, 100),
        ({"REMINDER_QUEUE_LIMIT": "20000"}, 500),
        ({"REMINDER_BATCH_SIZE": "40", "REMINDER_QUEUE_LIMIT": "100"}, 40),
    ],
)
def test_messages_are_no_larger_than_the_queue_where_nobody_says_how_large_they_may_be(given, size):
    env = Environment(given)
    assert read_reminders(env).batch_size == size
    assert env.problems == []


def test_messages_that_are_to_be_larger_than_the_queue_are_refused():
    env = Environment({"REMINDER_BATCH_SIZE": "300", "REMINDER_QUEUE_LIMIT": "100"})
    read_reminders(env)
    assert env.problems == ["REMINDER_BATCH_SIZE is 300: no more than REMINDER_QUEUE_LIMIT (100) is accepted"]
