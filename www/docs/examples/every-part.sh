# Title and choices as a table, then the sound of each link in a list, one after the other.
sluice=${SLUICE:-http://127.0.0.1:8080}

curl -fsSG "$sluice/api/v1/info" --data-urlencode 'url=https://youtu.be/sluiceDemo1' |
  jq -r '.title, (.choices[] | [.id, .label, .size_bytes] | @tsv)'

while read -r link; do
  curl -fsSG "$sluice/api/v1/stream" --data-urlencode "url=$link" -d choice=audio-mp3-128 -OJ
done <<'LINKS'
https://youtu.be/sluiceDemo1
https://youtu.be/sluiceLong1
LINKS
