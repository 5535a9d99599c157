"""How a person is taken out of texts: what is looked for, what looks like it and is somebody else's, and what becomes of it.

An address, a name of two words or more and a reference that cannot be mistaken are replaced wherever they occur as a whole.
What may mean something or somebody else (a first name alone, the name of a namesake) is replaced only in rows that are
about the person or their work (`own`), a reference such as "7" only where an object says that it is theirs.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

NAMED_FIELDS = frozenset({"name", "reference", "email", "phone", "address"})
"""Keys of JSON objects that say who somebody is."""
NOTES = frozenset({"answer_note", "note"})
"""Keys of JSON objects that hold what an assignee wrote."""
SHORTEST_REFERENCE = 5
SHORTEST_OF_PARTS = 8
SHORTEST_NATIONAL = 7
"""Digits of a telephone number without its country code that are looked for."""
_GAP = r"(?:[\s_+]|%20)+"
_DIGIT_GAP = r"[\s()./\u2010-\u2015-]*"
_PARTS = re.compile(r"\w+(?:[-./:]\w+)+")
_RUN = re.compile(r"[a-z0-9]+", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonWords:
    """What is looked for. `everywhere` and `own` are regular expressions for where it occurs, without what surrounds it;
    `likewise` are names, addresses and references of others that contain one of them. `ids` are those of the person.
    `coarse` is a regular expression of PostgreSQL, to be matched without case, that each text has in which something occurs
    that is looked for everywhere, and some others have too: databases do not agree on the case of letters outside of ASCII.
    """

    pseudonym: str
    ids: tuple[int, ...]
    everywhere: tuple[str, ...]
    own: tuple[str, ...]
    likewise: tuple[str, ...]
    coarse: str

    def as_json(self) -> dict[str, Any]:
        return {
            "pseudonym": self.pseudonym,
            "ids": list(self.ids),
            "everywhere": list(self.everywhere),
            "own": list(self.own),
            "likewise": list(self.likewise),
            "coarse": self.coarse,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            pseudonym=stored["pseudonym"],
            ids=tuple(stored["ids"]),
            everywhere=tuple(stored["everywhere"]),
            own=tuple(stored["own"]),
            likewise=tuple(stored["likewise"]),
            coarse=stored["coarse"],
        )


def words_for(
    *,
    pseudonym: str,
    ids: Collection[int],
    names: Iterable[str],
    references: Iterable[str],
    addresses: Iterable[tuple[str, str, str]],
    namesakes: Collection[str] = (),
    likewise: Iterable[str] = (),
) -> PersonWords:
    """What is looked for of this person. `addresses`: channel, address, and of a number the digits that are dialled at home
    ('' where it is none); those that others have too are left out by the caller.
    """
    everywhere: list[str] = []
    own: list[str] = []
    coarse: list[str] = []
    for name in names:
        parts = name.split()
        certain = len(parts) > 1 and name not in namesakes
        forms = [parts] if len(parts) < 2 else [parts, [f"{parts[-1]},", *parts[:-1]]]
        (everywhere if certain else own).extend(_bounded(_GAP.join(map(_spelled, form))) for form in forms)
        coarse += [_coarse(name)] if certain else []
    for reference in filter(is_certain, references):
        everywhere.append(_bounded(_spelled(reference), inside="[^\\W_]"))
        coarse.append(_coarse(reference))
    for channel, address, national in addresses:
        if channel == "sms":
            everywhere += _numbers(address, national)
            coarse += ["[^[:alnum:]]*".join(digits) for digits in _dialled(address, national)]
        else:
            coarse.append(_coarse(address))
            everywhere.append(rf"(?<![\w.+-])(?<!%)(?:{_spelled(address)})(?![\w-]|\.\w)")
    return PersonWords(
        pseudonym=pseudonym,
        ids=tuple(ids),
        everywhere=tuple(dict.fromkeys(everywhere)),
        own=tuple(dict.fromkeys(own)),
        likewise=tuple(sorted(set(likewise), key=lambda one: (-len(one), one))),
        coarse="|".join(dict.fromkeys(coarse)),
    )


def is_certain(reference: str) -> bool:
    """Whether this reference, met in any text, means the person."""
    letters, digits = (any(map(test, reference)) for test in (str.isalpha, str.isdigit))
    if letters and (digits or "@" in reference):
        return len(reference) >= SHORTEST_REFERENCE
    return letters and len(reference) >= SHORTEST_OF_PARTS and _PARTS.fullmatch(reference) is not None


def _bounded(pattern: str, *, inside: str = r"\w") -> str:
    return rf"(?<!{inside})(?:{pattern})(?!{inside})" + (r"(?!-\w)" if inside == r"\w" else "")


def _spelled(text: str) -> str:
    """The text in both of Unicode's normalization forms, with the signs that addresses encode."""
    forms = dict.fromkeys(unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    escaped = "|".join(
        re.escape(form).replace("@", "(?:@|%40)").replace(r"\+", r"(?:\+|%2B)") for form in forms
    )
    return f"(?:{escaped})" if len(forms) > 1 else escaped


def _numbers(number: str, national: str) -> list[str]:
    """As it is stored, with 00 for +, and as it is dialled at home; digits may stand in groups."""
    return [rf"(?<!\d)(?:\+|%2B|00)?{_DIGIT_GAP.join(digits)}(?!\d)" for digits in _dialled(number, national)]


def _dialled(number: str, national: str) -> list[str]:
    digits, home = re.sub(r"\D", "", number), re.sub(r"\D", "", national)
    return [digits, home] if len(home) >= SHORTEST_NATIONAL and home != digits else [digits]


class Eraser:
    """Replaces one person in texts and JSON values."""

    def __init__(self, words: PersonWords) -> None:
        self._words = words
        self._ids = frozenset(words.ids)

    @property
    def pseudonym(self) -> str:
        return self._words.pseudonym

    @cached_property
    def _everywhere(self) -> re.Pattern[str] | None:
        return self._pattern(self._words.everywhere)

    @cached_property
    def _in_own(self) -> re.Pattern[str] | None:
        return self._pattern((*self._words.everywhere, *self._words.own))

    def _pattern(self, wanted: tuple[str, ...]) -> re.Pattern[str] | None:
        if not wanted:
            return None
        others = "|".join(rf"(?<!\w){re.escape(one)}(?!\w)" for one in self._words.likewise)
        kept = rf"(?P<other>{others})|" if others else r"(?P<other>(?!))|"
        return re.compile(kept + "|".join(wanted), re.IGNORECASE)

    def names(self, text: str, *, own: bool = False) -> bool:
        """Whether the text names the person."""
        return self.text(text, own=own) != text

    def text(self, text: str, *, own: bool = False, longest: int | None = None) -> str:
        """The text without the person. What would be longer than `longest` characters ends with the pseudonym, which stands
        for the rest too: so it is still the text with parts of it replaced."""
        pattern = self._in_own if own else self._everywhere
        if pattern is None:
            return text
        erased = pattern.sub(lambda found: found[0] if found["other"] else self.pseudonym, text)
        if longest is None or len(erased) <= longest:
            return erased
        end = longest - len(self.pseudonym)
        straddling = erased.rfind(
            self.pseudonym, max(0, end - len(self.pseudonym) + 1), end + len(self.pseudonym) - 1
        )
        return erased[: straddling if 0 <= straddling < end else end] + self.pseudonym

    def value(self, value: Any, *, own: bool = False, key: str = "") -> Any:
        """A JSON value without the person. An object that says who somebody is by id is this person's, or left as it is."""
        match value:
            case str():
                return self.text(value, own=own)
            case list():
                return [self.value(one, own=own, key=key) for one in value]
            case dict():
                return self._object(value, own=own, key=key)
        return value

    def _object(self, value: dict[str, Any], *, own: bool, key: str) -> dict[str, Any]:
        is_person = "id" in value and (key == "assignee" or {"name", "email"} <= value.keys())
        if not is_person:
            wrote = self._is_assigned(value) or self._is_assigned(value.get("assignment"))
            found = {name: self.value(one, own=own or wrote, key=name) for name, one in value.items()}
            blanked: dict[str, Any] = self.blanked(found, NOTES) if wrote else found
            return blanked
        theirs = value["id"] in self._ids
        return {
            name: (self._words.pseudonym if theirs and one else one)
            if name in NAMED_FIELDS
            else self.value(one, own=own or theirs, key=name)
            for name, one in value.items()
        }

    def _is_assigned(self, value: Any) -> bool:
        """Whether this is work of the person, as the API and webhooks describe it."""
        assignee = value.get("assignee") if isinstance(value, dict) else None
        return isinstance(assignee, dict) and assignee.get("id") in self._ids

    def blanked(self, value: Any, names: Collection[str]) -> Any:
        """A JSON value in which texts under these keys are the pseudonym."""
        match value:
            case list():
                return [self.blanked(one, names) for one in value]
            case dict():
                return {
                    name: self._words.pseudonym
                    if name in names and isinstance(one, str) and one
                    else self.blanked(one, names)
                    for name, one in value.items()
                }
        return value


def _coarse(text: str) -> str:
    """A part of the text that has the same letters in either case everywhere; '.' where it has none."""
    runs = _RUN.findall(unicodedata.normalize("NFC", text))
    return max(runs, key=len, default=".").lower()
