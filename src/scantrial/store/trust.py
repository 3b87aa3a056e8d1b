"""Which custom networks the user has allowed, for each study folder.

Each folder has one file in the user's own state folder, where nobody who sends a study can write. It is found by the
folder's real path, and names each network with its arguments, the files that its import runs (those of its own folder
that it imports in turn among them), and their hashes. So nothing in a study folder allows anything, a folder that is
copied or moved has to be allowed once more, and so has a network one of whose files has changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import platformdirs

from scantrial.core.custom_code import CustomClass, find_class, untrusted
from scantrial.core.errors import InputError
from scantrial.core.files import written_aside
from scantrial.core.progress import silent
from scantrial.core.text import printable
from scantrial.recipe.networks import ModelSpec

SCHEMA_VERSION = 1
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
MAX_SHOWN = 20_000
"""Characters of arguments that a user can be expected to look through, of all networks that are new together."""

OnTrust = Callable[[CustomClass], object]
"""Called with each class that was not allowed before, before it is imported."""


def state_folder() -> Path:
    """Return the user's state folder: ``$SCANTRIAL_STATE``, or where the system keeps such files."""
    named = os.environ.get("SCANTRIAL_STATE")
    return Path(named) if named else platformdirs.user_state_path("scantrial", appauthor=False)


def permit(
    folder: Path | None,
    models: Iterable[ModelSpec],
    *,
    search: Sequence[str],
    trust_code: bool = False,
    on_trust: OnTrust = silent,
) -> tuple[CustomClass, ...]:
    """Return the classes of the custom networks among `models`, if all of them may be imported.

    Parameters
    ----------
    folder : the study folder, or None where there is none
    search : folders with modules, such as ``sys.path``
    trust_code : whether the user allows now what was not allowed before; kept for the folder
    on_trust : see `OnTrust`

    Raises
    ------
    InputError
        If one is not found, or not allowed, with the files that its import would run; or if the arguments of those
        that are not allowed yet are too long to be read.
    """
    wanted = {_key(model): model for model in models if model.is_custom}
    if not wanted:
        return ()
    found = {
        key: replace(find_class(model.name, search), arguments=_shown(model.args)) for key, model in wanted.items()
    }
    known = {} if folder is None else allowed_before(folder)
    new = {key: item for key, item in found.items() if known.get(key) != item}
    _refuse_unreadable(new.values())
    if new and not trust_code:
        what = "this study has" if folder is None or not folder.exists() else f"{folder} has"
        raise untrusted(f"{what} a network whose code you have not allowed:", list(new.values()))
    for item in new.values():
        on_trust(item)
    if new and folder is not None:
        _keep(folder, {**known, **new})
    return tuple(found.values())


def allowed_before(folder: Path) -> dict[str, CustomClass]:
    """Return what the user has allowed in a study folder, by network and arguments; nothing if that is not known.

    A file that another user owns or may write is not believed.
    """
    path = _file_of(folder)
    # Anything wrong with the file means only that nothing is allowed yet.
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        if not _is_private(path.parent):
            return {}
        content = json.loads(_read_private(path))
        if content["schema_version"] == SCHEMA_VERSION and content["folder"] == os.path.realpath(folder):
            return {key: CustomClass.from_dict(item) for key, item in content["networks"].items()}
    return {}


def _shown(args: Mapping[str, Any] | None) -> str:
    return printable(json.dumps(args, ensure_ascii=False, default=repr)) if args else ""


def _refuse_unreadable(classes: Collection[CustomClass]) -> None:
    """Refuse arguments that nobody would read to their end: what is allowed is shown whole before."""
    total = sum(len(item.arguments) for item in classes)
    if total > MAX_SHOWN:
        longest = max(classes, key=lambda item: len(item.arguments))
        raise InputError(
            f"the arguments of networks of one's own have {total:,} characters, those of {longest.name} the most",
            expected=f"at most {MAX_SHOWN:,}, so that you can read all of them before you allow the networks",
            do="if the study is yours, write long arguments as defaults into the network's own file",
        )


def _key(model: ModelSpec) -> str:
    return json.dumps([model.name, model.args or {}], sort_keys=True, default=repr)


def _file_of(folder: Path) -> Path:
    name = hashlib.sha256(os.path.realpath(folder).encode(errors="surrogateescape")).hexdigest()
    return state_folder() / "trusted" / f"{name}.json"


def _keep(folder: Path, networks: dict[str, CustomClass]) -> None:
    """Write what is allowed in a folder; where that cannot be written, the user is asked again next time."""
    content: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "folder": os.path.realpath(folder),
        "networks": {key: asdict(item) for key, item in networks.items()},
    }
    path = _file_of(folder)
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _is_private(path.parent):
            with written_aside(path) as temporary:
                temporary.touch(mode=0o600)
                temporary.write_text(json.dumps(content, indent=2))


def _is_private(folder: Path) -> bool:
    """Return whether a folder is the user's, and no other user may write into it."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & _OTHERS_MAY_WRITE


def _read_private(path: Path) -> str:
    """Return a file of the user's that no other user may write; anything else is an `OSError`."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(handle, encoding="utf-8") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & _OTHERS_MAY_WRITE:
            raise PermissionError(str(path))
        return file.read()
