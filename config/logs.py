"""How a log line looks: one JSON object in production, one readable line in a terminal.

The message of a line is a constant (`event`); its data travel in `extra` and stand beside it.
"""

import json
import logging
from datetime import UTC, datetime

# What every LogRecord has; all else came through `extra` and belongs to the event.
COMMON = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Celery and Django add these to records; they say nothing to a reader of the log.
NOISE = frozenset({"data", "request", "server_time"})


def fields(record: logging.LogRecord) -> dict[str, object]:
    """What the caller passed in `extra`."""
    return {k: v for k, v in vars(record).items() if k not in COMMON and k not in NOISE}


class JsonFormatter(logging.Formatter):
    """{"time", "level", "logger", "event", ...fields, "error"}; instants are RFC 3339 in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        line.update(fields(record))
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=_plain, ensure_ascii=False)


class PlainFormatter(logging.Formatter):
    """21:40:03 INFO Reminder sent assignment_id=12 ..."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        told = "".join(f" {name}={_plain(value)}" for name, value in fields(record).items())
        error = "\n" + self.formatException(record.exc_info) if record.exc_info else ""
        return f"{at} {record.levelname} {record.getMessage()}{told}{error}"


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
