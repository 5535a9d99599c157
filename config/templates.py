"""The template engine of Django, without the tags that no template here loads."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec

from django.apps import apps
from django.template.backends.django import DjangoTemplates, get_package_libraries

UNUSED = {"rest_framework"}
"""Applications whose tags stay out. An engine imports all tags there are, and these bring `requests` into workers."""


class Templates(DjangoTemplates):
    """Finds the same tags as Django's engine, but those of UNUSED."""

    def get_templatetag_libraries(self, custom_libraries: Mapping[str, str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for application in (
            "django",
            *(one.name for one in apps.get_app_configs() if one.name not in UNUSED),
        ):
            package = f"{application}.templatetags"
            if find_spec(package) is not None:
                names = get_package_libraries(import_module(package))
                found |= {name.removeprefix(f"{package}."): name for name in names}
        return found | dict(custom_libraries)
