"""What a run's numbers depend on, as two hashes: what was trained on what, and where and by which code.

Runs that agree in both are equal to the last bit, whatever their study and whatever their arm is called.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from scantrial.recipe.networks import is_custom
from scantrial.store.folder import RunKey, StudyFolder

_WHAT_FORMAT, _WHERE_FORMAT = 1, 2
_PACKAGE = Path(__file__).parent.parent
_TRAINING_CODE = ("train", "nets", "recipe", "core/rng.py", "data/preprocess.py", "analysis/metrics.py")
_SUFFIXES = (".py", ".cpp", ".h")


class Identities:
    """The hashes of a study's runs.

    Parameters
    ----------
    folder : the study; its plan and its scans are read once
    """

    def __init__(self, folder: StudyFolder) -> None:
        data = folder.data()
        table = folder.cases(["case", "split", "label"])
        self._arms = {arm["name"]: arm for arm in folder.plan()["arms"]}
        self._scans = {
            **{name: data[name] for name in ("fingerprint", "class_names", "image", "pixel_type")},
            "cases": _sha256([table[name].to_pylist() for name in table.column_names]),
        }

    def what(self, key: RunKey) -> str | None:
        """Return the hash of recipe, seed, scans and split.

        None for a network of the user's own: what its module imports is not known.
        """
        recipe = self._arms[key.arm]["recipe"]
        if is_custom(recipe["model"]["name"]):
            return None
        return _sha256({"format": _WHAT_FORMAT, "recipe": recipe, "seed": key.seed, "scans": self._scans})


def where(prepared: Mapping[str, Any], *, engine: str, threads: int) -> str:
    """Return the hash of engine, threads, machine and device, and of the versions and code that numbers depend on.

    Parameters
    ----------
    prepared : what a worker process says of itself
    """
    names = ("device", "torch", "cpu_capability", "kernel", "cpu", "gpu", "cuda", "cudnn")
    return _sha256(
        {
            "format": _WHERE_FORMAT,
            "engine": engine,
            "threads": threads,
            **{name: prepared.get(name) for name in names},
            "machine": platform.machine(),
            "versions": {name: version(name) for name in ("scantrial", "numpy", "scikit-learn")},
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
