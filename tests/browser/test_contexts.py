"""Contexts are used again, and nobody notices."""

import pytest

pytestmark = pytest.mark.django_db(transaction=True)


def test_who_comes_next_finds_nothing_of_a_former_visit(visit, contexts):
    page = visit("olga", "/ops/settings")
    page.evaluate(
        """async () => {
            localStorage.left = sessionStorage.left = "here";
            await (await caches.open("left")).put("/left", new Response("here"));
            await new Promise((done) => { indexedDB.open("left").onsuccess = done; });
            return fetch("/static/ops/icon.svg?left", {cache: "force-cache"}).then((answer) => answer.text());
        }"""
    )
    page.context.grant_permissions(["geolocation"])
    page.context.route("**/healthz", lambda route: route.abort())
    before = page.context
    contexts.give_back()
    page = visit("", "/account/sign-in")
    assert page.context is before
    assert [cookie["name"] for cookie in page.context.cookies()] == ["csrftoken"]
    found = page.evaluate(
        """async () => [
            Object.keys(localStorage), Object.keys(sessionStorage), await caches.keys(), await indexedDB.databases(),
            await fetch("/static/ops/icon.svg?left", {cache: "only-if-cached", mode: "same-origin"})
                .then(() => "kept", () => "gone"),
            (await navigator.permissions.query({name: "geolocation"})).state, history.length,
        ]"""
    )
    assert found == [[], [], [], [], "gone", "prompt", 2]
