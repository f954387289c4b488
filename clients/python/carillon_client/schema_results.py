"""What the calls of SchemaService answer. Frozen, like results.py."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Registered:
    """What became of a set of descriptors."""

    #: How many message types it has. 0: it was taken away.
    types: int
    #: True where there was a set of that name.
    replaced: bool


@dataclass(frozen=True)
class DescriptorSet:
    """A set of descriptors."""

    name: str
    #: True where the gateway's configuration has it.
    configured: bool
    #: How many message types it has.
    types: int
    #: Its size.
    bytes: int
    #: When it was registered or loaded, by the gateway's clock, in UTC.
    register_time: datetime


@dataclass(frozen=True)
class Binding:
    """What streams and events are bound to."""

    stream: str
    event: str
    #: The full name of the message type.
    type: str
    #: True where the gateway's configuration has it.
    configured: bool
    #: True where no set has the type (any more): every publish there is refused until one has.
    type_missing: bool


@dataclass(frozen=True)
class Schemas:
    """The sets and the bindings, in the order in which they count."""

    sets: tuple[DescriptorSet, ...]
    bindings: tuple[Binding, ...]


@dataclass(frozen=True)
class SchemaType:
    """A message type."""

    #: Its full name.
    type: str
    #: The set that it is taken from.
    set: str


@dataclass(frozen=True)
class Violation:
    """Something that is wrong with a payload."""

    #: Where: event.json.items[0].price.
    field: str
    description: str


@dataclass(frozen=True)
class Validation:
    """What would become of an event."""

    #: What it is checked as. Empty: nothing, any JSON is good.
    type: str
    #: At most 16. Empty: it would be published.
    violations: tuple[Violation, ...]
    #: The payload as subscribers would get it. Empty where something is wrong.
    json: str
