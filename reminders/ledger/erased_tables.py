"""Which columns hold texts in which a person may be named, and what becomes of a row that names them."""

import io
import json
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.backends.db import SessionStore
from django.db.models import CharField, JSONField, Model, TextField

from assignments.history import CALENDAR
from reminders.policy.erased_words import NAMED_FIELDS, NOTES, Eraser

Row = Mapping[str, Any]

ACCOUNTS = frozenset(
    {"auth", "access", "account", "mfa", "socialaccount", "usersessions", "contenttypes", "sites"}
)
"""Apps whose tables are about those who sign in and about programs."""
LEFT = frozenset(
    {
        # Of this person nothing is in them any more; what is in them is other people's.
        *("assignments_assignee", "assignments_contactpoint", "assignments_erasure", "assignments_erasedkey"),
        "assignments_tableuploadpart",  # They go with their upload.
    }
)
LARGEST_UNPACKED = 200_000_000
"""Octets of an uploaded file that are looked through; what is larger is taken to name everybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Whom to take out, and which work is or was theirs."""

    eraser: Eraser
    ids: frozenset[int]
    work: frozenset[int]


@dataclass(frozen=True, slots=True)
class RowChange:
    """What becomes of a row: new values by column, or None: it goes."""

    values: Mapping[str, Any] | None


