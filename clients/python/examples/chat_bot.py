"""A chat bot: greets who comes to a stream, and says how many are there.

python examples/chat_bot.py chat

Start as many as you like: they share the work, and one that dies is stood in for. The gateway is the one at
CARILLON_ADDRESS (127.0.0.1:7311 unless set), the API key the one in CARILLON_TOKEN. Ctrl-C ends it.
"""

from __future__ import annotations

import signal
import sys
import threading

from carillon_client import AlreadyExists, CarillonError, Client, Event, EventKind, Options


def greet(client: Client, event: Event) -> None:
    count = client.count_subscribers(stream=event.stream)
    text = f"Welcome, {event.user_id or 'stranger'}! {count} here."
    # An event may come twice, after somebody died over it. Its place in the feed makes the answer one message.
    once = Options(request_id=f"greeting-{event.position.epoch}-{event.position.offset}")
    try:
        client.broadcast_stream(event.stream, event="message", data={"from": "bot", "text": text}, options=once)
    except AlreadyExists:
        pass  # greeted already, when another number was there


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: chat_bot.py STREAM", file=sys.stderr)
        return 2
    stream = sys.argv[1]
    try:
        with (
            Client() as client,
            client.watch(group=f"chat-bot.{stream}", kinds=[EventKind.SUBSCRIBED], streams=[stream]) as events,
        ):
            # KeyboardInterrupt in the middle of a call, and calls in a signal's handler, can block gRPC for ever.
            signal.signal(signal.SIGINT, lambda *_: threading.Thread(target=events.close).start())
            print(f"greeting in {stream}", flush=True)
            for event in events:
                greet(client, event)
    except CarillonError as error:
        print(f"cannot go on: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
