#!/usr/bin/env bash
# Certificates for a machine of one's own: an authority, a server's for localhost, and a caller's for the control plane.
# Run again, it keeps the authority, so that whoever trusts it goes on doing so.
set -euo pipefail
folder=${1:-dev-certs}
days=90
mkdir -p "$folder"
cd "$folder"
umask 077

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }

if [ ! -s ca.key ] || ! openssl x509 -in ca.pem -noout -checkend $((days * 86400)) >/dev/null 2>&1; then
  key ca.key
  openssl req -x509 -new -key ca.key -subj "/CN=Carillon development CA" -days 730 -out ca.pem \
    -addext "keyUsage=critical,keyCertSign,cRLSign"
fi

# issue NAME SUBJECT EXTENSIONS
issue() {
  key "$1.key"
  openssl req -new -key "$1.key" -subj "/CN=$2" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days $days -out "$1.pem" \
    -extfile <(printf 'basicConstraints=CA:FALSE\n%s\n' "$3") 2>/dev/null
  rm "$1.csr"
}
issue server localhost $'subjectAltName=DNS:localhost,DNS:*.localhost,IP:127.0.0.1,IP:::1\nextendedKeyUsage=serverAuth'
issue client "a backend" "extendedKeyUsage=clientAuth"

chmod 644 ca.pem server.pem client.pem
at=$(pwd)
cat <<TEXT
$at holds
  ca.pem                   the authority: let browsers and backends trust it, and give ca.key to nobody
  server.pem, server.key   for localhost, 127.0.0.1 and ::1, $days days
  client.pem, client.key   for a backend

  edge:
    tls: {cert_file: $at/server.pem, key_file: $at/server.key}
  control:
    tls: {cert_file: $at/server.pem, key_file: $at/server.key, client_ca_file: $at/ca.pem}

  curl --cacert $at/ca.pem https://localhost:7310/    # the demo page, with edge.demo_page: true
  grpcurl -cacert $at/ca.pem -cert $at/client.pem -key $at/client.key localhost:7311 list
TEXT
