"""`scantrial serve` as a process: the address at once, Ctrl-C in words, and clear errors."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import unquote
from urllib.request import HTTPCookieProcessor, build_opener

import pytest
from tests.conftest import HANGS_S
from tests.e2e.conftest import command
from tests.studies import TWO_ARMS, StudyShape, write_study
from tests.web.serving import wait_until


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    return write_study(tmp_path_factory.mktemp("serve") / "done", StudyShape(arms=TWO_ARMS)).path


def start(*words: str | Path) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(command("serve", *words, "--no-browser"), stdout=pipe, stderr=pipe, text=True)


def test_the_address_opens_and_ctrl_c_ends_it(study):
    """The first line of standard output is the address; it works; the end is clean, with an open feed too."""
    process = start(study)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}", address)
        opener = build_opener(HTTPCookieProcessor())
        page = opener.open(address, timeout=HANGS_S).read().decode()
        assert "cross-entropy" in page
        feed = opener.open(f"{address.split('/?')[0]}/s/done/events", timeout=HANGS_S)
        assert feed.readline()
        process.send_signal(signal.SIGINT)
        _, words = process.communicate(timeout=HANGS_S)
    finally:
        process.kill()
    assert process.returncode == 0
    assert words.strip().endswith("scantrial: stopped")
    assert "Traceback" not in words


def test_json_tells_the_address(study):
    """For a program that opens it."""
    process = start(study, "--json")
    try:
        assert process.stdout is not None
        lines = ""
        while not lines.rstrip().endswith("}"):
            lines += process.stdout.readline()
        found = json.loads(lines)
    finally:
        process.kill()
        process.communicate()
    assert found["address"] == f"http://127.0.0.1:{found['port']}/?token={found['token']}"


def test_a_browser_is_started_without_the_token(study, tmp_path):
    """Its command line names a file that only this user can read. The code in it opens once; the end takes it away."""
    browser, words = tmp_path / "browser", tmp_path / "words"
    browser.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {words}.new\nmv {words}.new {words}\n")
    browser.chmod(0o755)
    pipe, environment = subprocess.PIPE, {**os.environ, "BROWSER": str(browser), "DISPLAY": ":77"}
    process = subprocess.Popen(command("serve", study), stdout=pipe, stderr=pipe, text=True, env=environment)
    try:
        assert process.stdout is not None
        token = process.stdout.readline().strip().partition("token=")[2]
        wait_until(words.exists)
        (address,) = words.read_text().split()
        assert address.startswith("file:///")
        file = Path(unquote(address.removeprefix("file://")))
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        page = file.read_text()
        assert token not in page
        (invitation,) = re.findall(r"url=(http://127\.0\.0\.1:\d+/\?code=[\w-]{32})", page)
        opener = build_opener(HTTPCookieProcessor())
        assert "url=/" in opener.open(invitation, timeout=HANGS_S).read().decode()
        page = opener.open(invitation.partition("?")[0], timeout=HANGS_S).read().decode()
        assert "Is cross-entropy better" in page
        with pytest.raises(HTTPError, match="403"):
            build_opener().open(invitation, timeout=HANGS_S)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=HANGS_S)
    finally:
        process.kill()
        process.communicate()
    assert not file.parent.exists()


def test_wrong_words_are_refused(study, cli):
    """Exit code 2, with the way out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = {
            "is not a folder": cli("serve", "nowhere", "--no-browser"),
            "--allow-remote": cli("serve", study, "--host", "0.0.0.0", "--no-browser"),
            "choose another port": cli("serve", study, "--port", port, "--no-browser"),
        }
    for words, result in refused.items():
        assert result.returncode == 2, result.stderr
        assert words in result.stderr


def test_without_starlette_it_says_what_to_install(study, tmp_path):
    """The bare install judges and reports; the page is an extra."""
    blocker = (
        "import sys, importlib.util as u\nreal = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'starlette' else real(name, *more)\n"
        "from scantrial.cli.main import main\nsys.argv = ['scantrial', 'serve', sys.argv[1]]\nmain()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", blocker, str(study)], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert result.returncode == 1
    assert 'pip install "scantrial[web]"' in result.stderr


def test_no_page_loads_pytorch():
    """Neither the server nor any page of it; only where a network looks does, when it is asked for."""
    code = "import sys\nimport scantrial.web.serve\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
