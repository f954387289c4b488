"""Plays the steps of one scenario: browsers here, calls by a speaker."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from matching import Names
from speaker import Speaker
from support import http
from support.gateway import Gateway, token
from support.patience import PATIENCE
from support.ws import Browser, ClosedByGateway, with_query

#: What a scenario says and Python cannot.
_WORDS = {"with": "with_", "is": "is_"}

#: What gateways show the backends that they ask.
BACKEND_KEY = "a-key-for-the-backend-0123456789"

LIST = Path(__file__).parent / "scenarios.yaml"


@dataclass(frozen=True)
class Scenario:
    """One entry of the list."""

    name: str
    steps: list[dict[str, Any]]
    #: Settings over those that all scenarios have.
    config: dict[str, Any]

    def __str__(self) -> str:
        return self.name


class _Loader(yaml.SafeLoader):
    """Notes of each mapping on which line it begins."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        return _Step(super().construct_mapping(node, deep), node.start_mark.line + 1)


class _Step(dict[Any, Any]):
    def __init__(self, content: dict[Any, Any], line: int) -> None:
        super().__init__(content)
        self.line = line


_Loader.add_constructor("tag:yaml.org,2002:map", lambda loader, node: loader.construct_mapping(node, deep=True))


def read_list() -> tuple[dict[str, Any], list[Scenario]]:
    """The settings of all scenarios, and the scenarios."""
    page = yaml.load(LIST.read_text(), _Loader)  # noqa: S506: a SafeLoader
    return page["config"], [Scenario(each["name"], each["steps"], each.get("config", {})) for each in page["scenarios"]]


