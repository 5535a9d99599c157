"""The values that channels work with."""

import dataclasses

import pytest

from notifications.message import Contact, Delivery, Message, Outcome


def test_the_values_cannot_be_changed() -> None:
    for value in (
        Contact(name="Ann"),
        Message("1@example.com", "ann@example.com", "Ann", "s", "t"),
        Delivery(Outcome.ACCEPTED, "250"),
    ):
        with pytest.raises(dataclasses.FrozenInstanceError):
            value.__setattr__(dataclasses.fields(value)[0].name, "other")


def test_only_accepted_is_accepted() -> None:
    assert [outcome for outcome in Outcome if Delivery(outcome, "").accepted] == [Outcome.ACCEPTED]
