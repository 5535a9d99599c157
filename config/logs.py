"""The format of log lines: JSON objects in production, plain text in a terminal.

The message of a line is a constant (`event`); its data are passed in `extra` and become fields beside it. What happens to
many things at once is logged once, with the fields of each as the list `extra={"each": [...]}`: it becomes a line for each.
"""

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring
from select import PIPE_BUF
from typing import TextIO

# Attributes of every LogRecord; all others were passed in `extra`.
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Celery and Django add these; they are of no use in a log.
NOISE = frozenset({"data", "request", "server_time"})
EACH = "each"
IGNORED = STANDARD | NOISE | {EACH}

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
        text = _encode(line)
        if EACH in vars(record):
            begin = f"{text[:-1]}, "
            text = begin + f"}}\n{begin}".join(_without_braces(vars(record)[EACH])) + "}"
        return without_links(text)


class PlainFormatter(logging.Formatter):
    """21:40:03 INFO Reminder sent assignment_id=12 ..."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        begin = f"{at} {record.levelname} {record.getMessage()}{_plain_fields(fields(record))}"
        error = "\n" + self.formatException(record.exc_info) if record.exc_info else ""
        each = [_plain_fields(more) for more in vars(record).get(EACH, ({},))]
        return without_links("\n".join([begin + more + error for more in each]))


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes whole lines, many at once where a record has many.

    Processes share a pipe: what is no longer than PIPE_BUF is written in one piece (POSIX, `write`), and no other process's
    line falls into it.
    """

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
            for lines in _whole_lines(text) if EACH in vars(record) else (text,):
                self.stream.write(lines + self.terminator)
                self.flush()
        except RecursionError:
            raise
        except Exception:
            self.handleError(record)


def _whole_lines(text: str) -> Iterator[str]:
    """The lines of a text, as many together as one write may hold; a longer line goes by itself."""
    most = PIPE_BUF if text.isascii() else PIPE_BUF // 4  # A character of UTF-8 has up to four octets.
    start = 0
    while len(text) - start >= most:
        end = text.rfind("\n", start, start + most)
        if end < 0:
            end = text.find("\n", start)
        if end < 0:
            break
        yield text[start:end]
        start = end + 1
    yield text[start:]


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


def _plain_fields(data: Mapping[str, object]) -> str:
    return "".join([f" {name}={_plain(value)}" for name, value in data.items()])


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _encode(line: Mapping[str, object]) -> str:
    """As `json.dumps(line, default=_plain, ensure_ascii=False)`, without an encoder of its own for each line."""
    return "{" + ", ".join([f"{_name(name)}: {_encoded(value)}" for name, value in line.items()]) + "}"


def _without_braces(objects: Sequence[Mapping[str, object]]) -> list[str]:
    """Each of these as `_encode` writes it, without its braces; together, as one list, they take half of the time."""
    parts = _encode_any(objects)[2:-2].split("}, {")
    if len(parts) == len(objects):
        return parts
    return [_encode(one)[1:-1] for one in objects]  # A value holds what separates them.


_name = lru_cache(maxsize=256)(encode_basestring)
"""Names are few, and the same in every line."""


def _encoded(value: object) -> str:
    if type(value) is str:
        return encode_basestring(value)
    return str(value) if type(value) is int else _encode_any(value)


_encode_any = json.JSONEncoder(default=_plain, ensure_ascii=False).encode
