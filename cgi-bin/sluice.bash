# Completion of `sluice` for bash: share/bash-completion/completions/sluice. It asks `sluice help`, so it knows every
# command and option that there is.
_sluice() {
  local current=${COMP_WORDS[COMP_CWORD]} words
  # The names of commands; or of the lines about this command what is a word or an option, without explanations.
  words=$("${COMP_WORDS[0]}" help 2>/dev/null | awk -v name="${COMP_WORDS[1]}" -v names="$((COMP_CWORD == 1))" '
    match($0, /[^ ]/) > 11 || !/^  / { next }
    /^  [^ ]/ { ours = names || $1 == name; if (names) { print $1; next } }
    ours && !names {
      sub(/^ +/, "")
      sub(/  .*/, "")
      gsub(/\[[^-][^]]*\]/, "")
      gsub(/[][|,]/, " ")
      for (i = 1; i <= NF; i++)
        if ($i != name && $i ~ /^(--)?[a-z.-]+$/) print $i
    }' | sort -u)
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  [[ ${#COMPREPLY[@]} -gt 0 ]] || mapfile -t COMPREPLY < <(compgen -f -- "$current")
}
complete -F _sluice sluice
