"""Make the phantom: its patients and their scans."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from scantrial.core.machine import n_cores
from scantrial.core.rng import stream
from scantrial.data.phantom.acquire import alter, draw_acquisition, expose, mark_border
from scantrial.data.phantom.anatomy import draw_anatomy, draw_opacities
from scantrial.data.phantom.draw import draw_chest, make_grid
from scantrial.data.phantom.options import PhantomOptions

PHANTOM_VERSION = 1
"""Increased whenever the same options would give different scans."""

CLASS_NAMES = ("normal", "opacity")

_ORIGINAL = {"copy": "original", "near copy": "near original"}
"""By kind of copy, the stream that its original is drawn from."""

_LARGE = 2**24
"""Pixels above which several processes are faster than one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phantom:
    """Scans of simulated patients.

    Parameters
    ----------
    images : shape (n, size, size), uint8
    labels : shape (n,), as recorded: 0 normal, 1 opacity
    true_labels : shape (n,), before any label was flipped
    split : shape (n,), "train" or "test"
    patients : n texts
    sources : n texts, ``phantom/train/p0001-0.png``: split, patient, number of the scan
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    true_labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    split: NDArray[np.str_]
    patients: tuple[str, ...]
    sources: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Patient:
    """Patient `number` of the list; `person` is the number of an earlier patient where patients are shared."""

    number: int
    person: int
    label: int
    recorded: int
    in_test: bool

    @property
    def name(self) -> str:
        return f"p{self.person + 1:04d}"

    @property
    def file_name(self) -> str:
        return f"p{self.number + 1:04d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    patient: _Patient
    scan: int


def make_phantom(options: PhantomOptions) -> Phantom:
    """Make the scans: the same options give the same scans.

    Patients alternate between the classes so that their shares are exact; each has its own streams of random numbers.
    Many pixels are drawn in several processes; the scans are the same.
    """
    cases = _cases(options)
    n_parts = n_cores() if options.n_cases * options.size**2 > _LARGE else 1
    bounds = np.linspace(0, len(cases), n_parts + 1).astype(int).tolist()
    if n_parts == 1:
        images = draw_rows(options, 0, len(cases))
    else:
        images = np.empty((len(cases), options.size, options.size), dtype=np.uint8)
        with ThreadPoolExecutor(n_parts) as pool:
            list(pool.map(lambda ends: _draw_elsewhere(options, images[slice(*ends)], *ends), pairwise(bounds)))
    for row, original in _copies(options, cases, options.near_duplicates, "near copy").items():
        images[row] = alter(images[original], stream(options.seed, "phantom", "altered", row))
    for row, original in _copies(options, cases, options.duplicates, "copy").items():
        images[row] = images[original]
    splits = ["test" if case.patient.in_test else "train" for case in cases]
    return Phantom(
        images=images,
        labels=np.array([case.patient.recorded for case in cases], dtype=np.int64),
        true_labels=np.array([case.patient.label for case in cases], dtype=np.int64),
        class_names=CLASS_NAMES,
        split=np.array(splits),
        patients=tuple(case.patient.name for case in cases),
        sources=tuple(
            f"phantom/{split}/{case.patient.file_name}-{case.scan}.png"
            for split, case in zip(splits, cases, strict=True)
        ),
    )


def draw_rows(options: PhantomOptions, start: int, stop: int) -> NDArray[np.uint8]:
    """Draw cases `start` to `stop` (not included), shape (stop - start, size, size), before any is made a copy."""
    patients = range(start // options.images_per_patient, -(-stop // options.images_per_patient))
    images = np.empty((stop - start, options.size, options.size), dtype=np.uint8)
    for number in patients:
        patient = _patient(options, number)
        for scan in range(options.images_per_patient):
            row = number * options.images_per_patient + scan
            if start <= row < stop:
                images[row - start] = _scan(options, _Case(patient=patient, scan=scan))
    return images


def _draw_elsewhere(options: PhantomOptions, images: NDArray[np.uint8], start: int, stop: int) -> None:
    """Draw in a separate process, into `images`: small array operations in threads only wait for one another."""
    words = [options.model_dump_json(), str(start), str(stop)]
    command = [sys.executable, "-P", "-m", "scantrial.data.phantom.part", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        n_read = process.stdout.readinto(images.reshape(-1))  # type: ignore[attr-defined]
    if process.returncode or n_read < images.nbytes:
        raise subprocess.CalledProcessError(process.returncode, command)


def _turn(count: int, share: float) -> bool:
    """Whether number `count` (from 0) is one of the `share` that are spread evenly over all numbers."""
    return int((count + 1) * share + 1e-9) > int(count * share + 1e-9)


def _patient(options: PhantomOptions, number: int) -> _Patient:
    label = int(_turn(number, options.prevalence))
    before_with = int(number * options.prevalence + 1e-9)
    in_test = _turn(before_with if label else number - before_with, options.test_share)
    flipped = not in_test and _happens(options, options.label_noise, "label", number)
    return _Patient(
        number=number,
        person=_person(options, number, label) if in_test else number,
        label=label,
        recorded=1 - label if flipped else label,
        in_test=in_test,
    )


def _person(options: PhantomOptions, number: int, label: int) -> int:
    """Return who test patient `number` is: a new person, or the last training patient of the class before."""
    if not _happens(options, options.shared_patients, "shared", number):
        return number
    earlier = (n for n in range(number - 1, -1, -1) if int(_turn(n, options.prevalence)) == label)
    return next((n for n in earlier if not _patient(options, n).in_test), number)


def _happens(options: PhantomOptions, share: float, *names: str | int) -> bool:
    return share > 0 and float(stream(options.seed, "phantom", *names).random()) < share


def _cases(options: PhantomOptions) -> list[_Case]:
    patients = [_patient(options, n) for n in range(-(-options.n_cases // options.images_per_patient))]
    cases = [_Case(patient=patient, scan=scan) for patient in patients for scan in range(options.images_per_patient)]
    return cases[: options.n_cases]


def _scan(options: PhantomOptions, case: _Case) -> NDArray[np.uint8]:
    patient = case.patient
    names = ("phantom", patient.number)
    person = ("phantom", patient.person)
    anatomy = draw_anatomy(stream(options.seed, *person, "anatomy"))
    opacities = draw_opacities(stream(options.seed, *person, "opacities"), anatomy, options.difficulty)
    rng = stream(options.seed, *names, "scan", case.scan)
    how = draw_acquisition(rng, difficulty=options.difficulty, shift=options.shift if patient.in_test else 0.0)
    grid = make_grid(options.size, dx=how.dx, dy=how.dy, zoom=how.zoom, lean=anatomy.lean)
    image = expose(draw_chest(grid, anatomy, opacities if patient.label else ()), how, rng)
    marked = _happens(options, options.border_marks, "mark", patient.number, case.scan)
    if marked and patient.label and not patient.in_test:
        mark_border(image, stream(options.seed, *names, "mark place", case.scan))
    return image


def _copies(options: PhantomOptions, cases: Sequence[_Case], share: float, kind: str) -> dict[int, int]:
    """Row of each test scan that is a copy, and the row of the training scan that it copies.

    The original is one of the patients of the same class who come before, so that it does not depend on `n_cases`.
    """
    copies: dict[int, int] = {}
    earlier: dict[int, list[int]] = {0: [], 1: []}
    for row, case in enumerate(cases):
        patient = case.patient
        if not patient.in_test:
            earlier[patient.label].append(row)
            continue
        originals = earlier[patient.label]
        if originals and _happens(options, share, kind, patient.number, case.scan):
            rng = stream(options.seed, "phantom", _ORIGINAL[kind], patient.number, case.scan)
            copies[row] = originals[int(rng.integers(len(originals)))]
    return copies
