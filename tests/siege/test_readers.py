"""Half-open connections keep no reader out."""

from __future__ import annotations

from tests.siege.numbers import IN_COMMIT
from tests.siege.readers import half_open, siege_of_readers
from tests.studies import TWO_ARMS, StudyShape, write_study
from tests.web.serving import served


def test_readers_are_answered_among_connections_that_ask_for_nothing(tmp_path):
    """Readers with the token among twice as many half-open connections: none is refused."""
    n = IN_COMMIT["readers"]
    write_study(tmp_path / "done", StudyShape(arms=TWO_ARMS))
    with served(tmp_path) as reader, half_open(reader.door.port, 2 * n):
        assert siege_of_readers(reader, "done", n_readers=n, n_rounds=1) == []
