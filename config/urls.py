"""All URLs of the web process."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from accounts.sign_in import guarded
from reminders.web.admin.site import register_pages
from reminders.web.team_limits import TeamAccess, team_limit

register_pages()

urlpatterns = [
    path("", team_limit(TeamAccess.PUBLIC)(RedirectView.as_view(url="/ops/", permanent=False))),
    path("admin/login/", team_limit(TeamAccess.PUBLIC)(guarded(admin.site.login))),
    path("admin/", admin.site.urls),
    path("", include("reminders.web.urls")),
]

handler400 = "reminders.web.api.errors.bad_request"
handler404 = "reminders.web.api.errors.not_found"
handler500 = "reminders.web.api.errors.server_error"
