"""Besiege scantrial: kills, mutated inputs, flipped bits, damaged folders, bad disks, half-open connections.

    python scripts/siege.py [PART...] [--seed 1] [--share 1.0] [--processes 2]

Without a part, all of them; that takes hours. Each part prints what was done and what was found, and
stores it in docs/data/siege.json, from which `scripts/pages.py siege` writes docs/siege.md. Ends with 1 if a fault was
found.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from PIL import Image  # noqa: E402 - after the path
from tests.command_server import CommandServer  # noqa: E402 - tests are found beside the package
from tests.conftest import kept_environment  # noqa: E402 - tests are found beside the package
from tests.siege.bits import siege_of_bits  # noqa: E402 - as above
from tests.siege.disks import siege_of_disks  # noqa: E402 - as above
from tests.siege.folders import siege_of_folders  # noqa: E402 - as above
from tests.siege.inputs import inputs, limit_memory, siege_of_inputs, stored_readers  # noqa: E402 - as above
from tests.siege.kills import RUN, STUDY, besieged, phases  # noqa: E402 - as above
from tests.siege.numbers import (  # noqa: E402 - as above
    N_BITS,
    N_FOLDERS,
    N_FULL_DISKS,
    N_HALF_OPEN,
    N_INPUTS,
    N_KILLS,
    N_READERS,
)
from tests.siege.outcome import Row  # noqa: E402 - as above
from tests.siege.readers import half_open, siege_of_readers  # noqa: E402 - as above
from tests.web.serving import served  # noqa: E402 - as above

from scantrial.core.files import write_atomic  # noqa: E402 - as above

STORED = ROOT / "docs" / "data" / "siege.json"

FOLDERS_AT_ONCE = 20


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What every part needs.

    Parameters
    ----------
    whole : a folder with ``study.yaml`` and its finished study, in ``study``
    home : an empty folder
    share : of the full numbers
    """

    whole: Path
    home: Path
    seed: int
    share: float
    processes: int

    def part_of(self, n: int) -> int:
        """Return so many as are asked for, of `n`."""
        return max(1, round(n * self.share))


def kills(setting: Setting) -> list[Row]:
    """Kill commands at random moments."""
    rows = []
    for name, phase in phases(setting.whole).items():
        with besieged(setting.home / name, seed=setting.seed, environment=kept_environment()) as siege:
            rows.append(siege.kill_often(name, phase, n=setting.part_of(N_KILLS[name])))
    return rows


