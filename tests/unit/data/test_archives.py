"""Archives of scans: read as the folder that they hold, and nothing outside of it."""

from __future__ import annotations

import io
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from scantrial.core.errors import DataError, StoreError
from scantrial.data import archives
from scantrial.data.archives import is_archive, unpacked
from scantrial.data.load import list_cases, load
from scantrial.data.spec import SourceSpec

PATHS = ("chest/normal/1.png", "chest/normal/2.png", "chest/sick/3.png", "__MACOSX/chest/._1.png", "chest/README.md")


def png(value):
    out = io.BytesIO()
    Image.fromarray(np.full((8, 8), value, dtype=np.uint8)).save(out, "png")
    return out.getvalue()


def content():
    return {path: png(10 * number) if path.endswith(".png") else b"text" for number, path in enumerate(PATHS)}


def pack_zip(path, files=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (files or content()).items():
            archive.writestr(name, data)
    return path


def pack_tar(path, mode, files=None):
    with tarfile.open(path, mode) as archive:
        for name, data in (files or content()).items():
            part = tarfile.TarInfo(name)
            part.size = len(data)
            archive.addfile(part, io.BytesIO(data))
    return path


PACKERS = {
    "x.zip": pack_zip,
    "x.tar": lambda path: pack_tar(path, "w"),
    "x.tar.gz": lambda path: pack_tar(path, "w:gz"),
    "X.TGZ": lambda path: pack_tar(path, "w:gz"),
    "x.tar.bz2": lambda path: pack_tar(path, "w:bz2"),
    "x.tar.xz": lambda path: pack_tar(path, "w:xz"),
}


@pytest.mark.parametrize("name", PACKERS)
def test_an_archive_is_read_as_its_folder(tmp_path, cache, name):
    """Classes, pixels and places are those of the folder inside its own wrapper; hidden files do not count."""
    path = PACKERS[name](tmp_path / name)
    scans = load(SourceSpec(name=str(path)))
    assert scans.sources == ("chest/normal/1.png", "chest/normal/2.png", "chest/sick/3.png")
    assert scans.class_names == ("normal", "sick")
    assert scans.images[:, 0, 0].tolist() == [0, 10, 20]
    assert scans.origin["name"] == str(path)
    assert list((cache / "unpacked").iterdir()) == [cache / "unpacked" / archives.sha256_of(path)]


def test_a_wrong_suffix_does_no_harm(tmp_path):
    """The content decides how an archive is unpacked."""
    path = pack_tar(tmp_path / "x.tar", "w:gz")
    assert len(list_cases(SourceSpec(name=str(path)))) == 3


def test_arrays_in_an_archive(tmp_path):
    """X and y in a folder of the archive."""
    out = {}
    for name, array in {"set/X.npy": np.zeros((4, 5, 5), np.uint8), "set/y.npy": np.arange(4) % 2}.items():
        buffer = io.BytesIO()
        np.save(buffer, array)
        out[name] = buffer.getvalue()
    path = pack_zip(tmp_path / "x.zip", out)
    assert load(SourceSpec(name=str(path), classes=["a", "b"])).class_names == ("a", "b")


APTOS = {
    "train.csv": b"id_code,diagnosis\nx1,0\nx2,1\nx3,1\n",
    "test.csv": b"id_code\ny1\n",
    "sample_submission.csv": b"id_code,diagnosis\ny1,0\n",
    **{f"train_images/x{number}.png": png(number) for number in (1, 2, 3)},
    "test_images/y1.png": png(9),
}
ASKED = {"path": "id_code", "label": "diagnosis"}


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz"])
@pytest.mark.parametrize("around", ["", "set/", "set/tables/"])
def test_a_table_in_an_archive_is_read_with_its_files(tmp_path, name, around):
    """At the top, in a folder around everything, or a folder below; alone with the columns, or named."""
    folder = around.removesuffix("tables/")
    files = {f"{folder if path.endswith('png') else around}{path}": data for path, data in APTOS.items()}
    pack = pack_zip if name == "x.zip" else lambda path, files: pack_tar(path, "w:gz", files)
    path = pack(tmp_path / name, files)
    # From a table in a folder of its own, files are found by their paths.
    options = {**ASKED, "table": "train.csv", **({"folder": "../train_images"} if "tables" in around else {})}
    scans = load(SourceSpec(name=str(path), **options))
    assert scans.labels.tolist() == [0, 1, 1]
    assert scans.images[:, 0, 0].tolist() == [1, 2, 3]
    assert scans.origin["format"] == "table"
    assert load(SourceSpec(name=str(path), **{**options, "table": f"{around}train.csv"})).sources == scans.sources
    del files[f"{around}sample_submission.csv"], options["table"]
    only = pack(tmp_path / f"only-{name}", files)
    assert load(SourceSpec(name=str(only), **options)).labels.tolist() == [0, 1, 1]


def test_a_table_with_the_usual_columns_needs_no_option_and_any_other_is_passed_over(tmp_path):
    files = {
        **content(),
        "chest/scans.csv": b"path,label\nnormal/1.png,a\nsick/3.png,b\n",
        "chest/notes.csv": b"who,what\n",
    }
    path = pack_zip(tmp_path / "x.zip", files)
    scans = list_cases(SourceSpec(name=str(path)))
    assert scans.class_names == ("a", "b")
    assert scans.sources == ("normal/1.png", "sick/3.png")
    del files["chest/scans.csv"]
    assert list_cases(SourceSpec(name=str(pack_zip(tmp_path / "y.zip", files)))).class_names == ("normal", "sick")


def test_which_table_is_meant_is_not_guessed(tmp_path):
    """Several that may be meant, none, and a name of none are refused with the names of the tables."""
    path = pack_zip(tmp_path / "x.zip", APTOS)

    def refusal(**options):
        with pytest.raises(DataError) as caught:
            list_cases(SourceSpec(name=str(path), **options))
        return str(caught.value)

    several = refusal(**ASKED)
    assert f"{path} holds 2 tables with the columns 'id_code', 'diagnosis':\n" in several
    assert "  train.csv" in several
    assert "  sample_submission.csv" in several
    assert "\n  test.csv" not in several
    assert "table: NAME" in several
    none = refusal(path="id_code", label="dx")
    assert "holds no table with the columns 'id_code', 'dx':" in none
    assert "  test.csv" in none
    assert "holds 0 tables called 'no.csv':" in refusal(**ASKED, table="no.csv")
    assert "takes no option 'tabel' (did you mean 'table'?)" in refusal(tabel="train.csv")
    assert "takes no option 'table'" in refusal_of_folder(tmp_path)


def refusal_of_folder(folder):
    with pytest.raises(DataError) as caught:
        list_cases(SourceSpec(name=str(folder), table="train.csv"))
    return str(caught.value)


def test_faults_of_a_table_in_an_archive_name_the_archive(tmp_path):
    """And not the folder in the cache."""
    path = pack_zip(tmp_path / "x.zip", {**APTOS, "train.csv": b"id_code,diagnosis\nx1,0\nx9,1\n"})
    with pytest.raises(DataError, match=r"x\.zip/train\.csv has 1 fault") as caught:
        list_cases(SourceSpec(name=str(path), **ASKED, table="train.csv"))
    assert "line 3: no such file: x9" in str(caught.value)
    assert "unpacked" not in str(caught.value)


def test_it_is_unpacked_once(tmp_path, monkeypatch):
    """A second call only checks the files."""
    path = pack_zip(tmp_path / "x.zip")
    first = unpacked(path)
    monkeypatch.setattr(archives, "_extract", lambda *_: pytest.fail("unpacked again"))
    assert unpacked(path) == first


@pytest.mark.parametrize("damage", ["change", "remove", "add", "no list"])
def test_what_was_changed_in_the_cache_is_unpacked_again(tmp_path, damage):
    """Files that differ from those of the archive, that are missing or that were added are not used."""
    path = pack_zip(tmp_path / "x.zip")
    root = unpacked(path)
    file = root / "chest" / "normal" / "1.png"
    if damage == "change":
        file.write_bytes(png(200))
    elif damage == "remove":
        file.unlink()
    elif damage == "add":
        file.with_name("more.png").write_bytes(png(1))
    else:
        (root.parent / "files.json").unlink()
    assert unpacked(path) == root
    assert file.read_bytes() == content()["chest/normal/1.png"]
    assert not file.with_name("more.png").exists()


@pytest.mark.parametrize(
    "name", ["../x.png", "a/../../x.png", "/etc/x.png", "C:\\x.png", "..\\x.png", "a/" * 40 + "x.png"]
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_no_path_leads_outside(tmp_path, cache, name, kind):
    """Such an archive is refused, and nothing of it is kept."""
    files = {**content(), name: b"x"}
    path = tmp_path / f"x.{kind}"
    pack_zip(path, files) if kind == "zip" else pack_tar(path, "w", files)
    before = sorted(tmp_path.rglob("x.png"))
    with pytest.raises(DataError, match=r"leads outside of it|too deep in folders") as caught:
        unpacked(path)
    assert caught.value.do == "unpack it, and name the folder"
    assert sorted(tmp_path.rglob("x.png")) == before
    assert list((cache / "unpacked").iterdir()) == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    """A link may lead to any file of the user's."""
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        part = tarfile.TarInfo("a/1.png")
        part.type, part.linkname = kind, "/etc/passwd"
        archive.addfile(part)
    with pytest.raises(DataError, match=r"'a/1\.png' is a link or a device, no file"):
        unpacked(path)


def test_links_in_a_zip_are_refused(tmp_path):
    """A zip keeps a link as a file with a mode."""
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        part = zipfile.ZipInfo("a/1.png")
        part.create_system, part.external_attr = 3, 0o120777 << 16
        archive.writestr(part, "/etc/passwd")
    with pytest.raises(DataError, match=r"'a/1\.png' is a link"):
        unpacked(path)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_bombs_are_refused(tmp_path, cache, kind, monkeypatch):
    """What unpacks to far more than scans do is refused by its statement, or while it is unpacked."""
    monkeypatch.setattr(archives, "MAX_UNPACKED", 1 << 20)
    files = {"a/1.png": bytes(8 << 20)}
    path = tmp_path / f"x.{kind}"
    pack_zip(path, files) if kind == "zip" else pack_tar(path, "w:gz", files)
    with pytest.raises(DataError, match="refused as a possible decompression bomb"):
        unpacked(path)
    assert list((cache / "unpacked").iterdir()) == []


def test_a_zip_that_understates_its_size(tmp_path):
    """The statement of a size is not believed: the checksum or the length tells."""
    path = pack_zip(tmp_path / "x.zip", {"a/1.png": b"x" * 5000})
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02") + 24
    data[place : place + 4] = (10).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(DataError, match="not a complete archive"):
        unpacked(path)


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.tar"])
def test_damage(tmp_path, name):
    """An archive that is cut short, or is none, is refused in words."""
    path = PACKERS[name](tmp_path / name)
    path.write_bytes(path.read_bytes()[:-700] if name != "x.tar" else b"no archive at all" * 100)
    with pytest.raises(DataError, match="not a complete archive"):
        unpacked(path)


def test_passwords_and_names_that_stand_twice(tmp_path):
    """Neither can be read as it is meant."""
    path = pack_zip(tmp_path / "x.zip", {"a/1.png": b"x"})
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"'a/1\.png' is locked with a password"):
        unpacked(path)
    twice = tmp_path / "twice.tar"
    with tarfile.open(twice, "w") as archive:
        for _ in range(2):
            part = tarfile.TarInfo("a/1.png")
            part.size = 1
            archive.addfile(part, io.BytesIO(b"x"))
    with pytest.raises(DataError, match=r"a/1\.png stands twice in it"):
        unpacked(twice)


def test_a_refusal_names_the_archive(tmp_path):
    """The user knows the archive, not the folder in the cache."""
    path = pack_zip(tmp_path / "x.zip", {"1.png": png(1), "2.png": png(2)})
    with pytest.raises(DataError) as caught:
        load(SourceSpec(name=str(path)))
    assert str(caught.value).startswith(f"{path} has 1 fault:\n  2 scans are in the folder itself")


def test_options_that_its_folder_does_not_take(tmp_path):
    """What an archive holds is known once it is unpacked: then an option that is not used is refused."""
    path = pack_zip(tmp_path / "x.zip")
    with pytest.raises(DataError, match="classes: a folder tree with class folders takes no option 'classes'"):
        list_cases(SourceSpec(name=str(path), classes=["x", "y"]))


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    """The error names the cache and the way out."""
    path = pack_zip(tmp_path / "x.zip")
    (tmp_path / "file").touch()
    monkeypatch.setenv("SCANTRIAL_CACHE", str(tmp_path / "file"))
    with pytest.raises(StoreError, match="SCANTRIAL_CACHE"):
        unpacked(path)


def test_what_is_an_archive(tmp_path):
    """By the name, and only files."""
    (tmp_path / "a.zip").mkdir()
    assert not is_archive(tmp_path / "a.zip")
    (tmp_path / "b.npz").touch()
    assert not is_archive(tmp_path / "b.npz")
    (tmp_path / "c.Tar.Gz").touch()
    assert is_archive(tmp_path / "c.Tar.Gz")
