#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""usage: lateness-asyncio.py COUNT [uvloop]

COUNT timers of asyncio, in the process itself, 2 ms apart: how long after its deadline does each callback run?
"""

import asyncio
import sys
import time

SPACING_S = 0.002


async def run(count):
    """Return how late each one was, in ns."""
    loop = asyncio.get_running_loop()
    samples = []
    done = loop.create_future()

    def note(deadline):
        samples.append(round((time.monotonic() - deadline) * 1e9))
        if len(samples) == count:
            done.set_result(None)

    start = time.monotonic() + 0.1
    for i in range(count):
        deadline = start + i * SPACING_S
        loop.call_later(deadline - time.monotonic(), note, deadline)
    await done
    return samples


def percentile(ordered, percent):
    return ordered[max(-(-len(ordered) * percent // 100), 1) - 1]


def main():
    count = int(sys.argv[1])
    if sys.argv[2:] == ['uvloop']:
        import uvloop
        uvloop.install()
    samples = sorted(asyncio.run(run(count)))
    print(f'p50 {percentile(samples, 50)} ns')
    print(f'p99 {percentile(samples, 99)} ns')
    print(f'early {sum(sample < 0 for sample in samples)} timers')


if __name__ == '__main__':
    main()
