"""How commands say no: one line on stderr, exit 1 for what failed and 2 for what was not understood."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import DatabaseError, OperationalError

from accounts.errors import AccountError
from assignments.services import Refused
from assignments.transactions import sqlstate
from reminders.delivery import scan

READ_ONLY = "25006"
"""read_only_sql_transaction (PostgreSQL manual, appendix A): a standby, or a database under maintenance."""


@contextmanager
def in_one_line() -> Iterator[None]:
    """Translates what the layers below refuse. A database that is away is manage.py's own to explain."""
    try:
        yield
    except ValidationError as refusal:
        raise CommandError(" ".join(refusal.messages), returncode=2) from refusal
    except (AccountError, Refused, scan.Disabled) as refusal:
        raise CommandError(str(refusal)) from refusal
    except OperationalError:
        raise
    except DatabaseError as error:
        if sqlstate(error) == READ_ONLY:
            raise CommandError("the database is read-only at present: nothing was changed") from error
        raise CommandError(
            f"the database does not do it ({type(error).__name__} {sqlstate(error)}): is it migrated?"
        ) from error
