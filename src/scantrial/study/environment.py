"""What `environment.json` says of the packages and the folders of a study."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from scantrial.recipe.networks import library_versions
from scantrial.study.study import Study


def versions_of(study: Study) -> dict[str, str]:
    """Return the versions of the packages that a study's numbers depend on, PyTorch left out."""
    packages = dict.fromkeys(name for arm in study.arms for name in arm.recipe.packages)
    own = {name: version(name) for name in ("scantrial", "numpy", "pyarrow", "scikit-learn", *packages)}
    return own | dict(pair for arm in study.arms for pair in library_versions(arm.recipe.model.name).items())


def folders_above(folder: Path, base: Path) -> int | None:
    """Return how many folders above the study folder the study file's relative paths start; None if elsewhere.

    A number, because a path would tell others how the folders of this machine are called.
    """
    path, start = folder.resolve(), base.resolve()
    above = (path, *path.parents)
    return above.index(start) if start in above else None
