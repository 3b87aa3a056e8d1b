"""The catalogue: what it says of each data set, where it looks, what it fetches."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
from dataclasses import replace

import numpy as np
import pytest

from scantrial.core.errors import DataError, DownloadError, InputError
from scantrial.core.registry import Registry
from scantrial.data import catalogue
from scantrial.data.catalogue import data_set_names, entry, fetch, locate
from scantrial.data.load import load
from scantrial.data.spec import SourceSpec

MEDMNIST = ("pneumoniamnist", "breastmnist", "bloodmnist", "octmnist", "dermamnist", "retinamnist")


@pytest.fixture(autouse=True)
def nothing_here(monkeypatch):
    """No data of the machine's own."""
    monkeypatch.delenv("SCANTRIAL_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def mirror(tmp_path):
    """A folder, and the address under which a server on this machine gives it away."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}/files"
    server.shutdown()
    thread.join()
    server.server_close()


def course_arrays() -> dict[str, np.ndarray]:
    """Small arrays where the course's large ones stand."""
    shapes = {"train/normal.npy": 3, "train/pneumonia.npy": 4, "test/test_normal.npy": 2, "test/test_pneumonia.npy": 2}
    return {path: np.full((n, 16, 16), n, dtype=np.uint8) for path, n in shapes.items()}


@pytest.fixture
def small_course(mirror, monkeypatch):
    """The course's entry with the hashes of small files that the mirror has; returns the mirror's address."""
    folder, url = mirror
    files = []
    for file in entry("course-xray").files:
        path = folder / "files" / file.address
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, course_arrays()[file.address])
        content = path.read_bytes()
        digest = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        files.append(replace(file, size=len(content), hash=f"git-blob-sha1:{digest}"))
    small = replace(entry("course-xray"), files=tuple(files))
    monkeypatch.setattr(catalogue, "CATALOGUE", Registry("public data set", {"course-xray": small}))
    return url


def test_the_catalogue_holds_the_promised_sets():
    """All eight are there, each with title, licence, citation, home page and a way to get it."""
    assert set(data_set_names()) == {"course-xray", "chest-xray", *MEDMNIST}
    for name in data_set_names():
        found = entry(name)
        assert found.name == name
        assert all((found.title, found.licence, found.citation, found.homepage, found.obtain, found.notes))
        assert found.to_dict()["name"] == name


def test_a_misspelt_name_is_told_the_right_one():
    """An unknown name is refused with the nearest."""
    with pytest.raises(InputError, match=r"no public data set is called 'pneumonia-mnist'.*'pneumoniamnist'"):
        locate("pneumonia-mnist")


def test_the_addresses_are_the_publishers():
    """Base address and file make the whole address; a mirror replaces the base only."""
    course, blood = entry("course-xray"), entry("bloodmnist")
    assert [course.url(file) for file in course.files] == [
        f"https://raw.githubusercontent.com/TacoXDD/homeworks/master/dataset/{path}" for path in course_arrays()
    ]
    assert blood.url(blood.files[0]) == "https://zenodo.org/record/6496656/files/bloodmnist.npz?download=1"
    assert blood.url(blood.files[0], base_url="http://here/x") == "http://here/x/bloodmnist.npz?download=1"


def test_licences_are_stated_as_they_are():
    """The course's files have no stated licence, DermaMNIST is not for commercial use."""
    assert entry("course-xray").licence == "not stated by the publishers"
    assert entry("dermamnist").licence == "CC BY-NC 4.0"
    assert {entry(name).licence for name in MEDMNIST if name != "dermamnist"} == {"CC BY 4.0"}
    assert entry("chest-xray").licence == "CC BY 4.0"


@pytest.mark.parametrize("name", ["course-xray", "pneumoniamnist"])
def test_a_set_that_is_not_here_says_how_to_fetch_it(name):
    """The message names where was looked, what it is, and the command."""
    with pytest.raises(DataError, match=r"looked for .*SCANTRIAL_DATA is not set") as caught:
        locate(name)
    assert f"scantrial data fetch {name}" in str(caught.value)
    assert entry(name).licence in str(caught.value)


