"""What the API's description says before its calls, and of each group of them."""

DESCRIPTION = """
Assignments, their reminders, and why a reminder came or did not come.

**Who calls**: `Authorization: Bearer ...` with a token that `manage.py create_api_token` or the admin has made; on this
page, press *Authorize*. Reading needs any scope, changing `write`, operating `ops`, exporting
and erasing people `privacy`.

**Once**: a POST with an `Idempotency-Key` may be repeated for a day and is carried out once. A PUT by reference may
always be repeated.

**Errors** have one shape: `type`, `title`, and for each mistake `field`, `code` and `message`. Programs compare `code`;
messages may change.

**Limit**: `API_RATE` calls a minute for each token (1,200), then 429 with `Retry-After`.
""".strip()

TAGS = [
    {
        "name": "assignments",
        "description": "Work: what, who and when; what its assignee says; why a reminder came.",
    },
    {"name": "people", "description": "Assignees, their addresses, what is kept of them."},
    {"name": "teams", "description": "Teams, their quiet hours and supervisors."},
    {"name": "board", "description": "Who does not know yet of coming work."},
    {"name": "forecast", "description": "Whom no message will reach."},
    {"name": "rules", "description": "When who is reminded."},
    {"name": "message-templates", "description": "What people read, in your own words."},
    {"name": "import-mappings", "description": "How tables of other programs are read."},
    {"name": "calendar-sources", "description": "Calendars that are read by their URL."},
    {"name": "webhooks", "description": "Events that are sent to other programs, signed."},
    {"name": "admin", "description": "What operators do: pause, rescan, reset, figures."},
]
"""The first part of an address is the group of its calls."""