class Play:
    """One scenario on one gateway by one speaker."""

    def __init__(self, gateway: Gateway, speaker: Speaker, keys: dict[str, str], backend: str) -> None:
        self._gateway = gateway
        self._backend = backend
        self._speaker = speaker
        self._keys = keys
        self._browsers: dict[str, Browser] = {}
        self._names = Names()

    def step(self, step: dict[str, Any]) -> None:
        """Plays it. Raises AssertionError with the step and its line."""
        kind = next(iter(step))
        play: Callable[..., None] | None = getattr(self, f"_play_{kind}", None)
        place = f"{LIST.name}:{getattr(step, 'line', '?')}"
        assert play is not None, f"{place}: there is no step {kind!r}"
        fields = {_WORDS.get(key, key): value for key, value in step.items() if key != kind}
        try:
            play(step[kind], **fields)
        except ClosedByGateway as closed:
            raise AssertionError(f"{place}: {kind} {step[kind]}: {closed}") from closed
        except (AssertionError, TypeError, TimeoutError) as wrong:
            raise AssertionError(f"{place}: {kind} {step[kind]}: {wrong}") from wrong

    def close(self) -> None:
        """Lets the browsers go."""
        for browser in self._browsers.values():
            browser.close()

    # --- Browsers ---

    def _play_browser(
        self, name: str, user: str = "", streams: list[str] | None = None, claims: dict[str, Any] | None = None,
        path: str = "/ws", recover: dict[str, Any] | None = None, welcome: dict[str, Any] | None = None,
        shows: dict[str, str] | None = None,
    ) -> None:
        """Connects. Its session is known as $NAME.session."""
        target = self._target(user, streams, claims, path, shows)
        if recover:
            places = [f"{log}:{at['epoch']}:{at['offset']}" for log, at in self._names.fill_in(recover).items()]
            target = with_query(target) + "&recover=" + ",".join(places)
        cookie = (shows or {}).get("cookie")
        browser = Browser(self._gateway.edge, target, extra=[("Cookie", cookie)] if cookie else [])
        self._browsers[name] = browser
        self._names.give(f"{name}.session", browser.session)
        self._compare(welcome or {}, browser.welcome)

    def _play_turned_away(
        self, user: str, status: int, code: str, claims: dict[str, Any] | None = None, message: str | None = None,
        shows: dict[str, str] | None = None,
    ) -> None:
        """Tries to connect, and is refused."""
        target = self._target(user, None, claims, shows=shows)
        refusal = http.get(self._gateway.edge, target, http.upgrade_headers(self._gateway.edge))
        assert refusal.status == status, f"the answer is {refusal.status}"
        self._compare({"code": code} if message is None else {"code": code, "message": message}, refusal.error)

    def _play_hears(self, name: str, message: dict[str, Any]) -> None:
        """Its next message."""
        self._compare(message, self._browsers[name].receive())

    def _play_says(self, name: str, message: dict[str, Any], told: dict[str, Any]) -> None:
        """Sends a command, and is answered."""
        fields = self._names.fill_in(message)
        self._compare(told, self._browsers[name].ask(fields.pop("action"), **fields))

    def _play_silent(self, names: list[str]) -> None:
        """Nothing has come for them up to now."""
        for name in names:
            browser = self._browsers[name]
            answer = browser.ask("ping")
            assert answer["event"] == "pong", answer
            assert browser.pending() == 0, f"{name} has heard {browser.receive()}"

    def _play_closed(self, name: str, code: int, reason: str) -> None:
        """The gateway has closed it."""
        said = self._browsers[name].receive_close()
        self._compare({"code": code, "reason": reason}, {"code": said[0], "reason": said[1]})

    def _play_leaves(self, name: str) -> None:
        """Closes its page."""
        self._browsers[name].leave()

    def _target(
        self, user: str, streams: list[str] | None, claims: dict[str, Any] | None, path: str = "/ws",
        shows: dict[str, str] | None = None,
    ) -> str:
        text = token(user, **(claims or {})) if user else (shows or {}).get("token")
        return with_query(path, token=text, streams=",".join(streams) if streams else None)

    # --- Calls ---

    def _play_call(
        self, name: str, with_: dict[str, Any] | None = None, key: str = "all", app: str = "",
        answer: dict[str, Any] | None = None, refused: dict[str, Any] | None = None, eventually: bool = False,
    ) -> None:
        """Asks, and again where the answer may take its time."""
        deadline = time.monotonic() + (PATIENCE if eventually else 0)
        while True:
            said = self._ask("call", key, app, call=name, **{"with": self._names.fill_in(with_ or {})})
            try:
                return self._judge(said, answer, refused)
            except AssertionError:
                if time.monotonic() >= deadline:
                    raise

    def _play_watch(
        self, name: str, with_: dict[str, Any] | None = None, key: str = "all", app: str = "",
        refused: dict[str, Any] | None = None,
    ) -> None:
        """Begins to watch. What happens from here on is in it."""
        said = self._ask("watch", key, app, name=name, **{"with": self._names.fill_in(with_ or {})})
        self._judge(said, {} if refused is None else None, refused)

    def _play_event(self, name: str, is_: dict[str, Any]) -> None:
        """The watch's next event."""
        self._judge(self._speaker.ask(do="event", name=name), is_, None)

    def _play_unwatch(self, name: str) -> None:
        """Leaves, without having dealt with the last event."""
        self._judge(self._speaker.ask(do="unwatch", name=name), {}, None)

    def _play_backend(self, answers: list[dict[str, Any]], key: str = BACKEND_KEY) -> None:
        """Begins to answer what the gateway asks."""
        self._judge(self._speaker.ask(do="answer", listen=self._backend, key=key, answers=answers), {}, None)

    def _ask(self, do: str, key: str, app: str, **what: Any) -> dict[str, Any]:
        return self._speaker.ask(do=do, address=self._gateway.control, key=self._keys[key], app=app, **what)

    def _judge(self, said: dict[str, Any], answer: dict[str, Any] | None, refused: dict[str, Any] | None) -> None:
        assert (answer is None) != (refused is None), "a step says what is answered, or that it is refused"
        if refused is None:
            assert "ok" in said, f"refused: {said.get('refused')}"
            self._compare(answer, said["ok"])
        else:
            assert "refused" in said, f"not refused: {said.get('ok')}"
            self._compare(refused, said["refused"])

    def _compare(self, expected: Any, said: Any) -> None:
        wrong = self._names.differences(expected, said)
        assert not wrong, "; ".join(wrong) + f"\nall of it: {said}"
