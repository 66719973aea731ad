"""The report is one file that works offline, escapes what it is given, and says what the numbers say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import vl_convert

from gatecast import report
from gatecast.captions import captions, coverage_words, number, skill_words, written
from gatecast.charts import figures, point_by_point_chart, series_chart
from gatecast.charts_errors import autocorrelations, coverage_chart
from gatecast.charts_parts import PALETTE
from gatecast.config import LEVELS
from gatecast.coverage import Coverage
from gatecast.detectors import ljung_box
from gatecast.errors import OutputError
from gatecast.report import DARK, number_rows, write_report
from gatecast.skill import SkillRow
from helpers_outcome import HOSTILE, make_outcome

PNG = b"\x89PNG\r\n\x1a\n"


class Page(HTMLParser):
    """What stands in a page: its tags with their attributes, its text, and its scripts apart."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        (self.scripts if self._inside == "script" else self.text).append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    @property
    def body(self) -> str:
        """The words a reader sees first to last."""
        return Page(self.html.split("<body>")[1].split("<script>")[0]).words


def read(outcome, explain: str | None = None, drawn: tuple | list = ()) -> Page:
    """The outcome's page; without charts, which take longest, unless they are given."""
    return Page(report.render(outcome, drawn, _compiled(drawn), explain))


def _compiled(drawn):
    return {figure.name: vl_convert.vegalite_to_vega(figure.chart.to_dict(validate=False)) for figure in drawn}


@pytest.fixture(scope="module")
def outcome():
    return make_outcome()


@pytest.fixture(scope="module")
def page(outcome):
    return read(outcome, drawn=figures(outcome))


@pytest.fixture(scope="module")
def wave():
    return read(make_outcome(wave=True, dated=False), explain="1. <b>Split</b> & so on")


# ------------------------------------------------------------------------------------------- files


def test_a_report_and_a_picture_of_every_chart_are_written_and_nothing_else(tmp_path, outcome):
    paths = write_report(outcome, tmp_path, "answers")
    charts = [figure.name for figure in figures(outcome)]
    assert list(paths) == ["report", *charts]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in paths.values())
    for name in charts:
        content = paths[name].read_bytes()
        assert content.startswith(PNG) and len(content) > 5_000
        assert int.from_bytes(content[16:20], "big") > 900  # pixels wide
    html = paths["report"].read_text(encoding="utf-8")
    assert report.javascript() in html
    assert len(html) - len(report.javascript()) < 400_000


def test_the_script_is_bundled_in_another_process_and_here_where_none_can_be_started(monkeypatch):
    assert "vegaEmbed" in report._bundled_apart()
    bundled = report.javascript()
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert report._bundled_apart() == ""
    assert report._bundle.__wrapped__() == bundled


def test_a_folder_that_is_not_there_is_refused(tmp_path, outcome):
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(outcome, tmp_path / "missing", None)


def test_a_long_series_still_makes_a_page_below_three_megabytes():
    outcome = make_outcome(steps=40_000, horizon=50)
    drawn = figures(outcome)
    html = report.render(outcome, drawn, _compiled(drawn), None)
    assert len(html.encode()) - len(report.javascript().encode()) < 2_500_000
    assert "last 3,000 of 4,000 steps" in html and "first 3,000 steps" in html


def test_the_same_outcome_gives_the_same_page(outcome):
    assert read(outcome).words == read(make_outcome()).words
    assert _compiled([coverage_chart(outcome)]) == _compiled([coverage_chart(make_outcome())])


def test_pandas_is_never_imported():
    script = "import gatecast.report, sys; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_picture_shows_what_the_page_shows(outcome):
    chart = _compiled([coverage_chart(outcome)])["coverage"]
    assert vl_convert.vega_to_png(report.still(chart)) == vl_convert.vega_to_png(chart)


# ------------------------------------------------------------------------------------------- the page


def test_a_hostile_name_is_shown_and_never_run():
    outcome = make_outcome(name=HOSTILE)
    hostile = read(outcome, HOSTILE, [series_chart(outcome)])
    plain = read(make_outcome(), "", [series_chart(make_outcome())])
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert hostile.words.count(HOSTILE) >= 5
    specs = json.loads(hostile.scripts[1])
    assert HOSTILE in json.dumps(specs["series"], ensure_ascii=False).replace('\\"', '"')


