"""Whatever a file of predictions holds, the command answers in words."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scantrial import compare_predictions
from scantrial.core.errors import InputError
from scantrial.store.prediction_files import read_prediction_file

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "data" / "imrmc-example.csv"
GOOD = b"".join(
    EXAMPLE.read_bytes().splitlines(keepends=True)[i] for i in [0, *range(1, 12), *range(81, 92), *range(401, 412)]
)

FOLDED = "\n".join(
    ["arm,fold,repeat,case,patient,label,score"]
    + [
        f"{arm},{(case + repeat * (case // 2)) % 3},{repeat},c{case},p{case},{case // 3 % 2},0.{case}{repeat}"
        for arm in "ab"
        for repeat in (0, 1)
        for case in range(12)
    ]
).encode()
"""The same for two cross-validations, of three folds and two."""

# fmt: off
WEIRD = st.sampled_from([
    b"", b"nan", b"inf", b"-1", b"1e400", b"\xff", b'"', b'""', b"\x00", b",", b";", b"\t", b"\n", b"\r", b"0x1", b" ",
    b"1,5", "é研".encode(), b"9" * 40, b"=1+1", b"PAR1", b"\xef\xbb\xbf", b"True", b"0.0", b"-0",
])
# fmt: on


@st.composite
def corrupted(draw) -> bytes:
    """Put odd bytes into a good file, with folds or without, take some out, or swap lines."""
    content = draw(st.sampled_from([GOOD, FOLDED]))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        n_taken = draw(st.sampled_from([0, 0, 1, 3, 40]))
        content = content[:at] + draw(WEIRD) + content[at + n_taken :]
    return content


def test_the_file_with_folds_is_good(tmp_path):
    """What is corrupted below is compared as it is."""
    path = tmp_path / "x.csv"
    path.write_bytes(FOLDED)
    assert len(compare_predictions(path, metric="auroc").comparison.folds) == 5


def judge(path: Path) -> None:
    with suppress(InputError):
        found = compare_predictions(path, metric="auroc", bootstrap=False)
        assert all(np.isfinite(arm.mean) for arm in found.comparison.arms)


@given(corrupted())
def test_a_corrupted_file_is_judged_or_refused(tmp_path_factory, content):
    """Odd bytes in a good CSV file end in numbers or in an error of exit code 2, never in another exception."""
    path = tmp_path_factory.mktemp("fuzz") / "x.csv"
    path.write_bytes(content)
    judge(path)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass")))
def test_any_bytes_are_refused(tmp_path_factory, content):
    """Bytes that were never a table of predictions are refused."""
    path = tmp_path_factory.mktemp("fuzz") / "x.csv"
    path.write_bytes(content)
    judge(path)


@given(st.binary(min_size=1, max_size=4), st.integers(0, 2000))
def test_a_damaged_parquet_file_is_judged_or_refused(tmp_path_factory, noise, at):
    """The same of Parquet."""
    import pyarrow.csv
    import pyarrow.parquet

    path = tmp_path_factory.mktemp("fuzz") / "x.parquet"
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(EXAMPLE), path)
    content = path.read_bytes()
    at = at % len(content)
    path.write_bytes(content[:at] + noise + content[at + len(noise) :])
    judge(path)


CELL = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=',";\t'), max_size=6)


@given(st.lists(st.tuples(CELL, CELL, CELL, CELL, CELL), max_size=6))
def test_any_cells_are_read_or_refused(tmp_path_factory, rows):
    """A well-formed table of any texts is read as it stands, or refused."""
    path = tmp_path_factory.mktemp("fuzz") / "x.csv"
    path.write_text("\n".join(["arm,seed,case,label,score", *(",".join(row) for row in rows)]), encoding="utf-8")
    with suppress(InputError):
        found = read_prediction_file(path)
        assert set(found.arms) == {row[0].strip() for row in rows if any(cell.strip() for cell in row)}
