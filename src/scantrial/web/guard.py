"""Decide who is let in: the person who started the server, from this machine, and from no other site's page.

Every request has to name a host of ours (so that no other name can be bound to this address), to come from our own
origin if it names one, and to carry the cookie that the printed address is exchanged for.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
NONCE = b"@@nonce@@"
"""Placeholder in rendered pages for the nonce of each answer."""

COOKIE_AGE_S = 7 * 24 * 3600
"""Seconds after which a browser forgets the cookie; the printed address gives a new one."""
CODE_AGE_S = 120.0
"""Seconds in which a one-time code has to be used: a browser may start slowly."""

_NO_TOKEN = "no valid token was given; open the address that `scantrial serve` printed"
_ONLY_GET = "only GET is allowed: this server changes nothing"

_FIXED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class OneTimeCode:
    """A code that is accepted once, and only for a while.

    Parameters
    ----------
    age_s : seconds until it expires
    clock : returns the time in seconds
    """

    def __init__(self, *, age_s: float = CODE_AGE_S, clock: Callable[[], float] = time.monotonic) -> None:
        self.text = secrets.token_urlsafe(24)
        self._clock = clock
        self._ends = clock() + age_s

    def accept(self, given: str) -> bool:
        """Return whether this is the code, still unused and not expired; from then on it is used."""
        if not _is_equal(given, self.text) or self._clock() >= self._ends:
            return False
        self._ends = float("-inf")
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What lets a request in.

    Parameters
    ----------
    host, port : that the server is bound to
    is_remote : whether requests from other machines are accepted
    token : in the address that was printed
    code : opens the door once, for the browser that the server itself starts
    pass_word : in the cookie that either is exchanged for
    """

    host: str
    port: int
    is_remote: bool = False
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    code: OneTimeCode = field(default_factory=OneTimeCode)
    pass_word: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def cookie(self) -> str:
        """Name of the cookie: two servers on one machine do not share one."""
        return f"scantrial-{self.port}"

    @property
    def address(self) -> str:
        """The address to open; it holds the token."""
        return f"{self._home}?token={self.token}"

    @property
    def invitation(self) -> str:
        """The address with the one-time code, useless once it was opened."""
        return f"{self._home}?code={self.code.text}"

    @property
    def _home(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self.port}/"

    def knows_host(self, named: str) -> bool:
        """Return whether a ``Host`` header names this server."""
        host, port = _split_host(named)
        if port != str(self.port) and not (port == "" and self.port == 80):
            return False
        if host in LOOPBACK or host == self.host.lower():
            return True
        # An IP address cannot be rebound; any other name could belong to somebody else.
        return self.is_remote and _is_number(host)

    def knows_origin(self, origin: str, named: str) -> bool:
        """Return whether an ``Origin`` header names one of our pages."""
        return origin == f"http://{named}"

    def has_token(self, given: str) -> bool:
        """Return whether this is the token, in constant time."""
        return _is_equal(given, self.token)

    def has_cookie(self, header: str) -> bool:
        """Return whether a ``Cookie`` header holds our cookie.

        Other servers on this host write into the same header: only our part of it is read.
        """
        parts = (part.strip().partition("=") for part in header.split(";"))
        given = [value for name, _, value in parts if name == self.cookie]
        return any(_is_equal(value, self.pass_word) for value in given)


def _is_equal(given: str, secret: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode(errors="replace"), secret.encode())


def _split_host(named: str) -> tuple[str, str]:
    if named.startswith("["):
        host, _, rest = named[1:].partition("]")
        return host.lower(), rest.removeprefix(":")
    host, _, port = named.partition(":")
    return host.lower(), port


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Guard:
    """Let valid requests in, exchange the token for a cookie, and set the headers that isolate a page."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})["nonce"] = secrets.token_urlsafe(16)
        answer = self._refusal(scope)
        scope["state"]["is_let_in"] = answer is None or answer.status_code < 400
        await (answer or self._app)(scope, receive, self._sealed(scope, send))

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the answer to a request that is refused or brings the token; None lets the request in."""
        headers, door = Headers(scope=scope), self._door
        named = headers.get("host", "")
        if not door.knows_host(named):
            return _refused(f"host {named!r} is not this server's")
        origin = headers.get("origin")
        if origin is not None and not door.knows_origin(origin, named):
            return _refused(f"origin {origin!r} is not this server's")
        is_known = door.has_cookie(headers.get("cookie", ""))
        if scope["method"] not in ("GET", "HEAD"):
            return _refused(_ONLY_GET, 405, {"Allow": "GET, HEAD"}) if is_known else _refused(_NO_TOKEN)
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = {key: value for key, value in reversed(query) if key in ("token", "code")}
        if "token" in given:
            return self._exchange(scope, given["token"], query)
        if "code" in given:
            return self._welcome(given["code"])
        return None if is_known else _refused(_NO_TOKEN)

    def _exchange(self, scope: Scope, given: str, query: list[tuple[str, str]]) -> Response:
        if not self._door.has_token(given):
            return _refused("the token is not this server's; open the address that `scantrial serve` printed")
        rest = urlencode([(key, value) for key, value in query if key != "token"])
        path = scope.get("raw_path", scope["path"].encode()).decode("latin-1").split("?")[0]
        # One slash at the start: two would be the address of another host.
        return self._with_cookie(RedirectResponse(f"/{path.lstrip('/')}{'?' + rest if rest else ''}", 303))

    def _welcome(self, given: str) -> Response:
        """Exchange the one-time code by a page of ours that leads on.

        The browser comes from a file, which is no page of ours. After a redirect it would keep the strict cookie back.
        """
        if not self._door.code.accept(given):
            return _refused("this code was used before or is too old; open the address that `scantrial serve` printed")
        return self._with_cookie(HTMLResponse(leading_to("/")))

    def _with_cookie(self, answer: Response) -> Response:
        name, value = self._door.cookie, self._door.pass_word
        answer.set_cookie(name, value, max_age=COOKIE_AGE_S, httponly=True, samesite="strict", path="/")
        return answer

    def _sealed(self, scope: Scope, send: Send) -> Send:
        policy = policy_with(scope["state"]["nonce"])

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _FIXED.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", policy)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        return sealed


def policy_with(nonce: str) -> str:
    """Return the policy of a page: only its own pictures and answers, and scripts and styles with this nonce."""
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


def leading_to(address: str) -> str:
    """Return a page that leads on at once; the browser's history keeps only where it leads."""
    to = escape(address)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>scantrial</title>'
        f'<meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0; url={to}">'
        f'<p><a href="{to}">Open the page</a></p></html>\n'
    )


def _refused(why: str, status: int = 403, headers: Mapping[str, str] | None = None) -> Response:
    # Who is not let in does not keep a connection either.
    return PlainTextResponse(f"refused: {why}\n", status, headers={"Connection": "close", **(headers or {})})
