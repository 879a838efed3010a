# Turns text files into one C file: an array of {name, text} ended by {0, 0}. See src/base/embed.h.
function esc(s) { gsub(/\\/, "&&", s); gsub(/"/, "\\\"", s); gsub(/\t/, "\\t", s); gsub(/\r/, "\\r", s); return s }
BEGIN { print "/* Made by src/embed.awk. */\n#include \"base/embed.h\"\n\nconst struct embed_file embed_files[] = {" }
FNR == 1 {
  if (open) print "    },"
  name = FILENAME; sub(/.*\//, "", name)
  printf "    {\"%s\",\n", name; open = 1
}
{ printf "        \"%s\\n\"\n", esc($0) }
END { if (open) print "    },"; print "    {0, 0},\n};" }
