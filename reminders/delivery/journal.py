"""What each process has in hand, in a file that survives it: which rows, and how far the send of each has got.

The file is mapped into memory, so that a note costs no call of the kernel, and what was noted outlives the process by
whichever signal it ends. It says nothing after a power failure: then the leases hold. The owner holds a lock on its file
(`fcntl`), which ends with the process and with nothing else: a process that is suspended is alive.

Layout, little-endian: 8 octets of a magic word, 8 that stand for the database; from 16 the numbers of hints and sends in
force (0: none), from 24 the clock at which the last of the hints were noted, from 32 the scan (0: none); from 64 the hints
(id, ticket), then the sends (id, ticket, microseconds of `begun_at`), then a phase for each send. Numbers are set after what
they count.
"""

import contextlib
import fcntl
import hashlib
import itertools
import logging
import mmap
import os
import struct
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.db import connection

from reminders.ledger.records import Claim, Hint
from reminders.policy.deaths import JournalPhase

logger = logging.getLogger(__name__)

CAPACITY = 1_100
"""Hints and sends of one message at most: a batch, or what one claim hands over. What is beyond waits for its lease."""

MAGIC = b"journal1"
_HINT, _SEND = 16, 24
_COUNTS, _CLOCK, _SCAN, _HINTS = 16, 24, 32, 64
_SENDS = _HINTS + CAPACITY * _HINT
_PHASES = _SENDS + CAPACITY * _SEND
SIZE = _PHASES + CAPACITY
SUFFIX = ".journal"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Journal(Protocol):
    """Where a process notes what it has in hand."""

    def take(self, hints: Sequence[Hint]) -> None:
        """These rows are in hand from now on, and no others."""

    def begin(self, claims: Sequence[Claim]) -> None:
        """These messages are about to be sent, one after the other; none is started yet."""

    def put(self, place: int, claim: Claim) -> None:
        """This message is about to be sent too, and none is any more that was at this place (below `CAPACITY`)."""

    def retake(self, hints: Sequence[Hint]) -> None:
        """As `take`, beside the messages that are being sent."""

    def note(self, place: int, phase: JournalPhase) -> None:
        """How far the message at this place of what was begun has got."""

    def finish(self) -> None:
        """The ends of what was begun are recorded."""

    def clear(self) -> None:
        """Forgets all of it: nothing is in hand any more."""

    def begin_scan(self, scan_id: int) -> None:
        """This scan is this process's work from now on."""

    def end_scan(self) -> None:
        """No scan is, any more."""


class NoJournal:
    """Notes nothing: what a process of it had in hand waits for its lease."""

    def take(self, hints: Sequence[Hint]) -> None: ...
    def begin(self, claims: Sequence[Claim]) -> None: ...
    def put(self, place: int, claim: Claim) -> None: ...
    def retake(self, hints: Sequence[Hint]) -> None: ...
    def note(self, place: int, phase: JournalPhase) -> None: ...
    def finish(self) -> None: ...
    def clear(self) -> None: ...
    def begin_scan(self, scan_id: int) -> None: ...
    def end_scan(self) -> None: ...
    def close(self) -> None: ...


NO_JOURNAL = NoJournal()


