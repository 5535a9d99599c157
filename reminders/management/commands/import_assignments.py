"""`manage.py import_assignments FILE`: takes a file of any size, committed in portions of 10,000 rows."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from assignments import bulk, calendars, imports
from assignments.bulk import BadRow, BadRows, Brought, Parsed, Row
from assignments.imports import MOST_AT_ONCE, Unreadable
from reminders.management.refusals import in_one_line

SHOWN = 100


class Command(BaseCommand):
    help = (
        "Imports assignments from a CSV file, from JSON lines (.jsonl: one object a line), from a JSON list "
        "(.json) or from a calendar (.ics). "
        f"Every {MOST_AT_ONCE} rows are committed. A portion with a bad row is not written, nor is anything behind it: "
        "mend the file and go on with --from-row."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--skip-bad", action="store_true", help="write the good rows, report the others")
        parser.add_argument(
            "--from-row", type=_row, default=1, metavar="N", help="leave the rows before N out"
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what would happen")
        parser.add_argument(
            "--json", action="store_true", help="answer as one line of JSON, with every bad row"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        total = Brought(0, 0, 0)
        bad: list[BadRow] = []
        stopped_at: int | None = None
        next_row = options["from_row"]
        try:
            with in_one_line(), path.open("rb") as file:
                rows = (one for one in _parsed(path, file) if _number(one) >= options["from_row"])
                while portion := list(islice(rows, MOST_AT_ONCE)):
                    dry = options["dry_run"] or stopped_at is not None
                    done, faults = _brought(portion, dry_run=dry, skip_bad=options["skip_bad"])
                    bad += faults
                    if faults and not options["skip_bad"] and stopped_at is None:
                        stopped_at = _number(portion[0])
                    if stopped_at is None:
                        total = _sum(total, done)
                        next_row = _number(portion[-1]) + 1
                    self._progress(_number(portion[-1]))
        except (OSError, Unreadable, CommandError) as error:
            raise CommandError(f"{path.name}: {_why(error)}; {self._go_on(next_row, options)}") from error
        self._tell(total, bad, options)
        if stopped_at is not None:
            rows_bad = len({fault.row for fault in bad})
            raise CommandError(f"{path.name}: {rows_bad} bad rows; {self._go_on(stopped_at, options)}")

    def _go_on(self, row: int, options: dict[str, Any]) -> str:
        if options["dry_run"]:
            return "nothing was written"
        return f"nothing from row {row} on was written: mend it, then go on with --from-row {row}"

    def _progress(self, row: int) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"\r{row} rows", ending="")

    def _tell(self, total: Brought, bad: list[BadRow], options: dict[str, Any]) -> None:
        counts = {"created": total.created, "updated": total.updated, "unchanged": total.unchanged}
        if options["json"]:
            faults = [
                {"row": one.row, "field": one.field, "code": one.code, "message": one.message} for one in bad
            ]
            self.stdout.write(json.dumps({"dry_run": options["dry_run"], **counts, "errors": faults}))
            return
        for one in bad[:SHOWN]:
            self.stdout.write(f"row {one.row}: {one.field or 'the row'}: {one.message}")
        if len(bad) > SHOWN:
            self.stdout.write(f"... and {len(bad) - SHOWN} more: --json shows all")
        would = "would be " if options["dry_run"] else ""
        self.stdout.write(
            f"{total.created} {would}created, {total.updated} {would}updated, {total.unchanged} unchanged"
        )


def _parsed(path: Path, file: Any) -> Iterator[Parsed]:
    match path.suffix.lower():
        case ".json":
            return imports.rows(imports.json_of(file.read()))
        case ".jsonl" | ".ndjson":
            return imports.json_lines(imports.text_of(file))
        case ".ics":
            return calendars.event_rows(imports.text_of(file))
        case _:
            return imports.csv_rows(imports.text_of(file))


def _brought(portion: list[Parsed], *, dry_run: bool, skip_bad: bool) -> tuple[Brought, list[BadRow]]:
    """What was done with the good rows, if they may go without the bad ones; and what is wrong with those."""
    faults: list[BadRow] = []
    while True:
        try:
            return bulk.bring_in(portion, dry_run=dry_run), faults
        except BadRows as refused:
            faults += refused.faults
            if not skip_bad:
                return Brought(0, 0, 0), faults
            # A row that counted on one that is left out may be bad in its turn.
            left_out = {fault.row for fault in refused.faults}
            portion = [one for one in portion if isinstance(one, Row) and one.number not in left_out]


def _number(one: Parsed) -> int:
    return one.number if isinstance(one, Row) else one[0].row


def _sum(total: Brought, done: Brought) -> Brought:
    return Brought(
        total.created + done.created, total.updated + done.updated, total.unchanged + done.unchanged
    )


def _why(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _row(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:20]) < 2**63:
        raise ArgumentTypeError(f"{text[:40]!r} is not the number of a row")
    return int(text)
