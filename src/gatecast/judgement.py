"""What the judge hands back: the numbers of a verdict, and the sentence they allow.

A sentence is written from the numbers and from nothing else: when they turn, it turns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from gatecast.copies import CopyFinding
from gatecast.coverage import TOLERATED, Coverage
from gatecast.detectors import FlatFinding, LagFinding, LjungBox
from gatecast.gains import SeedSpread
from gatecast.leakage import LeakageReport
from gatecast.notebook import shown
from gatecast.significance import FEWEST_ORIGINS, SIGNIFICANT, Comparison
from gatecast.wording import p_words, pair, percent

FEWEST_SERIES = 10  # when series are what is counted: with fewer nothing is claimed
SOLVED = 1e-8  # two coefficients that err less than this share of the standard deviation solve the series
CLUSTERED = 0.01  # p of independent misses below which the sentence says that they come in clusters

IN_WORDS = {
    "LastValue": "repeating the last value",
    "Drift": "continuing the drift",
    "SeasonalNaive": "repeating the last season",
    "AR": "an autoregression",
    "ZeroShot": "the zero-shot forecast",
}


@dataclass(frozen=True)
class StepRow:
    """One line of the table by horizon: the model and the best baseline so many steps ahead."""

    step: int
    rmse: float
    mae: float
    best_baseline: str  # by RMSE, at this step
    best_rmse: float
    gain_rmse_percent: float | None
    p_value: float  # largest one-sided p over the baselines, at this step alone: to look at, nothing is claimed from it


@dataclass(frozen=True)
class Against:
    """The test against one baseline, uncorrected."""

    baseline: str
    statistic: float  # negative speaks for the model
    p_better: float
    p_worse: float
    p_two_sided: float
    origins: int


def _tests_shown(tests: tuple[Against, ...]) -> tuple[tuple[str, ...], Sequence[Sequence[object]]]:
    """The head and the rows of a notebook's table."""
    rows = [(IN_WORDS.get(test.baseline, test.baseline), test.p_better, test.p_worse, test.origins) for test in tests]
    return ("against", "p, better", "p, worse", "observations"), rows


def against_rows(tests: dict[str, Comparison]) -> tuple[Against, ...]:
    """Return the tests by baseline as rows."""
    return tuple(Against(name, *test[:5]) for name, test in tests.items())


@dataclass(frozen=True)
class Verdict:
    """What may be said of one model's forecasts of one series; shares in [0, 1], gains in percent, errors in units."""

    model: str
    origins: int
    rmse: float
    mae: float
    best_baseline: str  # by RMSE
    best_rmse: float
    gain_rmse_percent: float | None  # over the best baseline; None when that one is exact and the model is not
    gain_mae_percent: float | None  # over the baseline with the lowest MAE
    p_value: float  # largest one-sided p over the baselines: the gain is claimed below 0.05
    hardest_baseline: str  # the one that p belongs to
    claimed: bool  # better than every baseline, on enough origins, by more than seeds differ, and without the future
    p_worse: dict[str, float]  # Holm-corrected, by baseline
    worse_than: tuple[str, ...]  # baselines significantly better than the model
    coverage: tuple[Coverage, ...]
    lag: LagFinding
    seen_before: int | None  # the whole test part occurs so many steps earlier
    period: int | None  # history and test part repeat digit for digit after so many steps
    ar2_error: float | None  # one-step RMSE of two coefficients over the standard deviation
    horizon: int  # steps that are judged at each origin
    gap: int  # steps between an origin and the first of them
    crps: float
    gain_crps_percent: float | None  # over the baseline with the lowest CRPS
    gain_interval_percent: tuple[float, float] | None  # 90 %, of the gain in RMSE over the best baseline
    horizons: tuple[StepRow, ...]
    tests: tuple[Against, ...]
    flat: FlatFinding
    residuals: LjungBox  # of the one-step errors; of the first step where origins are further apart
    copies: tuple[CopyFinding, ...]  # inputs that are the target
    seeds: SeedSpread | None
    leakage: LeakageReport | None
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings, lists and dicts, ready for JSON; a number that is not finite is None."""
        return {key: _plain(item) for key, item in asdict(self).items()}

    def _repr_html_(self) -> str:
        """The sentence and the tests behind it, in a notebook."""
        facts = {"origins": self.origins, "RMSE": self.rmse, self.best_baseline: self.best_rmse}
        return shown(f"Verdict on {self.model}", facts, *_tests_shown(self.tests), self.sentence)


@dataclass(frozen=True)
class PanelVerdict:
    """What may be said of one model's forecasts of many series; errors are scaled (MASE), series count alike."""

    model: str
    series: int  # judged
    left_out: int  # series without a scale, or without a known truth
    origins: int  # of a series, at most
    horizon: int
    gap: int
    mase: float
    best_baseline: str
    best_mase: float
    gain_percent: float | None
    gain_interval_percent: tuple[float, float] | None  # 90 %, series resampled
    p_value: float
    hardest_baseline: str
    claimed: bool
    counted: str  # what the tests count as one observation: "origins" or "series"
    p_worse: dict[str, float]
    worse_than: tuple[str, ...]
    tests: tuple[Against, ...]
    series_won: int  # on which the model's error is below the best baseline's
    coverage: tuple[Coverage, ...]
    seeds: SeedSpread | None
    leakage: LeakageReport | None
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings, lists and dicts, ready for JSON; a number that is not finite is None."""
        return {key: _plain(item) for key, item in asdict(self).items()}

    def _repr_html_(self) -> str:
        """The sentence and the tests behind it, in a notebook."""
        facts = {"series": self.series, "MASE": self.mase, self.best_baseline: self.best_mase}
        return shown(f"Verdict on {self.model}", facts, *_tests_shown(self.tests), self.sentence)


def _plain(value: Any) -> Any:
    """Return ``value`` as JSON knows it."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# ------------------------------------------------------------------------------------------------- the sentence


