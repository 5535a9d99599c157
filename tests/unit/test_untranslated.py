"""No module says English to people who read pages in another language.

A text is a literal with two words of small letters side by side that is no argument of gettext. Modules whose texts are for
programs, logs, the command line or the settings are named here; any other has none.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from config.devstack.translations import FUNCTIONS, ROOT

PACKAGES = ("accounts", "assignments", "notifications", "reminders")
PROSE = re.compile(r"[a-z]{2,}[,:;]? (?:[a-z]+|\{\})")
SQL = re.compile(r"\b(SELECT|UPDATE|INSERT|WHERE|FROM|AND|DELETE|JOIN|greatest)\b")
NOT_SHOWN = ("debug", "info", "warning", "exception", "execute", "getLogger", "compile")
"""Calls whose texts are in logs, or are no texts."""

ENGLISH = (
    # Programs and the command line, and what only they see.
    "accounts/authentication.py",
    "accounts/errors.py",
    "accounts/management/",
    "accounts/tokens.py",
    "reminders/management/",
    "reminders/web/api/",
    "reminders/web/calendar_feed.py",
    "reminders/web/health.py",
    "reminders/web/inbound/",
    "reminders/insight/metrics.py",
    "reminders/ledger/events.py",
    "webserver/",
    # Settings and the checks of Django.
    "notifications/bounces/imap.py",
    "notifications/channels/chat/checks.py",
    "notifications/channels/email/checks.py",
    "notifications/channels/sms/checks.py",
    "notifications/providers.py",
    "reminders/checks.py",
    "reminders/conf.py",
    # What servers answered and what is stored of a send: a record is in one language.
    "notifications/bounces/",
    "notifications/channels/",
    "notifications/deadline_socket.py",
    "notifications/fetch.py",
    "notifications/resolver.py",
    "reminders/delivery/",
    "reminders/feeds/",
    "reminders/ledger/",
    # How rows are called in the admin and in logs; the words of codes are in reminders/web/code_words.py.
    "accounts/models.py",
    "assignments/erasure_models.py",
    "assignments/import_models.py",
    "reminders/models/",
    # Calendars are read by workers, and their errors kept; JSON is sent by programs.
    "assignments/imports/calendar_",
    "assignments/imports/json_",
    "assignments/imports/tables/column_names.py",
    "assignments/imports/tables/xlsx_process.py",
)
"""Modules and beginnings of their paths."""

NO_TEXTS = {
    "accounts/adapters.py": 1,
    "accounts/openid_people.py": 1,
    "accounts/roles.py": 5,
    "accounts/sign_in.py": 4,
    "assignments/applied_changes.py": 1,
    "assignments/change_record.py": 1,
    "assignments/contact_points.py": 1,
    "assignments/imports/fields.py": 13,
    "assignments/imports/formats.py": 4,
    "assignments/imports/mappings.py": 1,
    "assignments/imports/tables/csv_table.py": 6,
    "assignments/imports/tables/mapped_rows.py": 3,
    "assignments/imports/tables/table.py": 1,
    "assignments/imports/results.py": 4,
    "assignments/imports/writer.py": 1,
    "assignments/models.py": 3,
    "assignments/people.py": 2,
    "assignments/teams.py": 1,
    "assignments/validators.py": 1,
    "assignments/wording.py": 1,
    "reminders/content/calendars.py": 1,
    "reminders/content/message_templates/checks.py": 5,
    "reminders/content/message_templates/filters.py": 1,
    "reminders/content/message_templates/starters.py": 12,
    "reminders/content/message_templates/syntax.py": 2,
    "reminders/content/message_templates/variables.py": 14,
    "reminders/insight/doctor/servers.py": 2,
    "reminders/insight/doctor/web.py": 1,
    "reminders/insight/mailbox.py": 1,
    "reminders/insight/message_samples.py": 16,
    "reminders/operations/counts.py": 1,
    "reminders/operations/new_work.py": 1,
    "reminders/operations/plans.py": 1,
    "reminders/operations/queue_purge.py": 1,
    "reminders/operations/reminder_rules.py": 1,
    "reminders/operations/rescans.py": 1,
    "reminders/operations/subscriptions.py": 2,
    "reminders/operations/system_actions.py": 1,
    "reminders/operations/verifications.py": 2,
    "reminders/policy/replies.py": 4,
    "reminders/web/assignee_page.py": 1,
    "reminders/web/filters.py": 8,
    "reminders/web/ops/day.py": 1,
    "reminders/web/ops/erasing.py": 1,
    "reminders/web/ops/mailbox.py": 2,
    "reminders/web/ops/table_import.py": 2,
    "reminders/web/ops/text_words.py": 11,
    "reminders/web/secret_pages.py": 1,
    "reminders/web/team_limits.py": 3,
    "reminders/web/templatetags/ops.py": 4,
}
"""Modules with so many literals that look like texts and are none: keys, names of stored records, help for the API, HTML,
headers, words in which people answer.
"""


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The lines and texts of a module that are not marked for translation."""
    yield from _texts(ast.parse(path.read_text("utf-8")))


def _texts(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Constant | ast.JoinedStr):
        text = _written(node)
        if PROSE.search(text) and not SQL.search(text):
            yield node.lineno, text
    if isinstance(node, ast.Call):
        called = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if called in NOT_SHOWN:
            return
        if called in FUNCTIONS:
            for one in node.args:
                if not isinstance(one, ast.Constant):
                    yield from _texts(one)
            return
    for child in ast.iter_child_nodes(node):
        is_docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        is_part = isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant)
        if not (is_docstring or is_part):
            yield from _texts(child)


def _written(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    return "".join(one.value if isinstance(one, ast.Constant) else "{}" for one in node.values)


def test_every_text_that_pages_may_show_is_marked_for_translation():
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if "/migrations/" not in name and not name.startswith(ENGLISH):
                left = [f"{line}: {text[:80]}" for line, text in texts(path)]
                if len(left) != NO_TEXTS.get(name, 0):
                    found[name] = left
    assert found == {}, "mark these with gettext, or name the module here if nobody reads them on a page"


def test_a_text_is_found_wherever_it_is_written(tmp_path):
    module = tmp_path / "module.py"
    module.write_text(
        '"""A text of docs."""\n'
        "def say(number):\n"
        '    "Another text of docs."\n'
        '    logger.info("nobody reads this", extra={})\n'
        '    gettext("is marked already")\n'
        '    raise Refused(f"there is no {number}")\n'
        'WORDS = {"a": "two words", "b": gettext_lazy("two words") % f"and {now} more"}\n'
    )
    assert list(texts(module)) == [(6, "there is no {}"), (7, "two words"), (7, "and {} more")]
