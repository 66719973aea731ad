"""LSTM forecasting that tells the truth and lets people look inside."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatecast.combination import Combination
    from gatecast.config import DataConfig, NetworkConfig, RunConfig, TrainingConfig
    from gatecast.doctor import Finding, check
    from gatecast.errors import GatecastError
    from gatecast.forecaster import LSTMForecaster
    from gatecast.forecasts import forecast
    from gatecast.judging import Backtest, backtest
    from gatecast.leakage import leakage_probe
    from gatecast.mending import mend
    from gatecast.modelfile import Model, load_model
    from gatecast.points import point_for
    from gatecast.report import write_inside
    from gatecast.sources import load
    from gatecast.stream import Stream
    from gatecast.streaming import ForecastStream
    from gatecast.streams import open_stream, resume_stream
    from gatecast.tracing import Mute, Pin, Trace, trace
    from gatecast.tuning import tune
    from gatecast.windows import split_steps
    from gatecast.zeroshot import ZeroShot

__version__ = "0.1.0"

_HOMES = {
    "Backtest": "judging",
    "Combination": "combination",
    "DataConfig": "config",
    "Finding": "doctor",
    "ForecastStream": "streaming",
    "GatecastError": "errors",
    "LSTMForecaster": "forecaster",
    "Model": "modelfile",
    "Mute": "tracing",
    "NetworkConfig": "config",
    "Pin": "tracing",
    "RunConfig": "config",
    "Stream": "stream",
    "Trace": "tracing",
    "TrainingConfig": "config",
    "ZeroShot": "zeroshot",
    "backtest": "judging",
    "check": "doctor",
    "forecast": "forecasts",
    "leakage_probe": "leakage",
    "load": "sources",
    "load_model": "modelfile",
    "mend": "mending",
    "open_stream": "streams",
    "point_for": "points",
    "resume_stream": "streams",
    "split_steps": "windows",
    "tune": "tuning",
    "trace": "tracing",
    "write_inside": "report",
}

__all__ = [
    "Backtest",
    "Combination",
    "DataConfig",
    "Finding",
    "ForecastStream",
    "GatecastError",
    "LSTMForecaster",
    "Model",
    "Mute",
    "NetworkConfig",
    "Pin",
    "RunConfig",
    "Stream",
    "Trace",
    "TrainingConfig",
    "ZeroShot",
    "backtest",
    "check",
    "forecast",
    "leakage_probe",
    "load",
    "load_model",
    "mend",
    "open_stream",
    "point_for",
    "resume_stream",
    "split_steps",
    "trace",
    "tune",
    "write_inside",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that ``import gatecast`` costs next to nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'gatecast' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"gatecast.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted([*__all__, "__version__"])
