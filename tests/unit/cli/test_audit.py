"""``scantrial audit``: words, JSON, exit codes; and what a run says of its scans."""

from __future__ import annotations

import json

import pytest
from tests.unit.audit.conftest import phantom_scans

from scantrial import api
from scantrial.audit.audit import audit_scans
from scantrial.audit.records import AuditSettings
from scantrial.cli import audit
from scantrial.core.errors import InputError

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
    assert f"and {len(copies.cases) - 10} more; --json names all" in text
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
    assert any(opening.by == "audit" for opening in api.open_folder(tmp_path / "out").test_openings())
