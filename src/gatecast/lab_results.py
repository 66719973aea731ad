"""What an experiment of the lab gives back: a question, a table over seeds, and an answer written from the numbers.

A number is the median over seeds.  The interval beside it is their range: of n seeds it holds the true median with a
chance of 1 - 2^(1 - n), whatever the distribution, 94 % for five.  Two rows are said to differ only when their ranges
do not overlap; of two rows that are the same this happens in 0.8 % of repetitions with five seeds, and in 2.9 % with
four, the fewest that are taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from gatecast.charts_parts import Figure, error_axis
from gatecast.lab_questions import USUAL, Question, checked_seeds
from gatecast.scaling import Floats
from gatecast.wording import finite

__all__ = ["USUAL", "Answer", "LabResult", "Lines", "Question", "Row", "checked_seeds"]


class Row(NamedTuple):
    """One thing measured on one subject, with every seed."""

    what: str
    measure: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle of the seeds."""
        return float(np.median(self.values))

    @property
    def low(self) -> float:
        """The lowest of the seeds."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The highest of the seeds."""
        return max(self.values)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the values, their median and their range."""
        numbers = {"median": self.median, "low": self.low, "high": self.high}
        return {"what": self.what, "measure": self.measure} | {
            **{name: finite(value) for name, value in numbers.items()},
            "values": [finite(value) for value in self.values],
        }


class Lines(NamedTuple):
    """A line for each subject, one value for each seed and place, and what stands at the axes."""

    name: str  # of the chart, one word
    title: str
    lines: Mapping[str, Floats]  # by subject, (seeds, places)
    colours: Mapping[str, str]  # of the subjects, by their name in the palette
    axes: tuple[str, str]  # titles of the horizontal and the vertical axis
    places: Sequence[int] | None = None  # on the horizontal axis; 0, 1, 2 … if not given

    @property
    def at(self) -> list[int]:
        """Where on the horizontal axis the values stand."""
        count = next(iter(self.lines.values())).shape[1]
        return list(range(count)) if self.places is None else list(self.places)

    def axis(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Scale and axis: straight where there are gains and losses, which no logarithm shows, else by their size."""
        drawn = np.concatenate([values.ravel() for values in self.lines.values()])
        return ({"zero": False}, {"tickCount": 5}) if (drawn < 0).any() else error_axis(drawn, from_zero=False)

    def as_dict(self) -> dict[str, Any]:
        """For pages that draw by themselves: by subject the median of the seeds, the lowest and the highest."""
        return {
            "name": self.name,
            "title": self.title,
            "axes": list(self.axes),
            "logarithmic": "type" in self.axis()[0],
            "places": self.at,
            "lines": [
                {
                    "what": what,
                    "colour": self.colours[what],
                    "median": np.median(values, axis=0).tolist(),
                    "low": values.min(axis=0).tolist(),
                    "high": values.max(axis=0).tolist(),
                }
                for what, values in self.lines.items()
            ],
        }


class Answer(NamedTuple):
    """Which choice the numbers bear out, and what they say."""

    choice: str
    sentence: str


@dataclass(frozen=True)
class LabResult:
    """One experiment: what was asked, predicted, measured and found."""

    question: Question
    rows: tuple[Row, ...]
    answer: Answer
    method: str  # how it was measured, in a few sentences
    seeds: int
    figures: tuple[Figure, ...]
    predicted: str | None = None
    notes: tuple[str, ...] = ()  # what else is to be known, such as figures of others
    lines: tuple[Lines, ...] = ()  # what the charts of lines are drawn from

    @property
    def sentence(self) -> str:
        """The answer, written from the numbers."""
        return self.answer.sentence

    @property
    def reply(self) -> str | None:
        """What became of the prediction; None if there was none."""
        if self.predicted is None:
            return None
        said = self.question.choices[self.predicted]
        if self.predicted == self.answer.choice:
            return f"You predicted “{said}”, and so it is."
        return f"You predicted “{said}”; measured: “{self.question.choices[self.answer.choice]}”."

    @property
    def confidence(self) -> str:
        """What the ranges mean, in words."""
        chance = 100 * (1 - 2.0 ** (1 - self.seeds))
        held = f"which holds the true median with a chance of {chance:.0f} %"
        return f"Medians of {self.seeds} seeds, and their range, {held}."

    def table(self) -> tuple[list[str], dict[str, list[Row | None]]]:
        """The rows as a table: the measures, and by subject a row for each of them or None."""
        measures = list(dict.fromkeys(row.measure for row in self.rows))
        found = {(row.what, row.measure): row for row in self.rows}
        whats = dict.fromkeys(row.what for row in self.rows)
        return measures, {what: [found.get((what, measure)) for measure in measures] for what in whats}

    def after(self, predicted: str | None) -> LabResult:
        """The same result beside a prediction."""
        return replace(self, predicted=self.question.checked(predicted))

    def as_dict(self) -> dict[str, Any]:
        """For JSON and pages; a chart is a Vega-Lite specification with its data inside."""
        return {
            "name": self.question.name,
            "title": self.question.title,
            "question": self.question.text,
            "choices": [{"key": key, "text": text} for key, text in self.question.choices.items()],
            "predicted": self.predicted,
            "reply": self.reply,
            "answer": self.answer.choice,
            "sentence": self.sentence,
            "seeds": self.seeds,
            "confidence": self.confidence,
            "method": self.method,
            "notes": list(self.notes),
            "rows": [row.as_dict() for row in self.rows],
            "charts": [
                {"name": each.name, "title": each.title, "alt": each.alt, "spec": each.chart.to_dict(validate=False)}
                for each in self.figures
            ],
            "lines": [each.as_dict() for each in self.lines],
        }


def pick(rows: Iterable[Row], what: str, measure: str | None = None) -> Row:
    """The row of a subject (and a measure)."""
    return next(row for row in rows if row.what == what and measure in {None, row.measure})


def apart(a: Row, b: Row) -> bool:
    """Whether the ranges of two rows do not overlap."""
    return a.high < b.low or b.high < a.low


def times(larger: float, smaller: float) -> str:
    """A ratio in words: "1.4 times", "36 times", "more than a million times"."""
    if smaller <= 0 or larger / smaller > 1e6:
        return "more than a million times"
    ratio = larger / smaller
    return f"{ratio:,.1f} times" if ratio < 9.95 else f"{ratio:,.0f} times"


def readable(value: float, digits: int = 2) -> str:
    """A number with so many digits, and a power of ten where it is small."""
    if value >= 0.001:
        return f"{value:.{digits}g}" if value < 10**digits else f"{value:,.0f}"
    if value == 0:
        return "0"
    shown, power = f"{value:.{digits - 1}e}".split("e")
    return f"{shown} × 10" + str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def with_range(row: Row) -> str:
    """Median and range as text."""
    return f"{signed(row.median)} ({signed(row.low)} to {signed(row.high)})"


def signed(value: float) -> str:
    """Three digits, with a true minus sign."""
    return f"−{readable(-value, 3)}" if value < 0 else readable(value, 3)
