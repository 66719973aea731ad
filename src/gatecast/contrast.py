"""A plain RNN beside the LSTM: the same settings, the same origins, and the same question of how long each remembers.

It stands in the report for contrast and has no part in the verdict.  How long a network remembers is measured alike for
both: its memory is wiped, it reads on, and the steps are counted until it is half way back, and nine tenths of the way,
to where it would have been.

Key: T step, N place at which the memory is wiped, K steps after, D hidden unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from gatecast import runtime
from gatecast.config import RunConfig
from gatecast.errors import SettingsError
from gatecast.fitting import Fitted, Report
from gatecast.modelfile import Model
from gatecast.panel import Panel
from gatecast.runtime import AGE, with_dtype
from gatecast.scaling import scale_series
from gatecast.tracing import arrays_of, one_series
from gatecast.wording import finite

READ, PLACES, FARTHEST = 4096, 64, 256  # newest steps read; places at which the memory is wiped; steps looked at after
NEARLY = 0.0005  # errors that differ by less are called alike
CAUTION = "One network each, with the same settings and the same seed: another seed moves such numbers too."


class Trained(Protocol):
    """A forecaster that was fitted here."""

    model_: Model
    fitted_: Fitted


class Memory(NamedTuple):
    """Steps after which a wiped network is half way back, and nine tenths; None if not within ``reach``."""

    half: int | None
    most: int | None
    reach: int


class Error(NamedTuple):
    """An error of both on the same forecasts; the lower is better."""

    what: str  # as a sentence takes it: "one step ahead"
    measure: str
    lstm: float
    rnn: float


@dataclass(frozen=True)
class Contrast:
    """An LSTM and a plain RNN on the same series."""

    lstm: Trained
    plain: Trained
    errors: tuple[Error, ...]  # on the test part
    memory: tuple[Memory, Memory]

    @property
    def sentence(self) -> str:
        """What the numbers say."""
        first, *others = self.errors
        said = f"On the test part the plain RNN errs {_more(first)} the LSTM {first.what}"
        said += f" ({first.measure} {first.rnn:.4g} against {first.lstm:.4g})"
        said += "".join(f", and {_more(each).removesuffix(' than').removesuffix(' as')} {each.what}" for each in others)
        return f"{said}. {_remembers(*self.memory)} {CAUTION}"

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """A table of four columns: what, in which words, and the numbers of both."""
        losses = [each.fitted_.trained.validation for each in (self.lstm, self.plain)]
        counts = [f"{each.model_.weights.size:,}" for each in (self.lstm, self.plain)]
        halves = [_steps(each.half, each.reach) for each in self.memory]
        most = [_steps(each.most, each.reach) for each in self.memory]
        return [
            *(
                (each.measure, f"on the test part, {each.what}", f"{each.lstm:.4g}", f"{each.rnn:.4g}")
                for each in self.errors
            ),
            ("validation loss", "pinball, in mean changes", *(f"{loss:.4f}" for loss in losses)),
            ("half way back", "steps after its memory was wiped", *halves),
            ("nine tenths back", "steps after that", *most),
            ("weights", "", *counts),
        ]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the plain RNN's numbers beside the LSTM's."""
        memory = {
            name: {"half": each.half, "most": each.most}
            for name, each in zip(("LSTM", "RNN"), self.memory, strict=True)
        }
        made: dict[str, Any] = finite(
            {
                "validation": {
                    "LSTM": self.lstm.fitted_.trained.validation,
                    "RNN": self.plain.fitted_.trained.validation,
                },
                "errors": [{"what": e.what, "measure": e.measure, "LSTM": e.lstm, "RNN": e.rnn} for e in self.errors],
                "memory": memory,
                "sentence": self.sentence,
            }
        )
        return made


def require_lstm(config: RunConfig) -> None:
    """Refuse to put a plain RNN beside anything but an LSTM.

    Raises:
        SettingsError: the settings ask for another cell.
    """
    if config.inside and config.network.cell != "lstm":
        raise SettingsError(
            f"inside = true trains a plain RNN beside an LSTM, and network.cell = {config.network.cell!r}; "
            "leave one of them out"
        )


