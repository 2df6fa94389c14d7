#!/bin/sh
# Prints the Secrets that the pods mount, for `kubectl apply -f -`. First creates a CA, a certificate for each role and the operator
# token, unless they exist, and renews certificates with less than a third of their lifetime left.
#
#   deploy/kubernetes/secrets.sh [name or address that callers reach the balancers at]… | kubectl apply -f -
#
# FNFLEET_CERTS=<folder>, or ./certs; FNFLEET_NAMESPACE=fnfleet; KUBECTL=kubectl
set -eu
here=$(cd "$(dirname "$0")" && pwd)
certs=${FNFLEET_CERTS:-$here/certs}
namespace=${FNFLEET_NAMESPACE:-fnfleet}
# localhost is for `kubectl port-forward`. Each role has only its own names; with a balancer's names, a runner could pose as one.
names=localhost,127.0.0.1
for name in "$@"; do names=$names,lb=$name; done

"$here/../../bin/fnfleet" certs fleet --dir "$certs" --names api,lb,runner,prometheus,operator --san "$names" >&2
"$here/../../bin/fnfleet" certs renew --dir "$certs" >&2
token=$certs/operator.token
[ -s "$token" ] || (umask 077 && head -c 24 /dev/urandom | base64 > "$token")

secret() {
  echo ---
  "${KUBECTL:-kubectl}" create secret generic "$@" --namespace "$namespace" --dry-run=client --output yaml
}
# cert-manager uses the same keys.
for role in api lb runner prometheus; do
  secret "$role-tls" --from-file="tls.crt=$certs/$role.crt" --from-file="tls.key=$certs/$role.key" --from-file="ca.crt=$certs/ca.crt"
done
secret operator-token --from-file="token=$token"
