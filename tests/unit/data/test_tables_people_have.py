"""Tables as they are found: ids, other separators, paths of other machines, missing files, labels in several forms."""

from __future__ import annotations

import pytest

from scantrial.core.errors import DataError
from scantrial.data.formats import FORMATS
from scantrial.data.formats.base import ReadSettings
from scantrial.data.formats.table_guess import NamedColumns, guess_table
from scantrial.data.load import list_cases, load
from scantrial.data.spec import SourceSpec

READ = FORMATS["table"].read
SKIP = ReadSettings(skip_unreadable=True)


@pytest.fixture
def table(make_tree):
    """Write a table and its scans; return the table."""

    def write(text, *paths, name="scans.csv", encoding="utf-8"):
        root = make_tree(*paths)
        root.mkdir(exist_ok=True)
        (root / name).write_bytes(text.encode(encoding))
        return root / name

    return write


def faults(path, options=None, settings=None):
    with pytest.raises(DataError) as caught:
        READ(path, options or {}, settings or ReadSettings())
    return str(caught.value)


def named(listing):
    return dict(zip(listing.sources, (listing.class_names[label] for label in listing.labels), strict=True))


HAM = ("part_1/ISIC_1.png", "part_2/ISIC_2.png", "part_2/ISIC_2_mask.png")
IDS = {"path": "image_id", "label": "dx", "patient": "lesion_id"}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"folder": ["part_1", "part_2"], "suffix": ".png"},
        {"folder": ["part_1", "part_2"]},
        {"suffix": ".png"},
    ],
)
def test_ids_are_found_below_the_table(table, options):
    """An id is a file's name without its suffix, in any folder below or in those that are named."""
    path = table("lesion_id,image_id,dx\nHAM_1,ISIC_1,nv\nHAM_2,ISIC_2,mel\n", *HAM)
    listing = READ(path, {**IDS, **options})
    assert named(listing) == {"part_1/ISIC_1.png": "nv", "part_2/ISIC_2.png": "mel"}
    assert listing.patients == ("HAM_1", "HAM_2")


def test_an_id_of_two_files_is_refused(table):
    """Which file is meant is for the author to say; the folder says it."""
    path = table("path,label\nx1,a\nx2,b\n", "images/x1.png", "other/x1.png", "images/x2.png")
    assert "line 2: x1 may be images/x1.png or other/x1.png: say which with folder or suffix" in faults(path)
    assert named(READ(path, {"folder": "images"})) == {"images/x1.png": "a", "images/x2.png": "b"}
    assert named(READ(path, {}, ReadSettings(ignore=("other/*",)))) == {"images/x1.png": "a", "images/x2.png": "b"}


def test_a_path_with_folders_is_not_found_elsewhere(table):
    """The file of a/1.png is missing; b/1.png is another scan."""
    assert "line 2: no such file: a/1.png" in faults(table("path,label\na/1.png,x\nb/1.png,y\n", "b/1.png", "1.png"))


@pytest.mark.parametrize(
    "text",
    ["train\\1.png", "C:\\scans\\train\\1.png", "/home/someone/set/train/1.png", "scans/train/1.png", "train/1"],
)
def test_paths_of_other_machines(table, text):
    """Backslashes, drives, folders above, and the name of the table's own folder do no harm."""
    path = table(f"path,label\n{text},x\ntrain/2.png,y\n", "train/1.png", "train/2.png")
    assert named(READ(path, {"suffix": ".png"})) == {"train/1.png": "x", "train/2.png": "y"}


@pytest.mark.parametrize("text", ["./", ".\\", "/", "C:/", "."])
def test_paths_without_a_name(table, text):
    """A cell of dots and slashes alone names no file."""
    assert f"line 2: no such file: {text}" in faults(table(f"path,label\n{text},x\n2.png,y\n", "2.png"))


def test_a_suffix_in_other_letters(table):
    """1.PNG in the table is 1.png on disk."""
    assert named(READ(table("path,label\n1.PNG,x\n2.png,y\n", "1.png", "2.png"), {})) == {"1.png": "x", "2.png": "y"}


