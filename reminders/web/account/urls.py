"""The addresses below /account/; the names are those that django-allauth asks for."""

from django.urls import path

from reminders.web.account import pages

urlpatterns = [
    path("", pages.home, name="mfa_index"),
    path("sign-in", pages.sign_in, name="account_login"),
    path("sign-in/passkey", pages.sign_in_by_passkey, name="mfa_login_webauthn"),
    path("sign-in/second-step", pages.second_step, name="mfa_authenticate"),
    path("sign-in/cancelled", pages.company_cancelled, name="socialaccount_login_cancelled"),
    path("sign-in/<slug:provider_id>", pages.company_sign_in, name="openid_connect_login"),
    path("sign-in/<slug:provider_id>/return", pages.company_return, name="openid_connect_callback"),
    path("sign-out", pages.sign_out, name="account_logout"),
    path("sessions/end", pages.end_sessions, name="end_sessions"),
    path("password", pages.change_password, name="account_change_password"),
    path("confirm", pages.confirm_by_password, name="account_reauthenticate"),
    path("confirm/code", pages.confirm_by_code, name="mfa_reauthenticate"),
    path("confirm/passkey", pages.confirm_by_passkey, name="mfa_reauthenticate_webauthn"),
    path("app/add", pages.add_app, name="mfa_activate_totp"),
    path("app/remove", pages.remove_app, name="mfa_deactivate_totp"),
    path("recovery-codes", pages.recovery_codes, name="mfa_view_recovery_codes"),
    path("recovery-codes/new", pages.renew_recovery_codes, name="mfa_generate_recovery_codes"),
    path("passkeys", pages.passkeys, name="mfa_list_webauthn"),
    path("passkeys/add", pages.add_passkey, name="mfa_add_webauthn"),
    path("passkeys/<int:pk>", pages.rename_passkey, name="mfa_edit_webauthn"),
    path("passkeys/<int:pk>/remove", pages.remove_passkey, name="mfa_remove_webauthn"),
]
