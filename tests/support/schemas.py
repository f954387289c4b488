"""SchemaService's caller."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import grpc

from support.control import Control, Refusal, event, pb
from support.patience import PATIENCE

from carillon_client._pb import schema_pb2, schema_pb2_grpc  # isort: skip (support.control knows where)

ORDER = "shop.v1.Order"


def publish(control: Control, stream: str, **payload: Any) -> Any:
    """An event called "order"."""
    return control.to_stream(stream, event("order", **payload))


def refused(control: Control, stream: str, **payload: Any) -> Refusal:
    """The same, insisting that it is refused."""
    request = pb.BroadcastStreamRequest(stream=stream, event=event("order", **payload))
    return control.refused("BroadcastStream", request)


class Schemas:
    """A connection to the control port. Every call has a deadline."""

    def __init__(self, address: str, key: str | None = None) -> None:
        self._metadata = (("authorization", f"Bearer {key}"),) if key is not None else ()
        self._channel = grpc.insecure_channel(address, [("grpc.enable_retries", 0)])
        self._stub: Any = schema_pb2_grpc.SchemaServiceStub(self._channel)

    def __enter__(self) -> Schemas:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()

    def call(self, method: str, **fields: Any) -> Any:
        """Any of the calls. Raises grpc.RpcError."""
        request = getattr(schema_pb2, f"{method}Request")(**fields)
        return getattr(self._stub, method)(request, timeout=PATIENCE, metadata=self._metadata)

    def refused(self, method: str, **fields: Any) -> Refusal:
        """The same, insisting that it is refused."""
        try:
            answer = self.call(method, **fields)
        except grpc.RpcError as error:
            return Refusal(error)
        raise AssertionError(f"{method} was not refused: {answer}")

    def register(self, name: str, descriptor_set: bytes) -> tuple[int, bool]:
        """How many types it has, and whether it replaced another."""
        answer = self.call("RegisterDescriptors", name=name, descriptor_set=descriptor_set)
        return answer.types, answer.replaced

    def bind(self, stream: str, event: str, type: str) -> bool:
        """Whether it replaced another."""
        return bool(self.call("BindStream", stream=stream, event=event, type=type).replaced)

    def clear(self) -> None:
        """Takes away all that was registered and bound."""
        listed = self.call("ListSchemas")
        for binding in listed.bindings:
            self.bind(binding.stream, binding.event, "")
        for each in listed.sets:
            self.register(each.name, b"")
