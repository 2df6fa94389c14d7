#!/bin/sh
# Makes what compose.yml mounts, as far as it is not there: a CA, a certificate for each role, the operator token; readable for
# the containers. Certificates with less than a third of their time left are renewed.
#
#   deploy/compose/certs.sh [name or address that callers reach this host at]…      FNFLEET_CERTS=<folder>, or ./certs
set -eu
here=$(cd "$(dirname "$0")" && pwd)
certs=${FNFLEET_CERTS:-$here/certs}
names=localhost,127.0.0.1
for name in "$@"; do names=$names,$name; done

"$here/../../bin/fnfleet" certs fleet --dir "$certs" --names api,lb,runner --san "$names"
"$here/../../bin/fnfleet" certs renew --dir "$certs"
token=$certs/operator.token
[ -s "$token" ] || head -c 24 /dev/urandom | base64 > "$token"
# Prometheus is somebody else. The folder itself stays its owner's.
chmod 0644 "$certs/ca.crt" "$token"
# Who the roles are in their containers. That needs root, unless you are that user.
for role in api lb; do
  [ "$(stat -c %u "$certs/$role.key")" = 1000 ] || chown 1000 "$certs/$role.crt" "$certs/$role.key"
done
