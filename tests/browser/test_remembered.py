"""The scene is made once for many tests; each finds it as if it had been made for it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection

from reminders.models import Reminder
from tests import emptying
from tests.browser import scene

pytestmark = pytest.mark.django_db(transaction=True)


def rows(stage: scene.Scene) -> list[tuple[object, ...]]:
    """What is relative to the instant at which the scene was made."""
    found = Reminder.objects.order_by("id").values_list("id", "kind", "ambiguous", "planned_start", "sent_at")
    zero = stage.sent.scheduled_start
    return [(*what, start - zero, sent and sent - zero) for *what, start, sent in found]


def test_it_is_the_same_and_belongs_to_this_moment(config, monkeypatch):
    monkeypatch.setattr(scene, "_made", [])
    first = scene.set_up(config)
    before, counted = rows(first), {table: count(table) for table in emptying.filled()}
    emptying.empty()
    remembered, keys = scene._made[0]
    hour = timedelta(hours=1)
    monkeypatch.setattr(scene, "_made", [(replace(remembered, at=remembered.at - hour), keys)])
    second = scene.set_up(config)
    moved = second.sent.scheduled_start - first.sent.scheduled_start
    assert hour <= moved < hour + timedelta(minutes=2)
    assert rows(second) == before
    assert {table: count(table) for table in emptying.filled()} == counted


def count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        found: int = cursor.fetchone()[0]
        return found
