"""What the documents name exists: commands, variables, links and tests."""

import ast
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands, load_command_class

ROOT = Path(settings.BASE_DIR)
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SOURCE = "\n".join((ROOT / "config" / name).read_text() for name in ("settings.py", "reminder_settings.py"))
EXAMPLE = (ROOT / ".env.example").read_text()
READERS = {"text", "whole", "switch", "words", "url", "address", "origin", "email", "choice"}

COMMAND = re.compile(r"manage\.py[ ]+([a-z_]+)")
VARIABLE = re.compile(r"\bREMINDER_[A-Z_]*[A-Z]\b")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
TEST_FILE = re.compile(r"\btests/[\w/]+\.py\b")
OURS = "accounts|assignments|benchmarks|config|deploy|docs|notifications|reminders|requirements|tests"
PATH = re.compile(rf"`((?:{OURS})/[\w./-]*|[\w.-]+\.(?:md|toml|yml)|\.env\.example)`")
CITED = re.compile(r"\bdocs/[\w/-]+\.md(?:#[\w-]+)?")
CITED_DECISION = re.compile(r"\bdocs/decisions/(\d{4})\b")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@cache
def read_by_settings() -> dict[str, str | None]:
    """Each variable that the settings read, with its default as text; None where it is not a constant."""
    found: dict[str, str | None] = {}
    for node in ast.walk(ast.parse(SOURCE)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr not in READERS or ast.unparse(node.func.value) != "env":
            continue
        name = ast.literal_eval(node.args[0])
        default = ""
        if len(node.args) > 1:
            try:
                default = ast.literal_eval(node.args[1])
            except ValueError:
                default = None
        found[name] = written(default)
    return found


def written(default: object) -> str | None:
    """A default as it would stand in an environment."""
    if default is None:
        return None
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, list):
        return ",".join(default)
    return str(default)


