"""How a command ends: in words and with an exit code, never in a traceback."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

from scantrial.core.errors import NotLoggedWarning, ScantrialError
from scantrial.core.memory import memory_error
from scantrial.core.text import printable

UNEXPECTED = 70
"""Exit code of an error that should not be possible."""

TRACEBACK = "SCANTRIAL_TRACEBACK"
"""Name of the environment variable that lets such an error show where it arose."""


def accept_every_character() -> None:
    """Write characters that a stream's encoding lacks as escapes, instead of failing on them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _show_warning(otherwise: Callable[..., None], message: Warning | str, kind: type[Warning], *where: Any) -> None:
    if issubclass(kind, NotLoggedWarning):
        sys.stderr.write(f"scantrial: {message}\n")
    else:
        otherwise(message, kind, *where)


@contextmanager
def plain_endings() -> Iterator[None]:
    """End every error under this block in words and an exit code, and say in words what could not be logged."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", NotLoggedWarning)
            warnings.showwarning = partial(_show_warning, warnings.showwarning)
            yield
    except ScantrialError as error:
        _stop(str(error), error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:
        _stop_at(error)


def _stop_at(error: Exception) -> NoReturn:
    """End with what is known of an error that no command foresaw."""
    short = memory_error(error)
    if short is not None:
        _stop(str(short), short.exit_code)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        _stop(f"{where}{error.strerror or error}", 1)
    # A fault of ours: neither the user nor the disk did wrong.
    if TRACEBACK in os.environ:
        raise error
    _stop(
        f"unexpected error: {type(error).__name__}: {error}\ndo this: set {TRACEBACK}=1 and run the same command "
        "again, and report the whole text that it prints as a bug",
        UNEXPECTED,
    )


def _stop(message: str, code: int) -> NoReturn:
    first, *rest = printable(message, keep="\n").split("\n")
    sys.stderr.write("\n".join([f"scantrial: {first}", *rest]) + "\n")
    sys.exit(code)
