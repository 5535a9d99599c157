"""Errors of this package beside Django's ValidationError. Their texts are for people."""


class AccountError(Exception):
    """The request cannot be carried out. `code` is stable, for programs."""

    code = "account_error"


class UnknownToken(AccountError):
    """No token, or more than one, has this name or prefix."""

    code = "unknown_token"


class RolesNotReady(AccountError):
    """The permissions of the roles are not in the database yet: it is not migrated."""

    code = "not_migrated"


class NotAdmitted(AccountError):
    """The company's OpenID provider knows the person, and nothing that it says gives access here."""

    code = "not_admitted"


class NoSuchAccount(AccountError):
    """Nobody has this name."""

    code = "no_such_account"
