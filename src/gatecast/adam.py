"""A network's weights as one vector, and the steps that training moves it by.

torch.optim computes the same (a test compares them); its first step imports the compiler, which costs more than
training these networks does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

BETAS = (0.9, 0.999)


class Flat(NamedTuple):
    """All weights of a network as one vector, and their gradients as another; the network's own tensors are views."""

    data: Tensor
    gradient: Tensor


def flatten(network: nn.Module) -> Flat:
    """Lay a network's weights end to end, so that an update is a handful of vector operations."""
    parameters = list(network.parameters())
    data = torch.cat([parameter.detach().flatten() for parameter in parameters])
    flat = Flat(data, torch.zeros_like(data))
    begin = 0
    for parameter in parameters:
        end = begin + parameter.numel()
        parameter.data = data[begin:end].view_as(parameter)
        parameter.grad = flat.gradient[begin:end].view_as(parameter)
        begin = end
    return flat


class Adam:
    """Adam with decoupled weight decay (Kingma & Ba 2015; Loshchilov & Hutter 2019) on one vector."""

    def __init__(self, weights: Flat, weight_decay: float) -> None:
        self.weights, self.weight_decay, self.steps = weights, weight_decay, 0
        self.mean, self.square = torch.zeros_like(weights.data), torch.zeros_like(weights.data)

    def step(self, rate: float, clip: float) -> None:
        """Clip the gradient to the norm ``clip`` and move the weights against it."""
        gradient = self.weights.gradient
        norm = float(torch.linalg.vector_norm(gradient))
        gradient.mul_(min(1.0, clip / (norm + 1e-6)))
        self.steps += 1
        self.mean.lerp_(gradient, 1 - BETAS[0])
        self.square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        spread = (self.square / (1 - BETAS[1] ** self.steps)).sqrt_().add_(1e-8)
        self.weights.data.mul_(1 - rate * self.weight_decay)
        self.weights.data.addcdiv_(self.mean, spread, value=-rate / (1 - BETAS[0] ** self.steps))


def one_cycle(update: int, updates: int, peak: float) -> float:
    """The learning rate of an update: up over the first tenth, then down to almost nothing (Smith & Topin 2018)."""
    warm = max(1.0, 0.1 * updates)
    if update < warm:
        return float(peak * (0.04 + 0.96 * 0.5 * (1 - np.cos(np.pi * update / warm))))
    return float(peak * (1e-5 + 0.5 * (1 + np.cos(np.pi * (update - warm) / max(1.0, updates - warm)))))
