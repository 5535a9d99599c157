"""The addresses of people: services and the columns e-mail and phone keep each other, whoever writes."""

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from assignments import contact_points, people
from assignments.contact_point import ContactPoint
from assignments.models import Assignee
from assignments.signals import contact_changed, contact_point_left
from assignments.team_scope import TeamScope
from tests.factories import AssigneeFactory

pytestmark = pytest.mark.django_db

MAIL, OTHER, PHONE, MOBILE = "ann@example.test", "ann@example.org", "+4930123456", "+491701234567"


@pytest.fixture
def ann() -> Assignee:
    return AssigneeFactory(name="Ann", email=MAIL, phone=PHONE)


def listed(person: Assignee) -> list[tuple[str, str]]:
    return [(point.channel, point.address) for point in contact_points.points_of(person.pk)]


def fresh(person: Assignee) -> tuple[str, str, str]:
    found = Assignee.objects.get(pk=person.pk)
    return found.email, found.phone, found.way


def test_the_columns_of_a_person_are_their_first_contact_points(ann):
    assert listed(ann) == [("email", MAIL), ("sms", PHONE)]
    people.change_assignee(ann.pk, {"email": OTHER, "phone": ""})
    assert listed(ann) == [("email", OTHER)]
    people.change_assignee(ann.pk, {"email": "", "phone": MOBILE})
    assert (listed(ann), fresh(ann)) == ([("sms", MOBILE)], ("", MOBILE, "sms"))


def test_an_import_and_an_earlier_release_write_the_columns_alone(ann):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO assignments_assignee (name, email, phone, time_zone, language)"
            " VALUES ('Bo', '', %s, 'UTC', 'en') RETURNING id",
            [PHONE],
        )
        (pk,) = cursor.fetchone()
        bo = Assignee.objects.get(pk=pk)
        assert (listed(bo), bo.way) == ([("sms", PHONE)], "sms")
        cursor.execute("UPDATE assignments_assignee SET email = %s WHERE id = %s", [OTHER, ann.pk])
        cursor.execute("DELETE FROM assignments_assignee WHERE id = %s", [pk])
    assert listed(ann) == [("email", OTHER), ("sms", PHONE)]
    assert not ContactPoint.objects.filter(person=pk).exists()


def test_an_address_that_a_person_has_already_is_not_lost_when_it_becomes_the_first(ann):
    contact_points.add_point(ann.pk, "email", OTHER)
    people.change_assignee(ann.pk, {"email": OTHER})
    assert listed(ann) == [("email", OTHER), ("sms", PHONE), ("email", MAIL)]


def test_a_point_is_added_last_or_where_it_is_wanted(ann):
    contact_points.add_point(ann.pk, "email", OTHER)
    contact_points.add_point(ann.pk, "sms", "tel:+49 170 1234567", order=1)
    assert listed(ann) == [("sms", MOBILE), ("email", MAIL), ("sms", PHONE), ("email", OTHER)]
    assert fresh(ann) == (MAIL, MOBILE, "sms")
    first = contact_points.points_of(ann.pk)[0]
    contact_points.change_point(first.pk, {"order": 4})
    assert listed(ann) == [("email", MAIL), ("sms", PHONE), ("email", OTHER), ("sms", MOBILE)]
    assert fresh(ann) == (MAIL, PHONE, "")
    contact_points.remove_point(contact_points.points_of(ann.pk)[0].pk)
    assert fresh(ann) == (OTHER, PHONE, "sms")


def test_who_has_opted_out_of_a_point_or_whose_messages_come_back_is_reached_by_the_next(ann):
    mail, phone = contact_points.points_of(ann.pk)
    assert contact_points.mark_failing(mail.pk, "550 5.1.1 no such mailbox")
    assert fresh(ann)[2] == "sms"
    second = contact_points.add_point(ann.pk, "email", OTHER)
    contact_points.opt_out(phone.pk)
    assert fresh(ann)[2] == f"email:{second.pk}"
    contact_points.opt_out(second.pk)
    assert fresh(ann)[2] == ""  # It fails, and is better than nothing.
    contact_points.opt_out(mail.pk)
    assert fresh(ann)[2] == "none"
    contact_points.opt_in(phone.pk)
    assert fresh(ann)[2] == "sms"


def test_another_address_is_neither_opted_out_nor_known_to_fail(ann):
    mail, _ = contact_points.points_of(ann.pk)
    contact_points.mark_verified(mail.pk)
    contact_points.mark_failing(mail.pk, "x" * 300)
    contact_points.opt_out(mail.pk)
    people.change_assignee(ann.pk, {"email": OTHER})
    kept = contact_points.points_of(ann.pk)[0]
    assert (kept.pk, kept.address, kept.verified_at, kept.opted_out_at) == (mail.pk, OTHER, None, None)
    assert (kept.failing_since, kept.failing_reason) == (None, "")


