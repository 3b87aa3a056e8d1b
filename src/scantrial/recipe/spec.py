"""`Recipe`: everything needed to train one network, typed, with every default spelled out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from scantrial.core.format import joined
from scantrial.core.names import listed
from scantrial.core.registry import Registry
from scantrial.core.trees import value_at
from scantrial.recipe.activations import ActivationSpec
from scantrial.recipe.augment import NOT_IN_VIEWS, AugmentSpec, augmentation, describe, without_idle
from scantrial.recipe.image import (
    CHANGING,
    CLAHE,
    ArmImage,
    Clahe,
    ClaheSpec,
    bare_name,
    describe_clahe,
    describe_contrast,
    name_if_usual,
    unless_usual,
)
from scantrial.recipe.losses import LossSpec
from scantrial.recipe.networks import ModelSpec, is_timm
from scantrial.recipe.optimizers import AdamSpec, Optimizer, SgdSpec, has_depths
from scantrial.recipe.parts import Count, Positive, RecipePart, named, none_word, unknown_name
from scantrial.recipe.schedules import ScheduleSpec
from scantrial.recipe.selection import SelectSpec
from scantrial.recipe.training import EarlyStoppingSpec, Precision, Sampling

__all__ = [
    "ActivationSpec",
    "AdamSpec",
    "Count",
    "LossSpec",
    "ModelSpec",
    "Optimizer",
    "Positive",
    "Recipe",
    "RecipePart",
    "ScheduleSpec",
    "SelectSpec",
    "SgdSpec",
    "named",
    "unknown_name",
]

NormalizeName = Literal["none", "dataset", "image", "equalize", "clahe", "pretrained"]

MAX_ENSEMBLE = 100
"""Networks of one run: all of them are kept and evaluated together."""

NORMALIZATIONS: Registry[str] = Registry(
    "normalization",
    {
        "none": "pixels were divided by the largest value of their type",
        "dataset": "pixels were standardised by mean and standard deviation of the training cases",
        "image": "each image was standardised by its own mean and standard deviation",
        "equalize": "each image's histogram was equalised and its pixels divided by the largest value of their type",
        "clahe": describe_clahe(CLAHE),
        "pretrained": "pixels were standardised by the mean and standard deviation that timm gives for the network's "
        "pretrained weights (for gray scans, by their averages over the channels)",
    },
)
"""The description of each in the methods of a report; a test compares it with `scantrial.data.preprocess`."""


class Recipe(RecipePart):
    """Everything needed to train one network.

    Parameters
    ----------
    model : the network
    loss : the loss and its head
    optimizer : the optimiser
    schedule : how the learning rate changes within a round
    batch_size : cases in one step
    select : which epoch's weights are kept and evaluated
    normalize : after scaling to [0, 1]: ``none``, ``dataset`` (mean and deviation of the training split, each
        channel), ``image`` (each image's own mean and deviation), ``equalize`` (each image's histogram flattened),
        ``clahe`` (the same around each pixel, with limited contrast), also with settings of its own,
        ``pretrained`` (the mean and deviation that timm gives for the weights of a ``timm/NAME``)
    image : this arm's images where they differ from those of the study: size, crop, clipping
    augment : how training scans are changed at random, anew in each epoch: None, a preset's name, or its operations
    test_time_views : views of a scan whose logits are averaged when the chosen weights are evaluated: the scan itself,
        and others as `augment` changes it
    epochs : epochs in one round
    rounds : rounds that continue the weights with a fresh optimiser and schedule
    clip_grad_norm : largest Euclidean norm of the whole gradient; None for no limit
    ensemble : networks that a run trains, each on its own, and whose logits it averages; more than 1 needs
        ``select: last``
    sampling : the training cases of an epoch: ``shuffled`` (each once), ``undersampled`` (all cases of the smallest
        class and as many of every other, drawn anew), ``oversampled`` (of every class as many as the largest has, the
        repeated ones drawn anew)
    accumulate : batches after which the weights move once, by the mean gradient over all their cases
    ema : decay of an exponential moving average of the weights; the average is evaluated, chosen and stored
    early_stopping : when a run ends before its last epoch
    precision : ``float32``, or ``bf16``: autocast of forward passes to bfloat16; weights, loss and optimiser stay
        float32
    train_eval : also measure the training split under the weights at the end of each epoch (costs one more pass)
    """

    later: ClassVar[tuple[str, ...]] = ("ensemble", "test_time_views", "sampling", "accumulate", "precision")

    model: Annotated[ModelSpec, BeforeValidator(named)] = ModelSpec(name="mlp-256")
    loss: Annotated[LossSpec, BeforeValidator(named)] = LossSpec(name="bce")
    optimizer: Annotated[Optimizer, BeforeValidator(named)] = AdamSpec(name="adam")
    schedule: Annotated[ScheduleSpec, BeforeValidator(named)] = ScheduleSpec(name="constant")
    normalize: Annotated[
        NormalizeName | ClaheSpec,
        BeforeValidator(bare_name),
        AfterValidator(name_if_usual),
    ] = "none"
    image: Annotated[ArmImage | None, AfterValidator(unless_usual)] = None
    augment: Annotated[AugmentSpec | None, BeforeValidator(augmentation), AfterValidator(without_idle)] = None
    test_time_views: Annotated[int, Field(ge=1, le=1000)] = 1
    batch_size: Count = 32
    epochs: Count = 30
    rounds: Count = 1
    clip_grad_norm: Positive | None = None
    select: Annotated[SelectSpec, BeforeValidator(named)] = SelectSpec(name="best-val-loss")
    ensemble: Annotated[int, Field(ge=1, le=MAX_ENSEMBLE)] = 1
    train_eval: bool = False
    sampling: Sampling = "shuffled"
    accumulate: Count = 1
    ema: Annotated[Annotated[float, Field(gt=0, lt=1)] | None, BeforeValidator(none_word)] = None
    early_stopping: Annotated[EarlyStoppingSpec | None, BeforeValidator(none_word)] = None
    precision: Precision = "float32"

    @field_validator("optimizer")
    @classmethod
    def _layers_are_known(cls, value: Optimizer, info: ValidationInfo) -> Optimizer:
        model = info.data.get("model")
        if model is not None and model.is_custom and has_depths(value):
            raise ValueError(
                "head_lr_factor and layer_decay need to know the layers, which a custom class does not tell"
            )
        return value

    @field_validator("sampling")
    @classmethod
    def _balanced_once(cls, value: Sampling, info: ValidationInfo) -> Sampling:
        loss = info.data.get("loss")
        if value != "shuffled" and loss is not None and loss.class_weights == "balanced":
            raise ValueError(f"{value} cases and loss.class_weights: balanced both balance the classes; choose one")
        augment = info.data.get("augment")
        if value != "shuffled" and augment is not None and augment.mixes:
            raise ValueError(
                f"{value} cases and augment.{'mixup' if augment.mixup else 'cutmix'}: the other half of a mixture is "
                "drawn from all training cases, which unbalances the classes again; choose one"
            )
        return value

    @field_validator("early_stopping")
    @classmethod
    def _stops_by_a_score(cls, value: EarlyStoppingSpec | None, info: ValidationInfo) -> EarlyStoppingSpec | None:
        select = info.data.get("select")
        if value is not None and select is not None and select.name == "last":
            raise ValueError("select: last has no score to stop by; select the best epoch, or leave early_stopping out")
        return value

    @model_validator(mode="after")
    def _warmup_fits(self) -> Recipe:
        warmup = self.schedule.warmup_epochs
        if warmup > self.epochs:
            raise ValueError(f"schedule.warmup_epochs is {warmup}, but a round has only {self.epochs} epochs")
        return self

    @model_validator(mode="after")
    def _normalization_known(self) -> Recipe:
        if self.normalize == "pretrained" and not is_timm(self.model.name):
            raise ValueError(f"normalize: pretrained is for a network of timm (timm/NAME), not for {self.model.name}")
        return self

    @model_validator(mode="after")
    def _views_differ(self) -> Recipe:
        if self.test_time_views > 1 and self.augment is None:
            raise ValueError(f"test_time_views is {self.test_time_views}, but augment is none, so that all are equal")
        if self.test_time_views > 1 and self.augment is not None and not self.augment.of_views.changes_something:
            left_out = f"{listed(NOT_IN_VIEWS)} change no view"
            raise ValueError(f"test_time_views is {self.test_time_views}, but augment has nothing else, and {left_out}")
        most = None if self.augment is None else self.augment.n_views
        if most is not None and self.test_time_views > most:
            raise ValueError(
                f"test_time_views is {self.test_time_views}, but augment makes only {most} different views"
            )
        return self

    @model_validator(mode="after")
    def _ensemble_of_last_epochs(self) -> Recipe:
        if self.ensemble > 1 and self.select.name != "last":
            raise ValueError(
                f"an ensemble of {self.ensemble} with select: {self.select.name}; write `select: last`, because its "
                "networks would be taken from different epochs"
            )
        return self

    @property
    def n_epochs(self) -> int:
        """Epochs of all rounds, if nothing ends the run early."""
        return self.epochs * self.rounds

    @property
    def n_told_epochs(self) -> int:
        """Epochs that a run tells while it trains: those of all networks, one after the other."""
        return self.ensemble * self.n_epochs

    @property
    def history_is_of_predictions(self) -> bool:
        """Whether the history measures what is evaluated: one network, and each scan as it is."""
        return self.ensemble == 1 and self.test_time_views == 1

    @property
    def only_in_training(self) -> tuple[str, ...]:
        """What makes an epoch harder while the network trains and is switched off where its weights are evaluated.

        Of a custom class nothing is known.
        """
        found = {
            "dropout": self.model.dropout,
            "augmentation": self.augment,
            "resampling": self.sampling != "shuffled",
        }
        return tuple(name for name, is_on in found.items() if is_on)

    @property
    def method(self) -> str:
        """The name of the normalisation, whatever its settings."""
        return self.normalize if isinstance(self.normalize, str) else self.normalize.name

    @property
    def clahe(self) -> Clahe | None:
        """The settings of CLAHE; None where pixels are normalised otherwise."""
        if self.method != "clahe":
            return None
        spec = CLAHE if isinstance(self.normalize, str) else self.normalize
        return Clahe(clip_limit=spec.clip_limit, tiles=spec.tiles)

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages beyond those of every run that its numbers depend on."""
        return ("scikit-image",) if self.method == "clahe" else ()

    @property
    def clip_percentiles(self) -> tuple[float, float] | None:
        """The percentiles at which each image is clipped, or None."""
        return None if self.image is None else self.image.clip_percentiles

    @property
    def changes_pixels(self) -> bool:
        """Whether other pixels are made of each image's before training: clipped or equalised ones."""
        return self.clip_percentiles is not None or self.method in CHANGING

    def describe_normalization(self) -> str:
        """Return what was done to the pixels' values, for the methods of a report."""
        normalize = self.normalize
        said = NORMALIZATIONS[normalize] if isinstance(normalize, str) else describe_clahe(normalize)
        return ", then ".join(filter(None, (describe_contrast(self.image), said)))

    def describe_augmentation(self) -> str:
        """Return what was changed at random in training scans, and after which step, for the methods of a report."""
        steps = {
            "clipping": self.clip_percentiles is not None,
            "equalisation": self.method in CHANGING,
        }
        done = [step for step, is_done in steps.items() if is_done]
        return f"after {joined(done)}, {describe(self.augment)}" if self.augment and done else describe(self.augment)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON and YAML; keys that do not apply (None) are left out."""
        return self.model_dump(mode="json", exclude_none=True)

    def with_settings_of_normalize(self) -> dict[str, Any]:
        """Return plain data as `spelt_out`, in which `normalize` has a name and its settings, whatever they are."""
        own = {"name": self.method} if self.clahe is None else {"name": self.method, **self.clahe.to_dict()}
        return {**self.spelt_out(), "normalize": own}

    def value_at(self, key: str) -> Any:
        """Return the value at a dotted key, such as ``optimizer.lr``, as plain data; None where there is none."""
        is_of_normalize = key.startswith("normalize.")
        return value_at(self.with_settings_of_normalize() if is_of_normalize else self.spelt_out(), key)

    def beyond_defaults(self) -> dict[str, Any]:
        """Return what differs from the defaults, as plain data: a key that comes later changes nothing in it.

        The defaults of a named part, such as a network, are those of its name.
        """
        plain = self.to_dict()
        found: dict[str, Any] = {}
        for key, field in type(self).model_fields.items():
            part = getattr(self, key)
            if part == field.default:
                continue
            found[key] = _beyond_its_name(part, plain[key]) if isinstance(part, RecipePart) else plain.get(key)
        if self.model.weights_sha256:
            # Weights are what they hold, whatever the name of their file.
            found["model"].pop("pretrained")
        return found


def _beyond_its_name(part: Any, plain: Mapping[str, Any]) -> dict[str, Any]:
    if "name" not in type(part).model_fields:
        return {key: value for key, value in plain.items() if value != type(part).model_fields[key].default}
    usual = type(part).model_validate({"name": part.name}).model_dump(mode="json", exclude_none=True)
    return {key: value for key, value in plain.items() if key == "name" or value != usual.get(key)}
