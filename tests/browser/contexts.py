"""Browser contexts that one test uses after another: a new one starts a process, which takes longer than most tests."""

from typing import Any

from playwright.sync_api import Browser, BrowserContext, CDPSession

PATIENCE_MS = 30_000
KEPT = 4
"""So many contexts that no test uses are kept."""


class ReusedContext:
    """A context, and a blank page that keeps its process alive; there it is told to forget what a test left."""

    def __init__(self, browser: Browser, options: dict[str, Any]) -> None:
        self.options = options
        self.context: BrowserContext = browser.new_context(**options)
        self.context.set_default_timeout(PATIENCE_MS)
        self._blank = self.context.new_page()
        self._session: CDPSession = self.context.new_cdp_session(self._blank)

    def forget(self) -> None:
        """No page, cookie, cached answer, permission, route, or data that the site stored is left."""
        for page in self.context.pages:
            if page is not self._blank:
                page.close()
        self.context.unroute_all()
        self.context.clear_cookies()
        self.context.clear_permissions()
        self._session.send("Network.clearBrowserCache")
        if site := self.options.get("base_url"):
            self._session.send("Storage.clearDataForOrigin", {"origin": site, "storageTypes": "all"})


class Contexts:
    """Hands out contexts: to each test its own, with nothing of another test in them."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._free: list[ReusedContext] = []
        self._taken: list[ReusedContext] = []

    def take(self, **options: Any) -> BrowserContext:
        """One of these options, which nobody else has until `give_back`."""
        found = next((one for one in reversed(self._free) if one.options == options), None)
        if found is None:
            found = ReusedContext(self._browser, options)
        else:
            self._free.remove(found)
        self._taken.append(found)
        return found.context

    def give_back(self) -> None:
        """All that were taken; their pages are closed."""
        while self._taken:
            one = self._taken.pop()
            one.forget()
            self._free.append(one)
        while len(self._free) > KEPT:
            self._free.pop(0).context.close()
