"""How PostgreSQL carries out a statement; and what an index can answer, whatever the statistics of its table are."""

import json
from collections.abc import Sequence
from typing import Any

from django.db import connection

OTHERS = """
    SELECT other.indexrelid::regclass::text FROM pg_index AS wanted
    JOIN pg_index AS other ON other.indrelid = wanted.indrelid AND other.indexrelid <> wanted.indexrelid
    WHERE wanted.indexrelid = %s::regclass
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = other.indexrelid)
"""


def plan_with_only(index: str, statement: str, params: Sequence[Any] | None = None) -> str:
    """EXPLAIN of `statement` where its table has `index` alone, beside those of its constraints.

    Which of several indexes a planner takes for a handful of rows depends on dead rows and old
    statistics; whether it may take this one depends on the statement. The other indexes are dropped in
    the transaction of the test, which is rolled back.
    """
    with connection.cursor() as cursor:
        cursor.execute(OTHERS, [index])
        for (other,) in cursor.fetchall():
            cursor.execute(f"DROP INDEX {other}")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + statement, params)
        return "\n".join(line for (line,) in cursor.fetchall())


def explained(statement: str, params: object = None) -> dict[str, Any]:
    """The uppermost node of EXPLAIN (ANALYZE): how the statement was carried out."""
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + statement, params)
        found = cursor.fetchone()[0]
    plan: dict[str, Any] = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return plan


def nodes_of(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """A node and all below it, flat."""
    nodes, waiting = [], [plan]
    while waiting:
        node = waiting.pop()
        nodes.append(node)
        waiting += node.get("Plans", [])
    return nodes
