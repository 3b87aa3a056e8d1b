"""Where the class of a custom network is, found without running any of its code, and what may be imported.

Nothing here imports anything. A class is imported by `scantrial.nets.custom`, and only while `allowed` holds it: by
default, no name in a study file or a study folder leads to an import.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scantrial.core.errors import InputError
from scantrial.core.files import sha256_of

_NOT_YOURS = frozenset({*sys.stdlib_module_names, "torch", "scantrial"})
"""Packages whose classes are no custom networks. Some of them run code, or open files, that an argument names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One module that the import of a class runs.

    Parameters
    ----------
    module : its dotted name
    path : its file; for a folder without ``__init__.py``, the folder
    sha256 : of the file; None for a folder
    """

    module: str
    path: str
    sha256: str | None

    @property
    def is_package(self) -> bool:
        """Whether modules may lie in it."""
        return self.sha256 is None or Path(self.path).name == "__init__.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomClass:
    """A class by its name and the files that its import runs.

    Parameters
    ----------
    name : ``package.module:Class``
    folder : where the outermost package lies, or the module
    sources : the packages around the module, the outermost first, and the module last
    """

    name: str
    folder: str
    sources: tuple[SourceFile, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The files that its import runs."""
        return tuple(source.path for source in self.sources if source.sha256 is not None)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> CustomClass:
        """Read the plain data of `dataclasses.asdict`."""
        sources = tuple(SourceFile(**source) for source in content["sources"])
        return cls(name=content["name"], folder=content["folder"], sources=sources)


def find_class(name: str, folders: Iterable[str]) -> CustomClass:
    """Find the files of ``package.module:Class`` in the first folder that has them.

    Parameters
    ----------
    folders : the folders to search, such as ``sys.path``; the modules are Python source files in one of them

    Raises
    ------
    InputError
        If no folder has the module, or it belongs to Python, PyTorch or scantrial.
    """
    module = name.partition(":")[0]
    top = module.partition(".")[0]
    if top in _NOT_YOURS:
        raise InputError(
            f"{name} is not a network of your own: {top} belongs to "
            + ("scantrial" if top == "scantrial" else "PyTorch" if top == "torch" else "Python itself"),
            expected="package.module:Class, a torch.nn.Module in a module of your own or of another installed package",
            do="to use such a class, write a class of your own around it",
        )
    for folder in dict.fromkeys(folders):
        sources = _sources(module.split("."), Path(folder))
        if sources:
            return CustomClass(name=name, folder=str(Path(folder).absolute()), sources=sources)
    raise InputError(
        f"the network {name} was not found: there is no {module.replace('.', '/')}.py",
        expected="package.module:Class, in a Python source file beside the study file, in the working directory, on "
        "PYTHONPATH, or installed",
        do="correct the name, install the package, or add its folder to PYTHONPATH (editable installs too)",
    )


def _sources(parts: Sequence[str], folder: Path) -> tuple[SourceFile, ...]:
    """Return the sources of a dotted name in one folder, as Python finds them; nothing if it is not there."""
    place = folder.absolute()
    found = []
    for number, part in enumerate(parts, start=1):
        inside = place / part
        candidates = [inside / "__init__.py", *([place / f"{part}.py"] if number == len(parts) else [])]
        file = next((candidate for candidate in candidates if candidate.is_file()), None)
        if file is None and (number == len(parts) or not inside.is_dir()):
            return ()
        found.append(
            SourceFile(
                module=".".join(parts[:number]),
                path=str(file or inside),
                sha256=None if file is None else sha256_of(file),
            )
        )
        place = inside
    return tuple(found)


_ALLOWED: dict[str, CustomClass] = {}


@contextmanager
def allowed(classes: Iterable[CustomClass]) -> Iterator[None]:
    """Let these classes be imported in this process, under this block."""
    before = dict(_ALLOWED)
    _ALLOWED.update({item.name: item for item in classes})
    try:
        yield
    finally:
        _ALLOWED.clear()
        _ALLOWED.update(before)


@contextmanager
def extended_path(folders: Iterable[str]) -> Iterator[None]:
    """Let Python find modules in these folders too, under this block; last, so that they shadow no other module."""
    before = list(sys.path)
    sys.path += [folder for folder in folders if folder not in before]
    try:
        yield
    finally:
        sys.path[:] = before


def allowed_class(name: str) -> CustomClass:
    """Return a class that may be imported.

    Raises
    ------
    InputError
        If it may not.
    """
    if name not in _ALLOWED:
        raise untrusted(f"the network {name} may not be imported here", [])
    return _ALLOWED[name]


def untrusted(got: str, classes: Sequence[CustomClass]) -> InputError:
    """Return the refusal of classes that nobody has allowed, with the files that their import would run."""
    listing = "".join(f"\n  {item.name}, from {' and '.join(item.files)}" for item in classes[:10])
    more = f"\n  and {len(classes) - 10} more" if len(classes) > 10 else ""
    return InputError(
        f"{got}{listing}{more}",
        expected="networks of scantrial's own, or code that you trust: an import can do whatever you can",
        do="read the file; if you trust it, run the same command with --trust-code (in Python: trust_code=True)",
    )
