"""Files of predictions: three delimiters, Parquet, and every fault with its rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scantrial.core.errors import InputError
from scantrial.store.prediction_files import read_prediction_file

HEAD = "arm,seed,case,label,score"
ROWS = ["a,0,x,0,0.1", "a,0,y,1,0.7", "b,0,x,0,0.2", "b,0,y,1,0.9"]


def write(tmp_path: Path, *lines: str, head: str = HEAD, encoding: str = "utf-8") -> Path:
    path = tmp_path / "predictions.csv"
    path.write_bytes("\n".join([head, *lines, ""]).encode(encoding))
    return path


def faults_of(path: Path, **options) -> str:
    with pytest.raises(InputError) as caught:
        read_prediction_file(path, **options)
    assert caught.value.exit_code == 2
    return str(caught.value)


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("arms,seed,case,label,score", "no column 'arm' (did you mean 'arms'?); the columns are arms, seed"),
        ("arm,seed,case,label,scores", "no column 'score' (did you mean 'scores'?)"),
        ("arm,seed,case,label,p_ill", "one column p_ill, expected one for each class, or the name score"),
        ("arm,seed,case,label,label", "the column 'label' appears twice"),
        ("arm,seed,case,score,p_ill", "both score and p_ill, expected one or the other"),
    ],
)
def test_columns_are_missed_by_name(tmp_path, head, message):
    """A column that is missing, double or too much is named, with the nearest name there is."""
    assert message in faults_of(write(tmp_path, *ROWS, head=head))


def test_more_arms_or_seeds_than_can_be_compared_are_counted(tmp_path):
    """With the pairs that they make; the largest numbers are read."""
    two = ["{arm},{seed},x,0,0.1", "{arm},{seed},y,1,0.7"]

    def rows(n_arms: int, n_seeds: int) -> list[str]:
        return [line.format(arm=f"a{k}", seed=seed) for k in range(n_arms) for seed in range(n_seeds) for line in two]

    assert "51 arms, which make 1,275 pairs; expected at most 50 arms" in faults_of(write(tmp_path, *rows(51, 1)))
    message = "arm a0 has 1,001 seeds; expected at most 1,000 an arm"
    assert message in faults_of(write(tmp_path, *rows(1, 1001), "b,0,x,0,0.1", "b,0,y,1,0.7"))
    message = "1,050 runs of 50 arms, 51,450 runs in all pairs of arms; expected at most 50,000"
    assert message in faults_of(write(tmp_path, *rows(50, 21)))
    assert len(read_prediction_file(write(tmp_path, *rows(50, 20))).arms) == 1000
    assert len(read_prediction_file(write(tmp_path, *rows(2, 1000))).arms) == 2000


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a,0,x,0,nan", *ROWS[1:]], "score is not a finite number: row 2 ('nan')"),
        (["a,0,x,0,1e999", *ROWS[1:]], "score is not a finite number: row 2 ('1e999')"),
        (["a,0,x,0,", *ROWS[1:]], "score is not a finite number: row 2 ('')"),
        (["a,0.5,x,0,0.1", *ROWS[1:]], "seed is not a whole number: row 2 ('0.5')"),
        ([",0,x,0,0.1", *ROWS[1:]], "arm is empty: row 2 ('')"),
        (["a,0,,0,0.1", *ROWS[1:]], "case is empty: row 2 ('')"),
        (["a,0,x,2,0.1", *ROWS[1:]], "label is neither 0 nor 1 (two names need --positive NAME): row 2 ('2')"),
        ([*ROWS, "a,0,y,1,0.7"], "row 6: the same run and case twice; arm a, seed 0, case y is in rows 3 and 6"),
        ([*ROWS, "b,1,x,0,0.3"], "arm b, seed 1 lacks 1 of the 2 test cases: y"),
        (
            [*ROWS[:3], "b,0,y,0,0.9"],
            "row 5: a different label from an earlier row of the same case; case y has '1' in row 3",
        ),
        ([*ROWS, "b,0"], "row 6: 2 cells in row 6, expected 5"),
        ([], "has no rows"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path, lines, message):
    """Rows are numbered as a spreadsheet shows them: the header is row 1."""
    assert message in faults_of(write(tmp_path, *lines))


def test_all_faults_come_at_once(tmp_path):
    """A file with several faults is mended in one go; a long list of rows is counted, not printed."""
    many = [f"a,0,{case},0,nan" for case in range(9)]
    text = faults_of(write(tmp_path, *many, "", "a,x,1,3,0.5", "b,0"))
    assert "has 4 faults" in text
    assert "rows 2 ('nan'), 3 ('nan'), 4 ('nan'), 5 ('nan'), 6 ('nan') and 4 more" in text
    assert "seed is not a whole number: row 12 ('x')" in text
    assert "label is neither 0 nor 1 (two names need --positive NAME): row 12 ('3')" in text
    assert "row 13: 2 cells in row 13, expected 5" in text


def test_patients_must_agree(tmp_path):
    """One case is of one patient; an empty cell is no patient."""
    head = f"{HEAD},patient"
    rows = [f"{row},p" for row in ROWS]
    assert "a different patient from an earlier row" in faults_of(write(tmp_path, *rows[:3], f"{ROWS[3]},q", head=head))
    assert "patient is empty: row 5" in faults_of(write(tmp_path, *rows[:3], f"{ROWS[3]},", head=head))


def test_probabilities_must_be_some(tmp_path):
    """Each is in [0, 1] and they sum to 1; the row that misses it most is named."""
    head = "arm,seed,case,label,p_n,p_i"
    told = faults_of(write(tmp_path, "a,0,x,n,0.5,0.6", "a,0,y,n,0.5,0.9", head=head))
    assert "p_ columns do not sum to 1 but for rounding (row 3 misses 1 most, by 0.4): rows 2 ('1.1')" in told
    assert "p_ columns are not all between 0 and 1: row 2" in faults_of(write(tmp_path, "a,0,x,n,-0.5,1.5", head=head))
    assert "label is not one of n, i (or all 0 to 1): row 2 ('z')" in faults_of(
        write(tmp_path, "a,0,x,z,0.4,0.6", head=head)
    )


def test_splits_must_be_known(tmp_path):
    """A split is train, val or test; the one that is judged must be there."""
    head = f"{HEAD},split"
    assert "split is not one of train, val, test: row 2 ('tset')" in faults_of(
        write(tmp_path, f"{ROWS[0]},tset", f"{ROWS[1]},test", head=head)
    )
    only_val = write(tmp_path, *(f"{row},val" for row in ROWS), head=head)
    assert "no row is of the split test; there are val 4" in faults_of(only_val)
    assert "no column 'split'" in faults_of(write(tmp_path, *ROWS), splits=("val",))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00", b"PAR1 not really", b'arm,"seed\n', b"\x00" * 50])
def test_what_is_no_table_is_refused(tmp_path, content):
    """Whatever the bytes are, the answer is an error of ours."""
    path = tmp_path / "odd.csv"
    path.write_bytes(content)
    faults_of(path)


def test_a_missing_file_is_named(tmp_path):
    """So is a folder."""
    assert "no such file" in faults_of(tmp_path / "nothing.csv")
    assert "no such file" in faults_of(tmp_path)


def test_the_positive_name_must_be_there(tmp_path):
    """Two names and which of them scores are of; the nearest name is offered."""
    path = write(tmp_path, "a,0,x,well,0.1", "a,0,y,ill,0.7")
    assert "labels 'well', 'ill', expected 'il' and one other (did you mean 'ill'?)" in faults_of(path, positive="il")


# ---------------------------------------------------------------------- what is read


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_delimiters_marks_and_line_ends_do_not_matter(tmp_path, delimiter, encoding, newline):
    """Comma, semicolon and tab, with or without a byte order mark, give the same."""
    path = tmp_path / "x.csv"
    text = newline.join(line.replace(",", delimiter) for line in [HEAD, *ROWS, "", ""])
    path.write_bytes(text.encode(encoding))
    found = read_prediction_file(path)
    assert (found.arms, found.seeds, found.class_names) == (("a", "b"), (0, 0), ("0", "1"))
    assert found.splits["test"].cases == ("x", "y")
    assert found.splits["test"].y_true.tolist() == [0, 1]
    assert found.splits["test"].scores.tolist() == [[0.1, 0.7], [0.2, 0.9]]


def test_a_decimal_comma_is_read_where_the_comma_does_not_separate(tmp_path):
    """Spreadsheets of many languages write 0,5 and separate by semicolons."""
    path = write(tmp_path, "a;0;x;0;0,125", "a;0;y;1;-1,5e1", head=HEAD.replace(",", ";"))
    assert read_prediction_file(path).splits["test"].scores.tolist() == [[0.125, -15.0]]


def test_the_order_of_rows_does_not_matter(tmp_path):
    """Every score finds its run and its case; seeds rise within an arm."""
    rows = [
        f"{arm},{seed},{case},{case % 2},{100 * seed + case}" for arm in "ba" for seed in (3, 1) for case in range(5)
    ]
    found = read_prediction_file(write(tmp_path, *np.random.default_rng(0).permutation(rows)))
    assert found.seeds == (1, 3, 1, 3)
    cases = np.array([int(case) for case in found.splits["test"].cases])
    assert (found.splits["test"].y_true == cases % 2).all()
    assert (found.splits["test"].scores == 100 * np.array(found.seeds)[:, None] + cases).all()


def test_parquet_is_read_with_its_types(tmp_path):
    """Whole numbers, floats, categories and text: what pandas and polars write."""
    path = tmp_path / "x.parquet"
    table = pa.table(
        {
            "arm": pa.array(["a", "a", "b", "b"]).dictionary_encode(),
            "seed": pa.array([1.0, 1.0, 1.0, 1.0]),
            "case": pa.array([10, 11, 10, 11]),
            "label": pa.array([0, 1, 0, 1], pa.int8()),
            "score": pa.array([0.25, 0.5, 0.75, 1], pa.float32()),
            "unused": pa.array([[1], [2], [3], [4]]),
        }
    )
    pq.write_table(table, path)
    found = read_prediction_file(path)
    assert found.arms == ("a", "b")
    assert found.splits["test"].cases == ("10", "11")
    assert found.splits["test"].scores.tolist() == [[0.25, 0.5], [0.75, 1.0]]
    pq.write_table(table.set_column(4, "score", pa.array([0.25, None, 0.75, 1])), path)
    assert "score is not a finite number: row 2" in faults_of(path)
    pq.write_table(table.set_column(0, "arm", table["unused"]), path)
    assert "the column 'arm' is of type list" in faults_of(path)


@pytest.mark.parametrize("labels", [["n", "i", "o"], ["0", "1", "2"], ["0.0", "1.0", "2.0"]])
def test_classes_have_names_or_indices(tmp_path, labels):
    """Labels are the names in the p_ columns, or their positions."""
    rows = [f"a,0,{case},{label},0.2,0.3,0.5" for case, label in enumerate(labels)]
    found = read_prediction_file(write(tmp_path, *rows, head="arm,seed,case,label,p_n,p_i,p_o"))
    assert found.class_names == ("n", "i", "o")
    assert found.splits["test"].y_true.tolist() == [0, 1, 2]
    assert found.splits["test"].scores.shape == (1, 3, 3)


def test_the_positive_class_comes_second(tmp_path):
    """Of two classes the named one has index 1, with its labels and probabilities."""
    path = write(tmp_path, "a,0,x,ill,0.9,0.1", "a,0,y,well,0.3,0.7", head="arm,seed,case,label,p_ill,p_well")
    assert read_prediction_file(path).class_names == ("ill", "well")
    found = read_prediction_file(path, positive="ill")
    assert found.class_names == ("well", "ill")
    assert found.splits["test"].y_true.tolist() == [1, 0]
    assert found.splits["test"].scores[0].tolist() == [[0.1, 0.9], [0.7, 0.3]]
    named = read_prediction_file(write(tmp_path, "a,0,x,ill,3", "a,0,y,well,1"), positive="ill")
    assert named.splits["test"].y_true.tolist() == [1, 0]


def test_rows_of_other_splits_are_not_looked_at(tmp_path):
    """Only the wanted splits are handed out, and a fault elsewhere does not count."""
    rows = [f"{row},test" for row in ROWS] + ["a,0,v,1,nan,train", "a,0,w,1,0.5,val", "b,0,w,1,0.5,VAL"]
    path = write(tmp_path, *rows, head=f"{HEAD},split")
    assert list(read_prediction_file(path).splits) == ["test"]
    assert list(read_prediction_file(path, splits=("test", "val")).splits) == ["val", "test"]
    assert "score is not a finite number: row 6" in faults_of(path, splits=("train",))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([0, 1], pa.timestamp("s")), "score is not a finite number: rows 1"),
        (pa.array([b"0.5", b"\xff"]), "the column 'score' is of type binary"),
        (pa.array([{"a": 1}, {"a": 2}]), "the column 'score' is of type struct"),
        (pa.array([None, None]), "score is not a finite number: rows 1 (''), 2 ('')"),
        (pa.array([0.5, float("inf")]), "score is not a finite number: row 2 ('inf')"),
    ],
)
def test_parquet_types_that_are_no_numbers_are_refused(tmp_path, column, message):
    """Whatever type a column has, it is read or named."""
    table = pa.table({"arm": ["a", "a"], "seed": [0, 0], "case": [0, 1], "label": [0, 1], "score": column})
    path = tmp_path / "x.parquet"
    pq.write_table(table, path)
    assert message in faults_of(path)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([0.25, 0.5]).dictionary_encode(),
        pa.array(np.array([0.25, 0.5], np.float16)),
        pa.array(["0.25", "0.5"], pa.large_string()),
        pa.array([0.25, 0.5]).cast(pa.decimal128(5, 2)),
    ],
    ids=lambda column: str(column.type),
)
def test_parquet_types_that_are_numbers_are_read(tmp_path, column):
    """Categories, half precision, long text, decimals."""
    table = pa.table({"arm": ["a", "a"], "seed": [0, 0], "case": [0, 1], "label": [0, 1], "score": column})
    path = tmp_path / "x.parquet"
    pq.write_table(table, path)
    assert read_prediction_file(path).splits["test"].scores.tolist() == [[0.25, 0.5]]


def test_many_short_runs_are_counted(tmp_path):
    """A seed column that holds something else makes a run of every row; the message stays short."""
    text = faults_of(write(tmp_path, *(f"a,{row},{row},0,0.5" for row in range(50))))
    assert "has 6 faults" in text
    assert "45 more runs lack test cases" in text


def test_very_many_classes_are_counted(tmp_path):
    """Every class has a curve of its own."""
    head = "arm,seed,case,label," + ",".join(f"p_c{number}" for number in range(1001))
    assert "for 1,001 classes, expected at most 1,000" in faults_of(write(tmp_path, *ROWS, head=head))
