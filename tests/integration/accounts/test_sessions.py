"""A session is read as Django's own store reads it, and each reads what the other has written."""

from datetime import timedelta

import pytest
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts import sessions
from accounts.sessions import SessionStore

pytestmark = pytest.mark.django_db


def stored(store, **values):
    made = store()
    made.update(values)
    made.save()
    return made.session_key


@pytest.mark.parametrize(
    ("writes", "reads"), [(SessionStore, db.SessionStore), (db.SessionStore, SessionStore)]
)
def test_each_reads_what_the_other_has_written(writes, reads):
    assert dict(reads(stored(writes, colour="blue")).items()) == {"colour": "blue"}


def test_one_statement_reads_it(first_rows):
    key = stored(SessionStore, colour="blue")
    statements = first_rows(sessions)
    session = SessionStore(key)
    assert (session["colour"], session.get("size"), session.session_key) == ("blue", None, key)
    assert statements == [sessions.STORED]


@pytest.mark.parametrize("store", [SessionStore, db.SessionStore])
@pytest.mark.parametrize("missing", ["unknown", "over", "spoiled", "none"])
def test_what_is_no_session_is_empty(store, missing):
    key = stored(SessionStore, colour="blue")
    rows = Session.objects.filter(pk=key)
    if missing == "over":
        rows.update(expire_date=timezone.now() - timedelta(seconds=1))
    if missing == "spoiled":
        rows.update(session_data="x" + rows.get().session_data)
    session = store({"unknown": "x" * 32, "none": None}.get(missing, key))
    assert dict(session.items()) == {}
    # No key that a browser made up is taken over.
    assert session.session_key == (key if missing == "spoiled" else None)
