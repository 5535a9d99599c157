"""The addresses of PostgreSQL and Redis: what is accepted, and what the drivers are given for it.

Uses the standard library alone: the containers' health check loads this file by its path, without Django.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict
from urllib.parse import parse_qsl, quote, unquote

POSTGRES_PORT, REDIS_PORT, SENTINEL_PORT = 5432, 6379, 26379
WRITABLE = ("read-write", "primary")
TRANSACTION = "transaction"
POOLERS = ("none", "session", TRANSACTION)
"""What stands before the server, as `pooler=` says: nothing, or a pooler in this mode."""
SESSION = {
    "lock_timeout": "15s",
    "idle_in_transaction_session_timeout": "60s",
    "plan_cache_mode": "force_generic_plan",
}
"""Settings of each session. Through a pooler in transaction mode they are those of the role (`manage.py prepare`)."""
CERTIFICATES = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}

_URL = re.compile(
    r"(?P<scheme>[a-z]+)://(?:(?P<login>[^/?]*)@)?(?P<hosts>[^/?@]*)(?:/(?P<path>[^?]*))?(?:\?(?P<query>.*))?"
)
_SERVER = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^:\[\],]*)(?::(?P<port>[0-9]{1,5}))?")


class AddressNotAccepted(ValueError):
    """The address is not of a form that is accepted; the text says which is needed, and repeats nothing of it."""


@dataclass(frozen=True)
class ServerAddress:
    """One of the servers that an address names; 0 is the usual port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.port else self.host


@dataclass(frozen=True)
class ServiceAddress:
    """The parts of a URL that may name several servers, as `scheme://user:password@host1:1,host2:2/path?query`."""

    scheme: str
    user: str
    password: str
    servers: tuple[ServerAddress, ...]
    path: str
    query: Mapping[str, str]


def parse(text: str) -> ServiceAddress:
    """Raises NotAccepted."""
    found = _URL.fullmatch(text)
    if found is None:
        raise AddressNotAccepted("an address like scheme://user:password@host:port/name")
    user, _, password = (found["login"] or "").partition(":")
    servers = tuple(_server(one) for one in found["hosts"].split(","))
    if len(servers) > 1 and not all(server.host for server in servers):
        raise AddressNotAccepted("a host at each place of host1:port,host2:port")
    return ServiceAddress(
        scheme=found["scheme"],
        user=unquote(user),
        password=unquote(password),
        servers=servers,
        path=unquote(found["path"] or ""),
        query=dict(parse_qsl(found["query"] or "", keep_blank_values=True)),
    )


def _server(text: str) -> ServerAddress:
    found = _SERVER.fullmatch(text)
    port = int(found["port"] or 0) if found else -1
    if found is None or not 0 <= port <= 65_535 or (found["port"] and not port):
        raise AddressNotAccepted("host:port, with a port from 1 to 65535")
    return ServerAddress(unquote(found["host"]).strip("[]"), port)


# --- PostgreSQL ------------------------------------------------------------------------------------------------


def postgres(text: str) -> ServiceAddress:
    """DATABASE_URL and its like. Raises NotAccepted.

    Of several servers exactly one takes writes, and a connection is made to that one.
    """
    address = parse(text)
    if address.scheme not in ("postgres", "postgresql"):
        raise AddressNotAccepted("an address like postgres://... or postgresql://...")
    if address.query.get("pooler", POOLERS[0]) not in POOLERS:
        raise AddressNotAccepted(f"pooler={' or '.join(POOLERS)}")
    if len(address.servers) == 1:
        return address
    wanted = address.query.get("target_session_attrs", WRITABLE[0])
    if wanted not in WRITABLE:
        raise AddressNotAccepted(
            f"of several servers target_session_attrs={WRITABLE[0]} (or {WRITABLE[1]}, or none)"
        )
    query = {**address.query, "target_session_attrs": wanted}
    servers = tuple(ServerAddress(one.host, one.port or POSTGRES_PORT) for one in address.servers)
    return ServiceAddress(address.scheme, address.user, address.password, servers, address.path, query)


