"""The reader of CSV tables, and the table of formats itself."""

from __future__ import annotations

import numpy as np
import pytest

from scantrial.core.errors import DataError, InputError
from scantrial.data.formats import FORMATS, format_of

READ = FORMATS["table"].read


@pytest.fixture
def write(make_tree):
    make_tree("1.png", "2.png", "deep/3.png")

    def write(text, name="scans.csv", encoding="utf-8"):
        path = make_tree() / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


def faults(path, options=None):
    with pytest.raises(DataError) as caught:
        READ(path, options or {})
    return str(caught.value)


def test_all_columns(write):
    """Path, label, split and patient are read; the rows keep their order; paths start at the table."""
    path = write("path,label,split,patient\n2.png,sick,Training,p1\ndeep/3.png,well,TEST,p2\n1.png,sick,,p1\n")
    assert format_of(path).name == "table"
    listing = READ(path, {})
    assert listing.sources == ("2.png", "deep/3.png", "1.png")
    assert listing.class_names == ("sick", "well")
    assert listing.labels.tolist() == [0, 1, 0]
    assert listing.split.tolist() == ["train", "test", ""]
    assert listing.patients == ("p1", "p2", "p1")
    assert [decode()[0, 0] for decode in listing.decoders()] == [15, 25, 5]


def test_needed_columns_only(write):
    """Without split and patient there are none; blank lines, spaces and a byte order mark do no harm."""
    listing = READ(write("\ufeffpath , label\n 1.png , a \n\n2.png,b\n"), {})
    assert listing.split.tolist() == ["", ""]
    assert listing.patients is None
    assert listing.class_names == ("a", "b")


def test_named_columns(write):
    """Columns of other names are given as options; a table with tabs may end in .tsv."""
    path = write("file\tfinding\tset\tid\n1.png\ta\ttrain\tx\n2.png\tb\ttest\ty\n", "scans.tsv")
    listing = READ(path, {"path": "file", "label": "finding", "split": "set", "patient": "id"})
    assert listing.split.tolist() == ["train", "test"]
    assert listing.patients == ("x", "y")


def test_missing_columns(write):
    """Missing columns are named with those that are there, and with the nearest one."""
    message = faults(write("Path,finding\n1.png,a\n"), {"patient": "who"})
    assert "line 1: no column 'path' (did you mean 'Path'? write path: Path); the table has Path, finding" in message
    assert "line 1: no column 'label'" in message
    assert "line 1: no column 'who'" in message


def test_all_rows_with_faults(write):
    """Empty cells, missing files, unknown splits, duplicates and torn rows are all named with their lines."""
    path = write(
        "path,label,split,patient\n1.png,a,train,p\n2.png,,train,p\n,b,train,p\nnone.png,b,train,p\n"
        "deep/3.png,b,tets,p\n./1.png,b,train,p\n1.png,A,train,\n2.png,b\n"
    )
    message = faults(path)
    for fault in (
        "line 3: no label",
        "line 4: no path",
        "line 5: no such file: none.png",
        "line 6: split 'tets', expected train, val or test (did you mean 'test'?)",
        "line 7: ./1.png is already in line 2",
        "line 8: 1.png is already in line 2",
        "line 8: no patient",
        "line 9: 2 cells, expected 4",
        "'A', 'a' differ only in upper and lower case",
    ):
        assert fault in message
    assert "has 9 faults" in message


def test_lines_are_counted_through_quoted_breaks(write):
    """A line break inside quotes does not shift the line that a fault is reported at."""
    assert "line 4: no label" in faults(write('path,label,note\n1.png,a,"two\nlines"\n2.png,,x\n'))


def test_empty_and_unreadable_tables(write):
    """No rows, no content, another encoding and broken quotes are refused in words."""
    assert "it holds no rows" in faults(write("path,label\n"))
    assert "no column 'path'; the table has none" in faults(write(""))
    assert "not a readable table" in faults(write("path,label\n1.png,krank mit \xfc\n", encoding="latin-1"))
    assert "not a readable table" in faults(write('path,label\n"1.png,a\n'))
    assert "no such file: a\\u0000b" in faults(write("path,label\na\0b,x\n"))


def test_options_are_checked():
    """Unknown options get the nearest right name; values of another kind are refused."""
    fmt = FORMATS["table"]
    assert fmt.faults_of({"path": "x", "label": "y"}) == []
    (message,) = fmt.faults_of({"lable": "x"})
    assert "takes no option 'lable' (did you mean 'label'?)" in message
    assert fmt.faults_of({"path": 3}) == ["path: got 3, expected text"]
    assert FORMATS["medmnist"].faults_of({"classes": "ab"}) == ["classes: got 'ab', expected a list of names"]
    assert FORMATS["medmnist"].faults_of({"classes": ["a", "b"]}) == []
    assert "takes: none" in FORMATS["folder"].faults_of({"x": 1})[0]


def test_the_table_of_formats(tmp_path):
    """Every format is found under its own name, says what it looks like, and an unknown path has none."""
    for name, fmt in FORMATS.items():
        assert fmt.name == name
        assert fmt.looks_like
    with pytest.raises(InputError, match="did you mean 'folder'"):
        FORMATS["foldr"]
    np.save(tmp_path / "one.npy", np.zeros(3))
    assert format_of(tmp_path / "one.npy") is None
    assert format_of(tmp_path / "nothing") is None
