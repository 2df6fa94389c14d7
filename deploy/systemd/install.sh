#!/bin/sh
# Installs the units of roles on this machine, their settings and their certificates. Keeps existing settings. Run it as root;
# DESTDIR=<folder> puts everything below a folder and does not notify systemd.
#
#   deploy/systemd/install.sh <folder of fnfleet certs> <role>…        roles: api, lb, runner
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=${DESTDIR:-}

fail() { echo "install.sh: $1" >&2; exit 2; }

[ $# -ge 2 ] || fail "expected a folder of certificates and one or more of api, lb, runner"
certs=$1
shift
for role in "$@"; do
  case $role in api | lb | runner) ;; *) fail "unknown role \"$role\"; known: api, lb, runner" ;; esac
  # A runner gets no operator token, because operators show it a certificate.
  token=operator.token
  [ "$role" != runner ] || token=
  for file in "$role.crt" "$role.key" ca.crt $token; do
    [ -r "$certs/$file" ] || fail "$certs/$file: there is no such file, or it may not be read; deploy/systemd/README.md makes it"
  done
done

install -d -m 0755 "$root/etc/systemd/system" "$root/usr/lib/sysusers.d" "$root/etc/fnfleet" "$root/etc/fnfleet/certs"
install -m 0644 "$here/fnfleet.sysusers" "$root/usr/lib/sysusers.d/fnfleet.conf"
[ -n "$root" ] || systemd-sysusers fnfleet.conf
# Replaced with a rename, so that a running node never reads half a certificate.
place() { install -m "$1" "$2" "$3.new" && mv "$3.new" "$3"; }

place 0644 "$certs/ca.crt" "$root/etc/fnfleet/certs/ca.crt"
for role in "$@"; do
  [ "$role" = runner ] || place 0600 "$certs/operator.token" "$root/etc/fnfleet/operator.token"
  install -m 0644 "$here/fnfleet-$role.service" "$root/etc/systemd/system/fnfleet-$role.service"
  [ -e "$root/etc/fnfleet/$role.env" ] || install -m 0640 "$here/$role.env" "$root/etc/fnfleet/$role.env"
  place 0644 "$certs/$role.crt" "$root/etc/fnfleet/certs/$role.crt"
  key=$root/etc/fnfleet/certs/$role.key
  install -m 0600 "$certs/$role.key" "$key.new"
  # A runner is root; the other roles read their key themselves, each time it is replaced.
  [ "$role" = runner ] || [ -n "$root" ] || chown fnfleet: "$key.new"
  mv "$key.new" "$key"
  if [ "$role" = lb ] && [ ! -e "$root/etc/fnfleet/runners" ]; then
    install -m 0644 "$here/runners" "$root/etc/fnfleet/runners"
  fi
done
if [ -z "$root" ]; then systemctl daemon-reload; fi
for role in "$@"; do echo "edit /etc/fnfleet/$role.env, then: systemctl enable --now fnfleet-$role"; done
