#!/usr/bin/env bash
# The speaker (see ../speaker.py) that is a shell, with grpcurl ($GRPCURL) and jq. Where $CARILLON names a carillon, its
# command line makes the calls that it has words for. The backend that gateways ask is `$BACKEND hooks`, and jq.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
proto=$here/../../../proto
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Descriptions from files, so that also those who have no good key get as far as their refusal.
grpcurl=("$GRPCURL" -plaintext -format-error -emit-defaults -import-path "$proto" -import-path "$proto/third_party"
  -proto carillon/v1/control.proto -proto carillon/v1/admin.proto -proto carillon/v1/events.proto
  -proto carillon/v1/schema.proto
  -proto google/rpc/error_details.proto)

# of PROGRAM [ARG…]: what jq makes of its input, with our words.
of() { jq -L "$here" -c "include \"shell_speaker\"; include \"command_line\"; $1" "${@:2}"; }

# What went wrong, where it was the gateway that said no.
refusal() { of refusal "$1" || { cat "$1" >&2; exit 1; }; }

# by_command ORDER: makes one call with the command line. Status 1 where that has no words for it, or says no by itself.
by_command() {
  local address key app name words
  words=$(of words <<<"$1") || exit 1
  [ "$words" != null ] || return 1
  readarray -t words < <(jq -r '.[]' <<<"$words")
  { read -r address; read -r key; read -r app; read -r name; } < <(jq -r '.address, .key, .app, .call' <<<"$1")
  [ -z "$app" ] || words+=("--app=$app")
  if CARILLON_TOKEN=$key "$CARILLON" "${words[@]}" -s "$address" -o json </dev/null >"$folder/page" 2>"$folder/error"; then
    of '{ok: (whole_answer($call) | answer($call))}' --arg call "$name" "$folder/page" || exit 1
  else
    of 'said_no // halt_error' -R -s "$folder/error" 2>/dev/null
  fi
}

# call ORDER: makes one call, page by page where it lists.
call() {
  local address key name method request token=""
  { read -r address; read -r key; read -r name; read -r method; read -r request; } < <(
    of '.address, "Bearer " + .key, .call, (.call | method), request' -r <<<"$1")
  : >"$folder/pages"
  while true; do
    if ! "${grpcurl[@]}" -H "authorization: $key" -d "$request" "$address" "$method" >"$folder/page" 2>"$folder/error"; then
      refusal "$folder/error"
      return
    fi
    of 'answer($call)' --arg call "$name" "$folder/page" >>"$folder/pages"
    token=$(jq -r '.nextPageToken // ""' "$folder/page")
    [ -n "$token" ] || break
    request=$(jq -c --arg token "$token" '.page_token = $token' <<<"$request")
  done
  of '{ok: (if .[0] | has("items") then pages else .[0] end)}' -s "$folder/pages"
}

# --- Watches. Each is a grpcurl with a pipe from it, and in a group another to it. ---
declare -A to from pid held

# watch ORDER: begins to watch. Without acknowledgements grpcurl needs no input: with one, it would not end before that does.
watch() {
  local address key name group begin line
  { read -r address; read -r key; read -r name; read -r group; read -r begin; } < <(
    of '.address, "Bearer " + .key, .name, (.with.group // ""), watch_begin' -r <<<"$1")
  local pipe=$folder/watch-$name data=$begin input=/dev/null
  rm -f "$pipe".*
  mkfifo "$pipe.to" "$pipe.raw" "$pipe.from"
  [ -z "$group" ] || data=@ input=$pipe.to
  without_pipes exec "${grpcurl[@]}" -H "authorization: $key" -d "$data" "$address" carillon.v1.EventService/Watch \
    <"$input" >"$pipe.raw" 2>"$pipe.error" &
  pid[$name]=$!
  without_pipes of feed --unbuffered <"$pipe.raw" >"$pipe.from" &
  held[$name]=""
  [ -z "$group" ] || exec {to[$name]}>"$pipe.to"  # first: opening a pipe waits for its other end
  exec {from[$name]}<"$pipe.from"
  [ -z "$group" ] || echo "$begin" >&"${to[$name]}"
  if read -r line <&"${from[$name]}"; then
    echo '{"ok":{}}'
  else
    refusal "$pipe.error"
    shut "$name"
  fi
}

# without_pipes COMMAND: a child that held other watches' pipes would keep them open.
without_pipes() {
  local end
  for end in "${to[@]}" "${from[@]}"; do exec {end}>&-; done
  "$@"
}

# event NAME: the next one. Who asks for it has dealt with the one before.
event() {
  local name=$1 line
  if [ -n "${held[$name]}" ] && [ -n "${to[$name]:-}" ]; then
    jq -c '{ack: {partition, offset: .position.offset, epoch: .position.epoch}}' <<<"${held[$name]}" >&"${to[$name]}"
  fi
  while true; do
    if ! read -r line <&"${from[$name]}"; then
      refusal "$folder/watch-$name.error"
      return
    fi
    [ "$line" = '"-"' ] || break
  done
  held[$name]=$line
  jq -c '{ok: .}' <<<"$line"
}

# unwatch NAME: a group is left when the gateway has ended the call.
unwatch() {
  local name=$1
  if [ -n "${to[$name]:-}" ]; then
    exec {to[$name]}>&-
    cat <&"${from[$name]}" >/dev/null
  else
    kill "${pid[$name]}"
  fi
  shut "$name"
}

shut() {
  local name=$1
  exec {from[$name]}<&-
  wait "${pid[$name]}" || true
  unset "to[$name]" "from[$name]" "pid[$name]" "held[$name]"
}

backend=""

# answer ORDER: begins to answer what the gateway asks.
answer() {
  local listen line
  { read -r listen; read -r line; } < <(jq -r '.listen, .key' <<<"$1")
  echo "$line" >"$folder/backend-key"
  jq -c .answers <<<"$1" >"$folder/answers"
  rm -f "$folder/backend"
  mkfifo "$folder/backend"
  without_pipes exec "$BACKEND" hooks --listen "$listen" --key-file "$folder/backend-key" -- \
    jq -L "$here" -c --slurpfile table "$folder/answers" 'include "shell_speaker"; hook_answer($table[0])' \
    </dev/null >"$folder/backend" 2>"$folder/backend-error" &
  backend=$!
  read -r line <"$folder/backend" || { cat "$folder/backend-error" >&2; exit 1; }
  echo '{"ok":{}}'
}

while IFS= read -r order; do
  { read -r what; read -r name; } < <(jq -r '.do, .name' <<<"$order")
  case $what in
    call) { [ -n "${CARILLON:-}" ] && by_command "$order"; } || call "$order" ;;
    watch) watch "$order" ;;
    event) event "$name" ;;
    unwatch) unwatch "$name" && echo '{"ok":{}}' ;;
    answer) answer "$order" ;;
    reset)
      [ -z "$backend" ] || { kill "$backend" && wait "$backend" && backend=""; }
      for name in "${!pid[@]}"; do unwatch "$name"; done
      echo '{"ok":{}}'
      ;;
    *) exit 2 ;;
  esac
done
