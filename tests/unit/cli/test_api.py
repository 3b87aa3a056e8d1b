"""The functions behind the commands: what they refuse before any work, and where they put a study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scantrial import api
from scantrial.core.errors import InputError


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"checkpoint_every_s": float("nan")}, "--checkpoint-every nan"),
        ({"checkpoint_every_s": -1}, "--checkpoint-every -1"),
        ({"engine": "refrence"}, "did you mean 'reference'"),
        ({"engine": "fused", "device": "mps"}, "arm base: the fused engine trains on the CPU, not on mps"),
        ({"device": "gpu"}, "no device is called 'gpu'"),
        ({"workers": 0}, "--workers 0"),
        ({"workers": "many"}, "--workers many"),
        ({"worker": 2}, "did you mean 'workers'"),
    ],
)
def test_options_that_cannot_be_used_are_refused_first(options, words, tmp_path):
    """A wrong option of `run` is refused with what would be right, before a scan is read or a folder made."""
    with pytest.raises(InputError, match=words) as caught:
        api.run("demo", out=tmp_path / "study", **options)
    assert caught.value.expected or caught.value.do
    assert caught.value.exit_code == 2
    assert not (tmp_path / "study").exists()


def test_unknown_names_come_with_the_known_ones():
    """An unknown engine or device is answered with all that there are."""
    with pytest.raises(InputError) as caught:
        api.run("demo", device="tpu")
    assert caught.value.expected == "one of auto, cpu, cuda, mps"
    with pytest.raises(InputError) as caught:
        api.run("demo", engine="fast")
    assert caught.value.expected == "one of auto, reference, fused"


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("My study", "my-study"),
        ("研究", "研究"),
        ("试验", "试验"),
        ("lr 研究: a/b?", "lr-研究-a-b"),
        ("Röntgen", "Röntgen"),
        ("हिन्दी", "हिन्दी"),
        ("🫁", "🫁"),
    ],
)
def test_the_folder_keeps_the_letters_of_the_name(name, folder):
    """A study's own folder has its name; letters that a slug would lose stay, so that no two studies share one."""
    study = replace(api.load_study("demo"), name=name)
    assert api.default_folder(study) == Path(folder)