def connection_arguments(text: str) -> dict[str, str]:
    """What psycopg.connect takes."""
    address = postgres(text)
    found = {
        "dbname": address.path or "reminders",
        "user": address.user,
        "password": address.password,
        # libpq and psycopg take lists, and try one after the other.
        "host": ",".join(server.host for server in address.servers),
        "port": ",".join(str(server.port or "") for server in address.servers),
    }
    given = {name: value for name, value in address.query.items() if name != "pooler"}
    return {**{name: value for name, value in found.items() if value}, **given}


def django_database(text: str) -> dict[str, object]:
    """Django's database settings for it; every wait in them is bounded."""
    address = postgres(text)
    pooler = address.query.get("pooler", POOLERS[0])
    direct = pooler != TRANSACTION
    return {
        "ENGINE": "config.database",
        "NAME": address.path or "reminders",
        "USER": address.user,
        "PASSWORD": address.password,
        "HOST": ",".join(server.host for server in address.servers),
        "PORT": ",".join(str(server.port or "") for server in address.servers),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        # What follows needs a session: a pooler in transaction mode gives each transaction another one.
        "DISABLE_SERVER_SIDE_CURSORS": not direct,
        "POOLER": pooler,
        "OPTIONS": {
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,
            # For the ledger's hot statements only: Django's own cursors never prepare.
            "prepare_threshold": 2 if direct else None,
            **(
                {"options": " ".join(f"-c {name}={value}" for name, value in SESSION.items())}
                if direct
                else {}
            ),
            **{name: value for name, value in address.query.items() if name != "pooler"},
        },
    }


# --- a mailbox -------------------------------------------------------------------------------------------------

MAILBOX_FORM = "imaps://user:password@host:993/INBOX"
IMAP_PORTS = {"imaps": 993, "imap": 143}
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class MailboxParts(TypedDict):
    """What `notifications.bounces.imap.MailboxAddress` is made of."""

    host: str
    port: int
    user: str
    password: str
    folder: str
    tls: bool


def mailbox(text: str) -> MailboxParts:
    """BOUNCE_MAILBOX_URL. Without TLS only this machine is accepted. Raises NotAccepted."""
    address = parse(text)
    server = address.servers[0]
    if address.scheme not in IMAP_PORTS or len(address.servers) > 1 or not server.host or address.query:
        raise AddressNotAccepted(f"an address like {MAILBOX_FORM}")
    if address.scheme == "imap" and server.host not in LOOPBACK:
        raise AddressNotAccepted(f"{MAILBOX_FORM}, for imap:// is accepted on this machine alone,")
    if not (address.user and address.password and (address.user + address.password).isprintable()):
        raise AddressNotAccepted(f"a user and a password, as in {MAILBOX_FORM},")
    folder = address.path or "INBOX"
    if not (folder.isascii() and folder.isprintable()):
        raise AddressNotAccepted(f"a folder of ASCII characters, as in {MAILBOX_FORM},")
    return MailboxParts(
        host=server.host,
        port=server.port or IMAP_PORTS[address.scheme],
        user=address.user,
        password=address.password,
        folder=folder,
        tls=address.scheme == "imaps",
    )


# --- Redis -----------------------------------------------------------------------------------------------------

WAITS = {"socket_timeout": 2, "socket_connect_timeout": 2}
"""For each of the sentinels, which are asked one after the other."""


