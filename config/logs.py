"""How a log line looks: one JSON object in production, one readable line in a terminal.

The message of a line is a constant (`event`); its data travel in `extra` and stand beside it.
"""

import json
import logging
import re
from datetime import UTC, datetime
from functools import lru_cache

# What every LogRecord has; all else came through `extra` and belongs to the event.
COMMON = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Celery and Django add these to records; they say nothing to a reader of the log.
NOISE = frozenset({"data", "request", "server_time"})
NOT_OURS = COMMON | NOISE

LINK = re.compile(r"/a/[^\s\"'<>\\)\]]+")
HIDDEN_LINK = "/a/(link)"


def fields(record: logging.LogRecord) -> dict[str, object]:
    """What the caller passed in `extra`."""
    return {k: v for k, v in vars(record).items() if k not in NOT_OURS}


class JsonFormatter(logging.Formatter):
    """{"time", "level", "logger", "event", ...fields, "error"}; instants are RFC 3339 in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": f"{_second(int(record.created))}.{int(record.msecs):03d}+00:00",
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        line.update(fields(record))
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return without_links(_encode(line))


class PlainFormatter(logging.Formatter):
    """21:40:03 INFO Reminder sent assignment_id=12 ..."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        told = "".join(f" {name}={_plain(value)}" for name, value in fields(record).items())
        error = "\n" + self.formatException(record.exc_info) if record.exc_info else ""
        return without_links(f"{at} {record.levelname} {record.getMessage()}{told}{error}")


def without_links(text: str) -> str:
    """The same text with the secret of every address of people's own pages replaced."""
    # Nearly no line has one, and this is all that it then costs.
    return LINK.sub(HIDDEN_LINK, text) if "/a/" in text else text


@lru_cache(maxsize=4)
def _second(second: int) -> str:
    """A line for each reminder makes thousands a second: its second is written out once."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


_encode = json.JSONEncoder(default=_plain, ensure_ascii=False).encode
