"""Whether a failover of PostgreSQL keeps what was acknowledged: asked where DATABASE_URL names several servers."""

import logging
from dataclasses import dataclass

from django.db import Error, connection

logger = logging.getLogger(__name__)

ASK = """
    SELECT current_setting('synchronous_standby_names'), current_setting('synchronous_commit'),
           (SELECT count(*) FROM pg_stat_replication)
"""
WAITING_LEVELS = frozenset({"on", "remote_apply", "remote_write"})
"""Values of synchronous_commit with which a commit waits for a standby, where one is named (PostgreSQL manual)."""


@dataclass(frozen=True, slots=True)
class Replication:
    """What the server that takes writes says of its standbys."""

    names: str
    level: str
    connected: int

    @property
    def problem(self) -> str:
        """'' where a commit that is acknowledged is on a standby too."""
        if not self.names:
            return "synchronous_standby_names is empty: a commit waits for no standby, and may be lost in a failover"
        if self.level not in WAITING_LEVELS:
            return f"synchronous_commit is {self.level}: a commit waits for no standby, and may be lost in a failover"
        if not self.connected:
            return "no standby is connected: every commit waits until one is"
        return ""


def several_servers() -> bool:
    """Whether the settings name more than one server."""
    return "," in str(connection.settings_dict["HOST"])


def replication() -> Replication:
    """Asks the server. Raises django.db.Error."""
    with connection.cursor() as cursor:
        cursor.execute(ASK)
        return Replication(*cursor.fetchone())


def warn() -> None:
    """Logs at the start of a process what a failover would lose; a database that does not answer is no news here."""
    if not several_servers():
        return
    try:
        problem = replication().problem
    except Error:
        return
    finally:
        connection.close()  # A child of the pool must never inherit it.
    if problem:
        logger.warning("No synchronous standby", extra={"reason": problem})
