"""Half-open connections keep no reader out."""

from __future__ import annotations

from tests.siege.readers import half_open, siege_of_readers
from tests.studies import TWO_ARMS, StudyShape, write_study
from tests.web.serving import served


def test_readers_are_answered_among_connections_that_ask_for_nothing(tmp_path):
    """Forty readers with the token among eighty half-open connections: none is refused."""
    write_study(tmp_path / "done", StudyShape(arms=TWO_ARMS))
    with served(tmp_path) as reader, half_open(reader.door.port, 80):
        assert siege_of_readers(reader, "done", n_readers=40, n_rounds=1) == []
