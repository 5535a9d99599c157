"""Does on the assignee's page what a person does there: opens the link, and presses a button."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, ProxyHandler, build_opener

from assignments.models import ActKind

TIMEOUT_SECONDS = 10.0


class CannotAct(Exception):
    """The act was not taken; the message says why, without the address."""


@dataclass
class Form:
    """A form of a page: its hidden fields, and the acts that its buttons stand for."""

    hidden: dict[str, str] = field(default_factory=dict)
    acts: set[str] = field(default_factory=set)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form())
        elif self.forms and tag == "input" and given.get("type") == "hidden":
            self.forms[-1].hidden[given.get("name", "")] = given.get("value", "")
        elif self.forms and tag == "button" and given.get("name") == "act":
            self.forms[-1].acts.add(given.get("value", ""))


def act_by_link(link: str, act: ActKind, more: Mapping[str, str] | None = None) -> None:
    """Opens the page, and sends the form with the button of this act; `more` are fields that are filled in.

    Raises CannotAct.
    """
    # A proxy of the environment must not be used for the loopback address. The form needs the page's cookie.
    browser = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))
    form = next((form for form in forms_of(_answer(browser, link)) if act.value in form.acts), None)
    if form is None:
        raise CannotAct(f"the page behind the link does not offer to {act.label.lower()}")
    _answer(browser, link, {**form.hidden, "act": act.value, **(more or {})})


def forms_of(html: str) -> list[Form]:
    """The forms of a page, in order."""
    reader = _Forms()
    reader.feed(html)
    return reader.forms


def _answer(browser: OpenerDirector, link: str, fields: Mapping[str, str] | None = None) -> str:
    body = None if fields is None else urlencode(fields).encode()
    try:
        with browser.open(link, body, timeout=TIMEOUT_SECONDS) as response:
            return str(response.read().decode())
    except HTTPError as error:
        error.close()
        raise CannotAct(f"the page behind the link answers {error.code}") from None
    except (OSError, ValueError) as error:
        raise CannotAct(f"the page behind the link does not answer ({type(error).__name__})") from None
