# Checks every #include against src/LAYERS. Usage: awk -f tests/layers.awk src/LAYERS FILE…
function layer_of(path) { sub(/^src\//, "", path); sub(/\/.*/, "", path); return path }
FILENAME == ARGV[1] {
  sub(/#.*/, "")
  if ($0 ~ /=/) { owner[$1] = $3 }
  else if ($0 ~ /:/) { split($0, p, ":"); gsub(/ /, "", p[1]); may[p[1]] = " " p[1] " " p[2] " " }
  next
}
FNR == 1 { mine = layer_of(FILENAME); if (!(mine in may)) { print FILENAME ": layer " mine " is not in src/LAYERS"; bad = 1 } }
/^#include "/ {
  split($0, q, "\""); other = q[2]
  if (other !~ /\//) next
  other = layer_of(other)
  if (index(may[mine], " " other " ") == 0) { print FILENAME ":" FNR ": layer " mine " may not include " q[2]; bad = 1 }
}
/^#include </ {
  lib = $2; sub(/^</, "", lib)
  for (o in owner) if (index(lib, o) == 1) {
    where = owner[o]
    if (index(FILENAME, "src/" where "/") != 1 && index(FILENAME, where "/") != 1) { print FILENAME ":" FNR ": only src/" where " may include " $2; bad = 1 }
  }
}
END { exit bad }
