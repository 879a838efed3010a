"""One file, with requests: looked up, chosen, and taken up where a broken connection left it."""
import os
import sys
import time

import requests

SLUICE = os.environ.get("SLUICE", "http://127.0.0.1:8080")
KEY = os.environ.get("SLUICE_KEY")  # only where the server asks for one


def call(session, path, **options):
    while True:
        answer = session.get(SLUICE + path, timeout=60, **options)
        if answer.ok:
            return answer
        problem = answer.json()
        if not problem["retryable"]:
            sys.exit(f"{problem['title']}: {problem['detail']}")
        time.sleep(problem.get("retry_after_s", 5))


with requests.Session() as session:
    if KEY:
        session.headers["Authorization"] = f"Bearer {KEY}"
    info = call(session, "/api/v1/info", params={"url": sys.argv[1]}).json()
    choice = next(c for c in info["choices"] if c["id"] == info["preselected"])
    name = f"{info['id']}.{choice['container']}"
    tag, total = None, None
    with open(name, "wb") as file:
        while total is None or file.tell() < total:
            headers = {"Range": f"bytes={file.tell()}-", "If-Range": tag} if tag else {}
            answer = call(session, choice["stream_url"], headers=headers, stream=True)
            if answer.status_code == 200:  # from the start, also when it has changed meanwhile
                file.seek(0)
                file.truncate()
                tag, total = answer.headers.get("ETag"), int(answer.headers["Content-Length"])
            try:
                for part in answer.iter_content(1 << 16):
                    file.write(part)
            except requests.RequestException:
                time.sleep(1)  # the loop goes on where it stopped
    print(name, total)
