"""The page in a real browser: the whole path, by pointer and by keyboard, on a screen and on a phone."""

from __future__ import annotations

import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from gatecast.lab import gradient
from gatecast.lab_questions import QUESTIONS
from helpers_pages import Watched
from helpers_server import served

pytestmark = pytest.mark.browser

CHART = "#chart svg[role=img]"
HOSTILE = "<img src=x onerror=alert(1)>"
WIDTH = "document.documentElement.scrollWidth"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("data")) as running:
        yield running


class Seen(Watched):
    """The page that a server gives."""

    def __init__(self, browser: Browser, url: str, width: int = 1280, scheme: str = "light") -> None:
        super().__init__(browser, width, scheme)
        self.url = url
        self.page.goto(url)
        self.page.wait_for_selector("body[data-ready]")

    @property
    def foreign(self) -> list[str]:
        """What it asked others for."""
        return [asked for asked in self.requests if not asked.startswith(self.url)]

    def violations(self) -> list[tuple[str, list[str]]]:
        found = Axe().run(self.page).response["violations"]
        return [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found]


@pytest.fixture(scope="module")
def seen(browser, server):
    opened = Seen(browser, server.url)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def sales(tmp_path_factory):
    """A table whose column has a hostile name."""
    path = tmp_path_factory.mktemp("tables") / "sales.csv"
    values = np.round(50 + np.cumsum(np.random.default_rng(3).normal(size=150)), 3)
    days = np.datetime64("2024-01-01") + np.arange(150)
    text = "\n".join(f"{day},{value},{k}" for k, (day, value) in enumerate(zip(days, values, strict=True)))
    path.write_text(f"day,{HOSTILE},other\n{text}\n")
    return path


def test_a_file_is_checked_and_forecast_at_once(seen, sales):
    page = seen.page
    page.set_input_files("#file", sales)
    page.wait_for_selector(CHART)
    assert "150 rows · 2024-01-01 to 2024-05-29" in page.locator("#found-text").inner_text()
    page.select_option("#target", HOSTILE)
    page.wait_for_function(f"() => document.querySelector('{CHART}')?.getAttribute('aria-label').includes('onerror')")
    assert page.locator("#chart path[data-line='Last value']").count() == 1
    assert page.locator("#chart .keys button").all_inner_texts() == ["Zero-shot"]


def test_the_horizon_is_chosen_and_the_chart_is_read_by_keyboard(seen):
    page = seen.page
    page.fill("#horizon", "7")
    page.keyboard.press("Tab")
    page.wait_for_function(f"() => document.querySelector('{CHART}').getAttribute('aria-label').includes(': 7 steps')")
    page.locator(CHART).focus()
    page.keyboard.press("End")
    told = page.locator("#chart .readout").inner_text()
    assert told.startswith("2024-06-05 · Zero-shot ") and "Last value " in told and "80 % " in told
    page.keyboard.press("Home")
    assert f" {HOSTILE} " in page.locator("#chart .readout").inner_text().replace("·", " ")
    page.locator("#chart summary").press("Enter")
    page.locator("#chart tbody tr").nth(46).wait_for()
    assert page.locator("#chart tbody tr").count() == 47


def test_a_training_is_cancelled_and_nothing_is_kept(seen):
    page = seen.page
    page.locator("#ahead details summary").first.press("Enter")
    page.fill("#updates", "10000")
    page.fill("#units", "4")
    page.locator("#train").press("Enter")
    page.wait_for_selector("#live svg[role=img]")
    first = page.locator("#live path[data-line=LSTM]").get_attribute("d")
    page.wait_for_function(
        "first => document.querySelector('#live path[data-line=LSTM]')?.getAttribute('d') !== first", arg=first
    )
    assert page.locator("#loss path[data-line=validation]").get_attribute("d").count("L") >= 1
    page.locator("#cancel").press("Enter")
    page.wait_for_function("() => document.getElementById('training-state').textContent.startsWith('Cancelled')")
    assert page.locator("#train").is_enabled() and not page.locator("#downloads-part").is_visible()


