"""Write `dist/sbom.cdx.json`: what scantrial with all its extras runs on, as a CycloneDX bill of materials.

    make sbom

Names are those that the installed packages ask for, all the way down; versions and hashes are those of `locks/`. Tools
that only developers need are left out.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "dist" / "sbom.cdx.json"
LOCKS = ("env", "built", "torch")


def needed(name: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> set[str]:
    """Return the packages that a package needs in this environment, itself included, all the way down."""
    if (name, extras) in seen:
        return set()
    seen.add((name, extras))
    try:
        wanted = [Requirement(text) for text in requires(name) or ()]
    except PackageNotFoundError:  # offered for another build, such as PyTorch's for CUDA
        return {name}
    found = {name}
    for item in wanted:
        if item.marker is None or any(item.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            found |= needed(canonicalize_name(item.name), frozenset(item.extras), seen)
    return found


def locked() -> dict[str, str]:
    """Return the entry of each locked package, with its version and hashes."""
    text = "\n".join((ROOT / "locks" / f"{name}.txt").read_text() for name in LOCKS)
    entries = re.split(r"\n(?=[A-Za-z0-9])", text)
    return {entry.partition("==")[0]: entry for entry in entries if "==" in entry and not entry.startswith("#")}


def main() -> None:
    """Write the bill of materials."""
    extras = frozenset({"clahe", "codecs", "dicom", "nets", "nifti", "pdf", "train", "web"})
    names = needed("scantrial", extras, set()) - {"scantrial"}
    entries = locked()
    missing = sorted(names - entries.keys())
    if missing:
        raise SystemExit(f"no lock holds {', '.join(missing)}; run `make lock`")
    TARGET.parent.mkdir(exist_ok=True)
    words = [sys.executable, "-m", "cyclonedx_py", "requirements", "-", "--pyproject", "pyproject.toml"]
    words += ["--output-reproducible", "--output-format", "JSON", "--output-file", str(TARGET)]
    subprocess.run(words, cwd=ROOT, input="\n".join(entries[name] for name in sorted(names)), text=True, check=True)
    print(f"{TARGET.relative_to(ROOT)}: {len(names)} components")


if __name__ == "__main__":
    main()
