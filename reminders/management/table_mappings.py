"""Mappings in the command that imports: named, in a file, or guessed and shown."""

import json
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, OutputWrapper

from assignments.imports.json_text import parsed
from assignments.imports.mappings import UnknownMapping, find_mapping
from assignments.imports.tables.guessing import Guess
from assignments.imports.tables.mapping import TableMapping, checked_mapping
from assignments.imports.tables.opening import guess_table
from assignments.imports.tables.preview import PreviewedRow, preview_guess
from assignments.validators import default_time_zone
from assignments.wording import quoted

MOST_BYTES = 1_000_000


def mapping_named(given: str, **said: Any) -> TableMapping:
    """The saved mapping of this name, or that of a file whose name ends in .json, with the parts that were said.

    Raises CommandError.
    """
    try:
        mapping = _of_file(Path(given)) if given.lower().endswith(".json") else find_mapping(given)
        values = {**mapping.as_json(), **{name: value for name, value in said.items() if value}}
        return checked_mapping(values)
    except UnknownMapping as refusal:
        raise CommandError(f"--mapping: {refusal}") from refusal
    except ValidationError as refusal:
        raise CommandError(f"--mapping {given}: {in_words(refusal)}") from refusal


def _of_file(path: Path) -> TableMapping:
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise CommandError(f"--mapping {path.name}: no more than {MOST_BYTES:,} bytes are read")
        return checked_mapping(parsed(text), complete=False)
    except OSError as error:
        raise CommandError(f"--mapping {path.name}: {error.strerror}") from error
    except ValueError as error:
        raise CommandError(f"--mapping {path.name} is not JSON: {error}") from error


def in_words(refusal: ValidationError) -> str:
    """What is wrong with a mapping, in one line."""
    return "; ".join(f"{name}: {' '.join(said)}" for name, said in refusal.message_dict.items())


def show_guess(
    path: Path, charset: str, *, out: OutputWrapper, err: OutputWrapper, as_json: bool, **known: Any
) -> Guess:
    """Shows a mapping for the table, what has to be said about it, and the first ten rows under it; writes nothing.

    The mapping alone is on `out`, so that it can be kept in a file. Raises OSError, UnreadableFile or
    CommandError.
    """
    zone = known.pop("zone", None) or default_time_zone()
    try:
        with path.open("rb") as file:
            guess = guess_table(file, zone=zone, charset=charset, **known)
        with path.open("rb") as file:
            shown = preview_guess(file, guess)
    except ValidationError as refusal:
        raise CommandError(in_words(refusal)) from refusal
    if as_json:
        out.write(json.dumps(as_values(guess, shown)))
        return guess
    out.write(json.dumps(guess.mapping.as_json(), indent=2, ensure_ascii=False))
    for question in guess.questions:
        choices = f" ({', '.join(question.choices)})" if question.choices else ""
        err.write(f"{question.part}: {question.message}{choices}")
    if guess.unused:
        err.write(f"columns without use: {', '.join(map(quoted, guess.unused))}")
    for row in shown:
        err.write(f"row {row.row}: {_in_line(row)}")
    return guess


def as_values(guess: Guess, shown: list[PreviewedRow]) -> dict[str, Any]:
    """A guess and its preview as JSON has it."""
    return {
        "mapping": guess.mapping.as_json(),
        "questions": [
            {"part": one.part, "message": one.message, "choices": list(one.choices)}
            for one in guess.questions
        ],
        "unused": list(guess.unused),
        "preview": [
            {
                "row": one.row,
                "values": one.values,
                "errors": [
                    {
                        "field": error.field,
                        "column": error.column,
                        "code": error.code,
                        "message": error.message,
                    }
                    for error in one.errors
                ],
            }
            for one in shown
        ],
    }


def _in_line(row: PreviewedRow) -> str:
    if row.errors:
        return "; ".join(f"{one.column or one.field or 'the row'}: {one.message}" for one in row.errors)
    return json.dumps(row.values, ensure_ascii=False)
