"""Random streams are keyed by names: no draw depends on the draws before it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scantrial.core.rng import derive_seed, hash_order, stream

NAMES = st.lists(st.one_of(st.integers(0, 9), st.text("abc", max_size=3)), max_size=3)


def test_the_seeds_are_these_numbers():
    """Half of the first 64 bits of ``sha256sum``: a change would change every study's numbers."""
    assert derive_seed(0) == 0x5FECEB66FFC86F38 >> 1
    assert derive_seed(0, "weights", "head.weight") == 8276930095121794237
    assert derive_seed(7, "batches", 3) == 2112360066031679246


@given(st.integers(), NAMES)
def test_a_seed_fits_any_generator(seed: int, names: list[str | int]):
    """Between 0 and 2**63 - 1, the same every time."""
    assert 0 <= derive_seed(seed, *names) < 2**63
    assert derive_seed(seed, *names) == derive_seed(seed, *names)


def test_seed_and_every_name_count():
    """Other seeds, other names, another order and another place of the border are other streams."""
    keys = [(0,), (1,), (0, "a"), (0, "b"), (0, "a", "b"), (0, "b", "a"), (0, "ab"), (0, "a", "b", "")]
    assert len({derive_seed(*key) for key in keys}) == len(keys)


def test_a_stream_does_not_depend_on_others():
    """Whatever was drawn elsewhere, the same name gives the same numbers."""
    expected = stream(3, "dropout").random(5)
    stream(3, "weights").random(1000)
    np.random.default_rng(0).random(10)
    np.testing.assert_array_equal(stream(3, "dropout").random(5), expected)
    assert not np.array_equal(stream(3, "weights").random(5), expected)


def test_the_first_draws_are_these_numbers():
    """Written down once, as for the seeds: NumPy keeps the bits of PCG64 and the doubles made of them."""
    drawn = stream(0, "weights", "head.weight").random(3).tolist()
    assert drawn == [0.16503420114190737, 0.04592935099917261, 0.009863696121614751]


@given(st.lists(st.text(max_size=4), unique=True, max_size=12), st.integers(0, 5), st.data())
def test_a_hash_order_does_not_depend_on_the_other_keys(keys: list[str], seed: int, data: st.DataObject):
    """Leaving keys out, or giving them in another order, leaves the order of the rest."""
    ordered = [keys[i] for i in hash_order(keys, seed=seed)]
    assert sorted(ordered) == sorted(keys)
    kept = data.draw(st.permutations(keys))[: len(keys) // 2]
    assert [kept[i] for i in hash_order(kept, seed=seed)] == [key for key in ordered if key in kept]


def test_equal_keys_keep_their_order():
    """A tie is not left to chance."""
    order = hash_order(["a", "b", "a", "a"], seed=1)
    assert [i for i in order if i != 1] == [0, 2, 3]


def test_a_hash_order_is_these_positions():
    """The same on every machine; other seeds give other orders."""
    keys = [f"case-{i}" for i in range(6)]
    assert hash_order(keys, seed=0).tolist() == [1, 2, 4, 5, 3, 0]
    assert hash_order(keys, seed=1).tolist() != [1, 2, 4, 5, 3, 0]
    assert hash_order([], seed=0).shape == (0,)
