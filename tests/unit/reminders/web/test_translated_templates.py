"""Whatever templates for operators say is marked for translation."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
FOLDERS = (
    "reminders/web/templates/ops",
    "reminders/web/templates/admin",
    "accounts/templates/admin",
)
TEMPLATES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.html"))

MARKED = re.compile(r"{%\s*blocktrans(?:late)?\b.*?{%\s*endblocktrans(?:late)?\s*%}", re.DOTALL)
CODE = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}", re.DOTALL)
TAG = re.compile(r"<[/!a-zA-Z](?:[^<>\"']|\"[^\"]*\"|'[^']*')*>")
SPOKEN = re.compile(r'\s(?:aria-label|placeholder|title|alt)="([^"]*)"')
FILTERS = re.compile(r"\|(?:default|yesno|pluralize|default_if_none):(\"[^\"]*\"|'[^']*')")
LETTERS = re.compile(r"[A-Za-z]{2,}")


def unmarked(template: str) -> list[str]:
    """The pieces of text in this template that would be shown in English to everybody."""
    code: list[str] = []

    def kept(found: re.Match[str]) -> str:
        code.append(found[0])
        return f"\0{len(code) - 1}\0"

    rest = CODE.sub(kept, MARKED.sub("", template))
    pieces = [*SPOKEN.findall(rest), *TAG.split(rest)]
    shown = [code[int(number)] for piece in pieces for number in re.findall(r"\0(\d+)\0", piece)]
    words = [re.sub(r"&\w+;|\0\d+\0", "", piece).strip() for piece in pieces]
    return [one for one in [*FILTERS.findall(" ".join(shown)), *words] if LETTERS.search(one)]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_all_text_of_a_template_is_marked_for_translation(path):
    assert unmarked(path.read_text()) == []


def test_there_are_templates_to_look_at():
    assert len(TEMPLATES) > 50


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("<p>Some words</p>", ["Some words"]),
        ('<p>{% translate "Some words" %}</p>', []),
        ("{% blocktranslate count n=x %}one{% plural %}{{ n }} many{% endblocktranslate %} more", ["more"]),
        ('<a aria-label="Next page" href="/next?a=b">»</a>', ["Next page"]),
        ('<a aria-label="{% translate "Next page" %}" class="{% if a > b %}x y{% endif %}">»</a>', []),
        ('<td>{{ answer|yesno:"yes,no" }} &nbsp;</td>', ['"yes,no"']),
        ('<td>{{ answer|yesno:_("yes,no") }}</td>', []),
        ('<li class="{{ answer|yesno:"good,bad" }}">{{ word }}</li>', []),
        ('<option value="x"{% if a %} selected{% endif %}>{{ word }}</option>', []),
    ],
)
def test_unmarked_text_is_found(template, found):
    assert unmarked(template) == found
