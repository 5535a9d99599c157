"""What tables are called in the admin's pages."""

from typing import TYPE_CHECKING, Any

from django import template

if TYPE_CHECKING:
    from reminders.web.admin.contents import AdminTable

register = template.Library()


@register.filter
def table(words: Any) -> "AdminTable":
    """The names of the rows of a model, from its `_meta`."""
    # Workers load the tags of pages, and shall load no page.
    from reminders.web.admin.contents import table_of

    return table_of(words.model)
