#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bridge: limiters, and gates of other things."""

import subprocess
import time

from fixture import MS, Case, main


class Limiters(Case):
    def test_rate(self):
        reply = self.ok("limit", name="api", rate="20/s", burst=1)
        self.assertEqual((reply["allowed"], reply["more"]), (True, False))
        reply = self.ok("acquire", name="api")
        self.assertEqual((reply["allowed"], reply["queued"], reply["more"]), (False, True, True))
        self.assertIs(self.ok("try", name="api")["allowed"], False)
        event = self.bridge.event()
        self.assertEqual((event["event"], event["request"], event["claim"]), ("granted", 2, "granted"))
        self.assertIs(event["grant"]["allowed"], True)
        # It is over, so its name is free.
        self.assertEqual(self.ok("cancel", request=2)["outcome"], "gone")

    def test_places(self):
        self.assertIs(self.ok("limit", name="enc", concurrency=1)["more"], True)
        self.assertIs(self.ok("limit", name="enc")["queued"], True)
        self.assertIs(self.ok("limit", name="enc", max_wait_ns=0)["more"], False)
        self.assertEqual(self.ok("release", request=1)["outcome"], "cancelled")
        event = self.bridge.event()
        self.assertEqual((event["request"], event["claim"], event["more"]), (2, "held", True))
        claims = self.ok("limiter holders", name="enc")["claims"]
        self.assertEqual([claim["state"] for claim in claims], ["held"])
        self.ok("release", request=2)
        self.assertEqual(self.ok("limiter holders", name="enc")["claims"], [])
        self.refused("INVALID", "limiter try", name="enc", cost=-1)

    def test_places_of_a_process(self):
        sleeper = subprocess.Popen(["sleep", "60"])
        self.ok("limit", name="enc", concurrency=1, pid=sleeper.pid)
        claims = self.ok("limiter holders", name="enc")["claims"]
        self.assertEqual(claims[0]["pid"], sleeper.pid)
        self.ok("limit", name="enc")
        sleeper.kill()
        sleeper.wait()
        self.assertEqual(self.bridge.event()["claim"], "held")
        self.refused("NOT_FOUND", "limit", name="enc", pid=sleeper.pid)
        self.refused("INVALID", "limit", name="enc", pid=0)

    def test_verbs(self):
        self.assertEqual(self.ok("limiter set", name="m", rules=["10/s", {"tokens": 100, "period": "1min", "burst": 50}],
                                 max_debt=5)["change"], "created")
        spec = self.ok("limiter_get", name="m")["limiters"][0]["spec"]
        self.assertEqual([rule["tokens"] for rule in spec["rules"]], [10, 100])
        self.assertEqual(self.ok("limiter-try", name="m", cost=10)["remaining"], 0)
        self.assertIs(self.ok("limiter peek", name="m")["allowed"], False)
        self.assertEqual(self.ok("limiter refund", name="m", cost=4)["remaining"], 4)
        self.assertGreaterEqual(self.ok("limiter take up to", name="m", cost=9)["taken"], 4)
        self.ok("limiter charge", name="m", cost=3)
        self.ok("limiter reset", name="m")
        self.ok("limiter hold", name="m", duration="1h")
        self.assertGreater(self.ok("try", name="m")["retry_after_ns"], 3599 * 1000 * MS)
        reply = self.ok("limiter explain", name="m")
        self.assertEqual((reply["allowed"], reply["limiter"]["spec"]["name"]), (False, "m"))
        self.refused("NOT_FOUND", "limiter explain", name="nobody")
        self.ok("limiter set", name="k", rate="1/s", keyed=True)
        reply = self.ok("multi", items=[{"name": "k", "key": "a"}, {"name": "k", "key": [255]}])
        self.assertEqual((reply["allowed"], len(reply["grants"])), (True, 2))
        self.refused("COST_EXCEEDS_BURST", "try", name="k", key="a", cost=2)
        self.refused("EXISTS", "limiter set", name="k", rate="2/s", keyed=True, mode="create")
        self.ok("limit", name="late", key="x", rate="5/s")
        self.assertIs(self.ok("limiter list", target="l*")["limiters"][0]["spec"]["keyed"], True)
        self.ok("limiter remove", name="k")
        self.refused("NOT_FOUND", "try", name="k")
        self.refused("NOT_FOUND", "limit", name="k")
        self.refused("COST_EXCEEDS_BURST", "limit", name="k", rate="1/s", cost=2)
        self.refused("COST_EXCEEDS_BURST", "limit", name="k", concurrency=3, cost=4)
        self.refused("OUT_OF_RANGE", "limit", name="k", rate="1/s", cost=0)
        self.refused("OUT_OF_RANGE", "limit", name="k", concurrency=0)
        self.refused("NOT_FOUND", "try", name="k")
        for rate in "10", "x/s", "1/y", "", 5:
            self.refused("INVALID", "limit", name="q", rate=rate)
        self.refused("INVALID", "limit", name="q", burst=1)
        self.refused("INVALID", "limit", name="q", rate="1/s", concurrency=1)
        self.refused("INVALID", "limiter set", name="q")

    def test_unlimited(self):
        self.ok("limiter set", name="u", rate="unlimited")
        self.assertIs(self.ok("try", name="u", cost=1000)["allowed"], True)


class Gates(Case):
    def test_gate(self):
        self.ok("limiter set", name="g", rate="1/h", burst=2)
        self.ok("every", period="5ms", gate={"limiter": "g"})
        fires = [self.bridge.event()["fires"] for _ in range(2)]
        self.assertEqual(len(fires), 2)
        # The third waits for its token.
        time.sleep(0.1)
        self.nothing()
        self.ok("limiter reset", name="g")
        self.assertGreater(self.bridge.event()["fires"], 5)
        self.refused("NOT_FOUND", "after", delay_ns=0, gate={"limiter": "nobody"})
        self.refused("INVALID", "after", delay_ns=0, gate={"nonsense": 1})


if __name__ == "__main__":
    main()
