"""Publish to browsers through a Carillon gateway.

with Client() as client:
    client.broadcast_to_user("alice", event="order.shipped", data={"order": 42})
"""

from carillon_client.client import Client
from carillon_client.errors import (
    CarillonError,
    InvalidArgument,
    PartialResult,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)
from carillon_client.results import KickResult, Position, Receipt, Subscriber, UsersReceipt

__all__ = [
    "CarillonError",
    "Client",
    "InvalidArgument",
    "KickResult",
    "PartialResult",
    "PermissionDenied",
    "Position",
    "Receipt",
    "ResourceExhausted",
    "Subscriber",
    "Unauthenticated",
    "Unavailable",
    "UsersReceipt",
]
