"""The package as a whole: what it offers, what importing it costs, which version it is."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

import scantrial
from scantrial.store.folder import StudyFolder

ROOT = Path(__file__).resolve().parents[2]

SLOW_TO_LOAD = {
    *("torch", "timm", "sklearn", "pandas", "scipy.special", "scipy.stats", "scipy.optimize", "scipy.integrate"),
    *("scipy.ndimage", "skimage", "tifffile", "altair", "vl_convert", "jinja2", "typst", "pooch", "uvicorn"),
}
"""What takes a command from a tenth of a second to several."""


def loaded_by(code: str) -> set[str]:
    """Return the modules that a fresh process holds after running `code`."""
    command = [sys.executable, "-c", f"{code}\nimport sys; print('\\n'.join(sys.modules))"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    """Neither PyTorch nor anything else that takes its time: the public names are loaded when first used."""
    modules = loaded_by("import scantrial")
    assert not modules & {"torch", "numpy", "pyarrow", "sklearn", "scipy", "altair", "pydantic", "rich"}


@pytest.mark.parametrize("code", ["from scantrial.api import *", "import scantrial.cli.main"])
def test_judging_needs_no_torch(code: str):
    """The functions and the command line are there where PyTorch is not."""
    assert "torch" not in loaded_by(code)


def test_commands_start_without_what_is_slow_to_load(make_study: Callable[..., StudyFolder]):
    """They load it when they compute, draw, train or read a TIFF file; here most have nothing to work on."""
    folder = str(make_study(seeds=(0,)).path)
    commands = [[name, "nothing"] for name in ("run", "plan", "audit", "compare")]
    commands += [
        ["show", "nothing", "--case", "1"],
        ["status", folder],
        ["verify", folder],
        ["about", "demo"],
    ]
    code = (
        "import sys\n"
        "from scantrial.cli.main import main\n"
        f"for words in {commands}:\n"
        "    sys.argv = ['scantrial', *words]\n"
        "    try:\n"
        "        main()\n"
        "    except SystemExit:\n"
        "        pass\n"
        "    assert f'scantrial.cli.{words[0]}' in sys.modules, words\n"
        f"    slow = {SLOW_TO_LOAD} & sys.modules.keys()\n"
        "    assert not slow, (words, slow)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", scantrial.__all__)
def test_every_public_name_resolves(name: str):
    """What ``__all__`` promises is there, described, and listed by ``dir``."""
    thing = getattr(scantrial, name)
    assert name in dir(scantrial)
    assert isinstance(thing, str) or thing.__doc__


def test_the_public_names_are_sorted():
    """One place for each name; private ones have none."""
    public = [name for name in scantrial.__all__ if not name.startswith("__")]
    assert public == sorted(set(public))
    assert not any(name.startswith("_") for name in public)


def test_an_unknown_name_is_an_attribute_error():
    """As of any module."""
    with pytest.raises(AttributeError, match="module 'scantrial' has no attribute 'train_everything'"):
        _ = scantrial.train_everything


def test_there_is_one_version():
    """The package, its metadata and the newest entry of the changelog agree."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert scantrial.__version__ == project["version"] == headings[0]


def test_the_package_is_typed():
    """Type checkers of others may rely on our annotations."""
    assert (Path(scantrial.__file__).parent / "py.typed").is_file()


def test_functions_are_not_hidden_by_packages_of_their_name():
    """`scantrial.report` and `scantrial.audit` are functions after another function has loaded those packages."""
    program = (
        "import scantrial\n"
        "scantrial.load_study('demo')\n"
        "assert callable(scantrial.report) and callable(scantrial.audit)\n"
        "from scantrial.findings.view import build_view\n"
        "assert callable(scantrial.report) and callable(build_view)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