def test_ten_lines_of_a_kind(table):
    """Of many faults of one kind ten are shown, and the others are counted; other kinds stay visible."""
    rows = "".join(f"gone{number}.png,a\n" for number in range(3000))
    text = faults(table(f"path,label\n1.png,\n{rows}", "1.png"))
    assert "has 3,001 faults" in text
    assert text.count("no such file: ") == 10
    assert "and 2,990 more of this kind: no such file" in text
    assert "line 2: no label" in text
    assert "say where the files are: folder: [images], suffix: .jpg; or leave rows without a file out" in text


def test_missing_files_and_labels_are_left_out_if_asked(table):
    """The table of 112,120 rows with a folder of 5,606 files: the rest is counted, not listed."""
    rows = "".join(f"gone{number}.png,c\n" for number in range(50))
    path = table(f"path,label\n1.png,a\n2.png,b\n3.png,nan\n{rows}", "1.png", "2.png", "3.png")
    listing = READ(path, {}, SKIP)
    assert named(listing) == {"1.png": "a", "2.png": "b"}
    assert listing.class_names == ("a", "b")
    assert listing.left_out == {"rows whose file is missing": 50, "rows without a label": 1}
    scans = load(SourceSpec(name=str(path)), skip_unreadable=True)
    assert scans.origin["excluded"] == dict(listing.left_out)
    assert scans.skipped == ()


def test_a_table_without_any_file(table):
    """Where no row is left, the counts say why."""
    assert "no row is left: rows whose file is missing" in faults(table("path,label\n1.png,a\n", "x/2.png"), {}, SKIP)


@pytest.mark.parametrize(
    ("text", "encoding", "name"),
    [
        ("path;label\n1.png;a\n2.png;b\n", "utf-8", "scans.csv"),
        ("path\tlabel\n1.png\ta\n2.png\tb\n", "utf-8", "scans.csv"),
        ("path,label\n1.png,a\n2.png,b\n", "utf-8", "scans.tsv"),
        ("sep=;\npath;label\n1.png;a\n2.png;b\n", "utf-8-sig", "scans.csv"),
        ("path\tlabel\r\n1.png\ta\r\n2.png\tb\r\n", "utf-16", "scans.csv"),
        ('"path";"label"\n"1.png";"a"\n"2.png";"b"\n', "utf-8-sig", "scans.csv"),
    ],
)
def test_separators_and_encodings(table, text, encoding, name):
    """Semicolon, tab and comma under any name, with a byte-order mark, and the Unicode text of a spreadsheet."""
    assert named(READ(table(text, "1.png", "2.png", encoding=encoding, name=name), {})) == {"1.png": "a", "2.png": "b"}


def test_commas_in_semicolon_tables_stay(table):
    """The separator is the one that gives the columns that are asked for, not the commonest character."""
    path = table("path;a,b,c,d\n1.png;x\n2.png;y\n", "1.png", "2.png")
    assert named(READ(path, {"label": "a,b,c,d"})) == {"1.png": "x", "2.png": "y"}


def test_lines_below_a_separator_line_are_counted(table):
    """The line that a fault names is that of the file."""
    assert "line 3: no label" in faults(table("sep=;\npath;label\n1.png;\n", "1.png"))


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        ("image_id,dx", "no column 'path' (did you mean 'image_id'? write path: image_id)"),
        ("image_id,dx", "no column 'label' (did you mean 'dx'? write label: dx)"),
        ("foo,bar", "no column 'path' (name it: write path: COLUMN); the table has foo, bar"),
    ],
)
def test_columns_can_be_named(table, header, hint):
    """A missing column is explained by one that is likely meant, or by how to name one."""
    assert hint in faults(table(f"{header}\n1,2\n"))


@pytest.mark.parametrize("word", ["nan", "NaN", "NA", "None", "null", "<NA>", "N/A", ""])
def test_labels_that_are_none(table, word):
    """What programs write for no value is no class."""
    assert "line 3: no label" in faults(
        table(f"path,label\n1.png,a\n2.png,{word}\n3.png,b\n", "1.png", "2.png", "3.png")
    )


def test_a_refusal_of_none_says_how_it_is_a_class(table):
    """Leaving the rows out would lose a class that is called None."""
    advice = "with skip_unreadable: true; if None is a class, name it in data.classes"
    assert advice in faults(table("path,label\n1.png,None\n2.png,Mild\n", "1.png", "2.png"))
    assert advice in faults(table("path,label\n1.png,None\ngone.png,Mild\n", "1.png"))
    assert "is a class" not in faults(table("path,label\n1.png,\n2.png,Mild\n", "1.png", "2.png"))


