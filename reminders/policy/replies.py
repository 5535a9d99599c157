"""What somebody has answered by SMS, and which work they mean. Pure.

Opting out and in comes first, because laws and carriers ask for it: one of STOP's words alone is never an act, and START or
YES from a number that is opted out means messages again, and no act. From any other number START begins the work and YES
confirms it. (Gateways that know these words themselves, as Twilio does, mean the same by them.)
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from assignments.models import ActKind

OPT_OUT_WORDS = frozenset(
    {"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "opt out"}
    | {"stopp", "abmelden", "abbestellen"}  # German
    | {"alto", "baja", "parar", "cancelar"}  # Spanish
    | {"arret", "arrete", "arreter", "desabonner"}  # French
)
"""Understood whatever language a person has; accents and case do not count."""
OPT_IN_WORDS = frozenset({"start", "yes", "unstop", "ja", "si", "oui"})
FALLBACK_LANGUAGE = "en"
TOLD_FOR = timedelta(days=3)
"""How long after an SMS a reply is about it."""


class Word(Enum):
    """What a reply asks for."""

    ACT = "act"
    HELP = "help"
    STOP = "stop"
    RESUME = "resume"
    UNKNOWN = "unknown"


WORDS: dict[str, dict[str, ActKind | Word]] = {
    "en": {
        **dict.fromkeys(("yes", "y", "ok", "okay", "confirm"), ActKind.CONFIRM),
        **dict.fromkeys(("no", "n", "decline"), ActKind.DECLINE),
        **dict.fromkeys(("start", "started", "begin"), ActKind.START),
        **dict.fromkeys(("done", "finished", "complete", "completed"), ActKind.COMPLETE),
        **dict.fromkeys(("late", "delayed"), ActKind.LATE),
        **dict.fromkeys(("way", "omw", "on my way", "coming"), ActKind.ON_MY_WAY),
        **dict.fromkeys(("help", "info"), Word.HELP),
        "unstop": Word.RESUME,
    },
    "de": {
        **dict.fromkeys(("ja", "j", "zusage"), ActKind.CONFIRM),
        **dict.fromkeys(("nein", "absage"), ActKind.DECLINE),
        **dict.fromkeys(("start", "beginn", "begonnen", "angefangen"), ActKind.START),
        **dict.fromkeys(("fertig", "erledigt", "ende"), ActKind.COMPLETE),
        **dict.fromkeys(("spater", "spaeter", "spat", "verspatet", "verspaetet"), ActKind.LATE),
        **dict.fromkeys(("unterwegs", "komme"), ActKind.ON_MY_WAY),
        "hilfe": Word.HELP,
    },
    "es": {
        **dict.fromkeys(("si", "s", "confirmo"), ActKind.CONFIRM),
        "no": ActKind.DECLINE,
        **dict.fromkeys(("inicio", "empiezo", "empezado"), ActKind.START),
        **dict.fromkeys(("hecho", "listo", "terminado"), ActKind.COMPLETE),
        **dict.fromkeys(("tarde", "retraso"), ActKind.LATE),
        **dict.fromkeys(("en camino", "camino", "voy"), ActKind.ON_MY_WAY),
        "ayuda": Word.HELP,
    },
    "fr": {
        **dict.fromkeys(("oui", "o", "confirme"), ActKind.CONFIRM),
        **dict.fromkeys(("non", "refuse"), ActKind.DECLINE),
        **dict.fromkeys(("debut", "commence", "demarre"), ActKind.START),
        **dict.fromkeys(("fini", "termine", "fait"), ActKind.COMPLETE),
        **dict.fromkeys(("retard", "tard"), ActKind.LATE),
        **dict.fromkeys(("en route", "route", "arrive"), ActKind.ON_MY_WAY),
        "aide": Word.HELP,
    },
}
"""By language, without accents and in lower case. English is understood by everybody."""

_UNITS = frozenset({"min", "mins", "minute", "minutes", "minuten", "minuto", "minutos", "m"})
_PIECES = re.compile(r"[^\W\d_]+|[0-9]{1,18}")
_MOST_READ = 400


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as it was understood. `minutes` go with LATE; `assignment` is the number of the work, where it is named."""

    word: Word
    act: ActKind | None = None
    minutes: int | None = None
    assignment: int | None = None


UNKNOWN = Reply(Word.UNKNOWN)


def understood(text: str, *, languages: Iterable[str], opted_out: bool) -> Reply:
    """What the text means in these languages, of whoever has the number; `opted_out`: it gets no messages at present."""
    pieces = _PIECES.findall(_simple(text[:_MOST_READ]))
    words = " ".join(piece for piece in pieces if not piece.isdigit() and piece not in _UNITS)
    numbers = [int(piece) for piece in pieces if piece.isdigit()]
    if not numbers and words in OPT_OUT_WORDS:
        return Reply(Word.STOP)
    if opted_out:
        return Reply(Word.RESUME) if not numbers and words in OPT_IN_WORDS else UNKNOWN
    meaning = _meaning(words, languages)
    if isinstance(meaning, Word):
        return Reply(meaning) if not numbers else UNKNOWN
    if meaning is None:
        return UNKNOWN
    if meaning is ActKind.LATE:
        return _late(numbers)
    if len(numbers) > 1:
        return UNKNOWN
    return Reply(Word.ACT, meaning, assignment=numbers[0] if numbers else None)


def _late(numbers: Sequence[int]) -> Reply:
    """LATE 15: fifteen minutes; LATE 15 1234: of work number 1234."""
    if not 1 <= len(numbers) <= 2:
        return UNKNOWN
    return Reply(Word.ACT, ActKind.LATE, numbers[0], numbers[1] if len(numbers) == 2 else None)


def _meaning(words: str, languages: Iterable[str]) -> ActKind | Word | None:
    for language in dict.fromkeys([*(tag.lower().split("-")[0] for tag in languages), FALLBACK_LANGUAGE]):
        if (meaning := WORDS.get(language, {}).get(words)) is not None:
            return meaning
    return None


def _simple(text: str) -> str:
    """In lower case and without accents: telephones add and leave out both."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in apart if not unicodedata.combining(character))


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Open work of somebody with this number. `told_at` is when the last SMS about it left, `version` the plan it told."""

    assignment_id: int
    person_id: int
    start: datetime
    told_at: datetime | None = None
    version: int | None = None


def meant(reply: Reply, candidates: Collection[Candidate], *, now: datetime) -> Candidate | None:
    """Which of these, for all of which the act is possible, the reply is about; None where that cannot be said.

    It is the one that it names, else the one that the last SMS was about, else the next. Where several people have the
    number, and the last messages were about the work of more than one of them, it has to name one.
    """
    if reply.assignment is not None:
        return next((one for one in candidates if one.assignment_id == reply.assignment), None)
    told = [one for one in candidates if one.told_at is not None and one.told_at >= now - TOLD_FOR]
    among = told or list(candidates)
    if len({one.person_id for one in among}) > 1 or not among:
        return None
    if not told:
        return min(among, key=lambda one: (one.start, one.assignment_id))
    last = max(one.told_at for one in told if one.told_at is not None)
    latest = [one for one in told if one.told_at == last]
    return latest[0] if len(latest) == 1 else None
