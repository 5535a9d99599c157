"""People who sign in to the Ops pages and the admin, by their role."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, User
from django.test import Client

from accounts import roles


def staff(name: str, *groups: str, **values: Any) -> User:
    """Somebody who may sign in, with these roles."""
    roles.set_up()
    user = get_user_model().objects.create_user(name, is_staff=True, **values)
    user.groups.set(Group.objects.filter(name__in=groups))
    return user


def signed_in(user: User, **client: Any) -> Client:
    """A browser of this person; `client` are options of Django's test client."""
    browser = Client(**client)
    browser.force_login(user)
    return browser
