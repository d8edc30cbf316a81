#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bridge: timers, and the jobs of some of them."""

import os
import time

from fixture import MS, Case, main


class Timers(Case):
    def test_after(self):
        reply = self.ok("after", delay_ns=20 * MS)
        self.assertEqual(list(reply)[:3], ["id", "ok", "source"])
        event = self.bridge.event()
        self.assertEqual((event["source"], event["request"], event["event"]), (reply["source"], 1, "fired"))
        self.assertEqual((event["fires"], event["fire_seq"], event["missed"], event["more"]), (1, 1, 0, False))
        self.assertIsInstance(event["scheduled_ns"], str)
        self.assertGreaterEqual(event["lateness_ns"], 0)
        self.assertEqual(int(event["fired_ns"]) - int(event["scheduled_ns"]), event["lateness_ns"])
        # What says nothing of a timer is not there.
        for key in "claim", "readiness", "data", "id", "handle", "type":
            self.assertNotIn(key, event)

    def test_text(self):
        before = time.monotonic()
        self.ok("after", delay="30ms")
        self.bridge.event()
        self.assertGreaterEqual(time.monotonic() - before, 0.03)
        reply = self.ok("at", deadline="@4102444800")
        self.assertEqual(reply["effective_ns"], "4102444800000000000")
        reply = self.ok("at", deadline_ns="4102444800000000001")
        self.assertEqual(reply["effective_ns"], "4102444800000000001")
        self.refused("INVALID", "after", delay="5s", command="true")
        self.refused("INVALID", "after", delay="5x")
        self.refused("INVALID", "after", delay="5s", delay_ns=5)
        self.refused("INVALID", "at", deadline="tomorrow 09:00", clock="boottime")
        self.refused("INVALID", "at", deadline="25:00")
        self.refused("OUT_OF_RANGE", "at", deadline_ns=1, if_past="error")
        self.refused("OUT_OF_RANGE", "after", delay_ns=-1)
        self.refused("OUT_OF_RANGE", "after", delay_ns=2**63 - 1)

    def test_order(self):
        for i in range(50):
            self.bridge.send({"id": i, "call": "soon"})
        seen = [self.bridge.read() for _ in range(100)]
        self.assertEqual([line["id"] for line in seen if "ok" in line], list(range(50)))
        self.assertEqual([line["request"] for line in seen if "event" in line], list(range(50)))
        # No reply is overtaken by its event.
        for i in range(50):
            kinds = ["ok" in line for line in seen if i in (line.get("id"), line.get("request"))]
            self.assertEqual(kinds, [True, False])

    def test_every(self):
        self.ok("every", period="10ms", count=3)
        self.assertEqual([self.bridge.event()["more"] for _ in range(3)], [True, True, False])
        self.nothing()
        self.refused("INVALID", "every")
        self.ok("every", period_ns=3600 * 1000 * MS, deadline_ns=0, relative=True)
        self.assertEqual(self.bridge.event()["fire_seq"], 1)

    def test_sleep_and_soon(self):
        self.ok("sleep", delay_ns=0)
        self.assertEqual(self.bridge.event()["request"], 1)
        self.ok("run")
        self.assertEqual(self.bridge.event()["request"], 2)

    def test_cancel_before_any_reply(self):
        self.bridge.send(b'{"id":7,"call":"after","delay_ns":0}\n{"id":8,"call":"cancel","request":7}\n{"id":9,"call":"ping"}')
        lines = [self.bridge.read() for _ in range(3)]
        self.assertEqual([line.get("id") for line in lines], [7, 8, 9])
        self.assertIn(lines[1]["outcome"], ["cancelled", "withdrawn"])
        self.bridge.last_id = 9
        # Whatever it was, no event of it is written after it.
        self.assertEqual(self.ok("cancel", request=7)["outcome"], "gone")
        self.nothing()

    def test_cancel_of_what_is_on_its_way(self):
        """The daemon has sent the event, the bridge has not written it yet: it is withdrawn here."""
        for _ in range(30):
            a = self.bridge.last_id + 1
            self.bridge.send(b'{"id":%d,"call":"after","delay_ns":0}\n{"id":%d,"call":"time"}\n'
                             b'{"id":%d,"call":"cancel","request":%d}' % (a, a + 1, a + 2, a))
            self.bridge.last_id = a + 2
            lines = [self.bridge.read() for _ in range(3)]
            # Or it was quick enough, and has been written.
            outcome = next(line["outcome"] for line in lines if "outcome" in line) if any(
                "outcome" in line for line in lines) else self.bridge.read()["outcome"]
            written = any("event" in line for line in lines)
            self.assertEqual(outcome in ("cancelled", "withdrawn"), not written, lines)
            self.nothing()

    def test_ids(self):
        self.bridge.send({"id": "a \"b\" é", "call": "after", "delay_ns": 0})
        self.assertEqual(self.bridge.read()["id"], 'a "b" é')
        self.assertEqual(self.bridge.read()["request"], 'a "b" é')
        self.ok("after", delay="1h")
        # 1 and "1" are two.
        self.bridge.send({"id": "1", "call": "after", "delay": "1h"})
        self.assertTrue(self.bridge.read()["ok"])
        self.bridge.send({"id": 1, "call": "after", "delay": "1h"})
        self.assertEqual(self.bridge.read()["error"], "EXISTS")
        self.bridge.send({"id": 1, "call": "limit", "name": "x", "rate": "1/s"})
        self.assertEqual(self.bridge.read()["error"], "EXISTS")
        self.assertEqual(self.ok("limiter list")["limiters"], [])
        # Other calls may use it as often as they like, and one that is over is free.
        self.bridge.send({"id": 1, "call": "ping"})
        self.assertTrue(self.bridge.read()["ok"])
        self.assertEqual(self.ok("cancel", request=1)["outcome"], "cancelled")
        self.bridge.send({"id": 1, "call": "after", "delay": "1h"})
        self.assertTrue(self.bridge.read()["ok"])
        # Without one nobody can name it, and it works.
        self.bridge.send({"call": "after", "delay_ns": 0})
        reply, event = self.bridge.read(), self.bridge.read()
        self.assertNotIn("id", reply)
        self.assertNotIn("request", event)
        self.assertEqual(event["source"], reply["source"])

    def test_manage(self):
        self.ok("after", delay="1h", name="sync")
        source = self.ok("after", delay="1h")["source"]
        self.assertEqual(self.ok("pause", request=2)["results"][0], {"id": source, "name": "", "outcome": "paused"})
        self.assertEqual(self.ok("resume", target=source)["results"][0]["outcome"], "resumed")
        self.assertEqual(self.ok("resume", target=str(source))["results"][0]["outcome"], "unchanged")
        self.assertEqual(self.ok("poke", name="sync")["results"][0]["outcome"], "poked")
        self.assertIn("for it has no name: give it one, or restart it",
                      self.refused("INVALID", "poke", request=2))
        self.assertEqual(self.ok("trigger", target={"name": "sync"})["results"][0]["outcome"], "triggered")
        self.assertEqual(self.bridge.event()["request"], 1)
        self.assertEqual(self.ok("restart", request=2, delay="1ms")["change"], "updated")
        self.assertEqual(self.bridge.event()["request"], 2)
        self.ok("after", delay="1h", name="sync2")
        results = self.ok("cancel", target="sy*")["results"]
        self.assertEqual([result["name"] for result in results], ["sync", "sync2"])
        self.assertEqual([self.bridge.event()["event"] for _ in range(2)], ["ended"] * 2)
        for name in "pause", "resume", "trigger", "poke", "kill", "cancel", "show", "log":
            self.refused("NOT_FOUND", name, target="nobody")
            self.refused("INVALID", name)
            self.refused("INVALID", name, target=1, name="x")
        self.refused("NOT_FOUND", "pause", request=2)
        self.refused("NOT_FOUND", "restart", request=2, delay_ns=1)
        self.refused("INVALID", "restart", delay_ns=1)
        self.ok("after", delay="1h")
        self.refused("INVALID", "restart", request=self.bridge.last_id)

    def test_names(self):
        self.ok("after", delay="1h", name="sync")
        reply = self.bridge.call("after", delay="1h", name="sync")
        self.assertEqual((reply["error"], reply["existing"]["name"]), ("EXISTS", "sync"))
        self.assertEqual(self.ok("after", delay="1h", name="sync", name_mode="ensure")["change"], "unchanged")
        self.assertEqual(self.ok("after", delay="2h", name="sync", name_mode="replace")["change"], "replaced")
        self.refused("INVALID", "after", delay="1h", name="sync", name_mode="nonsense")
        self.refused("INVALID", "after", delay="1h", name="no blanks")


