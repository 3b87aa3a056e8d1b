"""What a run's numbers depend on, as two hashes: of what was trained on what, and of the machine and the code.

Runs that agree in both are equal to the last bit, whatever their study and the name of their arm.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from scantrial.core.records import RunFacts
from scantrial.recipe.networks import library_versions
from scantrial.recipe.plan import stored_recipe
from scantrial.recipe.spec import Recipe
from scantrial.store.folder import RunKey, StudyFolder
from scantrial.store.run_files import run_key_of

_WHAT_FORMAT, _WHERE_FORMAT = 2, 2
"""The first hash in format 1 had the whole recipe, so that it changed with every new key."""

_PACKAGE = Path(__file__).parent.parent
_TRAINING_CODE = (
    "train",
    "nets",
    "recipe",
    "core/rng.py",
    "data/preprocess.py",
    "data/contrast.py",
    "analysis/metrics.py",
)
_SUFFIXES = (".py", ".cpp", ".h")


class Identities:
    """The hashes of a study's runs.

    Parameters
    ----------
    folder : the study; its plan and its scans are read once
    images : fingerprint of the images of each arm that has its own, by the arm's name
    """

    def __init__(self, folder: StudyFolder, images: Mapping[str, str] | None = None) -> None:
        self._images = images or {}
        self._folder = folder.path
        data = folder.data()
        self._cases = folder.cases(["case", "split", "label"]).to_pydict()
        self._folds = folder.fold_table()
        self._plan = folder.plan()
        self._image = data["image"]
        self._facts = {name: data[name] for name in ("fingerprint", "class_names", "pixel_type")}
        self._scans_in: dict[tuple[int, int] | None, dict[str, Any]] = {}

    def what(self, key: RunKey) -> str | None:
        """Return the hash of recipe, seed, scans and split.

        None for a custom network: what its module imports is not known.
        """
        return self._what(self._plan.arm(key.arm).recipe, key, self._images.get(key.arm))

    def what_stored(self, facts: RunFacts) -> str | None:
        """Return the hash of a finished run of the folder from its own recipe, whichever version stored it.

        None if none was stored, or if it does not match what the folder holds now.
        """
        images = None if facts.images is None else str(facts.images["fingerprint"])
        what = self._what(stored_recipe(facts, folder=self._folder), run_key_of(facts), images)
        known = (what, self._what_in_format_1(facts))
        return what if what is not None and (facts.identity or {}).get("what") in known else None

    def _scans(self, place: tuple[int, int] | None) -> dict[str, Any]:
        """Return the facts about the scans and about the split that a run was trained on."""
        if place not in self._scans_in:
            folds = self._folds if place is not None else None
            split = {} if folds is None or place is None else {"split": folds.parts(*place).tolist()}
            self._scans_in[place] = {**self._facts, "cases": _sha256(list({**self._cases, **split}.values()))}
        return self._scans_in[place]

    def _what(self, recipe: Recipe, key: RunKey, images: str | None) -> str | None:
        if recipe.model.is_custom:
            return None
        # The fingerprint covers how images are made, because it is of their pixels.
        scans = {**self._scans(key.place), "shape": self._image["shape"], **({"images": images} if images else {})}
        libraries = library_versions(recipe.model.name)
        what = {"recipe": recipe.beyond_defaults(), "seed": key.drawn_seed, "scans": scans, **libraries}
        return _sha256({"format": _WHAT_FORMAT, **what})

    def _what_in_format_1(self, facts: RunFacts) -> str:
        scans = {**self._scans(None), "image": self._image}
        return _sha256({"format": 1, "recipe": facts.recipe, "seed": facts.seed, "scans": scans})


def where(prepared: Mapping[str, Any], *, engine: str, threads: int, packages: Sequence[str] = ()) -> str:
    """Return the hash of engine, threads, machine and device, and of the versions and code that numbers depend on.

    Parameters
    ----------
    prepared : the environment that a worker process reports
    packages : those that the run's own recipe needs
    """
    names = ("device", "torch", "cpu_capability", "kernel", "cpu", "gpu", "cuda", "cudnn")
    return _sha256(
        {
            "format": _WHERE_FORMAT,
            "engine": engine,
            "threads": threads,
            **{name: prepared.get(name) for name in names},
            "machine": platform.machine(),
            "versions": {name: version(name) for name in ("scantrial", "numpy", "scikit-learn", *packages)},
            "code": training_code_sha256(),
        }
    )


def training_code_sha256() -> str:
    """Return the hash of the sources that numbers depend on: they may change before the version does."""
    digest = sha256()
    for part in _TRAINING_CODE:
        paths = [_PACKAGE / part, *sorted((_PACKAGE / part).rglob("*"))]
        for path in paths:
            if path.suffix in _SUFFIXES:
                digest.update(f"{path.relative_to(_PACKAGE).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _sha256(facts: Any) -> str:
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
