"""The precision of forward passes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def in_precision(precision: str, *, device: str) -> AbstractContextManager[object]:
    """Return the context of a forward pass: PyTorch's autocast to bfloat16 for ``bf16``, nothing for ``float32``.

    Parameters
    ----------
    precision : one of `scantrial.recipe.training.PRECISIONS`
    """
    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()


def why_not(precision: str, *, device: str) -> str | None:
    """Return why a device cannot compute in a precision, or None if it can."""
    kind = torch.device(device).type
    if precision == "float32" or kind == "cpu":
        return None
    if kind != "cuda":
        return f"precision {precision} on {kind}; expected cpu, or cuda with a GPU that computes in bfloat16"
    if not torch.cuda.is_bf16_supported(including_emulation=False):
        return f"precision {precision}, in which {torch.cuda.get_device_name()} does not compute; use float32"
    return None
