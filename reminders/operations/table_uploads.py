"""An import by page: a file is kept for some days, checked part by part, and then imported part by part.

Each part is one transaction, in which the upload moves on: whoever stops in between goes on where it was. Only the owner
finds an upload.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from io import BytesIO
from itertools import islice
from typing import Any

from django.utils.translation import gettext

from assignments.clock import database_now
from assignments.history import Actor
from assignments.import_models import TableUpload, TableUploadPart
from assignments.imports.kept_files import prune_uploads
from assignments.imports.portions import import_portion
from assignments.imports.rows import ImportRow, ParsedRow, RowError, UnreadableFile, repeated_reference
from assignments.imports.tables.guessing import Guess
from assignments.imports.tables.mapped_rows import check_columns, mapped_rows, with_columns
from assignments.imports.tables.mapping import TableMapping, checked_mapping
from assignments.imports.tables.opening import guess_table, open_rows
from assignments.imports.tables.preview import PreviewedRow, preview_rows
from assignments.imports.tables.stored_rows import packed_errors, packed_rows, unpacked_errors, unpacked_rows
from assignments.imports.tables.table import MAX_TABLE_ROWS, Table, TableRow, Unusable, below, named
from assignments.imports.tables.values import as_text
from assignments.references import normalized
from assignments.services import Refused
from assignments.team_scope import TeamScope
from assignments.transactions import atomically
from reminders.ledger.audit import record

State = TableUpload.State
PART_ROWS = 1_000
MOST_KEPT = 5
"""Uploads of one person; a further one takes the place of the oldest."""


class UnknownUpload(Refused):
    """There is none with this id, or it is somebody else's."""

    code = "unknown_upload"


class WrongState(Refused):
    """The upload has come further, or not so far."""


def start_upload(
    owner_id: int,
    *,
    name: str,
    content: bytes,
    charset: str,
    zone: str,
    kept_for: timedelta,
    mapping: TableMapping | None = None,
) -> TableUpload:
    """Keeps a file, with the mapping that is given or else guessed; those that are older than `kept_for` go.

    Raises UnreadableFile or ValidationError.
    """
    wanted = mapping or guess_table(BytesIO(content), zone=zone, charset=charset).mapping
    clean = "".join(one if one.isprintable() else "?" for one in name)[:200] or "table"
    prune_uploads(after=kept_for)
    kept = TableUpload.objects.filter(owner_id=owner_id).order_by("-id").values_list("pk", flat=True)
    TableUpload.objects.filter(pk__in=list(kept[MOST_KEPT - 1 :])).delete()
    return TableUpload.objects.create(
        owner_id=owner_id,
        name=clean,
        content=content,
        charset=charset,
        mapping=wanted.as_json(),
        created_at=database_now(),
    )


def find_upload(pk: int, *, owner_id: int) -> TableUpload:
    """The upload, without its content. Raises UnknownUpload."""
    found = TableUpload.objects.filter(pk=pk, owner_id=owner_id).defer("content").first()
    if found is None:
        raise UnknownUpload(
            gettext("there is no upload %(pk)s: files are removed after some days") % {"pk": pk}
        )
    return found


def uploads_of(owner_id: int, *, kept_for: timedelta) -> Sequence[TableUpload]:
    """What somebody has uploaded within this time, the newest first."""
    since = database_now() - kept_for
    return list(TableUpload.objects.filter(owner_id=owner_id, created_at__gt=since).defer("content"))


def change_mapping(upload: TableUpload, mapping: TableMapping) -> None:
    """Another mapping, which may be incomplete. Raises WrongState once rows are being imported."""
    if upload.state in (State.IMPORTING, State.DONE):
        raise WrongState(
            gettext("rows of this file have been imported already: upload it again for another mapping")
        )
    changed = TableUpload.objects.filter(pk=upload.pk, state=upload.state).update(
        mapping=mapping.as_json(), state=State.MAPPING, parts=0, next_part=0, bad_rows=0
    )
    if not changed:
        raise WrongState(gettext("this upload has been changed meanwhile"))
    TableUploadPart.objects.filter(upload=upload.pk).delete()
    upload.refresh_from_db(fields=["mapping", "state", "parts", "next_part", "bad_rows"])


def guess_again(upload: TableUpload, *, zone: str, **known: Any) -> Guess:
    """What would be guessed, with these parts said. Raises UnreadableFile or ValidationError."""
    return guess_table(BytesIO(upload.content), zone=zone, charset=upload.charset, **known)


