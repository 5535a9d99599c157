"""Settings of django-allauth that are the same in every installation (docs/decisions/0046)."""

ACCOUNT_ADAPTER = "accounts.adapters.SignInAdapter"
ACCOUNT_FORMS = {
    "login": "accounts.forms.SignInForm",
    "change_password": "accounts.forms.NewPasswordForm",
}
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # No mail is sent.
ACCOUNT_SESSION_REMEMBER = True
# Whoever posts a password is asked for it, signed in or not: accounts/sign_in.py counts what was right.
ACCOUNT_AUTHENTICATED_LOGIN_REDIRECTS = False
ACCOUNT_RATE_LIMITS = MFA_RATE_LIMITS = False  # accounts/sign_in.py limits all of them.
ACCOUNT_REAUTHENTICATION_TIMEOUT = 15 * 60
MFA_ADAPTER = "accounts.adapters.FactorAdapter"
MFA_FORMS = {
    "authenticate": "accounts.forms.SecondStepForm",
    "reauthenticate": "accounts.forms.ConfirmByCodeForm",
    "add_webauthn": "accounts.passkey_form.PasskeyForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_TOLERANCE = 1  # RFC 6238, 5.2: one step at most
SOCIALACCOUNT_ADAPTER = "accounts.adapters.CompanyAdapter"
SOCIALACCOUNT_LOGIN_ON_GET = True  # A form that leads to another site is against our Content-Security-Policy.
