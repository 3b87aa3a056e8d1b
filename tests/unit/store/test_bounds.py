"""Small files that unpack to gigabytes, or would keep a reader busy, are refused soon and in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scantrial.core.errors import DamagedError, InputError, StoreError
from scantrial.core.names import nearest
from scantrial.core.numbering import MAX_TEXT
from scantrial.recipe.plan import MAX_CLAIMS, Plan
from scantrial.store.chain import MAX_BYTES, MAX_LINES, read_log
from scantrial.store.contents import MAX_FINDINGS, AuditContent, DataContent, FindingContent, OpeningLine, ProtocolLine
from scantrial.store.parquet import TooLargeError, read_parquet
from scantrial.store.prediction_sheet import read_sheet
from scantrial.store.protocol import Protocol
from scantrial.store.schema import MAX_KEYS, fault_in, parse_json, read_json, read_record
from scantrial.study.file import read_study_file
from scantrial.study.to_plan import study_to_plan

SOON_S = 5
FINDING = {
    "code": "AU001",
    "severity": "note",
    "title": "x",
    "text": "x",
    "action": "x",
    "cases": [],
    "case_numbers": [],
    "numbers": {},
}


def repeated(value: object, n: int, kind: pa.DataType) -> bytes:
    """Return Parquet of one value that is repeated n times, in a few hundred bytes."""
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, dtype=np.int32)), pa.array([value], kind))
    stream = pa.BufferOutputStream()
    pq.write_table(pa.table({"case": column}), stream, compression="zstd", store_schema=False)
    return bytes(stream.getvalue())


@pytest.mark.parametrize(
    ("value", "n", "kind"),
    [("x" * 1_000_000, 20_000, pa.string()), (b"x" * 1_000_000, 20_000, pa.binary()), (7, 5_000_000, pa.int64())],
    ids=["text", "bytes", "rows"],
)
def test_a_table_that_repeats_itself_is_refused(value, n, kind):
    """A file of a few kilobytes that would take 20 GB, or has millions of rows, is refused before it is unpacked."""
    content = repeated(value, n, kind)
    started = time.process_time()
    assert len(content) < 100_000
    with pytest.raises(TooLargeError):
        read_parquet(content)
    assert time.process_time() - started < SOON_S


def test_tables_are_read_as_arrow_reads_them():
    """Types, missing values, order and columns asked for come as they are; lists come as nulls."""
    table = pa.table(
        {
            "a": ["x", None, "x"],
            "n": [1, 2, None],
            "v": pa.array(["p", "q", "q"], pa.large_string()),
            "d": pa.array(["u", "u", None]).dictionary_encode(),
            "b": [True, False, None],
        }
    )
    stream = pa.BufferOutputStream()
    pq.write_table(table.append_column("l", pa.array([[1], [2], None])), stream)
    content = bytes(stream.getvalue())
    assert read_parquet(content, ["n", "a", "absent"]).to_pydict() == table.select(["n", "a"]).to_pydict()
    found = read_parquet(content)
    assert found.drop_columns(["l"]).to_pydict() == table.to_pydict()
    assert found["l"].null_count == 3


def test_memory_is_bounded_in_a_process_of_its_own(tmp_path: Path):
    """The head of such a file is enough: the process stays far below what the rows would take."""
    (tmp_path / "x.parquet").write_bytes(repeated("x" * 1_000_000, 20_000, pa.string()))
    program = (
        "import sys; from pathlib import Path; from scantrial.store.parquet import *\n"
        "from scantrial.core.machine import peak_memory\n"
        "try: read_parquet(Path(sys.argv[1]).read_bytes())\n"
        "except TooLargeError: print(peak_memory())\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "x.parquet"], capture_output=True, check=True)
    assert int(done.stdout) < 1 << 30


DEEP = {
    "lists": b"[" * 200_000,
    "objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "just too deep": b'{"schema_version": 1, "a": ' + b"[" * 101 + b"]" * 101 + b"}",
    "digits": b'{"schema_version": 1, "a": ' + b"9" * 1_000_000 + b"}",
    "wide": b"[" + b"{}," * 500_000 + b"{}]",
}


@pytest.mark.parametrize("name", DEEP)
def test_json_made_to_exhaust_a_reader_is_refused(tmp_path: Path, name: str):
    """Nesting, digits and width end in an error that names the file."""
    (tmp_path / "a.json").write_bytes(DEEP[name])
    started = time.process_time()
    with pytest.raises(DamagedError, match=r"a\.json"):
        read_json(tmp_path / "a.json")
    assert time.process_time() - started < SOON_S


def test_a_record_says_what_is_wrong_with_it(tmp_path: Path):
    """The message has the file, the key, what it is and what was expected, and at most three faults."""
    (tmp_path / "data.json").write_text('{"schema_version": 1, "fingerprint": 3, "class_names": "ab", "counts": []}')
    with pytest.raises(StoreError) as refused:
        read_record(tmp_path / "data.json", DataContent)
    said = str(refused.value)
    assert f"{tmp_path / 'data.json'} is damaged: fingerprint is 3: Input should be a valid string" in said
    assert "class_names is 'ab'" in said
    assert said.count(";") == 2
    assert "do this: restore it from a copy" in said


@pytest.mark.parametrize("name", ["findings", "checks"])
def test_an_audit_of_findings_without_end_is_refused(tmp_path: Path, name: str):
    """A file of some megabytes would keep a report busy for minutes."""
    one = {"code": "AU001", "severity": "note", "title": "", "numbers": {}}
    finding = {**one, "text": "", "action": "", "cases": [], "case_numbers": []}
    check = {**one, "outcome": "clear", "reason": ""}
    lists = {"findings": [finding], "checks": [check]}
    audit = {"schema_version": 1, "key": "k", "n_cases": {}, "class_names": ["a"], "pictures": {}, **lists}
    (tmp_path / "audit.json").write_text(json.dumps(audit))
    read_record(tmp_path / "audit.json", AuditContent)
    (tmp_path / "audit.json").write_text(json.dumps(audit | {name: lists[name] * (MAX_FINDINGS + 1)}))
    with pytest.raises(StoreError, match=f"{name} is .*at most {MAX_FINDINGS}"):
        read_record(tmp_path / "audit.json", AuditContent)


@pytest.mark.parametrize(
    "content",
    [b",".join([b"x"] * 200_000) + b"\n", b"arm,seed\n" + b"1\n" * 200_000, b"a" * 2_000_000],
    ids=["columns", "ragged rows", "one cell"],
)
def test_a_table_of_predictions_made_to_exhaust_is_refused(tmp_path: Path, content: bytes):
    """Columns without end, rows of another length and endless cells are refused in words."""
    (tmp_path / "x.csv").write_bytes(content)
    started = time.process_time()
    with pytest.raises(InputError):
        read_sheet(tmp_path / "x.csv")
    assert time.process_time() - started < SOON_S


def test_the_nearest_of_many_names_is_found_soon():
    """A name of any length among any number of names takes no time to speak of."""
    started = time.process_time()
    assert nearest("x" * 100_000, ["x" * 99_999]) is None
    nearest("epochz", [f"name-{i}" for i in range(200_000)])
    assert time.process_time() - started < SOON_S


def test_a_protocol_that_names_one_file_again_and_again_is_read_soon(tmp_path):
    """The time grows with the number of lines, not with its square."""
    n = 100_000
    line = '{"schema_version":1,"at":"2026-12-01T00:00:00+00:00","kind":"x","files":{"a":""}}\n'
    (tmp_path / "protocol.jsonl").write_text(line * n)
    started = time.process_time()
    assert len(Protocol(tmp_path).hashes("a")) == n
    assert time.process_time() - started < SOON_S


@pytest.mark.parametrize(
    ("content", "said"), [(b"\n" * (MAX_LINES + 1), "200,001 lines"), (b" " * (MAX_BYTES + 1), "more than 64 MB")]
)
def test_a_log_longer_than_any_study_has_is_refused(tmp_path, content, said):
    """In words, and before its lines are read."""
    (tmp_path / "protocol.jsonl").write_bytes(content)
    with pytest.raises(StoreError, match=f"is too long for the log of a study: {said}"):
        read_log(tmp_path / "protocol.jsonl", ProtocolLine)


@pytest.mark.parametrize(
    ("kind", "content", "key"),
    [
        (OpeningLine, {"at": "2026-01-01T00:00:00+00:00", "by": "x", "purpose": "x", "runs": [1] * 1000}, "runs.0"),
        (FindingContent, {**FINDING, "case_numbers": [-1] * 1000}, "case_numbers.0"),
        (FindingContent, {**FINDING, "cases": [1] * 1000}, "cases.list[str].0"),
    ],
)
def test_a_list_is_checked_to_its_first_fault(kind, content, key):
    """A million wrong items would each become an error, which takes gigabytes; two kinds of items make two faults."""
    fault = fault_in(content, kind)
    assert fault.startswith(key)
    assert fault.count("; ") == (1 if "cases." in key else 0)


def test_an_object_of_very_many_keys_is_refused(tmp_path):
    """At any depth, before its keys are looked at one by one; a list may be long."""
    many = {str(number): 0 for number in range(MAX_KEYS + 1)}
    for content in (many, {"a": [{"b": many}]}):
        with pytest.raises(ValueError, match="an object of more than 10,000 keys"):
            parse_json(json.dumps(content).encode())
    most = {"a": dict(list(many.items())[1:]), "b": [0] * 100_000}
    assert parse_json(json.dumps(most).encode()) == most


def test_a_plan_has_short_labels_and_few_claims():
    """Each figure and table repeats a label; a study that would have more is shortened or refused before it is written."""
    plan = study_to_plan(read_study_file("demo")).to_dict()
    Plan.from_dict(plan)
    plan["arms"][1]["label"] = "x" * (MAX_TEXT + 1)
    with pytest.raises(StoreError, match="label"):
        Plan.from_dict(plan)
    plan["arms"][1]["label"] = "x"
    plan["hypotheses"] = plan["hypotheses"] * (MAX_CLAIMS + 1)
    with pytest.raises(StoreError, match="hypotheses"):
        Plan.from_dict(plan)
