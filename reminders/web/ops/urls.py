"""The addresses below /ops/."""

from django.urls import path

from reminders.web.ops import (
    actions,
    board,
    calendars,
    day,
    explanation,
    finding,
    forecast,
    lists,
    mailbox,
    maintenance,
    new_assignment,
    overview,
    page,
    people,
    simulator,
    table_import,
)

app_name = "ops"
urlpatterns = [
    path("", overview.overview, name="overview"),
    path("live", overview.live, name="live"),
    path("board", board.who_knows, name="board"),
    path("board/live", board.live, name="board-live"),
    path("forecast", forecast.forecast, name="forecast"),
    path("find", finding.find, name="find"),
    path("assignments", lists.assignments, name="assignments"),
    path("assignments/new", new_assignment.new_assignment, name="new"),
    path("assignments/<int:pk>", explanation.explanation, name="explain"),
    path("day", day.day_view, name="day"),
    path("people", finding.people, name="people"),
    path("people/<int:pk>", people.person, name="person"),
    path("people/<int:pk>/merge", people.merge, name="merge-person"),
    path("people/<int:pk>/<slug:name>", people.act, name="person-act"),
    path("reminders", lists.reminders, name="reminders"),
    path("switch", maintenance.switch, name="switch"),
    path("queue", maintenance.queue, name="queue"),
    path("queue/live", maintenance.queue_live, name="queue-live"),
    path("doctor", maintenance.doctor, name="doctor"),
    path("doctor/checks", maintenance.checks, name="checks"),
    path("simulator", simulator.simulator, name="simulator"),
    path("calendars", calendars.calendars, name="calendars"),
    path("audit", maintenance.audit, name="audit"),
    path("mailbox", mailbox.mails, name="mailbox"),
    path("mailbox/<str:name>", mailbox.mail, name="mail"),
    path("mailbox/<str:name>/html", mailbox.html_part, name="mail-html"),
    path("import", table_import.imports, name="imports"),
    path("import/<int:pk>", table_import.table_import, name="import"),
    path("import/<int:pk>/errors.csv", table_import.errors_file, name="import-errors"),
    path("import/mapping/<int:pk>/remove", table_import.remove_mapping, name="remove-mapping"),
    path("act/<slug:name>", actions.action, name="act"),
    # Last: any other address below /ops/.
    path("<path:rest>", page.unknown_page, name="unknown"),
]
