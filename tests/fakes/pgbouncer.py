"""PgBouncer in transaction mode before the test server, where it is installed (Debian: pgbouncer)."""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from config.devstack.postgres import account_for
from config.devstack.processes import HOST, end, free_port, start_child, wait_for


@contextlib.contextmanager
def pgbouncer(*, server: str, ignores: str = "") -> Iterator[str]:
    """The address of its port, for the database and user of `server`; `ignores` are startup parameters it swallows."""
    program = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    if program is None:
        pytest.skip("needs pgbouncer")
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as folder:
        yield from _running(program, Path(folder), server, ignores)


def _running(program: str, folder: Path, server: str, ignores: str) -> Iterator[str]:
    parts, port = urlsplit(server), free_port()
    settings, users = folder / "pgbouncer.ini", folder / "users.txt"
    users.write_text(f'"{parts.username}" "{parts.password}"\n')
    lines = [
        "[databases]",
        f"* = host={parts.hostname} port={parts.port} auth_user={parts.username}",
        "[pgbouncer]",
        "pool_mode = transaction",
        f"listen_addr = {HOST}",
        f"listen_port = {port}",
        "unix_socket_dir =",
        "auth_type = scram-sha-256",
        f"auth_file = {users}",
        "auth_query = SELECT usename, passwd FROM pg_shadow WHERE usename = $1",
        "max_client_conn = 200",
        "default_pool_size = 40",
        *([f"ignore_startup_parameters = {ignores}"] if ignores else []),
    ]
    settings.write_text("\n".join(lines) + "\n")
    account = account_for(folder / "nobody")
    if account:
        for path in (folder, settings, users):
            os.chown(path, account.uid, account.gid)
    address = f"postgres://{parts.username}:{parts.password}@{HOST}:{port}{parts.path}"

    def answers() -> bool:
        with (
            contextlib.suppress(psycopg.OperationalError),
            psycopg.connect(address.replace("postgres://", "postgresql://", 1), connect_timeout=2),
        ):
            return True
        return False

    with (folder / "pgbouncer.log").open("wb") as output:
        process = start_child([program, settings], output=output, folder=Path("/"), account=account)
    try:
        assert wait_for(answers, seconds=20), (folder / "pgbouncer.log").read_text()
        yield address
    finally:
        end(process, order=signal.SIGINT)