def test_a_training_ends_in_a_verdict_three_modes_and_downloads(seen):
    page = seen.page
    page.fill("#updates", "10")
    page.click("#train")
    page.wait_for_selector("#downloads li")
    assert page.locator("#sentence").inner_text().startswith("On ")
    page.wait_for_selector("#modes:visible")
    tabs = page.get_by_role("tab")
    assert tabs.all_inner_texts() == ["Beyond the end", "Point by point", "Multi-sequence", "Full sequence"]
    tabs.nth(2).focus()
    for expected in ("Full sequence", "Beyond the end", "Point by point", "Multi-sequence"):
        page.keyboard.press("ArrowRight")
        chosen = page.locator("[role=tab][aria-selected=true]")
        assert chosen.inner_text() == expected == page.evaluate("document.activeElement.textContent")
        page.wait_for_function("() => document.querySelector('#chart path[data-line=LSTM]')")
        assert page.locator("#chart path[data-line='Last value']").get_attribute("d").count("L") >= 6
        assert not page.get_by_role("button", name="Last value").count()
    button = page.locator("#chart .keys button", has_text="Drift")
    assert button.get_attribute("aria-pressed") == "false"
    button.press("Enter")
    assert page.locator("#chart path[data-line=Drift]").count() == 1
    assert page.locator("#scores tbody tr.own").count() == 3


@pytest.mark.parametrize("name", ["Report", "Forecasts (CSV)", "Model", "Settings"])
def test_what_was_made_can_be_taken_away(seen, tmp_path, name):
    with seen.page.expect_download() as started:
        seen.page.get_by_role("link", name=name, exact=True).click()
    path = tmp_path / "file"
    started.value.save_as(path)
    begins = {"Report": b"<!doctype html>", "Forecasts (CSV)": b"mode,unique_id,", "Settings": b""}
    assert re.fullmatch(r"sales-\w+\.\w+", started.value.suggested_filename)
    assert path.stat().st_size > 100 and path.read_bytes().startswith(begins.get(name, b""))


def test_the_report_opens_in_the_page_and_draws_without_reaching_out(seen, server):
    page = seen.page
    page.locator("#downloads a", has_text="Look inside").click()
    frame = page.frame_locator("#inside-frame iframe")
    frame.locator(".chart[data-drawn] svg").first.wait_for(state="attached")
    assert frame.locator("#verdict").inner_text().startswith("On ")
    frame.locator("#inside[data-drawn]").wait_for()
    assert seen.violations() == []
    blocked = page.frames[-1].evaluate("fetch('/v1/models').then(() => 'reached', () => 'blocked')")
    assert blocked == "blocked"
    seen.problems[:] = [each for each in seen.problems if "/v1/models" not in each]  # what was just tried
    page.get_by_role("link", name="Lab").click()
    page.wait_for_selector("#labs li")
    page.get_by_role("link", name="Forecast", exact=True).click()
    page.wait_for_selector(CHART)
    assert page.locator("#models li").count() >= 1


# ----------------------------------------------------------------------------------------------------------- the lab


@pytest.fixture(scope="module")
def lab(browser, server):
    opened = Seen(browser, server.url)
    yield opened
    opened.close()


def test_the_lab_asks_for_a_prediction_before_it_measures(lab):
    page = lab.page
    page.get_by_role("link", name="Lab", exact=True).click()
    page.wait_for_selector("#labs li")
    assert page.locator("#labs h2").all_inner_texts() == [each.title for each in QUESTIONS.values()]
    page.locator("#labs a", has_text=QUESTIONS["gradient"].title).press("Enter")
    page.wait_for_selector("#predictions")
    assert page.locator("h1:visible").inner_text() == QUESTIONS["gradient"].title
    assert page.locator("#measure").is_disabled()
    assert page.locator("#lab-time").inner_text().startswith("Predict first: ")
    page.locator("#predictions input").first.press("Space")
    assert page.locator("#measure").is_enabled()
    assert page.locator("#lab-time").inner_text().startswith("It takes about 2 s on a free processor")


def test_it_is_measured_and_answered_beside_the_prediction(lab):
    page = lab.page
    page.select_option("#lab-seeds", "4")
    page.locator("#measure").press("Enter")
    page.wait_for_selector("#lab-sentence")
    assert page.locator("#lab-state").inner_text() == "Measured."
    assert page.locator("#lab-sentence").inner_text() == gradient(4).sentence
    assert page.locator(".reply").inner_text().startswith("You predicted “the LSTM”; measured: “the plain RNN”")
    tables = page.locator("table.dots")
    assert tables.locator("caption").all_inner_texts()[1].startswith("50 steps back")
    assert tables.nth(1).locator("tbody tr").count() == 5
    places = "[...document.querySelectorAll('table.dots')[1].querySelectorAll('.median')].map(e => e.style.left)"
    medians = [row.median for row in gradient(4).rows if row.measure == "50 steps back"]
    drawn = [float(left.rstrip("%")) for left in page.evaluate(places)]
    assert np.argsort(drawn).tolist() == np.argsort(medians).tolist()
    assert page.locator("#lab-result svg path[data-line]").count() == 5
    with page.expect_download() as started:
        page.get_by_role("link", name="Download as a page").click()
    assert started.value.suggested_filename == "gradient.html"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_lab_fits_the_screen_and_keeps_nobody_out(lab, width, scheme):
    lab.page.set_viewport_size({"width": width, "height": 900})
    lab.page.emulate_media(color_scheme=scheme)
    assert lab.violations() == []
    assert lab.page.evaluate(WIDTH) == width


