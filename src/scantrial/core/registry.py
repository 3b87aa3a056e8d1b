"""An explicit table of named things that refuses an unknown name with the nearest right one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from scantrial.core.errors import InputError
from scantrial.core.names import listed, nearest

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """A read-only table; `kind` names its entries in messages ("network", "format").

    Raises
    ------
    InputError
        On look-up of an unknown name; the message lists the known ones.
    """

    def __init__(self, kind: str, table: Mapping[str, T]) -> None:
        self.kind = kind
        self._table = dict(table)

    def __getitem__(self, name: str) -> T:
        try:
            return self._table[name]
        except KeyError:
            guess = nearest(name, self._table)
            hint = f" (did you mean {guess!r}?)" if guess else ""
            raise InputError(
                f"no {self.kind} is called {name!r}{hint}", expected=f"one of {listed(sorted(self._table))}"
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._table

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)
