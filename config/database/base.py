"""The backend that Django loads for ENGINE `config.database`."""

from typing import Any

from django.db.backends.postgresql import base

from config.database import timelines
from config.database.probe import answer

ANSWER_SECONDS = 5.0
"""How long a kept connection may take to answer before it is replaced."""
latest = timelines.Latest()
"""Of this process; its children begin with what it has seen."""


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection of Django that counts as usable only while it accepts writes.

    After a failover a kept connection may lead to a server that is a standby now, or to a session that began while
    the database was read-only. Both answer, and refuse every write for as long as they are kept. Django asks
    `is_usable` before a request, and whoever keeps a connection (tasks, beat) before its work: a connection
    that is not usable is replaced by a new one. So is one that does not answer in time: a thread of web would wait for
    ever where a proxy, or whatever else acknowledges packets, has lost the server.

    Where the settings name several servers, a new connection leads to the one that was promoted last.
    """

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Opens a connection; of several servers, to the one that takes writes."""
        if not timelines.are_several(conn_params):
            return super().get_new_connection(conn_params)
        return latest.connection(conn_params, connect=super().get_new_connection)

    def is_usable(self) -> bool:
        """Asks the server, in one round trip: `transaction_read_only` is also on during recovery (on a standby)."""
        if self.connection is None:
            return False
        try:
            return answer(self.connection, b"SHOW transaction_read_only", within=ANSWER_SECONDS) == "off"
        except self.Database.Error:
            return False
