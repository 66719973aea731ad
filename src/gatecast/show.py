"""What a model file says of itself, as plain values and as text; nothing is trained, and torch is not needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gatecast.modelfile import format_of, load_model
from gatecast.scaling import Fixed
from gatecast.wording import counted, layers_in_words


def describe_file(path: str | Path) -> dict[str, Any]:
    """Return all that a model file says of itself; what it does not say is None.

    Raises:
        ModelFileError: the file is missing, damaged, changed, foreign or written by a newer version.
    """
    path = Path(path)
    model = load_model(path)
    card, data = model.card, model.config.data
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "network": {
            "cell": model.weights.cell,
            "layers": len(model.weights.layers),
            "units": model.weights.units,
            "weights": model.weights.size,
            "horizon": model.direct_horizon,
        },
        "scaling": model.scaling.as_dict()["kind"],
        "level": model.scaling.level if isinstance(model.scaling, Fixed) else None,
        "scale": model.scaling.scale if isinstance(model.scaling, Fixed) else None,
        "season_length": list(model.scaling.seasons),
        "columns": {
            "target": data.target,
            **{role: list(model.reads(role)) for role in ("past", "known", "static")},
        },
        "source": data.source or None,
        "data": card.get("data"),
        "training": card.get("training"),
        "start": _start(card),
        "verdict": card.get("verdict"),
        "what": card.get("what"),
        "written": card.get("written"),
        "versions": card.get("versions"),
        "format": format_of(path),
    }


def _start(card: Any) -> dict[str, Any] | None:
    """The data that the model it went on from had learned from."""
    return None if "start" not in card else card["start"].get("data", {"what": card["start"].get("what")})


def card_lines(told: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what ``describe_file`` told as headings and lines, without what is not known."""
    network, columns = told["network"], told["columns"]
    layers = layers_in_words(network["layers"], network["units"], network["cell"])
    seasons = " and ".join(f"{m:,}" for m in told["season_length"] if m > 1)
    scaling = told["scaling"]
    if told["level"] is not None:
        scaling += f" (level {told['level']:.6g}, scale {told['scale']:.6g})"
    beside = [
        f"{words} {', '.join(columns[role])}"
        for role, words in (("past", "past"), ("known", "known in advance"), ("static", "static"))
        if columns[role]
    ]
    target = columns["target"] or "the target"
    reads = [target if isinstance(target, str) else ", ".join(target), *beside]
    lines = [
        ("verdict", (told["verdict"] or {}).get("sentence")),
        ("what", told["what"]),
        ("network", f"{layers}, {network['weights']:,} weights, {network['horizon']} steps ahead at once"),
        ("scaling", f"{scaling}; {f'season of {seasons} steps' if seasons else 'no season'}"),
        ("reads", "; ".join(reads)),
        ("data", _data_line(told["data"])),
        ("went on from", _data_line(told["start"]) or (told["start"] or {}).get("what")),
        ("training", _training_line(told["training"])),
        ("written", told["written"]),
        ("versions", ", ".join(f"{name} {version}" for name, version in (told["versions"] or {}).items()) or None),
        ("file", f"{told['bytes']:,} bytes; safetensors, format {told['format']}"),
    ]
    return [(name, str(line)) for name, line in lines if line]


def _data_line(data: dict[str, Any] | None) -> str | None:
    if not data or not {"series", "steps", "first", "last"} <= data.keys():
        return None
    line = f"{data['series']} series, {data['steps']} steps, {_day(data['first'])} to {_day(data['last'])}"
    if data.get("frequency"):
        line += f", {data['frequency']}"
    if data.get("lowest") is not None and data.get("highest") is not None:
        line += f"; values from {data['lowest']:g} to {data['highest']:g}"
    return line + (f"; fingerprint {data['fingerprint']}" if data.get("fingerprint") else "")


def _day(time: str) -> str:
    """A time without what says nothing: a midnight, or parts of a second."""
    return time.removesuffix(".000000").removesuffix("T00:00:00")


def _training_line(training: dict[str, Any] | None) -> str | None:
    if not training or "updates" not in training:
        return None
    line = counted(training["updates"], "update")
    if training.get("best_update") is not None:
        line += f", best on validation after {training['best_update']}"
    return line + ("; stopped by Ctrl-C" if training.get("interrupted") else "")
