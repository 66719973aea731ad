"""Whether series are wildly unlike those that a model was trained on, as far as its card and its scaling can tell.

Each test leaves room: a model is made to be used on what comes later, and a warning that is often wrong is not read.
Key: S series.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gatecast.modelfile import Model
from gatecast.panel import Panel
from gatecast.scaling import Fixed, Floats
from gatecast.seasons import found_season

MORE = 0.3  # share of the values by which zeros, negative or missing ones may be more than in training
TIMES = 20  # by which changes may be larger or smaller than in training, where the scale is fixed
SHARES = {"zeros": "zero", "negative": "negative", "missing": "missing"}  # of the card, in words


def shares_of(panel: Panel) -> dict[str, Floats]:
    """Return for every series which share of its known values is zero or negative, and how much is missing, (S,)."""
    values, lengths = panel.values, panel.lengths
    known_S = np.maximum(_counts(panel, np.isfinite(values)), 1)
    return {
        "zeros": _counts(panel, values == 0) / known_S,
        "negative": _counts(panel, values < 0) / known_S,
        "missing": _counts(panel, np.isnan(values)) / lengths,
    }


def _counts(panel: Panel, found: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.add.reduceat(found, panel.offsets[:-1], dtype=np.int64)


def unlike_data(model: Model, panel: Panel) -> list[str]:
    """Return in what way a panel is unlike the data the model was trained on, in sentences; empty when it is not.

    Another frequency; newest values further outside the range trained on than that range is wide; far more zeros,
    negative or missing values in a series than in any of the training; another season, where the calendar gives none;
    with a fixed scale, changes of another size altogether.
    """
    data, found = model.card.get("data", {}), []
    if data.get("frequency") not in (None, panel.frequency.name):
        found.append(f"the model was trained on data that are {data['frequency']}, these are {panel.frequency.name}")
    if data.get("lowest") is not None and data.get("highest") is not None:
        low, high = data["lowest"], data["highest"]
        newest_S = _newest_values(panel)
        strange_S = (newest_S < 2 * low - high) | (newest_S > 2 * high - low)
        if strange_S.any():
            s = int(np.argmax(strange_S))
            found.append(
                f"the model was trained on values from {low:g} to {high:g}, {panel.ids[s]} ends at {newest_S[s]:g}"
            )
    for name, share_S in shares_of(panel).items():
        if data.get(name) is None or share_S.max() <= data[name] + MORE:
            continue
        s = int(np.argmax(share_S))
        found.append(
            f"the model was trained on series of which at most {data[name]:.0%} are {SHARES[name]}, of {panel.ids[s]} "
            f"{share_S[s]:.0%} are"
        )
    return [*found, *_other_season(model, panel), *_other_size(model, panel)]


def _other_season(model: Model, panel: Panel) -> list[str]:
    """A season that is clearly there and is no multiple or part of one that the model knows."""
    known = [m for m in model.scaling.seasons if m > 1]
    if not known or panel.frequency.unit != "numbers":
        return []
    there = found_season(panel)
    if there == 1 or any(there % m == 0 or m % there == 0 or abs(there - m) <= 1 for m in known):
        return []
    asked = " and ".join(str(m) for m in known)
    return [f"the model was trained with a season of {asked} steps, these series repeat after {there}"]


def _other_size(model: Model, panel: Panel) -> list[str]:
    scaling = model.scaling
    if not isinstance(scaling, Fixed) or not scaling.change > 0:
        return []
    change = np.diff(panel.values)
    change[panel.offsets[1:-1] - 1] = np.nan  # from one series to the next
    change = change[np.isfinite(change)]
    size = float(np.sqrt(np.mean(change**2))) if len(change) else scaling.change
    if scaling.change / TIMES <= size <= scaling.change * TIMES:
        return []
    return [
        f"the model's scale is fixed to changes of about {scaling.change:.3g} from step to step, here they are about "
        f"{size:.3g}"
    ]


def _newest_values(panel: Panel) -> Floats:
    """The newest observed value of each series, (S,); NaN where there is none."""
    observed = np.where(np.isfinite(panel.values), np.arange(len(panel.values)), -1)
    newest_S = np.maximum.reduceat(observed, panel.offsets[:-1])
    return np.where(newest_S >= 0, panel.values[newest_S], np.nan)
