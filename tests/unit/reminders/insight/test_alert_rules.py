"""Each alert rule fires when it must and stays silent when it must, as Prometheus's own test tool sees it."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

from accounts.signals import SIGN_IN_FAILURES
from assignments.calendar_source import STATES as CALENDAR_STATES
from reminders.ledger import counters
from tests.unit.test_docs import headings

ROOT = Path(settings.BASE_DIR)
MONITORING = ROOT / "docs" / "monitoring"
ALERTS = MONITORING / "alerts.yml"
DEFINITIONS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
}
SMS_CALLBACKS = counters.SMS_CALLBACK_KINDS
HOURS = 8
MINUTES = HOURS * 60
Series = dict[str, str]

NIGHT: Series = {
    "reminder_worker_enabled": f"1x{MINUTES}",
    "reminder_paused": f"0x{MINUTES}",
    "reminder_database_up": f"1x{MINUTES}",
    "reminder_broker_up": f"1x{MINUTES}",
    "reminder_queue_depth": f"0x{MINUTES}",
    "reminder_scan_queue_depth": f"0x{MINUTES}",
    'reminder_schedule_enabled{task="reminders.scan"}': f"1x{MINUTES}",
    'reminder_schedule_enabled{task="reminders.dispatch"}': f"1x{MINUTES}",
    "reminder_due_unsent": f"0x{MINUTES}",
    "reminder_oldest_due_age_seconds": f"0x{MINUTES}",
    "reminder_unaccounted": f"0x{MINUTES}",
    "reminder_rules_behind": f"0x{MINUTES}",
    "reminder_rules_waiting_seconds": f"0x{MINUTES}",
    "reminder_unknown": f"0x{MINUTES}",
    "assignment_declined": f"0x{MINUTES}",
    "assignment_unanswered": f"0x{MINUTES}",
    "assignment_untold": f"0x{MINUTES}",
    "reminder_overdue": f"3x{MINUTES}",
    "reminder_overdue_alert": f"3x{MINUTES}",
    "reminder_poll_interval_seconds": f"300x{MINUTES}",
    "reminder_figures_timestamp_seconds": f"0+60x{MINUTES}",
    "reminder_last_scan_timestamp_seconds": f"0+60x{MINUTES}",
    'reminder_channel_held{channel="email"}': f"0x{MINUTES}",
    'reminder_channel_pace_per_minute{channel="email"}': f"0x{MINUTES}",
    'reminder_channel_pace_too_late{channel="email"}': f"0x{MINUTES}",
    **{f'reminder_calendar_sources{{state="{s}"}}': f"0x{MINUTES}" for s in CALENDAR_STATES},
    "reminder_sms_this_month": f"799x{MINUTES}",
    "reminder_sms_monthly_cap": f"1000x{MINUTES}",
    **{
        f'reminder_sms_callbacks_total{{callback="{c}",outcome="forged"}}': f"7x{MINUTES}"
        for c in SMS_CALLBACKS
    },
    "reminder_disk_free_bytes": f"5000000000x{MINUTES}",
    'reminder_sent_total{status="SCHEDULED"}': f"400x{MINUTES}",
    'reminder_delivery_events_total{channel="email",kind="bounced"}': f"7x{MINUTES}",
    "reminder_bounce_mailbox_failing": f"0x{MINUTES}",
    'reminder_ambiguous_total{channel="email"}': f"2x{MINUTES}",
    **{f'reminder_failed_total{{reason="{r}"}}': f"0x{MINUTES}" for r in counters.FAILURE_REASONS},
    **{f'reminder_events_total{{state="{s}"}}': f"3x{MINUTES}" for s in counters.EVENT_STATES},
    **{f'reminder_sign_in_failures_total{{reason="{r}"}}': f"9x{MINUTES}" for r in SIGN_IN_FAILURES},
    **{f'reminder_processes{{kind="{kind}"}}': f"2x{MINUTES}" for kind in ("worker", "scanner", "beat")},
}
"""A quiet night: nothing is due, counters stand still, scans go on, as many are overdue as are allowed."""

WAITS = {"reminder_due_unsent": f"0x9 4x{MINUTES}"}
OFF = {"reminder_worker_enabled": f"0x{MINUTES}"}
PAUSED = {"reminder_paused": f"1x{MINUTES}"}
GONE = 'reminder_processes{kind="worker"}'
FAILED = 'reminder_failed_total{reason="rejected"}'
BROKER = 'reminder_failed_total{reason="broker"}'
EVENTS = 'reminder_events_total{state="FAILED"}'
DOUBT = 'reminder_ambiguous_total{channel="email"}'
HELD = 'reminder_channel_held{channel="email"}'
TOO_SLOW = 'reminder_channel_pace_too_late{channel="email"}'
SENT = 'reminder_sent_total{status="SCHEDULED"}'
DISPATCH_ON = 'reminder_schedule_enabled{task="reminders.dispatch"}'
BOUNCED = 'reminder_delivery_events_total{channel="email",kind="bounced"}'
MAILBOX = "reminder_bounce_mailbox_failing"
WRONG = 'reminder_sign_in_failures_total{reason="credentials"}'
LIMITED = 'reminder_sign_in_failures_total{reason="limited"}'
CALENDAR = 'reminder_calendar_sources{{state="{}"}}'
RULES = "reminder_rules_waiting_seconds"
SMS = "reminder_sms_this_month"
FELL_BACK = 'reminder_template_fallbacks_total{channel="email"}'
FORGED = 'reminder_sms_callbacks_total{callback="status",outcome="forged"}'
AGE = "reminder_oldest_due_age_seconds"
SCAN = "reminder_last_scan_timestamp_seconds"

# (what happens, the rule, what differs from the quiet night, minute of the question)
FIRES: list[tuple[str, str, Series, int]] = [
    ("no web answers", "ReminderMetricsAbsent", {"reminder_worker_enabled": "1x9"}, 25),
    ("the database is away", "ReminderDatabaseAway", {"reminder_database_up": "1x9 0x30"}, 15),
    (
        "counting fails",
        "ReminderFiguresOld",
        {"reminder_figures_timestamp_seconds": "0+60x9 540x30"},
        20,
    ),
    ("nothing is accepted", "ReminderSendingStopped", WAITS, 30),
    ("the oldest waits", "ReminderLate", {AGE: "0x9 0+60x30"}, 15),
    ("a row is missing", "ReminderUnaccounted", {"reminder_unaccounted": "0x9 1x30"}, 25),
    ("a change of rules is not followed", "ReminderRulesNotFollowed", {RULES: "0x9 0+60x60"}, 31),
    ("the first failure ever", "ReminderFailures", {FAILED: "0x9 1x30"}, 11),
    ("one failure more", "ReminderFailures", {FAILED: "41x9 42x30"}, 11),
    ("a program was not told", "ReminderWebhooksFail", {EVENTS: "3x9 5x30"}, 11),
    ("a calendar does not answer", "ReminderCalendarFails", {CALENDAR.format("failing"): "0x9 1x90"}, 75),
    ("a calendar has shrunk", "ReminderCalendarAsks", {CALENDAR.format("asks"): "0x9 1x90"}, 30),
    ("a decision is wanted", "ReminderUnknown", {"reminder_unknown": "0x9 1x30"}, 20),
    ("the first possible duplicate", "ReminderPossibleDuplicates", {DOUBT: "0x9 1x30"}, 11),
    ("one message in ten bounces", "ReminderBounces", {BOUNCED: "7x9 7+1x60", SENT: "400x9 400+10x60"}, 40),
    ("the mailbox is locked", "ReminderBounceMailboxFails", {MAILBOX: "0x9 1x60"}, 30),
    ("the mail server refuses", "ReminderChannelHeld", {HELD: "0x9 1 0 1 0 1 1 0 1 0 1 1 1"}, 20),
    ("some cannot leave in time", "ReminderPaceTooSlow", {TOO_SLOW: "0x9 3x30"}, 13),
    ("the month's SMS are used up", "ReminderSmsCapReached", {SMS: "799x9 1000x60"}, 12),
    ("the month's SMS are nearly used up", "ReminderSmsCapNear", {SMS: "799x9 800x60"}, 26),
    ("the token has changed", "ReminderSmsForged", {FORGED: "7x9 14x60"}, 17),
    ("a text cannot be used", "ReminderTemplateUnusable", {FELL_BACK: "7x9 9x60"}, 12),
    ("nobody else is found", "ReminderWorkDeclined", {"assignment_declined": "0x9 1x60"}, 16),
    ("nobody will be told", "ReminderPeopleUntold", {"assignment_untold": "0x9 3x60"}, 16),
    ("somebody does not answer", "ReminderWorkUnanswered", {"assignment_unanswered": "0x9 2x60"}, 26),
    ("one too many is overdue", "ReminderOverdue", {"reminder_overdue": "3x9 4x60"}, 30),
    ("no scan for three intervals", "ReminderNotScanning", {SCAN: "0+60x9 540x60"}, 27),
    ("the worker is gone", "ReminderProcessMissing", {GONE: "2x9 0x60"}, 15),
    ("Redis does not answer", "ReminderBrokerAway", {"reminder_broker_up": "1x9 0x60"}, 15),
    ("dispatch cannot reach Redis", "ReminderBrokerAway", {BROKER: "0x9 0+60x60"}, 15),
    ("messages pile up", "ReminderQueueDeep", {"reminder_queue_depth": "0x9 150x60"}, 25),
    ("the scanner takes nothing", "ReminderScanQueueDeep", {"reminder_scan_queue_depth": "0x9 34x60"}, 25),
    ("a switched off dispatch is forgotten", "ReminderScheduleOff", {DISPATCH_ON: f"0x{MINUTES}"}, 61),
    ("a disk fills", "ReminderDiskLow", {"reminder_disk_free_bytes": "2000000000-100000000x60"}, 20),
    ("passwords are tried", "ReminderSignInFailures", {WRONG: "9x9 29x60", LIMITED: "9x9 49x60"}, 12),
    ("a pause is forgotten", "ReminderPausedLong", PAUSED, 241),
    ("the switch is forgotten", "ReminderSwitchedOff", OFF, 61),
]
SILENT: list[tuple[str, str, Series, int]] = [
    ("web restarts", "ReminderMetricsAbsent", {"reminder_worker_enabled": f"1x9 _x1 1x{MINUTES}"}, 12),
    ("one scrape without it", "ReminderDatabaseAway", {"reminder_database_up": "1x9 0 1x60"}, 11),
    (
        "one late count",
        "ReminderFiguresOld",
        {"reminder_figures_timestamp_seconds": f"0+60x9 540 600+60x{MINUTES}"},
        12,
    ),
    ("it is paused", "ReminderSendingStopped", WAITS | PAUSED, 30),
    ("it is switched off", "ReminderSendingStopped", WAITS | OFF, 30),
    ("some are accepted", "ReminderSendingStopped", WAITS | {SENT: f"400+3x{MINUTES}"}, 30),
    ("it is paused", "ReminderLate", {AGE: f"0+60x{MINUTES}"} | PAUSED, 30),
    ("it is two minutes at most", "ReminderLate", {AGE: f"120x{MINUTES}"}, 30),
    ("the next scan plans it", "ReminderUnaccounted", {"reminder_unaccounted": "0x9 1x5 0x60"}, 25),
    ("the next scan goes on", "ReminderRulesNotFollowed", {RULES: "0x9 0+60x16 0x60"}, 31),
    ("it is switched off", "ReminderRulesNotFollowed", {RULES: f"0+60x{MINUTES}"} | OFF, 60),
    ("web restarts and counters stay", "ReminderFailures", {FAILED: f"7x9 _x3 7x{MINUTES}"}, 14),
    ("a dead broker has a rule of its own", "ReminderFailures", {BROKER: f"0+60x{MINUTES}"}, 30),
    (
        "programs are told, or have gone",
        "ReminderWebhooksFail",
        {'reminder_events_total{state="SENT"}': f"3+9x{MINUTES}"},
        30,
    ),
    ("a calendar answers again", "ReminderCalendarFails", {CALENDAR.format("failing"): "0x9 1x30 0x90"}, 75),
    ("somebody has looked", "ReminderCalendarAsks", {CALENDAR.format("asks"): "0x9 1x10 0x90"}, 30),
    ("one address in a hundred is wrong", "ReminderBounces", {BOUNCED: "7+1x60", SENT: "400+100x60"}, 40),
    ("one of few is wrong", "ReminderBounces", {BOUNCED: "7x9 8x60", SENT: "400x9 402x60"}, 40),
    ("the mailbox is away for a moment", "ReminderBounceMailboxFails", {MAILBOX: "0x9 1x5 0x60"}, 30),
    ("an operator decides", "ReminderUnknown", {"reminder_unknown": "0x9 1x2 0x60"}, 20),
    ("they were yesterday's", "ReminderPossibleDuplicates", {DOUBT: f"0x9 1x{MINUTES}"}, 75),
    ("one hiccup of the mail server", "ReminderChannelHeld", {HELD: f"0x9 1 0x{MINUTES}"}, 16),
    (
        "all can leave in time at a slow pace",
        "ReminderPaceTooSlow",
        {'reminder_channel_pace_per_minute{channel="email"}': f"0x9 20x{MINUTES}"},
        30,
    ),
    ("the pace rises again in time", "ReminderPaceTooSlow", {TOO_SLOW: f"0x9 3 0x{MINUTES}"}, 11),
    ("no gateway is set", "ReminderSmsCapReached", {SMS: "0x60", "reminder_sms_monthly_cap": "0x60"}, 30),
    ("one is left", "ReminderSmsCapReached", {SMS: f"799x9 999x{MINUTES}"}, 30),
    ("none is left", "ReminderSmsCapNear", {SMS: f"799x9 1000x{MINUTES}"}, 60),
    ("a scanner of the internet", "ReminderSmsForged", {FORGED: f"7x9 11x{MINUTES}"}, 30),
    ("the text was corrected", "ReminderTemplateUnusable", {FELL_BACK: f"7x9 9x{MINUTES}"}, 50),
    ("somebody else is found", "ReminderWorkDeclined", {"assignment_declined": "0x9 1x3 0x60"}, 13),
    ("somebody was called", "ReminderPeopleUntold", {"assignment_untold": "0x9 1x3 0x60"}, 13),
    ("they answer", "ReminderWorkUnanswered", {"assignment_unanswered": "0x9 2x12 0x60"}, 22),
    ("as many as are allowed", "ReminderOverdue", {}, 60),
    ("it is switched off", "ReminderNotScanning", {SCAN: f"0x{MINUTES}"} | OFF, 60),
    ("a scan is late once", "ReminderNotScanning", {SCAN: f"0+60x9 540x10 1200+60x{MINUTES}"}, 22),
    ("a worker restarts", "ReminderProcessMissing", {GONE: f"2x9 0 2x{MINUTES}"}, 12),
    ("it is switched off", "ReminderProcessMissing", {GONE: f"0x{MINUTES}"} | OFF, 30),
    ("one tick without Redis", "ReminderBrokerAway", {"reminder_broker_up": "1x9 0 1x60"}, 13),
    ("nine o'clock", "ReminderQueueDeep", {"reminder_queue_depth": "0x9 200x5 0x60"}, 25),
    ("a scanner restarts", "ReminderScanQueueDeep", {"reminder_scan_queue_depth": "0x9 34x3 0x60"}, 25),
    ("a short stop of dispatch", "ReminderScheduleOff", {DISPATCH_ON: f"1x9 0x20 1x{MINUTES}"}, 90),
    ("a backup for a moment", "ReminderDiskLow", {"reminder_disk_free_bytes": "5e9x9 5e8x3 5e9x60"}, 14),
    ("people mistype", "ReminderSignInFailures", {WRONG: f"9+3x{MINUTES}"}, 60),
    ("an hour's pause", "ReminderPausedLong", {"reminder_paused": f"0x9 1x60 0x{MINUTES}"}, 300),
    ("a short stop", "ReminderSwitchedOff", {"reminder_worker_enabled": f"1x9 0x20 1x{MINUTES}"}, 90),
]


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name}")
    return found


def run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def ask(folder: Path, changed: Mapping[str, str], minute: int, question: str, expected: int) -> None:
    """Lets the tool play the night with what differs in it, and count the alerts that fire in that minute."""
    values = {**NIGHT, **changed}
    sample: list[dict[str, object]] = [{"labels": "{}", "value": expected}] if expected else []
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": line} for name, line in values.items()],
        "promql_expr_test": [
            {"expr": f"count({question})", "eval_time": f"{minute}m", "exp_samples": sample}
        ],
    }
    case = folder / "case.yml"
    case.write_text(
        yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]})
    )
    run(tool("promtool"), "test", "rules", str(case))


@pytest.mark.parametrize(
    ("why", "alert", "changed", "minute"), FIRES, ids=lambda v: v if isinstance(v, str) else ""
)
def test_it_fires(why, alert, changed, minute, tmp_path):
    ask(tmp_path, changed, minute, f'ALERTS{{alertstate="firing", alertname="{alert}"}}', 1)


@pytest.mark.parametrize(
    ("why", "alert", "changed", "minute"), SILENT, ids=lambda v: v if isinstance(v, str) else ""
)
def test_it_stays_silent(why, alert, changed, minute, tmp_path):
    ask(tmp_path, changed, minute, f'ALERTS{{alertstate="firing", alertname="{alert}"}}', 0)


@pytest.mark.parametrize("minute", [5, 30, 240, MINUTES])
def test_a_quiet_night_is_quiet(minute, tmp_path):
    ask(tmp_path, {}, minute, 'ALERTS{alertstate="firing"}', 0)


def test_every_rule_is_held_both_ways():
    assert {alert for _, alert, _, _ in FIRES} == {alert for _, alert, _, _ in SILENT} == set(DEFINITIONS)


@pytest.mark.parametrize("alert", sorted(DEFINITIONS))
def test_each_alert_says_how_bad_how_much_and_what_ends_it(alert):
    rule = DEFINITIONS[alert]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert "$value" in rule["annotations"]["summary"] or alert == "ReminderMetricsAbsent"
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert page == "{{ $externalLabels.runbook }}"
    assert anchor in headings(ROOT / "docs" / "runbook.md")


def test_the_runbook_names_each_alert():
    named = re.findall(r"`(Reminder[A-Z]\w+)`", (ROOT / "docs" / "runbook.md").read_text())
    assert sorted(named) == sorted(DEFINITIONS)


def test_prometheus_takes_its_configuration_and_the_rules():
    run(tool("promtool"), "check", "config", str(MONITORING / "prometheus.yml"))
    run(tool("promtool"), "check", "rules", str(ALERTS))


def test_alertmanager_takes_its_configuration():
    run(tool("amtool"), "check-config", str(MONITORING / "alertmanager.yml"))


@pytest.mark.parametrize(
    ("severity", "receiver"), [("critical", "pagerduty"), ("warning", "slack"), ("info", "slack")]
)
def test_who_is_called(severity, receiver):
    done = subprocess.run(
        [
            tool("amtool"),
            "config",
            "routes",
            "test",
            f"--config.file={MONITORING / 'alertmanager.yml'}",
            f"severity={severity}",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == receiver
