"""What the admin lists, in which order and by which name.

Tables of packages that nobody edits are shown to superusers who ask.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Model
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


@dataclass(frozen=True, slots=True)
class AdminTable:
    """A table in the admin: by what a new row is added, what all of them are called, and what they are."""

    add: Text
    name: Text
    about: Text


CONTENTS: tuple[tuple[Text, dict[str, AdminTable]], ...] = (
    (
        _("Work"),
        {
            "assignments.assignment": AdminTable(
                _("Add an assignment"), _("Assignments"), _("What is to be done, by whom and when.")
            ),
            "assignments.assignee": AdminTable(
                _("Add a person"), _("People"), _("Whom work is given to, and how they are reached.")
            ),
            "assignments.team": AdminTable(
                _("Add a team"), _("Teams"), _("People under the same supervisors.")
            ),
            "assignments.calendarsource": AdminTable(
                _("Add a calendar"), _("Calendars"), _("Polled by URL; their events become work.")
            ),
        },
    ),
    (
        _("Reminders"),
        {
            "reminders.reminderrule": AdminTable(
                _("Add a rule"), _("Reminder rules"), _("Who is reminded when.")
            ),
            "reminders.reminder": AdminTable(
                "", _("Reminders"), _("The ledger: one row for each message, sent or planned.")
            ),
            "assignments.act": AdminTable("", _("Acts"), _("What people did about their work.")),
            "reminders.messagetemplate": AdminTable(
                "", _("Message templates"), _("Texts of your own in place of the built-in ones.")
            ),
        },
    ),
    (
        _("Operation"),
        {
            "reminders.audit": AdminTable("", _("Audit trail"), _("What operators did, and why.")),
            "assignments.erasure": AdminTable(
                "", _("Erasures"), _("Who was erased, and whether all texts are done.")
            ),
            "reminders.scanrun": AdminTable("", _("Scans"), _("What each scan found.")),
            "reminders.pause": AdminTable("", _("Pauses"), _("Who held all sending, and why.")),
            "reminders.circuitbreaker": AdminTable(
                "", _("Circuit breakers"), _("Channels that are not in use at present.")
            ),
            "reminders.process": AdminTable("", _("Processes"), _("Those with a recent heartbeat.")),
            "reminders.subscription": AdminTable(
                "", _("Webhooks"), _("Subscriptions, made and changed over the API.")
            ),
            "django_celery_beat.periodictask": AdminTable(
                _("Add a beat entry"), _("Beat entries"), _("The intervals of scan and dispatch.")
            ),
        },
    ),
    (
        _("Access"),
        {
            "auth.user": AdminTable(_("Add a login"), _("Logins"), _("People who sign in here.")),
            "auth.group": AdminTable(_("Add a group"), _("Groups"), _("Roles, and what they may do.")),
            "access.apitoken": AdminTable(
                _("Add an API token"), _("API tokens"), _("Programs that may call the API.")
            ),
            "access.teamlimit": AdminTable(
                _("Add a team limit"), _("Team limits"), _("People who see some teams only.")
            ),
        },
    ),
)
"""By group; whatever is not here belongs to a package that we use."""

IN_REACH = (
    "assignments.assignment",
    "assignments.assignee",
    "assignments.team",
    "assignments.calendarsource",
    "reminders.reminderrule",
    "reminders.reminder",
)
"""What every page of the admin links to."""

OTHERS = _("Tables of packages")
ASKED = "all"
"""The parameter by which a superuser asks for all tables."""


def tables() -> Iterator[tuple[str, AdminTable]]:
    """Every table with a name of ours, in order."""
    for _group, group in CONTENTS:
        yield from group.items()


def table_of(model: type[Model]) -> AdminTable:
    """The names of a model's table; those that Django gives it where they are not ours."""
    words = model._meta
    many = str(words.verbose_name_plural)
    return dict(tables()).get(words.label_lower, AdminTable(_("Add"), many[:1].upper() + many[1:], ""))
