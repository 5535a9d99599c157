"""docs/templates.md says what the code knows, and nothing else."""

import re
from pathlib import Path

from reminders.content.message_templates import checks, custom_text, syntax
from reminders.content.message_templates.filters import FILTERS
from reminders.content.message_templates.variables import Kind, TextForm, variables

PAGE = Path("docs/templates.md").read_text()


def names_of(kind: Kind) -> set[str]:
    section = PAGE.split(f"### {kind.label} (`{kind.value}`)\n")[1].split("\n#")[0]
    return set(re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE))


def test_each_kind_has_its_table_of_values():
    for kind in Kind:
        assert names_of(kind) == {name for form in TextForm for name in variables(kind, form)}


def test_every_filter_is_there():
    section = PAGE.split("## Filters\n")[1]
    assert set(re.findall(r"\\\|([a-z]+)", section)) == set(FILTERS)


def test_the_bounds_are_those_of_the_code():
    for number in (
        syntax.MOST_NESTED,
        syntax.MOST_VALUES,
        checks.MOST_OF_SUBJECT,
        *checks.MOST_OF_BODY.values(),
        custom_text.LONGEST_SUBJECT,
        custom_text.LONGEST_TEXT,
    ):
        assert re.search(rf"(?<![0-9,]){number:,}(?![0-9])", PAGE), number
