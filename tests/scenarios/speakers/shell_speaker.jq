# What a speaker is asked, as grpcurl wants it, and what grpcurl prints, as the scenarios have it.

def duration: if . == null then null else "\(.)s" end;

# Messages go by the friendly arm, as from a person; a text that is JSON already by the other.
def message:
  {name: .event, meta} +
  (if has("json") then {json} elif has("data") then {value: .data} else {} end);

# BroadcastToUser of broadcast_to_user.
def pascal: [splits("_") | (.[:1] | ascii_upcase) + .[1:]] | join("");

def method:
  {count_presence: "GetPresence", blocked_users: "ListBlockedUsers"}[.] // pascal |
  (if IN("ListSessions", "GetSession", "TopSlow", "ListStreams", "GetStream", "ListNodes", "Drain") then "Admin"
   elif IN("RegisterDescriptors", "BindStream", "ListSchemas", "Validate") then "Schema" else "Control" end) as $service |
  "carillon.v1.\($service)Service/\(.)";

def request:
  .app as $app | .call as $call | .with |
  (if has("event") and $call != "bind_stream" then . + {event: message} | del(.data, .json, .meta) else . end) |
  (if has("options") then .options |= (.ttl |= duration | .deliver_within |= duration) else . end) |
  (if has("duration") then .duration |= duration else . end) |
  (if has("measure_for") then .measure_for |= duration else . end) |
  (if $call == "drain" then
    del(.app) + (if has("app") then {app_name: .app} elif has("endpoint") then {} else {node: true} end) |
    .window |= duration | .delay |= duration | del(.. | nulls) else . end) |
  (if $call == "count_presence" then .count_only = true else . end) |
  (if $app == "" or $call == "list_nodes" or $call == "drain" then . else .app = $app end);

def watch_begin:
  .app as $app | .with |
  {begin: {app: $app, group, resume, from_oldest,
    filter: {streams, user_ids: .users, client_events, kinds: [.kinds[]? | "EVENT_KIND_" + ascii_upcase]}}} |
  del(.. | nulls);

# --- What grpcurl prints. It writes whole numbers of 64 bits as strings, and names as JavaScript does. ---

def snake: gsub("(?<c>[A-Z])"; "_" + (.c | ascii_downcase));
def whole: if type == "string" then tonumber else . end;
def seconds: if . == null then null else .[:-1] | tonumber end;
def word($prefix): .[($prefix | length):] | ascii_downcase;

def renamed:
  walk(if type == "object" then with_entries(
    if .key == "labels" or .key == "meta" then . else .key |= snake end |
    if .key | IN("offset", "oldest_offset", "messages", "bytes", "messages_lost", "messages_queued", "messages_said", "sessions")
    then .value |= whole else . end) else . end);

def payload: del(.json) + {data: (.json // "null" | fromjson)};

def plain_receipt: .receipt | {message_id, sessions, position, duplicate, report};
def plain_member: .status |= word("PRESENCE_STATUS_") | .info |= (if . == "" then null else fromjson end);
def plain_message: payload + {message_id: .id};
def plain_session: .age |= seconds | .backlog.age |= seconds | .token_expire_time //= null;

def plain_drain:
  {app: .app_name, endpoint, state: (.state | word("DRAIN_STATE_")), sessions, begin_time, asked_by, exit};

# One answer, or one page. All of a list's pages become one answer: see pages.
def answer($call):
  renamed |
  if .receipt then plain_receipt + if has("users") then {users} else {} end
  elif $call == "subscribers" then {items: .subscribers}
  elif $call == "get_presence" then {items: [.members[] | plain_member]}
  elif $call == "list_messages" then {items: [.messages[] | plain_message], head: .position}
  elif $call == "blocked_users" then {items: [.users[] | .expire_time //= null]}
  elif $call == "list_sessions" then {items: [.sessions[] | plain_session]}
  elif $call == "list_streams" then {items: .streams}
  elif $call == "get_session" then .session |= plain_session | .rates |= (if . then .measured |= seconds else null end)
  elif $call == "top_slow" then .sessions |= map(plain_session)
  elif $call == "get_stream" then
    . + .stream + {members, log: (.log | if . then .oldest_time //= null else null end), partial: (.nodes_answered < .nodes_expected)}
  elif $call == "list_nodes" then .nodes |= map(.drains |= map(plain_drain)) | .partial = (.nodes_answered < .nodes_expected)
  elif $call == "drain" then .status |= plain_drain
  elif $call == "list_schemas" then {items: .types, head: {sets, bindings}}
  else . end;

# The items of all pages, and what the first one says of the whole.
def pages: .[0] + {items: map(.items[])};

def code:
  ["OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
   "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE",
   "DATA_LOSS", "UNAUTHENTICATED"][.];

def refusal:
  {refused: {
    code: (.code | code),
    message,
    reason: (first(.details[]? | select(.["@type"] | endswith("ErrorInfo")) | .reason) // ""),
    fields: [.details[]? | select(.["@type"] | endswith("BadRequest")) | .fieldViolations[].field]
  }};

# A line for each response of Watch, and one for each of its events.
def feed:
  renamed | .scanned_to.epoch as $epoch | .partition as $partition |
  "-",
  (.events[] | {
    kind: (.kind | word("EVENT_KIND_")), session_id, user_id, stream, position: {epoch: $epoch, offset}, partition: $partition
  } + (
    if .opened then {opened} elif .closed then {closed} elif .member then {member}
    elif .client then {client: (.client | payload)} else {} end
  ));

# --- What the gateway asks, and what a scenario's table answers. ---

# Of objects only the keys of the pattern count, unless it has none.
def fits($pattern):
  . as $asked |
  if ($pattern | type) == "object" and ($asked | type) == "object" and $pattern != {} then
    all($pattern | to_entries[]; . as {$key, $value} | ($asked | has($key)) and ($asked[$key] | fits($value)))
  else $asked == $pattern end;

def hook_answer($table):
  (if has("json") then .data = (.json | fromjson) else . end) as $asked |
  first($table[] | . as $row | select(.asks == $ENV.CARILLON_HOOK and (has("of") | not or ($asked | fits($row.of))))) //
    error("the scenario has no answer") |
  .asks as $method | .answer |
  if has("user") then .user |= if has("info") then .info_json = (.info | tojson) | del(.info) else . end
  elif has("refuse") then if $method == "AuthorizeSubscribe" then {message: .refuse} else {refusal: {message: .refuse}} end
  elif has("allow") then {allowed: .allow}
  elif has("accept") then .accept |= if has("data") then .json = (.data | tojson) | del(.data) else . end
  else {answer: {json: (.answer | tojson)}} end;
