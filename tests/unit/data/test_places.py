"""What a study folder says about where scans lie, and what this machine remembers."""

from __future__ import annotations

from pathlib import Path

import pytest

from scantrial.data.places import common_folder, name_without_folders, place_of, remember_place, without_folder

PRINT = "ab" * 32


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANTRIAL_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("chest-xray", "chest-xray"),
        ("phantom", "phantom"),
        ("./scans/b", "./scans/b"),
        ("../scans", "../scans"),
        ("~/scans/b", "~/scans/b"),
        ("~ada/scans/b", "b"),
        ("/home/ada/my scans", "my scans"),
        ("/home/ada/scans/", "scans"),
        ("/", "root"),
    ],
)
def test_only_absolute_paths_are_cut(given: str, stored: str):
    """What the user typed stays otherwise; stored names stay as they are."""
    assert name_without_folders(given) == stored
    assert name_without_folders(stored) == stored


@pytest.mark.parametrize(
    ("path", "name", "base"),
    [
        ("a/b/scans", "/a/b/scans", "a/b"),
        ("a/b/scans/x", "scans/x", "a/b"),
        ("a/b/../scans", "../scans", "a/b"),
        ("a/b/scans", "./scans", "a/b"),
    ],
)
def test_a_place_is_remembered(path: str, name: str, base: str, tmp_path: Path):
    """As the folder that the stored name starts from, and as long as the scans lie there."""
    path, base = tmp_path / path, tmp_path / base
    name = name if not Path(name).is_absolute() else f"{tmp_path}{name}"
    (tmp_path / "a" / "b").mkdir(parents=True)
    path.mkdir(parents=True)
    remember_place(PRINT, path, name)
    assert place_of(PRINT, name_without_folders(name)) == base
    assert base / name_without_folders(name) == path
    path.rmdir()
    assert place_of(PRINT, name_without_folders(name)) is None


def test_what_is_not_known_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Also where the cache cannot be written, or a folder names no fingerprint."""
    assert place_of(PRINT, "b") is None
    assert place_of("../../etc/passwd", "b") is None
    (tmp_path / "file").touch()
    monkeypatch.setenv("SCANTRIAL_CACHE", str(tmp_path / "file"))
    remember_place(PRINT, Path("/a/b"), "b")
    assert place_of(PRINT, "b") is None


def test_absolute_names_of_scans_lose_what_they_share():
    """Relative ones stay, and so does everything else."""
    sources = ["/home/ada/scans/a/1.png", "/home/ada/scans/b/2.png", "c/3.png"]
    folder = common_folder(sources)
    assert folder == "/home/ada/scans/"
    assert without_folder(sources, folder) == ["a/1.png", "b/2.png", "c/3.png"]
    assert without_folder({"n": 1, "said": [f"{sources[0]} is dark"]}, folder) == {"n": 1, "said": ["a/1.png is dark"]}
    assert common_folder(["a/1.png"]) == ""
    assert common_folder(["/1.png", "/a/2.png"]) == ""
    assert without_folder(["a/1.png"], "") == ["a/1.png"]
