"""Reads environment variables, and reports all invalid values at once, before anything starts.

Readers collect problems instead of raising. `Environment.refuse_if_wrong()` then raises one error that lists them
all. A secret may come from a file: `NAME_FILE` holds its path.
"""

import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

TRUE = {"true", "1", "yes", "on"}
FALSE = {"false", "0", "no", "off"}
MASK = "(hidden)"


class Environment:
    """The variables of the process.

    Readers return the value, or the default if the value is invalid, and add a message to `problems`.
    """

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self.values = dict(os.environ if values is None else values)
        self.problems: list[str] = []
        self.known: set[str] = set()

    def text(self, name: str, default: str = "", *, secret: bool = False) -> str:
        """The text of the variable; for a secret also the content of the file that `NAME_FILE` names."""
        self.known.add(name)
        if secret and name not in self.values and (path := self.values.get(f"{name}_FILE")):
            try:
                return Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                self.problems.append(f"{name}_FILE is {path!r}: the path of a readable text file is needed")
                return default
        return self.values.get(name, default)

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        """A whole number from `least` to `most`."""
        raw = self.text(name, str(default)).strip()
        if re.fullmatch(r"[0-9]{1,12}", raw) and least <= int(raw) <= most:
            return int(raw)
        self._refuse(name, raw, f"a whole number from {least} to {most}")
        return default

    def rate(self, name: str) -> float:
        """How many a minute, written as `20/min`, `5/s` or `1000/h`; 0 where it is not set."""
        raw = self.text(name).strip()
        found = re.fullmatch(r"([0-9]{1,6})\s*/\s*(s|min|h)", raw)
        if found and int(found[1]):
            return int(found[1]) * {"s": 60.0, "min": 1.0, "h": 1 / 60}[found[2]]
        if raw:
            self._refuse(name, raw, "a number of messages per s, min or h, such as 20/min")
        return 0.0

    def switch(self, name: str, default: bool) -> bool:
        """true or false."""
        raw = self.text(name, str(default)).strip().lower()
        if raw in TRUE | FALSE:
            return raw in TRUE
        self._refuse(name, raw, "true or false")
        return default

    def words(self, name: str, default: Sequence[str] = (), *, secret: bool = False) -> list[str]:
        """Words separated by commas, without blanks around them."""
        raw = self.text(name, ",".join(default), secret=secret)
        return [word.strip() for word in raw.split(",") if word.strip()]

    def url(self, name: str, default: str, *, schemes: Sequence[str], secret: bool = True) -> str:
        """A URL with one of the schemes. An invalid value is never shown, because it may contain a password."""
        raw = self.text(name, default, secret=secret).strip()
        try:
            parts = urlsplit(raw)
            good = not raw or (parts.scheme in schemes and (parts.port is None or parts.port > 0))
        except ValueError:
            good = False
        if good:
            return raw
        self._refuse(name, MASK, "an address like " + " or ".join(f"{scheme}://..." for scheme in schemes))
        return default

    def address(self, name: str, default: str, *, of: Callable[[str], object]) -> str:
        """The address of a server, of a form that `of` accepts (see `config.addresses`). An invalid one is never shown: `of`
        raises ValueError, whose text names the form and repeats nothing of the value.
        """
        raw = self.text(name, default, secret=True).strip()
        if not raw:
            return raw
        try:
            of(raw)
        except ValueError as error:
            self._refuse(name, MASK, str(error))
            return default
        return raw

    def origin(self, name: str, *, schemes: Sequence[str]) -> str:
        """Scheme and host, optionally a port, and nothing after them; '' if it is not set."""
        raw = self.text(name).strip()
        if not raw or re.fullmatch(rf"({'|'.join(schemes)})://[0-9A-Za-z.-]+(:[0-9]{{1,5}})?/?", raw):
            return raw.removesuffix("/")
        shown = MASK if "@" in raw else raw
        self._refuse(
            name, shown, f"{schemes[0]}:// and a host like reminders.example.org, with nothing after it,"
        )
        return ""

    def form(self, name: str, *, part: str, schemes: Sequence[str]) -> str:
        """An address in which `part` stands once, after its host, for what is put in; '' if it is not set."""
        raw = self.text(name).strip()
        good = re.fullmatch(rf"({'|'.join(schemes)})://[0-9A-Za-z.:-]+/[!-~]*", raw) and raw.count(part) == 1
        if not raw or (good and raw.index(part) > raw.index("/", raw.index("://") + 3)):
            return raw
        shown = MASK if "@" in raw else raw
        self._refuse(name, shown, f"an address like {schemes[0]}://www.example.org/search?query={part}")
        return ""

    def origins(self, name: str, *, schemes: Sequence[str]) -> list[str]:
        """Origins separated by commas: scheme and host, optionally a port."""
        found = []
        for word in self.words(name):
            if re.fullmatch(rf"({'|'.join(schemes)})://[0-9A-Za-z.-]+(:[0-9]{{1,5}})?", word):
                found.append(word)
            else:
                self._refuse(
                    name, MASK if "@" in word else word, f"{schemes[0]}:// and a host, with nothing after it,"
                )
        return found

    def email(self, name: str, default: str, *, schemes: Mapping[str, str]) -> dict[str, object]:
        """EMAIL_URL as django-environ parses it: EMAIL_BACKEND, EMAIL_HOST and so on."""
        raw = self.url(name, default, schemes=list(schemes))
        try:
            return dict(environ.Env.email_url_config(raw))
        except (KeyError, ValueError):
            self._refuse(name, MASK, "an address like smtp://user:password@host:587")
            return dict(environ.Env.email_url_config(default))

    def choice(self, name: str, default: str, *, among: Sequence[str]) -> str:
        """One of the given words."""
        raw = self.text(name, default).strip()
        if raw in among:
            return raw
        self._refuse(name, raw, "one of " + ", ".join(among))
        return default

    def refuse(self, problem: str) -> None:
        """Adds a problem, for values that contradict each other."""
        self.problems.append(problem)

    def unknown(self, prefix: str) -> list[str]:
        """Warnings about variables with this prefix that no setting reads; each names the most similar known one."""
        found = [name for name in sorted(self.values) if name.startswith(prefix)]
        return [self._unknown(name) for name in found if not self._is_known(name)]

    def refuse_unknown(self, names: Iterable[str]) -> None:
        """Adds a problem for each of these names that no setting reads."""
        self.problems += [self._unknown(name) for name in sorted(names) if not self._is_known(name)]

    def _is_known(self, name: str) -> bool:
        return name in self.known or name.removesuffix("_FILE") in self.known

    def _unknown(self, name: str) -> str:
        nearest = difflib.get_close_matches(name, sorted(self.known), n=1, cutoff=0.0)
        return f"{name} is not a variable of this system; the nearest is {nearest[0]}"

    def refuse_if_wrong(self) -> None:
        """Raises ImproperlyConfigured with all problems, one per line."""
        if self.problems:
            raise ImproperlyConfigured("\n".join(self.problems))

    def _refuse(self, name: str, value: str, accepted: str) -> None:
        self.problems.append(f"{name} is {value if value == MASK else repr(value)}: {accepted} is needed")
