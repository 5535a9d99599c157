"""Texts to begin with: whoever writes a template changes one of these. Each can be saved as it is."""

from dataclasses import dataclass

from reminders.content.message_templates.variables import TextForm
from reminders.models import MessageTemplate

Kind = MessageTemplate.Kind


@dataclass(frozen=True, slots=True)
class Starter:
    """A subject, where the channel has one, and a text."""

    subject: str
    body: str


_FACTS = """\
When: {{ time_line }}{% if location %}
Where: {{ location }}{% endif %}{% if map %}
Map: {{ map }}{% endif %}{% if kind %}
What: {{ kind }}{% endif %}{% if reference %}
Number: {{ reference }}{% endif %}
{% if notes %}
{{ notes }}
{% endif %}"""
_CHANGES = """\
{% if is_restored %}The work is yours again.
{% endif %}{% if is_moved %}It was moved from {{ moved_from }} to {{ moved_to }}.
{% endif %}{% if is_place %}The place has changed{% if was_place %}; it was: {{ was_place }}{% endif %}.
{% endif %}{% if is_title %}The title has changed; it was: {{ was_title }}.
{% endif %}"""
_NOTICE_FACTS = """\
What: {{ title }}
Who: {{ name|default:"nobody is assigned" }}{% if phone %}, {{ phone }}{% endif %}
When: {{ time_line }}{% if expected %}
Begins: {{ expected }}{% endif %}
Since: {{ since }}{% if repeat %}
Told: again, repeat {{ repeat }}{% endif %}{% if note %}
Note: {{ note }}{% endif %}{% if location %}
Where: {{ location }}{% endif %}{% if reference %}
Number: {{ reference }}{% endif %}
"""
_COUNTS = (
    "{{ number }} notices{% if declined %}, {{ declined }} declined{% endif %}{% if late %}, {{ late }} late{% endif %}"
    "{% if unanswered %}, {{ unanswered }} without an answer{% endif %}{% if overdue %}, {{ overdue }} overdue{% endif %}"
)
_ANSWER = (
    "{% if is_declined %}Declined{% elif is_late %}Late{% elif is_unanswered %}No answer"
    "{% else %}Confirmed after all{% endif %}"
)
_MAIL = {
    Kind.REMINDER: Starter(
        "{% if late %}Late reminder: {% else %}Reminder: {% endif %}{{ title }}, {{ start_short }}",
        "Hello {{ name }},\n\n{{ title }} {{ when }}.\n\n" + _CHANGES + "\n" + _FACTS,
    ),
    Kind.REMINDERS: Starter(
        "Reminder: {{ number }} assignments, the first {{ first_start }}",
        "Hello {{ name }},\n\nthese {{ number }} assignments are yours."
        "{% if more %} The next ones are listed here.{% endif %}\n\n{{ entries }}\n\n"
        "{% if more %}And {{ more }} more.{% endif %}\n",
    ),
    Kind.CORRECTION: Starter(
        "{% if is_cancelled %}Cancelled: {{ was_title }}, {{ was_start_short }}"
        "{% elif is_reassigned %}No longer yours: {{ was_title }}, {{ was_start_short }}"
        "{% elif is_moved %}Moved from {{ moved_from }} to {{ moved_to }}: {{ title }}"
        "{% else %}Changed: {{ title }}, {{ start_short }}{% endif %}",
        "Hello {{ name }},\n\n"
        "{% if is_cancelled %}this work was cancelled. You need not come.\n\n"
        "What: {{ was_title }}\nWhen: {{ was_time_line }}\n"
        "{% elif is_reassigned %}this work is no longer yours. You need not come.\n\n"
        "What: {{ was_title }}\nWhen: {{ was_time_line }}\n"
        "{% else %}the plan of {{ title }} has changed.\n" + _CHANGES + "\n" + _FACTS + "{% endif %}",
    ),
    Kind.OVERDUE: Starter(
        "Overdue: {{ title }}, {{ start_short }} ({{ zone }})",
        "Nobody has started this work in time.\n\n" + _NOTICE_FACTS,
    ),
    Kind.ESCALATION: Starter(
        _ANSWER + ": {{ title }}, {{ start_short }} ({{ zone }})",
        "{% if is_declined %}{{ name }} can't make it. Nobody will come unless you give this work to somebody else."
        "{% elif is_late %}{{ name }} will begin this work later."
        "{% elif is_unanswered %}{{ name }} has not said whether they will come."
        "{% else %}{{ name }} can make it after all.{% endif %}\n\n" + _NOTICE_FACTS,
    ),
    Kind.DIGEST: Starter(
        _COUNTS,
        _COUNTS + ".{% if more %} The first ones are listed here.{% endif %}\n\n{{ entries }}\n\n"
        "{% if more %}And {{ more }} more.\n\n{% endif %}"
        "{% if waiting %}Further notices are on their way: {{ waiting }}.{% endif %}\n",
    ),
}
_SHORT = {
    Kind.REMINDER: (
        "{% if late %}Late reminder{% else %}Reminder{% endif %}: {{ title }}, {{ start_short }} ({{ zone }})"
        "{% if location %}, {{ location }}{% endif %}{% if is_moved %}. Moved from {{ moved_from }}{% endif %}"
        "{% if replies %}\nReply YES, NO or STOP{% endif %}{% if link %}\n{{ link }}{% endif %}"
    ),
    Kind.REMINDERS: (
        "Reminder: {{ number }} assignments: {{ entries }}{% if more %} and {{ more }} more{% endif %}"
        "{% if link %}\n{{ link }}{% endif %}"
    ),
    Kind.CORRECTION: (
        "{% if is_cancelled %}Cancelled: {{ was_title }}, {{ was_start_short }} ({{ zone }}). You need not come."
        "{% elif is_reassigned %}No longer yours: {{ was_title }}, {{ was_start_short }} ({{ zone }}). You need not come."
        "{% else %}{% if is_restored %}Yours again{% elif is_moved %}Moved{% else %}Changed{% endif %}: {{ title }},"
        " {{ start_short }} ({{ zone }}){% if location %}, {{ location }}{% endif %}"
        "{% if is_moved %}. It was: {{ moved_from }}{% endif %}"
        "{% if is_place %}. New place{% if was_place %}, not {{ was_place }}{% endif %}{% endif %}"
        "{% if is_title %}. Was called: {{ was_title }}{% endif %}{% endif %}{% if link %}\n{{ link }}{% endif %}"
    ),
    Kind.OVERDUE: (
        "Overdue{% if repeat %} (again, {{ repeat }}){% endif %}: {{ title }}, {{ start_short }} ({{ zone }})"
        '{% if location %}, {{ location }}{% endif %}. Assigned: {{ name|default:"nobody" }}'
        "{% if phone %}, {{ phone }}{% endif %}{% if ops %}\n{{ ops }}{% endif %}"
    ),
    Kind.ESCALATION: (
        _ANSWER
        + ": {{ title }}, {{ start_short }} ({{ zone }}). {{ name }}{% if phone %}, {{ phone }}{% endif %}"
        "{% if expected_short %}, from {{ expected_short }}{% endif %}{% if note %}. Note: {{ note }}{% endif %}"
        "{% if ops %}\n{{ ops }}{% endif %}"
    ),
    Kind.DIGEST: (
        _COUNTS
        + ": {{ entries }}{% if more %} and {{ more }} more{% endif %}.{% if list %}\n{{ list }}{% endif %}"
    ),
}


def starter(kind: str, form: TextForm) -> Starter:
    """What a template of this kind begins as."""
    return _MAIL[Kind(kind)] if form is TextForm.MAIL else Starter("", _SHORT[Kind(kind)])
