#!/bin/sh
# Puts the pages together: our own files as they are and, under vendor/, the few library files they use.
# Usage: build.sh OUTDIR. The libraries must be in node_modules (npm ci).
set -eu
[ $# = 1 ] || { echo 'usage: build.sh OUTDIR' >&2; exit 2; }
mkdir -p "$1/docs" "$1/vendor"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"

# Names of Bootstrap Icons that sluice.css uses as var(--icon-NAME).
icons='arrow-clockwise arrow-right check2 clipboard download film link-45deg shield-lock'

rm -rf "$out/vendor" "$out/docs"
mkdir "$out/vendor" "$out/docs"
cp index.html app.js downloads.js sluice.css favicon.svg sluice.webmanifest "$out/"
cp docs/* "$out/docs/"

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
