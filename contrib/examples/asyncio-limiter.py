#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""asyncio and the shared loop: a limit that all processes of a user keep, a timer, and a topic, over `evloop bridge`."""

import asyncio
import contextlib
import json


class Evloop:
    async def start(self):
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec("evloop", "bridge", stdin=pipe, stdout=pipe)
        self.queues, self.last = {}, 0
        self.reader = asyncio.create_task(self.read())

    async def read(self):
        async for line in self.process.stdout:
            line = json.loads(line)
            self.queues[line.get("id") or line["request"]].put_nowait(line)

    async def call(self, name, /, **fields):
        """The answer, and a queue of the events that follow."""
        self.last += 1
        queue = self.queues[self.last] = asyncio.Queue()
        self.process.stdin.write(json.dumps({"id": self.last, "call": name, **fields}).encode() + b"\n")
        reply = await queue.get()
        if "error" in reply:
            raise RuntimeError(reply["message"])
        return reply, queue

    @contextlib.asynccontextmanager
    async def limit(self, name, **fields):
        reply, events = await self.call("limit", name=name, **fields)
        if reply["queued"]:
            await events.get()
        try:
            yield
        finally:
            await self.call("release", request=reply["id"])


async def main():
    evloop = Evloop()
    await evloop.start()
    _, news = await evloop.call("subscribe", topic="news")
    _, timer = await evloop.call("after", delay="200ms")

    async def fetch(number):
        async with evloop.limit("connections", concurrency=2):
            await asyncio.sleep(0.02)
            await evloop.call("emit", topic="news", data=f"fetched {number}")

    await asyncio.gather(*(fetch(number) for number in range(4)))
    print(sorted([(await news.get())["data"] for _ in range(4)]))
    print("fired", (await timer.get())["fires"])
    evloop.process.stdin.close()
    await evloop.reader


asyncio.run(main())
