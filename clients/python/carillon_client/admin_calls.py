"""Every call of carillon.v1.AdminService, as calls.py has those of ControlService. All of them only read,
but for reload and drain, which may be done twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from carillon_client._pb import admin_pb2
from carillon_client.admin_results import (
    Backlog,
    Drained,
    DrainState,
    DrainStatus,
    HookBreaker,
    HookStatus,
    Node,
    Nodes,
    Reloaded,
    SessionDetails,
    SessionInfo,
    SessionRates,
    SettingChange,
    Slowest,
    StreamDetails,
    StreamInfo,
    StreamLog,
)
from carillon_client.calls import Call, Listing, no_head, position_of, time_of
from carillon_client.options import make_duration

_SERVICE = "AdminService"


def list_sessions(
    *,
    user_id: str = "",
    labels: Mapping[str, str] | None = None,
    page_size: int = 0,
    timeout: float | None = None,
) -> Listing[SessionInfo, None]:
    """Lists sessions in the order of their ids: all, those of a user, those that have each of these labels (at most 16).

    Verb: read, and a key for all streams. Pages hold at most page_size sessions (0: 100; at most 1,000). Sessions that
    come or go meanwhile may be missed; none is listed twice. Raises PartialResult at the end where the list may have gaps.
    """
    request = admin_pb2.ListSessionsRequest(user_id=user_id, labels=labels, page_size=page_size)
    return Listing("ListSessions", request, _sessions_of, no_head, timeout, _SERVICE)


def get_session(
    session_id: str, *, measure_for: timedelta | float | None = None, timeout: float | None = None
) -> Call[SessionDetails]:
    """One session, with its streams. Raises NotFound where it is not there. Verb: read, and a key for all streams.

    measure_for  How long to watch it for its rates: a timedelta, or seconds; at most 10. None: rates are not measured,
                 and the answer is immediate. The client's timeout counts from after that.
    """
    duration = make_duration(measure_for)
    request = admin_pb2.GetSessionRequest(session_id=session_id, measure_for=duration)
    takes = 0.0 if duration is None else _seconds(duration)
    return Call("GetSession", request, _session_details_of, timeout, service=_SERVICE, takes=takes)


def top_slow(*, limit: int = 0, timeout: float | None = None) -> Call[Slowest]:
    """Lists the sessions that are furthest behind, in bytes, and those that have lost messages; the worst first.

    At most limit of them (0: 20; at most 1,000). Verb: read, and a key for all streams.
    """
    return Call("TopSlow", admin_pb2.TopSlowRequest(limit=limit), _slowest_of, timeout, service=_SERVICE)


def list_streams(
    *, pattern: str = "", min_sessions: int = 0, page_size: int = 0, timeout: float | None = None
) -> Listing[StreamInfo, None]:
    """Lists the streams that have subscribers, in the order of their names. Of a key for some streams, only those.

    Only names that match the pattern (* ? [a-z]), and only those with at least min_sessions subscribers. Verb: read.
    Pages hold at most page_size streams (0: 100; at most 1,000). Raises PartialResult at the end where the list may have
    gaps.
    """
    request = admin_pb2.ListStreamsRequest(pattern=pattern, min_sessions=min_sessions, page_size=page_size)
    return Listing("ListStreams", request, _streams_of, no_head, timeout, _SERVICE)


def get_stream(stream: str, *, timeout: float | None = None) -> Call[StreamDetails]:
    """One stream, whether it has subscribers or not: how many listen, who is there, and what its log holds. Verb: read."""
    return Call("GetStream", admin_pb2.GetStreamRequest(stream=stream), _stream_details_of, timeout, service=_SERVICE)


def list_nodes(*, timeout: float | None = None) -> Call[Nodes]:
    """Lists the gateways that are one with this one. Verb: read."""
    return Call("ListNodes", admin_pb2.ListNodesRequest(), _nodes_of, timeout, service=_SERVICE)


def reload(*, timeout: float | None = None) -> Call[Reloaded]:
    """Loads the gateway's configuration again, as SIGHUP does: all or nothing. Raises FailedPrecondition, whose message has
    a line for each problem, where it is refused. Verb: admin, and a key for all apps and streams.
    """
    return Call("Reload", admin_pb2.ReloadRequest(), _reloaded_of, timeout, service=_SERVICE)


def get_config(*, timeout: float | None = None) -> Call[str]:
    """The settings that count in the gateway, as YAML without secrets. Verb: admin, and a key for all apps and streams."""
    return Call("GetConfig", admin_pb2.GetConfigRequest(), _yaml_of, timeout, service=_SERVICE)


def drain(
    *,
    app: str | None = None,
    endpoint: str | None = None,
    undo: bool = False,
    exit: bool = False,
    window: timedelta | float | None = None,
    delay: timedelta | float | None = None,
    timeout: float | None = None,
) -> Call[Drained]:
    """Lets nobody new in and sends the sessions home: of an app, of the endpoint at a path, or (neither) of the gateway.

    Answers at once; list_nodes() says how it goes. What is so already is no error. Raises NotFound where there is no such app
    or endpoint, and FailedPrecondition where the gateway ends and that cannot be taken back. Verb: admin, and a key for all
    streams: of the app, or else of all apps.

    undo    Takes it back: sessions that have not been told to go stay. With none of those below.
    exit    Of the gateway: the process ends when the last client is gone.
    window  Over what time sessions are sent home: a timedelta, or seconds. None: as the gateway is configured.
    delay   For how long new clients are still let in, and nobody is sent home. None: as configured; 0 of apps and endpoints.
    """
    if app is not None and endpoint is not None:
        raise TypeError("drain() takes app or endpoint, not both")
    request = admin_pb2.DrainRequest(undo=undo, exit=exit, window=make_duration(window), delay=make_duration(delay))
    if app is not None:
        request.app_name = app
    elif endpoint is not None:
        request.endpoint = endpoint
    else:
        request.node = True
    return Call("Drain", request, _drained_of, timeout, service=_SERVICE)


# --- Reading responses ------------------------------------------------------------------------------------------------


def _sessions_of(response: Any) -> Iterable[SessionInfo]:
    return map(_session, response.sessions)


def _slowest_of(response: admin_pb2.TopSlowResponse) -> Slowest:
    return Slowest(tuple(_sessions_of(response)), response.partial)


def _session_details_of(response: admin_pb2.GetSessionResponse) -> SessionDetails:
    rates = None
    if response.HasField("rates"):
        rates = SessionRates(response.rates.queued, response.rates.said, _seconds(response.rates.measured))
    return SessionDetails(_session(response.session), tuple(response.streams), rates)


def _session(session: admin_pb2.Session) -> SessionInfo:
    behind = session.backlog
    return SessionInfo(
        session_id=session.session_id,
        user_id=session.user_id,
        name=session.name,
        roles=tuple(session.roles),
        labels=dict(session.labels),
        address=session.address,
        endpoint=session.endpoint,
        connected_time=time_of(session.connected_time),
        age=_seconds(session.age),
        streams=session.streams,
        backlog=Backlog(behind.messages, behind.bytes, _seconds(behind.age), behind.messages_lost),
        messages_queued=session.messages_queued,
        messages_said=session.messages_said,
        token_expire_time=time_of(session.token_expire_time) if session.HasField("token_expire_time") else None,
    )


def _streams_of(response: admin_pb2.ListStreamsResponse) -> Iterable[StreamInfo]:
    for each in response.streams:
        yield StreamInfo(each.stream, each.sessions)


def _stream_details_of(response: admin_pb2.GetStreamResponse) -> StreamDetails:
    log = None
    if response.HasField("log"):
        kept = response.log
        oldest = time_of(kept.oldest_time) if kept.HasField("oldest_time") else None
        log = StreamLog(position_of(kept.top), kept.oldest_offset, oldest)
    return StreamDetails(
        stream=response.stream.stream,
        sessions=response.stream.sessions,
        rule=response.rule,
        description=response.description,
        members=response.members if response.HasField("members") else None,
        log=log,
        partial=response.nodes_answered < response.nodes_expected,
    )


def _nodes_of(response: admin_pb2.ListNodesResponse) -> Nodes:
    nodes = tuple(
        Node(
            each.node_id,
            each.version,
            time_of(each.started_time),
            each.sessions,
            each.shards,
            each.draining,
            tuple(map(_drain_status, each.drains)),
            tuple(map(_hook_status, each.hooks)),
        )
        for each in response.nodes
    )
    return Nodes(nodes, response.nodes_answered < response.nodes_expected)


def _drained_of(response: admin_pb2.DrainResponse) -> Drained:
    return Drained(_drain_status(response.status), response.changed, response.partial)


_DRAIN_STATES = {
    admin_pb2.DRAIN_STATE_SERVING: DrainState.SERVING,
    admin_pb2.DRAIN_STATE_DRAINING: DrainState.DRAINING,
    admin_pb2.DRAIN_STATE_DRAINED: DrainState.DRAINED,
}


def _drain_status(status: admin_pb2.DrainStatus) -> DrainStatus:
    return DrainStatus(
        app=status.app_name if status.HasField("app_name") else None,
        endpoint=status.endpoint if status.HasField("endpoint") else None,
        state=_DRAIN_STATES.get(status.state, DrainState.UNKNOWN),
        sessions=status.sessions,
        begin_time=time_of(status.begin_time) if status.HasField("begin_time") else None,
        asked_by=status.asked_by,
        exit=status.exit,
    )


_HOOK_BREAKERS = {
    admin_pb2.HOOK_BREAKER_CLOSED: HookBreaker.CLOSED,
    admin_pb2.HOOK_BREAKER_PROBING: HookBreaker.PROBING,
    admin_pb2.HOOK_BREAKER_OPEN: HookBreaker.OPEN,
}


def _hook_status(status: admin_pb2.HookStatus) -> HookStatus:
    return HookStatus(
        name=status.name,
        address=status.address,
        breaker=_HOOK_BREAKERS.get(status.breaker, HookBreaker.UNKNOWN),
        pending=status.pending,
        answered=status.answered,
        unanswered=status.unanswered,
        shed=status.shed,
    )


def _reloaded_of(response: admin_pb2.ReloadResponse) -> Reloaded:
    return Reloaded(tuple(map(_change, response.changed)), tuple(map(_change, response.need_restart)))


def _change(change: Any) -> SettingChange:
    return SettingChange(change.setting, getattr(change, "from"), change.to)  # "from" is a word of Python's


def _yaml_of(response: admin_pb2.GetConfigResponse) -> str:
    return response.yaml


def _seconds(duration: Any) -> float:
    return float(duration.ToTimedelta().total_seconds())
