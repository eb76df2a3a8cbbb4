"""Frozen dataclasses from plain data, with a sentence for what does not fit."""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Annotated, Any, Literal


@dataclass(frozen=True)
class Range:
    """What numbers are possible: from `low` to `high`, or above `low` if it is left out itself."""

    low: float
    high: float = math.inf
    above: bool = False

    def check(self, value: float) -> None:
        """Raise a ValueError for a number beyond the range."""
        if value > self.high or value < self.low or (self.above and value == self.low):
            least = f"more than {self.low:g}" if self.above else f"at least {self.low:g}"
            most = "" if math.isinf(self.high) else f" and at most {self.high:g}"
            raise ValueError(f"must be {least}{most}, not {value:g}")


Count = Annotated[int, Range(0)]
PositiveCount = Annotated[int, Range(1)]
Share = Annotated[float, Range(0, 1)]
Amount = Annotated[float, Range(0)]
PositiveAmount = Annotated[float, Range(0, above=True)]


def build(kind: Any, value: Any) -> Any:
    """Turn plain data, as YAML gives it, into `kind`.

    Parameters
    ----------
    kind
        A dataclass, ``tuple[...]``, ``Literal[...]``, a plain type, or one of these annotated
        with a `Range`.
    value
        Mappings, lists, text and numbers; numbers may also be text (YAML reads 1e-4 as text).

    Raises
    ------
    ValueError
        With what does not fit, and the entry it stands at.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        built = build(arguments[0], value)
        arguments[1].check(built)
        return built
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f"{value!r} is none of {', '.join(map(repr, arguments))}")
        return value
    if origin is tuple:
        return _build_tuple(arguments, value)
    if is_dataclass(kind):
        return _build_dataclass(kind, value)
    if kind is float:
        return _number(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"{value!r} is not {_WANTED[kind]}")
    return value


_WANTED = {int: "a whole number", str: "text", bool: "true or false"}


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(f"{value!r} is not a number")
    return number


def _build_tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is not a list")
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    if len(kinds) != len(value):
        raise ValueError(f"needs {len(kinds)} values, not {len(value)}")
    return tuple(
        _build_entry(f"number {place}", kind, item)
        for place, (kind, item) in enumerate(zip(kinds, value, strict=True), start=1)
    )


def _build_dataclass(kind: Any, value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError(f"needs named entries, not {value!r}")
    entries = fields(kind)
    possible = [item.name for item in entries]
    if unknown := [str(name) for name in value if name not in possible]:
        raise ValueError(
            f"there is no entry {', '.join(unknown)}; possible are {', '.join(possible)}"
        )
    needed = {
        item.name for item in entries if item.default is MISSING and item.default_factory is MISSING
    }
    if missing := sorted(needed - set(value)):
        raise ValueError(f"the entry {', '.join(missing)} is missing")
    hints = typing.get_type_hints(kind, include_extras=True)
    return kind(**{name: _build_entry(name, hints[name], item) for name, item in value.items()})


def _build_entry(name: str, kind: Any, value: Any) -> Any:
    try:
        return build(kind, value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
