"""The report in a real browser: it draws, fits, answers, and asks nobody for anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import vl_convert
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from gatecast.charts import figures
from gatecast.report import render
from helpers_outcome import HOSTILE, make_outcome
from helpers_pages import Watched

pytestmark = pytest.mark.browser

DRAWN = "document.querySelectorAll('.chart[data-drawn]').length === document.querySelectorAll('.chart').length"


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    outcome = make_outcome(steps=1500, wave=True, name=HOSTILE, missing=True)
    drawn = figures(outcome)
    compiled = {figure.name: vl_convert.vegalite_to_vega(figure.chart.to_dict(validate=False)) for figure in drawn}
    page = folder / "report.html"
    page.write_text(render(outcome, drawn, compiled, "the answers " * 40), encoding="utf-8")
    return page


class Seen(Watched):
    """A report that was opened; it gets no file but its own."""

    def __init__(self, browser: Browser, path: Path, width: int = 1280, scheme: str = "light") -> None:
        super().__init__(browser, width, scheme)
        self.page.route(
            "**/*", lambda route: route.continue_() if route.request.url == path.as_uri() else route.abort()
        )
        self.page.goto(path.as_uri())
        self.page.wait_for_function(DRAWN)


@pytest.fixture(scope="module")
def seen(browser, path) -> Iterator[Seen]:
    opened = Seen(browser, path)
    yield opened
    opened.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_it_draws_every_chart_fits_the_screen_and_asks_for_nothing(browser, path, seen, width):
    opened = seen if width == 1280 else Seen(browser, path, width, "dark")
    page = opened.page
    assert page.locator(".chart svg").count() == page.locator(".chart").count() == 11
    empty = "[...document.querySelectorAll('.chart')].filter(e => e.querySelectorAll('svg path[d]').length < 5).length"
    assert page.evaluate(empty) == 0
    assert page.evaluate("document.documentElement.scrollWidth") == width
    wide = (
        "[...document.querySelectorAll('.chart svg')].filter(e => e.getBoundingClientRect().right > innerWidth).length"
    )
    assert page.evaluate(wide) == 0
    assert opened.problems == [] and opened.requests == [path.as_uri()]
    if opened is not seen:
        opened.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out_of_it_nor_of_the_tab_inside(seen, scheme):
    seen.page.emulate_media(color_scheme=scheme)
    for tab in ("Inside", "Report"):
        seen.page.get_by_role("tab", name=tab).click()
        found = Axe().run(seen.page).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found] == []


def test_the_answers_open_by_keyboard(seen):
    seen.page.locator("#explain summary").focus()
    assert not seen.page.locator("#explain pre").is_visible()
    seen.page.keyboard.press("Enter")
    assert seen.page.locator("#explain pre").is_visible()


def test_a_model_is_shown_and_hidden_by_keyboard(seen):
    figure = seen.page.locator("#full_sequence")
    button = figure.get_by_role("button", name="LastValue", exact=True)
    orange = "figure => [...figure.querySelectorAll('svg path')].filter(path => "
    orange += "(path.getAttribute('stroke') || '').includes('--LastValue') && path.getAttribute('d')).length"
    before = figure.evaluate(orange)
    button.focus()
    seen.page.keyboard.press("Space")
    assert button.get_attribute("aria-pressed") == "false"
    seen.page.wait_for_function(f"({orange})(document.getElementById('full_sequence')) === 0")
    seen.page.keyboard.press("Space")
    seen.page.wait_for_function(f"({orange})(document.getElementById('full_sequence')) === {before}")
    assert before > 0


def test_the_window_moves_by_buttons_and_by_dragging_from_the_first_time_on(seen):
    figure = seen.page.locator("#point_by_point")
    labels = ".errors_group .role-axis-label text"

    def shown() -> list[str]:
        seen.page.wait_for_timeout(150)
        return figure.locator(labels).all_text_contents()

    states = [shown()]
    for name in ("Earlier", "Later", "Closer"):
        figure.get_by_role("button", name=name).click()
        states.append(shown())
    assert states[0] != states[1] != states[2] != states[3]
    assert set(states[0]) == set(states[2])
    figure.scroll_into_view_if_needed()
    box = figure.locator(".detail_group path.background").first.bounding_box()
    assert box is not None
    seen.page.mouse.move(box["x"] + 100, box["y"] + 80)
    seen.page.mouse.down()
    seen.page.mouse.move(box["x"] + 400, box["y"] + 80, steps=3)
    seen.page.mouse.up()
    assert shown() != states[3]


def test_the_pointer_tells_the_exact_numbers_and_the_cutoff(seen):
    figure = seen.page.locator("#point_by_point")
    figure.scroll_into_view_if_needed()
    box = figure.locator(".detail_group path.background").first.bounding_box()
    assert box is not None
    seen.page.mouse.move(box["x"] + 200, box["y"] + 60)
    seen.page.mouse.move(box["x"] + 210, box["y"] + 60)
    told = seen.page.locator("#tip")
    told.wait_for(state="visible")
    names = told.locator("dt").all_text_contents()
    assert names[:5] == ["Day", "known up to (cutoff)", "truth", "LSTM", "LastValue"]
    texts = told.locator("dd").all_text_contents()
    assert "undefined" not in texts and texts[0].startswith("20") and texts[1] < texts[0]


def test_nothing_went_wrong_on_the_way(seen):
    assert seen.problems == []
