"""Compile the sweep's kernel: ``python src/scantrial/train/native/build.py``.

Standard library only: the package's own build runs this file by itself (`hatch_build.py`), before scantrial can be
imported. Where there is no compiler it says so in a text file beside the sources, and installation goes on.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
LIBRARY = FOLDER / "sweep.so"
WHY_NOT = FOLDER / "not-built.txt"
SOURCES = ("sweep.h", "kernel.cpp", "sweep.cpp")
COMPILER_VARIABLE = "CXX"

# No -ffast-math: it would let sums be reordered at will and NaN go unseen. Nothing here reads errno or traps.
_FLAGS = ("-std=c++17", "-O3", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden", "-Wall")
_X86_VARIANTS = {
    "sweep_avx2": ("-DSWEEP_LANES=8", "-DSWEEP_VECTORS=2", "-mavx2", "-mfma"),
    "sweep_avx512": (
        *("-DSWEEP_LANES=16", "-DSWEEP_VECTORS=4", "-mprefer-vector-width=512"),
        *("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma"),
    ),
}
_PORTABLE = {"sweep_portable": ("-DSWEEP_LANES=4", "-DSWEEP_VECTORS=2")}


class BuildError(Exception):
    """The kernel could not be compiled; the text says why in one line."""


def source_hash() -> str:
    """Return what the library is stamped with, so that one older than its sources is noticed."""
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update((FOLDER / name).read_bytes())
    return digest.hexdigest()[:16]


def build() -> Path:
    """Compile the library beside its sources and return its path.

    Raises
    ------
    BuildError
        If there is no C++ compiler, or it fails; `WHY_NOT` then holds the reason.
    """
    for stale in (LIBRARY, WHY_NOT):
        stale.unlink(missing_ok=True)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            made = _compile(_compiler(), Path(scratch))
            shutil.copy2(made, LIBRARY)
    except (BuildError, OSError) as error:
        WHY_NOT.write_text(f"{error}\n", encoding="utf-8")
        raise BuildError(str(error)) from error
    return LIBRARY


def _compiler() -> list[str]:
    wanted = os.environ.get(COMPILER_VARIABLE)
    if wanted:
        return shlex.split(wanted)
    found = next((name for name in ("c++", "g++", "clang++") if shutil.which(name)), None)
    if found is None:
        raise BuildError("no C++ compiler was found (c++, g++, clang++, or the variable CXX)")
    return [found]


def _compile(compiler: list[str], scratch: Path) -> Path:
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    objects = []
    for name, flags in {**_PORTABLE, **(_X86_VARIANTS if is_x86 else {})}.items():
        objects.append(scratch / f"{name}.o")
        _run([*compiler, *_FLAGS, f"-DSWEEP_NAME={name}", *flags, "-c", _source("kernel.cpp"), "-o", objects[-1]])
    objects.append(scratch / "sweep.o")
    stamp = [f'-DSWEEP_SOURCES="{source_hash()}"', *(["-DSWEEP_X86"] if is_x86 else [])]
    _run([*compiler, *_FLAGS, *stamp, "-pthread", "-c", _source("sweep.cpp"), "-o", objects[-1]])
    library = scratch / LIBRARY.name
    _run([*compiler, "-shared", "-pthread", "-o", library, *objects])
    return library


def _source(name: str) -> Path:
    return FOLDER / name


def _run(command: list[str | Path]) -> None:
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BuildError(f"the C++ compiler {words[0]} could not be started: {error.strerror}") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "error" in line.lower()] or done.stderr.splitlines()
        raise BuildError(f"the C++ compiler {words[0]} failed: {(said or ['no message'])[0].strip()}")


if __name__ == "__main__":
    try:
        print(build())
    except BuildError as error:
        sys.exit(f"the kernel was not built: {error}")