def in_example() -> dict[str, str]:
    lines = re.findall(r"^#?([A-Z][A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE)
    return {name: value.strip('"') for name, value in lines}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_command_exists(page: Path) -> None:
    assert set(COMMAND.findall(page.read_text())) <= set(get_commands())


def command_lines(page: Path) -> Iterator[list[str]]:
    """The words of each command that can be pasted into a shell; `test` takes pytest's arguments, whatever they are."""
    for line in re.findall(r"manage\.py ([a-z_]+[^`\n]*)", page.read_text()):
        words = [re.sub(r"^\$[A-Z]+$", "1", word) for word in shlex.split(line, comments=True)]
        if words[0] != "test" and not any("..." in word or word[0] in "[|" for word in words):
            yield words


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_command_accepts_the_options_that_are_shown(page: Path) -> None:
    for name, *arguments in command_lines(page):
        if not arguments:
            continue
        app = get_commands()[name]
        command = load_command_class(app, name) if isinstance(app, str) else app
        shown = vars(command.create_parser("manage.py", name).parse_args(arguments))
        until = shown.get("until")
        assert until is None or until > datetime.now(UTC), f"{arguments}: a range in the past is refused"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_variable_exists(page: Path) -> None:
    assert set(VARIABLE.findall(page.read_text())) <= read_by_settings().keys() & in_example().keys()


def test_the_example_names_what_the_settings_read_and_nothing_else_of_reminders() -> None:
    assert read_by_settings().keys() <= in_example().keys()
    ours = {name for name in in_example() if name.startswith("REMINDER_")}
    assert ours == {name for name in read_by_settings() if name.startswith("REMINDER_")}


def test_no_variable_stands_in_the_example_twice() -> None:
    names = re.findall(r"^#?([A-Z][A-Z_]+)=", EXAMPLE, re.MULTILINE)
    assert sorted(names) == sorted(set(names))


def test_the_defaults_of_the_example_are_those_of_the_settings() -> None:
    shown = in_example()
    for name, default in read_by_settings().items():
        if default is not None:
            assert (name, shown[name]) == (name, default)


def test_a_copy_of_the_example_sets_nothing() -> None:
    assert [line for line in EXAMPLE.splitlines() if line and not line.startswith("#")] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_link_resolves(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, heading = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        if heading:
            assert heading in headings(found), target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_test_that_is_named_exists(page: Path) -> None:
    assert [path for path in TEST_FILE.findall(page.read_text()) if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_file_that_is_named_exists(page: Path) -> None:
    assert [path for path in PATH.findall(page.read_text()) if not (ROOT / path).exists()] == []


def test_each_page_that_the_code_cites_exists_with_its_heading() -> None:
    cited = {
        target
        for package in OURS.split("|")
        for path in (ROOT / package).rglob("*.py")
        for target in CITED.findall(path.read_text())
    }
    assert "docs/state-machine.md#lock-order" in cited
    for target in cited:
        path, _, heading = target.partition("#")
        assert (ROOT / path).is_file(), target
        assert not heading or heading in headings(ROOT / path), target


def test_each_decision_that_the_code_cites_by_its_number_exists() -> None:
    numbers = {page.name[:4] for page in (ROOT / "docs" / "decisions").glob("0*.md")}
    cited = {
        number
        for package in {*OURS.split("|"), "webserver"}
        for path in (ROOT / package).rglob("*.py")
        for number in CITED_DECISION.findall(path.read_text())
    }
    assert "0013" in cited
    assert cited - numbers == set()


def test_each_package_that_lists_its_modules_lists_all_of_them() -> None:
    for package in ("reminders/ledger", "reminders/insight/doctor"):
        text = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text())) or ""
        columns = re.findall(r"^ {0,4}([a-z_]+(?:, [a-z_]+)*) {2,}", text, re.MULTILINE)
        listed = {name for column in columns for name in column.split(", ")} | set(
            re.findall(r"`(\w+)`", text)
        )
        assert listed == {path.stem for path in (ROOT / package).glob("*.py")} - {"__init__"}, package


def test_each_package_is_in_the_architecture() -> None:
    listed = (ROOT / "docs" / "architecture.md").read_text()
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert sorted(name for name in packages if f"| `{name}` |" not in listed) == []


def test_the_glossary_stays_short() -> None:
    assert len(re.findall(r"^\| ", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)) - 1 <= 20


def test_each_promise_names_a_test() -> None:
    rows = re.findall(r"^\| (P\d) \|(.*)$", (ROOT / "docs" / "promises.md").read_text(), re.MULTILINE)
    assert [name for name, _ in rows] == [f"P{number}" for number in range(1, 8)]
    assert [name for name, text in rows if not TEST_FILE.search(text)] == []


def test_the_readme_is_read_in_a_minute() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_each_page_is_in_the_index_with_what_it_is_about() -> None:
    """Decisions and what lies beside a page have lists of their own."""
    index = ROOT / "docs" / "README.md"
    lines = re.findall(r"^- \[[^\]]+\]\(([^)]+)\): [A-Za-z].+\.$", index.read_text(), re.MULTILINE)
    pages = {*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("*/README.md")} - {
        index
    }
    assert sorted(
        (index.parent / target).resolve() for target in lines if not target.endswith("/")
    ) == sorted(pages)


def test_each_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = {page.name for page in folder.glob("0*.md")}
    assert set(LINK.findall((folder / "README.md").read_text())) == pages


def test_each_decision_has_one_number() -> None:
    """In the name of its file, in its title and in the list, which is in their order."""
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"^(\d+)\. \[.*\]\((\d{4})-", (folder / "README.md").read_text(), re.MULTILINE)
    numbers = [int(page.name[:4]) for page in sorted(folder.glob("0*.md"))]
    assert [(int(number), int(name)) for number, name in listed] == [(one, one) for one in numbers]
    titles = [page.read_text().split(".", 1)[0] for page in sorted(folder.glob("0*.md"))]
    assert titles == [f"# {one}" for one in numbers]


def headings(page: Path) -> set[str]:
    """The anchors of a page, as code hosts make them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}
