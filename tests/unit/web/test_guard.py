"""Who is let in, and what a page may do."""

from __future__ import annotations

import pytest

from scantrial.web.guard import CODE_AGE_S, Door, OneTimeCode, policy_with

DOOR = Door(host="127.0.0.1", port=8765)


@pytest.mark.parametrize("named", ["127.0.0.1:8765", "localhost:8765", "LOCALHOST:8765", "[::1]:8765"])
def test_names_of_this_machine_are_known(named):
    """Loopback by number or by name, on the port that is served."""
    assert DOOR.knows_host(named)


@pytest.mark.parametrize(
    "named",
    ["", "127.0.0.1", "127.0.0.1:80", "evil.example:8765", "127.0.0.1.evil.example:8765", "10.0.0.5:8765", "[::1]:1"],
)
def test_other_names_are_not(named):
    """Another name may be bound to this address by whoever owns it."""
    assert not DOOR.knows_host(named)


def test_with_remote_readers_numbers_are_known_and_foreign_names_are_not():
    """A number cannot be bound to another address; a name can."""
    door = Door(host="0.0.0.0", port=8765, is_remote=True)
    assert door.knows_host("192.168.1.7:8765")
    assert not door.knows_host("evil.example:8765")
    assert door.address.startswith("http://127.0.0.1:8765/?token=")


def test_the_origin_is_our_own():
    """Of a page of this server, and of no other, nor of another port or scheme."""
    assert DOOR.knows_origin("http://127.0.0.1:8765", "127.0.0.1:8765")
    for origin in ("null", "http://evil.example", "https://127.0.0.1:8765", "http://127.0.0.1:8766"):
        assert not DOOR.knows_origin(origin, "127.0.0.1:8765")


def test_tokens_are_long_and_of_one_server():
    """Two servers share neither token nor cookie."""
    other = Door(host="127.0.0.1", port=8766)
    assert len(DOOR.token) >= 32
    assert DOOR.has_token(DOOR.token)
    assert not DOOR.has_token(other.token)
    assert not DOOR.has_token("")
    assert not DOOR.has_token("é")
    assert other.cookie != DOOR.cookie
    assert DOOR.has_cookie(f"a=b; {DOOR.cookie}={DOOR.pass_word}")
    for header in ("", f"{DOOR.cookie}=", f"{DOOR.cookie}={DOOR.token}", "=;;\x00", f"x={DOOR.pass_word}"):
        assert not DOOR.has_cookie(header)


def test_a_code_opens_once_and_not_for_long():
    """A wrong one changes nothing; a used or an old one is worth nothing."""
    at = [0.0]
    code = OneTimeCode(clock=lambda: at[0])
    assert not code.accept("")
    assert not code.accept(code.text + "x")
    assert code.accept(code.text)
    assert not code.accept(code.text)
    late = OneTimeCode(clock=lambda: at[0])
    at[0] = CODE_AGE_S
    assert not late.accept(late.text)
    assert DOOR.invitation == f"http://127.0.0.1:8765/?code={DOOR.code.text}"
    assert DOOR.token not in DOOR.invitation


@pytest.mark.parametrize("other", ["a[b]=1", 'q="torn', "spa ce=x", "{json: 1}", "=", "é=ü", "theme=\x01", ";;"])
def test_a_cookie_of_another_server_locks_nobody_out(other):
    """Cookies of 127.0.0.1 are sent to all of its ports: before ours, after it and on both sides."""
    ours = f"{DOOR.cookie}={DOOR.pass_word}"
    for header in (f"{other}; {ours}", f"{ours}; {other}", f"{other};{ours};{other}"):
        assert DOOR.has_cookie(header)
    assert not DOOR.has_cookie(f"{other}; {DOOR.cookie}=x{DOOR.pass_word}")


def test_a_host_is_itself_in_any_case():
    """A name that was given with capitals is the one that browsers ask for in small letters."""
    door = Door(host="Workstation.Lab", port=8765)
    assert door.knows_host("workstation.lab:8765")
    assert door.knows_host("Workstation.Lab:8765")


def test_the_policy_allows_nothing_but_our_own():
    """No inline code, no evaluation, no other host, no frame."""
    policy = policy_with("abc")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "script-src 'nonce-abc';" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
