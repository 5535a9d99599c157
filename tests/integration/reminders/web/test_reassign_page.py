"""Work is given to somebody else on an Ops page: first who, then what would happen, then once."""

import re
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from assignments import people, services, teams
from assignments.models import Assignment
from reminders.delivery import deliver, dispatch, scan
from reminders.insight.explain import wording
from reminders.ledger.audit import record
from reminders.models import Audit, Reason
from reminders.operations import assignee_choice
from reminders.operations.action_types import MAX_TARGETS
from tests import acting
from tests.factories import NOON, AssigneeFactory, AssignmentFactory
from tests.fakes.broker import MemoryBroker
from tests.rule_factory import rule

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

MINUTE = timedelta(minutes=1)
ADDRESS = "/ops/act/reassign"


@pytest.fixture
def turn(config, channel_of):
    def go() -> None:
        scan.scan(trigger="beat", config=config)
        desk = MemoryBroker()
        dispatch.dispatch(config=config, broker=desk)
        deliver.deliver(desk.hints(), config=config, channel=channel_of)

    return go


def named(person):
    return f"#{person.pk}"


def preview(client, work, person, **more):
    return client.get(ADDRESS, {"ids": work.pk, "to": named(person), **more})


def effects(page):
    """What is said of the first assignment, a sentence each."""
    return page.context["preview"].rows[0][1].split("\n")


def hidden(page):
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.content.decode())
    return {name: value for name, value in fields if name != "csrfmiddlewaretoken"}


def confirm(client, page, **values):
    return client.post(ADDRESS, {**hidden(page), "reason": "is ill", **values}, follow=True)


def text_of(page):
    return re.sub(r"\s+", " ", page.content.decode())


def test_from_the_explanation_to_somebody_else(operator):
    work, other = AssignmentFactory(), AssigneeFactory(name="Bea", reference="P-2")
    explained = f"/ops/assignments/{work.pk}"
    link = f"{ADDRESS}?ids={work.pk}&amp;back={explained}"
    assert link in operator.get(explained).content.decode()
    asked = operator.get(link.replace("&amp;", "&"))
    assert "confirmed" not in hidden(asked)
    assert "Bea (P-2)" in text_of(asked)
    fields = {"ids": hidden(asked)["ids"], "back": hidden(asked)["back"], "to": named(other)}
    shown = operator.get(ADDRESS, fields)
    assert Assignment.objects.get(pk=work.pk).assignee_id == work.assignee_id
    assert "Give it to Bea</button>" in text_of(shown)
    done = confirm(operator, shown)
    assert done.redirect_chain == [(explained, 302)]
    assert "1 given to Bea." in text_of(done)
    assert Assignment.objects.get(pk=work.pk).assignee_id == other.pk
    (line,) = Audit.objects.all()
    assert (line.action, line.actor, line.reason) == ("reassign", "olga", "is ill")
    again = confirm(operator, shown)
    assert "this is not what the preview showed any more" in text_of(again)
    assert Audit.objects.count() == 1


def test_the_address_in_a_mail_asks_for_the_sign_in_and_comes_back(operator):
    operator.logout()
    answer = operator.get(f"{ADDRESS}?ids=7")
    assert answer.status_code == 302
    assert answer["Location"].endswith(f"?next={quote(f'{ADDRESS}?ids=7')}")


def test_what_has_changed_since_the_preview_is_shown_before_anything_is_done(operator):
    work, other = AssignmentFactory(), AssigneeFactory()
    shown = preview(operator, work, other)
    acting.decline(work, note="ill")
    asked = operator.get(ADDRESS, {"ids": work.pk})
    assert "“can&#x27;t make it” (ill)" in text_of(asked)
    answer = confirm(operator, shown)
    assert "Nothing was done: this is not what the preview showed any more" in text_of(answer)
    assert "The answer “can&#x27;t make it” (ill) no longer holds." in text_of(answer)
    assert Assignment.objects.get(pk=work.pk).version == 1
    assert not Audit.objects.exists()
    assert "1 given to" in text_of(confirm(operator, answer))


