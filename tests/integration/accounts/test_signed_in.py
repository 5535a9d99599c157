"""Who has signed in is whom Django finds, read by a statement that PostgreSQL plans once."""

import pytest
from django.contrib import auth
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test import RequestFactory

from accounts import roles, signed_in
from accounts.sessions import SessionStore
from accounts.signed_in import user_of
from tests.fakes.api_caller import ApiCaller
from tests.logins import signed_in as browser_of
from tests.logins import staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga():
    return get_user_model().objects.create_user("olga", "olga@example.test", "secret", is_staff=True)


def request_with(**session):
    request = RequestFactory().get("/ops/")
    request.session = SessionStore()
    request.session.update(session)
    request.session.save()
    return request


def session_of(user):
    return dict(browser_of(user).session.items())


def test_it_is_the_user_of_the_table(olga):
    found = user_of(request_with(**session_of(olga)))
    expected = get_user_model().objects.get(pk=olga.pk)
    assert (found._state.db, found._state.adding) == (expected._state.db, expected._state.adding)
    assert {**vars(found), "_state": None} == {**vars(expected), "_state": None}


def test_what_is_as_usual_is_read_by_one_statement(olga, first_rows, django_assert_num_queries):
    request = request_with(**session_of(olga))
    statements = first_rows(signed_in)
    with django_assert_num_queries(0):
        assert user_of(request) == olga
    assert len(statements) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {auth.BACKEND_SESSION_KEY: "accounts.backends.Former"},
        {auth.HASH_SESSION_KEY: "x" * 64},
        {auth.HASH_SESSION_KEY: ""},
        {auth.HASH_SESSION_KEY: None},
        {auth.SESSION_KEY: "0"},
    ],
)
def test_nobody_is_signed_in_by_a_session_that_django_refuses(olga, wrong):
    session = {**session_of(olga), **wrong}
    assert user_of(request_with(**session)) == auth.get_user(request_with(**session)) == AnonymousUser()


@pytest.mark.parametrize("missing", [auth.SESSION_KEY, auth.BACKEND_SESSION_KEY, auth.HASH_SESSION_KEY])
def test_nor_by_one_that_lacks_something(olga, missing):
    session = session_of(olga)
    del session[missing]
    assert user_of(request_with(**session)) == auth.get_user(request_with(**session)) == AnonymousUser()


@pytest.mark.parametrize("change", ["inactive", "password", "removed"])
def test_a_session_ends_with_what_it_was_signed_for(change):
    olga = staff("olga", roles.OPERATORS)
    browser = browser_of(olga)
    assert browser.get("/ops/").status_code == 200
    if change == "inactive":
        get_user_model().objects.filter(pk=olga.pk).update(is_active=False)
    elif change == "password":
        olga.set_password("another")
        olga.save()
    else:
        olga.delete()
    assert browser.get("/ops/").status_code == 302


def test_a_session_of_a_former_key_goes_on_and_is_signed_anew(olga, settings):
    request = request_with(**session_of(olga))
    before = request.session[auth.HASH_SESSION_KEY]
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another" * 8
    assert user_of(request) == olga
    assert request.session[auth.HASH_SESSION_KEY] not in ("", before)


@pytest.mark.parametrize(
    "longer",
    [
        "auth_user ALTER username TYPE varchar(200)",
        "access_preferences ALTER language TYPE varchar(20)",
        "access_apitoken ALTER name TYPE varchar(200)",
        "access_apitoken ADD more integer",
    ],
)
def test_a_process_that_has_statements_planned_outlives_the_migration_of_a_release_after_it(longer):
    browser = browser_of(staff("olga", roles.OPERATORS))
    api = ApiCaller("read")

    def answered():
        return browser.get("/ops/").status_code, api.get("/api/assignments").status_code

    assert [answered() for _ in range(4)] == [(200, 200)] * 4
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement ~ 'auth_user|access_'")
        assert cursor.fetchone()[0] >= 3
    # As another process does it: the driver must not notice.
    altered = connection.connection.pgconn.exec_(f"ALTER TABLE {longer}".encode())
    assert altered.command_status == b"ALTER TABLE"
    assert answered() == (200, 200)
