"""Whether DATABASE_URL leads through a pooler, and whether the system can work through it.

A pooler in transaction mode gives each transaction whichever session is free. Locks and settings of the ledger belong to
transactions (pg_advisory_xact_lock, SET LOCAL), and nothing listens. What belongs to a session is prepared statements,
cursors of the server, and the settings that a connection starts with: all three are left out where the address says
`pooler=transaction`, and the role has the settings instead.
"""

from collections.abc import Mapping

from django.db import Error, connection

from config.addresses import POOLERS, SESSION, TRANSACTION

NOT_TOLD = (
    "DATABASE_URL leads through a pooler: its address must end with ?pooler=transaction or ?pooler=session, "
    "whichever is the mode of the pooler"
)
NO_SETTINGS = (
    "DATABASE_URL says pooler=transaction, so its role must have these settings: {missing}. "
    "`manage.py prepare` gives them to it; sessions that the pooler has kept get them by RECONNECT on its console"
)


def problem() -> str:
    """What stops a process from starting; '' also where the database does not answer. Asks over a connection of its own."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            served_by = int(cursor.fetchone()[0])
            told = int(connection.connection.info.backend_pid)
            cursor.execute(
                "SELECT name, setting || coalesce(unit, '') FROM pg_settings WHERE name = ANY(%s)",
                [[*SESSION]],
            )
            settings = dict(cursor.fetchall())
    except Error as error:
        # PgBouncer names the parameter that it does not pass on.
        return NOT_TOLD if "unsupported startup parameter" in str(error) else ""
    finally:
        connection.close()  # A child of the pool must never inherit it.
    return judge(connection.settings_dict.get("POOLER", POOLERS[0]), served_by == told, settings)


def judge(pooler: str, is_direct: bool, settings: Mapping[str, str]) -> str:
    """`is_direct`: the process that serves a statement is the one that the connection was told of at its start."""
    if pooler == POOLERS[0]:
        return "" if is_direct else NOT_TOLD
    missing = [f"{name}={value}" for name, value in SESSION.items() if settings.get(name) != AS_SHOWN[name]]
    return NO_SETTINGS.format(missing=", ".join(missing)) if pooler == TRANSACTION and missing else ""


AS_SHOWN = {
    "lock_timeout": "15000ms",
    "idle_in_transaction_session_timeout": "60000ms",
    "plan_cache_mode": "force_generic_plan",
}
"""SESSION in the units of pg_settings."""