def test_a_confirmation_counts_for_the_person_that_was_shown(operator):
    work, other, third = AssignmentFactory(), AssigneeFactory(), AssigneeFactory()
    answer = confirm(operator, preview(operator, work, other), to=named(third))
    assert "Nothing was done" in text_of(answer)
    assert not Audit.objects.exists()


def test_the_preview_says_who_hears_what_and_when(operator, turn):
    work = AssignmentFactory(soon=True, assignee__name="Ada")
    other = AssigneeFactory(name="Bea")
    untold = effects(preview(operator, work, other))
    assert untold == [
        "Ada has not been told of it, and hears nothing.",
        "The reminder to Bea leaves at once.",
    ]
    turn()
    acting.confirm(work)
    acting.acts.on_my_way(work.pk, actor=acting.OLGA)
    acting.acts.run_late(work.pk, minutes=15, actor=acting.OLGA)
    assert effects(preview(operator, work, other)) == [
        "Ada has been told of it, and hears after 60 s that it is no longer theirs.",
        "The answer “confirmed” no longer holds.",
        "That it begins at 2026-06-15 12:25:00 UTC no longer holds.",
        "That its assignee is on the way no longer holds.",
        "The reminder to Bea leaves at once.",
    ]
    later = AssignmentFactory(assignee=None)
    assert effects(preview(operator, later, other)) == [
        "The reminder to Bea leaves at 2026-06-15 12:30:00 UTC (14:30 in Berlin)."
    ]
    away = operator.get(ADDRESS, {"ids": work.pk, "to": "nobody"})
    assert effects(away)[-1] == "Nobody is reminded of it until somebody gets it."
    assert "Take it away</button>" in text_of(away)
    people.change_assignee(work.assignee_id, {"email": ""})
    assert effects(preview(operator, work, other))[0] == (
        "Ada has been told of it, and has no usable address: tell them yourself that it is no longer theirs."
    )
    people.change_assignee(other.pk, {"email": ""})
    assert effects(preview(operator, later, other)) == [
        "No reminder reaches Bea: there is no usable address."
    ]


def test_the_preview_says_what_becomes_of_the_reminders_of_each_rule(operator, config):
    ada, bea = AssigneeFactory(name="Ada"), AssigneeFactory(name="Bea")
    rule(name="Two hours <before>", minutes=120), rule(name="Close", minutes=35)
    work = AssignmentFactory(assignee=ada, scheduled_start=NOON + 100 * MINUTE)
    scan.scan(trigger="beat", config=config)
    assert effects(preview(operator, work, bea)) == [
        "Ada has not been told of it, and hears nothing.",
        'Ada no longer gets the reminder of the rule "Two hours <before>" at 2026-06-15 12:00:00 UTC.',
        'Ada no longer gets the reminder of the rule "Close" at 2026-06-15 13:05:00 UTC.',
        'The reminder of the rule "Two hours <before>" to Bea leaves at once.',
        'The reminder of the rule "Close" to Bea leaves at 2026-06-15 13:05:00 UTC (15:05 in Berlin).',
        "The reminder of the built-in rule (30 minutes before the start) to Bea is not sent: "
        + wording.words(Reason.TOO_CLOSE)
        + ".",
    ]
    assert "Two hours &lt;before&gt;" in text_of(preview(operator, work, bea))
    mute = AssigneeFactory(name="Mute", email="")
    assert "No reminder reaches Mute: there is no usable address." in effects(preview(operator, work, mute))


def test_the_preview_says_to_which_team_the_work_then_belongs(operator):
    north, south = teams.add_team(name="North"), teams.add_team(name="South")
    ada, bea = (
        people.add_assignee(name=name, team_id=team.pk) for name, team in (("A", north), ("B", south))
    )
    moves, stays = AssignmentFactory(assignee=ada), AssignmentFactory(assignee=ada, team_id=north.pk)
    free = AssignmentFactory(unassigned=True)
    assert effects(preview(operator, free, bea))[-1] == "The work then belongs to team South."
    said = "The work then belongs to team South, no longer to team North."
    assert effects(preview(operator, moves, bea))[-1] == said
    assert said not in effects(preview(operator, stays, bea))
    confirm(operator, preview(operator, moves, bea))
    assert list(Assignment.objects.of_teams([south.pk])) == [moves]


