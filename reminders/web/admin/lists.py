"""Lists that stay fast over millions of rows, and pages that can only be read."""

import re
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.admin.widgets import AutocompleteMixin, AutocompleteSelect, AutocompleteSelectMultiple
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst

from reminders.insight.explain.wording import moment
from reminders.insight.stored_words import fault_in_words, reason_in_words
from reminders.web.admin.labels import LABELS, label
from reminders.web.team_limits import TeamAccess, scope_of
from reminders.web.templatetags import ops

if TYPE_CHECKING:
    AnyAdmin = admin.ModelAdmin[Any]
    AnyInline = admin.TabularInline[Any, Any]
    AnyModelForm = forms.ModelForm[Any]
    AnyPaginator = Paginator[Any]
else:  # Django's own classes take no parameters.
    AnyAdmin, AnyInline, AnyModelForm, AnyPaginator = (
        admin.ModelAdmin,
        admin.TabularInline,
        forms.ModelForm,
        Paginator,
    )

MAX_COUNTED = 10_001
"""A list counts its rows up to here; a filter narrows a longer one down."""


class CappedPaginator(AnyPaginator):
    """Counts no more rows than anybody pages through."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        assert isinstance(rows, QuerySet)
        return int(rows.order_by()[:MAX_COUNTED].count())


KEY = re.compile(r"[0-9]{1,18}")


class _KeysOnly(AutocompleteMixin):
    """What was sent and is no key is nothing that was selected; Django would look it up, and answer 500."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        keys = [one for one in value if not one or KEY.fullmatch(str(one))]
        return super().optgroups(name, keys, attr)


class _OneOfMany(_KeysOnly, AutocompleteSelect):
    pass


class _SomeOfMany(_KeysOnly, AutocompleteSelectMultiple):
    pass


class FastAdmin(AnyAdmin):
    """A list whose cost does not grow with the table."""

    team_limit = TeamAccess.REFUSES
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    list_per_page = 50

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        # PostgreSQL refuses a text with a NUL; no row has such a key.
        return None if "\x00" in object_id else super().get_object(request, object_id, from_field)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in LABELS:
            kwargs.setdefault("label", LABELS[db_field.name])
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The values of an enum in words."""
        field: Any = super().formfield_for_choice_field(db_field, request, **kwargs)
        field.choices = [
            (value, capfirst(ops.word(value)) if value else name) for value, name in field.choices
        ]
        return field

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", _OneOfMany(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", _SomeOfMany(db_field, self.admin_site))
        return super().formfield_for_manytomany(db_field, request, **kwargs)


class NarrowedAdmin(AnyAdmin):
    """Shows people who are limited to teams only what is in their scope: `visible_to` of its model's rows."""

    team_limit = TeamAccess.NARROWS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: Any = super().get_queryset(request)
        narrowed: QuerySet[Any] = rows.visible_to(scope_of(request.user))
        return narrowed

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A form names nobody and no team out of sight."""
        rows = db_field.remote_field.model._default_manager
        if hasattr(rows, "visible_to"):
            kwargs["queryset"] = rows.visible_to(scope_of(request.user))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class CodeFilter(admin.ChoicesFieldListFilter):
    """Filters by the values of an enum, in words."""

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield first
        for (word, _), choice in zip(self.field.flatchoices, others, strict=False):
            yield {**choice, "display": capfirst(ops.word(word))}


class ActionFilter(admin.AllValuesFieldListFilter):
    """Filters by the values that a column has, in words."""

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield first
        for choice in others:
            yield {**choice, "display": capfirst(ops.word(choice["display"]))}


@cache
def code(name: str) -> Any:
    """A column that shows the value of an enum in words. The same one for the same name."""

    @admin.display(description=label(name), ordering=name)
    def show(row: Model) -> str:
        value = str(getattr(row, name))
        return ops.word(value) if value else "-"

    return show


def fault(name: str) -> Any:
    """A column that shows what was wrong, in the reader's language."""
    return _in_words(name, fault_in_words)


def reason(name: str, *, ordering: str | None = None) -> Any:
    """A column that shows why something was done, in the reader's language where the system did it."""
    return _in_words(name, reason_in_words, ordering)


@cache
def _in_words(name: str, words: Callable[[str], str], ordering: str | None = None) -> Any:
    @admin.display(description=label(name), ordering=ordering)
    def show(row: Model) -> str:
        return words(getattr(row, name)) or "-"

    return show


@cache
def who(name: str) -> Any:
    """A column that shows who did something, or gets it. The same one for the same name."""

    @admin.display(description=label(name), ordering=name)
    def show(row: Model) -> str:
        return ops.actor(str(getattr(row, name))) or "-"

    return show


@cache
def instant(name: str, called: str = "") -> Any:
    """A column that shows an instant to the second, with the name of the zone. The same one for the same name."""

    @admin.display(description=called or label(name), ordering=name, empty_value="-")
    def show(row: Model) -> str:
        return moment(getattr(row, name))

    return show


class RecordAdmin(FastAdmin):
    """Rows that the system writes and people read. People who are limited to teams do not see that there are any."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        seen = self.team_limit is TeamAccess.NARROWS or not scope_of(request.user).limited
        return seen and super().has_module_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        seen = self.team_limit is TeamAccess.NARROWS or not scope_of(request.user).limited
        return seen and super().has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
