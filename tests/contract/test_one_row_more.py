"""A network, a loss and a kind of image file cost a module and a row each: added to a copy of the program, all three work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import scantrial

MODULES = {
    "data/codecs/raw.py": """
        from __future__ import annotations

        from pathlib import Path

        import numpy as np

        from scantrial.data.codecs.base import Claim, Codec, starts_with
        from scantrial.data.spec import ImageSpec


        def _decode(path: Path, claim: Claim, image: ImageSpec) -> np.ndarray:
            sizes, pixels = path.read_bytes().split(b"\\n255\\n", 1)
            width, height = map(int, sizes.split()[1:])
            return np.frombuffer(pixels, np.uint8).reshape(height, width)


        RAW = Codec(title="raw", suffixes=(".raw",), recognises=starts_with(b"RAW5"), decode=_decode)
    """,
    "nets/pooled.py": """
        from torch import nn

        from scantrial.nets.layers import named_sequence


        def build_pooled(spec, image_shape, n_outputs):
            n = 4 * image_shape[0]
            pool = nn.AdaptiveAvgPool2d(2)
            return named_sequence(pool=pool, flatten=nn.Flatten(), head=nn.Linear(n, n_outputs))
    """,
    "nets/brier.py": """
        from dataclasses import dataclass

        from torch.nn import functional

        from scantrial.nets.heads import Head


        @dataclass(frozen=True, slots=True, kw_only=True)
        class BrierHead(Head):
            def _case_losses(self, logits, y_true):
                return (logits.softmax(dim=1) - functional.one_hot(y_true, self.n_classes)).square().sum(dim=1)
    """,
}
ROWS = {
    "data/codecs/table.py": [
        (
            "import jpeg2000, netpbm, nifti, pillow, png, tiff, unread",
            "import jpeg2000, netpbm, nifti, pillow, png, raw, tiff, unread",
        ),
        ('"tiff": tiff.TIFF,', '"tiff": tiff.TIFF, "raw": raw.RAW,'),
    ],
    "recipe/networks.py": [
        (
            "_ROWS = (",
            '_ROWS = (Network(name="pooled", builder="scantrial.nets.pooled:build_pooled", describe=lambda _: '
            '"a linear layer on four means"),',
        ),
    ],
    "recipe/losses.py": [
        (
            "_ROWS = (",
            '_ROWS = (Loss(name="brier", head="scantrial.nets.brier:BrierHead", probabilities="softmax", '
            'describe=lambda _: "the Brier score of one output per class"),',
        ),
    ],
}
STUDY = """
    study: Does the Brier score do better than cross-entropy?
    data: {source: scans, split: {train: 6, val: 4, test: 6, per: class}}
    recipe: {model: pooled, loss: brier, epochs: 2, batch_size: 4}
    factors: {loss: [brier, ce]}
    seeds: 2
"""


@pytest.fixture
def program(tmp_path) -> Path:
    """Copy the source, and add the modules and the rows: six files in all."""
    package = tmp_path / "src" / "scantrial"
    shutil.copytree(Path(scantrial.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in MODULES.items():
        (package / name).write_text(textwrap.dedent(text).lstrip())
    for name, changes in ROWS.items():
        text = (package / name).read_text()
        for old, new in changes:
            assert text.count(old) == 1
            text = text.replace(old, new)
        (package / name).write_text(text)
    return package.parent


def test_a_module_and_a_row_are_enough(program, tmp_path):
    """The scans are decoded, the arms trained, and the report calls the network and the loss what their rows say."""
    rng = np.random.default_rng(0)
    for case in range(32):
        folder = tmp_path / "scans" / ("dark" if case % 2 else "bright")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 200, (16, 16)).astype(np.uint8) + np.uint8(40 * (case % 2 == 0))
        (folder / f"{case}.raw").write_bytes(b"RAW5\n16 16\n255\n" + pixels.tobytes())
    (tmp_path / "study.yaml").write_text(textwrap.dedent(STUDY))
    env = {**os.environ, "PYTHONPATH": str(program), "HOME": str(tmp_path)}

    def scantrial_(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "scantrial", *words],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    scantrial_("run", "study.yaml", "--out", "out", "--workers", "1", "--threads", "1")
    scantrial_("report", "out", "--format", "md")
    report = (tmp_path / "out" / "report" / "report.md").read_text()
    for words in (
        "a linear layer on four means",
        "the Brier score of one output per class (",
        "cross-entropy on one output per class (",
        "12 for training, 8 for validation and 12 for test",
    ):
        assert words in report, words
    schema = scantrial_("schema")
    assert '"pooled"' in schema
    assert '"brier"' in schema
