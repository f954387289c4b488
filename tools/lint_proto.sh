#!/bin/sh
# Checks proto/carillon against the rules in buf.yaml. Takes no arguments.
#
# Uses buf from PATH; otherwise installs a pinned copy under build/tools once, for which it needs the network.
#
# Exit status: 0 clean, 77 skipped because buf cannot be had, anything else as buf says (100 for findings, which it
# prints one a line as file:line:column).
set -eu

# The pinned version decides which rules there are, so that the check cannot change by itself.
# The distribution is buf-bin: the one called buf is another program.
buf_package="buf-bin==1.75.0"

cd "$(dirname "$0")/.."

venv=build/tools/buf-venv
log=build/tools/buf-install.log
if buf=$(command -v buf); then
  :
elif [ -x "$venv/bin/buf" ]; then
  buf=$venv/bin/buf
else
  mkdir -p build/tools
  if ! { /usr/bin/python3 -m venv "$venv" && "$venv/bin/pip" install --quiet "$buf_package"; } >"$log" 2>&1; then
    echo "SKIP lint_proto: buf not found, and $buf_package could not be installed (see $log)"
    exit 77
  fi
  buf=$venv/bin/buf
fi

exec "$buf" lint
