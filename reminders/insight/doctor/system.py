"""What the database knows of the system: switches, processes, scans, figures of the ledger, channels, webhooks."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from reminders.conf import ReminderConfig
from reminders.delivery import beat_schedule, heartbeats
from reminders.delivery.beat_schedule import EntryStatus
from reminders.insight import statistics, subscription_health
from reminders.insight.doctor import texts
from reminders.insight.doctor.check import Check, Level, skew
from reminders.insight.explain.wording import channel_name, rate
from reminders.insight.rule_progress import rule_progress
from reminders.insight.statistics import Snapshot
from reminders.insight.stored_words import actor_in_words, reason_in_words
from reminders.ledger.pauses import pause_in_force
from reminders.models import CircuitBreaker, Subscription

SCANS_MISSED = 3
"""After so many intervals without a scan something is wrong."""

LATE = timedelta(minutes=1)
"""A message that is due for longer than this should have been handed over, begun and sent."""

CORRECTED_SOON = _("A worker corrects it within ten seconds; `manage.py setup_reminders` does so at once.")

SCRAPED_LATELY = timedelta(minutes=5)
"""Prometheus commonly reads once a minute or more often."""


def checks(config: ReminderConfig) -> Iterator[Check]:
    """Every check that needs nothing but a migrated database."""
    taken = statistics.current(max_age=timedelta(), config=config)
    yield _pause()
    for standing in beat_schedule.check_entries(config):
        yield _entry(standing)
    yield _beat(taken)
    yield _scanner(taken)
    yield _worker(taken, config)
    yield from _processes(config)
    yield _scrape()
    yield _last_scan(taken, config)
    yield from _figures(taken, config)
    yield _rules(taken, config)
    yield from _holds(taken)
    yield from _paces(taken)
    yield from _webhooks()
    yield from texts.checks()


def scan_is_late(age: float, config: ReminderConfig) -> bool:
    """Whether scans have stopped, by the age of the last one in seconds, read from figures that are kept."""
    return age > (SCANS_MISSED * config.poll + statistics.MAX_AGE).total_seconds()


# --- the switches that are in the database ----------------------------------------------------------------------


def _pause() -> Check:
    pause = pause_in_force()
    if pause is None:
        return Check(gettext("switch 2 of 3: pause"), Level.PASS, gettext("none in force"))
    until = (
        gettext("until %(isoformat)s") % {"isoformat": pause.until.isoformat(timespec="minutes")}
        if pause.until
        else gettext("until somebody resumes")
    )
    return Check(
        gettext("switch 2 of 3: pause"),
        Level.WARN,
        gettext("paused by %(by)s since %(isoformat)s, %(until)s: %(reason)s")
        % {
            "by": actor_in_words(pause.by),
            "isoformat": pause.since.isoformat(timespec="minutes"),
            "until": until,
            "reason": reason_in_words(pause.reason),
        },
        gettext("Resume at /ops/ or by POST /api/admin/reminders/resume; it shows the backlog first."),
    )


def _entry(standing: EntryStatus) -> Check:
    name = gettext("switch 3 of 3: beat entry %(task)s") % {"task": standing.task}
    if standing.switched_off is not None:
        return Check(
            name,
            Level.FAIL,
            gettext("%(problem)s (since %(isoformat)s)")
            % {
                "problem": standing.problem,
                "isoformat": standing.switched_off.since.isoformat(timespec="minutes"),
            },
            gettext("Switch %(task)s on again in the admin under Periodic tasks; nothing else does.")
            % {"task": standing.task},
        )
    if standing.problem:
        stopped = standing.broken or standing.runs_in_future
        return Check(name, Level.FAIL if stopped else Level.WARN, standing.problem, str(CORRECTED_SOON))
    return Check(
        name,
        Level.PASS,
        gettext("on, every %(total_seconds)s s") % {"total_seconds": f"{standing.wanted.total_seconds():g}"},
    )


# --- who is at work --------------------------------------------------------------------------------------------


def _beat(taken: Snapshot) -> Check:
    seen = taken.processes.get("beat")
    if seen is None:
        return Check(
            "beat",
            Level.FAIL,
            gettext("not seen in the last 30 s"),
            gettext(
                "If its process is there, it is frozen: end it with SIGKILL, and it is started again. Start one "
                "only where nothing does so by itself: `celery -A config beat`."
            ),
        )
    if seen.at_once > 1:
        return Check(
            "beat",
            Level.WARN,
            gettext("%(at_once)s at once; nothing is sent twice, but one is enough")
            % {"at_once": seen.at_once},
            gettext("Stop all but one."),
        )
    return Check("beat", Level.PASS, gettext("one is at work"))


def _scanner(taken: Snapshot) -> Check:
    seen = taken.processes.get("scanner")
    if seen is None and "beat" not in taken.processes:
        # It leaves a sign of life when it dispatches, and beat asks it to.
        fix = gettext("See beat first. If the scanner is still not seen a minute later, start one.")
        return Check("scanner", Level.WARN, gettext("not seen, but beat does not ask it for anything"), fix)
    if seen is None:
        return Check(
            "scanner",
            Level.FAIL,
            gettext("not seen in the last 30 s"),
            gettext(
                "Start one: `celery -A config worker -Q reminders.scan`. It needs beat and Redis to be seen."
            ),
        )
    return Check("scanner", Level.PASS, gettext("%(count)s at work") % {"count": seen.count})


def _worker(taken: Snapshot, config: ReminderConfig) -> Check:
    seen = taken.processes.get("worker")
    if seen is not None:
        return Check(
            "worker", Level.PASS, gettext("%(count)s took a message in the last 30 s") % {"count": seen.count}
        )
    if not config.enabled:
        return Check(
            "worker",
            Level.WARN,
            gettext("not asked while reminders are switched off"),
            gettext("See switch 1 of 3."),
        )
    return Check(
        "worker",
        Level.FAIL,
        gettext("none took a message in the last 30 s, not even an empty one"),
        gettext(
            "Start one: `celery -A config worker -Q reminders`. It needs the scanner and Redis to be seen."
        ),
    )


def _processes(config: ReminderConfig) -> Iterator[Check]:
    """What each process says about itself: each has an environment and a host of its own."""
    seen = heartbeats.live_processes()
    off = [str(process) for process in seen if process.enabled is False]
    yield Check(
        gettext("switch 1 of 3 in every process"),
        Level.FAIL if off else Level.PASS,
        gettext("REMINDER_WORKER_ENABLED is false in %(list)s") % {"list": ", ".join(off)}
        if off
        else gettext("true in %(number)s processes") % {"number": len(seen)},
        gettext("Set it to true where these run, and restart them.") if off else "",
    )
    other = [str(process) for process in seen if process.rules not in ("", config.fingerprint)]
    yield Check(
        gettext("same settings everywhere"),
        Level.WARN if other else Level.PASS,
        gettext("other REMINDER_* settings than here in %(list)s") % {"list": ", ".join(other)}
        if other
        else gettext("yes"),
        gettext("Give every process the same values and restart what was not restarted since.")
        if other
        else "",
    )
    ahead = {p.host: p.clock_ahead_seconds for p in seen if p.clock_ahead_seconds is not None}
    apart = [
        skew(gettext("clock of host %(host)s") % {"host": host}, timedelta(seconds=seconds))
        for host, seconds in sorted(ahead.items())
    ]
    wrong = [check for check in apart if check.level is not Level.PASS]
    yield from wrong
    if not wrong:
        yield Check(
            gettext("clocks of the hosts"),
            Level.PASS,
            gettext("as the database's: %(value)s") % {"value": ", ".join(ahead) or gettext("none seen")},
        )


def _scrape() -> Check:
    age = heartbeats.seconds_since("scrape")
    if age is not None and age <= SCRAPED_LATELY.total_seconds():
        return Check(gettext("metrics are read"), Level.PASS, f"{age:.0f} s ago")
    return Check(
        gettext("metrics are read"),
        Level.WARN,
        gettext("never")
        if age is None
        else gettext("last %(value)s minutes ago") % {"value": f"{age / 60:.0f}"},
        gettext(
            "Let Prometheus scrape /api/metrics of each web process, with METRICS_TOKEN as bearer token if "
            "one is set."
        ),
    )


def _last_scan(taken: Snapshot, config: ReminderConfig) -> Check:
    fix = gettext("See beat, scanner and the beat entries above; `manage.py rescan_reminders` scans at once.")
    if not taken.last_scan_timestamp_seconds:
        return Check(gettext("last scan"), Level.FAIL, gettext("there was none yet"), fix)
    age = taken.taken_at - taken.last_scan_timestamp_seconds
    late = scan_is_late(age, config)
    seen = gettext("ended %(age)s s ago, one is wanted every %(total_seconds)s s") % {
        "age": f"{age:.0f}",
        "total_seconds": f"{config.poll.total_seconds():g}",
    }
    return Check(gettext("last scan"), Level.FAIL if late else Level.PASS, seen, fix if late else "")


# --- what the ledger says --------------------------------------------------------------------------------------


def _figures(taken: Snapshot, config: ReminderConfig) -> Iterator[Check]:
    if taken.unaccounted:
        yield Check(
            gettext("unaccounted"),
            Level.FAIL if config.enabled else Level.WARN,
            gettext("%(unaccounted)s due assignments have no ledger row")
            % {"unaccounted": taken.unaccounted},
            gettext(
                "`manage.py rescan_reminders` plans them; if some remain, this is a fault of the program."
            ),
        )
    else:
        yield Check(gettext("unaccounted"), Level.PASS, gettext("every due assignment has its ledger row"))
    if taken.unknown:
        yield Check(
            gettext("unknown"),
            Level.WARN,
            gettext("%(unknown)s reminders may or may not have arrived, twice over")
            % {"unknown": taken.unknown},
            gettext("Ask the people, then at /ops/ send them again or close them."),
        )
    else:
        yield Check(gettext("unknown"), Level.PASS, gettext("none to be decided"))
    waits = gettext("%(due_unsent)s messages are due, the oldest for %(oldest_due_age_seconds)s s") % {
        "due_unsent": taken.due_unsent,
        "oldest_due_age_seconds": f"{taken.oldest_due_age_seconds:.0f}",
    }
    if taken.oldest_due_age_seconds <= LATE.total_seconds():
        yield Check(gettext("due and unsent"), Level.PASS, waits if taken.due_unsent else gettext("none"))
    else:
        yield Check(
            gettext("due and unsent"),
            Level.WARN if taken.paused or not config.enabled else Level.FAIL,
            waits,
            gettext(
                "See the switches, worker, Redis and the mail server in this list; `manage.py rescan_reminders "
                "--sync` sends without Redis and workers."
            ),
        )


def _rules(taken: Snapshot, config: ReminderConfig) -> Check:
    """Whether scans go on with a change of rules. Until they have come to it, work has no rows of a new rule."""
    name = gettext("change of rules")
    followed = rule_progress()
    if followed is None:
        return Check(name, Level.PASS, gettext("every open assignment follows the rules"))
    waits = (taken.taken - followed.waiting_since).total_seconds()
    if waits <= (SCANS_MISSED * config.poll).total_seconds():
        return Check(name, Level.PASS, str(followed))
    return Check(
        name,
        Level.FAIL if config.enabled else Level.WARN,
        gettext("%(followed)s, and this has stood still for %(waits)s s")
        % {"followed": followed, "waits": f"{waits:.0f}"},
        gettext("See the last scan: `manage.py rescan_reminders` goes on with it."),
    )


def _holds(taken: Snapshot) -> Iterator[Check]:
    held = CircuitBreaker.objects.filter(channel__in=taken.held_channels).order_by("channel")
    for hold in held:
        yield Check(
            gettext("channel %(channel)s") % {"channel": hold.channel},
            Level.WARN,
            gettext("left alone until %(isoformat)s after %(failures)s failures in a row (%(code)s)")
            % {
                "isoformat": hold.until.isoformat(timespec="seconds"),
                "failures": hold.failures,
                "code": hold.code,
            },
            gettext(
                "Mend the mail server or EMAIL_URL; the channel is tried again by itself, nothing is lost."
            ),
        )
    if not taken.held_channels:
        yield Check(gettext("channels"), Level.PASS, gettext("none is held"))


def _paces(taken: Snapshot) -> Iterator[Check]:
    for one in taken.paces:
        seen = gettext("%(channel_name)s accepts %(rate)s: %(waiting)s due messages wait") % {
            "channel_name": channel_name(one.channel),
            "rate": rate(one.per_minute),
            "waiting": one.waiting,
        }
        if one.last_leaves_at is not None:
            last = datetime.fromtimestamp(one.last_leaves_at, UTC).isoformat(timespec="seconds")
            seen += gettext(", the last leaves at about %(last)s") % {"last": last}
        if one.too_late:
            seen += gettext("; %(too_late)s cannot leave in time") % {"too_late": one.too_late}
        yield Check(
            gettext("pace of %(channel)s") % {"channel": one.channel},
            Level.WARN if one.too_late else Level.PASS,
            seen,
            gettext(
                "Raise the limit at the mail provider, or send through another server (EMAIL_URL); see "
                "docs/runbook.md#the-mail-server-accepts-only-so-many."
            )
            if one.too_late
            else "",
        )
    if not taken.paces:
        yield Check(gettext("pace"), Level.PASS, gettext("no channel limits how many messages it accepts"))


def _webhooks() -> Iterator[Check]:
    """Endpoints of programs; reminders do not depend on them."""
    subscriptions = list(Subscription.objects.filter(active=True))
    if not subscriptions:
        return
    fares = subscription_health.health(subscriptions)
    failing = [(one, fares[one.pk]) for one in subscriptions if fares[one.pk].failing_since]
    for one, health in failing:
        yield Check(
            gettext("webhook %(pk)s") % {"pk": one.pk},
            Level.WARN,
            gettext("%(name)s does not answer (%(code)s): %(waiting)s events wait")
            % {"name": one.name, "code": health.code, "waiting": health.waiting},
            gettext(
                "Tell those who run it; `POST /api/webhooks/ID/test` shows whether it works again. Nobody's "
                "reminder waits."
            ),
        )
    if not failing:
        yield Check(
            gettext("webhooks"),
            Level.PASS,
            gettext("%(number)s subscriptions, all are told") % {"number": len(subscriptions)},
        )
