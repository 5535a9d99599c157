"""The page of one person: how they are reached, what comes, what they were sent; and what operators do about it."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model

from accounts import limits
from assignments import contact_points, teams
from assignments.contact_point import ContactPoint
from notifications.message import Delivery, Outcome, Subject
from reminders.ledger import delivery_events
from reminders.models import Audit, DeliveryKind, Reminder
from reminders.operations.point_actions import POINT_ACTIONS
from tests.factories import NOON, AssigneeFactory, AssignmentFactory

pytestmark = pytest.mark.django_db

MAIL, PHONE = "ada@example.test", "+4930123456"
GONE = Delivery(
    Outcome.REJECTED, "550", "no such mailbox", subject=Subject.RECIPIENT, phase="rcpt", status="5.1.1"
)


@pytest.fixture
def ada(clock):
    return AssigneeFactory(name="Ada", email=MAIL, phone=PHONE)


def text(response):
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


def audits():
    return [(one.action, one.reason, one.selection) for one in Audit.objects.order_by("id")]


def test_a_person_without_anything_has_a_page(viewer, clock):
    person = AssigneeFactory(unreachable=True)
    assert "Nobody can write to this person." in text(viewer.get(f"/ops/people/{person.pk}"))
    assert viewer.get("/ops/people/4711").status_code == 404


def test_it_shows_addresses_work_and_what_became_of_messages(viewer, ada, run, config, clock):
    mail, phone = contact_points.points_of(ada.pk)
    contact_points.mark_verified(mail.pk)
    contact_points.mark_failing(phone.pk, "30003: unreachable")
    sent = AssignmentFactory(soon=True, title="Boiler", assignee=ada)
    AssignmentFactory(title="Valve", assignee=ada)
    AssignmentFactory(title="Of somebody else")
    run()
    row = Reminder.objects.get(assignment=sent, kind="REMINDER")
    delivery_events.record(
        row.pk,
        DeliveryKind.BOUNCED,
        source="dsn",
        external_id="1",
        at=NOON,
        config=config,
        detail="4.2.2 full",
    )
    page = text(viewer.get(f"/ops/people/{ada.pk}"))
    for part in (
        MAIL,
        PHONE,
        "verified",
        "failing",
        "30003: unreachable",
        "Boiler",
        "Valve",
        "bounced",
        "4.2.2 full",
        'data-label="Place"',  # What a number is, where a narrow screen has no head of the table.
    ):
        assert part in page, part
    assert "Of somebody else" not in page
    assert "/add" not in page


def test_assignments_and_reminders_lead_to_it(viewer, ada, run):
    work = AssignmentFactory(soon=True, assignee=ada)
    run()
    link = f'href="/ops/people/{ada.pk}"'
    assert link in text(viewer.get(f"/ops/assignments/{work.pk}"))
    assert link in text(viewer.get("/ops/reminders?show=all"))


def test_viewers_change_nothing(viewer, ada):
    point = contact_points.points_of(ada.pk)[0]
    for name in POINT_ACTIONS:
        url = f"/ops/people/{ada.pk}/{name}"
        assert viewer.get(f"{url}?point={point.pk}").status_code == 403
        assert viewer.post(url, {"point": point.pk, "reason": "x", "order": 2}).status_code == 403
    assert audits() == []


def test_an_operator_adds_moves_and_removes_an_address(operator, ada):
    url = f"/ops/people/{ada.pk}"
    values = {"channel": "email", "address": "mailto:home@EXAMPLE.test", "order": "", "reason": "she called"}
    added = operator.post(f"{url}/add", values)
    assert (added.status_code, added["Location"]) == (302, url)
    point = ContactPoint.objects.get(address="home@example.test")
    operator.post(f"{url}/move", {"point": point.pk, "order": 1, "reason": "she prefers it"})
    assert contact_points.points_of(ada.pk)[0] == point
    operator.post(f"{url}/remove", {"point": point.pk, "reason": "she left"})
    assert not ContactPoint.objects.filter(pk=point.pk).exists()
    of_point = {"person": ada.pk, "contact_point": point.pk}
    assert audits() == [
        ("add_contact_point", "she called", of_point),
        ("move_contact_point", "she prefers it", of_point),
        ("remove_contact_point", "she left", of_point),
    ]
    assert "home@" not in str(list(Audit.objects.values_list("before", "after")))


def test_an_address_of_a_channel_that_is_not_set_up_is_said_to_be_of_no_use(operator, ada, settings, config):
    url, unused = f"/ops/people/{ada.pk}", "SMS is not set up here: nothing is sent to such an address."
    assert unused in (page := text(operator.get(url)))
    assert "verify?point" not in page.split(PHONE)[1]
    assert "SMS (not set up here)</option>" in text(operator.get(f"{url}/add"))
    values = {"channel": "sms", "address": "+4930999999", "order": "", "reason": "she called"}
    assert f"The address was added. {unused}" in text(operator.post(f"{url}/add", values, follow=True))
    settings.REMINDERS = replace(config, further_channels=("sms",))
    assert unused not in text(operator.get(url))
    assert "not set up here" not in text(operator.get(f"{url}/add")).split("chat")[0]


def test_an_operator_undoes_an_opt_out_and_marks_as_working(operator, ada):
    mail, phone = contact_points.points_of(ada.pk)
    contact_points.opt_out(phone.pk)
    contact_points.mark_failing(mail.pk, "550")
    url = f"/ops/people/{ada.pk}"
    for name, point in (("opt-in", phone), ("working", mail)):
        assert "Keep" not in text(operator.get(f"{url}/{name}?point={point.pk}"))
        assert operator.post(f"{url}/{name}", {"point": point.pk, "reason": "she asked"}).status_code == 302
    assert ContactPoint.objects.filter(opted_out_at=None, failing_since=None).count() == 2
    assert [one[0] for one in audits()] == ["opt_in_contact_point", "mark_contact_point_working"]
    assert "There is nothing to change." in text(operator.get(f"{url}/opt-in?point={phone.pk}"))


def test_an_operator_sets_quiet_hours(operator, viewer, ada):
    url = f"/ops/people/{ada.pk}/quiet-hours"
    assert viewer.get(url).status_code == 403
    assert "no quiet hours" in text(operator.get(f"/ops/people/{ada.pk}"))
    given = {"quiet_from": "22:00", "quiet_until": "06:30", "reason": "She asked"}
    assert operator.post(url, given)["Location"] == f"/ops/people/{ada.pk}"
    assert "quiet from 22:00 to 06:30" in text(operator.get(f"/ops/people/{ada.pk}"))
    assert 'value="22:00"' in text(operator.get(url))
    one = operator.post(url, {**given, "quiet_until": ""})
    assert "quiet hours need quiet_from and quiet_until" in text(one)
    ada.refresh_from_db()
    ada.team = teams.add_team(name="Care", quiet_from="21:00", quiet_until="05:00")
    ada.save()
    assert operator.post(url, {"reason": "As the team"}).status_code == 302
    assert "quiet from 21:00 to 05:00 (those of their team)" in text(operator.get(f"/ops/people/{ada.pk}"))
    none = {"quiet_from": "", "quiet_until": ""}
    own = {"quiet_from": "22:00", "quiet_until": "06:30"}
    assert list(Audit.objects.order_by("id").values_list("action", "selection", "before", "after")) == [
        ("change_quiet_hours", {"person": ada.pk}, none, own),
        ("change_quiet_hours", {"person": ada.pk}, own, none),
    ]
    assert "changed the quiet hours of" in text(operator.get("/ops/audit"))


def test_an_operator_sets_the_language(operator, viewer, ada):
    url = f"/ops/people/{ada.pk}/language"
    assert viewer.get(url).status_code == 403
    assert url in text(operator.get(f"/ops/people/{ada.pk}"))
    asked = text(operator.get(url))
    assert "en, de, es or fr, also with a region, such as de-AT." in asked
    assert 'value="en"' in asked
    refused = text(operator.post(url, {"language": "klingon", "reason": "She asked"}))
    assert (
        "is not a language: a BCP 47 tag is needed, such as en, de, es or fr, also with a region, like de-AT"
        in refused
    )
    ada.refresh_from_db()
    assert ada.language == "en"
    sent = operator.post(url, {"language": "de-AT", "reason": "She asked"})
    assert sent["Location"] == f"/ops/people/{ada.pk}"
    ada.refresh_from_db()
    assert ada.language == "de-AT"
    assert "Deutsch" in text(operator.get(url))
    assert list(Audit.objects.values_list("action", "selection", "before", "after")) == [
        ("change_language", {"person": ada.pk}, {"language": "en"}, {"language": "de-AT"})
    ]
    assert "changed the language of" in text(operator.get("/ops/audit"))


def test_their_work_is_reminded_of_from_there(operator, viewer, ada):
    work = AssignmentFactory(assignee=ada)
    link = f"/ops/act/remind-now?ids={work.pk}&amp;back=/ops/people/{ada.pk}"
    assert text(operator.get(f"/ops/people/{ada.pk}")).count(link) == 2  # For the one, and in its line.
    assert link not in text(viewer.get(f"/ops/people/{ada.pk}"))
    assert 'href="tel:+4930123456"' in text(viewer.get(f"/ops/people/{ada.pk}"))


def test_what_is_refused_is_said_at_its_field(operator, ada):
    url = f"/ops/people/{ada.pk}/add"
    values = {"channel": "sms", "address": "12", "order": "", "reason": "x"}
    assert "that is not a telephone number" in text(operator.post(url, values))
    assert "This field is required" in text(operator.post(url, {**values, "reason": ""}))
    assert "is an address of this person already" in text(
        operator.post(url, {**values, "address": "+49 30 123456"})
    )
    other = contact_points.points_of(AssigneeFactory().pk)[0]
    for given in (other.pk, "x", "", "²", "9" * 30):
        refused = operator.post(f"/ops/people/{ada.pk}/remove", {"point": given, "reason": "x"})
        assert refused.status_code == 404
    assert audits() == []


def test_a_new_address_sends_what_failed_for_want_of_one(operator, clock, run):
    person = AssigneeFactory(unreachable=True)
    AssignmentFactory(soon=True, assignee=person)
    run()
    values = {"channel": "email", "address": MAIL, "order": "", "reason": "found it"}
    operator.post(f"/ops/people/{person.pk}/add", values)
    assert Reminder.objects.get(kind="REMINDER").state == "PLANNED"


def test_operators_of_a_team_see_its_people_alone(operator, ada):
    operator_user = get_user_model().objects.get(username="olga")
    team = teams.add_team(name="North")
    mine = AssigneeFactory(team_id=team.pk)
    limits.limit_user(operator_user, [team.pk], by="root")
    assert operator.get(f"/ops/people/{mine.pk}").status_code == 200
    assert operator.get(f"/ops/people/{ada.pk}").status_code == 404
    work = AssignmentFactory(assignee=ada, team_id=team.pk)
    assert f"/ops/people/{ada.pk}" not in text(operator.get(f"/ops/assignments/{work.pk}"))


def test_a_chat_address_shows_no_secret(viewer, operator, ada, settings):
    settings.CHAT_SCHEMES = ("json",)
    ContactPoint.objects.create(person=ada, channel="chat", address="slack://TOKEN/x", order=3)
    page = text(viewer.get(f"/ops/people/{ada.pk}"))
    assert "slack://..." in page
    assert "TOKEN" not in page


def test_times_are_shown(viewer, ada, clock):
    clock.advance(timedelta(days=3))
    AssignmentFactory(title="Long ago", assignee=ada, past=True)
    assert "Long ago" not in text(viewer.get(f"/ops/people/{ada.pk}")).split("Last messages")[0]


def test_it_says_what_time_it_is_there_and_that_nothing_reaches_them(operator, ada, clock):
    ada.time_zone = "Asia/Tokyo"
    ada.save(update_fields=["time_zone"])
    work = AssignmentFactory(assignee=ada)
    page = text(operator.get(f"/ops/people/{ada.pk}"))
    assert re.search(r"Asia/Tokyo \(\d\d:\d\d there now\)", page)
    assert "No message reaches this person" not in page
    for act in ("remind-now", "move", "reassign"):
        assert f'href="/ops/act/{act}?ids={work.pk}&amp;back=/ops/people/{ada.pk}"' in page
    for point in contact_points.points_of(ada.pk):
        contact_points.opt_out(point.pk)
    assert "No message reaches this person" in text(operator.get(f"/ops/people/{ada.pk}"))


def test_the_first_empty_field_has_the_focus(operator, ada):
    page = text(operator.get(f"/ops/people/{ada.pk}/add"))
    (focused,) = re.findall(r"<input[^>]* autofocus[^>]*>", page)
    assert 'name="address"' in focused
