"""Pack the small files of study folders, so that anybody can judge the runs again without training them.

    python examples/replication/archive.py DIR... [--to docs/data/replication.tar.xz]

Weights, thumbnails (they are pictures of patients), reports and what is unfinished stay out, and so do the names of
this machine's folders. Unpacked, every folder can be given to `status`, `compare`, `report`, `serve`.
Equal folders give equal bytes.
"""

from __future__ import annotations

import argparse
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from scantrial.store.tables import read_table, write_table

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = {"report", "partial", ".lock"}
MAX_BYTES = 20_000_000
UNTOLD = {"command", "import_paths"}
"""Of environment.json: they name folders of the machine."""


def content_of(path: Path, scratch: Path) -> bytes:
    """Return a file as it goes into the archive."""
    if path.name == "cases.parquet":
        return without_thumbnails(path, scratch)
    if path.name in ("environment.json", "data.json"):
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        facts = {key: value for key, value in facts.items() if key not in UNTOLD}
        return (json.dumps(shortened(facts), indent=2) + "\n").encode()
    return path.read_bytes()


def shortened(value: Any) -> Any:
    """Return plain data with the last part of each absolute path alone."""
    if isinstance(value, dict):
        return {key: shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shortened(item) for item in value]
    return Path(value).name if isinstance(value, str) and value.startswith("/") else value


def without_thumbnails(path: Path, scratch: Path) -> bytes:
    """Return the table of cases with no picture in it."""
    cases = read_table(path)
    at = cases.column_names.index("thumbnail")
    bare = cases.set_column(at, "thumbnail", pa.nulls(len(cases), pa.binary()))
    write_table(bare, scratch)
    content = scratch.read_bytes()
    scratch.unlink()
    return content


def files_of(folder: Path) -> Iterator[Path]:
    """Yield the files to pack, in order."""
    for path in sorted(folder.rglob("*")):
        parts = set(path.relative_to(folder).parts)
        if path.is_file() and not parts & LEFT_OUT and path.suffix != ".safetensors":
            yield path


def pack(folders: list[Path], target: Path) -> None:
    """Write the archive, whole or not at all."""
    scratch = target.with_suffix(".cases")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz", preset=9) as archive:
        for folder in folders:
            for path in files_of(folder):
                content = content_of(path, scratch)
                entry = tarfile.TarInfo(f"{folder.name}/{path.relative_to(folder)}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    if len(packed.getvalue()) > MAX_BYTES:
        raise SystemExit(f"{len(packed.getvalue()):,} bytes; expected at most {MAX_BYTES:,}")
    target.write_bytes(packed.getvalue())
    print(f"{target}: {len(packed.getvalue()):,} bytes")


def main() -> None:
    """Pack what the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "data" / "replication.tar.xz")
    given = parser.parse_args()
    pack(given.folders, given.to)


if __name__ == "__main__":
    main()