def test_marks_are_made_once_and_say_so(ann):
    mail, _ = contact_points.points_of(ann.pk)
    for mark in (contact_points.opt_out, contact_points.mark_verified, contact_points.opt_in):
        assert [mark(mail.pk), mark(mail.pk)] == [True, False]
    assert [contact_points.mark_failing(mail.pk, "1"), contact_points.mark_failing(mail.pk, "2")] == [
        True,
        False,
    ]
    assert [contact_points.mark_working(mail.pk), contact_points.mark_working(mail.pk)] == [True, False]
    assert not contact_points.opt_out(0)


def test_those_who_depend_on_it_are_told(ann):
    told: list[object] = []

    def hear(sender, signal, **values):
        told.append(values)

    contact_changed.connect(hear)
    contact_point_left.connect(hear)
    try:
        point = contact_points.add_point(ann.pk, "email", OTHER)
        contact_points.opt_out(point.pk)
        contact_points.opt_in(point.pk)
        contact_points.remove_point(point.pk)
    finally:
        contact_changed.disconnect(hear)
        contact_point_left.disconnect(hear)
    assert told == [
        {"ids": [ann.pk]},
        {"point": point.pk, "why": "opted_out"},
        {"ids": [ann.pk]},
        {"point": point.pk, "why": "removed"},
        {"ids": [ann.pk]},
    ]


@pytest.mark.parametrize(
    ("channel", "address", "field", "said"),
    [
        ("fax", PHONE, "channel", "'fax' is not a channel of people: one of email, sms, chat is needed"),
        ("email", "ann", "address", "'ann': That is not an e-mail address"),
        ("email", "ann@EXAMPLE.test", "address", "'ann@example.test' is an address of this person already"),
        (
            "sms",
            "12",
            "address",
            "'12': that is not a telephone number: it cannot be read; a number like +4930123456",
        ),
        ("sms", "+49 30 1 x7", "address", "it has an extension, which receives no messages"),
        ("sms", "+1 555 01", "address", "no number of its country has this length"),
        ("sms", "n/a", "address", "it cannot be read"),
        ("email", "a" * 501, "address", "has 501 characters: no more than 500 are accepted"),
    ],
)
def test_what_no_message_could_go_to_is_refused_by_name(ann, channel, address, field, said):
    with pytest.raises(ValidationError) as refused:
        contact_points.add_point(ann.pk, channel, address)
    assert said in refused.value.message_dict[field][0]


def test_a_national_number_belongs_to_the_region_of_the_installation(ann, settings):
    settings.PHONE_REGION = "SE"
    assert contact_points.add_point(ann.pk, "sms", "070-174 06 05").address == "+46701740605"
    with pytest.raises(ValidationError, match="or a national one of SE"):
        contact_points.add_point(ann.pk, "sms", "0")


def test_nobody_has_more_points_than_the_most(ann):
    for number in range(contact_points.MOST_POINTS - 2):
        contact_points.add_point(ann.pk, "email", f"ann{number}@example.test")
    with pytest.raises(ValidationError, match="20 contact points: no more than 20"):
        contact_points.add_point(ann.pk, "email", OTHER)


def test_who_is_limited_to_teams_changes_the_points_of_nobody_else(ann):
    nobody = TeamScope(frozenset({4711}))
    point = contact_points.points_of(ann.pk)[0]
    with pytest.raises(Assignee.DoesNotExist):
        contact_points.add_point(ann.pk, "email", OTHER, scope=nobody)
    with pytest.raises(ContactPoint.DoesNotExist):
        contact_points.change_point(point.pk, {"order": 2}, scope=nobody)
    with pytest.raises(ContactPoint.DoesNotExist):
        contact_points.remove_point(point.pk, scope=nobody)


def test_people_are_found_by_an_address(ann):
    bo = AssigneeFactory(phone=PHONE)
    assert contact_points.people_at("sms", PHONE) == [ann, bo]
    assert contact_points.people_at("email", PHONE) == []


@pytest.mark.parametrize("known_to_be_small", [False, True])
def test_the_first_people_of_a_system_are_not_read_again_for_each_further_one(known_to_be_small):
    def addresses_read() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
                " WHERE relname = 'assignments_contactpoint'"
            )
            return int(cursor.fetchone()[0])

    with connection.cursor() as cursor:
        if known_to_be_small:
            cursor.execute("ANALYZE assignments_contactpoint, assignments_assignee")
        cursor.execute("DISCARD PLANS")  # As in a new session: they are made while the tables are empty.
    before = addresses_read()
    Assignee.objects.bulk_create(
        Assignee(name=f"P{n}", email=f"p{n}@example.test", phone=f"+49301{n:06}") for n in range(200)
    )
    assert addresses_read() - before <= 40 * 200
