"""The texts that operators have written: which are in use, which are not, and which cannot be."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.db.models import F, Max, OuterRef, Q, QuerySet, Subquery

from assignments.team_scope import EVERYTHING, TeamScope
from reminders.content.languages import stored_code
from reminders.insight.template_use import problem_in_force
from reminders.models import MessageTemplate, TemplateVersion


class TextState(StrEnum):
    """What a stored text is doing."""

    IN_USE = "in_use"
    OFF = "off"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredText:
    """A template with the version in force, or, where none is, its newest; `newest` is the number of that.

    `problem` says what is wrong with it, in line and column, where its messages have the built-in text.
    """

    template: MessageTemplate
    version: TemplateVersion
    newest: int
    state: TextState
    problem: str = ""


def stored_texts(
    *,
    scope: TeamScope = EVERYTHING,
    kind: str = "",
    channel: str = "",
    language: str = "",
    team_id: int | None = None,
    pk: int | None = None,
) -> list[StoredText]:
    """Those that this caller sees, by kind, channel, language and team; '' and None: any."""
    wanted = {
        "kind": kind,
        "channel": channel,
        "language": stored_code(language),
        "team_id": team_id,
        "pk": pk,
    }
    found = MessageTemplate.objects.visible_to(scope).filter(
        **{name: value for name, value in wanted.items() if value not in ("", None)}
    )
    return [_stored(template, version) for template, version in _with_version(found)]


def stored_languages(scope: TeamScope = EVERYTHING) -> list[str]:
    """The languages that this caller sees texts in."""
    found = MessageTemplate.objects.visible_to(scope).order_by("language")
    return list(found.values_list("language", flat=True).distinct())


def stored_text(pk: int, scope: TeamScope = EVERYTHING) -> StoredText | None:
    """That with this id; None where the caller sees none."""
    return next(iter(stored_texts(scope=scope, pk=pk)), None)


def _with_version(
    templates: QuerySet[MessageTemplate],
) -> Sequence[tuple["MessageTemplate", TemplateVersion]]:
    listed = list(
        templates.select_related("team")
        .annotate(newest=Max("versions__number"))
        .order_by("kind", "channel", "language", F("team__name").asc(nulls_first=True))
    )
    newest = TemplateVersion.objects.filter(template=OuterRef("template")).order_by("-number")
    shown = TemplateVersion.objects.filter(template__in=listed).filter(
        Q(number=F("template__active_number"))
        | Q(template__active_number=None, number=Subquery(newest.values("number")[:1]))
    )
    by_template = {version.template_id: version for version in shown}
    return [(one, by_template[one.pk]) for one in listed if one.pk in by_template]


def _stored(template: MessageTemplate, version: TemplateVersion) -> StoredText:
    newest: int = getattr(template, "newest")  # noqa: B009 - annotated by the query
    if template.active_number is None:
        return StoredText(template=template, version=version, newest=newest, state=TextState.OFF)
    problem = problem_in_force(template, version)
    state = TextState.BROKEN if problem else TextState.IN_USE
    return StoredText(template=template, version=version, newest=newest, state=state, problem=problem)