def columns_of(upload: TableUpload, mapping: TableMapping) -> tuple[list[str], dict[str, str]]:
    """The columns that there are, in the row that the mapping says, and the first value of each. Raises UnreadableFile."""
    table = _table(upload, mapping)
    first: dict[str, str] = {}
    for row in islice((row for row in table.rows if row.broken is None), PART_ROWS):
        for name, cell in zip(table.columns, row.cells, strict=False):
            if name not in first and not isinstance(cell, Unusable) and (text := as_text(cell)):
                first[name] = text
        if len(first) == len(table.columns):
            break
    return table.columns, first


def preview(upload: TableUpload, mapping: TableMapping) -> list[PreviewedRow]:
    """The first ten rows under the mapping. Raises UnreadableFile."""
    return preview_rows(mapped_rows(_table(upload, mapping), mapping), mapping)


def _table(upload: TableUpload, mapping: TableMapping) -> Table:
    return below(_all_rows(upload, mapping), mapping.header_row)


def _all_rows(upload: TableUpload, mapping: TableMapping) -> Iterator[TableRow]:
    charset = mapping.charset or upload.charset
    return open_rows(
        BytesIO(upload.content), charset=charset, separator=mapping.separator, sheet=mapping.sheet
    ).rows


@atomically
def start_check(upload: TableUpload) -> None:
    """Divides the table into parts, of which none is checked yet. Raises UnreadableFile, WrongState or ValidationError."""
    locked = _locked(upload)
    if locked.state != State.MAPPING:
        raise WrongState(gettext("the rows of this upload are being checked already"))
    mapping = checked_mapping(locked.mapping)
    table = _table(locked, mapping)
    check_columns(table, mapping)
    number = total = 0
    rows = (row for row in table.rows if not row.blank)
    header = TableRow(mapping.header_row, list(table.columns))
    while portion := list(islice(rows, PART_ROWS)):
        total += len(portion)
        if total > MAX_TABLE_ROWS:
            message = gettext(
                "no more than %(max_table_rows)s rows are read by this page: use manage.py import_assignments"
            ) % {"max_table_rows": f"{MAX_TABLE_ROWS:,}"}
            raise UnreadableFile(message)
        TableUploadPart.objects.create(upload=locked, number=number, rows=packed_rows([header, *portion]))
        number += 1
    if not number:
        raise UnreadableFile(gettext("the table has no rows below its columns"))
    TableUpload.objects.filter(pk=locked.pk).update(
        state=State.CHECKING, rows=total, parts=number, next_part=0, bad_rows=0
    )


@atomically
def start_import(upload: TableUpload, *, by: str) -> None:
    """Begins to write the rows that were found good. Raises WrongState."""
    locked = _locked(upload)
    if locked.state != State.CHECKED:
        raise WrongState(gettext("the rows of this upload are not checked, or imported already"))
    if locked.bad_rows >= locked.rows:
        raise WrongState(gettext("no row of this file is accepted: correct it and upload it again"))
    record(
        "import_table",
        by=by,
        reason="",
        selection={"upload": locked.pk, "file": locked.name, "rows": locked.rows, "refused": locked.bad_rows},
        before={},
        after={"mapping": locked.mapping},
    )
    TableUpload.objects.filter(pk=locked.pk).update(state=State.IMPORTING, next_part=0)


def advance(upload: TableUpload, *, by: str, scope: TeamScope, budget: timedelta) -> None:
    """Checks or imports parts for about so long. `upload` shows how far it has come then."""
    over = time.monotonic() + budget.total_seconds()
    while _step(upload, by=by, scope=scope) and time.monotonic() < over:
        pass
    upload.refresh_from_db(fields=[one.name for one in TableUpload._meta.fields if one.name != "content"])


@atomically
def _step(upload: TableUpload, *, by: str, scope: TeamScope) -> bool:
    """The next part, in one transaction; False where nothing is left to do."""
    locked = _locked(upload, with_content=False)
    if locked.state not in (State.CHECKING, State.IMPORTING):
        return False
    part = TableUploadPart.objects.get(upload=locked.pk, number=locked.next_part)
    mapping = checked_mapping(locked.mapping)
    header, *rows = unpacked_rows(part.rows)
    parsed = list(mapped_rows(Table(named(header.cells), iter(rows)), mapping))
    if locked.state == State.CHECKING:
        _check(locked, part, parsed, mapping, scope=scope)
    else:
        _import(locked, part, parsed, mapping, by=by, scope=scope)
    locked.next_part += 1
    if locked.next_part == locked.parts:
        done = locked.state == State.IMPORTING
        locked.state = State.DONE if done else State.CHECKED
        if done:
            record("finish_import", by=by, reason="", selection={"upload": locked.pk}, after=_counts(locked))
    counted = ("rows_created", "rows_updated", "rows_unchanged", "bad_rows", "first_start", "last_start")
    locked.save(update_fields=["state", "next_part", *counted])
    return locked.state in (State.CHECKING, State.IMPORTING)


