"""The network in torch, for training: the same arithmetic as ``runtime``, held to it by golden vectors.

A series is read once.  At every step there is a state; one small head turns it into quantiles for any step ahead.
No weight's shape depends on the season or the horizon.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from gatecast.cell import LayerWeights, from_torch
from gatecast.constants import MEDIAN, QUANTILES
from gatecast.covariates import Widths
from gatecast.recurrent import Recurrent
from gatecast.runtime import OUTPUTS, HeadWeights, Weights, weights_from_arrays, weights_to_arrays
from gatecast.scaling import CANDIDATES, PATH, Question, channels_for, features_for

MADE = 4  # candidates from here on are made of several values; an untrained network hardly looks at them, so that it
UNTRIED = -3.0  # repeats the level and the newest values: their logits at the start


class Shape(Protocol):
    """What a network is made from; ``config.NetworkConfig`` says what each number does."""

    @property
    def units(self) -> int:
        """LSTM units per layer."""

    @property
    def layers(self) -> int:
        """LSTM layers."""

    @property
    def dropout(self) -> float:
        """Share of state values zeroed in training."""

    @property
    def forget_bias(self) -> float:
        """Start of the forget gate's bias."""

    @property
    def cell(self) -> str:
        """The recurrent cell, a name of ``variants``."""


class Asked(NamedTuple):
    """A ``scaling.Question`` as tensors."""

    features_NKF: Tensor
    candidates_NKA: Tensor
    available_NKA: Tensor
    path_KJ: Tensor


def to_tensors(question: Question, device: torch.device) -> Asked:
    """Move a question to where the network is, in float32."""
    return Asked(*(torch.as_tensor(part, device=device).to(_type(part)) for part in question))


def _type(part: np.ndarray[Any, Any]) -> torch.dtype:
    return torch.bool if part.dtype == np.bool_ else torch.float32


class Network(nn.Module):
    """LSTM layers (each after the first adds to the one before) and one head."""

    def __init__(self, config: Shape, widths: Widths | None = None) -> None:
        super().__init__()
        units, channels = config.units, channels_for(widths or Widths())
        self.layers = nn.ModuleList(
            nn.LSTM(channels if place == 0 else units, units, batch_first=True)
            if config.cell == "lstm"
            else Recurrent(config.cell, channels if place == 0 else units, units, config.forget_bias)
            for place in range(config.layers)
        )
        self.cell = config.cell
        self.dropout = nn.Dropout(config.dropout)
        self.state = nn.Linear(units, 2 * units)
        self.question = nn.Linear(features_for(widths or Widths()), 2 * units, bias=False)
        self.middle = nn.Linear(2 * units, units)
        self.out = nn.Linear(units, OUTPUTS)
        self.path = nn.Linear(units, PATH)
        with torch.no_grad():
            for layer in (each for each in self.layers if isinstance(each, nn.LSTM)):
                of_input, of_state = _tensors(layer)[2:]
                of_state.zero_()
                of_input.zero_()
                of_input[units : 2 * units] = config.forget_bias
            for last in (self.out, self.path):
                last.weight.zero_()
                last.bias.zero_()
            self.out.bias[MADE:CANDIDATES] = UNTRIED

    def read(self, x_BTC: Tensor) -> Tensor:
        """What the head sees at every step, (B, T, D)."""
        h_BTD: Tensor = self.layers[0](x_BTC)[0]
        for layer in list(self.layers)[1:]:
            h_BTD = h_BTD + layer(self.dropout(h_BTD))[0]
        seen_BTD: Tensor = self.dropout(h_BTD)
        return seen_BTD

    def forward(self, h_ND: Tensor, asked: Asked) -> Tensor:
        """Quantiles, (N, K, Q), in units of the scale around the level at each origin.

        What the head says is laid out with origins and steps last: there softmax and sums run over long rows.
        """
        told_NKE = self.question(asked.features_NKF).add_(self.state(h_ND)[:, None])
        z_NKD = nn.functional.silu(self.middle(nn.functional.silu(told_NKE)))
        out_OM = self.out(z_NKD).flatten(0, 1).T.contiguous()  # M: origins times steps
        logits_AM = out_OM[:CANDIDATES].masked_fill(~_rows(asked.available_NKA), -torch.inf)
        mixed_M = (torch.softmax(logits_AM, 0) * _rows(asked.candidates_NKA)).sum(0)
        path_M = (self.path(h_ND) @ asked.path_KJ.T).flatten()
        centre_1M = (mixed_M + path_M + out_OM[CANDIDATES])[None]
        parts_PM = torch.cat([centre_1M, nn.functional.softplus(out_OM[CANDIDATES + 1 :])])
        shape = (*asked.candidates_NKA.shape[:2], len(QUANTILES))
        return (parts_PM.T @ OUTWARD_PQ.to(parts_PM)).view(shape)


