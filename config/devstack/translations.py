"""The catalogues of translated texts (gettext): which sources they cover, how they are updated, what is wrong in them.

Babel is in the group of packages for development alone; an installed system reads the compiled files, which are committed.
"""

import ast
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[2]
PLURALS = {"de": "(n != 1)", "es": "(n != 1)", "fr": "(n > 1)"}
"""The languages beside English, each with the rule for its two forms."""

SINGLE = ("gettext", "gettext_lazy", "gettext_noop", "_")
PLURAL = ("ngettext", "ngettext_lazy")
IN_CONTEXT = ("pgettext", "pgettext_lazy")
PLURAL_IN_CONTEXT = ("npgettext", "npgettext_lazy")
FOR_TRANSLATORS = "Translators:"
FUNCTIONS = (*SINGLE, *PLURAL, *IN_CONTEXT, *PLURAL_IN_CONTEXT)
_PLACEHOLDERS = re.compile(r"%\([a-z_0-9]+\)[a-z]|%[sd]|%%|\{[a-z_0-9.:!]*\}")
_LITERAL = re.compile(r"""u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")
_CALL = re.compile(rf"\b({'|'.join(FUNCTIONS)})\(((?:\s*,?\s*{_LITERAL.pattern})+)")
_TAGS = re.compile(r"</?[a-z0-9]+[^<>]*>")


@dataclass(frozen=True, slots=True)
class TextCatalogue:
    """`folder` holds the catalogue of what stands in `sources`, without what stands in `without` unless that is itself one
    of the sources; all below ROOT.
    """

    folder: str
    sources: tuple[str, ...]
    without: tuple[str, ...] = ()


ABOUT_TEMPLATES = tuple(
    f"reminders/content/message_templates/{name}.py"
    for name in ("checks", "custom_text", "filters", "syntax", "tree", "variables")
)
"""What operators read of the texts of messages: what is wrong with one, and what it may say."""

FOR_PEOPLE = TextCatalogue(
    "reminders/locale",
    (
        "reminders/content",
        "reminders/templates",
        "reminders/insight/calendar_feed.py",
        "reminders/operations/sms_replies.py",
        "reminders/web/templates/reminders",
        *(
            f"reminders/web/{name}.py"
            for name in ("assignee_page", "opt_out_page", "secret_pages", "verify_page")
        ),
    ),
    without=ABOUT_TEMPLATES,
)
"""What reaches the people who do the work, and their supervisors: messages, and the pages that links in them lead to."""

FOR_OPERATORS = TextCatalogue(
    "reminders/web/locale",
    ("accounts", "assignments", "notifications", "reminders", *ABOUT_TEMPLATES),
    without=FOR_PEOPLE.sources,
)
"""Ops pages, the admin, and the sentences that explain."""

CATALOGUES = (FOR_PEOPLE, FOR_OPERATORS)


class PlainCatalog(Catalog):
    """A catalogue whose head says what gettext needs and nothing else: no dates, no names."""

    def _get_mime_headers(self) -> list[tuple[str, str]]:
        return [
            ("Language", str(self.locale_identifier)),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
            ("Plural-Forms", f"nplurals=2; plural={PLURALS[str(self.locale_identifier)]};"),
        ]

    mime_headers = property(_get_mime_headers)

    @property
    def num_plurals(self) -> int:
        return 2


def files(catalogue: TextCatalogue, language: str) -> tuple[Path, Path]:
    """The catalogue as people edit it, and as programs read it."""
    folder = ROOT / catalogue.folder / language / "LC_MESSAGES"
    return folder / "django.po", folder / "django.mo"


def read(catalogue: TextCatalogue, language: str) -> Catalog:
    """The catalogue as it is stored."""
    return read_po(io.StringIO(files(catalogue, language)[0].read_text("utf-8")), locale=language)


def extracted(catalogue: TextCatalogue) -> Catalog:
    """Every text in the sources that is marked for translation, with the files it stands in."""
    found = Catalog()
    for path in sorted(_sources(catalogue)):
        name = path.relative_to(ROOT).as_posix()
        for function, words, comments in _marked(path):
            context, ids = _split(function, words)
            if ids:
                found.add(ids, locations=[(name, 1)], auto_comments=comments, context=context)
    return found


def updated(found: Catalog, language: str, written: str) -> Catalog:
    """The catalogue with all that was found: what is translated in `written` stays, what is new has no translation yet."""
    before = read_po(io.StringIO(written), locale=language)
    after = PlainCatalog(locale=language, header_comment="", fuzzy=False)
    for message in found:
        if message.id:
            known = before.get(message.id, message.context) or before.get(_key(message), message.context)
            string = (
                known.string
                if known is not None and isinstance(known.string, type(_empty(message)))
                else None
            )
            after.add(
                message.id,
                string or _empty(message),
                locations=[(file, 1) for file in sorted({file for file, _ in message.locations})],
                flags={"fuzzy"} if known is not None and known.fuzzy else set(),
                auto_comments=message.auto_comments,
                user_comments=known.user_comments if known is not None else (),
                context=message.context,
            )
    return after


def as_text(catalog: Catalog) -> str:
    """The catalogue as a file for people: one line for each line of a text, so that changes of several people merge."""
    written = io.BytesIO()
    write_po(written, catalog, width=0, sort_by_file=True, include_lineno=False, ignore_obsolete=True)
    return written.getvalue().decode()


def compiled(text: str, language: str) -> bytes:
    """The catalogue as a file for programs. What has no translation, or a doubtful one, is not in it."""
    catalog = PlainCatalog(locale=language, header_comment="", fuzzy=False)
    for message in read_po(io.StringIO(text), locale=language):
        if message.id and not message.fuzzy:
            catalog.add(message.id, message.string, context=message.context)
    written = io.BytesIO()
    write_mo(written, catalog)
    return written.getvalue()


def update(catalogue: TextCatalogue) -> Iterator[Path]:
    """Writes the files of this catalogue anew; gives those that were changed."""
    found = extracted(catalogue)
    for language in PLURALS:
        editable, binary = files(catalogue, language)
        before = editable.read_text("utf-8") if editable.exists() else ""
        text = as_text(updated(found, language, before))
        for path, content in ((editable, text.encode()), (binary, compiled(text, language))):
            if not path.exists() or path.read_bytes() != content:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                yield path


def all_problems() -> Iterator[str]:
    """What is wrong in any catalogue, each with its file."""
    for catalogue in CATALOGUES:
        found = extracted(catalogue)
        for language in PLURALS:
            editable, binary = files(catalogue, language)
            text = editable.read_text("utf-8") if editable.exists() else ""
            content = binary.read_bytes() if binary.exists() else b""
            for problem in problems(found, language, text, content):
                yield f"{editable.relative_to(ROOT)}: {problem}"
    for language in PLURALS:
        yield from _contradictions(language)


def problems(found: Catalog, language: str, text: str, binary: bytes) -> list[str]:
    """What is wrong in a catalogue of this language, given what its sources hold; [] if nothing is."""
    catalog = read_po(io.StringIO(text), locale=language)
    wanted = {(message.context, _key(message)): message for message in found if message.id}
    held = {(message.context, _key(message)): message for message in catalog if message.id}
    gone = [*(held.keys() - wanted.keys()), *((one.context, _key(one)) for one in catalog.obsolete.values())]
    return [
        *(f"not extracted: {key!r}" for _, key in sorted(wanted.keys() - held.keys(), key=str)),
        *(f"in no source any more: {key!r}" for _, key in sorted(gone, key=str)),
        *(f"{problem}: {key[1]!r}" for key, one in held.items() if (problem := _problem(one))),
        *(["compiled file differs from the catalogue"] if compiled(text, language) != binary else []),
    ]


def _contradictions(language: str) -> Iterator[str]:
    """What two catalogues translate in two ways: Django puts them together, so one of both would never be seen."""
    known: dict[tuple[str | None, str], object] = {}
    for catalogue in CATALOGUES:
        editable, _ = files(catalogue, language)
        if editable.exists():
            for message in read_po(io.StringIO(editable.read_text("utf-8")), locale=language):
                key = (message.context, _key(message))
                if message.id and message.string and known.setdefault(key, message.string) != message.string:
                    yield f"{editable.relative_to(ROOT)}: translated otherwise in another catalogue: {key[1]!r}"


def _problem(message: Message) -> str:
    """What is wrong with one translation; '' if nothing is."""
    if message.fuzzy:
        return "doubtful (fuzzy)"
    originals, strings = forms(message.id), forms(message.string)
    if not all(strings):
        return "no translation" if not any(strings) else "a form of the plural is missing"
    if len(strings) != len(originals):
        return "a form of the plural is missing"
    for original, string in zip(originals, strings, strict=True):
        if _parts(_PLACEHOLDERS, original) != _parts(_PLACEHOLDERS, string):
            return "other placeholders"
        if _parts(_TAGS, original) != _parts(_TAGS, string):
            return "other HTML"
        if original[:1].isspace() != string[:1].isspace() or original[-1:].isspace() != string[-1:].isspace():
            return "other white space at its ends"
    return ""


def _parts(pattern: re.Pattern[str], text: str) -> Counter[str]:
    return Counter(pattern.findall(text))


def forms(text: object) -> tuple[str, ...]:
    """A text, or the forms of a plural, as a tuple."""
    return tuple(map(str, text)) if isinstance(text, list | tuple) else (str(text or ""),)


def _key(message: Message) -> str:
    return message.id[0] if isinstance(message.id, tuple) else str(message.id)


def _empty(message: Message) -> str | tuple[str, str]:
    return ("", "") if isinstance(message.id, tuple) else ""


def _sources(catalogue: TextCatalogue) -> Iterator[Path]:
    left_out = {ROOT / name for name in catalogue.without}
    named = {ROOT / name for name in catalogue.sources}
    for name in catalogue.sources:
        top = ROOT / name
        for path in [top] if top.is_file() else top.rglob("*"):
            is_template = path.suffix in (".html", ".txt") and "templates" in path.parts
            is_source = is_template or (path.suffix == ".py" and "migrations" not in path.parts)
            if is_source and (path in named or not left_out.intersection((path, *path.parents))):
                yield path


def _marked(path: Path) -> Iterator[tuple[str, tuple[str | None, ...], list[str]]]:
    """The calls in this file that mark a text, each with its arguments and the comments for translators."""
    text = path.read_text("utf-8")
    yield from _marked_in_python(text) if path.suffix == ".py" else _marked_in_template(text, str(path))


def _marked_in_template(text: str, name: str) -> Iterator[tuple[str, tuple[str | None, ...], list[str]]]:
    """As Django's `templatize` writes them: calls among letters that stand for all else, which no parser would take."""
    comments: list[str] = []
    for line in templatize(text, origin=name).splitlines():
        if FOR_TRANSLATORS in line:
            comments = [line.strip().removeprefix("#").strip()]
            continue
        for call in _CALL.finditer(line):
            yield call[1], tuple(ast.literal_eval(one) for one in _LITERAL.findall(call[2])), comments
            comments = []


def _marked_in_python(text: str) -> Iterator[tuple[str, tuple[str | None, ...], list[str]]]:
    """As the parser reads it, also within f-strings."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            function = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if function in FUNCTIONS:
                values = [one.value if isinstance(one, ast.Constant) else None for one in node.args]
                above = lines[node.lineno - 2].strip().removeprefix("#").strip() if node.lineno > 1 else ""
                comments = [above] if above.startswith(FOR_TRANSLATORS) else []
                yield function, tuple(one if isinstance(one, str) else None for one in values), comments


def _split(function: str, words: tuple[str | None, ...]) -> tuple[str | None, str | tuple[str, str] | None]:
    """The context of a marked text, and the text, or the two forms of a plural; no text where it is no literal."""
    context = None
    if function in (*IN_CONTEXT, *PLURAL_IN_CONTEXT):
        context, *words_left = words
        words = tuple(words_left)
    if function in (*PLURAL, *PLURAL_IN_CONTEXT):
        one, many = (*words, None, None)[:2]
        return context, (one, many) if one and many else None
    return context, words[0] if words else None
