"""Who is let in: only who has the token, from a page of ours, by a name of ours; and what every answer says."""

from __future__ import annotations

import re

import pytest
from tests.studies import TWO_ARMS, StudyShape, write_study
from tests.web.serving import served

from scantrial.web.guard import COOKIE_AGE_S

PAGES = ["/", "/s/done", "/s/done/cases", "/s/done/cases/0", "/s/done/compare", "/s/done/threshold", "/nothing"]
OTHERS = ["/static/app.js", "/static/app.css", "/s/done/cases/0/thumb.png", "/s/done/events", "/events"]


@pytest.mark.parametrize("path", [*PAGES, *OTHERS])
@pytest.mark.parametrize(
    "headers",
    [
        {"Cookie": None},
        {"Cookie": "scantrial-1=x"},
        {"Host": "evil.example"},
        {"Host": None},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
    ids=str,
)
def test_nobody_else_is_let_in(reader, path, headers):
    """No cookie, another host, another origin: 403 for every address, and not a word of any study."""
    answer = reader.ask(path, **headers)
    assert answer.status in (400, 403)
    assert b"cross-entropy" not in answer.body


@pytest.mark.parametrize("token", ["wrong", "", "%00", "é"])
def test_a_wrong_token_is_refused(reader, token):
    """Even beside a valid cookie."""
    assert reader.ask(f"/?token={token.encode().hex() if token == 'é' else token}").status == 403


def test_the_token_becomes_a_cookie(reader):
    """Once, for scripts out of reach, for this site alone; the address is then without it."""
    answer = reader.ask(f"/s/done/cases?split=val&token={reader.door.token}", Cookie=None)
    assert answer.status == 303
    assert answer.headers["location"] == "/s/done/cases?split=val"
    cookie = answer.headers["set-cookie"]
    assert f"Max-Age={COOKIE_AGE_S}" in cookie
    assert cookie.startswith(f"scantrial-{reader.door.port}=")
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert reader.door.token not in cookie
    kept = cookie.split(";")[0]
    assert reader.ask(answer.headers["location"], Cookie=kept).status == 200


def test_the_code_is_exchanged_once_by_a_page_that_leads_on(tmp_path):
    """A redirect would not do: a browser that comes from a file sends no strict cookie after it."""
    write_study(tmp_path / "done", StudyShape(arms=TWO_ARMS))
    with served(tmp_path) as reader:
        path = f"/?code={reader.door.code.text}"
        answer = reader.ask(path, Cookie=None)
        assert answer.status == 200
        assert 'http-equiv="refresh" content="0; url=/"' in answer.text
        assert reader.ask("/", Cookie=answer.headers["set-cookie"].split(";")[0]).status == 200
        assert reader.ask(path, Cookie=None).status == 403
        assert reader.ask(path).status == 403


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example/", "//evil.example/%2e%2e"])
def test_the_exchange_leads_to_no_other_host(reader, path):
    """An address with two slashes is not passed on as one of another host."""
    answer = reader.ask(f"{path}?token={reader.door.token}", Cookie=None)
    assert answer.status in (303, 400)
    if answer.status == 303:
        assert not re.match(r"[/\\]{2}", answer.headers["location"])


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_can_be_changed(reader, method):
    """Only reading is answered."""
    assert reader.ask("/s/done", method=method).status == 405


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_held_to_itself(reader, path):
    """A strict policy with a nonce of its own each time; nothing inline, nothing kept, nothing framed."""
    answers = [reader.ask(path) for _ in range(2)]
    nonces = []
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        nonce = re.search(r"script-src 'nonce-([^']+)'", policy)
        assert nonce is not None
        nonces.append(nonce[1])
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        scripts = re.findall(r"<script[^>]*>", answer.text)
        assert len(scripts) == 1
        assert f'nonce="{nonce[1]}"' in scripts[0]
        assert "@@nonce@@" not in answer.text
        assert not re.search(r"<[^>]+\s(style|on[a-z]+)=", answer.text)
    assert nonces[0] != nonces[1]


def test_head_is_answered_without_a_body(reader):
    """As HTTP has it."""
    answer = reader.ask("/s/done", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
