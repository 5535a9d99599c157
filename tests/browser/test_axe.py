"""Colours are measured once for each combination, and no fault is missed for that."""

from tests.browser import axe
from tests.browser.axe import AXE, faults

GOOD = "<p style='color: #222; background: #fff'>Replace the water meter, <a href='#'>as told</a></p>"
FAINT = "color-contrast"
FAULTS = {
    "<p style='color: #bbb; background: #fff'>Replace the water meter</p>": FAINT,
    "<p style='color: #222; background: #333'>Replace the water meter</p>": FAINT,
    "<div style='background: #333'><p style='color: #222'>Replace the water meter</p></div>": FAINT,
    "<div style='opacity: .3; background: #fff'><p style='color: #222'>Replace the water meter</p></div>": FAINT,
    "<div style='background: #fff'><p style='color: #222; background: #222e'>Replace the meter</p></div>": FAINT,
    "<label style='background: #fff'>Title <input style='color: #ccc; background: #fff' value='Meter'></label>": FAINT,
    "<p style='color: #222; background: #fff'>Replace the meter, <a href='#' style='color: #333; text-decoration: none'>"
    "as told</a></p>": "link-in-text-block",
}


def test_a_combination_is_measured_once_and_a_fault_is_found_each_time(contexts, monkeypatch):
    monkeypatch.setattr(axe, "passed", set())
    page = contexts.take(locale="en-GB", offline=True).new_page()
    page.set_content(GOOD)
    page.evaluate(AXE)
    assert faults(page, []) == []
    for body, rule in [*FAULTS.items()] * 2:
        page.set_content(GOOD + body)
        assert [found.partition(":")[0] for found in faults(page, [])] == [rule], body
    page.set_content(GOOD)
    page.evaluate("() => { axe.run = () => { throw new Error('asked again') } }")
    assert faults(page, []) == []