def write_sentence(verdict: Verdict, unit: str = "", subject: str = "this series", ahead: Verdict | None = None) -> str:
    """Say in plain words what the numbers of ``verdict`` allow: the claim, then the interval, then the findings.

    The claim of a second verdict, of more steps ahead, stands before the findings.
    """
    words = [_claim(verdict, "On", unit, subject), *_gain_words(verdict), *_interval_words(verdict)]
    if ahead is not None:
        where = f"Over {_steps_words(ahead)}, on"
        words += [_claim(ahead, where, unit, subject), *_gain_words(replace(ahead, seeds=None))]
    return " ".join([*words, *_finding_words(verdict)])


def _claim(verdict: Verdict, where: str, unit: str, subject: str) -> str:
    """The claim of a verdict on one series; ``where`` stands before the number of origins."""
    origins = f"{verdict.origins} origin{'s' if verdict.origins != 1 else ''}{',' if ',' in where else ''}"
    figures = f"RMSE {pair(verdict.rmse, verdict.best_rmse)}{f' {unit}' if unit else ''}"
    return _claim_words(verdict, f"{where} {origins}", verdict.gain_rmse_percent, figures, subject)


def _steps_words(verdict: Verdict | PanelVerdict) -> str:
    """Say which steps ahead were judged."""
    first, last = verdict.gap + 1, verdict.gap + verdict.horizon
    return f"{first} to {last} steps ahead" if first < last else f"{last} steps ahead" if last > 1 else "one step ahead"


def write_panel_sentence(verdict: PanelVerdict, subject: str = "these series") -> str:
    """Say in plain words what the numbers of a panel's ``verdict`` allow."""
    where = f"On {verdict.series:,} series of {verdict.origins:,} origin{'s' if verdict.origins != 1 else ''}"
    figures = f"MASE {pair(verdict.mase, verdict.best_mase)}"
    words = [_claim_words(verdict, where, verdict.gain_percent, figures, subject)]
    rival = IN_WORDS.get(verdict.best_baseline, verdict.best_baseline)
    words.append(f"It errs less than {rival} on {verdict.series_won:,} of {verdict.series:,} series.")
    words += [*_gain_words(verdict), *_interval_words(verdict)]
    if verdict.left_out:
        words.append(f"{verdict.left_out:,} series without a scale or a truth were left out.")
    return " ".join([*words, *([verdict.leakage.sentence] if verdict.leakage else [])])


def _claim_words(verdict: Verdict | PanelVerdict, where: str, gain: float | None, figures: str, subject: str) -> str:
    """Say whether the model is of use for ``subject``.

    The p value is the largest one-sided one for a gain, the Holm-corrected one against the best baseline for a loss.
    """
    best = verdict.best_baseline
    name, rival = f"the {verdict.model}", IN_WORDS.get(best, best)
    better = gain is not None and gain > 0
    p = p_words(verdict.p_value if better else verdict.p_worse[best])
    if better and verdict.hardest_baseline != best:
        p += f" against {IN_WORDS.get(verdict.hardest_baseline, verdict.hardest_baseline)}"
    if gain is None:
        found = f"{where} {name} is worse than {rival}, which is exact ({figures}, {p})"
    elif gain == 0:
        found = f"{where} {name} is exactly as good as {rival} ({figures}, p = 1)"
    else:
        found = (
            f"{where} {name} is {percent(abs(gain))} {'better' if better else 'worse'} than {rival} ({figures}, {p})"
        )
    return found + _advice(verdict, gain, rival, subject)


