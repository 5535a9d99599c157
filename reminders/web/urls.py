"""The addresses of this application."""

from django.urls import URLPattern, URLResolver, include, path

from reminders.web import assignee_page, calendar_feed, health, opt_out_page, verify_page
from reminders.web.inbound import email, sms

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("api/metrics", health.show_metrics, name="metrics"),
    path("api/inbound/email", email.events, name="inbound-email"),
    path("api/inbound/sms", sms.reply, name="sms-reply"),
    path("api/inbound/sms-status", sms.status, name="sms-status"),
    path("a/<str:token>", assignee_page.assignee_page, name="assignee-page"),
    path("c/<str:token>.ics", calendar_feed.feed, name="calendar-feed"),
    path("u/<str:token>", opt_out_page.opt_out_page, name="opt-out-page"),
    path("v/<str:token>", verify_page.verify_page, name="verify-page"),
    path("ops/", include("reminders.web.ops.urls")),
    # Last: it also answers for every other address below /api/.
    path("api/", include("reminders.web.api.urls")),
]
