"""What every test may use. No test reaches the user's own cache, and none needs the network."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

# A machine that is busy with something else is no reason to fail. A commit is judged by the same examples every time;
# `make search` looks for new ones.
hypothesis.settings.register_profile("commit", deadline=None, print_blob=True, derandomize=True)
hypothesis.settings.register_profile("search", deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("SCANTRIAL_HYPOTHESIS", "commit"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts the tests in the background lets them ignore Ctrl-C, and what they start would do the same.
    signal.signal(signal.SIGINT, signal.default_int_handler)

KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "SCANTRIAL_CACHE", "SCANTRIAL_DATA")
"""What a command sees of the environment it is started from; ``COVERAGE_*`` as well."""

RunCli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session", autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the cache in a folder of the test session's; all its processes share it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCANTRIAL_CACHE", str(folder / "scantrial-cache"))
        if os.environ.get("SCANTRIAL_DATA"):
            # Tests change the working directory; a relative path would lead elsewhere.
            patch.setenv("SCANTRIAL_DATA", str(Path(os.environ["SCANTRIAL_DATA"]).resolve()))
        yield


@pytest.fixture(autouse=True)
def _denormals() -> Iterator[None]:
    """Give the process its small numbers back: training in it flushes them to zero, and other tests need them."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture(scope="session")
def chest_xray(_own_folders: None) -> Path:
    """Return the folder of the real chest radiographs; without it the test is skipped."""
    folder = Path(os.environ.get("SCANTRIAL_DATA", ".")) / "chest_xray"
    if "SCANTRIAL_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("there is no folder chest_xray under $SCANTRIAL_DATA")
    return folder


@pytest.fixture
def cli(tmp_path: Path) -> RunCli:
    """Run ``scantrial WORDS`` in an empty working directory and a clean environment; never in a terminal."""

    def run(
        *words: str | Path, cwd: Path = tmp_path, timeout_s: float = 240, **env: str
    ) -> subprocess.CompletedProcess[str]:
        kept = {key: value for key, value in os.environ.items() if key in KEPT or key.startswith("COVERAGE_")}
        return subprocess.run(
            [sys.executable, "-m", "scantrial", *map(str, words)],
            cwd=cwd,
            env={**kept, "HOME": str(tmp_path), **env},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    return run
