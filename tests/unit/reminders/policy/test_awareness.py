"""The rungs: which facts put work on which, and what holds whatever the facts."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assignments.models import Status
from reminders.policy.awareness import (
    DOES_NOT_KNOW,
    Awareness,
    AwarenessFacts,
    KnownAddress,
    Rung,
    Unreachable,
    awareness_of,
    by_rung,
    cause_of,
    rung_of,
)

NOBODY = AwarenessFacts(status=Status.SCHEDULED, assigned=False, reachable=False)
PLANNED = AwarenessFacts(status=Status.SCHEDULED, coming=True)
TOLD = replace(PLANNED, told=True, certain=True, coming=False)

TABLE = [
    ("nobody is assigned", NOBODY, Rung.UNASSIGNED),
    ("no address, and not told", replace(PLANNED, reachable=False), Rung.UNREACHABLE),
    ("no message yet", PLANNED, Rung.NOT_TOLD),
    ("a message was accepted", TOLD, Rung.TOLD),
    ("a message may have been accepted", replace(TOLD, certain=False), Rung.TOLD),
    ("told, and then every address failed", replace(TOLD, reachable=False), Rung.TOLD),
    ("it arrived", replace(TOLD, delivered=True), Rung.DELIVERED),
    ("they have confirmed", replace(TOLD, confirmed=True), Rung.CONFIRMED),
    ("they have confirmed before any message", replace(PLANNED, confirmed=True), Rung.CONFIRMED),
    (
        "confirmed for them, without an address",
        replace(PLANNED, reachable=False, confirmed=True),
        Rung.CONFIRMED,
    ),
    ("they will begin later", replace(TOLD, late=True), Rung.CONFIRMED),
    ("they are on their way", replace(TOLD, confirmed=True, on_my_way=True), Rung.ON_MY_WAY),
    ("under way", replace(TOLD, status=Status.IN_PROGRESS), Rung.STARTED),
    ("under way, by nobody in particular", replace(NOBODY, status=Status.IN_PROGRESS), Rung.STARTED),
    ("done", replace(PLANNED, status=Status.COMPLETED), Rung.STARTED),
    ("declined", replace(TOLD, declined=True), Rung.DECLINED),
    (
        "declined after they were told another plan",
        replace(TOLD, declined=True, told_wrong=True),
        Rung.DECLINED,
    ),
    ("not started in time", replace(TOLD, confirmed=True, overdue=True), Rung.OVERDUE),
    ("declined and not started in time", replace(TOLD, declined=True, overdue=True), Rung.OVERDUE),
    ("nobody was to start it", replace(NOBODY, overdue=True), Rung.OVERDUE),
    ("told another plan", replace(PLANNED, told_wrong=True), Rung.NOT_TOLD),
    ("told another plan after they confirmed", replace(TOLD, told_wrong=True, confirmed=True), Rung.NOT_TOLD),
    (
        "told another plan, and not reachable",
        replace(PLANNED, told_wrong=True, reachable=False),
        Rung.UNREACHABLE,
    ),
    ("cancelled", replace(TOLD, status=Status.CANCELLED), None),
]


@pytest.mark.parametrize(("facts", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_rung_of_facts(facts, expected):
    assert rung_of(facts) is expected


def test_the_words_are_those_of_the_api_lowest_first():
    ladder = [
        "unassigned",
        "unreachable",
        "not_told",
        "told",
        "delivered",
        "confirmed",
        "on_my_way",
        "started",
    ]
    assert [rung.value for rung in Rung] == [*ladder, "declined", "overdue"]


FLAGS = [field.name for field in fields(AwarenessFacts) if field.name != "status"]
ANY_FACTS = st.builds(AwarenessFacts, status=st.sampled_from(Status), **dict.fromkeys(FLAGS, st.booleans()))


@given(ANY_FACTS)
def test_whatever_the_facts(facts):
    rung, awareness = rung_of(facts), awareness_of(facts)
    assert (rung is None) == (facts.status is Status.CANCELLED) == (awareness is None)
    if awareness is None:
        return
    assert awareness.rung is rung
    if facts.status is Status.SCHEDULED and facts.told_wrong:
        assert rung in (*DOES_NOT_KNOW, Rung.DECLINED, Rung.OVERDUE)
    if rung in (Rung.TOLD, Rung.DELIVERED):
        assert facts.told
    if awareness.needs_somebody:
        assert awareness.may_not_know
    assert awareness.may_not_know == (rung in DOES_NOT_KNOW or (rung is Rung.TOLD and not facts.certain))
    assert not (awareness.in_doubt and awareness.told_wrong)


@given(
    ANY_FACTS,
    st.sampled_from(["told", "certain", "delivered", "confirmed", "late", "on_my_way", "reachable"]),
)
def test_to_know_more_of_somebody_never_takes_them_down_the_ladder(facts, name):
    ladder = list(Rung)
    less, more = (rung_of(replace(facts, **{name: value})) for value in (False, True))
    assert (less is None) == (more is None)
    if less is not None and more is not None:
        assert ladder.index(less) <= ladder.index(more)


def test_who_needs_somebody():
    def needs(facts):
        return awareness_of(facts).needs_somebody

    assert not needs(PLANNED)
    assert needs(replace(PLANNED, coming=False))
    assert needs(replace(PLANNED, reachable=False))
    assert needs(NOBODY)
    assert not needs(TOLD)
    assert needs(replace(TOLD, certain=False))
    assert not needs(replace(TOLD, certain=False, coming=True))
    assert not needs(replace(TOLD, declined=True))


def test_work_is_counted_by_rung():
    counted = {
        Awareness(rung=Rung.TOLD): 2,
        Awareness(rung=Rung.TOLD, in_doubt=True): 3,
        Awareness(rung=Rung.OVERDUE): 1,
    }
    assert by_rung(counted) == {"told": 5, "overdue": 1}


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ([], Unreachable.NO_CONTACT_POINT),
        ([KnownAddress(usable=False)], Unreachable.NO_CONTACT_POINT),
        ([KnownAddress(opted_out=True), KnownAddress(usable=False)], Unreachable.OPTED_OUT),
        ([KnownAddress(failing=True), KnownAddress(opted_out=True)], Unreachable.ALL_FAILING),
        ([KnownAddress(failing=True), KnownAddress()], None),
        ([KnownAddress(opted_out=True), KnownAddress()], None),
    ],
)
def test_why_somebody_is_not_reached(addresses, expected):
    assert cause_of(addresses) is expected
