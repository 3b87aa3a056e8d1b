"""How much an installation of scantrial takes on disk, in MB: by itself, and with each extra. `make env` first.

    .venv/bin/python scripts/install_sizes.py

Counted are the files that pip lists for each package of this environment that is needed; caches are not.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement

MB = 1e6
EXTRAS = ("train", "web", "pdf", "nets", "dicom", "nifti", "codecs", "clahe")
"""In the order in which people need them."""


def needed(name: str, extra: str = "") -> set[str]:
    """Return the packages that a package needs, itself included; those that are not installed are left out."""
    found: set[str] = set()
    waiting = [(name, extra)]
    while waiting:
        package, extras = waiting.pop()
        key = package.lower().replace("_", "-")
        if key in found and not extras:
            continue
        try:
            requires = distribution(package).requires or []
        except PackageNotFoundError:
            continue
        found.add(key)
        for requirement in map(Requirement, requires):
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": one}) for one in {extras, ""}):
                waiting.append((requirement.name, next(iter(requirement.extras), "")))
    return found


def size_of(package: str) -> float:
    """Return the size of a package's files in MB."""
    files = distribution(package).files or []
    paths = [file.locate() for file in files]
    return sum(path.stat().st_size for path in paths if path.is_file()) / MB


def main() -> None:
    """Print the table."""
    base = needed("scantrial")
    largest = sorted(base, key=size_of, reverse=True)[:3]
    named = ", ".join(f"{name} {size_of(name):.0f}" for name in largest)
    print(f"| scantrial | {sum(map(size_of, base)):.0f} | {named} |")
    for extra in EXTRAS:
        added = needed("scantrial", extra) - base
        largest = sorted(added, key=size_of, reverse=True)[:2]
        named = ", ".join(f"{name} {size_of(name):.0f}" for name in largest)
        print(f"| {extra} | {sum(map(size_of, added)):.0f} | {named} |")


if __name__ == "__main__":
    main()
