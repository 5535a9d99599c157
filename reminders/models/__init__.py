"""The tables: the ledger, and what belongs to it. Only `reminders.ledger` writes the columns of a life cycle.

One row of `Reminder` is one message that is to be sent, or a marker. Its states:

    PLANNED -> QUEUED -> SENDING -> SENT | FAILED | SKIPPED | UNKNOWN | MARKED

`closed_at` is set exactly in the final states, `lease_until` exactly while a worker may hold the row. The one
partial index that dispatch reads holds neither state nor lease, so that claiming and beginning are
heap-only updates.

Django finds models by the name of this package, so it imports all of them: the one `__init__` that passes names on.
"""

from reminders.models.channels import (
    BouncePoll,
    ChannelPace,
    CircuitBreaker,
    DigestWindow,
    Subscription,
    SubscriptionQuerySet,
)
from reminders.models.figures import Counter, Statistics
from reminders.models.ledger import (
    FINAL,
    LEASED,
    NO_CHANNEL,
    OPEN,
    ArchivedReminder,
    Attempt,
    DeliveryEvent,
    DeliveryKind,
    Kind,
    Reason,
    Reminder,
    ReminderQuerySet,
    State,
)
from reminders.models.message_templates import MessageTemplate, MessageTemplateQuerySet, TemplateVersion
from reminders.models.operations import PAUSE_IN_FORCE, Audit, Pause, Process, ScanRun, StoredResponse
from reminders.models.opt_outs import OptOut
from reminders.models.rules import ReminderRule, ReminderRuleQuerySet, RuleChange, RuleSchedule
from reminders.models.sms import SmsMonth, SmsReply
from reminders.models.verifications import Verification

__all__ = [
    "FINAL",
    "LEASED",
    "NO_CHANNEL",
    "OPEN",
    "PAUSE_IN_FORCE",
    "ArchivedReminder",
    "Attempt",
    "Audit",
    "BouncePoll",
    "ChannelPace",
    "CircuitBreaker",
    "Counter",
    "DeliveryEvent",
    "DeliveryKind",
    "DigestWindow",
    "Kind",
    "MessageTemplate",
    "MessageTemplateQuerySet",
    "OptOut",
    "Pause",
    "Process",
    "Reason",
    "Reminder",
    "ReminderQuerySet",
    "ReminderRule",
    "ReminderRuleQuerySet",
    "RuleChange",
    "RuleSchedule",
    "ScanRun",
    "SmsMonth",
    "SmsReply",
    "State",
    "Statistics",
    "StoredResponse",
    "Subscription",
    "SubscriptionQuerySet",
    "TemplateVersion",
    "Verification",
]
