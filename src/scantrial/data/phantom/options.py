"""What can be set on the phantom."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]

MAX_PIXELS = 2**30
"""Of all scans together, such as 1024 scans of 1024 x 1024: they are drawn into memory."""


class PhantomOptions(BaseModel):
    """Options of the phantom; unknown ones are errors.

    Parameters
    ----------
    n_cases : scans in all; all together have at most `MAX_PIXELS` pixels
    size : side of the square scans in pixels
    difficulty : 0 (large, dense opacities, little noise) to 1 (small, faint opacities, much noise)
    label_noise : share of the training patients whose label is flipped; validation cases come from them too, test
        labels are always correct
    images_per_patient : scans of each patient, with the same anatomy and label but different position and exposure
    shift : 0 to 1, how far the acquisition of the test scans (exposure, gamma, blur, noise) is from that of training
    prevalence : share of patients with opacities
    test_share : share of patients who are in the test split
    duplicates : share of test scans that are exact copies of a training scan of the same class
    near_duplicates : share of test scans that are a changed copy of a training scan of the same class: mirrored or not,
        brighter or darker, with a little noise
    shared_patients : share of test patients who are training patients of the same class, scanned once more
    border_marks : share of training scans with opacities that have a bright mark at the border
    seed : seed of all random numbers; a scan depends on it and on its patient's number, not on `n_cases`
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_cases: Annotated[int, Field(ge=1, le=1_000_000)] = 2400
    size: Annotated[int, Field(ge=32, le=1024)] = 256
    difficulty: Share = 0.5
    label_noise: Share = 0.0
    images_per_patient: Annotated[int, Field(ge=1, le=100)] = 1
    shift: Share = 0.0
    prevalence: Annotated[float, Field(gt=0, lt=1)] = 0.5
    test_share: Annotated[float, Field(ge=0, lt=1)] = 1 / 6
    duplicates: Share = 0.0
    near_duplicates: Share = 0.0
    shared_patients: Share = 0.0
    border_marks: Share = 0.0
    seed: int = 0

    @model_validator(mode="after")
    def _fit_memory(self) -> PhantomOptions:
        n_pixels = self.n_cases * self.size**2
        if n_pixels > MAX_PIXELS:
            raise PydanticCustomError(
                "too_many_pixels",
                f"n_cases, size: {self.n_cases:,} scans of {self.size} x {self.size} have {n_pixels:,} pixels; "
                f"expected at most {MAX_PIXELS:,}, that is {MAX_PIXELS // self.size**2:,} scans of this size",
            )
        return self
