"""The page on which a person stops the reminders of a rule: by one click of a mail program, by hand, and back again."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.test import Client

from accounts import roles
from reminders.content import opt_out_links
from reminders.content.opt_out_links import OptOutLink
from reminders.delivery import scan
from reminders.ledger import opt_outs
from reminders.models import Audit, OptOut, Reminder
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.api_caller import ApiCaller
from tests.logins import signed_in, staff
from tests.rule_factory import key, rule
from tests.stage import Stage, Ticks

pytestmark = pytest.mark.django_db
SITE = "https://work.example.test"
ONE_CLICK = "List-Unsubscribe=One-Click"


@pytest.fixture(autouse=True)
def public(settings, config):
    settings.PUBLIC_URL = SITE
    settings.REMINDERS = config


@pytest.fixture
def ann(clock):
    return AssigneeFactory(name="Ann <b>", time_zone="UTC")


def path_of(person, of="default"):
    return opt_out_links.url_of(person.pk, of).removeprefix(SITE)


def in_force(person):
    return [(one.rule, one.via) for one in opt_outs.in_force(person.pk)]


def text_of(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", re.sub(r"</?bdi>", "", response.content.decode())))


def test_a_mail_offers_it_by_header_and_link_and_one_click_stops_reminders(clock, config, outbox):
    stage = Stage(clock, config, outbox).remind()
    (message,) = outbox.messages
    address = message.headers["List-Unsubscribe"].strip("<>")
    assert message.headers["List-Unsubscribe-Post"] == ONE_CLICK
    assert f"Stop reminders like this one: {address}\n" in message.text
    assert f'href="{address}"' in message.html
    # As a mail program sends it: no cookies, no token of a form, and no redirect is followed.
    sender = Client(enforce_csrf_checks=True)
    path = address.removeprefix(SITE)
    answer = sender.post(path, ONE_CLICK, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200
    assert in_force(stage.work.assignee) == [("default", "one_click")]


def test_one_click_may_be_a_form_of_parts_and_come_twice(ann):
    sender = Client(enforce_csrf_checks=True)
    for _ in range(2):
        assert sender.post(path_of(ann), {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert in_force(ann) == [("default", "one_click")]


def test_looking_changes_nothing(client, ann):
    for look in (client.get, client.head):
        assert look(path_of(ann)).status_code == 200
        assert look(path_of(ann) + "?List-Unsubscribe=One-Click&act=stop").status_code == 200
    assert in_force(ann) == []
    page = client.get(path_of(ann))
    assert "Hello Ann &lt;b&gt;," in text_of(page)
    assert "Stop these reminders" in text_of(page)
    headers = {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Robots-Tag": "noindex, nofollow",
    }
    assert {name: page[name] for name in headers} == headers


def test_a_person_stops_and_asks_for_reminders_again(client, ann, config):
    work = AssignmentFactory(assignee=ann, scheduled_start=NOON + timedelta(minutes=90))
    scan.scan(trigger="cli", config=config)
    stopped = client.post(path_of(ann), {"act": "stop"}, follow=True)
    assert [status for _, status in stopped.redirect_chain] == [303]
    assert "You get no more reminders like this one." in text_of(stopped)
    assert in_force(ann) == [("default", "page")]
    assert Reminder.objects.get(assignment=work).reason == "opted_out"
    again = client.post(path_of(ann), {"act": "resume"}, follow=True)
    assert "Stop these reminders" in text_of(again)
    assert in_force(ann) == []
    assert Reminder.objects.get(assignment=work).state == "PLANNED"
    one = OptOut.objects.get()
    assert (one.undone_at, one.undone_by) == (NOON, "")
    assert not Audit.objects.exists()


@pytest.mark.parametrize("body", [{}, {"act": "explode"}, {"List-Unsubscribe": "yes"}])
def test_anything_else_is_refused(client, ann, body):
    refused = client.post(path_of(ann), body)
    assert refused.status_code == 400
    assert "That was not saved." in text_of(refused)
    assert in_force(ann) == []


def test_a_mandatory_rule_cannot_be_stopped_and_no_mail_of_it_says_so(client, ann):
    made = rule(mandatory=True, name="Safety")
    refused = client.post(path_of(ann, key(made)), {"List-Unsubscribe": "One-Click"})
    assert refused.status_code == 409
    assert "These reminders cannot be stopped." in text_of(refused)
    assert "Stop" not in text_of(client.get(path_of(ann, key(made))))
    assert in_force(ann) == []


def test_only_mails_of_rules_that_may_be_stopped_offer_it(clock, config, outbox):
    rule(minutes=60, mandatory=True)
    AssignmentFactory(title="Pump", scheduled_start=NOON + timedelta(minutes=75), assignee__time_zone="UTC")
    stage = Ticks(clock, config, outbox)
    scan.scan(trigger="cli", config=config)
    offered = {}
    for minutes in (15, 30):
        clock.advance(timedelta(minutes=minutes))
        stage.deliver_due()
        message = outbox.messages[-1]
        offered[minutes] = "List-Unsubscribe" in message.headers, "/u/" in message.text + message.html
    assert offered == {15: (False, False), 30: (True, True)}


def test_where_nobody_may_opt_out_nothing_offers_it(client, ann, settings, config, clock, outbox):
    path = path_of(ann)
    settings.REMINDERS = replace(config, opt_out=False)
    assert client.post(path, {"act": "stop"}).status_code == 409
    assert in_force(ann) == []
    Stage(clock, config, outbox).remind()
    assert dict(outbox.messages[-1].headers) == {}
    assert "/u/" not in outbox.messages[-1].text


def test_an_address_without_tls_offers_no_one_click(settings, ann):
    settings.PUBLIC_URL = "http://127.0.0.1:8000"
    assert list(opt_out_links.headers_of(opt_out_links.url_of(ann.pk, "default"))) == ["List-Unsubscribe"]


def test_a_link_names_person_and_rule_and_nobody_makes_up_another(ann, client, settings):
    token = path_of(ann, "default:3").removeprefix("/u/")
    assert opt_out_links.link_from(token) == OptOutLink(ann.pk, "default")
    other = path_of(ann, "rule:7").removeprefix("/u/")
    assert opt_out_links.link_from(other) == OptOutLink(ann.pk, "rule:7")
    signature = token.rpartition("-")[2]
    for made_up in (
        f"{ann.pk}-7-{signature}",
        f"{ann.pk + 1}-0-{signature}",
        token[:-1],
        token.upper(),
        "x",
        "1-0-",
    ):
        assert opt_out_links.link_from(made_up) is None
        assert client.post(f"/u/{made_up}", {"act": "stop"}).status_code == 404
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"
    assert opt_out_links.link_from(token) == OptOutLink(ann.pk, "default")
    settings.SECRET_KEY_FALLBACKS = []
    assert opt_out_links.link_from(token) is None
    assert OptOut.objects.count() == 0


def test_who_is_no_more_gets_the_answer_of_a_link_that_does_not_work(client, ann):
    path = path_of(ann)
    ann.delete()
    assert client.get(path).status_code == client.get("/u/1-0-x").status_code == 404


def test_the_rule_is_named_and_one_that_is_no_more_harms_nothing(client, ann):
    made = rule(name="The evening <before>")
    path = path_of(ann, key(made))
    assert "Reminders: The evening &lt;before&gt;" in text_of(client.get(path))
    made.delete()
    assert "This kind of reminder is not sent any more." in text_of(client.get(path))
    assert client.post(path, {"act": "stop"}).status_code == 303


# --- operators -------------------------------------------------------------------------------------------------


def test_operators_see_it_and_undo_it_with_a_reason(ann, config):
    work = AssignmentFactory(assignee=ann, scheduled_start=NOON + timedelta(minutes=90), title="Pump")
    other = AssignmentFactory(title="Other")
    scan.scan(trigger="cli", config=config)
    opt_outs.opt_out(ann.pk, "default", via=OptOut.Via.ONE_CLICK, config=config)
    operator = signed_in(staff("olga", roles.OPERATORS))
    page = operator.get(f"/ops/assignments/{work.pk}")
    assert "The assignee wants no reminders of the built-in rule, since" in page.content.decode()
    address = f"/ops/act/undo_opt_outs?ids={work.pk},{other.pk}"
    preview = operator.get(address).content.decode()
    assert "1 person of 1 assignment." in preview
    assert "reminded again by the built-in rule" in preview
    assert "its assignee, if there is one, has not opted out of reminders" in preview
    plan = re.search(r'name="plan" value="(\w+)"', preview)[1]
    body = {"ids": f"{work.pk},{other.pk}", "plan": plan, "confirmed": "1", "reason": ""}
    assert operator.post("/ops/act/undo_opt_outs", body).status_code == 200
    assert in_force(ann) == [("default", "one_click")]
    assert operator.post("/ops/act/undo_opt_outs", {**body, "reason": "called"}).status_code == 302
    assert in_force(ann) == []
    assert Reminder.objects.get(assignment=work, kind="REMINDER").state == "PLANNED"
    line = Audit.objects.get(action="undo_opt_out")
    assert (line.actor, line.reason, line.selection) == (
        "olga",
        "called",
        {"person": ann.pk, "rules": ["default"]},
    )


def test_the_api_shows_of_which_rules_a_person_wants_none(ann, config):
    opt_outs.opt_out(ann.pk, "rule:7", via=OptOut.Via.PAGE, config=config)
    opt_outs.opt_out(ann.pk, "default", via=OptOut.Via.PAGE, config=config)
    opt_outs.undo(ann.pk, ["default"], by="", reason="", config=config)
    shown = ApiCaller("read").get(f"/api/people/{ann.pk}").json()
    assert shown["opt_outs"] == [{"rule": "rule:7", "via": "page", "at": "2026-06-15T12:00:00Z"}]
