"""What a scenario expects, compared with what was said, and the names that it gives to what it cannot know before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: "$top" stands for what is known by that name. "$top=" expects anything but null, and gives it the name;
#: "$_=" only expects it.
_NAME = re.compile(r"\$([a-z_0-9.]+)(=?)")


class Names:
    """What is known by name in one scenario."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def give(self, name: str, value: Any) -> None:
        """Names a value, which had no name of this kind before."""
        assert name not in self._values, f"${name} has a value already"
        self._values[name] = value

    def value(self, name: str) -> Any:
        """What is known by the name. A part of it is meant by "$position.offset"."""
        if name in self._values:
            return self._values[name]
        whole, _, part = name.rpartition(".")
        assert whole in self._values, f"the scenario has not said what ${name} is"
        return self._values[whole][part]

    def fill_in(self, written: Any) -> Any:
        """What is written in a scenario, with values for names."""
        if isinstance(written, Mapping):
            return {self.fill_in(key): self.fill_in(value) for key, value in written.items()}
        if isinstance(written, list):
            return [self.fill_in(each) for each in written]
        name = _NAME.fullmatch(written) if isinstance(written, str) else None
        return self.value(name[1]) if name else written

    def differences(self, expected: Any, said: Any, where: str = "") -> list[str]:
        """What is wrong, each with its place. Of mappings only the keys that are expected count; lists must be as long as
        expected, in order, but for {in_any_order: […]}; everything else must be equal."""
        if isinstance(expected, Mapping):
            if set(expected) == {"in_any_order"}:
                return self._in_any_order(expected["in_any_order"], said, where)
            if not isinstance(said, Mapping):
                return [f"{where or 'it'} is {said!r}, and should be {dict(expected)!r}"]
            wrong = []
            for key, value in expected.items():
                name = str(self.fill_in(key))
                at = f"{where}.{name}" if where else name
                wrong += self.differences(value, said[name], at) if name in said else [f"there is no {at}"]
            return wrong
        if isinstance(expected, list):
            if not isinstance(said, list) or len(said) != len(expected):
                return [f"{where or 'it'} is {said!r}, and should have {len(expected)} items"]
            return [text for n, (one, other) in enumerate(zip(expected, said, strict=True))
                    for text in self.differences(one, other, f"{where}[{n}]")]
        name = _NAME.fullmatch(expected) if isinstance(expected, str) else None
        if name and name[2]:
            if said is None:
                return [f"{where or 'it'} is null"]
            if name[1] != "_":
                self.give(name[1], said)
            return []
        wanted = self.value(name[1]) if name else expected
        # In Python 1 == True, in JSON not.
        if wanted != said or isinstance(wanted, bool) != isinstance(said, bool):
            return [f"{where or 'it'} is {said!r}, and should be {wanted!r}"]
        return []

    def _in_any_order(self, expected: list[Any], said: Any, where: str) -> list[str]:
        if not isinstance(said, list) or len(said) != len(expected):
            return [f"{where or 'it'} is {said!r}, and should have {len(expected)} items"]
        left = list(said)
        for each in expected:
            fitting = next((item for item in left if not self.differences(each, item, where)), None)
            if fitting is None:
                return [f"{where or 'it'} has nothing that is {each!r}, but {said!r}"]
            left.remove(fitting)
        return []
