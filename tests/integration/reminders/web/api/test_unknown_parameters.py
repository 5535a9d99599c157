"""A list refuses a query parameter that it does not know: a filter that is ignored is a wrong answer."""

import re

import pytest

from reminders.web.api.urls import urlpatterns
from tests.fakes.api_caller import ApiCaller, faults

pytestmark = pytest.mark.django_db

OTHERS = {"BoardView", "ForecastView", "AssignmentExportView", "ReminderExportView", "StarterView"}
"""Lists that are not called one."""


def lists() -> list[str]:
    found = []
    for one in urlpatterns:
        view = getattr(one.callback, "cls", None)
        if view is not None and (view.__name__.endswith("ListView") or view.__name__ in OTHERS):
            found.append("/api/" + re.sub("<.*?>", "1", str(one.pattern)))
    return found


def test_every_list_refuses_what_it_does_not_know_and_names_what_it_accepts(clock):
    call, told = ApiCaller("read", "ops"), {}
    for address in lists():
        answer = call.get(f"{address}?colour=red")
        assert answer.status_code == 400, address
        assert ("colour", "unknown_field") in faults(answer), address
        told[address] = next(one["message"] for one in answer.json()["errors"] if one["field"] == "colour")
    assert len(told) >= 15
    assert told["/api/teams"] == "unknown: no parameters can be sent"
    assert "limit" in told["/api/assignments"]
    assert "limit" in told["/api/people"]


def test_without_any_parameter_they_answer(clock):
    assert ApiCaller("read", "ops").get("/api/teams").json() == {"results": []}
