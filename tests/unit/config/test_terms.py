"""One word for one thing in each language: the catalogues keep to the terms of docs/translation.md, and are polite."""

import re
from collections.abc import Iterator

import pytest

from config.devstack import translations
from config.devstack.translations import ROOT

LIST = ROOT / "docs/translation.md"
CODES = re.compile(r"%\([a-z_0-9]+\)s|\{[^}]*\}|<[^>]*>|\S*[_/.]\S+|`[^`]*`|\b[A-Z_]{4,}\b")
"""What is in no language: placeholders, tags, addresses, names of settings and of parts of the program."""
FAMILIAR = {
    "de": re.compile(r"\b(du|dich|dir|dein\w*|euch|euer|eure\w*)\b", re.IGNORECASE),
    "es": re.compile(r"\b(tú|te|ti|tu|tus|vosotr\w+|vuestr\w+)\b", re.IGNORECASE),
    "fr": re.compile(r"\b(tu|toi|ton|ta|tes)\b", re.IGNORECASE),
}


def terms() -> dict[str, dict[str, list[str]]]:
    """By English term, and by language, the stems of which one must be in a translation of it."""
    rows = [
        line.strip("| \n").split("|")
        for line in LIST.read_text("utf-8").splitlines()
        if line.startswith("| ")
    ]
    head, *body = [[cell.strip() for cell in row] for row in rows]
    return {
        row[0]: {
            language: re.findall(r"`([^`]+)`", cell) for language, cell in zip(head[1:], row[1:], strict=True)
        }
        for row in body
        if not set(row[0]) <= {"-"}
    }


def translated(language: str) -> Iterator[tuple[str, str]]:
    """The texts and their translations, both forms of a plural as one."""
    for catalogue in translations.CATALOGUES:
        for message in translations.read(catalogue, language):
            if message.id:
                yield (
                    CODES.sub("", " ".join(translations.forms(message.id))),
                    " ".join(translations.forms(message.string)),
                )


@pytest.mark.parametrize("language", translations.PLURALS)
def test_a_term_is_translated_by_one_word(language):
    listed = terms()
    assert len(listed) > 15
    others = [
        f"{term}: {text[:70]} -> {string[:70]}"
        for text, string in translated(language)
        for term, stems in listed.items()
        if re.search(rf"\b{term}s?\b", text, re.IGNORECASE)
        and not any(stem.lower() in string.lower() for stem in stems[language])
    ]
    assert others == []


@pytest.mark.parametrize("language", translations.PLURALS)
def test_people_are_addressed_politely(language):
    assert [string for _, string in translated(language) if FAMILIAR[language].search(string)] == []