def test_nothing_is_fetched(page):
    for _, attributes in page.tags:
        for name in ("src", "href", "action", "data", "srcset", "poster"):
            assert (attributes.get(name) or "#").startswith("#")
    policy = next(given["content"] for _, given in page.tags if given.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none';")
    assert not re.search(r"https?://", page.scripts[1] + page.scripts[2] + page.words)


def test_no_number_on_the_page_is_parted_from_its_percent_sign(page):
    shown = "".join(page.text)
    assert re.search(r"\d\u00a0%", shown) and not re.search(r"\d %", shown)


def test_the_page_has_one_heading_a_language_and_words_for_every_chart(page, outcome):
    tags = [tag for tag, _ in page.tags]
    assert tags.count("h1") == 1 and tags.count("main") == 1
    assert dict(page.tags)["html"] == {"lang": "en"}
    pictures = [given["aria-label"] for _, given in page.tags if given.get("role") == "img"]
    assert [words.replace("\u00a0", " ") for words in pictures] == [figure.alt for figure in figures(outcome)]
    assert all("scope" in given for tag, given in page.tags if tag == "th")
    identifiers = [given["id"] for _, given in page.tags if "id" in given]
    assert len(identifiers) == len(set(identifiers))
    targets = {given["href"].removeprefix("#") for tag, given in page.tags if tag == "a" and given["href"]}
    assert targets <= set(identifiers)


def test_the_page_begins_with_the_verdict_whole_and_what_it_did_not_look_at(page, outcome):
    first, *rest = re.split(r"(?<=[.:]) (?=[A-Z])", outcome.verdict.sentence)
    assert page.body.startswith(first)
    parts = [first, outcome.source.title, *rest, *outcome.unlooked, outcome.source.about, "At a glance"]
    places = [page.body.index(part) for part in parts]
    assert places == sorted(places)
    assert outcome.unlooked == ["Not looked at: other seeds, leakage and slower baselines; --verdict full does."]


def test_a_full_verdict_names_what_was_left_out_and_says_nothing_of_quick(outcome):
    asked = outcome.config.model_copy(update={"verdict": "full"})
    full = read(replace(outcome, config=asked, left_out={"AutoARIMA": "would take about 80 s"}))
    assert "left out: AutoARIMA: would take about 80 s" in full.body and "--verdict full" not in full.body
    assert "left out" not in read(replace(outcome, config=asked, left_out={})).body


def test_what_was_mended_stands_on_the_page(outcome):
    mended = replace(outcome, source=replace(outcome.source, mended=("2 holes were filled",)))
    assert "2 holes were filled" in read(mended).body and "Mended" not in read(outcome).body


def test_settings_split_and_weights_are_those_of_the_run(page, outcome):
    split = outcome.split
    assert f"1 to {split.training:,}" in page.words and f"{split.validation + 1:,} to {split.total:,}" in page.words
    assert f"{outcome.model.weights.size:,}" in page.words
    for name in ("forget_bias", "learning_rate", "context"):
        assert name in page.words


def test_a_wave_shows_its_free_run_the_unseen_series_and_the_answers(wave, page):
    assert "+0.012°" in wave.words and "-0.250 %" in wave.words
    assert "another frequency" in wave.words and "a noisy sine" in wave.words
    assert "1. <b>Split</b> & so on" in wave.words
    assert "A wave on its own" not in page.words and "five answers" not in page.words


def test_an_interrupted_run_says_so(outcome):
    assert "Training was stopped early" in read(replace(outcome, interrupted=True)).words
    assert "Training was stopped early" not in read(outcome).words


def test_every_colour_has_a_counterpart_in_the_dark(page):
    assert DARK.keys() == PALETTE.keys()
    specs = page.scripts[1]
    assert not any(f'"{colour}"' in specs for colour in PALETTE.values())
    assert set(re.findall(r"var\(--(\w+)\)", specs)) <= set(PALETTE)


def test_a_chart_in_the_page_has_switches_instead_of_a_legend_and_a_window_that_moves(page):
    specs = json.loads(page.scripts[1])
    assert not any("legends" in spec for spec in specs.values())
    names = [signal["name"] for signal in specs["point_by_point"]["signals"]]
    for button in (given for tag, given in page.tags if tag == "button" and "data-signal" in given):
        assert button["data-signal"] in {*names, *(signal["name"] for signal in specs["coverage"]["signals"])}
    outcome = make_outcome(steps=1500)
    long = json.loads(read(outcome, drawn=[point_by_point_chart(outcome)]).scripts[1])["point_by_point"]
    assert "go" in [signal["name"] for signal in long["signals"]]


# ------------------------------------------------------------------------------------------- numbers and words


def test_the_lowest_of_each_column_are_marked_ties_included():
    rows = number_rows(["a", "LastValue", "c"], [[1.0, 2.0, 1.0], [3.0, float("nan"), 5.0], [float("nan")] * 3])
    assert [row.best for row in rows] == [[True, True, False], [False, False, False], [True, False, False]]
    assert [row.cells for row in rows][1] == ["2.000", "–", "–"]
    assert rows[1].words == "repeating the last value"


def test_numbers_have_the_digits_that_tell_them_apart():
    assert written([17.2388, 17.2412, 1.5]) == ["17.239", "17.241", "1.5000"]
    assert written([1.0, 1.0 + 1e-12]) == ["1.000", "1.000"]
    assert [number(x) for x in (0.0, 1234.56, 0.04442152, 3.58e-5, -2.5e9, float("inf"))] == [
        "0",
        "1,235",
        "0.04442",
        "3.58×10⁻⁵",
        "-2.50×10⁹",
        "–",
    ]


def test_the_words_under_a_chart_follow_the_numbers(outcome):
    late = replace(outcome, verdict=replace(outcome.verdict, lag=replace(outcome.verdict.lag, follows_last=True)))
    early = replace(outcome, verdict=replace(outcome.verdict, lag=replace(outcome.verdict.lag, follows_last=False)))
    assert "one step late" in captions(late)["point_by_point"]
    assert "one step late" not in captions(early)["point_by_point"]
    oracle = captions(make_outcome(oracle=True))
    assert "errs less than LastValue at 12 of 12 steps" in oracle["error_by_step"]
    assert "its 90 % interval held 100.0 %" in oracle["coverage"]
    assert "after update 57 of 60" in captions(outcome)["training"]


def test_the_words_under_the_fans_count_what_the_bands_held(outcome):
    mode = outcome.modes["multi_sequence"]
    everything = len(mode.origins) * 12
    oracle = captions(make_outcome(oracle=True))["fan"]
    assert oracle == (
        f"Of the {everything} values forecast here its 80 % band held {everything} and its 95 % band held {everything}."
    )
    far = outcome.forecasts["multi_sequence"]["LSTM"] + 1e6
    forecasts = outcome.forecasts | {"multi_sequence": outcome.forecasts["multi_sequence"] | {"LSTM": far}}
    nothing = captions(replace(outcome, forecasts=forecasts))["fan"]
    assert "its 80 % band held 0 and its 95 % band held 0; the 80 % band is 1 times as wide at the end" in nothing


def test_the_words_under_the_gain_turn_with_it():
    rows = [SkillRow(step, "AR", gain, interval) for step, gain, interval in GAINS]
    text = skill_words(rows)
    assert "at 3 of 5 steps (at 2 the whole 90 % interval lies above zero) and more at 2 (at 1 it lies below)" in text
    assert "At 1 a baseline is exact, which is drawn at the edge." in text and "beyond the edge" not in text
    turned = [row._replace(gain_percent=-200.0, interval_percent=(-300.0, -101.0)) for row in rows]
    text = skill_words(turned)
    assert "at 0 of 5 steps (at 0 the whole 90 % interval lies above zero) and more at 5 (at 5 it lies below)" in text
    assert "At 5 the gain lies beyond the edge." in text and "exact" not in text


GAINS = [(1, 5.0, (1.0, 9.0)), (2, 5.0, (-1.0, 9.0)), (3, 2.0, (1.0, 3.0)), (4, -5.0, (-9.0, -1.0)), (5, None, None)]


def test_the_words_under_the_coverage_say_on_which_side_of_the_band_it_lies():
    def held(*shares):
        return [
            Coverage(level / 100, share, (level / 100 - 0.02, level / 100 + 0.02), True)
            for level, share in zip(LEVELS, shares, strict=True)
        ]

    right = coverage_words(held(0.2, 0.4, 0.6, 0.8, 0.9, 0.95))
    assert right.startswith(
        "Of the LSTM, its 80 % interval held 80.0 %, its 90 % interval held 90.0 %; all 6 levels lie"
    )
    narrow = coverage_words(held(0.1, 0.4, 0.6, 0.7, 0.8, 0.95))
    assert "its 80 % interval held 70.0 %" in narrow and "of 6 levels, 3 below (too narrow) the grey band" in narrow
    both = coverage_words(held(0.1, 0.9, 0.9, 0.8, 0.9, 0.95))
    assert "1 below (too narrow) and 2 above (too wide) the grey band" in both


def test_the_words_under_the_errors_memory_turn_with_it(outcome):
    mode = outcome.modes["point_by_point"]
    noise = np.random.default_rng(1).normal(size=mode.truth_OH.shape)
    for errors, said in ((noise, "no sign of anything left to learn"), (np.cumsum(noise, axis=0), "was left to learn")):
        made = np.repeat((mode.truth_OH + errors)[..., None], 13, axis=2)
        forecasts = outcome.forecasts | {mode.name: outcome.forecasts[mode.name] | {"LSTM": made}}
        verdict = replace(outcome.verdict, residuals=ljung_box(errors[:, 0]))
        text = captions(replace(outcome, forecasts=forecasts, verdict=verdict))["residuals"]
        found = np.abs(autocorrelations(replace(outcome, forecasts=forecasts)))
        out = int((found > 1.96 / np.sqrt(40)).sum())
        assert text.startswith(f"Of 8 bars {out} leave") and said in text