def test_the_preview_warns_of_the_person(operator):
    bea = AssigneeFactory(name="Bea", unreachable=True)
    declined = AssignmentFactory(title="Declined", assignee=bea)
    acting.decline(declined, note="ill")
    services.reassign(declined.pk, assignee_id=AssigneeFactory().pk)
    for number in range(6):
        AssignmentFactory(assignee=bea, title=f"Other {number}", scheduled_start=declined.scheduled_start)
    AssignmentFactory(assignee=bea, title="Elsewhere", far=True)
    services.cancel(
        AssignmentFactory(assignee=bea, title="Cancelled", scheduled_start=declined.scheduled_start).pk
    )
    warnings = preview(operator, declined, bea).context["preview"].warnings
    assert warnings[:2] == [
        "Bea has no usable address: no reminder reaches them.",
        f"Bea has declined “Declined” (#{declined.pk}) before, at {NOON:%Y-%m-%d %H:%M:%S} UTC (ill).",
    ]
    clashes = [one for one in warnings if "at the same time as “Declined”" in one]
    assert len(clashes) == 5
    assert all("“Other " in one and "2026-06-15 13:00:00 UTC" in one for one in clashes)
    assert warnings[-1] == "Bea would have still more at the same time."
    assert not any(word in str(warnings) for word in ("Elsewhere", "Cancelled"))


def test_the_preview_warns_of_what_is_overdue_or_started(operator, turn, clock, config):
    bea = AssigneeFactory(name="Bea")
    late, slow, started = (AssignmentFactory(soon=True, title=title) for title in ("Late", "Slow", "Started"))
    turn()
    acting.start(started.pk)
    acting.acts.run_late(slow.pk, minutes=120, actor=acting.OLGA)
    clock.advance(config.overdue + 11 * MINUTE)
    turn()
    page = operator.get(
        ADDRESS, {"ids": f"{late.pk},{slow.pk},{started.pk}", "to": named(bea), "back": "/ops/"}
    )
    warnings = page.context["preview"].warnings
    assert warnings[:3] == [
        f"Already started, and stays so: “Started” (#{started.pk}).",
        f"OVERDUE, and stays so until it is started or closed: “Late” (#{late.pk}).",
        f"Becomes OVERDUE at once, since the delay that was announced no longer counts: “Slow” (#{slow.pk}).",
    ]
    assert warnings[3:] == [
        f"Bea would have “Late” (#{late.pk}, 2026-06-15 12:10:00 UTC) at the same time as “Slow” (#{slow.pk})."
    ]
    said = {target.id: effect.split("\n")[-1] for target, effect in page.context["preview"].rows}
    assert said == {
        late.pk: "Bea gets no reminder: the work is OVERDUE.",
        slow.pk: "The reminder to Bea is not sent: it would have come too late to be of use.",
        started.pk: "Bea gets no reminder: the work has been started.",
    }


def test_several_at_once_from_the_list_and_the_admin(operator):
    work, other = AssignmentFactory.create_batch(3), AssigneeFactory(name="Bea")
    listed = operator.get("/ops/assignments?when=any").content.decode()
    assert f'formaction="{ADDRESS}"' in listed
    ids = [one.pk for one in work]
    asked = operator.post(ADDRESS, {"ids": ids, "back": "/ops/assignments"})
    assert hidden(asked)["ids"] == ",".join(map(str, ids))
    in_admin = operator.post(
        reverse("admin:assignments_assignment_changelist"),
        {"action": "give_to_somebody_else", "_selected_action": ids},
    )
    assert hidden(in_admin)["ids"] == hidden(asked)["ids"]
    change = reverse("admin:assignments_assignment_change", args=[work[0].pk])
    assert f"{ADDRESS}?ids={work[0].pk}" in operator.get(change).content.decode()
    shown = operator.get(ADDRESS, {"ids": hidden(in_admin)["ids"], "to": named(other)})
    done = confirm(operator, shown)
    assert "3 given to Bea." in text_of(done)
    assert {one.assignee_id for one in Assignment.objects.all()} == {other.pk}
    assert Audit.objects.count() == 1


