"""Memory that ran out, in words."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scantrial.core.memory import ADVICE, gigabytes, memory_error, memory_ran_out, says_memory_ran_out


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "memory ran out"),
        (
            MemoryError("Unable to allocate 3.73 GiB for an array with shape (1000000000,) and data type float32"),
            "memory ran out: 3.73 GiB more were asked for",
        ),
        (MemoryError("malloc of size 2000000064 failed"), "memory ran out: 2.0 GB more were asked for"),
        (
            RuntimeError(
                "[enforce fail] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000000 bytes."
            ),
            "memory ran out: 4.0 MB more were asked for",
        ),
        (
            RuntimeError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU"),
            "memory ran out: 2.50 GiB more were asked for",
        ),
        (ImportError("libtorch.so: failed to map segment from shared object"), "memory ran out"),
        (RuntimeError("std::bad_alloc"), "memory ran out"),
    ],
)
def test_every_library_is_understood(error: Exception, words: str):
    """NumPy, Arrow, PyTorch on the processor and the card, the loader, C++: with what was asked for, where it is said."""
    assert memory_ran_out(error) == words
    found = memory_error(error)
    assert (found.got, found.do) == (words, ADVICE)


@pytest.mark.parametrize(
    "error", [ValueError("the memory of an elephant"), RuntimeError("mat1 and mat2 differ"), OSError()]
)
def test_other_errors_mean_another_thing(error: Exception):
    """They are not put down to memory."""
    assert memory_ran_out(error) is memory_error(error) is None
    assert not says_memory_ran_out(str(error))


def test_numpy_itself_is_understood():
    """By what it raises."""
    numpy = pytest.importorskip("numpy")
    with pytest.raises(MemoryError) as caught:
        numpy.empty(1 << 60, dtype="u1")
    assert memory_ran_out(caught.value) == "memory ran out: 1.00 EiB more were asked for"


NEARLY_FULL = """
import resource
from pathlib import Path
from scantrial.core.memory import memory_ran_out
peak = 1024 * int(Path("/proc/self/status").read_text().split("VmPeak:")[1].split()[0])
resource.setrlimit(resource.RLIMIT_AS, (peak + (1 << 20), peak + (1 << 20)))
print(memory_ran_out(SystemError("error return without exception set")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the size of a process is read from /proc")
def test_near_the_limit_every_failure_is_put_down_to_it():
    """In a process whose addresses are nearly used up; the limit is named."""
    said = subprocess.run([sys.executable, "-c", NEARLY_FULL], capture_output=True, text=True, check=True).stdout
    assert said.startswith("memory ran out (SystemError: error return without exception set); this process may use ")
    assert "(ulimit -v)" in said


def test_sizes_are_for_people():
    """In GB, and in MB below a tenth of one."""
    assert [gigabytes(size) for size in (3_000_000, 123_456_789, 2**40)] == ["3.0 MB", "0.1 GB", "1,099.5 GB"]
