"""`python -m benchmarks.calendar_files FOLDER`: what an import would make of each calendar of a folder.

For calendars of other programs, which are no part of this repository. Nothing is written, no database is needed. Each
file is read as on the day before its first event, so that its dates lie in the time ahead. A line of JSON for each file.
"""

import json
import os
import re
import resource
from argparse import ArgumentParser
from collections import Counter
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from time import process_time
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from assignments.imports.calendar_options import DAYS_AHEAD, CalendarOptions  # noqa: E402 the settings come first
from assignments.imports.calendar_rows import read_calendar  # noqa: E402 the settings come first
from assignments.imports.rows import ImportRow, UnreadableFile  # noqa: E402 the settings come first

EVENT = re.compile(rb"(?ims)^BEGIN:VEVENT\s*$.*?^END:VEVENT")
START = re.compile(rb"(?im)^DTSTART(?:;(?:\"[^\"\r\n]*\"|[^:\"\r\n])*)?:(\d{8})")
PRODUCT = re.compile(rb"(?im)^PRODID[^:\r\n]*:([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)")


def first_day(content: bytes) -> datetime:
    """The day before the first event, from which on the file is read."""
    days = []
    for event in EVENT.findall(content):
        for found in START.findall(event):
            try:
                days.append(datetime.strptime(found.decode(), "%Y%m%d").replace(tzinfo=UTC))
            except ValueError:
                continue
    return min(
        (one for one in days if one.year > 1970), default=datetime(2026, 1, 1, tzinfo=UTC)
    ) - timedelta(days=1)


def read_file(
    path: Path, *, zone: str, all_day: time, days_ahead: int, charset: str = "utf-8"
) -> dict[str, Any]:
    """What became of one file: its rows, and what was refused or left out, by the reason."""
    content = path.read_bytes()
    now = first_day(content)
    options = CalendarOptions(zone=zone, all_day=all_day, days_ahead=days_ahead, now=now)
    product = PRODUCT.search(content)
    told: dict[str, Any] = {
        "file": path.name,
        "product": re.sub(rb"\r?\n[ \t]", b"", product[1]).decode(errors="replace").strip()
        if product
        else "",
        "as_of": f"{now:%Y-%m-%d}",
        "events": len(EVENT.findall(content)),
    }
    rows: list[ImportRow] = []
    refused: list[dict[str, Any]] = []
    begun = process_time()
    try:
        with path.open("rb") as file:
            source = read_calendar(file, charset, options=options)
            for one in source:
                if isinstance(one, ImportRow):
                    rows.append(one)
                else:
                    refused += [
                        {"row": e.row, "field": e.field, "code": e.code, "message": e.message} for e in one
                    ]
        told["left_out"] = dict(source.notes.left_out)
    except UnreadableFile as error:
        refused.append({"row": 0, "field": None, "code": "unreadable", "message": str(error)})
    told["seconds"] = round(process_time() - begun, 3)
    told["rows"] = [
        {
            "row": one.number,
            "reference": one.reference,
            "event": one.event,
            "start": one.values["scheduled_start"].isoformat(),
            "end": end.isoformat() if (end := one.values.get("scheduled_end")) else None,
        }
        for one in rows
        if one.values and not one.cancellation
    ]
    told["cancellations"] = sum(one.cancellation for one in rows)
    told["refused"] = refused
    return told


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--zone", default="Europe/Berlin", help="of times without one")
    parser.add_argument("--all-day", type=time.fromisoformat, default=time(8), help="when whole days begin")
    parser.add_argument("--days-ahead", type=int, default=DAYS_AHEAD)
    parser.add_argument("--charset", default="utf-8")
    parser.add_argument("--brief", action="store_true", help="numbers of assignments instead of their times")
    asked = parser.parse_args()
    files = whole = assignments = 0
    reasons: Counter[str] = Counter()
    for path in sorted(asked.folder.glob("*.ics")):
        told = read_file(
            path, zone=asked.zone, all_day=asked.all_day, days_ahead=asked.days_ahead, charset=asked.charset
        )
        files += 1
        whole += not told["refused"]
        assignments += len(told["rows"])
        reasons.update({f"{one['field']}: {one['code']}" for one in told["refused"]})
        if asked.brief:
            told["rows"] = len(told["rows"])
        print(json.dumps(told), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        json.dumps(
            {
                "files": files,
                "whole": whole,
                "assignments": assignments,
                "refused": dict(reasons),
                "peak_mb": peak,
            }
        )
    )


if __name__ == "__main__":
    main()