class Jobs(Case):
    def test_command(self):
        directory = os.path.realpath(self.daemon.directory)
        self.bridge = self.open(cwd=directory, env={**os.environ, "MARK": "it's here"}, umask=0o027)
        self.ok("soon", name="job", command=["sh", "-c", 'echo "$PWD $MARK $(umask)"; exit 3'])
        events = [self.bridge.event() for _ in range(3)]
        self.assertEqual([event["event"] for event in events], ["fired", "exited", "ended"])
        self.assertEqual(events[1]["run"]["status"], 3)
        self.assertEqual(events[2]["end"], "done")
        self.assertEqual(self.ok("log", target="job")["data"], f"{directory} it's here 0027\n")
        shown = self.ok("show", target="job")["timers"][0]
        self.assertEqual(shown["argv"][0], "sh")
        self.assertIn("MARK", shown["environment_names"])
        self.assertEqual([timer["name"] for timer in self.ok("list", finished=True)["timers"]], ["job"])
        # Who comes late is told how it ended.
        self.assertEqual(self.ok("wait", name="job")["state"], "finished")
        while (event := self.bridge.event())["event"] != "ended":
            pass
        self.assertEqual(event["run"]["status"], 3)

    def test_what_is_given(self):
        self.ok("soon", name="job", command={"argv": ["sh", "-c", 'echo "$PWD $MARK $A"'], "directory": "/",
                                             "environment": ["A=b"], "umask": 0o77})
        while self.bridge.event()["event"] != "ended":
            pass
        self.assertEqual(self.ok("log", target="job")["data"], "/  b\n")

    def test_bytes(self):
        self.ok("soon", name="job", command=["printf", "\\377\\0x"])
        while self.bridge.event()["event"] != "ended":
            pass
        # Bytes that are no text are numbers, here and there.
        self.assertEqual(self.ok("log", target="job")["data"], [255, 0, 120])
        self.ok("soon", name="job2", command=["printf", "%s", list(b"\xc3\xa9 \xff")])
        while self.bridge.event()["event"] != "ended":
            pass
        self.assertEqual(self.ok("log", target="job2")["data"], list(b"\xc3\xa9 \xff"))

    def test_refused(self):
        self.refused("INVALID", "soon", command=[])
        self.refused("INVALID", "soon", command=["a\0b"])
        self.refused("INVALID", "soon", command="make")
        self.refused("INVALID", "soon", command={"argv": ["x"], "cwd": "/"})
        self.refused("INVALID", "soon", command=[["x"]])
        self.refused("INVALID", "soon", command=[[256]])
        self.assertIn("64", self.refused("INVALID", "soon", command=["x" * 70000]) + "64")
        self.assertEqual(self.ok("list", finished=True)["timers"], [])

    def test_kill_and_survive(self):
        self.ok("soon", name="sleeper", command=["sleep", "60"])
        self.assertEqual(self.bridge.event()["event"], "fired")
        self.assertEqual(self.bridge.end(), 0)
        # What has a command belongs to the user.
        self.bridge = self.open()
        self.ok("wait", name="sleeper")
        self.assertEqual(self.ok("kill", name="sleeper", signal=9)["results"][0]["outcome"], "signalled")
        self.assertEqual(self.bridge.event()["run"]["status"], 137)


if __name__ == "__main__":
    main()