def _check(
    upload: TableUpload,
    part: TableUploadPart,
    parsed: Sequence[ParsedRow],
    mapping: TableMapping,
    *,
    scope: TeamScope,
) -> None:
    good = [(normalized(one.reference or ""), one.number) for one in parsed if isinstance(one, ImportRow)]
    repeated = list(_repeated(upload, part, good))
    left_out = {one.row for one in repeated}
    candidates = [one for one in parsed if not isinstance(one, ImportRow) or one.number not in left_out]
    _, errors = import_portion(candidates, skip_bad=True, dry_run=True, scope=scope)
    found = with_columns([*errors, *repeated], mapping)
    bad = {one.row for one in found}
    upload.bad_rows += len(bad)
    part.references = {reference: number for reference, number in good if number not in bad}
    part.errors = packed_errors(sorted(found, key=lambda one: one.row)) if found else b""
    part.save(update_fields=["references", "errors"])


def _repeated(
    upload: TableUpload, part: TableUploadPart, good: Sequence[tuple[str, int]]
) -> Iterator[RowError]:
    """References that an earlier part has too; those of one part are found by the import."""
    earlier = TableUploadPart.objects.filter(
        upload=upload.pk,
        number__lt=part.number,
        references__has_any_keys=[reference for reference, _ in good],
    )
    there = {key: row for known in earlier.values_list("references", flat=True) for key, row in known.items()}
    for reference, number in good:
        if reference in there:
            yield repeated_reference(number, reference, first=there[reference])


def _import(
    upload: TableUpload,
    part: TableUploadPart,
    parsed: Sequence[ParsedRow],
    mapping: TableMapping,
    *,
    by: str,
    scope: TeamScope,
) -> None:
    """Rows that the check has found bad are left out; what is bad only now is so too, and counted."""
    known = unpacked_errors(part.errors)
    refused = {one.row for one in known}
    rows = [one for one in parsed if isinstance(one, ImportRow) and one.number not in refused]
    done, errors = import_portion(rows, skip_bad=True, scope=scope, actor=Actor.ops(by))
    if errors:
        upload.bad_rows += len({one.row for one in errors})
        part.errors = packed_errors([*known, *with_columns(errors, mapping)])
        part.save(update_fields=["errors"])
    left_out = {one.row for one in errors}
    starts = [one.values["scheduled_start"] for one in rows if one.number not in left_out]
    upload.first_start = min(filter(None, [upload.first_start, *starts]), default=None)
    upload.last_start = max(filter(None, [upload.last_start, *starts]), default=None)
    upload.rows_created += done.created
    upload.rows_updated += done.updated
    upload.rows_unchanged += done.unchanged


def errors_of(upload: TableUpload) -> Iterator[RowError]:
    """All errors, by row."""
    parts = TableUploadPart.objects.filter(upload=upload.pk).order_by("number")
    for stored in parts.values_list("errors", flat=True).iterator(chunk_size=10):
        yield from unpacked_errors(stored)


def discard_upload(upload: TableUpload) -> None:
    """Forgets the file; what was imported of it stays."""
    TableUpload.objects.filter(pk=upload.pk).delete()


def _counts(upload: TableUpload) -> dict[str, int]:
    return {
        "created": upload.rows_created,
        "updated": upload.rows_updated,
        "unchanged": upload.rows_unchanged,
        "refused": upload.bad_rows,
    }


def _locked(upload: TableUpload, *, with_content: bool = True) -> TableUpload:
    """The upload as it is, locked. Raises UnknownUpload."""
    rows = TableUpload.objects.select_for_update().filter(pk=upload.pk)
    found = (rows if with_content else rows.defer("content")).first()
    if found is None:
        raise UnknownUpload(
            gettext("there is no upload %(pk)s: files are removed after some days") % {"pk": upload.pk}
        )
    return found
