"""One rule for addresses, wherever one is stored: over the API, by an import, in the admin, by a setting."""

from dataclasses import replace

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from assignments.models import Assignee
from reminders import checks
from tests.fakes.api_caller import ApiCaller, faults

pytestmark = pytest.mark.django_db

WORK = {"title": "Check the boiler", "scheduled_start": "2026-06-15T15:00:00+02:00"}
ACCEPTED = ["josé@example.com", "anna@faß.de", "klara@κλαρα-σωλις.ευ", "ops@intranet.local"]
REFUSED = ["a@[127.0.0.1]", "ann@exam\u200dple.com", "ann@example", "ann@example.com, bob@example.com"]


@pytest.fixture
def api(clock):
    return ApiCaller("read", "write")


@pytest.fixture
def admin(clock):
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("root"))
    return client


def over_the_api(api, address):
    return api.post("/api/assignments", {**WORK, "assignee": {"name": "Ada", "email": address}})


def over_an_import(api, address):
    return api.post("/api/assignments/import", [{**WORK, "assignee": {"name": "Ada", "email": address}}])


def over_the_admin(admin, address):
    form = {
        "name": "Ada",
        "email": address,
        "time_zone": "UTC",
        "language": "en",
        "contact_points-TOTAL_FORMS": "0",
        "contact_points-INITIAL_FORMS": "0",
    }
    return admin.post(reverse("admin:assignments_assignee_add"), form)


@pytest.mark.parametrize("address", ACCEPTED)
def test_what_can_be_written_to_is_stored_as_it_was_given(api, admin, address):
    assert over_the_api(api, address).status_code == 201
    assert Assignee.objects.get().email == address
    assert over_an_import(api, f"x{address}").status_code == 200
    assert Assignee.objects.latest("pk").email == f"x{address}"
    assert over_the_admin(admin, f"y{address}").status_code == 302
    assert Assignee.objects.latest("pk").email == f"y{address}"


@pytest.mark.parametrize("address", REFUSED)
def test_what_no_message_could_be_sent_to_is_refused_on_save(api, admin, address):
    refused = over_the_api(api, address)
    assert (refused.status_code, faults(refused)) == (400, [("assignee.email", "invalid")])
    refused = over_an_import(api, address)
    assert [(fault["field"], fault["code"]) for fault in refused.json()["errors"]] == [
        ("assignee.email", "invalid")
    ]
    page = over_the_admin(admin, address)
    assert page.status_code == 200
    assert "That is not an e-mail address" in page.content.decode()
    assert not Assignee.objects.exists()


def test_supervisors_are_held_to_the_same_rule(settings, config):
    settings.REMINDERS = replace(config, ops_emails=("josé@example.com", "a@[127.0.0.1]"))
    assert [each.id for each in checks.check_reminder_settings(None)] == ["reminders.W002", "reminders.E003"]