@pytest.mark.parametrize("act", [locate, fetch])
def test_a_set_without_a_fixed_address_says_where_it_comes_from(act):
    """chest-xray cannot be fetched: the message gives the DOI and the folder to put it in."""
    with pytest.raises(DataError) as caught:
        act("chest-xray")
    message = str(caught.value)
    assert "https://doi.org/10.17632/rscbjbr9sj" in message
    assert "$SCANTRIAL_DATA/chest_xray" in message


def test_the_users_data_folder_comes_first(tmp_path, cache, monkeypatch):
    """What lies under SCANTRIAL_DATA is taken before what lies in the cache, and is never fetched."""
    (cache / "data").mkdir(parents=True)
    (cache / "data" / "octmnist.npz").write_bytes(b"cached")
    assert locate("octmnist") == cache / "data" / "octmnist.npz"
    own = tmp_path / "own"
    own.mkdir()
    (own / "octmnist.npz").write_bytes(b"own")
    monkeypatch.setenv("SCANTRIAL_DATA", str(own))
    assert locate("octmnist") == own / "octmnist.npz"
    assert fetch("octmnist", base_url="http://127.0.0.1:9/nothing") == own / "octmnist.npz"
    (own / "chest_xray").mkdir()
    assert locate("chest-xray") == own / "chest_xray"


def test_fetch_brings_all_files_and_a_second_fetch_asks_for_nothing(small_course, cache, mirror):
    """Four files arrive, verified; afterwards the server is not needed."""
    told = []
    folder = fetch("course-xray", lambda *now: told.append(now), base_url=small_course)
    assert folder == cache / "data" / "course-xray" == locate("course-xray")
    for path, array in course_arrays().items():
        assert (np.load(folder / path) == array).all()
    assert {what for what, _, _ in told} == {f"fetching {path.split('/')[1]}" for path in course_arrays()}
    told.clear()
    assert fetch("course-xray", lambda *now: told.append(now), base_url=small_course) == folder
    assert told == []


def test_fetch_mends_a_damaged_file(small_course, cache):
    """A file in the cache with another hash is fetched again."""
    folder = fetch("course-xray", base_url=small_course)
    (folder / "train" / "normal.npy").write_bytes(b"damaged")
    fetch("course-xray", base_url=small_course)
    assert (np.load(folder / "train" / "normal.npy") == course_arrays()["train/normal.npy"]).all()


def test_a_set_of_which_a_file_is_missing_is_not_here(small_course, cache, mirror):
    """A fetch that fails at the third file leaves two; locate refuses them, and the next fetch brings the rest."""
    third = mirror[0] / "files" / "test" / "test_normal.npy"
    hidden = third.rename(third.with_suffix(".hidden"))
    with pytest.raises(DownloadError, match="404"):
        fetch("course-xray", base_url=small_course)
    with pytest.raises(DataError):
        locate("course-xray")
    hidden.rename(third)
    assert fetch("course-xray", base_url=small_course) == locate("course-xray")


def test_the_courses_files_load_as_scans(small_course):
    """What was fetched loads by its name: classes in the course's order, the course's own splits, the licence kept."""
    fetch("course-xray", base_url=small_course)
    scans = load(SourceSpec(name="course-xray"))
    assert scans.class_names == ("normal", "pneumonia")
    counts = {(part, int(label)): 0 for part in ("train", "test") for label in (0, 1)}
    for part, label in zip(scans.split, scans.labels, strict=True):
        counts[str(part), int(label)] += 1
    assert counts == {("train", 0): 3, ("train", 1): 4, ("test", 0): 2, ("test", 1): 2}
    assert scans.origin["licence"] == "not stated by the publishers"


def test_a_medmnist_file_loads_with_its_class_names(tmp_path, monkeypatch):
    """Label numbers get the publishers' class names."""
    splits = {"train": 16, "val": 8, "test": 8}
    arrays = {f"{part}_images": np.zeros((n, 28, 28, 3), dtype=np.uint8) for part, n in splits.items()}
    arrays |= {f"{part}_labels": np.arange(n, dtype=np.uint8)[:, None] % 8 for part, n in splits.items()}
    np.savez(tmp_path / "bloodmnist.npz", **arrays)
    monkeypatch.setenv("SCANTRIAL_DATA", str(tmp_path))
    scans = load(SourceSpec(name="bloodmnist"))
    assert scans.class_names == entry("bloodmnist").reader_options["classes"]
    assert scans.labels[:9].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 0]
