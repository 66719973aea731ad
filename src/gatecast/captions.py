"""What stands under a chart: what to look for and what not to be fooled by, written from the numbers of the run."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gatecast import metrics
from gatecast.charts import MOST_STEPS, fan_places
from gatecast.charts_errors import FARTHEST, autocorrelations, edge_of_noise, errors_by_step
from gatecast.charts_parts import MOST_POINTS
from gatecast.config import LEVELS
from gatecast.coverage import Coverage, hits, judge_coverage
from gatecast.run import Outcome
from gatecast.significance import SIGNIFICANT
from gatecast.skill import LEVEL, SkillRow
from gatecast.wording import counted, p_words

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SHOWN_LEVELS = (80, 90)  # of which the figures are written out


def written(numbers: Sequence[float]) -> list[str]:
    """Numbers with as few significant digits, four to six, as tell apart what six tell apart."""
    tries = [[number(x, significant) for x in numbers] for significant in (4, 5, 6)]
    return next(texts for texts in tries if len(set(texts)) == len(set(tries[-1])))


def number(x: float, significant: int = 4) -> str:
    """One number with so many significant digits, in full where that can be read."""
    if not math.isfinite(x):
        return "–"
    if x and not 1e-4 <= abs(x) < 1e7:
        mantissa, exponent = f"{x:.{min(significant, 3) - 1}e}".split("e")
        return f"{mantissa}×10{str(int(exponent)).translate(RAISED)}"
    digits = max(0, significant - 1 - math.floor(math.log10(abs(x)))) if x else 0
    return f"{x:,.{digits}f}"


def captions(outcome: Outcome) -> dict[str, str]:
    """For each chart: what to look for and what not to be fooled by, from the numbers."""
    mode = outcome.modes["point_by_point"]
    truth, made = mode.truth_OH[:, 0], outcome.forecasts[mode.name]["LSTM"][:, 0]
    return {
        "fan": _fan_words(outcome),
        "skill": skill_words(outcome.skill),
        "coverage": coverage_words([judge_coverage(truth, made, level) for level in LEVELS]),
        "residuals": _residual_words(outcome),
        "series": _series_words(outcome),
        "point_by_point": _point_words(outcome),
        "multi_sequence": _multi_words(outcome),
        "full_sequence": _full_words(outcome),
        "error_by_step": _step_words(outcome),
        "relative": "Left of the line is better than doing nothing, right of it worse; a distance of a few per cent is "
        "no gain unless the verdict above claims one.",
        "training": _training_words(outcome),
    }


def _rmse(outcome: Outcome, mode: str) -> dict[str, float]:
    return {score.model: score.rmse for score in outcome.scores if score.mode == mode}


def _beside_last(outcome: Outcome, mode: str) -> str:
    """The LSTM's RMSE and the last value's, in words."""
    errors = _rmse(outcome, mode)
    own, last = written([errors["LSTM"], errors.get("LastValue", math.nan)])
    return f"RMSE {own} for the LSTM, {last} for LastValue"


def _series_words(outcome: Outcome) -> str:
    split = outcome.split
    text = (
        "The network learns from the training part alone, the validation part chooses which weights are kept, and "
        f"every score on this page comes from the {split.total - split.validation:,} steps of the test part."
    )
    if split.total > MOST_POINTS:
        every = round(split.total / (MOST_POINTS // 4))
        text += f" Drawn are the first, lowest, highest and last value of every {every:,} steps or so."
    return text


def _point_words(outcome: Outcome) -> str:
    steps = len(outcome.modes["point_by_point"].origins)
    if outcome.verdict.lag.follows_last:
        text = "It only looks like a good forecast: the LSTM's line is the truth one step late, and so is LastValue's"
    else:
        text = "Every line hugs the truth, even LastValue's, because each forecast is told all values before its step"
    text += (
        f" ({_beside_last(outcome, 'point_by_point')}). In the lower panel a forecast that knows something "
        "stays nearer to zero."
    )
    return text + (f" Drawn are the last {MOST_STEPS:,} of {steps:,} steps." if steps > MOST_STEPS else "")


def _multi_words(outcome: Outcome) -> str:
    mode = outcome.modes["multi_sequence"]
    drawn = max(1, MOST_STEPS // mode.horizon)
    text = (
        "Each line runs on from where it starts and is not told what came; look whether it turns where the truth "
        f"turns, since setting out in the right direction is easy ({_beside_last(outcome, 'multi_sequence')})."
    )
    if len(mode.origins) < 30:
        count = len(mode.origins)
        few = f"{counted(count, 'forecast')} {'is' if count == 1 else 'are'} few"
        text += f" {few}: one stretch of the series can decide who looks best."
    return text + (f" Drawn are the last {drawn:,} of {len(mode.origins):,}." if len(mode.origins) > drawn else "")


def _full_words(outcome: Outcome) -> str:
    mode = outcome.modes["full_sequence"]
    text = (
        f"One path from one origin, {mode.horizon:,} steps without a word about the truth: look how the error grows, "
        f"and do not judge by the end, where any line may happen to cross ({_beside_last(outcome, 'full_sequence')})."
    )
    return text + (f" Drawn are the first {MOST_STEPS:,} steps." if mode.horizon > MOST_STEPS else "")


def _step_words(outcome: Outcome) -> str:
    errors = errors_by_step(outcome)
    if "LastValue" not in errors:
        return "Look where the curves part; neighbouring steps share the same origins."
    own, last = errors["LSTM"], errors["LastValue"]
    origins = len(outcome.modes["multi_sequence"].origins)
    return (
        f"The LSTM errs less than LastValue at {int((own < last).sum()):,} of {len(own):,} steps ahead; all steps "
        f"share the same {counted(origins, 'origin')}, so a whole stretch of a curve can be luck."
    )


def coverage_words(judged: Sequence[Coverage]) -> str:
    """What the intervals of the LSTM held at all levels, beside what chance alone does."""
    shown = [coverage for coverage in judged if round(100 * coverage.asked) in SHOWN_LEVELS]
    held = ", ".join(f"its {100 * each.asked:.0f} % interval held {100 * each.held:.1f} %" for each in shown)
    narrow = sum(each.held < each.band[0] for each in judged)
    wide = sum(each.held > each.band[1] for each in judged)
    if not narrow + wide:
        where = f"all {len(judged)} levels lie in the grey band, as right ones do 95 times in 100"
    else:
        places = [f"{narrow} below (too narrow)"] * (narrow > 0) + [f"{wide} above (too wide)"] * (wide > 0)
        where = f"of {len(judged)} levels, {' and '.join(places)} the grey band where right ones lie 95 times in 100"
    return f"Of the LSTM, {held}; {where}."


def skill_words(rows: Sequence[SkillRow]) -> str:
    """At how many steps ahead there is a gain, or a loss, and at how many of them for sure."""
    gains = [-FARTHEST if row.gain_percent is None else row.gain_percent for row in rows]
    better, worse = (sum(sign * gain > 0 for gain in gains) for sign in (1, -1))
    known = [row.interval_percent for row in rows if row.interval_percent is not None]
    surely = f"{sum(low > 0 for low, _ in known)}", f"{sum(high < 0 for _, high in known)}"
    text = (
        f"The LSTM errs less than the best baseline of the step at {better} of {len(rows)} steps (at {surely[0]} the "
        f"whole {LEVEL} % interval lies above zero) and more at {worse} (at {surely[1]} it lies below); steps share "
        "their origins, so nothing is claimed from them."
    )
    exact = sum(row.gain_percent is None for row in rows)
    if exact:
        text += f" At {exact} a baseline is exact, which is drawn at the edge."
    beyond = sum(abs(gain) > FARTHEST for gain in gains)
    return text + (f" At {beyond} the gain lies beyond the edge." if beyond else "")


def _fan_words(outcome: Outcome) -> str:
    mode, places = outcome.modes["multi_sequence"], fan_places(outcome)
    truth, made = mode.truth_OH[places], outcome.forecasts[mode.name]["LSTM"][places]
    inside = {level: hits(truth, made, level) for level in (80, 95)}
    known = int(np.isfinite(truth).sum())
    held = " and ".join(f"its {level} % band held {int(np.nansum(hit)):,}" for level, hit in inside.items())
    low, high = metrics.interval(made, 80)
    width = np.median(high - low, axis=0)
    text = f"Of the {known:,} values forecast here {held}"
    grows = f"{width[-1] / width[0]:.2g} times as wide at the end as at the start" if width[0] else ""
    return f"{text}; the 80 % band is {grows}." if grows else f"{text}."


def _residual_words(outcome: Outcome) -> str:
    found, edge = autocorrelations(outcome), edge_of_noise(outcome)
    out, p = int((np.abs(found) > edge).sum()), outcome.verdict.residuals.p_value
    learned = "so something was left to learn" if p < SIGNIFICANT else "so there is no sign of anything left to learn"
    return (
        f"Of {len(found)} bars {out} leave{'s' if out == 1 else ''} the grey band (±{edge:.2f}), and by chance alone "
        f"about {0.05 * len(found):.0f} would; the Ljung-Box test gives {p_words(p)}, {learned}."
    )


def _training_words(outcome: Outcome) -> str:
    trained = outcome.forecaster.fitted_.trained
    refit = " and then its linear path refitted by least squares" if trained.readout else ""
    return (
        f"Kept are the weights after update {trained.best_update:,} of {trained.updates:,}, the best on "
        f"validation{refit}. A falling loss shows that something is learned, not that it beats the baselines; the two "
        "panels have different units and cannot be compared."
    )
