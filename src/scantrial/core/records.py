"""What one run produces: its history, its predictions, its weights, and the facts about it.

NumPy only: the training wing passes these records to the store, and the store to the judging
wing, which does not import any network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeGuard

import numpy as np
from numpy.typing import NDArray

from scantrial.core.errors import ShapeError
from scantrial.core.plain import LEFT_OUT_IF_NONE, Plain

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

RunStatus = Literal["finished", "diverged"]

MAX_COUNT = 1_000_000_000
"""The largest number of epochs, batches and the like."""


def is_count(value: Any) -> TypeGuard[int]:
    """Whether a value that anyone may have written is a number of epochs or the like, small enough to be shown."""
    return isinstance(value, int) and 1 <= value <= MAX_COUNT


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """One epoch of one run. Accuracies are proportions; None means "not recorded".

    Parameters
    ----------
    round : counts from 1; a round continues the weights with a fresh optimiser and schedule
    epoch : counts from 1 through all rounds
    lr : learning rate of the last step of the epoch
    train_loss, train_accuracy : means over the training cases during the epoch, while the weights changed
    val_loss, val_accuracy : of the weights at the end of the epoch
    train_eval_loss, train_eval_accuracy : the training cases under the weights at the end of the epoch
    grad_norm : mean over the epoch's steps of the gradient's Euclidean norm
    weight_norm : Euclidean norm of all parameters at the end of the epoch
    last_grad_norm : Euclidean norm of the gradient of the epoch's last step, as the optimiser used it
    dead_units : share of the hidden units with the same output for every validation case, at the end of the epoch
    """

    round: int
    epoch: int
    lr: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    train_eval_loss: float | None = None
    train_eval_accuracy: float | None = None
    grad_norm: float | None = None
    weight_norm: float | None = None
    last_grad_norm: float | None = None
    dead_units: float | None = None


HISTORY_COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(EpochRecord))


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPredictions:
    """The scores of one run on one split.

    Parameters
    ----------
    split : train, val or test
    cases : shape (n,), case numbers, rising
    y_true : shape (n,), class indices
    logits : shape (n, n_outputs), float32, as the network gave them
    output_names : n_outputs class names, one for each column of `logits`
    y_prob : shape (n, n_classes), float64, rows summing to 1
    """

    split: Split
    cases: NDArray[np.int64]
    y_true: NDArray[np.int64]
    logits: NDArray[np.float32]
    output_names: tuple[str, ...]
    y_prob: NDArray[np.float64]

    def __post_init__(self) -> None:
        n = len(self.cases)
        shapes = {"y_true": self.y_true.shape, "logits": self.logits.shape, "y_prob": self.y_prob.shape}
        good = (
            self.y_true.shape == (n,)
            and self.logits.shape == (n, len(self.output_names))
            and self.y_prob.ndim == 2
            and self.y_prob.shape[0] == n
        )
        if not good:
            raise ShapeError(f"predictions for {n} cases with shapes {shapes}", expected="one row for each case")

    @property
    def y_pred(self) -> NDArray[np.int64]:
        """Shape (n,): the most probable class; a tie goes to the lower index (so p > 0.5 for two classes)."""
        return np.asarray(self.y_prob.argmax(axis=1), dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts(Plain):
    """Everything about one run that is not a table: the content of ``run.json``.

    Parameters
    ----------
    status : "finished", or "diverged" where a loss was not finite
    n_epochs : epochs that were trained
    chosen_epoch : the epoch whose weights were evaluated, counting from 1; None where there is none
    selection : the rule that chose it, such as "best val_loss"
    diverged_epoch : the epoch of the first loss that was not finite, or None
    engine : "reference" or "fused"
    engine_reason : why this engine and not the other
    device, threads : where it ran
    n_parameters : trainable parameters of the network
    recipe : the recipe as plain data, every default spelled out
    preprocessing : fitted numbers that turn a scan into the network's input
    class_names : in the order of the class indices
    image_shape : (channels, height, width) of the network's input
    pixel_type : "uint8" or "uint16"
    times : seconds by name ("train", "evaluate", "total"), and when it started
    identity : hashes of what the numbers depend on: "what" (recipe, seed, scans, split; None for a custom
        network) and "where" (engine, threads, device, versions, code); None in folders of earlier versions
    reused_from : the run that this one was copied from instead of being trained: "folder" (its name), "arm", "seed";
        else None
    images : "fingerprint" of the arm's own images and how many scans were "n_enlarged" for them (None: not counted);
        None where the images are those of the study
    repeat, fold : of a cross-validation; None for a study with one test set
    """

    arm: str
    seed: int
    status: RunStatus
    n_epochs: int
    chosen_epoch: int | None
    selection: str
    diverged_epoch: int | None
    engine: str
    engine_reason: str
    device: str
    threads: int
    n_parameters: int
    recipe: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    pixel_type: str
    times: Mapping[str, float | str] = field(default_factory=dict)
    identity: Mapping[str, str | None] | None = None
    reused_from: Mapping[str, str | int] | None = None
    images: Mapping[str, str | int | None] | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    repeat: int | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    fold: int | None = field(default=None, metadata=LEFT_OUT_IF_NONE)

    @property
    def planned_epochs(self) -> int:
        """Epochs of all rounds of the recipe; those that were trained where a stranger's recipe does not say."""
        stored = self.recipe
        epochs, rounds = stored.get("epochs"), stored.get("rounds", 1)
        return epochs * rounds if is_count(epochs) and is_count(rounds) else self.n_epochs

    @property
    def stopped_early(self) -> bool:
        """Whether early stopping ended the run before its last planned epoch."""
        stored = self.recipe
        may_stop = stored.get("early_stopping") is not None
        return may_stop and self.status == "finished" and self.n_epochs < self.planned_epochs

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunFacts:
        """Build from what `to_dict` gave, ignoring keys that are not fields."""
        known = {f.name: data[f.name] for f in fields(cls) if f.name in data}
        known["class_names"] = tuple(known["class_names"])
        known["image_shape"] = tuple(known["image_shape"])
        return cls(**known)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """Everything that one run produces.

    Parameters
    ----------
    predictions : train, val and test under the chosen epoch's weights; empty where no epoch could be chosen
    weights : the chosen epoch's parameters and buffers by name; empty where there is none
    sheet : a PNG of training scans as augmentation changed them; None where they were not augmented
    """

    facts: RunFacts
    history: tuple[EpochRecord, ...]
    predictions: tuple[SplitPredictions, ...]
    weights: Mapping[str, NDArray[Any]]
    sheet: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaliencyMaps:
    """Two maps of one scan under one network.

    Parameters
    ----------
    target : index of the class whose probability is explained, the most probable one
    p_target : its probability on the whole scan
    gradient : shape (height, width): size of the gradient of the log odds of `target` at each pixel of the network's
        input, the largest over channels
    occlusion : shape (height, width): how much the probability of `target` falls when a patch there is covered with the
        mean of the scan, averaged over the patches that cover a pixel; negative where it rises
    p_least : the smallest probability of `target` with a patch covered
    patch_px : side of a patch in pixels
    """

    target: int
    p_target: float
    gradient: NDArray[np.float64]
    occlusion: NDArray[np.float64]
    p_least: float
    patch_px: int
