"""Signing in at a company's OpenID provider: a real one on loopback, in a real browser."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth import get_user_model
from playwright.sync_api import Page, expect

from accounts import roles
from accounts.models import TeamLimit
from accounts.openid_provider import OpenIdProvider
from assignments import teams
from config.sign_in_settings import openid_apps
from reminders.models import Audit
from tests.browser.contexts import Contexts
from tests.fakes.certified_provider import running_certified_provider
from tests.fakes.openid_provider import RunningProvider, running_provider

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def provider() -> Iterator[RunningProvider]:
    with running_provider() as running:
        yield running


@pytest.fixture
def company(provider, site, settings) -> OpenIdProvider:
    configured = OpenIdProvider(
        issuer=provider.issuer,
        client_id="reminders",
        client_secret="a-secret-of-the-client",
        name="Example Care",
        scopes=("openid", "profile"),
        username_claim="preferred_username",
        groups_claim="groups",
        viewer_groups=frozenset({"care"}),
        operator_groups=frozenset({"office"}),
        superuser_groups=frozenset({"root"}),
        privacy_groups=frozenset({"data protection"}),
        teams=None,
        connects_existing=False,
        brings_second_factor=False,
        session_hours=12,
    )
    configure(settings, configured)
    return configured


def configure(settings, company: OpenIdProvider) -> None:
    settings.OPENID, settings.SOCIALACCOUNT_PROVIDERS = company, openid_apps(company)


@pytest.fixture
def go(contexts: Contexts, site: str, provider: RunningProvider) -> Iterator[Callable[..., Page]]:
    """Opens a page in a browser of its own; nothing but the site and the provider is asked, and the policy holds."""
    wrong: list[str] = []

    def opened(path: str, issuer: str = provider.issuer) -> Page:
        context = contexts.take(base_url=site, locale="en-GB")
        page = context.new_page()

        def on_request(asked) -> None:
            if not asked.url.startswith((site, issuer)) and not page.url.startswith(issuer):
                wrong.append(asked.url)  # pages of the provider are its own affair

        # Nothing leaves this machine, whatever the provider's pages ask for.
        context.route(lambda url: not url.startswith((site, issuer)), lambda route: route.abort())
        page.on("request", on_request)
        page.on(
            "console",
            lambda said: (
                wrong.append(said.text)
                if "Content Security Policy" in said.text and not page.url.startswith(issuer)
                else None
            ),
        )
        page.goto(path)
        return page

    yield opened
    contexts.give_back()
    assert wrong == []


def come(page: Page, subject: str) -> None:
    """From our sign-in to the provider and back."""
    page.get_by_role("link", name="Sign in with Example Care").click()
    page.locator("input[name=sub]").fill(subject)
    page.get_by_role("button", name="Authorize").click()


def role_of(name: str) -> tuple[list[str], bool]:
    user = get_user_model().objects.get(username=name)
    return sorted(user.groups.values_list("name", flat=True)), user.is_superuser


def test_groups_give_a_role_and_take_it_away(go, company, provider):
    provider.set_claims("s-1", preferred_username="anna", email="anna@example.com", groups=["care"])
    page = go("/ops/settings")
    come(page, "s-1")
    expect(page.get_by_role("heading", name="Your settings")).to_be_visible()
    assert role_of("anna") == ([roles.VIEWERS], False)
    assert page.goto("/ops/act/pause").status == 403  # a viewer can change nothing
    token = page.context.cookies()
    for path in ("/api/admin/reminders/pause", "/api/admin/reminders/rescan"):
        assert page.request.post(path, data={}).status == 403
    assert page.goto("/admin/auth/user/").status == 403
    assert {cookie["name"] for cookie in token} >= {"sessionid"}

    provider.set_claims("s-1", preferred_username="anna", groups=["office", "something else"])
    page = go("/account/sign-in?next=/ops/act/pause")
    come(page, "s-1")
    expect(page.get_by_role("heading", name="Pause all sending")).to_be_visible()
    assert role_of("anna") == ([roles.OPERATORS], False)

    provider.set_claims("s-1", preferred_username="anna", groups=["root"])
    page = go("/account/sign-in?next=/ops/settings")
    come(page, "s-1")
    expect(page.get_by_role("heading", name="Your settings")).to_be_visible()
    assert role_of("anna") == ([roles.OPERATORS], True)

    inside = page
    provider.set_claims("s-1", preferred_username="anna", groups=["another company"])
    page = go("/account/sign-in?next=/ops/settings")
    come(page, "s-1")
    expect(page.get_by_text("None of your groups at Example Care gives access to this site.")).to_be_visible()
    assert role_of("anna") == ([], False)
    inside.goto("/ops/settings")
    expect(inside).to_have_url("/account/sign-in?next=/ops/settings")

    steps = Audit.objects.filter(actor="OpenID provider", action="change_role").order_by("pk")
    assert [(one.after["roles"], one.after["superuser"]) for one in steps] == [
        ([roles.VIEWERS], False),
        ([roles.OPERATORS], False),
        ([roles.OPERATORS], True),
        ([], False),
    ]
    assert Audit.objects.filter(action="sign_in", actor="anna", after={"with": ["openid"]}).count() == 3
    kept = SocialAccount.objects.get()
    assert (kept.extra_data, kept.uid.partition(":")[2]) == ({}, "s-1")
    anna = get_user_model().objects.get(username="anna")
    assert (anna.email, anna.first_name, anna.has_usable_password()) == ("", "", False)


def test_nobody_takes_over_an_account_that_is_here(go, company, provider, settings):
    provider.set_claims("s-2", preferred_username="OLGA", groups=["care"])
    page = go("/account/sign-in")
    come(page, "s-2")
    expect(page.get_by_text("There is an account of the name OLGA here already")).to_be_visible()
    assert not SocialAccount.objects.exists()

    configure(settings, replace(company, connects_existing=True))
    page = go("/account/sign-in?next=/ops/settings")
    come(page, "s-2")
    expect(page.get_by_role("heading", name="Your settings")).to_be_visible()
    assert role_of("olga") == ([roles.VIEWERS], False)  # and was an operator before

    get_user_model().objects.create_superuser("boss", password="a-password-of-boss")
    provider.set_claims("s-3", preferred_username="boss", groups=["care"])
    page = go("/account/sign-in")
    come(page, "s-3")
    expect(page.get_by_text("There is an account of the name boss here already")).to_be_visible()


def test_groups_limit_people_to_teams(go, company, provider, settings):
    north = teams.add_team(name="North")
    configure(settings, replace(company, teams=(("n", "North"), ("all", "*"), ("gone", "West"))))
    provider.set_claims("s-4", preferred_username="nina", groups=["care", "n"])
    page = go("/account/sign-in?next=/ops/settings")
    come(page, "s-4")
    expect(page.get_by_role("heading", name="Your settings")).to_be_visible()
    assert TeamLimit.objects.get(user__username="nina").teams == [north.pk]
    for groups, message in (
        (["care"], "None of your groups at Example Care belongs to a team of this site."),
        (["care", "gone"], "A team that your groups name is not there"),
    ):
        provider.set_claims("s-4", preferred_username="nina", groups=groups)
        page = go("/account/sign-in")
        come(page, "s-4")
        expect(page.get_by_text(message)).to_be_visible()
    provider.set_claims("s-4", preferred_username="nina", groups=["care", "all"])
    page = go("/account/sign-in?next=/ops/settings")
    come(page, "s-4")
    expect(page.get_by_role("heading", name="Your settings")).to_be_visible()
    assert not TeamLimit.objects.exists()


def test_a_second_factor_is_asked_here_unless_the_provider_brings_it(go, company, provider, settings):
    settings.OPERATORS_NEED_SECOND_FACTOR = True
    provider.set_claims("s-5", preferred_username="otto", groups=["office"])
    page = go("/account/sign-in?next=/ops/settings")
    come(page, "s-5")
    expect(page.get_by_text("Set up a second factor to go on.")).to_be_visible()
    page.get_by_role("link", name="Add an authenticator app").click()
    expect(page.locator(".secret")).to_be_visible()
    configure(settings, replace(company, brings_second_factor=True))
    page = go("/account/sign-in?next=/ops/settings")
    come(page, "s-5")
    expect(page.get_by_role("heading", name="Your settings")).to_be_visible()


def test_a_sign_in_that_is_denied_or_forged_lets_nobody_in(go, company, provider, settings):
    page = go("/account/sign-in")
    page.get_by_role("link", name="Sign in with Example Care").click()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("heading", name="Not signed in")).to_be_visible()
    page.goto("/account/sign-in/company/return?error=access_denied")
    expect(page.get_by_role("heading", name="Not signed in")).to_be_visible()
    page.goto("/account/sign-in/company/return?code=made-up&state=made-up")
    expect(page.get_by_role("heading", name="Not signed in")).to_be_visible()
    configure(settings, replace(company, issuer="http://localhost:9"))  # nobody listens there
    page.goto("/account/sign-in")
    page.get_by_role("link", name="Sign in with Example Care").click()
    expect(page.get_by_text("It does not answer at this moment.")).to_be_visible()
    page.goto("/ops/settings")
    expect(page).to_have_url("/account/sign-in?next=/ops/settings")


def test_a_certified_provider_gives_roles_by_the_groups_of_its_userinfo(
    go, company, site, settings, tmp_path
):
    """`oidc-provider` keeps claims out of the ID token, insists on PKCE, and on each word of the protocol."""
    client = {
        "client_id": company.client_id,
        "client_secret": company.client_secret,
        "redirect_uris": [f"{site}/account/sign-in/company/return"],
    }
    with running_certified_provider(tmp_path, client=client) as certified:
        scopes = ("openid", "profile", "groups")
        configure(settings, replace(company, issuer=certified.issuer, scopes=scopes))
        for groups, held in (
            (["office", "data protection"], [roles.OPERATORS, roles.PRIVACY_OFFICERS]),
            (["data protection"], [roles.PRIVACY_OFFICERS, roles.VIEWERS]),
            (["care"], [roles.VIEWERS]),
        ):
            certified.set_claims("c-1", preferred_username="clara", groups=groups)
            page = go("/account/sign-in?next=/ops/settings", certified.issuer)
            page.get_by_role("link", name="Sign in with Example Care").click()
            page.locator("input[name=login]").fill("c-1")
            page.locator("input[name=password]").fill("whatever")
            page.get_by_role("button", name="Sign-in").click()
            page.get_by_role("button", name="Continue").click()
            expect(page.get_by_role("heading", name="Your settings")).to_be_visible()
            assert role_of("clara") == (held, False)
