"""Kinds of files that are recognised but not read, each with advice."""

from __future__ import annotations

from scantrial.data.codecs.base import Codec, starts_with

GIF = Codec(title="GIF", suffixes=(".gif",), recognises=starts_with(b"GIF8"))
PDF = Codec(title="PDF", suffixes=(), recognises=starts_with(b"%PDF"))
WEBP = Codec(title="WebP", suffixes=(".webp",), recognises=starts_with(b"RIFF"))
JPEG_2000 = Codec(title="JPEG 2000", suffixes=(".jp2", ".j2k"), recognises=starts_with(b"\0\0\0\x0c"))
NUMPY = Codec(title="NumPy", suffixes=(".npy", ".npz"), recognises=starts_with(b"\x93NUM"))
