"""``scantrial init``: a study file that runs, from ten layouts of scans, each line with its reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.dicom_files import write_dicom

from scantrial import api
from scantrial.api.scan_source import load_source
from scantrial.cli import init
from scantrial.core.errors import InputError
from scantrial.data.patient_names import guess_patients
from scantrial.data.splits import apply_split


def save(root: Path, name: str, *, side: int = 24, colour: bool = False, seed: int = 0) -> None:
    pixels = np.random.default_rng([seed, len(name), sum(name.encode())]).integers(
        0, 255, (side, side, 3), dtype=np.uint8
    )
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels if colour else pixels[..., 0]).save(root / name)


def folder(root: Path) -> Path:
    for name in ("Normal", "COVID"):
        for i in range(20):
            save(root, f"{name}/{name}{i}.png")
    return root


def split_folders(root: Path) -> Path:
    for split, n in (("train", 20), ("test", 6)):
        for name in ("normal", "ill"):
            for i in range(n):
                save(root, f"{split}/{name}/{split}{name}{i}.png")
    return root


def three_splits(root: Path) -> Path:
    for split, n in (("train", 25), ("val", 25), ("test", 10)):
        for name in ("negative", "positive"):
            for i in range(n):
                save(root, f"{split}/{name}/{i}{split}.png")
    return root


def mixed_sizes(root: Path) -> Path:
    for name in ("NORMAL", "PNEUMONIA"):
        for i in range(110):
            save(root, f"{name}/scan{i}.png", side=30 + i % 40)
    return root


def gray_and_rgb(root: Path) -> Path:
    for name in ("benign", "malignant"):
        for i in range(20):
            save(root, f"{name}/{i}.png", side=40, colour=i % 2 == 0)
    return root


def medmnist(root: Path) -> Path:
    rng = np.random.default_rng(1)
    root.mkdir()
    sizes = {"train": 60, "val": 60, "test": 30}
    images = {f"{split}_images": rng.integers(0, 255, (n, 28, 28), dtype=np.uint8) for split, n in sizes.items()}
    labels = {f"{split}_labels": (np.arange(n) % 2)[:, None] for split, n in sizes.items()}
    np.savez(root / "set.npz", **images, **labels)
    return root / "set.npz"


def table(root: Path, *, patients: bool) -> Path:
    rows = ["path,label" + (",patient" if patients else "")]
    for i in range(36):
        save(root, f"files/{i}.png")
        rows.append(f"files/{i}.png,{('healthy', 'ill')[i % 2]}" + (f",P{i // 3}" if patients else ""))
    (root / "scans.csv").write_text("\n".join(rows) + "\n")
    return root / "scans.csv"


def arrays(root: Path) -> Path:
    root.mkdir()
    for number, name in enumerate(("cat", "dog", "cow")):
        pixels = np.random.default_rng(number).integers(0, 255, (15, 50, 40), dtype=np.uint8)
        np.save(root / f"{name}.npy", pixels)
    return root


def imbalance(root: Path) -> Path:
    for name, n in (("ctrl", 60), ("AD", 15)):
        for i in range(n):
            save(root, f"{name}/p{i // 2:03}_{i}.png")
    return root


def few_patients(root: Path) -> Path:
    for name in ("no_tumor", "tumor"):
        for i in range(12):
            save(root, f"{name}/person{i // 3 + 4 * (name == 'tumor')}_slice{i}.png")
    return root


def patient_folders(root: Path) -> Path:
    for name in ("control", "case"):
        for i in range(18):
            save(root, f"{name}/{name[:2]}{i // 3}/{i}.png")
    return root


LAYOUTS = {
    patient_folders: ["patient: folder", "split: {folds: 5, by: patient}", "classes: [control, case]"],
    folder: ["classes: [Normal, COVID]", "image: {size: 24, channels: 1}", "split: {folds: 5}", "loss: ce"],
    split_folders: ["classes: [normal, ill]", "split: {test: given, val: 0.2}"],
    three_splits: ["classes: [negative, positive]", "split: given"],
    mixed_sizes: ["image: {size: 48, channels: 1}", "split: {train: 0.7, val: 0.15, test: 0.15}"],
    gray_and_rgb: ["image: {size: 32, channels: 3}", "classes: [benign, malignant]"],
    medmnist: ["image: {size: 28, channels: 1}", "split: given"],
    "table with patients": ["# Known from the source: 12 patients.", "split: {folds: 5, by: patient}"],
    "table without": ["# patient: '(p[0-9]+)_'", "split: {folds: 5}"],
    arrays: ["image: {size: [40, 32], channels: 1}", "# classes: [cat, cow, dog]", "metric: accuracy"],
    imbalance: ["loss: {name: ce, class_weights: balanced}", "by: patient}", r"patient: '(?i)", "classes: [ctrl, AD]"],
    few_patients: ["classes: [no_tumor, tumor]", "split: {folds: 4, by: patient}", "by: patient"],
}
TABLES = {"table with patients": True, "table without": False}


def made(layout, root: Path) -> Path:
    return table(root, patients=TABLES[layout]) if layout in TABLES else layout(root)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout if isinstance(layout, str) else layout.__name__)
def test_a_study_file_is_written_for_it_that_is_read_and_loads(layout, tmp_path, monkeypatch):
    """The lines that follow from these scans; the file has no fault, its scans load and are divided as it says."""
    monkeypatch.chdir(tmp_path)
    written = api.init(made(layout, tmp_path / "my scans"), out="study.yaml")
    text = (tmp_path / "study.yaml").read_text(encoding="utf-8")
    assert text == written.draft.text
    for line in LAYOUTS[layout]:
        assert line in text
    study = api.load_study(tmp_path / "study.yaml")
    scans = api.load_scans(study.spec.data, base=study.base)
    assert {"train", "val", "test"} <= set(scans.split.tolist())
    assert study.spec.primary.margin is None
    assert all(one.reason for one in written.draft.lines)


def with_columns(root: Path, header: str, row: Callable[[int], str], *, n: int = 36) -> Path:
    """Write scans s0.png ... in a folder, and a table beside them; return the table."""
    for i in range(n):
        save(root, f"images/s{i}.png", seed=i)
    (root / "t.csv").write_text("\n".join([header, *map(row, range(n))]) + "\n")
    return root / "t.csv"


HOT = (
    "person,image,MEL,NV,BCC",
    lambda i: f"P{i // 3},s{i},{','.join('1.0' if k == i % 3 else '0.0' for k in range(3))}",
)
DX = "image_id,dx,sex,lesion_id", lambda i: f"s{i},{('nv', 'mel')[i % 2]},{'FM'[i // 2 % 2]},HAM_{i // 2}"
ONE = "file,malignant", lambda i: f"s{i}.png,{i % 2}"


@pytest.mark.parametrize(
    ("columns", "line", "classes"),
    [
        (HOT, "{name: set/t.csv, path: image, label: [MEL, NV, BCC], patient: person}", ("BCC", "MEL", "NV")),
        (DX, "{name: set/t.csv, path: image_id, label: dx, patient: lesion_id}", ("mel", "nv")),
        (ONE, "{name: set/t.csv, path: file, label: malignant}", ("not malignant", "malignant")),
    ],
    ids=["one-hot", "ids", "one column of 0 and 1"],
)
@pytest.mark.parametrize("given", ["set", "set/t.csv"])
def test_the_columns_of_a_table_are_found(columns, line, classes, given, tmp_path, monkeypatch):
    """A table, or a folder with one beside its scans: the file says the columns and loads; the audit tells them."""
    monkeypatch.chdir(tmp_path)
    with_columns(tmp_path / "set", *columns)
    written = api.init(given, out="study.yaml")
    assert f"source: {line}" in written.draft.text
    assert "Labels from the table t.csv: 36 of 36 scans are in its 36 rows" in written.draft.text.replace("\n  # ", " ")
    study = api.load_study("study.yaml")
    scans = api.load_scans(study.spec.data, base=study.base)
    assert scans.class_names == classes
    audited = load_source(given, {})
    assert audited.scans.class_names == classes
    assert "labels from the table t.csv: 36 of 36 scans are in its 36 rows" in audited.lines


def test_columns_that_may_be_meant_are_named_and_an_option_says_which(tmp_path, cli_in):
    """Two columns may be the label: both are told with their values; the option chooses, for init and audit alike."""
    with_columns(tmp_path, "name,finding,grade,age", lambda i: f"s{i}.png,{['no', 'yes'][i % 2]},{i % 3},{40 + i}")
    for command in ("init", "audit"):
        told = cli_in(command, "t.csv", cwd=tmp_path)
        assert told.returncode == 2
        assert "finding (no 18, yes 18)\n  grade (0 12, 1 12, 2 12)" in told.stderr
        assert "--label COLUMN" in told.stderr
    assert "label: grade}" in cli_in("init", "t.csv", "--label", "grade", cwd=tmp_path).stdout
    told = cli_in("audit", "t.csv", "--label", "grade", "--path", "name", "--patient", "age", cwd=tmp_path)
    assert "patient: age (36 different)" in told.stdout
    assert (
        "no column 'gade' (did you mean 'grade'?)" in cli_in("audit", "t.csv", "--label", "gade", cwd=tmp_path).stderr
    )


def test_several_labels_of_a_scan_are_refused_by_their_name(tmp_path):
    """Rows with several 1 or none make a multi-label set, guessed or named; one of the columns alone is a label."""
    place = with_columns(tmp_path, "name,A,B", lambda i: f"s{i}.png,{i % 2},{int(i % 3 == 0)}")
    for options in ({}, {"label": ["A", "B"]}):
        with pytest.raises(InputError, match=r"6 rows with a 1 in several of them, 12 with none: a multi-label set"):
            api.audit(place, **options)
    assert load_source(str(place), {"label": ["B"]}).scans.class_names == ("not B", "B")


def test_class_folders_come_before_a_table_that_says_less(tmp_path, monkeypatch):
    """Class folders are kept where no column is called a label; a column that is, and an option, win over them."""
    monkeypatch.chdir(tmp_path)
    for i in range(36):
        save(tmp_path, f"set/{('ill', 'well')[i % 2]}/s{i}.png")
    table = Path("set/t.csv")
    table.write_text("file,group\n" + "".join(f"s{i}.png,{'FM'[i // 2 % 2]}\n" for i in range(36)))
    told = load_source("set", {})
    assert told.scans.class_names == ("ill", "well")
    assert told.lines[0].startswith("labels from the class folders, not from t.csv")
    assert load_source("set", {"label": ["group"]}).scans.class_names == ("F", "M")
    table.write_text(table.read_text().replace("group", "diagnosis"))
    assert load_source("set", {}).scans.class_names == ("F", "M")


def test_volumes_and_numbers_that_are_no_pixels(tmp_path, monkeypatch):
    """Each frame of DICOM files is a case, of floating-point files the range is that of all, and options say others."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    for i in range(16):
        pixels = rng.integers(0, 900, (2, 8, 8), dtype=np.uint16)
        pixels[0, 0] = 2
        write_dicom(Path(f"volumes/{'ab'[i % 2]}/{i}"), pixels, PatientID=f"p{i}", SOPInstanceUID=f"1.2.{i + 1}")
        Path(f"floats/{'ab'[i % 2]}").mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(f"floats/{'ab'[i % 2]}/{i}.tif", np.float32(pixels[0] / 1000))
    text = api.init("volumes", out="volumes.yaml").draft.text
    assert "image: {size: 8, channels: 1, frame: all}" in text
    assert "by: patient" in text
    assert "image: {size: 8, channels: 1, frame: 1}" in api.init("volumes", out="one.yaml", frame=1).draft.text
    assert "image: {size: 8, channels: 1, range: [0.00" in api.init("floats", out="floats.yaml").draft.text
    assert "range: [0, 1]}" in api.init("floats", out="unit.yaml", range=(0, 1)).draft.text
    for name, n in (("volumes", 32), ("one", 16), ("floats", 16), ("unit", 16)):
        study = api.load_study(f"{name}.yaml")
        assert len(api.load_scans(study.spec.data, base=study.base)) == n
    assert len(load_source("volumes", {"frame": 0}).scans) == 16


