"""A page in a browser, watched for what it complains of and what it asks for."""

from __future__ import annotations

from playwright.sync_api import Browser, Page


class Watched:
    """A new page: ``problems`` are its errors, the lines on its console and its dialogs; ``requests`` are addresses."""

    def __init__(self, browser: Browser, width: int = 1280, scheme: str = "light") -> None:
        self.problems: list[str] = []
        self.requests: list[str] = []
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page: Page = context.new_page()
        self.page.set_default_timeout(180_000)  # milliseconds; a busy machine
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("dialog", lambda dialog: (self.problems.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def close(self) -> None:
        self.page.context.close()
