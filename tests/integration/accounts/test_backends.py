"""Permissions are read by one statement, and are those that Django's own backend reads by several."""

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.test import Client

from accounts import backends, roles
from tests.logins import staff

pytestmark = pytest.mark.django_db
ERASE = "assignments.delete_assignment"


def user_with(*, groups=(), single=(), **more):
    user = get_user_model().objects.create_user("olga", is_staff=True, **more)
    user.groups.set(Group.objects.filter(name__in=groups))
    user.user_permissions.set(Permission.objects.filter(codename__in=single))
    return user


@pytest.mark.parametrize(
    "person",
    [
        {},
        {"groups": [roles.VIEWERS]},
        {"groups": [roles.VIEWERS, roles.OPERATORS]},
        {"single": ["delete_assignment", "view_assignment"]},
        {"groups": [roles.OPERATORS], "single": ["delete_assignment", "view_assignment"]},
        {"groups": [roles.OPERATORS], "is_active": False},
        {"groups": [roles.OPERATORS], "is_superuser": True},
    ],
)
def test_everybody_may_do_what_django_says(person):
    roles.set_up()
    made = user_with(**person)
    again = get_user_model().objects.get(pk=made.pk)
    expected = ModelBackend().get_all_permissions(again)
    asked = get_user_model().objects.get(pk=made.pk)
    assert asked.get_all_permissions() == expected
    assert bool(expected) == (bool(person) and made.is_active)
    for name in (*roles.VIEW, roles.OPERATE, roles.PRIVACY, ERASE, "reminders.unheard_of"):
        assert asked.has_perm(name) == again.has_perm(name)
    for label in ("assignments", "reminders", "auth", "unheard_of"):
        assert asked.has_module_perms(label) == again.has_module_perms(label)


def test_nobody_and_a_single_object_get_none():
    roles.set_up()
    assert AnonymousUser().get_all_permissions() == set()
    assert user_with(groups=[roles.OPERATORS]).get_all_permissions(object()) == set()


@pytest.mark.parametrize("asked", [roles.OPERATE, ERASE])
def test_one_statement_reads_all_for_the_rest_of_the_request(first_rows, asked):
    roles.set_up()
    user = user_with(groups=[roles.OPERATORS])
    statements = first_rows(backends)
    assert user.has_perm(asked) == (asked == roles.OPERATE)
    assert user.has_perms(roles.VIEW)
    assert not user.has_perm(roles.PRIVACY)
    assert user.has_module_perms("assignments")
    assert roles.OPERATE in user.get_all_permissions()
    assert statements == [backends.GRANTED]


def test_a_session_names_the_backend_of_djangos_that_a_release_before_knows():
    client = Client()
    client.force_login(staff("olga", roles.OPERATORS))
    assert client.session[BACKEND_SESSION_KEY] == "django.contrib.auth.backends.ModelBackend"
    assert client.get("/ops/").status_code == 200