def test_a_class_that_is_called_none(table):
    """`none` is a word; `None` and `NA` are classes where the study names them."""
    path = table("path,label\n1.png,none\n2.png,mild\n", "1.png", "2.png")
    assert READ(path, {}).class_names == ("mild", "none")
    path = table("path,label\n1.png,NA\n2.png,mild\n", "1.png", "2.png")
    assert READ(path, {}, ReadSettings(classes=("NA", "mild"))).class_names == ("NA", "mild")


def test_equal_numbers_are_one_class(table):
    """Two files put together, one with 0 and 1, the other with 0.0 and 1.0: two classes, and a note."""
    path = table("path,label\n1.png,0\n2.png,1\n3.png,0.0\n4.png,1.0\n", *(f"{n}.png" for n in range(1, 5)))
    listing = READ(path, {})
    assert listing.class_names == ("0", "1")
    assert listing.labels.tolist() == [0, 1, 0, 1]
    assert listing.notes == ("Labels that are equal numbers are one class: 0, 0.0; 1, 1.0.",)
    assert load(SourceSpec(name=str(path))).origin["notes"] == list(listing.notes)
    alone = table("path,label\n1.png,0.0\n2.png,1.0\n")
    assert READ(alone, {}).class_names == ("0.0", "1.0")


def test_long_codes_stay_apart(table):
    """Codes of SNOMED CT have up to 18 digits, more than a float keeps apart."""
    codes = ("254637007", "254637099", "999480451000087102", "999480451000087103")
    rows = [f"{number}{code}.png,{code}{end}\n" for code in codes for number, end in enumerate(("", ".0"))]
    path = table("path,label\n" + "".join(rows), *(row.split(",")[0] for row in rows))
    assert READ(path, {}).class_names == codes
    thirds = table("path,label\n1.png,0.1234567\n2.png,0.12345670\n3.png,0.1234568\n", "1.png", "2.png", "3.png")
    assert READ(thirds, {}).class_names == ("0.1234567", "0.1234568")


@pytest.mark.parametrize("classes", [["1.0", "0.0"], ["1", "0"], {"1": ["1.0", "1"], "0": ["0.0"]}])
def test_a_study_may_name_equal_numbers_in_each_way(table, classes):
    """The texts 0.0 and 1.0 stand in the table, so the study may name them."""
    path = table("path,label\n1.png,0\n2.png,1\n3.png,0.0\n4.png,1.0\n", *(f"{n}.png" for n in range(1, 5)))
    cases = list_cases(SourceSpec(name=str(path)), classes=classes)
    assert cases.class_names == ("1", "0")
    assert cases.labels.tolist() == [1, 0, 1, 0]


def test_decimal_commas(table):
    """Where semicolons separate the cells, 1,0 is the number 1."""
    path = table("path;label\n1.png;0\n2.png;1\n3.png;0,0\n", *(f"{n}.png" for n in range(1, 4)))
    assert READ(path, {}).class_names == ("0", "1")


def test_combinations_are_refused_as_multi_label(table):
    """Labels joined by | are several findings of one scan, not a class for each combination."""
    labels = ("No Finding", "Effusion", "Cardiomegaly|Effusion", "Mass|Nodule")
    rows = "".join(f"{number}.png,{labels[number % 4]}\n" for number in range(8))
    path = table(f"path,label\n{rows}", *(f"{number}.png" for number in range(8)))
    text = faults(path)
    assert "has 1 fault:" in text
    assert "4 rows with several labels (Cardiomegaly|Effusion, Mass|Nodule): multi-label sets are not supported" in text
    picked = ReadSettings(classes=("Effusion", "No Finding"), picks_classes=True)
    assert READ(path, {}, picked).left_out == {
        "scans of the class Cardiomegaly|Effusion": 2,
        "scans of the class Mass|Nodule": 2,
    }


def test_a_name_with_a_bar_is_a_name(table):
    """Parts that are no labels of their own are parts of a name."""
    path = table("path,label\n1.png,left|right\n2.png,up|down\n", "1.png", "2.png")
    assert READ(path, {}).class_names == ("left|right", "up|down")


