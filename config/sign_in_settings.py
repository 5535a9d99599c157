"""Reads how people sign in at their company's OpenID provider."""

from urllib.parse import urlsplit

from accounts.openid_provider import EVERYTHING, OpenIdProvider
from config.environment import Environment

APP_ID = "company"
"""Part of the address to which the provider sends people back."""


def read_openid(env: Environment) -> OpenIdProvider | None:
    """The provider; None where OIDC_ISSUER is not set. What is missing or wrong is refused."""
    issuer = env.url("OIDC_ISSUER", "", schemes=["https", "http"], secret=False).removesuffix("/")
    provider = OpenIdProvider(
        issuer=issuer,
        client_id=env.text("OIDC_CLIENT_ID").strip(),
        client_secret=env.text("OIDC_CLIENT_SECRET", secret=True),
        name=env.text("OIDC_NAME", "your company account").strip(),
        scopes=tuple(env.words("OIDC_SCOPES", ["openid", "profile", "email"])),
        username_claim=env.text("OIDC_USERNAME_CLAIM", "preferred_username").strip(),
        groups_claim=env.text("OIDC_GROUPS_CLAIM", "groups").strip(),
        viewer_groups=frozenset(env.words("OIDC_VIEWER_GROUPS")),
        operator_groups=frozenset(env.words("OIDC_OPERATOR_GROUPS")),
        superuser_groups=frozenset(env.words("OIDC_SUPERUSER_GROUPS")),
        privacy_groups=frozenset(env.words("OIDC_PRIVACY_GROUPS")),
        teams=_teams(env),
        connects_existing=env.switch("OIDC_CONNECTS_EXISTING", False),
        brings_second_factor=env.switch("OIDC_BRINGS_SECOND_FACTOR", False),
        session_hours=env.whole("OIDC_SESSION_HOURS", 12, least=1, most=336),
    )
    if not issuer:
        if provider.client_id or provider.client_secret:
            env.refuse("OIDC_CLIENT_ID and OIDC_CLIENT_SECRET are of no use without OIDC_ISSUER")
        return None
    if urlsplit(issuer).scheme == "http" and urlsplit(issuer).hostname not in ("127.0.0.1", "localhost"):
        env.refuse("OIDC_ISSUER begins with http://: an address with https:// is needed")
    if not provider.client_id or not provider.client_secret:
        env.refuse("OIDC_ISSUER is set: OIDC_CLIENT_ID and OIDC_CLIENT_SECRET are needed, or no value")
    of = provider
    if not (of.viewer_groups or of.operator_groups or of.superuser_groups or of.privacy_groups):
        env.refuse(
            "OIDC_ISSUER is set: OIDC_VIEWER_GROUPS or OIDC_OPERATOR_GROUPS is needed, or nobody could sign in by it"
        )
    return provider


def _teams(env: Environment) -> tuple[tuple[str, str], ...] | None:
    """Which group sees the work of which team; None where groups limit nobody."""
    found = []
    for word in env.words("OIDC_TEAM_GROUPS"):
        group, separator, team = (part.strip() for part in word.partition("="))
        if not (group and separator and team):
            env.refuse(f"OIDC_TEAM_GROUPS is {word!r}: group=team is needed, and {EVERYTHING} for all teams")
            continue
        found.append((group, team))
    return tuple(found) or None


def openid_apps(provider: OpenIdProvider | None) -> dict[str, object]:
    """The provider as django-allauth wants it."""
    if provider is None:
        return {}
    app = {
        "provider_id": APP_ID,
        "name": provider.name,
        "client_id": provider.client_id,
        "secret": provider.client_secret,
        "settings": {"server_url": provider.issuer},
    }
    return {
        "openid_connect": {"APPS": [app], "SCOPE": list(provider.scopes), "OAUTH_PKCE_ENABLED": True},
    }
