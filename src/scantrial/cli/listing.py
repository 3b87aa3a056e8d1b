"""``studies``, ``schema``, ``data``, ``env``: lists of what is available."""

from __future__ import annotations

import importlib.util
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rich.table import Table

from scantrial.cli.output import err, out, print_json, print_table, progress_bar
from scantrial.core.errors import DataError
from scantrial.data import catalogue
from scantrial.study import builtin
from scantrial.study.schema import schema as study_schema
from scantrial.train.kernel import kernel_state


def studies(*, as_json: bool) -> None:
    """List the built-in studies with their questions."""
    found = {name: builtin.builtin_title(name) for name in builtin.builtin_names()}
    if as_json:
        print_json({"studies": [{"name": name, "question": question} for name, question in found.items()]})
        return
    _print_pairs(found)


def schema() -> None:
    """Print the JSON Schema of study files."""
    print_json(study_schema())


def data_sets(*, as_json: bool) -> None:
    """List the catalogue of data sets, with the folder of each."""
    rows = [_data_set(name) for name in catalogue.data_set_names()]
    if as_json:
        print_json({"data_sets": rows})
        return
    table = Table("name", "what", "licence", "folder", box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(row["name"], row["title"], row["licence"], row["path"] or "not downloaded")
    print_table(table)


def _data_set(name: str) -> dict[str, Any]:
    entry = catalogue.entry(name)
    try:
        path = str(catalogue.locate(name))
    except DataError:
        path = None
    return {
        "name": name,
        "title": entry.title,
        "licence": entry.licence,
        "citation": entry.citation,
        "homepage": entry.homepage,
        "path": path,
    }


def fetch(name: str, *, as_json: bool) -> None:
    """Download one data set into the cache, and print its licence."""
    with progress_bar() as progress:
        path = catalogue.fetch(name, progress)
    licence = catalogue.entry(name).licence
    if as_json:
        print_json({"name": name, "path": str(path), "licence": licence})
        return
    out.print(str(path))
    err.print(f"licence: {licence}")


def env(*, as_json: bool) -> None:
    """Print versions, cores, devices and engines."""
    facts = {
        "scantrial": version("scantrial"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "packages": {name: _version(name) for name in ("numpy", "scipy", "scikit-learn", "pyarrow", "altair", "torch")},
        **_torch_facts(),
    }
    if as_json:
        print_json(facts)
        return
    devices = ", ".join(facts.pop("devices")) or "none: PyTorch is not installed"
    packages = ", ".join(f"{name} {found or 'not installed'}" for name, found in facts.pop("packages").items())
    engines = {f"engine {name}": state for name, state in facts.pop("engines").items()}
    plain = {key: str(value) for key, value in facts.items()}
    _print_pairs({**plain, "packages": packages, "devices": devices, **engines})


def _torch_facts() -> dict[str, Any]:
    if importlib.util.find_spec("torch") is None:
        missing = 'not available: PyTorch is not installed; pip install "scantrial[train]"'
        return {"devices": [], "engines": {"reference": missing, "fused": missing}}
    from scantrial.train.devices import available_devices  # noqa: PLC0415 - PyTorch only if it is there

    state = kernel_state()
    fused = f"available: {state.reason}" if state.available else f"not available: {state.reason}"
    return {"devices": available_devices(), "engines": {"reference": "available", "fused": fused}}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _print_pairs(pairs: dict[str, str]) -> None:
    width = max(map(len, pairs))
    for name, text in pairs.items():
        out.print(f"{name:<{width}}  {text}")
