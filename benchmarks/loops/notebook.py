"""The loop as the course writes it, in PyTorch: float tensors in memory, a DataLoader, Adam.

`--variant` is empty (Adam as it comes), ``fused`` (Adam with ``fused=True``) or ``compile`` (`torch.compile` around the
whole step: forward, loss, backward, Adam).
"""

from __future__ import annotations

import numpy as np
import torch
from common import BATCH, LR, Clock, arguments, load_scans
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def make_network(name, side):
    """Return the network with PyTorch's own initial weights."""
    if name == "M1":
        return nn.Sequential(nn.Flatten(), nn.Linear(side * side, 256), nn.ReLU(), nn.Linear(256, 1))
    if name == "M2":
        layers, n_in = [nn.Flatten()], side * side
        for _ in range(3):
            layers += [nn.Linear(n_in, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.5)]
            n_in = 64
        return nn.Sequential(*layers, nn.Linear(64, 2))
    layers, n_in = [nn.Unflatten(1, (1, side))], 1
    for _ in range(3):
        layers += [nn.Conv2d(n_in, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        n_in = 32
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * (side // 8) ** 2, 32), nn.ReLU(), nn.Linear(32, 2))


def make_criterion(name):
    """Return the loss."""
    return nn.BCEWithLogitsLoss() if name == "M1" else nn.CrossEntropyLoss()


def make_tensors(name, images, labels):
    """Return inputs in [0, 1] and targets, whole in memory, as the course has them."""
    x = torch.from_numpy(np.array(images)).float() / 255
    y = torch.from_numpy(labels)
    return x, y.float()[:, None] if name == "M1" else y


def count_right(name, logits, target):
    """Return how many decisions are right."""
    decided = (logits > 0).float() if name == "M1" else logits.argmax(1)
    return int((decided == target).sum())


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    clock = Clock()
    images, labels, n_train = load_scans(options.data)
    name = options.network
    network, criterion = make_network(name, images.shape[1]), make_criterion(name)
    optimizer = torch.optim.Adam(network.parameters(), lr=LR, fused=True if options.variant else None)
    x, y = make_tensors(name, images, labels)
    train = DataLoader(TensorDataset(x[:n_train], y[:n_train]), batch_size=BATCH, shuffle=True)
    val = DataLoader(TensorDataset(x[n_train:], y[n_train:]), batch_size=BATCH)

    def step(inputs, target):
        value = criterion(network(inputs), target)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        return value

    if options.variant == "compile":
        step = torch.compile(step)
    for _ in range(options.epochs):
        network.train()
        total = 0.0
        for inputs, target in train:
            total += step(inputs, target).item() * len(inputs)
        network.eval()
        right = 0
        with torch.no_grad():
            for inputs, target in val:
                logits = network(inputs)
                criterion(logits, target).item()
                right += count_right(name, logits, target)
        clock.epoch(right / (len(x) - n_train))
    clock.tell()


if __name__ == "__main__":
    main()