def test_a_question_about_very_many_does_not_put_them_into_the_address(operator):
    few, many = AssignmentFactory.create_batch(2), AssignmentFactory.create_batch(101)
    for work, method in ((few, "get"), (many, "post")):
        page = operator.post(ADDRESS, {"ids": ",".join(str(one.pk) for one in work)})
        assert f'<form method="{method}" action="{ADDRESS}" class="confirm">' in page.content.decode()
    other = AssigneeFactory()
    shown = operator.post(ADDRESS, {"ids": ",".join(str(one.pk) for one in many), "to": named(other)})
    assert (len(shown.context["preview"].rows), shown.context["preview"].more) == (100, 1)
    assert not Audit.objects.exists()
    assert "101 given to" in text_of(confirm(operator, shown))


@pytest.mark.parametrize(
    ("to", "error"),
    [
        (
            "#999999",
            "There is no person &#x27;#999999&#x27;: a reference, an id such as #12, an exact name, or",
        ),
        ("<b>x</b>", "There is no person &#x27;&lt;b&gt;x&lt;/b&gt;&#x27;"),
        ("x" * 5_000, "at most 200 characters (it has 5000)"),
        ("a\x00b", "Null characters are not allowed."),
        (" ", "Choose somebody."),
    ],
)
def test_an_unknown_person_is_named_once_and_nothing_is_written(operator, to, error):
    work = AssignmentFactory()
    confirmed = {"ids": work.pk, "to": to, "confirmed": "1", "reason": "x", "plan": ""}
    for answer in (
        operator.get(ADDRESS, {"ids": work.pk, "to": to}),
        operator.post(ADDRESS, confirmed),
    ):
        assert answer.status_code == 200
        if to.strip():
            assert text_of(answer).count('class="errorlist') == 1
            assert error in text_of(answer)
        assert "confirmed" not in hidden(answer)
    assert Assignment.objects.get(pk=work.pk).version == 1
    assert not Audit.objects.exists()


def test_more_than_an_action_takes_on_is_refused(operator):
    work = AssignmentFactory()
    ids = ",".join(map(str, range(work.pk, work.pk + 10_000)))
    sent = {"ids": ids, "to": "nobody", "confirmed": "1", "reason": "x", "back": "/ops/assignments"}
    for name in ("reassign", "reset", "decline"):
        answer = operator.post(f"/ops/act/{name}", sent, follow=True)
        assert answer.redirect_chain == [("/ops/assignments", 302)]
        message = f"Nothing was done: More than {MAX_TARGETS:,} assignments are selected"
        assert text_of(answer).count(message) == 1
    assert Assignment.objects.get(pk=work.pk).version == 1
    assert not Audit.objects.exists()


def test_work_that_is_over_asks_for_nobody(operator):
    work = AssignmentFactory()
    services.cancel(work.pk)
    assert ADDRESS not in operator.get(f"/ops/assignments/{work.pk}").content.decode()
    for query in ({"ids": work.pk}, {"ids": work.pk, "to": "nobody"}, {"ids": "999999"}):
        page = operator.get(ADDRESS, query)
        assert not page.context["preview"].possible
        assert "confirmed" not in hidden(page)
        assert '<h2 id="left">Skipped</h2>' in text_of(page)


def test_a_preview_of_many_asks_the_database_no_more_than_one_of_few(operator, turn):
    other, work = AssigneeFactory(), AssignmentFactory.create_batch(30, soon=True)
    turn()
    asked = []
    for count in (2, 30):
        ids = ",".join(str(one.pk) for one in work[:count])
        with CaptureQueriesContext(connection) as queries:
            page = operator.get(ADDRESS, {"ids": ids, "to": named(other)})
        assert len(page.context["preview"].rows) == count
        asked.append(len(queries))
    assert asked[0] == asked[1]


