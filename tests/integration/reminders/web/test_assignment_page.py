"""The page of one assignment says first what matters first."""

import re
from datetime import timedelta

import pytest

from assignments import acts, services, teams
from assignments.history import Actor
from assignments.team_scope import TeamScope
from reminders import conf
from reminders.insight.explain.explain import explain
from reminders.insight.headline import headline
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory

pytestmark = pytest.mark.django_db


def first(work, *, now=NOON):
    work.refresh_from_db()
    return headline(work, now=now, config=conf.current())


def test_a_refusal_comes_first_with_its_reason_and_what_helps(clock, operator, viewer):
    work = AssignmentFactory()
    acting.decline(work, note="My car broke down.")
    text = operator.get(f"/ops/assignments/{work.pk}").content.decode()
    refusal = text.index("can&#x27;t make it: “My car broke down.”")
    give = text.index(f'class="button main" href="/ops/act/reassign?ids={work.pk}')
    assert refusal < give < text.index("The reminder was not sent")
    assert text.count(f"/ops/act/reassign?ids={work.pk}") == 1
    assert "/ops/act/remind-now" not in text
    looked = viewer.get(f"/ops/assignments/{work.pk}").content.decode()
    assert "My car broke down." in looked
    assert "/ops/act/" not in looked


def test_what_matters_first(clock):
    plain, nobody, later = AssignmentFactory(), AssignmentFactory(unassigned=True), AssignmentFactory()
    assert first(plain) is None
    assert first(nobody).summary == "Nobody is assigned"
    acts.run_late(later.pk, actor=acting.OLGA, minutes=15)
    assert first(later).tone == "warn"
    assert first(later).summary.endswith("begins later, at 2026-06-15 13:15:00 UTC")
    forgotten = first(plain, now=NOON + timedelta(minutes=91))
    assert forgotten.summary.endswith("overdue since 2026-06-15 13:30:00 UTC")
    assert forgotten.acts[0] == "remind-now"
    services.cancel(plain.pk)
    assert first(plain) is None


def test_the_history_says_who_changed_what(clock, operator):
    work = AssignmentFactory()
    services.reschedule(work.pk, start=NOON + timedelta(hours=3), actor=Actor.ops("olga"))
    text = operator.get(f"/ops/assignments/{work.pk}").content.decode()
    assert re.search(
        r'</span> <span>Moved from <time [^>]*title="2026-06-15 13:00:00 UTC">.*?</time> to '
        r"<time .*?</time> by olga\.</span></li>",
        text,
    )  # one element beside the instant: each would be a cell of the grid


def test_work_beyond_the_look_ahead_says_when_it_is_reminded_of(clock, operator):
    AssignmentFactory(far=True)
    page = operator.get("/ops/assignments?q=Job").content.decode()
    assert "not planned yet" in page
    assert 'due <time datetime="2026-06-18T11:30:00+00:00"' in page


def test_who_had_the_work_before_keeps_a_name(clock, operator):
    ada, ben = AssigneeFactory(name="Ada"), AssigneeFactory(name="Ben", phone="+4930123456")
    work = AssignmentFactory(assignee=ada)
    acting.decline(work, note="My car broke down.")
    services.reassign(work.pk, assignee_id=ben.pk, actor=Actor.ops("olga"))
    page = operator.get(f"/ops/assignments/{work.pk}").content.decode()
    assert f"Ada (assignee {ada.pk}) declined (My car broke down.)" in page
    assert 'href="tel:+4930123456" aria-label="Call +4930123456: Ben"' in page
    assert "Given to Ben in place of Ada by olga." in page
    north = TeamScope(frozenset({teams.add_team(name="North").pk}))
    told = " ".join(step.summary for step in explain(work, config=conf.current(), scope=north).history)
    assert "Ada" not in told
    assert f"assignee {ada.pk} declined" in told
    assert f"in place of person {ada.pk} by olga." in told
