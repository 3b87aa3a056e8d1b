"""Whatever a disk, a person or a stranger does to a study folder, every command answers in words."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.siege.commands import readings
from tests.siege.damage import damage

STUDIES = Path(__file__).resolve().parents[1] / "old_studies" / "0.1.0"
N_FOLDERS = 60

TURNS = {"status": 4, "show": 3, "verify": 3, "compare --json": 4, "predict": 8, "about": 10, "pages": 16, "report": 20}
"""Which folders each command reads, since all by all would take minutes: every so manieth."""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image file to predict."""
    path = tmp_path / "image.png"
    Image.fromarray(np.zeros((16, 16), dtype=np.uint8)).save(path)
    return path


@pytest.mark.parametrize("part", range(2))
def test_a_damaged_folder_is_read_or_refused_in_words(tmp_path: Path, image: Path, part: int) -> None:
    """No damage to the files of a study ends a command in anything but its result or an error of the tree."""
    for seed in range(part, N_FOLDERS, 2):
        rng, folder = random.Random(seed), tmp_path / str(seed) / "study"
        # Folders of an earlier version, since no hash protects their files.
        shutil.copytree(STUDIES / rng.choice(["demo", "unfinished"]), folder)
        done = damage(folder, rng)
        for name, check in readings(folder, image).items():
            if name in TURNS and seed % TURNS[name] == part % TURNS[name]:
                try:
                    check()
                except BaseException as error:
                    error.add_note(f"seed {seed}, {name} after: {done}")
                    raise
        shutil.rmtree(folder.parent)