def test_the_trail_lists_it(operator):
    record("reassign", by="olga", reason="is ill")
    assert "reassign" in operator.get("/ops/audit?action=reassign").content.decode()


def test_whoever_is_busy_then_comes_last_and_says_with_what(operator):
    ada, ben, eva = (AssigneeFactory(name=name) for name in ("Ada", "Ben", "Eva"))
    hour = timedelta(hours=1)
    work = AssignmentFactory(assignee=ada, scheduled_start=NOON + hour, scheduled_end=NOON + 2 * hour)
    AssignmentFactory(title="Lift", assignee=ben, scheduled_start=NOON + 1.5 * hour)
    AssignmentFactory(title="Later", assignee=eva, scheduled_start=NOON + 2 * hour)
    AssignmentFactory(title="Begun", assignee=eva, scheduled_start=NOON, scheduled_end=NOON + hour)
    choices = operator.get(ADDRESS, {"ids": work.pk}).context["question"].fields["to"].widget.choices
    free, busy = list(choices)[1:3]
    assert (free[0], [pk for pk, _ in free[1]]) == ("Free then", [named(eva)])
    assert busy == ("Have other work then", [(named(ben), f"Ben (#{ben.pk}): at 13:30 “Lift”")])


def test_of_many_people_those_are_suggested_who_are_free(operator, monkeypatch):
    monkeypatch.setattr(assignee_choice, "MOST_LISTED", 1)
    team = teams.add_team(name="North")
    ada, ben, eva, far = (AssigneeFactory(name=name) for name in ("Ada", "Ben Li", "Eva Li", "Uli Lin"))
    for one in (ada, ben, eva):
        people.change_assignee(one.pk, {"team_id": team.pk})
    work = AssignmentFactory(assignee=ada)
    AssignmentFactory(title="Lift", assignee=ben, scheduled_start=work.scheduled_start)
    page = operator.get(ADDRESS, {"ids": work.pk}).content.decode()
    assert f'list="people-suggested" data-work="{work.pk}"' in page
    assert '<datalist id="people-suggested" data-from="/ops/people/suggest"></datalist>' in page

    def suggested(**given):
        text = operator.get("/ops/people/suggest", {"work": work.pk, **given}).content.decode()
        return re.findall(r'<option value="([^"]*)">([^<]*)</option>', text)

    at = f"{work.scheduled_start:%H:%M}"
    free, busy = (
        (f"Eva Li (#{eva.pk})", "North · free then"),
        (f"Ben Li (#{ben.pk})", f"North · at {at} “Lift”"),
    )
    assert suggested() == [free, busy]
    assert suggested(to="Li") == [free, (f"Uli Lin (#{far.pk})", "free then"), busy]
    assert suggested(to="nobody") == []
    assert operator.get(ADDRESS, {"ids": work.pk, "to": free[0]}).context["answers"] == {"to": named(eva)}


def test_work_that_should_have_begun_is_for_whoever_is_free_now(operator):
    ada, ben, eva = (AssigneeFactory(name=name) for name in ("Ada", "Ben", "Eva"))
    hour = timedelta(hours=1)
    work = AssignmentFactory(assignee=ada, scheduled_start=NOON - 3 * hour, scheduled_end=NOON - hour)
    AssignmentFactory(
        title="Over", assignee=ben, scheduled_start=NOON - 3 * hour, scheduled_end=NOON - 2 * hour
    )
    begun = AssignmentFactory(
        title="Begun", assignee=eva, scheduled_start=NOON - hour, scheduled_end=NOON + hour
    )
    acting.start(begun.pk)
    free, busy = list(
        operator.get(ADDRESS, {"ids": work.pk}).context["question"].fields["to"].widget.choices
    )[1:3]
    assert (free[0], [pk for pk, _ in free[1]]) == ("Free then", [named(ben)])
    assert (busy[0], [pk for pk, _ in busy[1]]) == ("Have other work then", [named(eva)])
