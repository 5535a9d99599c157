"""The operators' pages in Django's admin: what they may look at, and what they may do on purpose."""

from django.contrib import admin

from reminders.web.admin import records, switch, work

admin.site.site_header = "Assignment reminders"
admin.site.site_title = "Assignment reminders"
admin.site.index_title = "Work, reminders and what was done about them"

__all__ = ["records", "switch", "work"]
