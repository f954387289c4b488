# What a speaker is asked, as the words of a `carillon` command, and what that prints, as the gateway answered it.

def flag($name): if . == null or . == "" or . == false then [] elif . == true then ["--\($name)"] else ["--\($name)=\(.)"] end;
def each_flag($name): [.[]? | "--\($name)=\(.)"];
def pairs($name): [. // {} | to_entries[] | "--\($name)=\(.key)=\(.value)"];
def span($name): if . == null then [] else ["--\($name)=\(.)s"] end;
def place($name): if . == null then [] else ["--\($name)=\(.epoch):\(.offset)"] end;

# What publish and send have in common.
def publishing:
  [.event, (.json // (.data | tojson)), "--literal"] + (.meta | pairs("meta")) +
  (.options // {} |
    (.request_id | flag("request-id")) + (.ttl | span("ttl")) + (.deliver_within | span("deliver-within")) +
    (.conflation_key | flag("conflation-key")) + (.skip_history | flag("skip-history")) +
    (.expected_position | place("expect")) + (.selector.labels | pairs("to-label")) + (.selector.user_ids | each_flag("to-user")) +
    (.selector.roles | each_flag("to-role")) + (.exclude_sessions | each_flag("not-session")) +
    (.exclude_users | each_flag("not-user")) + (.report | flag("report")));

# The words, or null where the command line has none for it.
def words:
  .call as $call | .with |
  if (.page_size // 0) < 0 or .user_id == "" or .stream == "" then null
  elif $call == "broadcast_stream" then ["publish", .stream] + publishing
  elif $call == "broadcast_to_user" then
    ["send", .user_id] + publishing + (.stream | flag("stream")) + (.any_session | flag("any-session"))
  elif $call == "broadcast_all" then ["send", "--all"] + publishing + (.stream | flag("stream"))
  elif $call == "send_to_session" then ["send", "--session=\(.session_id)"] + publishing + (.stream | flag("stream"))
  elif $call == "kick" then
    ["kick"] + [.user_id // empty] + (.session_id | flag("session")) + (.stream | flag("stream")) + (.code | flag("code")) +
    (.reason | flag("reason"))
  elif $call == "subscribe_user" then ["subscribe", .user_id, .stream] + (.session_id | flag("session"))
  elif $call == "unsubscribe_user" then ["unsubscribe", .user_id, .stream] + (.session_id | flag("session"))
  elif $call == "subscribers" then ["subs"] + [.stream // empty] + (.user_id | flag("user"))
  elif $call == "get_presence" then ["presence", .stream]
  elif $call == "block_user" then ["block", .user_id] + (.duration | span("for")) + (.reason | flag("reason"))
  elif $call == "unblock_user" then ["unblock", .user_id]
  elif $call == "revoke_tokens" then ["revoke"] + [.user_id // empty] + (.token_id | flag("token-id"))
  elif $call == "blocked_users" then ["blocked"]
  elif $call == "list_sessions" then ["sessions"] + (.user_id | flag("user")) + (.labels | pairs("label"))
  elif $call == "get_session" then ["session", .session_id] + (.measure_for | span("measure"))
  elif $call == "list_streams" then ["streams"] + [.pattern // empty] + (.min_sessions | flag("min-sessions"))
  elif $call == "get_stream" then ["stream", .stream]
  elif $call == "list_nodes" then ["nodes"]
  elif $call == "drain" then
    ["drain"] + (.app | flag("app")) + (.endpoint | flag("endpoint")) + (.undo | flag("undo")) + (.exit | flag("exit")) +
    (.window | span("window")) + (.delay | span("delay"))
  else null end;

# Lists are printed without what is around them, and receipts too.
def whole_answer($call):
  {subscribers: "subscribers", get_presence: "members", blocked_users: "users", list_sessions: "sessions",
   list_streams: "streams", list_nodes: "nodes"}[$call] as $list |
  if $list then {($list): ., nodes_expected: 1, nodes_answered: 1}
  elif has("message_id") then {receipt: .}
  else . end;

# The first line of what is wrong ends with the reason; of a field, it begins with its name. Anything else is not the
# gateway's, and null.
def said_no:
  (split("\n")[0] | capture("^ *((?<field>[a-z_.\\[\\]0-9]+): )?(?<message>.*) \\[(?<reason>[A-Z_]+)\\]$")) // null |
  if . == null then null else {refused: {
    code: ({FIELD_INVALID: "INVALID_ARGUMENT", KEY_INVALID: "UNAUTHENTICATED", KEY_TOO_NARROW: "PERMISSION_DENIED",
      APP_UNKNOWN: "NOT_FOUND", SESSION_UNKNOWN: "NOT_FOUND",
      ENDPOINT_UNKNOWN: "NOT_FOUND", DRAIN_IS_FINAL: "FAILED_PRECONDITION", CONFIG_INVALID: "FAILED_PRECONDITION",
      REQUEST_ID_REUSED: "ALREADY_EXISTS", POSITION_MISMATCH: "ABORTED",
      NO_LOG: "FAILED_PRECONDITION", NO_PRESENCE: "FAILED_PRECONDITION",
      SCHEMA_MISMATCH: "INVALID_ARGUMENT"}[.reason]),
    reason, message, fields: (if .reason | IN("FIELD_INVALID", "SCHEMA_MISMATCH") then [.field] else [] end)}} end;