def _rows(part_NKA: Tensor) -> Tensor:
    """The same with candidates first, (A, N K)."""
    return part_NKA.flatten(0, 1).T


def _outward() -> Tensor:
    """What makes quantiles of the centre and the steps outward: each adds to all that lie further out, (P, Q)."""
    sums = torch.zeros(len(QUANTILES), len(QUANTILES))
    sums[0] = 1
    for step in range(len(QUANTILES) - 1):
        if step < MEDIAN:
            sums[1 + step, : step + 1] = -1
        else:
            sums[1 + step, step + 1 :] = 1
    return sums


OUTWARD_PQ = _outward()


def _tensors(layer: nn.Module) -> list[Tensor]:
    """A torch LSTM layer's weights: from its input, from its own output, and its two biases."""
    return [layer.get_parameter(f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


def pinball_loss(truth_NK: Tensor, quantiles_NKQ: Tensor) -> Tensor:
    """Mean pinball loss over the quantiles, (N, K)."""
    levels_Q = torch.tensor(QUANTILES, dtype=quantiles_NKQ.dtype, device=quantiles_NKQ.device)
    error_NKQ = truth_NK[..., None] - quantiles_NKQ
    return (error_NKQ @ levels_Q + torch.relu(-error_NKQ).sum(-1)) / len(QUANTILES)


def export(network: Network) -> dict[str, np.ndarray[Any, Any]]:
    """The weights as named NumPy arrays, as ``runtime`` reads them: float32, (in, out), one bias per layer."""

    def array(tensor: Tensor) -> np.ndarray[Any, Any]:
        return tensor.detach().cpu().numpy().copy()

    layers: list[LayerWeights] = []
    for layer in network.layers:
        if isinstance(layer, Recurrent):
            layers.append(LayerWeights(*(array(layer.get_parameter(name)) for name in LayerWeights._fields)))
        else:
            layers.append(from_torch(*(array(part) for part in _tensors(layer))))
    head = HeadWeights(
        array(network.state.weight).T,
        array(network.question.weight).T,
        array(network.state.bias),
        array(network.middle.weight).T,
        array(network.middle.bias),
        array(network.out.weight).T,
        array(network.out.bias),
        array(network.path.weight).T,
        array(network.path.bias),
    )
    named = weights_to_arrays(Weights(tuple(layers), head, network.cell))
    return {name: np.ascontiguousarray(values) for name, values in named.items()}


@torch.no_grad()
def restore(network: Network, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Give a network the weights of ``export``, whose inverse this is; torch's second bias becomes zero.

    Raises:
        RuntimeError: they are of a network of another shape.
    """
    weights, place = weights_from_arrays(arrays, np.float32), next(network.parameters()).device
    state: dict[str, np.ndarray[Any, Any]] = {}
    for number, layer in enumerate(weights.layers):
        if weights.cell != "lstm":
            state |= {f"layers.{number}.{name}": array for name, array in layer._asdict().items()}
            continue
        named = {"weight_ih": layer.input_CK.T, "weight_hh": layer.hidden_DK.T}
        named |= {"bias_ih": layer.bias_K, "bias_hh": np.zeros_like(layer.bias_K)}
        state |= {f"layers.{number}.{name}_l0": array for name, array in named.items()}
    head = weights.head
    for name, weight, bias in (
        ("state", head.state_DE, head.bias_E),
        ("middle", head.middle_ED, head.middle_bias_D),
        ("out", head.out_DO, head.out_bias_O),
        ("path", head.path_DJ, head.path_bias_J),
    ):
        state |= {f"{name}.weight": weight.T, f"{name}.bias": bias}
    state["question.weight"] = head.question_FE.T
    network.load_state_dict({name: torch.tensor(array, device=place) for name, array in state.items()})
