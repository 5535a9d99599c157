"""`python -P config/container_health.py web|worker|scanner|beat [--alive]`: the health check of a container; exit code 0
or 1.

It does not import Django, and each client only where it asks, so that a check is cheap. A scanner is identified by the
host name of its container, a worker by the address of its connections to Redis.

`--alive` is for those who end a container that fails it (a liveness probe of Kubernetes): while Redis or PostgreSQL is
away nobody is to be ended, and a scanner that nobody asks to dispatch only has to wait for messages, as a worker does.
"""

import importlib.util
import os
import socket
import sys
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ALIVE = "--alive"
TIMEOUT = 4
MAX_IDLE_SECONDS = 60
DISPATCHED_WITHIN = "1 minute"
# Beat saves the last runs of its entries every three minutes.
REQUESTED_WITHIN = "10 minutes"


class Away(Exception):
    """Redis or PostgreSQL does not answer as it should; the text is the name of what its client has raised."""


def main(arguments: list[str]) -> int:
    name, *options = arguments or [""]
    alive = options == [ALIVE]
    check = (LIVENESS if alive else CHECKS).get(name)
    if check is None or (options and not alive):
        sys.stderr.write(f"usage: container_health.py {'|'.join(CHECKS)} [{ALIVE}]\n")
        return 2
    try:
        problem = check()
    except Away as error:
        problem = "" if alive else str(error)
    except OSError as error:
        problem = type(error).__name__
    if problem:
        sys.stderr.write(f"{arguments[0]}: {problem}\n")
        return 1
    return 0


def web() -> str:
    """/healthz answers under the first name of ALLOWED_HOSTS."""
    host = value("ALLOWED_HOSTS", "localhost").split(",")[0].strip().lstrip(".")
    request = urllib.request.Request(
        f"http://127.0.0.1:{value('PORT', '8000')}/healthz",
        headers={"Host": "localhost" if host in {"", "*"} else host},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=TIMEOUT) as response:
        return "" if response.status == 200 else f"/healthz answers {response.status}"


def worker() -> str:
    """A consumer polls Redis about once a second, from this container's address."""
    import redis

    try:
        client = redis_client(value("REDIS_URL"))
        own = client.client_id()
        clients = client.client_list()
    except redis.RedisError as error:
        raise Away(type(error).__name__) from error
    here = {host_of(each) for each in clients if int(each["id"]) == own}
    idle = [int(each["idle"]) for each in clients if host_of(each) in here and int(each["id"]) != own]
    if not idle:
        return "has no connection to Redis"
    return "" if min(idle) <= MAX_IDLE_SECONDS else f"has sent nothing to Redis for {min(idle)} s"


def scanner() -> str:
    seen = "SELECT EXISTS (SELECT 1 FROM reminders_process WHERE kind = 'scanner' AND host = %s AND seen_at > {since})"
    return "" if holds(seen, DISPATCHED_WITHIN, socket.gethostname()) else "has not dispatched for a minute"


def beat() -> str:
    """A disabled entry is an operator's decision and does not make beat unhealthy."""
    overdue = (
        "SELECT NOT EXISTS (SELECT 1 FROM django_celery_beat_periodictask"
        " WHERE task = 'reminders.dispatch' AND enabled AND coalesce(last_run_at, date_changed) < {since})"
    )
    return "" if holds(overdue, REQUESTED_WITHIN) else "has not requested a dispatch for ten minutes"


CHECKS: Mapping[str, Callable[[], str]] = {"web": web, "worker": worker, "scanner": scanner, "beat": beat}
LIVENESS: Mapping[str, Callable[[], str]] = {**CHECKS, "scanner": worker}


def holds(statement: str, within: str, *values: str) -> bool:
    text = statement.replace("{since}", f"statement_timestamp() - interval '{within}'")
    import psycopg

    try:
        with psycopg.connect(**database()) as connection:
            row = connection.execute(text.encode(), values or None).fetchone()
    except psycopg.Error as error:
        raise Away(type(error).__name__) from error
    return bool(row and row[0])


def database() -> Any:
    return {**addresses().connection_arguments(value("DATABASE_URL")), "connect_timeout": TIMEOUT}


def redis_client(address: str) -> Any:
    """Of the server itself, or of the one that its sentinels call the master now."""
    import redis

    broker = addresses().broker(address)
    waits = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT}
    if broker.master_name:
        options = {
            "username": broker.address.user or None,
            "password": broker.address.password or None,
            **waits,
        }
        sentinel: Any = redis.Sentinel
        watchers = sentinel(broker.sentinels, sentinel_kwargs=broker.sentinel_options)
        return watchers.master_for(broker.master_name, db=int(broker.database), **options, **broker.secured)
    return redis.Redis.from_url(address, **waits)


def addresses() -> Any:
    """config.addresses by its path: importing the package would load Celery."""
    place = importlib.util.spec_from_file_location("addresses", Path(__file__).with_name("addresses.py"))
    assert place is not None
    assert place.loader is not None
    module = importlib.util.module_from_spec(place)
    sys.modules[place.name] = module  # dataclasses look for it there
    place.loader.exec_module(module)
    return module


def host_of(client: Mapping[str, str]) -> str:
    return client["addr"].rpartition(":")[0]


def value(name: str, default: str = "") -> str:
    """A variable, or the content of the file that NAME_FILE names, as in the settings."""
    path = os.environ.get(f"{name}_FILE")
    if name not in os.environ and path:
        return Path(path).read_text(encoding="utf-8").strip()
    return os.environ.get(name) or default


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
