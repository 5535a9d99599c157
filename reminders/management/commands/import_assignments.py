"""`manage.py import_assignments FILE`: imports a file of any size, committed in portions of 10,000 rows."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import time
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from assignments.clock import database_now
from assignments.history import Actor
from assignments.imports.calendar_alarms import Alarms
from assignments.imports.calendar_options import DAYS_AHEAD, MOST_DAYS_AHEAD
from assignments.imports.csv_rows import read_csv
from assignments.imports.error_table import error_lines
from assignments.imports.fields import InvalidValue, TimeOfDay
from assignments.imports.formats import BY_SUFFIX, NoTable, NotACalendar, with_mapping, with_options
from assignments.imports.portions import import_portion
from assignments.imports.results import ImportResult, together
from assignments.imports.rows import MAX_ROWS, ImportRow, ParsedRow, RowError, UnreadableFile
from assignments.imports.tables.mapped_rows import with_columns
from assignments.imports.tables.mapping import TableMapping
from assignments.imports.tables.values import DATE_FORMATS
from assignments.imports.text_files import python_charset
from reminders.management.progress import Watched, progress
from reminders.management.refusals import in_one_line
from reminders.management.table_mappings import in_words, mapping_named, show_guess
from reminders.operations.import_mappings import save_import_mapping

MAX_SHOWN = 100
SHOWN_EVERY = 200
"""After so many rows it is shown how far an import is."""


class Command(BaseCommand):
    help = (
        "Imports assignments from a table (CSV, .xlsx), from JSON lines (.jsonl: one object a line), from a JSON list "
        "(.json) or from a calendar (.ics). A table with columns of its own needs a mapping; --guess proposes one. "
        f"Every {MAX_ROWS} rows are committed. A portion with a bad row is not written, nor is anything behind it: "
        "correct the file and continue with --from-row."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--skip-bad", action="store_true", help="write the good rows, report the others")
        parser.add_argument(
            "--from-row", type=_row, default=1, metavar="N", help="leave the rows before N out"
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what would happen")
        parser.add_argument(
            "--match-ids",
            action="store_true",
            help="find assignees by id: the file was exported from this very system",
        )
        parser.add_argument(
            "--alarms",
            choices=[one.value for one in Alarms],
            help="of a calendar: leads makes a lead time of every alarm before the start; one (the default) of the only one",
        )
        parser.add_argument(
            "--zone",
            metavar="NAME",
            help="of a calendar: the zone of times and whole days without one; of a table: that of its local times",
        )
        parser.add_argument(
            "--all-day",
            type=_time,
            metavar="HH:MM",
            help="of a calendar: when the work of a whole day begins; without it whole days are refused",
        )
        parser.add_argument(
            "--days-ahead",
            type=_days,
            metavar="N",
            help=f"of a calendar: how far ahead dates of events that repeat are taken; default: {DAYS_AHEAD}",
        )
        parser.add_argument(
            "--mapping",
            metavar="NAME|FILE.json",
            help="of a table: the saved mapping, or the file, that says which columns fill which fields",
        )
        parser.add_argument(
            "--guess",
            action="store_true",
            help="print a mapping for the table, with what has to be said about it and the first ten rows; writes nothing",
        )
        parser.add_argument("--save", metavar="NAME", help="with --guess: save the mapping under this name")
        parser.add_argument(
            "--date-format", choices=list(DATE_FORMATS), help="of a table: how its dates are written"
        )
        parser.add_argument("--sheet", help="of an XLSX file with several sheets: the one that is meant")
        parser.add_argument("--charset", help="the encoding of a CSV file or a calendar; default: UTF-8")
        parser.add_argument(
            "--errors",
            type=Path,
            metavar="FILE.csv",
            help="write every bad row as a table, which a spreadsheet opens",
        )
        parser.add_argument(
            "--json", action="store_true", help="answer as one line of JSON, with every bad row"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        if options["guess"]:
            return self._guess(path, options)
        mapping = self._mapping(path, options)
        total = ImportResult()
        bad: list[RowError] = []
        stopped_at: int | None = None
        next_row = options["from_row"]
        try:
            with in_one_line(), path.open("rb") as file, ExitStack() as shown:
                reader = with_mapping(BY_SUFFIX.get(path.suffix.lower(), read_csv), mapping)
                asked = {**options, "zone": None} if mapping else options
                read = with_options(reader, asked, now=database_now())
                source = read(file, python_charset(options["charset"]))
                bar = shown.enter_context(self._bar(path, options))
                rows = _watched(source, file, options["from_row"], bar)
                while portion := list(islice(rows, MAX_ROWS)):
                    dry = options["dry_run"] or stopped_at is not None
                    done, errors = import_portion(
                        portion,
                        skip_bad=options["skip_bad"],
                        match_ids=options["match_ids"],
                        dry_run=dry,
                        actor=Actor.ops("import_assignments"),
                    )
                    bad += with_columns(errors, mapping) if mapping else errors
                    if errors and not options["skip_bad"] and stopped_at is None:
                        stopped_at = _number(portion[0])
                    if stopped_at is None:
                        total = together(total, done)
                        next_row = _number(portion[-1]) + 1
        except NoTable as refusal:
            raise CommandError(f"{path.name}: --mapping: {refusal}; nothing was written") from refusal
        except NotACalendar as refusal:
            option = refusal.option.replace("_", "-")
            raise CommandError(f"{path.name}: --{option} {refusal}; nothing was written") from refusal
        except InvalidValue as refusal:
            raise CommandError(f"{path.name}: --zone {refusal}; nothing was written") from refusal
        except (OSError, UnreadableFile, CommandError) as error:
            raise CommandError(f"{path.name}: {_why(error)}; {_what_to_do(next_row, options)}") from error
        if options["errors"]:
            _write(options["errors"], bad)
        notes = [one for one in source.notes.rows if one.row >= options["from_row"]]
        self._report(total, total.left_out + source.notes.left_out, bad, notes, options)
        if stopped_at is not None:
            rows_bad = len({error.row for error in bad})
            raise CommandError(f"{path.name}: {rows_bad} bad rows; {_what_to_do(stopped_at, options)}")

    def _guess(self, path: Path, options: dict[str, Any]) -> None:
        known = {name: options[name] for name in ("zone", "date_format", "sheet")}
        try:
            with in_one_line():
                guess = show_guess(
                    path,
                    python_charset(options["charset"]),
                    out=self.stdout,
                    err=self.stderr,
                    as_json=options["json"],
                    **known,
                )
        except (OSError, UnreadableFile, CommandError) as error:
            raise CommandError(f"{path.name}: {_why(error)}") from error
        if options["save"]:
            if guess.questions:
                raise CommandError(f"--save {options['save']}: {guess.questions[0].message}")
            try:
                save_import_mapping(options["save"], guess.mapping.as_json(), by="import_assignments")
            except ValidationError as refusal:
                raise CommandError(f"--save {options['save']}: {in_words(refusal)}") from refusal

    def _mapping(self, path: Path, options: dict[str, Any]) -> TableMapping | None:
        if options["mapping"] is None:
            of_tables = ("save", "date_format", "sheet")
            for name in of_tables if path.suffix.lower() == ".ics" else ("zone", *of_tables):
                if options[name]:
                    option = name.replace("_", "-")
                    raise CommandError(
                        f"{path.name}: --{option} needs --mapping or --guess; nothing was written"
                    )
            return None
        said = {name: options[name] for name in ("zone", "date_format", "sheet")}
        return mapping_named(options["mapping"], **said)

    def _bar(self, path: Path, options: dict[str, Any]) -> AbstractContextManager[Watched]:
        size = path.stat().st_size if path.is_file() else None  # A pipe has none.
        return progress("importing", stream=self.stderr, unit="B", total=size, hidden=options["json"])

    def _report(
        self,
        total: ImportResult,
        left_out: Counter[str],
        bad: list[RowError],
        notes: list[RowError],
        options: dict[str, Any],
    ) -> None:
        counts = {"created": total.created, "updated": total.updated, "unchanged": total.unchanged}
        if options["json"]:
            answer = {
                "dry_run": options["dry_run"],
                **counts,
                "left_out": dict(left_out),
                "notes": [_as_json(one) for one in notes],
                "errors": [_as_json(one) for one in bad],
            }
            self.stdout.write(json.dumps(answer))
            return
        self._list(bad, "")
        self._list(notes, "left out: ")
        for what, count in sorted(left_out.items()):
            self.stdout.write(f"left out: {count} x {what}")
        would = "would be " if options["dry_run"] else ""
        self.stdout.write(
            f"{total.created} {would}created, {total.updated} {would}updated, {total.unchanged} unchanged"
        )

    def _list(self, found: list[RowError], what: str) -> None:
        for one in found[:MAX_SHOWN]:
            self.stdout.write(f"row {one.row}: {what}{one.column or one.field or 'the row'}: {one.message}")
        if len(found) > MAX_SHOWN:
            self.stdout.write(f"... and {len(found) - MAX_SHOWN} more: --errors FILE.csv or --json has them")


def _write(path: Path, bad: list[RowError]) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            file.writelines(error_lines(bad))
    except OSError as error:
        raise CommandError(f"--errors {path}: {_why(error)}") from error


def _watched(source: Iterable[ParsedRow], file: BinaryIO, first: int, bar: Watched) -> Iterator[ParsedRow]:
    """The rows from `first` on; tells after some of them how much of the file has been read."""
    for count, one in enumerate(source, start=1):
        if count % SHOWN_EVERY == 0 and not file.closed and file.seekable():
            bar.reach(file.tell(), f"row {_number(one)}")
        if _number(one) >= first:
            yield one


def _as_json(one: RowError) -> dict[str, Any]:
    column = {"column": one.column} if one.column else {}
    return {"row": one.row, "field": one.field, **column, "code": one.code, "message": one.message}


def _what_to_do(row: int, options: dict[str, Any]) -> str:
    if options["dry_run"]:
        return "nothing was written"
    return f"nothing from row {row} on was written: correct it, then continue with --from-row {row}"


def _number(one: ParsedRow) -> int:
    return one.number if isinstance(one, ImportRow) else one[0].row


def _why(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _time(text: str) -> time:
    try:
        found = TimeOfDay().read(text)
    except InvalidValue as refusal:
        raise ArgumentTypeError(str(refusal)) from refusal
    if found is None:
        raise ArgumentTypeError("a time is needed, such as 08:00")
    return found


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MOST_DAYS_AHEAD:
        raise ArgumentTypeError(f"{text[:40]!r} is not a number of days from 1 to {MOST_DAYS_AHEAD}")
    return int(text)


def _row(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:20]) < 2**63:
        raise ArgumentTypeError(f"{text[:40]!r} is not the number of a row")
    return int(text)
