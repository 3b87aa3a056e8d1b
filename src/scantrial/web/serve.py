"""Start the server, say where it is, and end it cleanly."""

from __future__ import annotations

import errno
import os
import socket
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from scantrial.core.errors import InputError
from scantrial.core.files import clear_os_errors
from scantrial.web.app import Site
from scantrial.web.connections import IDLE_S, BoundedConnection, most_open
from scantrial.web.guard import LOOPBACK, Door, leading_to
from scantrial.web.studies import Shelf

FIRST_PORT, N_PORTS = 8765, 20
SHUTDOWN_S = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """How to serve.

    Parameters
    ----------
    host : the address to bind to; one that other machines can reach needs `allow_remote`
    port : None takes a free one near 8765
    allow_remote : whether requests from other machines are accepted
    open_browser : whether to open the address in a browser
    """

    host: str = "127.0.0.1"
    port: int | None = None
    allow_remote: bool = False
    open_browser: bool = True


def run_server(root: Path, options: ServeOptions, *, say: Callable[[Door], None]) -> None:
    """Serve a folder until Ctrl-C.

    Parameters
    ----------
    say : called with the address as soon as it can be opened

    Raises
    ------
    InputError
        If there is no such folder, other machines could reach the host without `allow_remote`, or the port is taken.
    """
    if options.host not in LOOPBACK and not options.allow_remote:
        raise InputError(
            f"--host {options.host} can be reached from other machines",
            expected="127.0.0.1",
            do="add --allow-remote if everyone who has the address may see the scans; the traffic is not encrypted",
        )
    shelf = Shelf(root)
    listening = listen(options.host, options.port)
    door = Door(host=options.host, port=listening.getsockname()[1], is_remote=options.allow_remote)
    server: list[uvicorn.Server] = []
    site = Site(shelf, door, is_over=lambda: bool(server) and server[0].should_exit)
    server.append(uvicorn.Server(configure(site.application())))
    threading.Thread(target=site.warm_up, daemon=True).start()
    say(door)
    with listening, ExitStack() as files:
        if options.open_browser and can_open_a_browser():
            file = files.enter_context(redirect_file(door))
            threading.Thread(target=webbrowser.open, args=(file.as_uri(),), daemon=True).start()
        # uvicorn raises Ctrl-C again once it has ended.
        with suppress(KeyboardInterrupt):
            server[0].run(sockets=[listening])


def configure(application: ASGIApp) -> uvicorn.Config:
    """Return how the application is served: few and short-lived connections for who asks for nothing."""
    most = most_open()
    return uvicorn.Config(
        application,
        http=BoundedConnection,
        ws="none",
        # So many connections may come before the first of them is closed.
        backlog=most // 2,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=SHUTDOWN_S,
        timeout_keep_alive=IDLE_S,
    )


@contextmanager
def redirect_file(door: Door) -> Iterator[Path]:
    """Yield a file that only this user can read and that leads a browser in; it is gone at the end of the block.

    Everyone on the machine sees the command line that starts a browser: it names this file, and no token or code.
    """
    with clear_os_errors(tempfile.gettempdir()), tempfile.TemporaryDirectory(prefix="scantrial-") as folder:
        path = Path(folder) / "open.html"
        path.touch(mode=0o600)
        path.write_text(leading_to(door.invitation), encoding="utf-8")
        yield path


def listen(host: str, port: int | None) -> socket.socket:
    """Return a listening socket; without a port the first free one near 8765, or any.

    Raises
    ------
    InputError
        If the host or the port cannot be used.
    """
    wanted = [*range(FIRST_PORT, FIRST_PORT + N_PORTS), 0] if port is None else [port]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    error: OSError | OverflowError | None = None
    for one in wanted:
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, one))
            found.listen(256)
        except (OSError, OverflowError) as refused:
            found.close()
            error = refused
        else:
            return found
    busy = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
    why = "another program uses it" if busy else str(getattr(error, "strerror", None) or error)
    raise InputError(
        f"--host {host} --port {port} cannot be used: {why}", do="choose another port, or leave --port out"
    )


def can_open_a_browser() -> bool:
    """Return whether there is a screen for a browser; a browser in the terminal does not count."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
