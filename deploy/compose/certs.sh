#!/bin/sh
# Creates the files that compose.yml mounts, unless they exist: a CA, a certificate for each role, the operator token. Makes them
# readable for the containers. Renews certificates with less than a third of their lifetime left.
#
#   deploy/compose/certs.sh [name or address that callers reach this host at]…      FNFLEET_CERTS=<folder>, or ./certs
#
# api=<name> adds a name by which operators reach the API node, if it is published to other machines.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
certs=${FNFLEET_CERTS:-$here/certs}
# Each role has only its own names; with a balancer's names, a runner could pose as one.
names=localhost,127.0.0.1
for name in "$@"; do
  case $name in *=*) names=$names,$name ;; *) names=$names,lb=$name ;; esac
done

"$here/../../bin/fnfleet" certs fleet --dir "$certs" --names api,lb,runner,prometheus,operator --san "$names"
"$here/../../bin/fnfleet" certs renew --dir "$certs"
token=$certs/operator.token
[ -s "$token" ] || head -c 24 /dev/urandom | base64 > "$token"
# The folder itself keeps its owner.
chmod 0644 "$certs/ca.crt" "$token"
# The users of the roles and of Prometheus in their containers. This needs root.
give() { [ "$(stat -c %u "$certs/$1.key")" = "$2" ] || chown "$2" "$certs/$1.crt" "$certs/$1.key"; }
give api 1000
give lb 1000
give prometheus 65534

echo "To use fnfleet on this host as an operator:"
echo "  export FN_TLS_CERT=$certs/operator.crt FN_TLS_KEY=$certs/operator.key FN_TLS_CA=$certs/ca.crt"
echo "  export FN_API_URL=https://localhost:${FNFLEET_API_PORT:-8080}"
echo "  export FN_LB_URL=https://localhost:${FNFLEET_LB_PORT:-8081}"
