"""JSON of ours: strict, versioned, refused where it is damaged."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scantrial.core.errors import StoreError
from scantrial.store.schema import SCHEMA_VERSION, check_version, dump_json, read_json, write_json

PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=8,
)


@settings(max_examples=40)  # each is written to the disk
@given(st.dictionaries(st.text().filter(lambda key: key != "schema_version"), PLAIN, max_size=4))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, content: dict[str, object]):
    """Any plain data comes back as it was: no number rounded, no text changed, the version taken off."""
    path = tmp_path_factory.getbasetemp() / "round-trip.json"
    write_json(path, content)
    assert read_json(path) == content


def test_the_file_carries_the_version_first(tmp_path: Path):
    """A reader of any version finds it without knowing the rest."""
    write_json(tmp_path / "a.json", {"b": 1})
    assert (tmp_path / "a.json").read_text() == f'{{\n  "schema_version": {SCHEMA_VERSION},\n  "b": 1\n}}\n'


def test_equal_content_is_equal_bytes(tmp_path: Path):
    """No time and no chance in the file."""
    for name in ("a", "b"):
        write_json(tmp_path / name, {"x": [1.5, {"y": (2, 3)}]})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_numbers_that_json_does_not_know_become_null():
    """NaN and infinities, Python's and NumPy's, at any depth."""
    content = {"a": math.nan, "b": [math.inf, -math.inf], "c": {"d": np.float32("nan")}, "e": np.array([1.0, np.nan])}
    assert json.loads(dump_json(content)) == {"a": None, "b": [None, None], "c": {"d": None}, "e": [1.0, None]}


def test_numpy_values_become_plain_ones():
    """Scalars and arrays, without loss of a digit."""
    content = {"f": np.float64(0.1), "i": np.int64(7), "b": np.bool_(True), "m": np.arange(4).reshape(2, 2)}
    assert json.loads(dump_json(content)) == {"f": 0.1, "i": 7, "b": True, "m": [[0, 1], [2, 3]]}


def test_text_stays_readable():
    """Letters beyond ASCII are written as they are; one line where no indent is asked for."""
    assert dump_json({"x": "Größe"}, indent=None) == '{"x": "Größe"}'


def test_a_missing_file_is_named(tmp_path: Path):
    """The message holds the path."""
    with pytest.raises(StoreError, match=r"a\.json: No such file"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("content", [b"", b'{"schema_version": 1, "a', b"\xff\xfe", b"\x00" * 40])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes):
    """Empty, cut off, no UTF-8, zeroes after a crash: the message says that it is damaged and what to do."""
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(StoreError, match="is damaged") as caught:
        read_json(tmp_path / "a.json")
    assert caught.value.do == "restore it from a copy, or run the study into a new folder"


def test_something_other_than_an_object_is_refused(tmp_path: Path):
    """A list is valid JSON, and still no file of ours."""
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(StoreError, match="holds list") as caught:
        read_json(tmp_path / "a.json")
    assert caught.value.expected == "a JSON object"


@pytest.mark.parametrize("version", ["", '"schema_version": 2,', '"schema_version": "1",', '"schema_version": null,'])
def test_another_version_is_refused(tmp_path: Path, version: str):
    """A file without a version, or of another one, is not guessed at."""
    (tmp_path / "a.json").write_text(f'{{{version} "a": 1}}')
    with pytest.raises(StoreError, match="has schema version") as caught:
        read_json(tmp_path / "a.json")
    assert caught.value.expected == "version 1"
    assert "newer one" in str(caught.value.do)


def test_this_version_passes(tmp_path: Path):
    """The version that is written is the version that is read."""
    check_version(SCHEMA_VERSION, tmp_path)
