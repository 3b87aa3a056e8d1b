"""A trusted network lets no other file beside the study run, in processes that start as a user's do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import HANGS_S

NETWORK = """
import torch
import {near}
class Net(torch.nn.Module):
    def __init__(self, n_outputs):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear({near}.size(), n_outputs))
    def forward(self, images):
        return self.layers(images)
"""

STUDY = """
study: Does one permission open no other door?
data: {source: {name: phantom, n_cases: 40, size: 32}, split: {test: given, val: 0.25}}
recipe: {epochs: 1, model: mlp-32x3}
factors: {model: ["goodpkg.nets:Net", "mynet:Net"]}
seeds: 1
"""

OPTIONAL = ("dill", "triton", "tqdm", "opt_einsum", "evilmod", "numpy", "torch")
"""Modules that libraries look for by themselves, or that are there under the same name."""


def scantrial(*words: str, folder: Path, library: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Carry out a command in a new process in a folder, with a library on ``PYTHONPATH``."""
    paths = [str(library)] * (library is not None) + os.environ.get("PYTHONPATH", "").split(os.pathsep)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "SCANTRIAL_STATE": str(folder.parent / "state"),
    }
    return subprocess.run(
        [sys.executable, "-m", "scantrial", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        check=False,
    )


def test_one_permission_runs_no_other_file(tmp_path):
    """Not a plug-in of PyTorch's, not what libraries import where they can; a module that the network names does run."""
    folder, library = tmp_path / "study", tmp_path / "library"
    (library / "goodpkg").mkdir(parents=True)
    (library / "goodpkg" / "__init__.py").touch()
    (library / "goodpkg" / "sizes.py").write_text("def size():\n    return 1024")
    (library / "goodpkg" / "nets.py").write_text(NETWORK.format(near="goodpkg.sizes"))
    folder.mkdir()
    (folder / "mynet.py").write_text(NETWORK.format(near="helper"))
    (folder / "helper.py").write_text("def size():\n    return 1024")
    (folder / "study.yaml").write_text(STUDY)
    (folder / "evil-1.0.dist-info").mkdir()
    (folder / "evil-1.0.dist-info" / "METADATA").write_text("Name: evil\nVersion: 1.0\n")
    (folder / "evil-1.0.dist-info" / "entry_points.txt").write_text("[torch.backends]\nevil = evilmod:load\n")
    for name in OPTIONAL:
        mark = f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\ndef load(): pass"
        (folder / f"{name}.py").write_text(mark)
    done = scantrial("run", "study.yaml", "--out", "out", "--trust-code", "--json", folder=folder, library=library)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["runs"]) == 3
    assert f"mynet:Net from {folder / 'mynet.py'} and {folder / 'helper.py'}\n" in done.stderr
    assert not (tmp_path / "ran").exists()
    (folder / "helper.py").write_text(mark)
    refused = scantrial("run", "study.yaml", "--out", "out", folder=folder, library=library)
    assert refused.returncode == 2, refused.stderr
    assert f"mynet:Net, from {folder / 'mynet.py'} and {folder / 'helper.py'}\n" in refused.stderr
    assert "goodpkg" not in refused.stderr
    assert not (tmp_path / "ran").exists()


def test_a_command_of_a_module_runs_no_file_of_the_working_directory(tmp_path):
    """``python -m`` puts it on the path of modules; a library is found where it is installed all the same."""
    for name in ("numpy", "typer", "yaml", "pathlib"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')")
    done = scantrial("plan", "demo", folder=tmp_path)
    assert (done.returncode, "shadowed" in done.stderr) == (0, False), done.stderr
