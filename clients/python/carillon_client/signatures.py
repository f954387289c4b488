"""Makes a method out of a function that builds its call, for help() and for editors."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def as_method(method: F, build: Callable[..., Any]) -> F:
    """Gives the method the name, the arguments and the documentation of the function."""
    built: Any = build
    method.__name__ = built.__name__
    method.__qualname__ = built.__name__
    method.__doc__ = built.__doc__
    signature = inspect.signature(build)
    first = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    made: Any = method
    made.__signature__ = signature.replace(
        parameters=[first, *signature.parameters.values()], return_annotation=inspect.Signature.empty
    )
    return method
