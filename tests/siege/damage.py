"""Random damage to a study folder, as a disk, a person or a stranger does it."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.siege.mutation import mutated

VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 3.5, 2**70, -(2**63), 1e308, "", "x", "../../x", "a\nb\x1b[31m\u202e", "9" * 30, [], {},
    [1], [[]], {"x": 1}, [None], ["x", 1], {"": None}, "\ud800", "nan", float("nan"), float("inf"),
)  # fmt: skip
"""What a value of JSON may turn into."""

LINES = (
    b"[1]", b"null", b"{}", b"{", b"1", b'"x"', b"\xff\xfe", b"\0" * 40, b"[" * 3000, b'{"a":' * 3000,
    b'{"schema_version": 1}', b'{"schema_version": 2}', b'{"schema_version": 1, "at": 3, "runs": 5}', b"9" * 5000,
    b"not json at all", b"\xef\xbb\xbf{}", '{"schema_version": 1, "at": "\u2028"}'.encode(),
)  # fmt: skip
"""What a line or a whole file of JSON may turn into."""

TEXTS = (
    b"\xff\xfea\0b\0",
    b"a: &a [*a]",
    b"\0",
    b"",
    b"study: \xe9",
    b"- " * 500,
    b"x: y: z",
    b"\xef\xbb\xbfstudy: q\n",
)
"""What a study file may turn into."""


def damage(folder: Path, rng: random.Random) -> str:
    """Damage a study folder in one to three ways; return in words what was done.

    In half of the folders the hashes of the runs' files are forgotten first, as a forger would do.
    """
    if rng.random() < 0.5:
        forget_hashes(folder)
    return "; ".join(_one(folder, rng) for _ in range(rng.choice([1, 1, 1, 2, 3])))


def forget_hashes(folder: Path) -> None:
    """Take the hashes of its other files out of every ``run.json``, so that damage to these is not told by them."""
    for path in folder.glob("runs/*/seed-*/run.json"):
        facts = json.loads(path.read_text(encoding="utf-8"))
        facts.pop("sha256", None)
        path.write_text(json.dumps(facts), encoding="utf-8")


def _one(folder: Path, rng: random.Random) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    if not files:
        return "nothing is left"
    path = rng.choice(files)
    ways: list[Callable[[Path, random.Random], str]] = [
        _delete,
        _empty,
        _mutate,
        _garbage,
        _folder,
        _swap,
        _copy,
        _link,
    ]
    if path.suffix in (".json", ".jsonl"):
        ways += [_value] * 12 + [_key] * 4 + [_whole, _whole, _lines]
    if path.suffix == ".yaml":
        ways += [_text] * 4
    if path.suffix == ".parquet":
        ways += [_table] * 8
    if path.suffix == ".safetensors":
        ways += [_weights] * 4
    way = rng.choice(ways)
    return f"{way.__name__.strip('_')} {path.relative_to(folder)}: {way(path, rng)}"


# ---------------------------------------------------------------------- any file


def _delete(path: Path, rng: random.Random) -> str:
    target = rng.choice([path, path, path.parent]) if path.parent.name.startswith("seed-") else path
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    return target.name


def _empty(path: Path, rng: random.Random) -> str:
    path.write_bytes(b"")
    return ""


def _mutate(path: Path, rng: random.Random) -> str:
    path.write_bytes(mutated(path.read_bytes(), rng))
    return ""


def _garbage(path: Path, rng: random.Random) -> str:
    path.write_bytes(rng.randbytes(rng.choice([1, 10, 1000])))
    return ""


def _folder(path: Path, rng: random.Random) -> str:
    path.unlink()
    path.mkdir()
    return ""


def _swap(path: Path, rng: random.Random) -> str:
    """Put another file of the same folder tree, most often of the same kind, in its place."""
    top = next(parent for parent in path.parents if (parent / "runs").is_dir() or parent == path.parents[-1])
    others = sorted(other for other in top.rglob(f"*{path.suffix}") if other.is_file() and other != path)
    if not others:
        return _empty(path, rng)
    other = rng.choice(others)
    ours, theirs = path.read_bytes(), other.read_bytes()
    path.write_bytes(theirs)
    other.write_bytes(ours)
    return str(other.relative_to(top))


def _copy(path: Path, rng: random.Random) -> str:
    top = next(parent for parent in path.parents if (parent / "runs").is_dir() or parent == path.parents[-1])
    others = sorted(other for other in top.rglob(f"*{path.suffix}") if other.is_file())
    other = rng.choice(others)
    path.write_bytes(other.read_bytes())
    return str(other.relative_to(top))


def _link(path: Path, rng: random.Random) -> str:
    target = rng.choice(["/etc/passwd", "/dev/zero", "nowhere", path.name, "/"])
    path.unlink()
    path.symlink_to(target)
    return target


# ---------------------------------------------------------------------- JSON


def _load(path: Path) -> list[Any]:
    """Return the records of a JSON file, or of lines of JSON; none where they cannot be read any more."""
    try:
        text = path.read_text(encoding="utf-8")
        return [json.loads(line) for line in (text.splitlines() if path.suffix == ".jsonl" else [text])]
    except (ValueError, RecursionError):
        return []


def _store(path: Path, records: list[Any]) -> None:
    lines = [json.dumps(record) for record in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Return every place of a value within plain data, as what holds it and its key or position."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        found.append((value, key))
        _places(value[key], found)
    return found


def _value(path: Path, rng: random.Random) -> str:
    """Replace a value by another one, most often one near the top."""
    records = _load(path)
    places = _places(records, [])
    if not places:
        return _garbage(path, rng)
    shallow = [place for record in records if isinstance(record, dict) for place in ((record, key) for key in record)]
    holder, key = rng.choice(shallow if shallow and rng.random() < 0.5 else places)
    old = holder[key]
    holder[key] = rng.choice([*VALUES, [old], {"x": old}, str(old), [old, old]])
    if rng.random() < 0.05:
        holder[key] = _deep(rng)
    _store(path, records)
    return f"{key!r} = {str(holder[key])[:40]!a}"


def _deep(rng: random.Random) -> Any:
    value: Any = 1
    for _ in range(rng.choice([120, 400])):
        value = [value] if rng.random() < 0.5 else {"x": value}
    return value


def _key(path: Path, rng: random.Random) -> str:
    """Remove a key, add one, or rename one."""
    records = _load(path)
    holders = [
        value for value in [*records, *(h[k] for h, k in _places(records, []))] if isinstance(value, dict) and value
    ]
    if not holders:
        return _garbage(path, rng)
    holder = rng.choice([*holders, *[record for record in records if isinstance(record, dict) and record]])
    key = rng.choice(sorted(holder))
    kind = rng.randrange(3)
    value = holder.pop(key) if kind != 1 else rng.choice(VALUES)
    if kind:
        holder[rng.choice(["x", key.upper(), f"{key}_", "\u202e"])] = value
    _store(path, records)
    return key


def _whole(path: Path, rng: random.Random) -> str:
    content = rng.choice(LINES)
    path.write_bytes(content)
    return ascii(content[:20])


def _lines(path: Path, rng: random.Random) -> str:
    lines = path.read_bytes().splitlines(keepends=True)
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(LINES) + b"\n")
    if rng.random() < 0.3:
        del lines[rng.randrange(len(lines))]
    path.write_bytes(b"".join(lines))
    return ""


def _text(path: Path, rng: random.Random) -> str:
    content = rng.choice(TEXTS)
    path.write_bytes(content + path.read_bytes() if rng.random() < 0.5 else content)
    return ascii(content[:20])


# ---------------------------------------------------------------------- tables and weights


def _table(path: Path, rng: random.Random) -> str:
    """Change a column's name, type or values, or the rows."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(path.read_bytes()))
    except (pa.ArrowException, OSError):
        return _garbage(path, rng)
    names = table.column_names
    at, kind = rng.randrange(len(names)), rng.randrange(9)
    n = len(table)
    if kind == 0:
        table = table.drop_columns([names[at]])
    elif kind == 1:
        table = table.rename_columns([f"{name}_" if i == at else name for i, name in enumerate(names)])
    elif kind == 2:
        table = table.set_column(at, names[at], pa.nulls(n, table.column(at).type))
    elif kind == 3:
        table = table.set_column(at, names[at], pa.array([rng.choice(["x", "", "\x1b"])] * n))
    elif kind == 4:
        table = table.set_column(at, names[at], pa.array(np.full(n, rng.choice([-1, 0, 7, 2**62]))))
    elif kind == 5:
        table = table.set_column(at, names[at], pa.array(np.full(n, rng.choice([0.5, np.nan, np.inf, -1e300]))))
    elif kind == 6:
        table = table.slice(rng.randrange(n + 1), rng.choice([0, 1, n])) if n else table
    elif kind == 7:
        table = pa.concat_tables([table, table.slice(0, rng.randint(0, n))]).combine_chunks()
    else:
        table = table.take(pa.array(rng.sample(range(n), n)))
    pq.write_table(table.replace_schema_metadata({b"scantrial_schema_version": b"1"}), path)
    return f"{kind} {names[at]}"


def _weights(path: Path, rng: random.Random) -> str:
    """Change a tensor's name, shape or type, or remove it."""
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import load, save

    try:
        weights = dict(load(path.read_bytes()))
    except SafetensorError:
        return _garbage(path, rng)
    if not weights:
        return _garbage(path, rng)
    name, kind = rng.choice(sorted(weights)), rng.randrange(5)
    array = weights.pop(name)
    if kind:
        weights[f"{name}.x" if kind == 1 else name] = [
            array, array, array.reshape(-1)[:1], array.astype(np.int8), np.full_like(array, np.nan if array.dtype.kind == "f" else 0)
        ][kind]  # fmt: skip
    path.write_bytes(save(weights, metadata={"schema_version": "1"}))
    return f"{kind} {name}"
