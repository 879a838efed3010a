#!/bin/sh
# Puts the pages together: one script made of js/, the link check as WebAssembly, our other files as they are, the
# reference made of openapi.json and, under vendor/, the few library files they use.
# Usage: build.sh OUTDIR. The libraries must be in node_modules (npm ci).
set -eu
[ $# = 1 ] || { echo 'usage: build.sh OUTDIR' >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"

# Names of Bootstrap Icons that sluice.css uses as var(--icon-NAME).
icons='arrow-clockwise arrow-right check2 clipboard download film globe link-45deg shield-lock'

rm -rf "$out/vendor" "$out/docs" "$out/locales"
mkdir "$out/vendor" "$out/docs" "$out/locales"
rm -f "$out"/*.js "$out/link.wasm"
cp index.html sw.js sluice.css favicon.svg sluice.webmanifest "$out/"
cp locales/*.json "$out/locales/"
cp -R docs/. "$out/docs/"

node docs.mjs "$out"

node_modules/.bin/esbuild js/app.js --bundle --minify --format=esm --target=es2022 --legal-comments=none \
  --log-level=warning --outfile="$out/app.js"
mkdir -p "$out/admin"
cp admin/index.html admin/admin.css "$out/admin/"
node_modules/.bin/esbuild js/admin/main.js --bundle --minify --format=esm --target=es2022 --legal-comments=none \
  --log-level=warning --outfile="$out/admin/admin.js"
cp node_modules/chart.js/LICENSE.md "$out/vendor/chart.js.LICENSE"
cp node_modules/lean-qr/LICENSE "$out/vendor/lean-qr.LICENSE"

# The page does without it where there is no compiler for it.
if command -v clang >/dev/null && command -v wasm-ld >/dev/null; then
  clang --target=wasm32 -std=gnu11 -Oz -nostdlib -ffreestanding -mbulk-memory -I../src -Wall -Wextra -Werror \
    -Wl,--no-entry,--strip-all,-z,stack-size=65536 -o "$out/link.wasm" link.c ../src/site/link.c
  chmod 644 "$out/link.wasm"
else
  echo 'no clang and wasm-ld (Debian: clang lld): links are checked by the server alone' >&2
fi

# The last line names a source map, which is not shipped.
sed '/sourceMappingURL/d' node_modules/bootstrap/dist/css/bootstrap.min.css > "$out/vendor/bootstrap.min.css"
cp node_modules/bootstrap/LICENSE "$out/vendor/bootstrap.LICENSE"

# One small style sheet instead of a file, and a request, per icon.
{
  echo ':root {'
  for icon in $icons; do
    printf '  --icon-%s: url("data:image/svg+xml,%s");\n' "$icon" \
      "$(tr '\n' ' ' < "node_modules/bootstrap-icons/icons/$icon.svg" |
        sed -e 's/ class="[^"]*"//' -e 's/> *</></g' -e "s/\"/'/g" -e 's/%/%25/g; s/#/%23/g; s/</%3C/g; s/>/%3E/g')"
  done
  echo '}'
} > "$out/vendor/icons.css"
cp node_modules/bootstrap-icons/LICENSE "$out/vendor/bootstrap-icons.LICENSE"