def test_an_experiment_is_cancelled_and_asked_anew(lab):
    page = lab.page
    page.get_by_role("link", name="← All experiments").click()
    page.locator("#labs a", has_text=QUESTIONS["ablate"].title).click()
    page.get_by_label("I cannot say").check()
    assert "about 2 min" in page.locator("#lab-time").inner_text()
    page.click("#measure")
    page.wait_for_selector("#lab-cancel")
    assert lab.violations() == []
    page.locator("#lab-cancel").press("Enter")
    page.wait_for_function("() => document.getElementById('lab-state').textContent.startsWith('Cancelled')")
    page.get_by_role("button", name="Predict and measure again").press("Enter")
    assert page.locator("#measure").is_disabled() and page.locator("#predictions input").first.is_enabled()
    assert lab.problems == [] and lab.foreign == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_fits_the_screen_and_keeps_nobody_out(browser, server, seen, width, scheme):
    opened = seen if width == 1280 else Seen(browser, server.url, width, scheme)
    if opened is not seen:
        opened.page.select_option("#dataset", "nile")
        opened.page.wait_for_selector(CHART)
    assert opened.violations() == []
    assert opened.page.evaluate(WIDTH) == width
    small = "[...document.querySelectorAll('main button, main select, main input')].filter(e => e.offsetParent && "
    assert opened.page.evaluate(f"{small} (e.closest('label') || e).getBoundingClientRect().height < 32).length") == 0
    if opened is not seen:
        assert opened.problems == [] and opened.foreign == []
        opened.close()


def test_what_the_server_refuses_is_said_on_the_page_and_a_bad_table_is_explained(browser, server, tmp_path):
    opened = Seen(browser, server.url)
    bad = tmp_path / "bad.csv"
    bad.write_text("day,y\n2024-01-01,1\n2024-01-02,two\n2024-01-03,3\n")
    opened.page.set_input_files("#file", bad)
    opened.page.wait_for_selector("#found .finding.error")
    assert not opened.page.locator("#ahead").is_visible()
    assert opened.problems == []
    (tmp_path / "bad.csv.gz").write_bytes(b"\x1f\x8b\x08\x00rest")
    opened.page.set_input_files("#file", tmp_path / "bad.csv.gz")
    opened.page.wait_for_selector("#wrong:visible")
    assert "is packed" in opened.page.locator("#wrong").inner_text()
    opened.close()


def test_a_training_that_the_server_no_longer_knows_is_not_waited_for(browser, server):
    """As after a new start of the server: the page is told of a training whose events are refused."""
    opened = Seen(browser, server.url)
    page, gone = opened.page, "0123456789abcdef"
    page.route("**/v1/models", lambda route: route.fulfill(status=202, json={"id": gone}))
    page.select_option("#dataset", "nile")
    page.wait_for_selector(CHART)
    page.locator("#ahead details summary").first.press("Enter")
    page.locator("#train").press("Enter")
    page.wait_for_selector("#wrong:not([hidden])")
    assert "tells no more of this training" in page.locator("#wrong").inner_text()
    assert page.locator("#train").is_enabled() and not page.locator("#cancel").is_visible()
    page.unroute("**/v1/models")
    page.goto(f"{server.url}/#lab/reset")
    page.route("**/v1/lab", lambda route: route.fulfill(status=202, json={"id": gone, "seconds": 5}), times=1)
    page.locator("#predictions input").first.check()
    page.locator("#measure").press("Enter")
    page.wait_for_selector("#wrong:not([hidden])")
    assert "tells no more of this experiment" in page.locator("#wrong").inner_text()
    page.get_by_role("button", name="Predict and measure again").click()
    assert page.locator("#predictions input").first.is_enabled()
    opened.close()


def test_nothing_went_wrong_on_the_way_and_no_request_left_the_machine(seen):
    assert seen.problems == [] and seen.foreign == []
