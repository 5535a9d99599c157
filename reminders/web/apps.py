"""The Django applications of the pages and the API, and of the admin, whose site is ours."""

from django.apps import AppConfig
from django.contrib.admin import apps


class RemindersWebConfig(AppConfig):
    name = "reminders.web"
    label = "reminders_web"


class OneProductAdminConfig(apps.SimpleAdminConfig):
    """The addresses load its site and its pages, so workers never do."""

    default = False
    default_site = "reminders.web.admin.site.OneProductSite"
