"""Make the files of `locks/` anew: every file that an installation may use, by its SHA-256.

    make lock

The versions are those of `constraints.txt`; the hashes are what the package index offers of them, for every platform.
No file names an index, so that a lock holds wherever the same files are served.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / "locks"
LEAST_PYTHON = "3.11.5"
GROUPS = {"env": ("dev",), "build": ("build",), "mutate": ("mutate",), "release": ("release", "build")}
"""The lock files, each with the groups of pyproject.toml that it holds; `env` has the extras as well."""

EXTRAS = ("clahe", "codecs", "dicom", "nets", "nifti", "pdf", "train", "web")
"""The extras that `env` has."""

BUILT = ("confidenceinterval",)
"""Packages that are offered as source only; pip builds them with what `env` has installed."""

OF_CUDA = re.compile(r"(nvidia-|cuda-|triton$)")
"""What PyTorch's default build for Linux needs, and its CPU build does not."""


def resolved(*asked: str) -> dict[str, str]:
    """Return the entry of each package, with its marker and its hashes, for every platform.

    Parameters
    ----------
    asked : files, groups and extras, in the words of ``uv pip compile``
    """
    words = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", LEAST_PYTHON]
    words += ["--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    words += ["--constraint", "constraints.txt", "--no-config", *asked]
    text = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    entries = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    by_name = {entry.partition("==")[0]: entry for entry in entries}
    if len(by_name) < len(entries):
        raise SystemExit("a package has several versions, by the platform: pin one in constraints.txt")
    return by_name


def is_torch(name: str) -> bool:
    """Return whether a package is PyTorch, or belongs to its build for CUDA."""
    return name == "torch" or OF_CUDA.match(name) is not None


def of_groups(name: str) -> list[str]:
    """Return the words for the groups of a lock."""
    return [word for group in GROUPS[name] for word in ("--group", group)]


def write(name: str, entries: dict[str, str], *, about: str) -> None:
    """Write one lock file."""
    head = f"# {about} Made by scripts/lock.py from constraints.txt: do not edit.\n"
    text = head + "\n".join(entries[key] for key in sorted(entries)) + "\n"
    if "://" in text:
        raise SystemExit(f"locks/{name}.txt would name a host")
    (LOCKS / f"{name}.txt").write_text(text)


def main() -> None:
    """Resolve everything and write each lock."""
    LOCKS.mkdir(exist_ok=True)
    extras = [word for extra in EXTRAS for word in ("--extra", extra)]
    everything = resolved("pyproject.toml", *of_groups("env"), *extras)
    torch = {name: entry for name, entry in everything.items() if is_torch(name)}
    built = {name: everything[name] for name in BUILT}
    env = {name: entry for name, entry in everything.items() if name not in {*torch, *built}}
    write("env", env, about="What `make env` installs, but for PyTorch.")
    write("built", built, about="Packages of `make env` that are offered as source only.")
    write("torch", torch, about="PyTorch's default build, and what it needs on Linux.")
    write("build", resolved(*of_groups("build")), about="What a build without isolation needs.")
    write("mutate", resolved(*of_groups("mutate")), about="What `make mutate` installs on top.")
    write("release", resolved(*of_groups("release")), about="What `make lock`, `sbom` and `dist` install on top.")
    peers = {name: entry for name, entry in resolved("benchmarks/peers.txt").items() if not is_torch(name)}
    write("peers", peers, about="What `make peers` installs, but for PyTorch.")


if __name__ == "__main__":
    main()
