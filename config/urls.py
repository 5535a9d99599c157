"""All URLs of the web process."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from reminders.web.account import pages
from reminders.web.admin.site import register_pages
from reminders.web.team_limits import TeamAccess, team_limit

register_pages()

urlpatterns = [
    path("", team_limit(TeamAccess.PUBLIC)(RedirectView.as_view(url="/ops/", permanent=False))),
    path("admin/login/", pages.admin_sign_in),
    path("admin/logout/", pages.sign_out),
    path("admin/password_change/", pages.change_password),
    path("account/", include("reminders.web.account.urls")),
    path("admin/", admin.site.urls),
    path("", include("reminders.web.urls")),
]

handler400 = "reminders.web.api.errors.bad_request"
handler404 = "reminders.web.api.errors.not_found"
handler500 = "reminders.web.api.errors.server_error"
