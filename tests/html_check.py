"""What is wrong with an HTML document: rules of https://html.spec.whatwg.org that mails depend on."""

import re
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
KNOWN = VOID | {
    *("html", "head", "title", "style", "body", "div", "p", "h1", "h2", "table", "tbody", "tr", "td", "th"),
    *("a", "strong", "em", "small", "span", "bdi", "ul", "ol", "li"),
}
PHRASING = {"a", "strong", "em", "small", "span", "bdi", "br", "img", "wbr"}
"""What may stand in a paragraph, a heading or a title of a link."""
ONLY_PHRASING = {"p", "h1", "h2", "a", "strong", "em", "small", "span", "bdi"}
PARENTS = {
    "tr": {"table", "tbody"},
    "td": {"tr"},
    "th": {"tr"},
    "li": {"ul", "ol"},
    "title": {"head"},
    "meta": {"head"},
}
ATTRIBUTES = {"style", "class", "id", "dir", "lang", "title", "role"}
OWN_ATTRIBUTES = {
    "a": {"href"},
    "meta": {"charset", "name", "content"},
    "table": {"cellpadding", "cellspacing"},
    "img": {"src", "alt", "width", "height"},
}
URL = re.compile(r"(?:https?://|tel:|mailto:)[!-~]+")
DECLARATION = re.compile(r"[a-z-]+:[^:;{}<>]+")


def problems(document: str) -> list[str]:
    """Each fault in words, in the order of the document; none for a valid one."""
    check = _Check()
    check.feed(document)
    check.close()
    check.end()
    return check.problems


class _Check(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.problems: list[str] = []
        self.open: list[str] = []
        self.seen: list[str] = []
        self.ids: set[str] = set()
        self.title = ""
        self.has_doctype = False

    def wrong(self, what: str) -> None:
        self.problems.append(f"line {self.getpos()[0]}: {what}")

    def handle_decl(self, decl: str) -> None:
        if decl.lower() != "doctype html" or self.seen:
            self.wrong(f"<!{decl}> where <!doctype html> begins a document")
        self.has_doctype = True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in KNOWN:
            self.wrong(f"<{tag}> is not for mails")
        parent = self.open[-1] if self.open else ""
        if tag in PARENTS and parent not in PARENTS[tag]:
            self.wrong(f"<{tag}> in <{parent}>")
        if (
            parent in ("table", "tbody", "tr", "ul", "ol")
            and parent not in PARENTS.get(tag, ())
            and tag != "tbody"
        ):
            self.wrong(f"<{tag}> in <{parent}>")
        if inside := [name for name in self.open if name in ONLY_PHRASING]:
            if tag not in PHRASING:
                self.wrong(f"<{tag}> in <{inside[-1]}>")
            if tag == "a" and "a" in self.open:
                self.wrong("a link in a link")
        self._attributes(tag, attrs)
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def _attributes(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.wrong(f"<{tag}> has an attribute twice")
        values = {name: value or "" for name, value in attrs}
        for name in values.keys() - ATTRIBUTES - OWN_ATTRIBUTES.get(tag, set()):
            if not (tag == "html" and name == "lang"):
                self.wrong(f"<{tag} {name}>")
        if tag == "a" and not URL.fullmatch(values.get("href", "")):
            self.wrong(f"a link to {values.get('href')!r}")
        if tag == "img" and "alt" not in values:
            self.wrong("a picture without a text")
        if tag == "html" and not values.get("lang"):
            self.wrong("no language")
        for declaration in filter(None, values.get("style", "").split(";")):
            if not DECLARATION.fullmatch(declaration.strip()):
                self.wrong(f"style {declaration!r}")
        if "id" in values:
            if values["id"] in self.ids:
                self.wrong(f"id {values['id']!r} twice")
            self.ids.add(values["id"])

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            self.wrong(f"</{tag}>")
        elif not self.open or self.open[-1] != tag:
            self.wrong(f"</{tag}> where {self.open[-1:]} is open")
            if tag in self.open:
                while self.open.pop() != tag:
                    pass
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["title"]:
            self.title += data
        elif self.open[-1:] != ["style"]:
            if "&" in data:
                self.wrong("an & that is not written as &amp;")
            if data.strip() and self.open[-1:] in (
                ["table"],
                ["tbody"],
                ["tr"],
                ["ul"],
                ["ol"],
                ["head"],
                ["html"],
                [],
            ):
                self.wrong(f"text in {self.open[-1:]}")

    def handle_entityref(self, name: str) -> None:
        self.title += name if self.open[-1:] == ["title"] else ""
        if name not in ("amp", "lt", "gt", "quot", "nbsp"):
            self.wrong(f"&{name}; is not known")

    def handle_comment(self, data: str) -> None:
        self.wrong("a comment")

    def unknown_decl(self, data: str) -> None:
        self.wrong(f"<![{data}]>")

    def end(self) -> None:
        if not self.has_doctype:
            self.wrong("no doctype")
        if self.open:
            self.wrong(f"{self.open} is not closed")
        if self.seen[:2] != ["html", "head"] or self.seen.count("body") != 1 or self.seen.count("h1") > 1:
            self.wrong("not one html with one head, one body and at most one h1")
        if not self.title.strip():
            self.wrong("no title")
