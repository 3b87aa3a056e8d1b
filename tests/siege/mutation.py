"""Damage to bytes, drawn at random."""

from __future__ import annotations

import random
from collections.abc import Callable

WORDS = (
    b"", b"0", b"-1", b"1e999", b"NaN", b"null", b"true", b"[]", b"{}", b"[[", b'"', b"\x00", b"\xff\xfe", b"\xef\xbb\xbf",
    b"9" * 40, b"\xd8\x00", b"../../x", b"[1]", b'{"a": 1}', b"\n", b"\r\n\t", b": ", b"- ", b"&a *a", b"!!python/name:os", b"," * 50,
)  # fmt: skip
"""What is put into text: numbers out of range, other types, bytes that are no text."""


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Change a few bytes: flip bits, cut, insert words, repeat or swap pieces, or put a value in another one's place."""
    changes: tuple[Callable[[bytes, random.Random], bytes], ...] = (_flip, _cut, _insert, _repeat, _swap, _retype)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 12))):
        content = rng.choice(changes)(content, rng)
    return content


def flipped(content: bytes, rng: random.Random) -> bytes:
    """Flip one bit."""
    return _flip(content, rng) if content else content


def _flip(content: bytes, rng: random.Random) -> bytes:
    if not content:
        return content
    at = rng.randrange(len(content))
    return content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]


def _cut(content: bytes, rng: random.Random) -> bytes:
    at = rng.randint(0, len(content))
    return content[:at] if rng.random() < 0.5 else content[:at] + content[at + rng.choice((1, 4, 100)) :]


def _insert(content: bytes, rng: random.Random) -> bytes:
    at = rng.randint(0, len(content))
    return content[:at] + rng.choice(WORDS) + content[at + rng.choice((0, 0, 1, 4)) :]


def _repeat(content: bytes, rng: random.Random) -> bytes:
    at = rng.randint(0, len(content))
    piece = content[at : at + rng.choice((1, 16, 200))]
    return content[:at] + piece * rng.choice((2, 3, 50)) + content[at:]


def _swap(content: bytes, rng: random.Random) -> bytes:
    first, second, third = sorted(rng.randint(0, len(content)) for _ in range(3))
    return content[:first] + content[second:third] + content[first:second] + content[third:]


def _retype(content: bytes, rng: random.Random) -> bytes:
    """Put another word in the place of one between separators, as of a value in JSON, YAML or a table."""
    marks = [i for i, byte in enumerate(content) if byte in b',:[]{}\n"']
    if not marks:
        return _insert(content, rng)
    at = rng.choice(marks)
    end = next((mark for mark in marks if mark > at), len(content))
    return content[: at + 1] + rng.choice(WORDS) + content[end:]
