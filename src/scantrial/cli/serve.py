"""``serve``: a study in a browser."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from scantrial.cli.output import err, out, print_json
from scantrial.core.errors import MissingExtraError

if TYPE_CHECKING:
    from scantrial.web.guard import Door


def serve(folder: Path, *, host: str, port: int | None, allow_remote: bool, open_browser: bool, as_json: bool) -> None:
    """Serve a folder until Ctrl-C; print the address as soon as it can be opened."""
    for package in ("starlette", "uvicorn"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(extra="web", package=package.capitalize(), needed_for="the page")
    from scantrial.web import serve as server  # noqa: PLC0415 - only where they are installed

    def say(door: Door) -> None:
        if as_json:
            print_json({"address": door.address, "host": door.host, "port": door.port, "token": door.token})
        else:
            out.print(door.address)
        out.file.flush()
        err.print(f"scantrial: serving {folder}; press Ctrl-C to stop")

    server.run_server(
        folder,
        server.ServeOptions(host=host, port=port, allow_remote=allow_remote, open_browser=open_browser),
        say=say,
    )
    err.print("scantrial: stopped")
