"""Numbers of things in the reader's language, each with the form that its number takes."""

from django.utils.translation import ngettext, ngettext_lazy

_THINGS = {
    "assignment": ngettext_lazy("%(number)s assignment", "%(number)s assignments", "number"),
    "due assignment": ngettext_lazy("%(number)s due assignment", "%(number)s due assignments", "number"),
    "message": ngettext_lazy("%(number)s message", "%(number)s messages", "number"),
    "person": ngettext_lazy("%(number)s person", "%(number)s people", "number"),
    "reminder": ngettext_lazy("%(number)s reminder", "%(number)s reminders", "number"),
}


def counted(number: int, thing: str) -> str:
    """1 assignment, 2 assignments; 1 person, 2 people: how many there are of what `_THINGS` names."""
    return str(_THINGS[thing] % {"number": number})


def outcome(done: str, skipped: int) -> str:
    """What was done, and how many were left alone, if any."""
    if not skipped:
        return f"{done}."
    left = ngettext("%(done)s, %(number)s left alone.", "%(done)s, %(number)s left alone.", skipped)
    return left % {"done": done, "number": skipped}
