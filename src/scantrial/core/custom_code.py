"""Where the class of a custom network is, found without running any of its code, and what may be imported.

Nothing here imports anything. A class is imported by `scantrial.nets.custom`, and only while `allowed` holds it: by
default, no name in a study file or a study folder leads to an import. What the file imports in its turn belongs to the
class where it lies beside it, unless Python would find it there by itself, as in an installed package.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from scantrial.core.errors import InputError
from scantrial.core.files import sha256_of
from scantrial.core.source_imports import imported_names
from scantrial.core.text import printable

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
    helpers : the other modules in `folder` that these import, and those that they import in turn, found by reading
        their import statements; none if `installed`
    installed : whether Python itself looks for modules in `folder`, so that it also finds what the class imports
    arguments : what the class is called with, as a user reads it
    """

    name: str
    folder: str
    sources: tuple[SourceFile, ...]
    helpers: tuple[SourceFile, ...] = ()
    installed: bool = False
    arguments: str = field(default="", compare=False)

    @property
    def modules(self) -> tuple[SourceFile, ...]:
        """Its sources, then its helpers."""
        return (*self.sources, *self.helpers)

    @property
    def files(self) -> tuple[str, ...]:
        """The files that its import runs, those alone that are found without Python's own search."""
        return tuple(source.path for source in self.modules if source.sha256 is not None)

    @property
    def helpers_sha256(self) -> dict[str, str] | None:
        """The hashes of the files of its helpers by module; None if it has none, or if Python itself finds them."""
        return {item.module: item.sha256 for item in self.helpers if item.sha256 is not None} or None

    @property
    def listing(self) -> str:
        """Its files and arguments in one line."""
        return printable(" and ".join(self.files)) + self.call

    @property
    def call(self) -> str:
        """Its arguments; completes a sentence that names the class."""
        return printable(f", with {self.arguments}") if self.arguments else ""

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> CustomClass:
        """Read the plain data of `dataclasses.asdict`."""
        modules = {name: tuple(SourceFile(**item) for item in content.get(name, ())) for name in ("sources", "helpers")}
        return cls(**{**content, **modules})


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
            place = Path(folder).absolute()
            installed = os.path.realpath(place) in _python_folders()
            helpers = () if installed else _helpers(sources, place)
            return CustomClass(name=name, folder=str(place), sources=sources, helpers=helpers, installed=installed)
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


def _helpers(sources: Sequence[SourceFile], folder: Path) -> tuple[SourceFile, ...]:
    """Return the modules in a folder that these import, directly or not, without running any."""
    found = {source.module: source for source in sources}
    own = sources[0].module
    elsewhere = {own: False}
    waiting = [source for source in sources if source.sha256 is not None]
    while waiting:
        source = waiting.pop()
        content = Path(source.path).read_bytes()
        for name in imported_names(content, module=source.module, is_package=source.is_package):
            top = name.partition(".")[0]
            if top not in elsewhere:
                elsewhere[top] = _is_elsewhere(top)
            new = () if elsewhere[top] or name in found else _sources(name.split("."), folder)
            for item in new:
                if found.setdefault(item.module, item) is item and item.sha256 is not None:
                    waiting.append(item)
    return tuple(found[name] for name in sorted(found.keys() - {source.module for source in sources}))


def _is_elsewhere(top: str) -> bool:
    """Return whether Python finds a module by itself, which is then the one that an import gets."""
    if top in _NOT_YOURS:
        return True
    spec = PathFinder.find_spec(top, sorted(_python_folders()))
    return spec is not None and spec.loader is not None


def _python_folders() -> frozenset[str]:
    """Return the folders in which any Python process of this installation looks for modules, without links."""
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    own = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    users = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    return frozenset(os.path.realpath(item) for item in (*named, *own, *site.getsitepackages(), *users) if item)


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


def allowed_classes() -> tuple[CustomClass, ...]:
    """Return every class that may be imported now."""
    return tuple(_ALLOWED.values())


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
    first = {item.name: item for item in reversed(classes)}
    listing = "".join(
        f"\n  {item.name}, from " + (item.listing if first[item.name] is item else f"there{item.call}")
        for item in classes
    )
    return InputError(
        f"{got}{listing}",
        expected="networks of scantrial's own, or code that you trust: an import can do whatever you can",
        do="read the files; if you trust it, run the same command with --trust-code (in Python: trust_code=True)",
    )
