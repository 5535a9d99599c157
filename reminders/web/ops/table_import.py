"""An import by page: a file, what its columns mean, a check of every row, and then the import. Each step is a POST."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from assignments import instants
from assignments.import_models import ImportMapping, TableUpload
from assignments.imports.error_table import error_lines
from assignments.imports.mappings import UnknownMapping, find_mapping
from assignments.imports.rows import UnreadableFile
from assignments.imports.tables.guessing import MappingQuestion
from assignments.imports.tables.mapping import TableMapping, checked_mapping
from assignments.imports.text_files import CHARSETS, NotInCharset, python_charset
from assignments.models import Team
from assignments.services import Refused
from assignments.team_scope import TeamScope
from assignments.validators import default_time_zone
from assignments.wording import quoted
from reminders import conf
from reminders.insight.stored_words import fault_in_words
from reminders.operations import import_mappings, table_uploads
from reminders.operations.table_uploads import UnknownUpload
from reminders.web.ops import mapping_form
from reminders.web.ops.page import page, page_context, show
from reminders.web.team_limits import TeamAccess, scope_of
from webserver.uploads import OneFileInMemory

BUDGET = timedelta(seconds=2)
"""How long one request checks or imports rows; the page asks for the next one."""

ERRORS_SHOWN = 20
COMMON_CHARSETS = ("utf-8", "cp1252", "iso8859-1", "iso8859-15", "iso8859-2", "cp1250", "cp1251")


@csrf_exempt
@page(operator=True, limit=TeamAccess.NARROWS)
def imports(request: HttpRequest) -> HttpResponseBase:
    """The page on which an import begins. Only here a form may hold a file, and only that of an operator.

    The token of the form is looked at once it is known how its file is read (Django manual, "Modifying upload handlers on
    the fly").
    """
    request.upload_handlers = [OneFileInMemory(request)]
    answer: HttpResponseBase = csrf_protect(_imports)(request)
    return answer


def _imports(request: HttpRequest) -> HttpResponseBase:
    scope = scope_of(request.user)
    error, charset = "", request.POST.get("charset", "utf-8")
    if request.method == "POST":
        try:
            made = _uploaded(request, scope)
        except NotInCharset as refusal:
            error, charset = _with_another_charset(refusal, charset)
        except (UnreadableFile, UnknownMapping) as refusal:
            error = fault_in_words(str(refusal))
        except ValidationError as refusal:
            error = " ".join(refusal.messages)
        else:
            return HttpResponseRedirect(reverse("ops:import", args=[made.pk]))
    kept_for = conf.current().retention.uploads
    context = {
        "error": error,
        "charset": charset,
        "mapping": request.POST.get("mapping", ""),
        "kept_days": kept_for.days,
        "uploads": table_uploads.uploads_of(_owner(request), kept_for=kept_for),
        "mappings": ImportMapping.objects.visible_to(scope).order_by("name"),
        "charsets": [name for name in COMMON_CHARSETS if name in CHARSETS],
    }
    return show(request, "imports", context, status=400 if error else 200)


def _with_another_charset(refusal: NotInCharset, charset: str) -> tuple[str, str]:
    """What to say of a file that is not in the charset, and the one that the form proposes next."""
    if refusal.charset != "utf-8":
        return str(refusal), charset
    message = gettext(
        "This file is not in UTF-8. Excel writes CSV files in Windows-1252 in many countries: choose the file again, "
        "that encoding is chosen now. Or save it in Excel as “CSV UTF-8”, or as .xlsx."
    )
    return message, "cp1252"


def _owner(request: HttpRequest) -> int:
    owner: int = request.user.pk or 0
    return owner


def _uploaded(request: HttpRequest, scope: TeamScope) -> TableUpload:
    file = request.FILES.get("file")
    if file is None or not file.size:
        raise UnreadableFile(gettext("a file is needed: a table as CSV or XLSX"))
    charset = python_charset(request.POST.get("charset", "utf-8"))
    name = request.POST.get("mapping", "").strip()
    mapping = find_mapping(name, scope=scope) if name else None
    return table_uploads.start_upload(
        _owner(request),
        name=str(file.name),
        content=file.read(),
        charset=charset,
        zone=_zone(scope),
        kept_for=conf.current().retention.uploads,
        mapping=mapping,
    )


def _zone(scope: TeamScope) -> str:
    """The zone that is proposed: that of the only team, else the installation's."""
    team = None if scope.only_team is None else Team.objects.filter(pk=scope.only_team).first()
    return default_time_zone() if team is None else team.time_zone


@page(operator=True, limit=TeamAccess.NARROWS)
def table_import(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One upload: its mapping with a preview, or how far it has come."""
    upload = _found(request, pk)
    if request.method != "POST":
        return _shown(request, upload)
    act = ACTS.get("preview" if "answer" in request.POST else request.POST.get("action", ""))
    if act is None:
        raise Http404(gettext("There is no such step of an import."))
    try:
        return act(request, upload)
    except (UnreadableFile, Refused) as refusal:
        messages.error(request, fault_in_words(str(refusal)))
    except ValidationError as refusal:
        _tell(request, refusal)
    return _back(upload)


def _found(request: HttpRequest, pk: int) -> TableUpload:
    try:
        return table_uploads.find_upload(pk, owner_id=_owner(request))
    except UnknownUpload as unknown:
        raise Http404(str(unknown)) from unknown


def _back(upload: TableUpload) -> HttpResponse:
    return HttpResponseRedirect(reverse("ops:import", args=[upload.pk]))


def _tell(request: HttpRequest, refusal: ValidationError) -> None:
    for part, said in refusal.message_dict.items():
        messages.error(request, f"{part.replace('_', ' ')}: {' '.join(said)}")


def _shown(request: HttpRequest, upload: TableUpload) -> HttpResponse:
    if upload.state != TableUpload.State.MAPPING:
        return show(request, "import", _progress(upload))
    mapping = checked_mapping(upload.mapping, complete=False)
    context: dict[str, Any] = {
        "upload": upload,
        "mapping": mapping,
        "questions": (),
        "preview": (),
        "lines": (),
    }
    try:
        context |= _mapping_context(request, upload, mapping)
    except UnreadableFile as refusal:
        context["problem"] = fault_in_words(str(refusal))
    return show(request, "import", context)


def _mapping_context(request: HttpRequest, upload: TableUpload, mapping: TableMapping) -> dict[str, Any]:
    zone = _zone(scope_of(request.user))
    guess = table_uploads.guess_again(upload, zone=zone, **_said(mapping))
    questions = list(guess.questions)
    context: dict[str, Any] = {
        "labels": mapping_form.LABELS.items(),
        "date_formats": mapping_form.DATE_FORMATS,
        "units": mapping_form.UNITS,
        "decimals": mapping_form.DECIMALS,
        "separators": mapping_form.SEPARATORS,
        "charsets": [name for name in COMMON_CHARSETS if name in CHARSETS],
        "zones": mapping_form.zones(),
        "constants": [
            (name, label, mapping.constants.get(name, "")) for name, label in mapping_form.CONSTANTS
        ],
        "sheets": next((one.choices for one in questions if one.part == "sheet"), ()),
        "questions": questions,
        "answerable": mapping_form.ANSWERABLE,
        "shown_zone": mapping.zone or timezone.get_default_timezone_name(),
    }
    if context["sheets"]:
        return context
    columns, values = table_uploads.columns_of(upload, mapping)
    context["lines"] = mapping_form.lines_of(columns, values, mapping)
    if gone := sorted(mapping.used - set(columns)):
        names = ", ".join(map(quoted, gone[:10]))
        message = gettext(
            "The file has no column %(names)s, which the mapping names: say which columns take their place."
        ) % {"names": names}
        questions.append(MappingQuestion("columns", message))
    try:
        checked_mapping(upload.mapping)
    except ValidationError as refusal:
        asked = {one.part for one in questions}
        missing = [
            MappingQuestion(part, " ".join(said))
            for part, said in refusal.message_dict.items()
            if part not in asked
        ]
        # A question about the title or the start says the same as what the mapping lacks.
        context["questions"] = questions or missing
        return context
    if not questions:
        context["preview"] = table_uploads.preview(upload, mapping)
    return context


def _said(mapping: TableMapping) -> dict[str, Any]:
    """The parts of the mapping that need not be asked about."""
    said = {
        name: getattr(mapping, name)
        for name in mapping_form.TEXTS
        if name not in ("charset", "decimal", "zone")
    }
    return {
        **said,
        "columns": mapping.columns,
        "constants": mapping.constants,
        "header_row": mapping.header_row,
    }


# --- what can be done with an upload ---


def _change(request: HttpRequest, upload: TableUpload) -> TableMapping:
    """Stores the mapping that the form says; where other columns are meant, it is guessed anew."""
    present = checked_mapping(upload.mapping, complete=False)
    wanted = checked_mapping(mapping_form.values_of(request.POST, present), complete=False)
    if _has_other_columns(wanted, present):
        named = {name: getattr(wanted, name) for name in mapping_form.STRUCTURE}
        said = {name: value for name, value in named.items() if value is not None}
        upload.charset = wanted.charset or upload.charset
        wanted = table_uploads.guess_again(
            upload, zone=wanted.zone or _zone(scope_of(request.user)), **said
        ).mapping
    table_uploads.change_mapping(upload, wanted)
    return wanted


def _has_other_columns(one: TableMapping, other: TableMapping) -> bool:
    """Whether the two find the columns at different places of the file."""
    return any(getattr(one, name) != getattr(other, name) for name in mapping_form.STRUCTURE)


def _preview(request: HttpRequest, upload: TableUpload) -> HttpResponse:
    _change(request, upload)
    return _back(upload)


def _check(request: HttpRequest, upload: TableUpload) -> HttpResponse:
    before = checked_mapping(upload.mapping, complete=False)
    wanted = _change(request, upload)
    if _has_other_columns(wanted, before):
        return _back(upload)  # Other columns are shown first.
    checked_mapping(wanted.as_json())
    table_uploads.start_check(upload)
    return _step(request, upload)


def _save(request: HttpRequest, upload: TableUpload) -> HttpResponse:
    wanted = _change(request, upload)
    scope = scope_of(request.user)
    saved, _ = import_mappings.save_import_mapping(
        request.POST.get("mapping_name", ""), wanted.as_json(), by=request.user.get_username(), scope=scope
    )
    messages.success(request, gettext("The mapping is saved as “%(name)s”.") % {"name": saved.name})
    return _back(upload)


def _edit(request: HttpRequest, upload: TableUpload) -> HttpResponse:
    table_uploads.change_mapping(upload, checked_mapping(upload.mapping, complete=False))
    return _back(upload)


def _import(request: HttpRequest, upload: TableUpload) -> HttpResponse:
    table_uploads.start_import(upload, by=request.user.get_username())
    return _step(request, upload)


def _step(request: HttpRequest, upload: TableUpload) -> HttpResponse:
    """Checks or imports the next rows. The script takes the part of the page that shows it."""
    table_uploads.advance(upload, by=request.user.get_username(), scope=scope_of(request.user), budget=BUDGET)
    if "HX-Request" in request.headers:
        return render(
            request, "ops/parts/import_progress.html", {**page_context(request), **_progress(upload)}
        )
    return _back(upload)


def _discard(request: HttpRequest, upload: TableUpload) -> HttpResponse:
    table_uploads.discard_upload(upload)
    messages.success(
        request, gettext("“%(name)s” is removed. What was imported of it stays.") % {"name": upload.name}
    )
    return HttpResponseRedirect(reverse("ops:imports"))


ACTS: dict[str, Callable[[HttpRequest, TableUpload], HttpResponse]] = {
    "preview": _preview,
    "check": _check,
    "save": _save,
    "edit": _edit,
    "import": _import,
    "step": _step,
    "discard": _discard,
}


def _progress(upload: TableUpload) -> dict[str, Any]:
    errors = []
    if upload.bad_rows and upload.state in (TableUpload.State.CHECKED, TableUpload.State.DONE):
        for one, _ in zip(table_uploads.errors_of(upload), range(ERRORS_SHOWN), strict=False):
            errors.append(one)
    return {
        "upload": upload,
        "good": upload.rows - upload.bad_rows,
        "percent": 100 * upload.next_part // upload.parts if upload.parts else 0,
        "errors": errors,
        "work": _work_of(upload),
        "running": upload.state in (TableUpload.State.CHECKING, TableUpload.State.IMPORTING),
    }


def _work_of(upload: TableUpload) -> str:
    """The query of the list that shows the days of what was imported."""
    first, last = upload.first_start, upload.last_start
    if first is None or last is None:
        return urlencode({"when": "future"})
    span = {
        "starts_after": instants.shown(first),
        "starts_before": instants.shown(last + timedelta(seconds=1)),
    }
    return urlencode({"when": "any", **span})


@page(operator=True, limit=TeamAccess.NARROWS)
def errors_file(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Every error of an upload as a table, in the encoding in which spreadsheets expect one."""
    if request.method == "POST":
        return HttpResponseNotAllowed(["GET", "HEAD"])
    upload = _found(request, pk)
    lines = error_lines(table_uploads.errors_of(upload))
    headers = {"Content-Disposition": f'attachment; filename="errors-{upload.pk}.csv"'}
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)


@page(operator=True, limit=TeamAccess.NARROWS)
def remove_mapping(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Removes a saved mapping."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        import_mappings.remove_import_mapping(
            pk, by=request.user.get_username(), scope=scope_of(request.user)
        )
    except UnknownMapping as unknown:
        raise Http404(str(unknown)) from unknown
    messages.success(request, gettext("The mapping is removed."))
    return HttpResponseRedirect(reverse("ops:imports"))
