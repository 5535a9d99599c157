"""The addresses below /ops/."""

from django.urls import path

from reminders.web.ops import acts, explaining, lists, overview, page, simulating, upkeep

app_name = "ops"
urlpatterns = [
    path("", overview.overview, name="overview"),
    path("live", overview.live, name="live"),
    path("find", lists.find, name="find"),
    path("assignments", lists.assignments, name="assignments"),
    path("assignments/<int:pk>", explaining.explanation, name="explain"),
    path("reminders", lists.reminders, name="reminders"),
    path("switch", upkeep.switch, name="switch"),
    path("queue", upkeep.queue, name="queue"),
    path("doctor", upkeep.doctor, name="doctor"),
    path("doctor/checks", upkeep.checks, name="checks"),
    path("simulator", simulating.simulator, name="simulator"),
    path("audit", upkeep.audit, name="audit"),
    path("act/<slug:name>", acts.act, name="act"),
    # Last: whatever else is asked for below /ops/.
    path("<path:rest>", page.nowhere, name="nowhere"),
]
