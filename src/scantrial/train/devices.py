"""Where to train."""

from __future__ import annotations

import torch

from scantrial.core.errors import InputError
from scantrial.core.names import listed

DEVICES = ("auto", "cpu", "cuda", "mps")


def available_devices() -> tuple[str, ...]:
    """Return the kinds of device that this machine and this PyTorch have, the best first."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return tuple(name for name, there in present.items() if there)


def choose_device(name: str = "auto") -> str:
    """Return the device to train on: the one named, or for ``auto`` the best there is.

    Raises
    ------
    InputError
        If the name is unknown or the device does not exist.
    """
    if name not in DEVICES:
        raise InputError(f"no device is called {name!r}", expected=f"one of {listed(DEVICES)}")
    present = available_devices()
    if name == "auto":
        return present[0]
    if name not in present:
        raise InputError(
            f"device {name} is not available with PyTorch {torch.__version__} on this machine",
            expected=f"one of {listed(present)}",
            do="use --device auto, or install a PyTorch built for that device",
        )
    return name
