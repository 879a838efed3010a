"""Many links at once, with asyncio and aiohttp: never more than three downloads at a time."""
import asyncio
import os
import sys

import aiohttp

SLUICE = os.environ.get("SLUICE", "http://127.0.0.1:8080")


async def download(session, places, link):
    async with places:
        while True:
            query = {"url": link, "choice": "<=480p"}
            async with session.get(SLUICE + "/api/v1/stream", params=query) as answer:
                if answer.status == 200:
                    name = answer.content_disposition.filename
                    with open(name, "wb") as file:
                        async for part in answer.content.iter_chunked(1 << 16):
                            file.write(part)
                    print(answer.headers["X-Sluice-Choice"], name)
                    return
                problem = await answer.json(content_type=None)
            if not problem["retryable"]:
                print(problem["title"], link, file=sys.stderr)
                return
            await asyncio.sleep(problem.get("retry_after_s", 5))


async def main():
    places = asyncio.Semaphore(3)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_read=60)) as session:
        await asyncio.gather(*(download(session, places, link) for link in sys.argv[1:]))


asyncio.run(main())
