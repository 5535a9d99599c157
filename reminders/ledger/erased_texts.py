"""Takes an erased person out of the texts of every table, in transactions of a bounded number of rows.

It begins when every transaction has ended that may still have read the person's name (`Erasure.xid`), and goes on where it
was left, whoever goes on: the command, the page or the call that erases, or the scanner after a scan.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from psycopg import sql
from psycopg.types.json import Jsonb

from assignments.clock import database_now
from assignments.erasing import work_of
from assignments.models import Erasure
from assignments.transactions import atomically
from reminders.ledger.erased_tables import ELSEWHERE, Context, TextTable, text_tables
from reminders.models import Reminder
from reminders.policy.erased_words import Eraser, PersonWords
from reminders.policy.recipients import assignee_recipient

WAITS = 0.2
"""Seconds between two looks at whether older transactions have ended."""

Rows = list[dict[str, Any]]


@dataclass(slots=True)
class Found:
    """How many rows would be changed or removed, by table; not `complete` where there was no time to look at all."""

    rows: dict[str, int] = field(default_factory=dict)
    complete: bool = True


def context_of(words: PersonWords) -> Context:
    """What decides about a row, read once for many."""
    received = Reminder.objects.filter(recipient__in=[assignee_recipient(pk) for pk in words.ids])
    work = work_of(words.ids) | set(received.values_list("assignment", flat=True).distinct())
    return Context(eraser=Eraser(words), ids=frozenset(words.ids), work=frozenset(work))


def count(words: PersonWords, *, seconds: float | None = None) -> Found:
    """What erasing this person would change in texts now. Looks for so many seconds at most."""
    over = None if seconds is None else time.monotonic() + seconds
    context, found = context_of(words), Found()
    for table in text_tables():
        after: Sequence[Any] | None = None
        while True:
            if over is not None and time.monotonic() > over:
                found.complete = False
                return found
            rows, after = _next_rows(table, after, words, context, lock=False)
            if number := sum(table.changed(row, context) is not None for row in rows):
                found.rows[table.name] = found.rows.get(table.name, 0) + number
            if after is None:
                break
    return found


def unfinished() -> list[Erasure]:
    """The erasures of which texts still name the person, the oldest first."""
    return list(Erasure.objects.filter(finished_at=None).order_by("at", "pk"))


def go_on(
    person_id: int, *, seconds: float | None = None, progress: Callable[[str], None] = lambda table: None
) -> bool:
    """Goes on with the erasure of this person for so many seconds; whether it is finished. Never twice at once."""
    over = None if seconds is None else time.monotonic() + seconds

    def in_time() -> bool:
        return over is None or time.monotonic() < over

    erasure = Erasure.objects.get(pk=person_id)
    if erasure.finished_at is not None:
        return True
    while not _older_have_ended(erasure):
        if not in_time():
            return False
        time.sleep(WAITS)
    words = PersonWords.from_json(erasure.words)
    context = context_of(words)
    while in_time():
        name = _step(person_id, words, context)
        if name is None:
            return True
        progress(name)
    return False


def _older_have_ended(erasure: Erasure) -> bool:
    """Whether every transaction has ended that may have read the name. Within that of the erasure nobody can wait for it.

    A snapshot lists what runs in all databases of the server. What is known to run in another one cannot have read it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT pg_current_xact_id_if_assigned()::text::bigint = %(xid)s OR NOT EXISTS (
                SELECT FROM pg_snapshot_xip(pg_current_snapshot()) AS running(xid)
                WHERE running.xid::text::bigint < %(xid)s AND NOT EXISTS (
                    SELECT FROM pg_locks l JOIN pg_stat_activity s ON s.pid = l.pid
                    WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
                      AND l.transactionid = running.xid::xid AND s.datname <> current_database()))
            """,
            {"xid": erasure.xid},
        )
        return bool(cursor.fetchone()[0])


@atomically
def _step(person_id: int, words: PersonWords, context: Context) -> str | None:
    """Looks at the next rows; returns the name of their table, None where there are no more."""
    erasure = Erasure.objects.select_for_update().get(pk=person_id)
    if erasure.finished_at is not None:
        return None
    table = _table_of(erasure)
    if table is None:
        erasure.finished_at, erasure.words, erasure.table, erasure.after = database_now(), {}, "", None
        erasure.save(update_fields=["finished_at", "words", "table", "after"])
        return None
    after = erasure.after if erasure.table == table.name else None
    rows, reached = _next_rows(table, after, words, context, lock=True)
    if number := _write(table, rows, context):
        erasure.counts = {**erasure.counts, table.name: erasure.counts.get(table.name, 0) + number}
    erasure.table, erasure.after = table.name, None if reached is None else [str(one) for one in reached]
    if reached is None:
        erasure.table = f"{table.name} "  # It sorts between this table and the next one.
    erasure.save(update_fields=["table", "after", "counts"])
    return table.name


def _table_of(erasure: Erasure) -> TextTable | None:
    """The table that is being looked through, else the next one."""
    return next((one for one in text_tables() if one.name >= erasure.table), None)


def _next_rows(
    table: TextTable, after: Sequence[Any] | None, words: PersonWords, context: Context, *, lock: bool
) -> tuple[Rows, Sequence[Any] | None]:
    """Rows that may name the person among the next ones by their primary key, and the last of those; None: no more come."""
    key = sql.SQL(", ").join(sql.SQL("t.{}").format(sql.Identifier(name)) for name in table.key)
    name = sql.Identifier(table.name)
    beyond: sql.Composable = sql.SQL("true")
    if after is not None:
        beyond = sql.SQL("({}) > ({})").format(key, sql.SQL(", ").join(map(sql.Literal, after)))
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("SELECT {key} FROM {name} t WHERE {beyond} ORDER BY {key} OFFSET {last} LIMIT 1").format(
                key=key, name=name, beyond=beyond, last=sql.Literal(table.batch - 1)
            )
        )
        reached = cursor.fetchone()
        within: sql.Composable = sql.SQL("true")
        if reached is not None:
            within = sql.SQL("({}) <= ({})").format(key, sql.SQL(", ").join(map(sql.Literal, reached)))
        columns = [
            sql.SQL("{} AS {}").format(
                sql.SQL(ELSEWHERE[table.name, one])
                if (table.name, one) in ELSEWHERE
                else sql.SQL("t.{}").format(sql.Identifier(one)),
                sql.Identifier(one),
            )
            for one in table.columns
        ]
        cursor.execute(
            sql.SQL(
                "SELECT {columns} FROM {name} t WHERE {beyond} AND {within} AND ({asked}) ORDER BY {key} {lock}"
            ).format(
                columns=sql.SQL(", ").join(columns),
                name=name,
                beyond=beyond,
                within=within,
                asked=_asked(table, words, context),
                key=key,
                lock=sql.SQL("FOR NO KEY UPDATE OF t" if lock else ""),
            )
        )
        found = [dict(zip(table.columns, values, strict=True)) for values in cursor.fetchall()]
    return [_with_json(table, row) for row in found], reached


def _asked(table: TextTable, words: PersonWords, context: Context) -> sql.Composable:
    """The condition that every row meets that may name the person."""
    if table.every:
        return sql.SQL("true")
    columns = [sql.Identifier("t", name) for name in (*table.texts, *table.arrays, *table.json)]
    whole = sql.SQL("concat_ws(' ', {})").format(
        sql.SQL(", ").join(sql.SQL("{}::text").format(one) for one in columns)
    )
    patterns = [words.coarse] if words.coarse else []
    if table.json:
        patterns.append(r'"id": (?:{})\M'.format("|".join(map(str, words.ids))))
    asked = [sql.SQL("{} ~* {}").format(whole, sql.Literal("|".join(patterns)))] if patterns else []
    if table.work and context.work:
        numbers = "{" + ",".join(map(str, sorted(context.work))) + "}"
        asked.append(
            sql.SQL("{} = ANY({}::bigint[])").format(sql.Identifier("t", table.work), sql.Literal(numbers))
        )
    return sql.SQL(" OR ").join(asked) if asked else sql.SQL("false")


def _with_json(table: TextTable, row: dict[str, Any]) -> dict[str, Any]:
    """Django leaves JSON to its fields."""
    return {
        name: json.loads(value) if name in table.json and isinstance(value, str) else value
        for name, value in row.items()
    }


def _write(table: TextTable, rows: Rows, context: Context) -> int:
    """Changes and removes what names the person, in one statement for each set of columns; returns how many rows."""
    updates: dict[tuple[str, ...], Rows] = {}
    number = 0
    with connection.cursor() as cursor:
        for row in rows:
            change = table.changed(row, context)
            if change is None:
                continue
            number += 1
            key = {name: row[name] for name in table.key}
            if change.values is None:
                for statement in _removal(table, key):
                    cursor.execute(statement)
            else:
                updates.setdefault(tuple(sorted(change.values)), []).append({**key, **change.values})
        for columns, values in updates.items():
            cursor.execute(_update(table, columns, values))
    return number


def _update(table: TextTable, columns: Sequence[str], values: Rows) -> sql.Composable:
    """New values by column, as the table's own types read them from JSON."""
    name = sql.Identifier(table.name)
    return sql.SQL(
        "UPDATE {name} t SET {new} FROM jsonb_populate_recordset(NULL::{name}, {rows}) v WHERE {same}"
    ).format(
        name=name,
        new=sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(column), sql.Identifier("v", column))
            for column in columns
        ),
        rows=sql.Literal(Jsonb(values)),
        same=sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(sql.Identifier("t", one), sql.Identifier("v", one)) for one in table.key
        ),
    )


def _removal(table: TextTable, key: Mapping[str, Any]) -> Iterator[sql.Composable]:
    where = sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in key.items()
    )
    if table.name == "assignments_tableupload":
        yield sql.SQL(
            "DELETE FROM assignments_tableuploadpart WHERE upload_id IN (SELECT id FROM {} WHERE {})"
        ).format(sql.Identifier(table.name), where)
    yield sql.SQL("DELETE FROM {} WHERE {}").format(sql.Identifier(table.name), where)