def plain_settings(config: RunConfig, ran: RunConfig) -> RunConfig:
    """The settings of a run as its LSTM was trained, ``ran``, for a plain RNN that begins with nothing."""
    network = ran.network.model_copy(update={"cell": "rnn"})
    training = ran.training.model_copy(update={"start": "nothing"})
    return config.model_copy(update={"network": network, "training": training})


def told_apart(progress: Report | None) -> Report | None:
    """The same report of a training's progress, which says that it is the plain RNN's."""
    return None if progress is None else lambda step: progress(step._replace(plain=True))


def contrast_of(
    lstm: Trained, plain: Trained, panel: Panel, errors: Sequence[Error], series: str | None = None
) -> Contrast:
    """Put both beside each other; their memory is measured over one series of a panel, the first if it is not named."""
    one = one_series(panel, series)
    first, second = (memory_of(each.model_, one) for each in (lstm, plain))
    return Contrast(lstm, plain, tuple(errors), (first, second))


def error_rows(measure: str, errors: Mapping[str, tuple[float, float]]) -> list[Error]:
    """One measure of both, LSTM first, by what was forecast."""
    return [Error(what, measure, *both) for what, both in errors.items()]


def memory_of(model: Model, one: Panel) -> Memory:
    """Wipe a network's memory at many places of one series and count the steps until it is back, by the median place.

    The distance is that of what the head reads, (D,), from what it would have read, over the size of that when the
    memory was wiped.  What scaling knows of the past is not wiped; the inputs stay the same.
    """
    values_T, more = arrays_of(one, model, READ)
    scaled = scale_series(values_T[None], model.scaling, more)
    inputs_TC = scaled.inputs_BTC[0]
    weights = with_dtype(model.weights, np.float64)
    begun = int(np.argmax(inputs_TC[:, AGE] > 0)) if (inputs_TC[:, AGE] > 0).any() else len(inputs_TC)
    reach = min(FARTHEST, (len(inputs_TC) - begun) // 2)
    if reach < 1:
        return Memory(None, None, 0)
    truth_TD = runtime.read(weights, inputs_TC[None])[0][0]
    wiped_N = np.unique(np.linspace(begun + reach // 2, len(inputs_TC) - 1 - reach, PLACES).astype(np.int64))
    after_NK = wiped_N[:, None] + np.arange(1, reach + 1)
    read_NKD = runtime.read(weights, inputs_TC[after_NK])[0]
    away_NK = np.linalg.norm(read_NKD - truth_TD[after_NK], axis=-1)
    size_N = np.maximum(np.linalg.norm(truth_TD[wiped_N], axis=-1), np.finfo(np.float64).tiny)
    away_K = np.median(away_NK / size_N[:, None], axis=0)
    half, most = (_first(away_K <= share) for share in (0.5, 0.1))
    return Memory(half, most, reach)


def _first(there_K: Any) -> int | None:
    """The first step, counted from 1, from which on it is never again otherwise."""
    beyond = np.flatnonzero(~there_K)
    after = int(beyond[-1]) + 1 if beyond.size else 0
    return after + 1 if after < len(there_K) else None


def _steps(count: int | None, reach: int) -> str:
    return f"over {reach:,}" if count is None else f"{count:,}"


def _remembers(lstm: Memory, rnn: Memory) -> str:
    halves = [_steps(each.half, each.reach) for each in (lstm, rnn)]
    most = [_steps(each.most, each.reach) for each in (lstm, rnn)]
    return (
        f"With its memory wiped, the LSTM is half way back to where it would have been after {halves[0]} "
        f"step{'' if halves[0] == '1' else 's'} and the plain RNN after {halves[1]}; nine tenths of the way after "
        f"{most[0]} and {most[1]}."
    )


def _more(error: Error) -> str:
    """How the plain RNN's error compares: "3.1 % more than", "as much as"."""
    if not (error.lstm > 0 and np.isfinite(error.rnn)):
        return "as much as" if error.rnn == error.lstm else "differently than"
    share = error.rnn / error.lstm - 1
    if abs(share) < NEARLY:
        return "as much as"
    size = f"{100 * abs(share):.1f}" if abs(share) < 0.1 else f"{100 * abs(share):,.0f}"
    return f"{size} % {'more' if share > 0 else 'less'} than"