def test_proportions_that_differ_are_told(tmp_path, monkeypatch):
    """Squares and wide scans: `fit: pad` is offered; squares of other sizes need none."""
    monkeypatch.chdir(tmp_path)
    for i in range(16):
        pixels = np.full((30, 30 + 3 * (i // 2)), 10 * i, np.uint8)
        Path(f"wide/{'ab'[i % 2]}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(f"wide/{'ab'[i % 2]}/{i}.png")
        save(tmp_path, f"square/{'ab'[i % 2]}/{i}.png", side=30 + i)
    assert "fit: pad" in api.init("wide", out="wide.yaml").draft.text
    assert "fit: pad" not in api.init("square", out="square.yaml").draft.text


@pytest.mark.parametrize("gap", ["files/none.png,ill", "files/0.png,"])
def test_a_table_with_a_missing_file_or_label_is_audited_and_drafted(gap, tmp_path, monkeypatch):
    """The row is left out, the audit tells of it, and the draft says the line with which it loads."""
    monkeypatch.chdir(tmp_path)
    place = table(tmp_path / "t", patients=False)
    place.write_text(place.read_text().replace("files/0.png,healthy", gap))
    assert "AU044" in [one.code for one in api.audit(place).findings]
    written = api.init(place, out="study.yaml")
    assert "Left out, and counted in the report: 1 row w" in written.draft.text
    study = api.load_study(written.path)
    assert len(api.load_scans(study.spec.data, base=study.base)) == 35


def test_masks_beside_the_scans_are_left_out_and_not_counted(tmp_path, monkeypatch):
    """The draft has the line with its reason, counts scans alone, takes their size and channels, and loads them."""
    monkeypatch.chdir(tmp_path)
    for name in ("benign", "malignant"):
        for i in range(20):
            save(tmp_path, f"busi/{name}/{name} ({i}).png", side=40, colour=True)
            save(tmp_path, f"busi/{name}/{name} ({i})_mask.png", side=30)
    written = api.init("busi", out="study.yaml")
    assert 'ignore: "*_mask*.png"' in written.draft.text
    assert (
        "# 40 files that look like masks, not scans (benign (0)_mask.png beside benign (0).png)" in written.draft.text
    )
    assert "40 scans (20 benign and 20 malignant)" in written.draft.text
    assert "all 40 x 40 pixels. Channels: all with 3 channels" in written.draft.text
    study = api.load_study(written.path)
    assert len(api.load_scans(study.spec.data, base=study.base)) == 40
    save(tmp_path, "busi/benign/other_mask.png")
    draft = api.init("busi", out="other.yaml").draft
    assert next(one for one in draft.lines if one.key == "data.ignore").line == ""
    assert "move them to another folder" in draft.text.replace("\n  # ", " ")


def test_a_written_file_trains(tmp_path, monkeypatch, quick_workers):
    """The file of mixed sizes, patients in the names and a torn scan: one epoch of each arm, then a report."""
    monkeypatch.chdir(tmp_path)
    for name in ("NORMAL", "PNEUMONIA"):
        for i in range(12):
            save(tmp_path, f"scans/{name}/person{i // 2 + 10 * (name == 'NORMAL')}_{i}.png", side=30 + i % 8)
    (tmp_path / "scans" / "NORMAL" / "person1_99.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    written = api.init("scans")
    assert written.path == Path("scans-study.yaml")
    assert "skip_unreadable: true" in written.draft.text
    outcome = api.run("scans-study.yaml", seeds=1, sets=["recipe.epochs=1", "data.split.folds=3"])
    assert len(outcome.trained) == 2 * 3
    assert not outcome.failed


def test_a_file_that_is_there_is_never_written_over(tmp_path, cli_in, monkeypatch, capsys):
    """The command prints the file and the next steps; a second call is refused and changes nothing."""
    folder(tmp_path / "scans")
    told = cli_in("init", "scans", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert told.stdout == (tmp_path / "scans-study.yaml").read_text(encoding="utf-8")
    assert "scantrial run scans-study.yaml" in told.stderr
    (tmp_path / "scans-study.yaml").write_text("mine")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"scans-study\.yaml is there already") as caught:
        api.init("scans")
    assert caught.value.do == "give another name with --out FILE"
    assert (tmp_path / "scans-study.yaml").read_text() == "mine"
    init.init("scans", out=Path("other.yaml"), as_json=True)
    as_json = json.loads(capsys.readouterr().out)
    assert as_json["path"] == "other.yaml"
    assert {"key", "line", "reason"} == set(as_json["draft"]["lines"][0])


def test_a_study_file_is_not_scans(tmp_path):
    """`init` of a study file says what it takes."""
    with pytest.raises(InputError, match="is a study file"):
        api.init(tmp_path / "study.yaml")


def test_names_of_strangers_stay_within_their_lines(tmp_path, monkeypatch):
    """A class or folder whose name has a newline, a colon and a quote adds no key to the file."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / 'a: "b"\n  c'
    for name in ("x: [1]\nseeds: 9", "y # z"):
        for i in range(8):
            save(root, f"{name}/{i}.png")
    written = api.init(root, out="study.yaml")
    study = api.load_study(written.path)
    assert study.spec.seeds == 1
    assert study.spec.data.classes == ("x: [1]\nseeds: 9", "y # z")


def test_scans_too_few_for_any_split_are_refused(tmp_path, monkeypatch):
    """Two scans of a class cannot train, validate and test: the classes are named, and no file is written."""
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        for i in range(2):
            save(tmp_path / "scans", f"{name}/{i}.png")
    with pytest.raises(InputError, match="class 'a' has 2 scans"):
        api.init("scans")
    assert not list(tmp_path.glob("*.yaml"))


def test_a_slip_in_a_label_is_told(tmp_path, monkeypatch):
    """One row of a table has a class of its own, nearly the name of another."""
    monkeypatch.chdir(tmp_path)
    rows = [f"s{i}.png,{('normal', 'effusion')[i % 2]}" for i in range(40)] + ["s40.png,efusion"]
    for i in range(41):
        save(tmp_path / "set", f"s{i}.png")
    Path("set/t.csv").write_text("file,finding\n" + "\n".join(rows))
    with pytest.raises(InputError, match=r"class 'efusion' has 1 scan \(did you mean 'effusion'\?\)"):
        api.init("set")


def test_few_scans_are_drafted_as_a_cross_validation(tmp_path, monkeypatch):
    """Five folds with one seed in each; with enough scans of each class there is a test set of its own."""
    monkeypatch.chdir(tmp_path)
    for name, n in (("few", 20), ("many", 100)):
        for number in range(2 * n):
            save(tmp_path / name, f"{'ab'[number % 2]}/{number}.png")
    few, many = (api.init(name).draft.text for name in ("few", "many"))
    assert "split: {folds: 5}\n" in few
    assert "seeds: 1\n" in few
    assert "split: {train: 0.7, val: 0.15, test: 0.15}\n" in many
    assert "seeds: 5\n" in many


@pytest.mark.parametrize(
    ("names", "pattern", "patients"),
    [
        ([f"sub-{i // 2:02}_T1_{i}.png" for i in range(20)], r"sub", 10),
        ([f"{i // 4:04}_{i}.png" for i in range(40)], r"^([A-Za-z]*\d+)", 10),
        ([f"scan_{i // 3}_{i}.png" for i in range(30)], r"^([A-Za-z]+[_\- ]\d+)", 10),
        ([f"{i}.png" for i in range(20)] * 2, None, None),
        ([f"p{i}_x.png" for i in range(20)], None, None),
        ([f"p{i // 10}_{i}.png" for i in range(20)], None, None),
        ([*(f"p{i // 2}_{i}.png" for i in range(20)), "other.png"], None, None),
    ],
)
def test_patients_are_guessed_where_names_put_scans_together(names, pattern, patients):
    """A pattern has to fit every name, put some scans together and leave several patients; else nothing is guessed."""
    guess = guess_patients([f"class/{name}" for name in names])
    if pattern is None:
        assert guess is None
    else:
        assert pattern in guess.pattern
        assert len(set(guess.patients)) == patients


def test_a_draft_names_folds_that_can_be_divided(tmp_path, monkeypatch):
    """The fold that the file says leaves every part with every class, for each fold."""
    monkeypatch.chdir(tmp_path)
    few_patients(tmp_path / "scans")
    study = api.load_study(api.init("scans").path)
    scans = api.load_scans(study.spec.data, base=study.base)
    for fold in range(study.spec.data.split.folds):
        apply_split(scans, study.spec.data.split.model_copy(update={"fold": fold}))
