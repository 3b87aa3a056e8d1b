"""``scantrial audit``: words, JSON, exit codes; and what a run says of its scans."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from tests.unit.audit.conftest import phantom_scans

from scantrial import api
from scantrial.audit.audit import audit_scans
from scantrial.audit.records import AuditSettings
from scantrial.cli import audit
from scantrial.core.errors import InputError
from scantrial.store.folder import open_folder

SMALL = "source: {name: phantom, n_cases: 96, size: 32, duplicates: 0.5}"
STUDY = f"study: Is it so?\ndata:\n  {SMALL}\n  split: {{test: given, val: 0.25}}\nfactors: {{loss: [bce, ce]}}\n"


def test_a_blocker_ends_with_code_4_until_it_is_acknowledged(tmp_path, cli):
    """Copies in test: exit 4 and every pair in the JSON; with the finding acknowledged exit 0, the reason told."""
    (tmp_path / "study.yaml").write_text(STUDY)
    told = cli("audit", "study.yaml", "--json")
    assert told.returncode == 4, told.stderr
    copies = json.loads(told.stdout)["findings"][0]
    assert (copies["code"], copies["severity"]) == ("AU003", "blocker")
    assert len(copies["cases"]) == copies["numbers"]["n_pairs"]
    (tmp_path / "study.yaml").write_text(STUDY + "acknowledge: [{finding: AU003, reason: on purpose}]\n")
    words = cli("audit", "study.yaml")
    assert words.returncode == 0, words.stderr
    assert "BLOCKER AU003" in words.stdout
    assert "(acknowledged: on purpose)" in words.stdout
    assert "do this:" in words.stdout


@pytest.mark.parametrize("split", ["{train: 0.5, val: 0.6, test: 0.2}", "{", "{tran: 0.5}"])
def test_a_split_that_is_none_is_refused(split):
    """A wrong --split is answered with what it should be, before a scan is read."""
    with pytest.raises(InputError, match="--split") as caught:
        audit.audit("phantom", patient=None, split=split, html=None, as_json=True)
    assert "data.split" in str(caught.value)


def test_words_name_some_cases_and_say_how_many_more(consoles, capsys):
    """At most ten cases of a finding are named in words, and the others counted."""
    out = consoles(terminal=False, width=200)
    found = audit_scans(phantom_scans(n_cases=120, size=32, duplicates=1.0), settings=AuditSettings(n_permutations=100))
    audit.print_audit(found, out)
    text = out.file.getvalue()
    copies = found.findings[0]
    assert f"and {len(copies.cases) - 10} more; --json lists all" in text
    assert " = ".join(copies.cases[0]) in text
    assert "not applicable: AU012" in text


def test_a_run_audits_first_and_keeps_it(tmp_path):
    """`run` writes audit.json before it trains, hands it out, goes on, and the report has its section."""
    (tmp_path / "study.yaml").write_text(STUDY + "recipe: {model: {name: mlp, hidden: [8]}, epochs: 1}\nseeds: 1\n")
    told = []
    outcome = api.run(tmp_path / "study.yaml", out=tmp_path / "out", on_audit=told.append)
    assert [finding.code for finding in told[0].findings if finding.is_open_blocker] == ["AU003"]
    assert len(outcome.trained) == 2
    assert (tmp_path / "out" / "audit.json").is_file()
    page = api.report(tmp_path / "out").read_text(encoding="utf-8")
    assert "Audit of the scans" in page
    assert "AU003" in page
    assert "1 blocker is not acknowledged in the study file" in page
    assert told[0].findings[0].text in page
    found = api.audit(tmp_path / "out")
    assert next(result for result in found.results if result.code == "AU012").outcome != "found"
    assert any(opening.by == "audit" for opening in open_folder(tmp_path / "out").test_openings())


@pytest.fixture
def mixed(tmp_path):
    """A folder of radiographs of many sizes, some of them RGB, one torn, as people have them."""
    rng = np.random.default_rng(7)
    for name in ("NORMAL", "PNEUMONIA"):
        (tmp_path / "scans" / name).mkdir(parents=True)
        for i in range(14):
            side = 28 + i
            pixels = rng.integers(0, 255, (side, side + 4, 3), dtype=np.uint8)
            Image.fromarray(pixels if i % 7 == 0 else pixels[..., 0]).save(tmp_path / "scans" / name / f"{i}.png")
    (tmp_path / "scans" / "NORMAL" / "13.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    return tmp_path / "scans"


def test_a_folder_of_mixed_sizes_is_audited_by_its_name_alone(mixed, cli_in, tmp_path):
    """Sizes and channels in a line each, what training needs, the torn file a finding; JSON and page say the same."""
    told = cli_in("audit", "scans", "--html", "page.html", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    words = " ".join(told.stdout.split())
    assert "sizes: 14 different, heights from 28 to 41 and widths from 32 to 45 pixels, median 34 x 38" in words
    assert "channels: 23 gray and 4 with 3 channels; read as gray for this audit" in words
    assert "to train, a study file needs, under data: image: {size: 32, channels: 1}" in words
    assert "WARNING AU040" in words
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "brought to 34 x 38 for this audit." in page
    turned = cli_in("audit", "scans", "--json", "--size", "30", "--classes", "PNEUMONIA,NORMAL", cwd=tmp_path)
    found = json.loads(turned.stdout)
    assert found["spread"]["brought_to"] == {"size": [30, 30], "channels": 1}
    assert sum(n for *_, n in found["spread"]["sizes"]) == 27
    assert found["positive_class"] == "NORMAL"


def test_scans_whose_headers_say_nothing_are_brought_to_one_size_too(tmp_path):
    """Arrays of two sizes: the decoded scans say it."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(("healthy", "ill")):
        np.save(tmp_path / f"{name}.npy", rng.integers(0, 255, (12, 32 + 8 * number, 32), dtype=np.uint8))
    found = api.audit(tmp_path, settings=AuditSettings(n_permutations=100))
    assert found.spread.brought_to == {"size": (36, 32)}
    assert sum(found.n_cases.values()) == 24


def test_an_option_that_no_study_file_could_have_is_refused(mixed):
    """A wrong size, and classes that the folder has not, are answered as in a study file."""
    with pytest.raises(InputError, match="--size 2: ") as caught:
        audit.audit(str(mixed), size="2")
    assert "data.image.size" in str(caught.value)
    with pytest.raises(InputError, match="the source has no class 'COVID'"):
        audit.audit(str(mixed), classes="NORMAL,COVID")
    with pytest.raises(InputError, match="expected two or more different names"):
        audit.audit(str(mixed), classes="NORMAL")
