"""The admin in a browser: everybody can use each page of it, it looks as the Ops pages do, and the end follows the start."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone
from playwright.sync_api import Page, expect

from assignments.models import Team
from reminders.web.admin.contents import tables
from tests.browser.scene import Scene
from tests.browser.test_accessibility import DESK, PHONE, look_at

pytestmark = pytest.mark.django_db(transaction=True)


def computed(page: Page, selector: str, *names: str) -> list[str]:
    found: list[str] = page.locator(selector).first.evaluate(
        "(one, names) => names.map((name) => getComputedStyle(one)[name])", list(names)
    )
    return found


def pages(stage: Scene) -> list[str]:
    """Lists of every table, and the other kinds of page: form, history, removal."""
    rita = get_user_model().objects.create_superuser("rita")
    team = f"/admin/assignments/team/{Team.objects.create(name='North').pk}/"
    work, person = "/admin/assignments/assignment/", "/admin/assignments/assignee/"
    return [
        *("/admin/?all=1", "/admin/password_change/"),
        *(f"/admin/{label.replace('.', '/')}/" for label, _ in tables()),
        *(
            f"{work}?q=none",
            f"{work}add/",
            f"{work}{stage.sent.pk}/change/",
            f"{work}{stage.sent.pk}/history/",
        ),
        *(f"{person}add/", f"{person}{stage.sent.assignee_id}/change/", f"{team}change/", f"{team}delete/"),
        *("/admin/assignments/calendarsource/add/", "/admin/reminders/reminderrule/add/"),
        *("/admin/access/apitoken/add/", f"/admin/auth/user/{rita.pk}/change/"),
    ]


def test_everybody_can_use_the_pages_of_the_admin_and_none_needs_what_the_policy_forbids(visit, stage):
    """The policy: what a page asks for in vain is told by `visit`."""
    paths = pages(stage)
    page = visit("rita", "/ops/")
    for path in paths:
        look_at(page, path)
        expect(page.locator("header.top")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_has_the_colours_and_the_type_of_the_ops_pages(visit, stage, scheme):
    page = visit("olga", "/ops/assignments", color_scheme=scheme)

    def seen() -> dict[str, list[str]]:
        return {
            "ground": computed(
                page, "body", "backgroundColor", "color", "fontFamily", "fontSize", "lineHeight"
            ),
            "heading": computed(page, "h1", "fontSize", "fontWeight", "color"),
            "head": computed(page, "header.top", "backgroundColor", "height"),
            "brand": computed(page, ".brand", "color", "fontSize", "textDecorationLine"),
            "page": computed(
                page, "header.top nav.on-desk a", "color", "fontSize", "padding", "textDecorationLine"
            ),
            "search": computed(page, "#find", "fontSize", "height", "borderRadius", "backgroundColor"),
            "button": computed(
                page, ".top .button", "fontSize", "height", "borderRadius", "backgroundColor", "color"
            ),
            "row": computed(page, "tbody td", "fontSize", "color"),
        }

    for size in (DESK, PHONE):
        page.set_viewport_size(size)
        page.goto("/ops/people")
        ops = seen()
        page.goto("/admin/assignments/assignment/")
        admin = seen()
        assert admin == ops


def field(page: Page, name: str) -> str:
    return f"{page.input_value(f'#id_scheduled_{name}_0')} {page.input_value(f'#id_scheduled_{name}_1')}"


def test_an_end_follows_the_start_until_it_is_set_apart(visit, stage):
    work = stage.coming
    work.scheduled_start = timezone.now().replace(hour=9, minute=0, second=0, microsecond=0, year=2035)
    work.scheduled_end = work.scheduled_start.replace(hour=11, minute=30)
    work.save()
    day = f"{work.scheduled_start:%Y-%m-%d}"
    page = visit("olga", f"/admin/assignments/assignment/{work.pk}/change/")
    page.fill("#id_scheduled_start_1", "22:15")
    expect(page.locator("#id_scheduled_end_1")).to_have_value("00:45:00")
    page.check("#id_end_stays")
    expect(page.locator("#id_scheduled_end_1")).to_have_value("11:30:00")
    page.uncheck("#id_end_stays")
    page.fill("#id_scheduled_start_1", "10:00")
    expect(page.locator("#id_scheduled_end_1")).to_have_value("12:30:00")
    assert field(page, "end") == f"{day} 12:30:00"
    page.fill("#id_scheduled_end_1", "18:00")
    page.fill("#id_scheduled_start_1", "12:00")
    page.click("[name=_continue]")
    expect(page.locator("#id_scheduled_start_1")).to_have_value("12:00:00")
    assert field(page, "end") == f"{day} 18:00:00"
    work.refresh_from_db()
    assert (work.scheduled_start.hour, work.scheduled_end.hour) == (12, 18)


def test_from_an_assignment_to_its_reason_and_back(visit, stage):
    page = visit("olga", f"/admin/assignments/assignment/{stage.sent.pk}/change/")
    page.get_by_role("link", name="Why this reminder?").click()
    expect(page).to_have_url(re.compile(f"/ops/assignments/{stage.sent.pk}$"))
    page.get_by_role("link", name="Edit the assignment").click()
    expect(page).to_have_url(re.compile(f"/admin/assignments/assignment/{stage.sent.pk}/change/$"))
