"""The format of log lines: JSON objects in production, plain text in a terminal.

The message of a line is a constant (`event`); its data are passed in `extra` and become fields beside it.
"""

import json
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring

# Attributes of every LogRecord; all others were passed in `extra`.
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Celery and Django add these; they are of no use in a log.
NOISE = frozenset({"data", "request", "server_time"})
IGNORED = STANDARD | NOISE

LINK = re.compile(
    r"""(?:/|%2F)([acuv])(?:/|%2F)  # also where it is part of another address
        (?:[^\s"'<>\\)\]]       # possessive, for no character is looked at twice
          |\\++(?!["'])         # an escaped character, which Django and JSON write by one backslash or several
        )++""",
    re.VERBOSE | re.IGNORECASE,
)
HIDDEN_LINK = r"/\1/(link)"


def fields(record: logging.LogRecord) -> dict[str, object]:
    """What the caller passed in `extra`."""
    return {k: v for k, v in vars(record).items() if k not in IGNORED}


class JsonFormatter(logging.Formatter):
    """{"time", "level", "logger", "event", ...fields, "error"}; instants are RFC 3339 in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": f"{_second(int(record.created))}.{int(record.msecs):03d}+00:00",
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            **fields(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return without_links(_encode(line))


class PlainFormatter(logging.Formatter):
    """21:40:03 INFO Reminder sent assignment_id=12 ..."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        data = "".join(f" {name}={_plain(value)}" for name, value in fields(record).items())
        error = "\n" + self.formatException(record.exc_info) if record.exc_info else ""
        return without_links(f"{at} {record.levelname} {record.getMessage()}{data}{error}")


def without_links(text: str) -> str:
    """The same text with the secret part of every link to an assignee's page replaced."""
    # Few lines have one; these tests are all that the others cost.
    if "/a/" in text or "/c/" in text or "/u/" in text or "/v/" in text or "%2F" in text or "%2f" in text:
        return LINK.sub(HIDDEN_LINK, text)
    return text


@lru_cache(maxsize=4)
def _second(second: int) -> str:
    """Cached: with a line per reminder thousands of lines share a second."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _encode(line: Mapping[str, object]) -> str:
    """As `json.dumps(line, default=_plain, ensure_ascii=False)`, without an encoder of its own for each line."""
    return (
        "{"
        + ", ".join([f"{encode_basestring(name)}: {_encoded(value)}" for name, value in line.items()])
        + "}"
    )


def _encoded(value: object) -> str:
    if type(value) is str:
        return encode_basestring(value)
    return str(value) if type(value) is int else _encode_any(value)


_encode_any = json.JSONEncoder(default=_plain, ensure_ascii=False).encode