def _advice(verdict: Verdict | PanelVerdict, gain: float | None, rival: str, subject: str) -> str:
    """Say what to do, and why nothing is claimed where nothing is."""
    better, ahead = gain is not None and gain > 0, _steps_words(verdict)
    if few := too_few(verdict):
        of = "series" if isinstance(verdict, PanelVerdict) and verdict.counted == "series" else "origins"
        return f": too few to claim anything, give at least {few} {of}."
    if reads_future(verdict):
        return ": believe none of these figures, since the future reaches the forecasts."
    if verdict.claimed:
        return f" and better than every baseline: use it for {subject}, {ahead}."
    if better:
        why = "but another seed moves it as far" if verdict.p_value < SIGNIFICANT else "which chance explains"
        return f", {why}: do not use it for {subject}, {ahead}."
    if gain == 0:
        return f": it adds nothing, so do not use it for {subject}, {ahead}."
    instead = f"; use {rival}" if verdict.best_baseline in verdict.worse_than else ""
    return f": do not use it for {subject}, {ahead}{instead}."


def too_few(verdict: Verdict | PanelVerdict) -> int:
    """Return how many origins (or series) would be enough to claim something, 0 when there are enough."""
    if isinstance(verdict, PanelVerdict) and verdict.counted == "series":
        return FEWEST_SERIES if verdict.series < FEWEST_SERIES else 0
    return FEWEST_ORIGINS if verdict.origins < FEWEST_ORIGINS else 0


def reads_future(verdict: Verdict | PanelVerdict) -> bool:
    """Return whether the future was found in an input, or by the leakage probe."""
    copies = verdict.copies if isinstance(verdict, Verdict) else ()
    return any(copy.holds_future for copy in copies) or (verdict.leakage is not None and verdict.leakage.leaks)


def inside_seeds(gain: float | None, seeds: SeedSpread | None) -> bool:
    """Return whether a gain is no larger than what another seed does."""
    return seeds is not None and gain is not None and gain <= seeds.spread_percent


def _gain_words(verdict: Verdict | PanelVerdict) -> list[str]:
    """Say how sure the size of a claimed gain is, and how far seeds differ."""
    words, interval = [], verdict.gain_interval_percent
    if verdict.claimed and interval is not None:
        words.append(f"The gain lies between {interval[0]:.1f} and {interval[1]:.1f} % (90 % interval).")
    if verdict.seeds is not None:
        words.append(f"Over {verdict.seeds.seeds} seeds its error differs by {percent(verdict.seeds.spread_percent)}.")
    return words


def _interval_words(verdict: Verdict | PanelVerdict) -> list[str]:
    """Say whether the widest judged interval held; with its binomial band when that is wider than 3 points."""
    if (verdict.rmse if isinstance(verdict, Verdict) else verdict.mase) == 0:
        return []  # an exact forecast needs no interval
    widest = verdict.coverage[-1]
    held, asked = f"{100 * widest.held:.1f} %", f"{100 * widest.asked:.0f} %"
    text = f"Its {asked} interval held {held}"
    if max(widest.band[1] - widest.asked, widest.asked - widest.band[0]) > TOLERATED:
        text += f" (chance alone gives {100 * widest.band[0]:.0f} to {100 * widest.band[1]:.0f} %)"
    if not widest.holds:
        narrow = widest.held < widest.asked
        return [f"{text}: {'too narrow, do not rely on it' if narrow else 'wider than it need be'}."]
    p = widest.christoffersen.p_independence if widest.christoffersen else 1.0
    if p < CLUSTERED:
        return [f"{text}, but its misses come in clusters ({p_words(p)}): too narrow when the series is restless."]
    close = abs(widest.held - widest.asked) <= TOLERATED + 1e-12
    useful = close and not too_few(verdict)
    return [f"{text}; that part is useful." if useful else f"{text}."]


def _finding_words(verdict: Verdict) -> list[str]:
    """Say what else a reader must know before believing the scores."""
    words = [copy.message for copy in verdict.copies]
    if verdict.leakage is not None:
        words.append(verdict.leakage.sentence)
    if verdict.lag.follows_last:
        words.append("Its forecast follows the last value, not the truth: it is the series one step late.")
    if verdict.flat.is_flat:
        words.append("Its forecast hardly moves: it gives nearly the same value at every origin.")
    if verdict.seen_before is not None:
        repeats = f" (the series repeats every {verdict.period} steps)" if verdict.period else ""
        words.append(
            f"The whole test part occurs digit for digit {verdict.seen_before} steps earlier{repeats}: "
            "a good score here may be memory."
        )
    if verdict.ar2_error is not None and verdict.ar2_error < SOLVED:
        words.append("Two autoregressive coefficients solve this series exactly.")
    return words
