#!/bin/sh
# A PostgreSQL for one test, in DIR: postgres.sh start DIR [PORT] | stop DIR | kill DIR
# It is reached by the socket in DIR without a password, and with a PORT also on the loopback as user `sluice`
# with the password `p'w %@:/?`, by TLS where the client wants that: the certificate is DIR/tls.crt. As root it runs as the user `postgres`, because it refuses to run as root.
set -eu
dir=$2
port=${3:-}
cd /
bin=$(find /usr/lib/postgresql -path '*/bin/pg_ctl' | sort -V | tail -n 1)
[ -n "$bin" ] || { echo 'no PostgreSQL here: apt-get install postgresql' >&2; exit 1; }
bin=${bin%/pg_ctl}
as() {
  if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

case $1 in
  start)
    if [ ! -e "$dir/data" ]; then
      mkdir -p "$dir/data"
      printf '%s\n' "p'w %@:/?" > "$dir/password"
      [ "$(id -u)" != 0 ] || chown postgres "$dir" "$dir/data" "$dir/password"
      chmod 755 "$dir" # others come by the socket
      as "$bin/initdb" -D "$dir/data" -U sluice --pwfile "$dir/password" --auth-local=trust --auth-host=scram-sha-256 \
        -E UTF8 --locale=C --no-sync > /dev/null
    fi
    listen="-c listen_addresses="
    if [ -n "$port" ]; then
      listen="-c listen_addresses=127.0.0.1 -p $port -c ssl=on -c ssl_cert_file=$dir/tls.crt -c ssl_key_file=$dir/tls.key"
      [ -e "$dir/tls.key" ] || as openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
        -subj /CN=test -addext subjectAltName=IP:127.0.0.1 -keyout "$dir/tls.key" -out "$dir/tls.crt" 2> /dev/null
    fi
    as "$bin/pg_ctl" -D "$dir/data" -s -w -t 60 -l "$dir/data/server.log" \
      -o "$listen -k $dir -c fsync=off -c shared_buffers=16MB -c max_connections=100" start
    ;;
  stop) as "$bin/pg_ctl" -D "$dir/data" -s -w -m fast stop ;;
  kill) as "$bin/pg_ctl" -D "$dir/data" -s -w -m immediate stop ;;
  *) exit 2 ;;
esac
