"""A notification service: what a user's open tabs are told when their notifications change.

python examples/notifications.py alice "Your order has shipped"

It tells alice's tabs that subscribe to `notifications` of one notification's life, by the five events that ShellCN's
front end knows. The gateway is the one at CARILLON_ADDRESS (127.0.0.1:7311 unless set), the API key the one in
CARILLON_TOKEN.
"""

from __future__ import annotations

import sys
import uuid
from dataclasses import asdict, dataclass, replace

from carillon_client import CarillonError, Client, Receipt


@dataclass(frozen=True)
class Notification:
    id: str
    message: str
    is_read: bool = False


class Notifications:
    """Call it when the database has been written: tabs that are told load nothing anew."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def created(self, user: str, notification: Notification) -> Receipt:
        return self._tell(user, "created", notification=asdict(notification))

    def updated(self, user: str, notification: Notification) -> Receipt:
        return self._tell(user, "updated", notification=asdict(notification))

    def read(self, user: str, notification: Notification) -> Receipt:
        return self._tell(user, "read", notification=asdict(notification), notification_id=notification.id)

    def deleted(self, user: str, notification_id: str) -> Receipt:
        return self._tell(user, "deleted", notification_id=notification_id)

    def all_read(self, user: str) -> Receipt:
        return self._tell(user, "read_all")

    def _tell(self, user: str, what: str, **data: object) -> Receipt:
        return self._client.broadcast_to_user(user, stream="notifications", event=f"notification.{what}", data=data)


def main() -> int:
    if len(sys.argv) != 3:
        print("usage: notifications.py USER TEXT", file=sys.stderr)
        return 2
    user, text = sys.argv[1:]
    notification = Notification(uuid.uuid4().hex, text)
    try:
        with Client() as client:
            service = Notifications(client)
            receipt = service.created(user, notification)
            service.updated(user, replace(notification, message=text + "!"))
            service.read(user, replace(notification, is_read=True))
            service.deleted(user, notification.id)
            service.all_read(user)
    except CarillonError as error:
        print(f"not sent: {error}", file=sys.stderr)
        return 1
    print(f"told {receipt.sessions} sessions of {user}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
