"""Says which argument is wrong, where protobuf says only "bad argument type for built-in operation"."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def naming(build: Callable[P, R], method: str = "") -> Callable[P, R]:
    """The same function, but a TypeError names the argument that is not of its type, and what it takes. Looks at the
    arguments only when the function has failed, so that calls that are right pay nothing for it.

    method  What callers call it. Empty: the function's name.
    """

    @wraps(build)
    def built(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return build(*args, **kwargs)
        except (TypeError, ValueError, AttributeError) as caught:
            words = _mistake_in_call(build, method or build.__name__, args, kwargs)
            if words is None:
                raise
            raise TypeError(words) from caught

    return built


def mistake_in(value: Any, name: str) -> str | None:
    """Which field of a dataclass is not of its type. None: each is, as far as that is looked at."""
    return _mistake(f"{name}.", ((each.name, str(each.type), getattr(value, each.name)) for each in fields(value)))


def exactly_one(method: str, **targets: str | None) -> None:
    """Raises TypeError unless one of the targets is given, and no other."""
    if sum(value is not None for value in targets.values()) != 1:
        raise TypeError(f"{method} takes exactly one of {', '.join(targets)}")


def _mistake_in_call(build: Callable[..., Any], method: str, args: Any, kwargs: Any) -> str | None:
    signature = inspect.signature(build)
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError:
        return None  # Python has said what is missing, or too much
    annotations = {name: str(parameter.annotation) for name, parameter in signature.parameters.items()}
    return _mistake(f"{method}(): ", ((name, annotations[name], value) for name, value in given.items()))


def _mistake(where: str, given: Iterable[tuple[str, str, Any]]) -> str | None:
    for name, annotation, value in given:
        takes = annotation.removesuffix(" | None")
        if value is None and takes != annotation:
            continue
        if takes in _FITS and not _FITS[takes](value):
            return f"{where}{name} takes {takes}, not {_kind_of(value)}"
        if is_dataclass(value) and not isinstance(value, type):
            words = mistake_in(value, where + name)
            if words is not None:
                return words
    return None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_named(*names: str) -> Callable[[object], bool]:
    return lambda value: any(kind.__name__ in names for kind in type(value).__mro__)


#: By what the annotation says.
_FITS: dict[str, Callable[[Any], bool]] = {
    "str": _is_text,
    "bytes": lambda value: isinstance(value, bytes),
    "bool": lambda value: isinstance(value, (bool, int)),
    "int": lambda value: isinstance(value, int),
    "float": lambda value: isinstance(value, (int, float)),
    "timedelta | float": lambda value: isinstance(value, (int, float, timedelta)),
    "Mapping[str, str]": lambda value: isinstance(value, Mapping)
    and all(_is_text(each) for pair in value.items() for each in pair),
    "Options": _is_named("Options"),
    "Selector": _is_named("Selector"),
    "Position": _is_named("Position"),
}


def _kind_of(value: Any) -> str:
    """Its type, and not itself: it may be secret."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, Mapping):
        for pair in value.items():
            if not all(map(_is_text, pair)):
                return "{}[{}, {}]".format(*(type(each).__name__ for each in (value, *pair)))
    return type(value).__name__
