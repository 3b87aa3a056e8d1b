"""Pages, errors and pictures as answers to a request."""

from __future__ import annotations

from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

from scantrial.core.text import printable_json
from scantrial.store.schema import dump_json
from scantrial.web.guard import NONCE
from scantrial.web.records import ErrorPage, Page
from scantrial.web.rendering import render


def json_of(page: Page) -> bytes:
    """Return a page as JSON."""
    # A byte of a file name that is not valid text, which Python keeps as a surrogate, is written as its JSON escape.
    return printable_json(dump_json(page)).encode(errors="backslashreplace")


def wants_json(request: Request) -> bool:
    """Return whether a request asks for JSON, by its address or by what it accepts."""
    if request.url.path.endswith(".json") or getattr(request.state, "wants_json", False):
        return True
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept


def html_answer(request: Request, html: bytes, *, status: int = 200) -> Response:
    """Return a page as HTML, with the nonce of this answer."""
    body = html.replace(NONCE, request.state.nonce.encode())
    return Response(body, status, media_type="text/html")


def error_answer(request: Request, page: ErrorPage) -> Response:
    """Return an error as HTML or JSON, as asked for."""
    if wants_json(request):
        return Response(json_of(page), page.status, media_type="application/json")
    return html_answer(request, render(page, state=""), status=page.status)


def picture_answer(request: Request, png: bytes) -> Response:
    """Return a picture, or that the browser has it already."""
    tag = f'"{sha256(png).hexdigest()[:24]}"'
    headers = {"ETag": tag, "Cache-Control": "private, max-age=300"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(png, media_type="image/png", headers=headers)
