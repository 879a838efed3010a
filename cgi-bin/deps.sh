#!/bin/sh
# Installs what is missing for one purpose, and nothing else: Debian packages by name (through sudo when not
# root), npm packages by the lock file. Usage: deps.sh build|run|demo|test|bench|lint|npm
set -eu
cd "$(dirname "$0")/.."

build='gcc libc6-dev make pkg-config libfcgi-dev libcurl4-openssl-dev libjansson-dev libsqlite3-dev libpq-dev libsodium-dev libssl-dev libexpat1-dev
  libutf8proc-dev libjavascriptcoregtk-4.1-dev libavformat-dev libavcodec-dev libavutil-dev libswresample-dev ca-certificates'
run="$build lighttpd lighttpd-mod-deflate nodejs npm clang lld"
demo="$run ffmpeg openssl"
test="$demo libcmocka-dev curl wget aria2 nginx-light apache2 libapache2-mod-fcgid libapache2-mod-xsendfile spawn-fcgi systemd chromium
  python3-requests python3-aiohttp jq fonts-dejavu-core procps sqlite3 postgresql util-linux
  python3 yt-dlp s3cmd swift-proxy swift-account swift-container swift-object"
bench="$demo curl wrk nginx-light procps s3cmd swift-proxy swift-account swift-container swift-object"
lint="$build nodejs npm lld clang clang-tidy clang-format libclang-rt-14-dev cppcheck shellcheck"

case "${1:-}" in
  build) want=$build ;;
  run) want=$run ;;
  demo) want=$demo ;;
  test) want=$test ;;
  bench) want=$bench ;;
  lint) want=$lint ;;
  npm) want='' ;;
  *) echo 'usage: deps.sh build|run|demo|test|bench|lint|npm' >&2; exit 2 ;;
esac

missing=''
for package in $want; do
  # A node that did not come from Debian serves as well.
  case "$package" in nodejs | npm) command -v "${package%js}" >/dev/null && continue ;; esac
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done

if [ -n "$missing" ]; then
  echo "installing:$missing"
  as_root=''
  [ "$(id -u)" = 0 ] || as_root=sudo
  if [ -n "$as_root" ] && ! command -v sudo >/dev/null; then
    echo "there is no sudo here; run as root: apt-get install --no-install-recommends$missing" >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  # Debian starts freshly installed servers; ours are started by us, on our own ports.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod +x "$policy"
    trap '$as_root rm -f "$policy"' EXIT
  fi
  # shellcheck disable=SC2086 # a list of words on purpose
  $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 || {
    $as_root apt-get update -qq
    # shellcheck disable=SC2086
    $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
  }
fi

case "$1" in
  build) ;;
  *)
    # Test tools (browser driver, linters) only where they are used.
    omit='--omit=dev'
    case "$1" in test | lint | bench) omit='' ;; npm) [ -e www/node_modules/.with-dev ] && omit='' ;; esac
    stamp=www/node_modules/.stamp
    fresh=$(find "$stamp" -newer www/package-lock.json 2>/dev/null || true)
    if [ -z "$fresh" ] || { [ -z "$omit" ] && [ ! -e www/node_modules/.with-dev ]; }; then
      # shellcheck disable=SC2086
      (cd www && npm ci --silent $omit)
      [ -n "$omit" ] || touch www/node_modules/.with-dev
      touch "$stamp"
    fi
    ;;
esac