Rule = Callable[["TextTable", Row, Context], RowChange | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTable:
    """A table, its primary key, and its columns of texts, arrays of texts and JSON. `every`: each row is looked at."""

    name: str
    key: tuple[str, ...]
    texts: Mapping[str, int | None]
    arrays: tuple[str, ...] = ()
    json: tuple[str, ...] = ()
    work: str = ""
    every: bool = False
    rule: Rule | None = field(default=None, repr=False)

    @property
    def batch(self) -> int:
        """Rows that are looked at in one transaction."""
        return 1 if self.name == "assignments_tableupload" else 2_000

    @property
    def columns(self) -> tuple[str, ...]:
        more = (self.work,) if self.work and self.work not in self.key else ()
        return (*self.key, *self.texts, *self.arrays, *self.json, *more, *EXTRA.get(self.name, ()))

    def changed(self, row: Row, context: Context) -> RowChange | None:
        """What becomes of this row; None: nothing."""
        if self.rule is not None:
            return self.rule(self, row, context)
        return changed(self, row, context)


@lru_cache(maxsize=1)
def text_tables() -> tuple[TextTable, ...]:
    """Every table in which a person may be named, by name."""
    found = [_described(model) for model in apps.get_models(include_auto_created=True)]
    return tuple(sorted((one for one in found if one is not None), key=lambda one: one.name))


def _described(model: type[Model]) -> TextTable | None:
    meta = model._meta
    rule = RULES.get(meta.db_table)
    if (
        not meta.managed
        or meta.proxy
        or meta.db_table in LEFT
        or (meta.app_label in ACCOUNTS and rule is None)
    ):
        return None
    key = tuple(str(field.column) for field in meta.pk_fields)
    texts: dict[str, int | None] = {}
    arrays, values = [], []
    for one in meta.concrete_fields:
        column = str(one.column)
        if column in key or (meta.db_table, column) in CODES:
            continue
        if isinstance(one, JSONField):
            values.append(column)
        elif isinstance(one, ArrayField) and isinstance(one.base_field, CharField):
            arrays.append(column)
        elif isinstance(one, CharField | TextField) and not one.choices:
            texts[column] = one.max_length
    if not (texts or arrays or values):
        return None
    columns = {one.column for one in meta.concrete_fields}
    work = "assignment_id" if "assignment_id" in columns else ""
    return TextTable(
        name=meta.db_table,
        key=key,
        texts=texts,
        arrays=tuple(arrays),
        json=tuple(values),
        work="id" if meta.db_table == "assignments_assignment" else work,
        every=meta.db_table in EVERY,
        rule=rule,
    )


def changed(table: TextTable, row: Row, context: Context, *, own: bool | None = None) -> RowChange | None:
    """What the texts of a row are without the person. `own`: whether it is about them; None: if it is about their work."""
    if own is None:
        own = bool(table.work) and row[table.work] in context.work
    eraser = context.eraser
    values: dict[str, Any] = {}
    for name, longest in table.texts.items():
        values[name] = eraser.text(row[name], own=own, longest=longest) if row[name] else row[name]
    for name in table.arrays:
        values[name] = eraser.value(row[name], own=own)
    for name in table.json:
        values[name] = eraser.value(row[name], own=own)
    return _only_new(row, values)


def _only_new(row: Row, values: Mapping[str, Any]) -> RowChange | None:
    new = {name: value for name, value in values.items() if value != row[name]}
    return RowChange(new) if new else None


# --- tables of which more is known -----------------------------------------------------------------------------


def _merged(row: Row, base: RowChange | None, more: Mapping[str, Any]) -> RowChange | None:
    values = dict(base.values or {}) if base else {}
    return _only_new(row, {**values, **more})


def _audit(table: TextTable, row: Row, context: Context) -> RowChange | None:
    """Entries about the person name them by fields, those about their work by what they wrote."""
    selection = row["selection"] if isinstance(row["selection"], dict) else {}
    about = bool(_ids(selection) & context.ids)
    keys = {key for name in ("before", "after") if isinstance(row[name], dict) for key in row[name]}
    work = {key for key in keys if key.isascii() and key.isdigit() and int(key) in context.work}
    base = changed(table, row, context, own=about or bool(work))
    values = dict(base.values or {}) if base else {}
    values.pop("actor", None)  # An account, which may be called as a person is addressed.
    for name in ("before", "after"):
        value = values.get(name, row[name])
        if about:
            value = context.eraser.blanked(value, NAMED_FIELDS)
        if work and isinstance(value, dict):
            value = {
                key: context.eraser.blanked(one, NOTES) if key in work else one for key, one in value.items()
            }
        values[name] = value
    return _only_new(row, values)


def _ids(selection: Mapping[str, Any]) -> set[int]:
    named = (selection.get(name) for name in ("person", "kept", "gone"))
    return {one for one in named if isinstance(one, int)}


def _act(table: TextTable, row: Row, context: Context) -> RowChange | None:
    """What they wrote goes whole; it is history, so that a word stands in its place."""
    theirs = row["actor"] in {f"assignee:{pk}" for pk in context.ids} or row["assignee_id"] in context.ids
    if theirs and row["note"]:
        return _only_new(row, {"note": context.eraser.pseudonym})
    base = changed(table, row, context)
    return (
        RowChange({"note": base.values["note"]}) if base and base.values and "note" in base.values else None
    )


def _change_record(table: TextTable, row: Row, context: Context) -> RowChange | None:
    """What was changed, and who did so only where that is a calendar. The trigger knows the same exception."""
    return _but_accounts(table, row, context, "actor")


def _assignment(table: TextTable, row: Row, context: Context) -> RowChange | None:
    """What is known of the work, and who entered it only where that is a calendar."""
    return _but_accounts(table, row, context, "entered_by")


def _but_accounts(table: TextTable, row: Row, context: Context, name: str) -> RowChange | None:
    """The texts of a row. This column keeps the names of accounts and tokens; people have named calendars."""
    base = changed(table, row, context)
    values = dict(base.values or {}) if base else {}
    if not row[name].startswith(CALENDAR):
        values.pop(name, None)
    return RowChange(values) if values else None


def _admin_log(table: TextTable, row: Row, context: Context) -> RowChange | None:
    """Entries about the person say their name at the time."""
    base = changed(table, row, context)
    about = row["model"] == "assignee" and row["object_id"] in {str(pk) for pk in context.ids}
    return _merged(row, base, {"object_repr": context.eraser.pseudonym} if about else {})


def _stored_response(table: TextTable, row: Row, context: Context) -> RowChange | None:
    """A key that names the person cannot be another one, so the response goes."""
    if context.eraser.names(row["key"]):
        return RowChange(None)
    base = changed(table, row, context)
    values = {
        name: value for name, value in ((base.values if base else None) or {}).items() if name != "caller"
    }
    return RowChange(values) if values else None


def _saved_view(table: TextTable, row: Row, context: Context) -> RowChange | None:
    named = (row["name"], unquote_plus(row["query"]))
    return RowChange(None) if any(map(context.eraser.names, named)) else None


def _session(table: TextTable, row: Row, context: Context) -> RowChange | None:
    """It cannot be written anew without its key; whoever had it signs in again."""
    return RowChange(None) if context.eraser.names(repr(SessionStore().decode(row["session_data"]))) else None


def _upload(table: TextTable, row: Row, context: Context) -> RowChange | None:
    """A file that names the person goes whole, with its parts: it is kept for a day at most."""
    texts = (row["name"], json.dumps(row["mapping"], ensure_ascii=False))
    if any(map(context.eraser.names, texts)):
        return RowChange(None)
    for text in _texts_of_file(bytes(row["content"]), row["charset"]):
        if text is None or context.eraser.names(text):
            return RowChange(None)
    return None


def _texts_of_file(content: bytes, charset: str) -> Iterator[str | None]:
    """The texts of a table or a spreadsheet; None where it cannot be looked through."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        yield content.decode(charset or "utf-8", errors="replace")
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if sum(one.file_size for one in packed.infolist()) > LARGEST_UNPACKED:
                yield None
                return
            for one in packed.infolist():
                yield packed.read(one).decode("utf-8", errors="replace")
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError):
        yield None


def _live_url(table: TextTable, row: Row, context: Context) -> RowChange | None:
    """An address in use that names the person is of no use without them: it is switched off."""
    base = changed(table, row, context)
    hit = base is not None and base.values is not None and "url" in base.values
    return _merged(row, base, {"active": False} if hit else {})


def _team(table: TextTable, row: Row, context: Context) -> RowChange | None:
    """Addresses for questions go; they are checked where they are used."""
    base = changed(table, row, context)
    values = dict(base.values or {}) if base else {}
    return _only_new(
        row, {name: "" if name in ("phone", "reply_to") else one for name, one in values.items()}
    )


def _template_version(table: TextTable, row: Row, context: Context) -> RowChange | None:
    """What was written, not the account that wrote it."""
    base = changed(table, row, context)
    values = {
        name: value for name, value in ((base.values if base else None) or {}).items() if name != "made_by"
    }
    return RowChange(values) if values else None


RULES: Mapping[str, Rule] = {
    "reminders_templateversion": _template_version,
    "reminders_audit": _audit,
    "assignments_assignment": _assignment,
    "assignments_act": _act,
    "assignments_changerecord": _change_record,
    "django_admin_log": _admin_log,
    "reminders_keptanswer": _stored_response,
    "access_savedview": _saved_view,
    "django_session": _session,
    "assignments_tableupload": _upload,
    "assignments_calendarsource": _live_url,
    "reminders_subscription": _live_url,
    "assignments_team": _team,
}
EVERY: Collection[str] = frozenset(
    {"reminders_audit", "django_session", "access_savedview", "assignments_tableupload", "django_admin_log"}
)
"""Tables whose texts are packed, encoded, or named by what they are about: each row is looked at."""
EXTRA: Mapping[str, tuple[str, ...]] = {
    "assignments_tableupload": ("content",),
    "assignments_act": ("assignee_id",),
    "django_admin_log": ("model",),
    "assignments_calendarsource": ("active",),
    "reminders_subscription": ("active",),
}
"""What else a rule reads of a row."""
ELSEWHERE: Mapping[tuple[str, str], str] = {
    ("assignments_act", "assignee_id"): (
        "(SELECT a.assignee_id FROM assignments_assignment a WHERE a.id = t.assignment_id)"
    ),
    ("django_admin_log", "model"): (
        "(SELECT c.model FROM django_content_type c WHERE c.id = t.content_type_id)"
    ),
}
"""Of these, what stands in another table, as an SQL expression."""
CODES = frozenset(
    {
        *(("reminders_reminder", name) for name in ("rule", "recipient", "channel", "message_id")),
        *(("reminders_verification", name) for name in ("address_key", "code_key")),
        *(("reminders_keptanswer", name) for name in ("sent",)),
        *(("reminders_subscription", name) for name in ("secret", "former_secret")),
        ("reminders_ruleschedule", "recipient"),
        ("reminders_digestwindow", "recipient"),
    }
)
"""Columns of keys and codes, which name nobody."""
