"""Sessions in the database, as Django stores them, read by a statement that is written out."""

from typing import Any

from django.contrib.sessions.backends import db
from django.utils import timezone

from accounts.statements import first_row

STORED = "SELECT session_data FROM django_session WHERE session_key = %s AND expire_date > %s"


class SessionStore(db.SessionStore):
    """To put the statement together took longer than to answer it, at each request.

    The name of the class is part of what signs a session: releases and modules that use Django's own read the same.
    """

    def load(self) -> dict[str, Any]:
        found = first_row(STORED, [self.session_key, timezone.now()])
        if found is None:
            self._session_key = None
            return {}
        return self.decode(found[0])
