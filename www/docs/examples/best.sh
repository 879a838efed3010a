# The best file with picture and sound; the server names it, and curl goes on by itself after a break.
sluice=${SLUICE:-http://127.0.0.1:8080}
link='https://www.youtube.com/watch?v=sluiceDemo1'

curl -fsSG "$sluice/api/v1/stream" --data-urlencode "url=$link" -d choice=best \
     -OJ --retry 5 --retry-all-errors
