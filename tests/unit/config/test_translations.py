"""The catalogues of translated texts are complete, and what is wrong in one is found."""

from pathlib import Path

import pytest

from config.devstack import translations
from config.devstack.translations import TextCatalogue

SOURCES = {
    "texts.py": """
from django.utils.translation import gettext as _, ngettext, pgettext

def say(count):
    _("Hello %(name)s")
    # Translators: in capitals
    f"{pgettext('command word', 'YES')}"
    return ngettext("%(count)s minute", "%(count)s minutes", count) % {"count": count}
""",
    "templates/mail.html": """{% load i18n %}
<p>{% translate "Thank you" %}</p>
{# Translators: a button #}
{% blocktranslate trimmed count counter=number %}
One notice{% plural %}{{ number }} <strong>notices</strong>
{% endblocktranslate %}
""",
    "migrations/0001_texts.py": '_ = print\n_("Never shown")\n',
}
GERMAN = {
    "Hello %(name)s": "Guten Tag, %(name)s",
    "YES": "JA",
    "Thank you": "Vielen Dank",
    "%(count)s minute": ("%(count)s Minute", "%(count)s Minuten"),
    "One notice": ("Eine Meldung", "%(number)s <strong>Meldungen</strong>"),
}


@pytest.fixture
def sample(tmp_path, monkeypatch):
    """A catalogue of two small sources, below a folder of its own."""
    monkeypatch.setattr(translations, "ROOT", tmp_path)
    for name, text in SOURCES.items():
        path = tmp_path / "texts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return TextCatalogue("locale", ("texts",))


def translated(sample, changes=()) -> str:
    """The German catalogue of the sample with all translations, but those of `changes`."""
    catalog = translations.updated(translations.extracted(sample), "de", "")
    strings = {**GERMAN, **dict(changes)}
    for message in catalog:
        if message.id:
            message.string = strings[message.id[0] if isinstance(message.id, tuple) else message.id]
    return translations.as_text(catalog)


def problems(sample, text: str, binary: bytes | None = None) -> list[str]:
    content = translations.compiled(text, "de") if binary is None else binary
    return translations.problems(translations.extracted(sample), "de", text, content)


def test_the_catalogues_of_the_project_are_complete_and_compiled():
    assert list(translations.all_problems()) == []


def test_texts_of_python_and_of_templates_are_found_with_their_context(sample):
    found = {message.id: message.context for message in translations.extracted(sample) if message.id}
    assert found == {
        "Hello %(name)s": None,
        "YES": "command word",
        ("%(count)s minute", "%(count)s minutes"): None,
        "Thank you": None,
        ("One notice", "%(number)s <strong>notices</strong>"): None,
    }


def test_comments_for_translators_are_kept(sample):
    assert "#. Translators: in capitals\n" in translated(sample)
    assert "#. Translators: a button\n" in translated(sample)


def test_a_whole_catalogue_has_no_problem(sample):
    assert problems(sample, translated(sample)) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"Thank you": ""}, "no translation: 'Thank you'"),
        ({"Hello %(name)s": "Guten Tag"}, "other placeholders: 'Hello %(name)s'"),
        ({"Hello %(name)s": "Guten Tag %(nome)s"}, "other placeholders: 'Hello %(name)s'"),
        ({"One notice": ("Eine Meldung", "%(number)s Meldungen")}, "other HTML: 'One notice'"),
        ({"One notice": ("Eine Meldung", "")}, "a form of the plural is missing: 'One notice'"),
        ({"Thank you": "Vielen Dank "}, "other white space at its ends: 'Thank you'"),
    ],
)
def test_a_faulty_translation_is_named(sample, changes, problem):
    assert problems(sample, translated(sample, changes)) == [problem]


def test_a_doubtful_translation_is_named(sample):
    text = translated(sample).replace('msgid "Thank you"', '#, fuzzy\nmsgid "Thank you"')
    assert problems(sample, text) == ["doubtful (fuzzy): 'Thank you'"]


def test_what_is_new_in_a_source_and_what_is_gone_are_named(sample, tmp_path):
    text = translated(sample)
    source = tmp_path / "texts" / "templates" / "mail.html"
    source.write_text(source.read_text().replace("Thank you", "Thanks"))
    assert problems(sample, text) == ["not extracted: 'Thanks'", "in no source any more: 'Thank you'"]


def test_a_compiled_file_that_lags_behind_is_named(sample):
    before = translations.compiled(translated(sample), "de")
    text = translated(sample, {"Thank you": "Danke"})
    assert problems(sample, text, before) == ["compiled file differs from the catalogue"]


def test_an_update_keeps_translations_and_drops_what_is_gone(sample, tmp_path):
    editable, binary = translations.files(sample, "de")
    editable.parent.mkdir(parents=True)
    editable.write_text(translated(sample))
    source = tmp_path / "texts" / "templates" / "mail.html"
    source.write_text(source.read_text().replace("Thank you", "Thanks"))
    assert editable in list(translations.update(sample))
    text = editable.read_text()
    assert problems(sample, text, binary.read_bytes()) == ["no translation: 'Thanks'"]
    assert "Thank you" not in text
    assert 'msgstr "JA"' in text
    assert list(translations.update(sample)) == []


def test_two_translations_of_one_text_are_named(sample, tmp_path, monkeypatch):
    other = TextCatalogue("other/locale", ("texts",))
    monkeypatch.setattr(translations, "CATALOGUES", (sample, other))
    monkeypatch.setattr(translations, "PLURALS", {"de": "(n != 1)"})
    for catalogue, changes in ((sample, {}), (other, {"Thank you": "Danke"})):
        editable, binary = translations.files(catalogue, "de")
        editable.parent.mkdir(parents=True)
        editable.write_text(translated(catalogue, changes))
        binary.write_bytes(translations.compiled(editable.read_text(), "de"))
    assert list(translations.all_problems()) == [
        "other/locale/de/LC_MESSAGES/django.po: translated otherwise in another catalogue: 'Thank you'"
    ]


def test_catalogues_hold_no_path_of_this_machine():
    for catalogue in translations.CATALOGUES:
        for language in translations.PLURALS:
            assert str(Path.home()) not in translations.files(catalogue, language)[0].read_text("utf-8")
