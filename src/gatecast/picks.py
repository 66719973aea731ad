"""What a forecaster picked: its settings as they ran, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping

from gatecast.config import RunConfig
from gatecast.wording import counted, layers_in_words, number


def picked_words(ran: RunConfig, race: Mapping[str, float], budget: str | None = None) -> str:
    """Say which network was trained on what and how, whether it was picked or asked for.

    Args:
        ran: the settings of a trained model, nothing left open.
        race: validation loss of each scaling that was tried, empty where none was.
        budget: what came of a time budget, in words.
    """
    network, training, seasons = ran.network, ran.training, ran.data.season_length or (1,)
    layers = layers_in_words(network.layers, network.units, network.cell)
    steps = " and ".join(f"{season:,}" for season in seasons)
    tried = " against ".join(f"{number(loss)} {kind}" for kind, loss in sorted(race.items(), key=lambda one: one[1]))
    parts = [
        layers + (", starting from the shipped weights" if training.start == "shipped" else ""),
        f"context of {counted(training.context, 'step')}",
        f"{counted(training.horizon, 'step')} ahead at once",
        "no season" if seasons == (1,) else f"season of {steps} steps",
        f"{training.scaling} scaling" + (f" (validation loss {tried})" if tried else ""),
        f"{counted(training.updates or 0, 'update')} of {counted(training.batch or 0, 'window')}, "
        f"learning rate up to {training.learning_rate:g}",
    ]
    return "; ".join([*parts, *([budget] if budget else [])])
