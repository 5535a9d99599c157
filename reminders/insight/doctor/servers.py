"""The servers beside us: Redis, the way through a worker, the mail server, the gateway for SMS, Prometheus."""

import http.client
import json
import re
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assignments.clock import database_now
from assignments.wording import code_in_words
from notifications.channels import registry
from notifications.message import Contact, Delivery, Message, Outcome
from reminders.conf import ReminderConfig
from reminders.delivery import broker_status, heartbeats
from reminders.delivery.broker import CeleryBroker
from reminders.delivery.hints import BrokerDown, HintBatch
from reminders.insight import metrics
from reminders.insight.doctor.check import Check, Level, skew
from reminders.insight.stored_words import fault_in_words
from reminders.ledger import sms_usage

SERIES = (
    "reminder_sent_total",
    "reminder_failed_total",
    "reminder_skipped_total",
    "reminder_attempts_total",
    "reminder_overdue_marked_total",
    "reminder_sign_in_failures_total",
    "reminder_ambiguous_total",
    "reminder_overdue",
    "reminder_assignments",
    "reminder_ledger",
    "reminder_due_unsent",
    "reminder_oldest_due_age_seconds",
    "reminder_unaccounted",
    "reminder_unknown",
    "reminder_last_scan_timestamp_seconds",
    "reminder_worker_enabled",
    "reminder_paused",
    "reminder_delivery_events_total",
    "reminder_queue_depth",
    "reminder_scan_queue_depth",
    "reminder_schedule_enabled",
    "reminder_send_delay_seconds",
    "reminder_scan_duration_seconds",
)
"""What dashboards and alert rules are built on."""

PROMETHEUS_SECONDS = 5.0
ALERTS = "docs/monitoring/alerts.yml"


def redis() -> Iterator[Check]:
    """Whether it answers, takes writes, evicts nothing, and keeps time."""
    try:
        state = broker_status.read_status()
        waiting = broker_status.queue_lengths()
    except BrokerDown as error:
        yield Check(
            "Redis",
            Level.FAIL,
            str(error),
            gettext("Start it and look at REDIS_URL; reminders wait in the database until it answers."),
        )
        return
    yield Check(
        "Redis",
        Level.PASS,
        ", ".join(gettext("%(n)s in %(queue)s") % {"n": n, "queue": queue} for queue, n in waiting.items()),
    )
    if state.writable:
        yield Check(gettext("Redis takes writes"), Level.PASS, gettext("yes"))
    else:
        yield Check(
            gettext("Redis takes writes"),
            Level.FAIL,
            gettext("no: a replica, or out of memory"),
            gettext("Name the primary in REDIS_URL, or give it memory."),
        )
    if state.policy == "noeviction":
        yield Check(gettext("Redis eviction policy"), Level.PASS, state.policy)
    else:
        yield Check(
            gettext("Redis eviction policy"),
            Level.WARN,
            state.policy or gettext("it does not tell"),
            gettext(
                "Set maxmemory-policy to noeviction: what is evicted comes again, but only after its lease."
            ),
        )
    yield skew(gettext("clock of Redis"), state.clock_ahead)


def canary(*, patience: timedelta) -> Check:
    """A message without hints takes the way of every hint, through Redis to a worker, and leaves a sign of life."""
    fix = gettext("See worker and Redis in this list; the worker's log says what it waits for.")
    asked_at, over = database_now(), time.monotonic() + patience.total_seconds()
    if CeleryBroker().publish([HintBatch(())]):
        return Check(gettext("a message to a worker"), Level.FAIL, gettext("Redis refused it"), fix)
    while True:
        age = heartbeats.seconds_since("worker")
        if age is not None and age < (database_now() - asked_at).total_seconds():
            return Check(gettext("a message to a worker"), Level.PASS, gettext("taken"))
        if time.monotonic() >= over:
            break
        time.sleep(0.1)
    seen = gettext("no worker took it in %(total_seconds)s s") % {
        "total_seconds": f"{patience.total_seconds():g}"
    }
    return Check(gettext("a message to a worker"), Level.FAIL, seen, fix)


REFUSED = {"auth": _("it refuses our credentials"), "mail": _("it refuses our sender")}
"""By the phase of the refusal."""


def mail_server(config: ReminderConfig) -> Iterator[Check]:
    """Whether it can be reached, takes our sender, and a recipient: a supervisor if there is one, else the sender."""
    if config.channel not in registry.names():
        return  # The check of the settings says so.
    channel = registry.get(config.channel)
    answer = channel.probe(None, timeout=config.send_timeout)
    if answer is None:
        return
    if not answer.accepted:
        reached = answer.outcome is not Outcome.CHANNEL_DOWN
        what = (
            str(REFUSED.get(answer.phase) or gettext("it refuses to serve us"))
            if reached
            else gettext("it cannot be reached")
        )
        yield Check(
            gettext("mail server"),
            Level.FAIL,
            f"{what} {_said(answer)}",
            gettext(
                "Look at EMAIL_URL, DEFAULT_FROM_EMAIL and at the server; reminders are tried again until they "
                "are too late."
            ),
        )
        return
    yield Check(gettext("mail server"), Level.PASS, gettext("it answers and takes our sender"))
    if not config.ops_emails:
        return
    answer = channel.probe(config.ops_emails[0], timeout=config.send_timeout)
    assert answer is not None
    if answer.accepted:
        yield Check(gettext("mail to a supervisor"), Level.PASS, gettext("it would be taken"))
    else:
        yield Check(
            gettext("mail to a supervisor"),
            Level.FAIL,
            gettext("it would be refused %(said)s") % {"said": _said(answer)},
            gettext(
                "Look at the first address of REMINDER_OPS_EMAILS, and whether the server relays for this host."
            ),
        )


