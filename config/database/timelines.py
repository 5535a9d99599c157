"""Which of several PostgreSQL servers was promoted last.

Each promotion begins a new timeline, one higher than before (PostgreSQL manual, "Timelines"). A former primary that comes
back without having been fenced takes writes on the former timeline: what it acknowledges is lost when it is rebuilt. So
no process goes back to a lower timeline than it has seen, and one that has seen none looks at every server first.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import psycopg

TIMELINE = "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int"
LOOK_SECONDS = 2
"""How long a look at each of the other servers may take."""

Parameters = Mapping[str, Any]


class Latest:
    """The highest timeline that this process has seen, and the server that wrote on it, which is tried first.

    So a server that is gone costs one time-out, and not one for each connection.
    """

    def __init__(self) -> None:
        self.timeline = 0
        self.server: dict[str, str] = {}

    def connection(self, parameters: Parameters, *, connect: Callable[[Parameters], Any]) -> Any:
        """A connection to the server that was promoted last. Raises psycopg.OperationalError where only former ones answer.

        `connect` opens one to the first of the parameters' servers that takes writes.
        """
        first = connect({**parameters, **self._in_order(parameters)})
        known, found = self.timeline, timeline_of(first)
        if 0 < known <= found:
            return self._chosen(first, found)
        for other in self._others(parameters, connect):
            timeline = timeline_of(other)
            if timeline > found:
                first.close()
                first, found = other, timeline
            else:
                other.close()
        if found < known:
            first.close()
            raise psycopg.OperationalError(
                f"only a server on timeline {found} takes writes, and timeline {known} was seen before: it is a former"
                " primary, to be stopped and rebuilt as a standby (docs/install.md, Several hosts). After a restore"
                " restart this process"
            )
        return self._chosen(first, found)

    def _chosen(self, connection: Any, timeline: int) -> Any:
        self.timeline = timeline
        self.server = {"host": connection.info.host, "port": str(connection.info.port)}
        return connection

    def _in_order(self, parameters: Parameters) -> dict[str, str]:
        """The parameters' servers, with the one that was chosen last before the others."""
        found = sorted(servers(parameters), key=lambda one: one != self.server)
        return {name: ",".join(one[name] for one in found) for name in ("host", "port")}

    @staticmethod
    def _others(parameters: Parameters, connect: Callable[[Parameters], Any]) -> Iterator[Any]:
        """A connection to each of the servers that takes writes."""
        for one in servers(parameters):
            with suppress(psycopg.OperationalError):
                yield connect({**parameters, **one, "connect_timeout": LOOK_SECONDS})


def servers(parameters: Parameters) -> list[dict[str, str]]:
    """Host and port of each server."""
    hosts, ports = str(parameters["host"]).split(","), str(parameters.get("port", "")).split(",")
    return [{"host": host, "port": port} for host, port in zip(hosts, ports, strict=True)]


def are_several(parameters: Parameters) -> bool:
    return "," in str(parameters.get("host", ""))


def timeline_of(connection: Any) -> int:
    """The timeline on which this server writes; the connection is in no transaction afterwards."""
    row = connection.execute(TIMELINE).fetchone()
    connection.rollback()
    return int(row[0])
