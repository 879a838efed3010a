# Turns www/locales/*.json (flat, one "key": "text" a line) into one C file: see src/base/locale.h. JSON's \" and \\
# are C's as well; a test refuses every other escape.
BEGIN { print "/* Made by src/locale.awk. */\n#include <stddef.h>\n\n#include \"base/locale.h\"\n" }
FNR == 1 {
  if (NR > 1) print "    {NULL, NULL},\n};"
  tag = FILENAME; sub(/.*\//, "", tag); sub(/\.json$/, "", tag); tags[++count] = tag
  printf "static const struct locale_text text_%s[] = {\n", tag
}
match($0, /": "/) {
  key = substr($0, 1, RSTART); text = substr($0, RSTART + 3)
  sub(/^ */, "", key); sub(/,$/, "", text)
  printf "    {%s, %s},\n", key, text
}
END {
  print "    {NULL, NULL},\n};\n\nconst struct locale locales[] = {"
  for (i = 1; i <= count; i++) printf "    {\"%s\", text_%s},\n", tags[i], tags[i]
  print "    {NULL, NULL},\n};"
}