def mutants(setting: Setting) -> list[Row]:
    """Read mutated inputs of every kind."""
    kinds = list(inputs(setting.whole / "study"))
    n = setting.part_of(-(-N_INPUTS // len(kinds)))
    return _side_by_side(setting, _read_mutants, [(kind, n) for kind in kinds], bounded=True)


def _read_mutants(setting: Setting, kind: str, n: int) -> list[Row]:
    folder = setting.home / kind.replace("/", "-")
    shutil.copytree(setting.whole / "study", folder)
    return [siege_of_inputs(kind, inputs(setting.whole / "study")[kind], folder, n=n, seed=setting.seed)]


def bits(setting: Setting) -> list[Row]:
    """Flip single bits in every kind of stored file."""
    n = setting.part_of(N_BITS)
    return _side_by_side(setting, _flip, [(name, n) for name in stored_readers()], bounded=True)


def _flip(setting: Setting, name: str, n: int) -> list[Row]:
    folder = setting.home / name.replace("/", "-")
    shutil.copytree(setting.whole / "study", folder)
    return [siege_of_bits(name, folder, n=n, seed=setting.seed)]


def folders(setting: Setting) -> list[Row]:
    """Put every command and page to damaged folders."""
    n = setting.part_of(N_FOLDERS)
    chunks = [range(first, min(first + FOLDERS_AT_ONCE, n)) for first in range(0, n, FOLDERS_AT_ONCE)]
    merged: dict[str, Row] = {}
    for row in _side_by_side(setting, _damage, [(numbers,) for numbers in chunks]):
        whole = merged.setdefault(row.kind, Row(part=row.part, kind=row.kind))
        whole.n += row.n
        whole.told += row.told
        whole.faults += row.faults
    return list(merged.values())


def _damage(setting: Setting, numbers: range) -> list[Row]:
    home = setting.home / f"folders-{numbers.start}"
    home.mkdir()
    Image.new("L", (32, 32)).save(home / "scan.png")
    try:
        return siege_of_folders(setting.whole / "study", home, numbers=numbers, seed=setting.seed)
    finally:
        shutil.rmtree(home)


def disks(setting: Setting) -> list[Row]:
    """Run into full, read-only and forbidden disks."""
    setting.home.chmod(0o755)
    with CommandServer(kept_environment()) as commands:
        n = setting.part_of(N_FULL_DISKS)
        return siege_of_disks(commands, setting.whole, setting.home, n=n, seed=setting.seed)


def readers(setting: Setting) -> list[Row]:
    """Read pages while other connections ask for nothing."""
    n_readers, n_half_open = setting.part_of(N_READERS), setting.part_of(N_HALF_OPEN)
    with served(setting.whole) as reader, half_open(reader.door.port, n_half_open):
        faults = siege_of_readers(reader, "study", n_readers=n_readers, n_rounds=1)
    return [Row(part="readers", kind=f"{n_readers} readers, {n_half_open} half-open", n=n_readers, faults=faults)]


PARTS: dict[str, Callable[[Setting], list[Row]]] = {
    "kills": kills,
    "inputs": mutants,
    "bits": bits,
    "folders": folders,
    "disks": disks,
    "readers": readers,
}


def _side_by_side(
    setting: Setting, task: Callable[..., list[Row]], arguments: Sequence[tuple[object, ...]], *, bounded: bool = False
) -> list[Row]:
    """Carry a task out in several processes, each with bounded memory if asked. A process that dies is a fault."""
    rows: list[Row] = []
    with ProcessPoolExecutor(
        setting.processes, mp_context=get_context("spawn"), initializer=limit_memory if bounded else None
    ) as pool:
        futures = [pool.submit(task, setting, *some) for some in arguments]
        for some, future in zip(arguments, futures, strict=True):
            try:
                rows += future.result()
            except Exception as error:  # whatever it is, it is what we look for
                name = task.__name__.strip("_")
                rows.append(Row(part=name, kind=str(some[0]), faults=[f"{type(error).__name__}: {str(error)[:300]}"]))
    return rows


def prepare(folder: Path) -> Path:
    """Train the study of the siege, and return the folder of its file and of its own folder, ``study``."""
    folder.mkdir()
    (folder / "study.yaml").write_text(STUDY)
    command = [sys.executable, "-m", "scantrial", *RUN, "--threads", "1", "--workers", "2"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


def carry_out(name: str, setting: Setting) -> bool:
    """Carry out one part, print and store what was found; return whether all was well."""
    began = time.monotonic()
    rows = PARTS[name](setting)
    seconds = time.monotonic() - began
    for row in rows:
        slowest = "" if row.slowest_s is None else f", the slowest took {row.slowest_s:.2f} s"
        print(f"{name}: {row.kind}: {row.n} done, {len(row.faults)} faults{slowest}")
        for fault in row.faults[:5]:
            print(f"    {fault}")
    n_faults = sum(len(row.faults) for row in rows)
    print(f"{name}: {sum(row.n for row in rows)} done, {n_faults} faults, {seconds:.0f} s", flush=True)
    stored = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {}
    stored[name] = {
        "seed": setting.seed,
        "seconds": round(seconds),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "rows": [asdict(row) for row in rows],
    }
    if setting.share == 1.0:
        write_atomic(STORED, f"{json.dumps({part: stored[part] for part in PARTS if part in stored}, indent=1)}\n")
    return n_faults == 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Carry out the named parts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--seed", type=int, default=1, help="default 1")
    parser.add_argument("--share", type=float, default=1.0, help="of the full numbers; less than 1 is not stored")
    parser.add_argument("--processes", type=int, default=2, help="default 2")
    asked = parser.parse_args(arguments)
    unknown = [name for name in asked.parts if name not in PARTS]
    if unknown:
        parser.error(f"no part is called {', '.join(unknown)}; expected some of {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory(prefix="siege-") as temporary:
        os.environ.setdefault("SCANTRIAL_CACHE", str(Path(temporary) / "cache"))
        whole = prepare(Path(temporary) / "whole")
        is_well = True
        for name in asked.parts or PARTS:
            home = Path(temporary) / name
            home.mkdir()
            setting = Setting(whole=whole, home=home, seed=asked.seed, share=asked.share, processes=asked.processes)
            is_well &= carry_out(name, setting)
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
