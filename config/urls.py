"""Every address of the web process."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", RedirectView.as_view(url="/ops/", permanent=False)),
    path("admin/", admin.site.urls),
    path("", include("reminders.urls")),
]

handler400 = "reminders.api.errors.bad_request"
handler404 = "reminders.api.errors.not_found"
handler500 = "reminders.api.errors.server_error"