ISIC = "image;MEL;NV;BCC\nx1;1,0;0,0;0,0\nx2;0,0;1,0;0,0\nx3;0,0;0,0;1,0\n"


def test_one_column_for_each_class(table):
    """The column with the 1 is the label."""
    path = table(ISIC, "x1.png", "x2.png", "x3.png")
    listing = READ(path, {"path": "image", "label": ["MEL", "NV", "BCC"]})
    assert named(listing) == {"x1.png": "MEL", "x2.png": "NV", "x3.png": "BCC"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1;1;0", "line 5: 2 labels (MEL, NV), expected one: multi-label sets are not supported"),
        ("0;0;0", "line 5: no label"),
        ("0,4;0;0,6", "line 5: '0,4' in a column of labels, expected 0 or 1"),
        ("-1;0;1", "line 5: '-1' in a column of labels, expected 0 or 1"),
    ],
)
def test_rows_without_one_label(table, row, message):
    """No 1, several of them, and probabilities are faults."""
    path = table(f"{ISIC}x4;{row}\n", "x1.png", "x2.png", "x3.png", "x4.png")
    text = faults(path, {"path": "image", "label": ["MEL", "NV", "BCC"]})
    assert message in text
    assert "has 1 fault" in text


def test_a_missing_column_of_several(table):
    """Each missing column is named."""
    text = faults(table(ISIC, "x1.png"), {"path": "image", "label": ["MEL", "NVV"]})
    assert "no column 'NVV' (did you mean 'NV'? write label: NV)" in text


def test_folders_as_patients(table):
    """The folder below what all paths share, not one of a split or of the class."""
    paths = ("set/train/p1/s1/1.png", "set/train/p1/s2/1.png", "set/test/p2/s1/1.png")
    path = table("path,label\n" + "".join(f"{one},{'aab'[n]}\n" for n, one in enumerate(paths)), *paths)
    scans = load(SourceSpec(name=str(path)), patient="folder")
    assert scans.patients == ("p1", "p1", "p2")


def test_ignored_rows(table):
    """Rows of masks are left out before their files are looked for."""
    path = table("path,label\n1.png,a\n1_mask.png,a\n2.png,b\ngone_mask.png,b\n", "1.png", "2.png", "1_mask.png")
    listing = READ(path, {}, ReadSettings(ignore=("*_mask.png",)))
    assert listing.sources == ("1.png", "2.png")
    assert listing.left_out == {"files of the pattern *_mask.png": 2}


@pytest.mark.parametrize(
    ("rows", "pattern"), [("1,a\n2,b\n", "s2/*"), ("s1/1.png,a\ns1/2.png,b\n", "*_mask*")], ids=["id", "no row"]
)
def test_a_pattern_that_matches_no_row(table, rows, pattern):
    """It may settle which file an id means, or match files that the table does not name."""
    path = table(f"path,label\n{rows}", "s1/1.png", "s1/2.png", "s2/1.png", "s1/1_mask.png")
    assert list_cases(SourceSpec(name=str(path)), ignore=[pattern]).sources == ("s1/1.png", "s1/2.png")


def test_a_column_like_patients_is_known_and_one_of_0_and_1_says_how_to_name_its_classes(table):
    """What the study file does not name is told: by the audit, and in the report."""
    rows = "".join(f"{i}.png,{i % 2},{i // 2},{i}\n" for i in range(16))
    path = table("path,malignant,subject,age\n" + rows, *(f"{i}.png" for i in range(16)))
    listing = READ(path, {"label": "malignant"}, ReadSettings())
    assert listing.like_patients == "subject"
    assert listing.notes[0].endswith('classes: {not malignant: ["0"], malignant: ["1"]}')
    named = READ(path, {"label": "malignant", "patient": "subject"}, ReadSettings(classes=("0", "1")))
    assert (named.like_patients, named.notes) == (None, ())


def test_rows_without_a_1_are_refused_as_a_multi_label_set(table):
    """Columns of 0 and 1 of which none holds a 1 in a row may stand for several labels."""
    path = table("path,A,B\n1.png,1,0\n2.png,0,1\n3.png,0,0\n", "1.png", "2.png", "3.png")
    said = faults(path, {"label": ["A", "B"]})
    assert "line 4: no label" in said
    assert "multi-label set, which is not supported" in said


