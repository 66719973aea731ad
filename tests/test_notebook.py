"""What a notebook shows: the numbers of the object, all of it escaped."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np

import gatecast
from gatecast.notebook import shown
from gatecast.panel import panel_from_arrays
from gatecast.scoring import judge_backtest
from helpers_outcome import HOSTILE, make_outcome

VOID = {"br", "img"}


class Tags(HTMLParser):
    """The tags and the text of a piece of HTML; fails if a tag is not closed in its order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += f"{data} "


def test_everything_is_escaped_and_what_is_no_number_is_a_dash():
    text = shown(HOSTILE, {HOSTILE: HOSTILE}, [HOSTILE], [[HOSTILE], [None], [float("nan")], [1234567]], HOSTILE)
    found = Tags(text)
    assert found.tags <= {"div", "strong", "p", "b", "table", "thead", "tbody", "tr", "th", "td"}
    assert found.text.count(HOSTILE) == 6 and found.text.count("–") == 2 and "1,234,567" in found.text


def test_a_long_table_is_cut_and_says_so():
    assert "and 70 more" in shown("t", head=["k"], rows=[[k] for k in range(100)])


def test_a_verdict_shows_its_sentence_and_every_test():
    outcome = make_outcome(name=HOSTILE)
    found = Tags(outcome.verdict._repr_html_())
    assert outcome.verdict.sentence in found.text and "script" not in found.tags
    assert found.text.count("repeating the last value") >= 1


def test_a_backtest_shows_how_far_each_model_was_off():
    values = np.cumsum(np.random.default_rng(0).normal(size=80))
    done = gatecast.backtest(values, ["LastValue", "Drift"], origins=10)
    found = Tags(done._repr_html_())
    away = np.abs(done.forecasts["Drift"][..., 6] - done.truth_SOH).mean()
    assert f"{away:.3g}"[:4] in found.text and "LastValue" in found.text and "origins" in found.text
    assert "Verdict on Drift" in Tags(judge_backtest(done, "Drift")._repr_html_()).text
    several = replace(done, forecasts={HOSTILE: done.forecasts["Drift"]}, seconds={HOSTILE: 0.1})
    assert HOSTILE in Tags(several._repr_html_()).text


def test_a_forecaster_says_what_it_is_before_and_after_it_has_a_model(tmp_path):
    forecaster = gatecast.LSTMForecaster()
    assert "not fitted yet" in Tags(forecaster._repr_html_()).text
    outcome = make_outcome()
    forecaster.model_ = outcome.model
    found = Tags(forecaster._repr_html_())
    assert f"{outcome.model.weights.units:,}" in found.text and "steps ahead" in found.text
    zero = gatecast.ZeroShot()
    assert "nothing is trained" in Tags(zero._repr_html_()).text
    zero.fit(panel_from_arrays(np.arange(30.0)))
    assert "steps  30" in Tags(zero._repr_html_()).text.replace("steps 30", "steps  30")
