"""LSTM forecasting that tells the truth and lets people look inside."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatecast.config import DataConfig, NetworkConfig, RunConfig, TrainingConfig
    from gatecast.doctor import Finding, check
    from gatecast.errors import GatecastError
    from gatecast.forecaster import LSTMForecaster
    from gatecast.forecasts import forecast
    from gatecast.judging import Backtest, backtest
    from gatecast.leakage import leakage_probe
    from gatecast.mending import mend
    from gatecast.modelfile import Model, load_model
    from gatecast.sources import load
    from gatecast.stream import Stream
    from gatecast.streaming import ForecastStream
    from gatecast.streams import open_stream, resume_stream
    from gatecast.windows import split_steps
    from gatecast.zeroshot import ZeroShot

__version__ = "0.1.0"

_HOMES = {
    "Backtest": "judging",
    "DataConfig": "config",
    "Finding": "doctor",
    "ForecastStream": "streaming",
    "GatecastError": "errors",
    "LSTMForecaster": "forecaster",
    "Model": "modelfile",
    "NetworkConfig": "config",
    "RunConfig": "config",
    "Stream": "stream",
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
    "resume_stream": "streams",
    "split_steps": "windows",
}

__all__ = [
    "Backtest",
    "DataConfig",
    "Finding",
    "ForecastStream",
    "GatecastError",
    "LSTMForecaster",
    "Model",
    "NetworkConfig",
    "RunConfig",
    "Stream",
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
    "resume_stream",
    "split_steps",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that ``import gatecast`` costs next to nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'gatecast' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"gatecast.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted([*__all__, "__version__"])