class JournalFile:
    """This process's journal in a folder. Raises OSError where the folder cannot be written."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{os.getpid()}-{uuid.uuid4().hex}"
        self.path = folder / (name + SUFFIX)
        unseen = folder / ("." + name)
        # A descriptor, not a file object: it stays open, and the lock held, until the process is gone.
        self._file = os.open(unseen, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._file, SIZE)
        fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._map = mmap.mmap(self._file, SIZE)
        self._map[:16] = MAGIC + database_mark()
        unseen.rename(self.path)  # Locked before anybody can see it.

    def take(self, hints: Sequence[Hint]) -> None:
        self._count(1, 0)
        self.retake(hints)

    def retake(self, hints: Sequence[Hint]) -> None:
        self._count(0, 0)
        hints = hints[:CAPACITY]
        flat = itertools.chain.from_iterable((hint.reminder_id, hint.ticket) for hint in hints)
        struct.pack_into(f"<{2 * len(hints)}q", self._map, _HINTS, *flat)
        struct.pack_into("<d", self._map, _CLOCK, time.time())
        self._count(0, len(hints))

    def begin(self, claims: Sequence[Claim]) -> None:
        self._count(1, 0)
        claims = claims[:CAPACITY]
        flat = itertools.chain.from_iterable(map(_send_of, claims))
        struct.pack_into(f"<{3 * len(claims)}q", self._map, _SENDS, *flat)
        self._map[_PHASES : _PHASES + len(claims)] = bytes(len(claims))
        self._count(1, len(claims))

    def put(self, place: int, claim: Claim) -> None:
        # What was there has ended, and says nothing any more: its row is not SENDING under that ticket.
        self._map[_PHASES + place] = JournalPhase.WAITING
        struct.pack_into("<3q", self._map, _SENDS + place * _SEND, *_send_of(claim))
        (count,) = struct.unpack_from("<I", self._map, _COUNTS + 4)
        if place >= count:
            # Between the two are places that were never put in this turn: they name rows that are not being sent.
            self._count(1, place + 1)

    def note(self, place: int, phase: JournalPhase) -> None:
        if place < CAPACITY:
            self._map[_PHASES + place] = phase

    def finish(self) -> None:
        self._count(1, 0)

    def clear(self) -> None:
        self._count(0, 0)
        self._count(1, 0)

    def begin_scan(self, scan_id: int) -> None:
        struct.pack_into("<d", self._map, _CLOCK, time.time())
        struct.pack_into("<q", self._map, _SCAN, scan_id)

    def end_scan(self) -> None:
        struct.pack_into("<q", self._map, _SCAN, 0)

    def close(self) -> None:
        self._map.close()
        os.close(self._file)

    def _count(self, which: int, number: int) -> None:
        struct.pack_into("<I", self._map, _COUNTS + 4 * which, number)


def _send_of(claim: Claim) -> tuple[int, int, int]:
    return claim.row.id, claim.row.ticket, (claim.begun_at - EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Sending:
    """A message that was about to be sent: its row, when that was begun, and how far it has got."""

    hint: Hint
    begun_at: datetime
    phase: JournalPhase


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """What a process had in hand when it died; `scan_id` is 0 where it did no scan."""

    hints: tuple[Hint, ...] = ()
    sends: tuple[Sending, ...] = ()
    scan_id: int = 0
    noted_at: float = 0.0

    @property
    def is_anything(self) -> bool:
        return bool(self.hints or self.sends or self.scan_id)


FOREIGN = LeftBehind(noted_at=-1.0)
FORGOTTEN_AFTER = 3_600.0
"""Seconds: no lease is longer."""

_own: dict[int, JournalFile | NoJournal] = {}


def own() -> Journal:
    """The journal of this process, in the folder of the settings; one that notes nothing where that cannot be written."""
    pid = os.getpid()
    if pid not in _own:
        for parents in _own.values():  # This process has its own descriptor of it, and no lock.
            parents.close()
        _own.clear()
        try:
            _own[pid] = JournalFile(settings.JOURNAL_DIR)
        except OSError as error:
            logger.warning("Journal not kept", extra={"reason": error.strerror or type(error).__name__})
            _own[pid] = NoJournal()
    return _own[pid]


@contextlib.contextmanager
def dead(folder: Path) -> Iterator[list[LeftBehind]]:
    """What dead processes have left behind. Their files are removed if the block ends well, and kept otherwise.

    Each is handed to one caller at a time. What is older than any lease is removed unread: the leases have settled it.
    """
    with contextlib.ExitStack() as held:
        found: list[LeftBehind] = []
        settled: list[Path] = []
        for path in _others(folder):
            with contextlib.suppress(OSError):
                octets = _contents_if_dead(path, held)
                left = octets and _parse(octets)
                if left == FOREIGN and time.time() - path.stat().st_mtime < FORGOTTEN_AFTER:
                    continue
                if octets is not None:
                    settled.append(path)
                if left:
                    found.append(left)
        yield [left for left in found if time.time() - left.noted_at < FORGOTTEN_AFTER and left.is_anything]
        for path in settled:
            path.unlink(missing_ok=True)


def _others(folder: Path) -> list[Path]:
    """The journals in the folder but this process's own: closing any copy of a file drops the locks that one has on it."""
    mine = {journal.path.name for journal in _own.values() if isinstance(journal, JournalFile)}
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError:
        return []
    return [folder / name for name in names if name.endswith(SUFFIX) and name not in mine]


def _contents_if_dead(path: Path, held: contextlib.ExitStack) -> bytes | None:
    """What is in the file, which stays locked until `held` ends; None where its owner lives, or somebody else reads it."""
    file = held.enter_context(path.open("r+b"))
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file.read()


def _parse(octets: bytes) -> LeftBehind:
    """What a file says: FOREIGN where it is of another database, nothing in hand where it is no whole journal."""
    if len(octets) != SIZE or not octets.startswith(MAGIC):
        return LeftBehind()
    if octets[8:16] != database_mark():
        return FOREIGN
    in_hand, begun = struct.unpack_from("<II", octets, _COUNTS)
    if max(in_hand, begun) > CAPACITY:
        return LeftBehind()
    noted_at, scan_id = struct.unpack_from("<dq", octets, _CLOCK)
    hints = struct.iter_unpack("<qq", octets[_HINTS : _HINTS + in_hand * _HINT])
    sends = struct.iter_unpack("<qqq", octets[_SENDS : _SENDS + begun * _SEND])
    return LeftBehind(
        hints=tuple(Hint(*pair) for pair in hints),
        sends=tuple(
            Sending(
                Hint(reminder_id, ticket),
                EPOCH + timedelta(microseconds=micros),
                JournalPhase(octets[_PHASES + place]),
            )
            for place, (reminder_id, ticket, micros) in enumerate(sends)
        ),
        scan_id=scan_id,
        noted_at=noted_at,
    )


def database_mark() -> bytes:
    """Stands for the database of this process: a journal of another one says nothing about this one's rows."""
    address = connection.settings_dict
    return hashlib.sha256(repr([address[part] for part in ("HOST", "PORT", "NAME")]).encode()).digest()[:8]
