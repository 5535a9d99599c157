"""The addresses of a person in the admin: seen and changed with the person, by the services."""

import pytest
from django.urls import reverse

from assignments import contact_points
from assignments.contact_point import ContactPoint
from assignments.models import Assignee
from tests.factories import AssigneeFactory

pytestmark = pytest.mark.django_db

MAIL, HOME, PHONE = "ada@example.test", "home@example.test", "+4930123456"


@pytest.fixture
def ada(clock):
    return AssigneeFactory(name="Ada", email=MAIL, phone=PHONE)


@pytest.fixture
def url(ada):
    return reverse("admin:assignments_assignee_change", args=[ada.pk])


def form(person, *rows, **changes):
    """What a browser sends: the person, and a row for each address; those with an id come first."""
    values = {
        "name": person.name, "reference": "", "email": person.email, "phone": person.phone, "language": "en",
        "time_zone": person.time_zone, "contact_points-TOTAL_FORMS": len(rows),
        "contact_points-INITIAL_FORMS": len([row for row in rows if "id" in row]), **changes,
    }  # fmt: skip
    for number, row in enumerate(rows):
        values |= {f"contact_points-{number}-{name}": value for name, value in row.items()}
        values[f"contact_points-{number}-person"] = person.pk
    return values


def rows_of(person):
    return [
        {"id": one.pk, "channel": one.channel, "address": one.shown_address, "order": one.order}
        for one in contact_points.points_of(person.pk)
    ]


def stored(person):
    return [(one.order, one.channel, one.address) for one in contact_points.points_of(person.pk)]


def test_nothing_that_is_sent_back_as_it_was_is_changed(operator, ada, url):
    before = list(ContactPoint.objects.values())
    assert operator.post(url, form(ada, *rows_of(ada))).status_code == 302
    assert list(ContactPoint.objects.values()) == before


def test_addresses_are_added_moved_changed_and_removed(operator, ada, url):
    new = {"channel": "email", "address": "mailto:home@EXAMPLE.test", "order": "1"}
    assert operator.post(url, form(ada, *rows_of(ada), new)).status_code == 302
    assert stored(ada) == [(1, "email", HOME), (2, "email", MAIL), (3, "sms", PHONE)]
    ada.refresh_from_db()
    assert ada.email == HOME
    home, mail, phone = rows_of(ada)
    mail["address"], phone["DELETE"] = "new@example.test", "on"
    assert operator.post(url, form(ada, home, mail, phone)).status_code == 302
    assert stored(ada) == [(1, "email", HOME), (2, "email", "new@example.test")]
    ada.refresh_from_db()
    assert ada.phone == ""


def test_what_is_no_address_is_refused_at_its_field(operator, ada, url):
    for row in (
        {"channel": "sms", "address": "12", "order": ""},
        {"channel": "email", "address": "nowhere", "order": ""},
    ):
        page = operator.post(url, form(ada, *rows_of(ada), row))
        errors = page.context["inline_admin_formsets"][0].formset.errors
        assert list(errors[2]) == ["address"], errors
    again = operator.post(
        url, form(ada, *rows_of(ada), {"channel": "email", "address": MAIL, "order": ""}), follow=True
    )
    assert (
        b"Nothing was changed" in again.content
        or again.context["inline_admin_formsets"][0].formset.total_error_count()
    )
    assert len(stored(ada)) == 2


def test_the_channel_of_an_address_stays(operator, ada, url):
    mail, phone = rows_of(ada)
    operator.post(url, form(ada, {**mail, "channel": "sms"}, phone))
    assert stored(ada) == [(1, "email", MAIL), (2, "sms", PHONE)]


def test_an_address_of_somebody_else_is_not_changed(operator, ada, url):
    other = AssigneeFactory(email="bo@example.test")
    foreign = {**rows_of(other)[0], "address": "evil@example.test"}
    operator.post(url, form(ada, foreign))
    assert stored(other) == [(1, "email", "bo@example.test")]


def test_viewers_see_them_and_change_nothing(viewer, ada, url):
    page = viewer.get(url)
    assert MAIL.encode() in page.content
    assert PHONE.encode() in page.content
    assert viewer.post(url, form(ada, *rows_of(ada))).status_code == 403
    assert b"contact_points-0-address" not in page.content


def test_a_new_person_may_have_several(root, clock):
    new = Assignee(name="Bo", email="bo@example.test", phone="", time_zone="UTC")
    row = {"channel": "sms", "address": "+49 30 123456", "order": ""}
    values = form(new, row)
    del values["contact_points-0-person"]
    assert root.post(reverse("admin:assignments_assignee_add"), values).status_code == 302
    bo = Assignee.objects.get()
    assert (bo.email, bo.phone) == ("bo@example.test", PHONE)


def test_of_a_chat_service_only_the_scheme_is_shown_and_it_stays(operator, ada, url):
    ContactPoint.objects.create(person=ada, channel="chat", address="slack://TOKEN/x", order=3)
    assert b"TOKEN" not in operator.get(url).content
    assert operator.post(url, form(ada, *rows_of(ada))).status_code == 302
    assert stored(ada)[2] == (3, "chat", "slack://TOKEN/x")
