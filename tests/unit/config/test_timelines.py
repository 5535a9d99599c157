"""Of several servers that take writes, the one that was promoted last is used."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from config.database.timelines import Latest

BOTH = {"host": "a,b", "port": "1,2"}


@dataclass
class Servers:
    """The timeline on which each host takes writes; one that is not here does not answer."""

    timelines: dict[str, int]
    open: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __call__(self, parameters: Any) -> "Link":
        self.asked.append(parameters["host"])
        for host in parameters["host"].split(","):
            if host in self.timelines:
                return Link(self, host)
        raise psycopg.OperationalError("nobody takes writes")


class Link:
    def __init__(self, servers: Servers, host: str) -> None:
        self.servers, self.host = servers, host
        self.info = SimpleNamespace(host=host, port={"a": 1, "b": 2}[host])
        servers.open.append(host)

    def execute(self, _: str) -> "Link":
        return self

    def fetchone(self) -> tuple[int]:
        return (self.servers.timelines[self.host],)

    def rollback(self) -> None: ...

    def close(self) -> None:
        self.servers.open.remove(self.host)


def test_a_process_that_has_seen_nothing_looks_at_every_server():
    servers, latest = Servers({"a": 1, "b": 2}), Latest()
    assert latest.connection(BOTH, connect=servers).host == "b"
    assert servers.open == ["b"]


def test_a_process_that_has_seen_the_promotion_does_not_go_back():
    servers, latest = Servers({"b": 2}), Latest()
    latest.connection(BOTH, connect=servers).close()
    servers.timelines = {"a": 1, "b": 2}
    assert latest.connection(BOTH, connect=servers).host == "b"
    assert servers.open == ["b"]


def test_a_former_primary_alone_is_refused():
    servers, latest = Servers({"b": 2}), Latest()
    latest.connection(BOTH, connect=servers).close()
    servers.timelines = {"a": 1}
    with pytest.raises(
        psycopg.OperationalError, match="only a server on timeline 1 takes writes, and timeline 2"
    ):
        latest.connection(BOTH, connect=servers)
    assert servers.open == []


def test_the_server_that_answered_last_is_asked_first():
    servers, latest = Servers({"b": 2}), Latest()
    latest.connection(BOTH, connect=servers)
    servers.asked.clear()
    latest.connection(BOTH, connect=servers)
    assert servers.asked == ["b,a"]


def test_a_promotion_and_another_one_later_are_followed():
    servers, latest = Servers({"a": 1}), Latest()
    found = []
    for timelines in ({"a": 1}, {"b": 2}, {"a": 3}):
        servers.timelines = timelines
        found.append(latest.connection(BOTH, connect=servers).host)
    assert found == ["a", "b", "a"]


def test_where_nobody_takes_writes_the_driver_says_so():
    with pytest.raises(psycopg.OperationalError, match="nobody takes writes"):
        Latest().connection(BOTH, connect=Servers({}))