def test_columns_of_usual_names_and_sentences_in_a_column(table):
    """``path`` and ``label`` need no guess; a column of long sentences names no file, and is no fault."""
    rows = "".join(f"{i}.png,{i % 2},{i % 3},{'word ' * 90}{i}\n" for i in range(6))
    path = table("path,label,dx,report\n" + rows, *(f"{i}.png" for i in range(6)))
    found = guess_table(path, NamedColumns())
    assert found.options == {"path": "path", "label": "label"}
    assert (found.n_named, found.n_rows, found.n_scans) == (6, 6, 6)
    named = guess_table(path, NamedColumns(label=("dx",)))
    assert (named.options["label"], named.is_sure) == ("dx", True)


def rows_of(header, row, n=40):
    return header + "\n" + "".join(row(i) + "\n" for i in range(n))


SCANS = tuple(f"s{i}.png" for i in range(40))

CHEST = "Image Index,Diagnosis,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position"


@pytest.mark.parametrize(
    ("text", "options"),
    [
        # Facts about patients are no patients.
        (
            rows_of(
                CHEST, lambda i: f"s{i}.png,{'ab'[i % 2]},{i % 3},{i // 2},{40 + i % 9},{'FM'[i % 2]},{'AP'[i % 2]}"
            ),
            {"path": "Image Index", "label": "Diagnosis", "patient": "Patient ID"},
        ),
        # Codes of diagnoses and of hospitals are none either.
        (
            rows_of("image_id,dx,sex,center_code", lambda i: f"s{i},C{40 + i % 7},{'FM'[i % 2]},S{i % 8}"),
            {"path": "image_id", "label": "dx"},
        ),
        # Columns of 0 and 1 that are facts are no classes.
        (
            rows_of("image,male,female,cancer", lambda i: f"s{i},{i % 2},{1 - i % 2},{int(i % 5 == 0)}"),
            {"path": "image", "label": "cancer"},
        ),
        (
            rows_of(
                "image,left,right,benign,malignant",
                lambda i: f"s{i},{i % 2},{1 - i % 2},{int(i % 3 == 0)},{int(i % 3 > 0)}",
            ),
            {"path": "image", "label": ["benign", "malignant"]},
        ),
    ],
)
def test_facts_are_neither_labels_nor_patients(table, text, options):
    """The columns that a person would take, on headers as public sets have them."""
    assert guess_table(table(text, *SCANS), NamedColumns()).options == options


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (rows_of("image,sex,notes", lambda i: f"s{i},{'FM'[i % 2]},free text {i}"), "no column of"),
        (
            rows_of(
                "image,wet,dry,big,small", lambda i: f"s{i},{i % 2},{1 - i % 2},{int(i % 3 == 0)},{int(i % 3 > 0)}"
            ),
            "big, small may be the label as well",
        ),
        (rows_of("image,kind", lambda i: f"s{i * 8 // 10},{'ab'[i % 2]}"), "name a scan that an earlier row names"),
    ],
)
def test_what_cannot_be_guessed_is_refused(table, text, message):
    """No label but a fact, two groups of columns with one 1 in each row, several rows for a scan."""
    with pytest.raises(DataError, match=message):
        guess_table(table(text, *SCANS), NamedColumns())


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (NamedColumns(label=("image",)), "'image' of .* is the column of files"),
        (NamedColumns(label=("kind",), patient="kind"), "'kind' of .* is named twice"),
        (NamedColumns(label=("none",)), "every row of .* has the same none"),
    ],
)
def test_a_column_is_named_for_one_thing(table, named, message):
    """Files, labels and patients have a column each, and a label has two values."""
    text = rows_of("image,kind,part,none", lambda i: f"s{i},{'ab'[i % 2]},{('train', 'test')[i % 2]},0")
    with pytest.raises(DataError, match=message):
        guess_table(table(text, *SCANS), named)


def test_a_column_of_splits_may_be_named_as_the_label(table):
    """Then it is no split."""
    text = rows_of("image,part", lambda i: f"s{i},{('train', 'test')[i % 2]}")
    found = guess_table(table(text, *SCANS), NamedColumns(label=("part",)))
    assert found.options == {"path": "image", "label": "part"}