def sms_gateway(config: ReminderConfig) -> Iterator[Check]:
    """Whether the gateway can be reached and takes the account's credentials, if one is set."""
    if sms_usage.CHANNEL not in config.further_channels:
        return
    answer = registry.get(sms_usage.CHANNEL).probe(None, timeout=config.send_timeout)
    assert answer is not None
    if answer.accepted:
        yield Check(gettext("SMS gateway"), Level.PASS, gettext("it answers and takes our credentials"))
        return
    reached = answer.outcome is not Outcome.CHANNEL_DOWN
    what = gettext("it refuses our credentials") if reached else gettext("it cannot be reached")
    fix = gettext("Look at SMS_URL (docs/sms.md); SMS are tried again until they are too late.")
    yield Check(gettext("SMS gateway"), Level.FAIL, f"{what} {_said(answer)}", fix)


def _said(answer: Delivery) -> str:
    return f"({answer.code}) {fault_in_words(answer.detail)}".strip()


def series() -> Check:
    """Whether every promised series is in our own metrics."""
    shown = set(re.findall(r"^# TYPE (\w+) ", metrics.exposition_of_all().decode(), re.MULTILINE))
    missing = [name for name in SERIES if name not in shown]
    if not missing:
        return Check(
            gettext("metrics"),
            Level.PASS,
            gettext("all %(number)s series are there") % {"number": len(SERIES)},
        )
    return Check(
        gettext("metrics"),
        Level.FAIL,
        gettext("missing: %(list)s") % {"list": ", ".join(missing)},
        gettext("The log of web has a line `Metrics incomplete` or `Metrics without ...` that says why."),
    )


def prometheus(url: str) -> Iterator[Check]:
    """Whether Prometheus reads our metrics and has alert rules about them."""
    try:
        found = _ask(url, "query?query=reminder_worker_enabled")["result"]
        groups = _ask(url, "rules?type=alert")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        ours = [rule for rule in rules if "reminder_" in str(rule["query"])]
    except (OSError, ValueError, http.client.HTTPException, KeyError, TypeError) as error:
        yield Check(
            "Prometheus",
            Level.FAIL,
            gettext("no answer that can be read (%(name)s)") % {"name": type(error).__name__},
            gettext("Look at PROMETHEUS_URL and whether it can be reached from here."),
        )
        return
    yield Check(
        gettext("Prometheus reads our metrics"),
        Level.PASS if found else Level.FAIL,
        gettext("from %(number)s web processes") % {"number": len(found)}
        if found
        else gettext("it knows no reminder_worker_enabled"),
        ""
        if found
        else gettext("Give it /api/metrics of each web process as a target; its page Targets shows errors."),
    )
    yield _rules(ours)


def _rules(ours: Sequence[Mapping[str, Any]]) -> Check:
    """How the alert rules about reminders stand beside those that this project ships."""
    names = {str(rule.get("name")) for rule in ours}
    broken = sorted(str(rule.get("name")) for rule in ours if rule.get("health") == "err")
    missing = [name for name in shipped_rules() if name not in names]
    fix = gettext("Load %(alerts)s into Prometheus; its page Alerts shows what is loaded.") % {
        "alerts": ALERTS
    }
    if not ours:
        return Check(gettext("alert rules"), Level.FAIL, gettext("none about reminders is loaded"), fix)
    if broken:
        return Check(
            gettext("alert rules"),
            Level.FAIL,
            gettext("these cannot be evaluated: %(list)s") % {"list": ", ".join(broken)},
            fix,
        )
    if missing:
        return Check(
            gettext("alert rules"),
            Level.WARN,
            gettext("these are not loaded: %(list)s") % {"list": ", ".join(missing)},
            fix,
        )
    return Check(
        gettext("alert rules"),
        Level.PASS,
        gettext("%(number)s about reminders are loaded") % {"number": len(ours)},
    )


def shipped_rules() -> list[str]:
    """The names of the alert rules that come with this project; none where its docs are not installed."""
    try:
        text = (Path(settings.BASE_DIR) / ALERTS).read_text(encoding="utf-8")
    except OSError:
        return []
    return re.findall(r"^ *- alert: (\w+)$", text, re.MULTILINE)


def _ask(url: str, question: str) -> Any:
    request = urllib.request.Request(f"{url.rstrip('/')}/api/v1/{question}")  # noqa: S310  http(s) by the settings
    with urllib.request.urlopen(request, timeout=PROMETHEUS_SECONDS) as answer:  # noqa: S310
        return json.load(answer)["data"]


def send_test_mail(address: str, config: ReminderConfig) -> Check:
    """Sends a mail to the operator over the very channel that reminders take."""
    channel = registry.get(config.channel)
    to = channel.address(Contact(name="", email=address))
    if to is None:
        return Check(
            gettext("test mail"),
            Level.FAIL,
            gettext("that is not an address"),
            gettext("Name one, like ops@example.com."),
        )
    delivery = channel.send(
        Message(
            message_id=f"{uuid4()}@doctor.invalid",
            address=to,
            name="",
            subject="Test mail of the assignment reminders",
            text="This mail took the way that every reminder takes. If you read it, that way is open.\n",
        ),
        timeout=config.send_timeout,
    )
    if delivery.accepted:
        return Check(gettext("test mail"), Level.PASS, gettext("the mail server took it"))
    outcome = code_in_words(delivery.outcome.value)
    seen = f"{outcome} {_said(delivery)}"
    return Check(
        gettext("test mail"),
        Level.FAIL,
        seen,
        gettext("Look at EMAIL_URL, DEFAULT_FROM_EMAIL and the server's log."),
    )