@dataclass(frozen=True)
class BrokerAddress:
    """Where Redis is. With sentinels `master_name` says which of the servers that they watch."""

    address: ServiceAddress
    database: str
    master_name: str = ""
    sentinel_login: Mapping[str, str] = field(default_factory=dict)
    tls: Mapping[str, object] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """As kombu takes it."""
        login = ":".join(quote(part, safe="") for part in (self.address.user, self.address.password))
        at = f"{login}@" if login != ":" else ""
        scheme = "sentinel" if self.master_name else "redis"
        port = SENTINEL_PORT if self.master_name else REDIS_PORT
        return ";".join(
            f"{scheme}://{at}{quoted(server.host)}:{server.port or port}/{self.database}"
            for server in self.address.servers
        )

    @property
    def transport_options(self) -> dict[str, object]:
        """What kombu must know beside the URL."""
        if not self.master_name:
            return {}
        return {"master_name": self.master_name, "sentinel_kwargs": self.sentinel_options}

    @property
    def secured(self) -> dict[str, object]:
        """What redis-py needs for TLS; nothing without."""
        return {"ssl": True, **self.tls} if self.tls else {}

    @property
    def sentinel_options(self) -> dict[str, object]:
        """How redis-py connects to a sentinel."""
        return {**WAITS, **self.sentinel_login, **self.secured}

    @property
    def sentinels(self) -> list[tuple[str, int]]:
        return [(server.host, server.port or SENTINEL_PORT) for server in self.address.servers]


def quoted(host: str) -> str:
    """An address of IPv6 needs brackets."""
    return f"[{host}]" if ":" in host else host


SENTINEL_FORM = "sentinel://:password@host1:26379,host2:26379,host3:26379/0?master_name=NAME"
_SENTINEL_QUERY = {"master_name", "sentinel_username", "sentinel_password", "tls"}
_TLS_QUERY = {"ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"}


def broker(text: str) -> BrokerAddress:
    """REDIS_URL: redis://, rediss:// (TLS), or sentinel:// with all sentinels. Raises NotAccepted."""
    # kombu's own way of writing several sentinels: each is a whole address.
    address = parse(re.sub(r";\s*sentinel://(?:[^/?;@]*@)?", ",", text))
    sentinel = address.scheme == "sentinel"
    if address.scheme not in ("redis", "rediss", "sentinel"):
        raise AddressNotAccepted("an address like redis://... or rediss://... or sentinel://...")
    if sentinel and not address.query.get("master_name"):
        raise AddressNotAccepted(f"the name of the watched server: {SENTINEL_FORM}")
    if not sentinel and len(address.servers) > 1:
        raise AddressNotAccepted(f"one server, or the sentinels of several: {SENTINEL_FORM}")
    database = address.path.strip("/") or "0"
    if not database.isascii() or not database.isdigit():
        raise AddressNotAccepted("the number of a database after the host, such as /0")
    unknown = sorted(address.query.keys() - _TLS_QUERY - (_SENTINEL_QUERY if sentinel else set()))
    if unknown:
        raise AddressNotAccepted(f"a query without {', '.join(unknown)}")
    if address.scheme == "redis" and address.query:
        raise AddressNotAccepted("rediss:// before options of TLS")
    login = {
        name: address.query[f"sentinel_{name}"]
        for name in ("username", "password")
        if address.query.get(f"sentinel_{name}")
    }
    with_tls = (
        address.scheme == "rediss"
        or address.query.get("tls") == "true"
        or bool(_TLS_QUERY & address.query.keys())
    )
    return BrokerAddress(
        address,
        database,
        master_name=address.query.get("master_name", "") if sentinel else "",
        sentinel_login=login,
        tls=_tls(address.query) if with_tls else {},
    )


def _tls(query: Mapping[str, str]) -> dict[str, object]:
    """The server's certificate is verified unless the address says otherwise."""
    wanted = query.get("ssl_cert_reqs", "required").lower().removeprefix("cert_")
    if wanted not in CERTIFICATES:
        raise AddressNotAccepted(f"ssl_cert_reqs of {', '.join(CERTIFICATES)}")
    paths = {name: query[name] for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile") if query.get(name)}
    by_name = wanted != "none" and query.get("ssl_check_hostname", "true").lower() != "false"
    return {"ssl_cert_reqs": CERTIFICATES[wanted], "ssl_check_hostname": by_name, **paths}
