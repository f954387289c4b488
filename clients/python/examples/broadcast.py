"""Sends one event to a user's open tabs.

python examples/broadcast.py alice "Your order has shipped"

The gateway is the one at CARILLON_ADDRESS (127.0.0.1:7311 unless set), the API key the one in CARILLON_TOKEN.
"""

import sys

from carillon_client import CarillonError, Client


def main() -> int:
    if len(sys.argv) != 3:
        print("usage: broadcast.py USER TEXT", file=sys.stderr)
        return 2
    user, text = sys.argv[1:]
    try:
        with Client() as client:
            receipt = client.broadcast_to_user(user, event="notification.created", data={"text": text})
    except CarillonError as error:
        print(f"not sent: {error}", file=sys.stderr)
        return 1
    print(f"message {receipt.message_id} went to {receipt.sessions} sessions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
