"""In which language somebody is written to."""

from collections.abc import Sequence

from django.conf import settings

from notifications.settings_cache import kept_while_settings_stay


def stored_code(tag: str) -> str:
    """A language as texts are stored by it: de-at for de-AT and de_AT."""
    return tag.replace("_", "-").lower()


@kept_while_settings_stay(maxsize=256)
def text_language(language: str) -> str:
    """The language of the texts for a reader of this one: de for de-AT, DEFAULT_LANGUAGE for one that there are none in.

    Its dates and headers are in it too.
    """
    return known_language([language]) or str(settings.DEFAULT_LANGUAGE)


@kept_while_settings_stay(maxsize=256)
def languages_for(language: str) -> tuple[str, ...]:
    """The languages in which a reader of this one takes a text, the best first: de-at and de for de-AT, then
    DEFAULT_LANGUAGE.
    """
    code, found = stored_code(language), []
    while code:
        found.append(code)
        code = code.rpartition("-")[0]
    return tuple(dict.fromkeys((*found, str(settings.DEFAULT_LANGUAGE))))


def known_language(wanted: Sequence[str]) -> str:
    """The first of these for which there are texts, as a code of LANGUAGES; '' if there is none."""
    codes = dict(settings.LANGUAGES)
    for tag in wanted:
        code = stored_code(tag)
        while code and code not in codes:
            code = code.rpartition("-")[0]
        if code:
            return code
    return ""
