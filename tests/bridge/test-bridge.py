#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""evloop bridge, as a program in another language uses it: line by line, against a daemon of its own."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

EVLOOP, EVLOOPD = os.environ["EVLOOP"], os.environ["EVLOOPD"]
MS = 1_000_000


class Daemon:
    def __init__(self):
        self.directory = tempfile.mkdtemp()
        self.socket = os.path.join(self.directory, "socket")
        read, write = os.pipe()
        self.process = subprocess.Popen([EVLOOPD, "--socket", self.socket, "--ready-fd", str(write)], pass_fds=[write],
                                        stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as ready:
            assert ready.readline() == "READY\n"

    def stop(self, signal_number=signal.SIGTERM):
        self.process.send_signal(signal_number)
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class Bridge:
    def __init__(self, socket, *options, **kwargs):
        self.process = subprocess.Popen([EVLOOP, "--socket", socket, "bridge", *options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, **kwargs)
        self.buffer = b""
        self.events = []
        self.last_id = 0

    def send(self, line):
        data = line if isinstance(line, bytes) else json.dumps(line).encode()
        self.process.stdin.write(data + b"\n")

    def read_line(self, timeout=10):
        deadline = time.monotonic() + timeout
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise TimeoutError
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise EOFError
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line

    def read(self, timeout=10):
        return json.loads(self.read_line(timeout))

    def call(self, name, /, **fields):
        """The answer; events that come before it wait for event()."""
        self.last_id += 1
        request = {"id": self.last_id, "call": name, **fields}
        self.send(request)
        while True:
            line = self.read()
            if "event" in line:
                self.events.append(line)
                continue
            assert line["id"] == request["id"], line
            return line

    def event(self, timeout=10):
        return self.events.pop(0) if self.events else self.read(timeout)

    def end(self):
        self.process.stdin.close()
        status = self.process.wait(10)
        self.process.stdout.close()
        self.process.stderr.close()
        return status


class Case(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon()
        self.addCleanup(self.daemon.close)
        self.bridge = self.open()

    def open(self, *options, **kwargs):
        bridge = Bridge(self.daemon.socket, *options, **kwargs)

        def close():
            bridge.process.kill()
            bridge.process.wait()
            for pipe in bridge.process.stdin, bridge.process.stdout, bridge.process.stderr:
                if not pipe.closed:
                    pipe.close()

        self.addCleanup(close)
        return bridge

    def ok(self, name, /, **fields):
        reply = self.bridge.call(name, **fields)
        self.assertIs(reply.get("ok"), True, reply)
        return reply

    def refused(self, error, name, /, **fields):
        reply = self.bridge.call(name, **fields)
        self.assertEqual(reply.get("error"), error, reply)
        self.assertNotIn("ok", reply)
        return reply["message"]

    def nothing(self):
        """The daemon has nothing more to say, and neither has the bridge."""
        self.ok("ping")
        self.assertEqual(self.bridge.events, [])


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
        for rate in "10", "x/s", "1/y", "", 5:
            self.refused("INVALID", "limit", name="q", rate=rate)
        self.refused("INVALID", "limit", name="q", burst=1)
        self.refused("INVALID", "limit", name="q", rate="1/s", concurrency=1)
        self.refused("INVALID", "limiter set", name="q")

    def test_unlimited(self):
        self.ok("limiter set", name="u", rate="unlimited")
        self.assertIs(self.ok("try", name="u", cost=1000)["allowed"], True)


class Watches(Case):
    def quiet(self):
        with self.assertRaises(TimeoutError):
            self.bridge.event(0.1)

    def test_inherited_descriptor(self):
        read, write = os.pipe()
        self.addCleanup(os.close, write)
        self.bridge = self.open(pass_fds=[read])
        self.ok("watch", fd=read)
        self.quiet()
        os.write(write, b"x")
        event = self.bridge.event()
        self.assertEqual((event["request"], event["event"], event["readiness"], event["more"]),
                         (1, "ready", ["readable"], True))
        # Nothing until it is acknowledged, which looks again.
        os.write(write, b"y")
        self.quiet()
        self.ok("ack", request=1)
        self.assertEqual(self.bridge.event()["readiness"], ["readable"])
        self.assertEqual(os.read(read, 10), b"xy")
        os.close(read)
        self.assertEqual(self.ok("ack", requests=[1, 55])["acknowledged"], 1)
        self.quiet()
        self.assertEqual(self.ok("cancel", request=1)["outcome"], "cancelled")
        self.assertEqual(self.ok("ack", request=1),
                         {"id": self.bridge.last_id, "ok": True, "acknowledged": 0})

    def test_descriptor_of_a_process(self):
        read, write = os.pipe()
        self.ok("watch", fd=read, pid=os.getpid(), events="readable")
        self.ok("watch", fd=write, pid=os.getpid(), events=["writable"])
        event = self.bridge.event()
        self.assertEqual((event["request"], event["readiness"]), (2, ["writable"]))
        self.ok("cancel", request=2)
        os.close(write)
        event = self.bridge.event()
        self.assertEqual((event["request"], event["readiness"], event["more"]), (1, ["hangup"], False))
        os.close(read)
        self.assertEqual(self.ok("cancel", request=1)["outcome"], "gone")

    def test_refused(self):
        with open(os.devnull, "rb") as null, tempfile.TemporaryFile() as file:
            for wrong in null, file:
                self.refused("INVALID", "watch", fd=wrong.fileno(), pid=os.getpid())
        read, write = os.pipe()
        self.refused("INVALID", "watch", fd=read, pid=os.getpid(), events=["nonsense"])
        self.refused("INVALID", "watch", fd=read, pid=os.getpid(), events=4)
        self.refused("INVALID", "watch", fd=read, pid=os.getpid(), settle_ns=5)
        os.close(read)
        os.close(write)

    def test_timeout(self):
        read, write = os.pipe()
        self.ok("watch", fd=read, pid=os.getpid(), timeout="20ms")
        self.assertEqual(self.bridge.event()["event"], "timeout")
        self.quiet()
        self.ok("ack", request=1)
        self.assertEqual(self.bridge.event()["event"], "timeout")
        os.close(read)
        os.close(write)

    def test_process(self):
        child = subprocess.Popen(["sleep", "60"])
        self.ok("watch", pid=child.pid)
        self.quiet()
        child.kill()
        event = self.bridge.event()
        self.assertEqual((event["request"], event["event"], event["pid"]), (1, "process", child.pid))
        child.wait()

    def changed(self, *names):
        """What is told of files that are written until it is: when the watch begins nobody says."""
        for _ in range(100):
            for name in names:
                with open(os.path.join(self.daemon.directory.encode(), b"folder", name), "w"):
                    pass
            try:
                event = self.bridge.event(0.2)
            except TimeoutError:
                continue
            # A machine that is busy may only say that it has not seen all.
            if not event["rescan"]:
                return event
            self.ok("ack", request=event["request"])
        self.fail("nothing was told")

    def test_path(self):
        os.mkdir(os.path.join(self.daemon.directory, "folder"))
        self.bridge = self.open(cwd=self.daemon.directory)
        self.ok("watch", path="folder", recursive=True, settle="20ms", exclude=["*.o"])
        event = self.changed(b"a.o", b"b.c")
        self.assertEqual((event["request"], event["event"], event["rescan"], event["more"]), (1, "changed", False, True))
        self.assertEqual([change["path"] for change in event["changes"]], ["b.c"])
        self.assertIn(event["changes"][0]["changes"][0], ("created", "modified"))
        self.ok("ack", request=1)
        # A name that is no text.
        event = self.changed(b"\xff")
        while event["changes"][0]["path"] == "b.c":
            self.ok("ack", request=1)
            event = self.changed(b"\xff")
        self.assertEqual(event["changes"][0]["path"], [255])
        reply = self.ok("watch", path="no/such")
        event = self.bridge.event()
        self.assertEqual((event["request"], event["more"]), (reply["id"], False))
        self.assertNotEqual(event["error"], 0)


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


class Topics(Case):
    def test_messages(self):
        other = self.open()
        self.ok("subscribe", topic="t")
        self.assertEqual(other.call("emit", topic="t", data="it's é")["receivers"], 1)
        event = self.bridge.event()
        self.assertEqual((event["request"], event["event"], event["data"], event["more"]), (1, "message", "it's é", True))
        self.assertNotIn("gap", event)
        for data in "", "a\0b", list(range(256)):
            self.ok("emit", topic="t", data=data)
            self.assertEqual(self.bridge.event()["data"], data)
        self.assertEqual(self.ok("emit", topic="t", data=list(b"text"))["receivers"], 1)
        self.assertEqual(self.bridge.event()["data"], "text")
        self.ok("cancel", request=1)
        self.assertEqual(self.ok("emit", topic="t")["receivers"], 0)
        self.refused("OUT_OF_RANGE", "emit", topic="t", data="x" * 4097)
        self.refused("INVALID", "emit", topic="no blanks")
        self.refused("INVALID", "subscribe", topic="t", queue=-1)

    def test_lost_messages(self):
        self.ok("subscribe", topic="t", queue=2)
        self.ok("subscribe", topic="t", queue=0)
        self.bridge.process.send_signal(signal.SIGSTOP)
        other = self.open()
        # What the sockets take is not lost.
        for i in range(20000):
            other.send(b'{"id":%d,"call":"emit","topic":"t","data":"%d"}' % (i, i))
            other.read()
        self.bridge.process.send_signal(signal.SIGCONT)
        gaps, merged, last = 0, 0, set()
        while len(last) < 2:
            event = self.bridge.event()
            gaps += event.get("gap", {}).get("count", 0)
            merged = max(merged, event["fires"])
            if event["data"] == "19999":
                last.add(event["request"])
        self.assertGreater(gaps, 0)
        self.assertGreater(merged, 1)


class Wrong(Case):
    def lines(self, *lines):
        """Each is answered by one line with an error, and nothing has changed."""
        for line in lines:
            self.bridge.send(line)
            reply = self.bridge.read()
            self.assertEqual(reply.get("error"), "INVALID", (line, reply))
            self.assertTrue(reply["message"], line)
            self.assertNotIn("ok", reply)
        self.assertEqual(self.ok("list", finished=True, anonymous=True)["timers"], [])
        self.assertEqual(self.ok("limiter list")["limiters"], [])
        self.nothing()

    def test_no_json(self):
        self.lines(b"nonsense", b"{", b"[]", b"5", b'"x"', b"null", b'{"call":"ping"', b'{"call":"ping"} x', b"{}}",
                   b'{"id":1,"id":2,"call":"ping"}', b'{"call":"ping\xff"}', b"\xff\xfe", b"\0", b'{"call":"ping",}',
                   b"[" * 100000, b'{"a":' * 5000, b"{'call':'ping'}", b'{"call":"ping"}\0')

    def test_no_call(self):
        self.lines({}, {"id": 1}, {"call": 5}, {"call": None}, {"call": ""}, {"call": "nonsense"}, {"call": "x" * 1000},
                   {"call": "ping\0"}, {"call": "Ping"}, {"call": "after soon"}, {"call": ["ping"]})

    def test_ids(self):
        for wrong in None, True, 1.5, [], {}, [1]:
            self.lines({"id": wrong, "call": "after", "delay_ns": 0})

    def test_fields(self):
        self.lines({"call": "ping", "x": 1}, {"call": "after", "delay_ns": 1, "handle": 5},
                   {"call": "after", "delay_ns": 1, "kind": "every"}, {"call": "after", "dely_ns": 5},
                   {"call": "after", "delay_ns": "5"}, {"call": "after", "delay_ns": 1.5}, {"call": "after", "delay_ns": None},
                   {"call": "after", "delay_ns": True}, {"call": "after", "delay_ns": [1]}, {"call": "after"},
                   {"call": "after", "delay_ns": 1e300}, {"call": "after", "delay": 5}, {"call": "version", "x": 1},
                   {"call": "at", "deadline_ns": "soon"}, {"call": "at", "deadline_ns": " 5"}, {"call": "at", "deadline_ns": ""},
                   {"call": "at", "deadline_ns": "99999999999999999999"}, {"call": "at"},
                   {"call": "after", "delay_ns": 1, "name": 5}, {"call": "after", "delay_ns": 1, "name": "a\0b"},
                   {"call": "after", "delay_ns": 1, "count": -1}, {"call": "after", "delay_ns": 1, "detached": 1},
                   {"call": "cancel", "target": {"id": 1, "nonsense": 2}}, {"call": "cancel", "target": -1},
                   {"call": "cancel", "target": []}, {"call": "cancel", "request": 1, "name": "x"},
                   {"call": "ack"}, {"call": "ack", "request": 1, "requests": [1]}, {"call": "ack", "requests": 1},
                   {"call": "ack", "handles": [1]}, {"call": "limiter multi", "items": {"name": "x"}},
                   {"call": "limiter multi", "items": ["x"]}, {"call": "wait"})
        for name in "limit", "try", "limiter peek", "limiter charge", "limiter hold", "limiter reset", "limiter remove":
            self.assertEqual(self.refused("INVALID", name), "no name: which limiter is meant?")
            self.refused("INVALID", name, name="")
        self.refused("INVALID", "limit", rate="1/s")
        self.refused("INVALID", "limiter set", rate="1/s")
        self.bridge.send(b'{"call":"after","delay_ns":99999999999999999999999}')
        self.assertEqual(self.bridge.read()["error"], "INVALID")

    def test_watch_of_what_is_not_there(self):
        self.lines({"call": "watch"}, {"call": "watch", "fd": -1}, {"call": "watch", "fd": "5"}, {"call": "watch", "fd": 4000},
                   {"call": "watch", "fd": 2**40}, {"call": "watch", "pid": 0}, {"call": "watch", "pid": 5, "path": "/"},
                   {"call": "watch", "path": 5}, {"call": "watch", "path": "a\0b"})
        # Its own descriptors are not meant, whatever their number is.
        for fd in range(3, 20):
            self.assertIn("inherited", self.refused("INVALID", "watch", fd=fd))
        gone = subprocess.Popen(["true"])
        gone.wait()
        self.refused("NOT_FOUND", "watch", pid=gone.pid)
        self.refused("NOT_FOUND", "watch", fd=0, pid=gone.pid)
        self.refused("INVALID", "watch", fd=4000, pid=os.getpid())

    def test_long_lines(self):
        self.bridge.send(b'{"id":1,"call":"after","delay_ns":0,"name":"' + b"x" * 900000 + b'"}')
        self.assertEqual(self.bridge.read()["id"], 1)
        for size in 1 << 20, (1 << 20) + 1, 5_000_000:
            self.bridge.send(b'{"id":1,"call":"soon","name":"' + b"x" * size + b'"}')
            reply = self.bridge.read()
            self.assertEqual(reply["error"], "INVALID")
            self.assertNotIn("id", reply)
        self.assertEqual(self.ok("list", anonymous=True)["timers"], [])

    def test_blank_lines(self):
        self.bridge.send(b"\n  \n\t\r\n" + b'{"id":1,"call":"ping"}\r')
        self.assertEqual(self.bridge.read(), {"id": 1, "ok": True})

    def test_line_numbers(self):
        self.bridge.send(b"\n\nx")
        self.assertEqual(self.bridge.read()["line"], 3)

    def test_options(self):
        for options in ["--shell=1A"], ["--shell=A-B"], ["--shell=a;b"], ["--shell="], ["word"], ["--nonsense"]:
            done = subprocess.run([EVLOOP, "--socket", self.daemon.socket, "bridge", *options], stdin=subprocess.DEVNULL,
                                  capture_output=True)
            self.assertEqual((done.returncode, done.stdout), (64, b""), options)
            self.assertTrue(done.stderr.startswith(b"evloop: "))


class Ends(Case):
    def test_end_of_input(self):
        self.bridge.send({"id": 1, "call": "after", "delay": "1h"})
        self.assertTrue(self.bridge.read()["ok"])
        self.assertEqual(self.bridge.end(), 0)
        # Its timer went with it.
        self.bridge = self.open()
        self.assertEqual(self.ok("list", anonymous=True)["timers"], [])

    def test_last_line_without_newline(self):
        done = subprocess.run([EVLOOP, "--socket", self.daemon.socket, "bridge"], input=b'{"id":1,"call":"ping"}',
                              capture_output=True)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b'{"id":1,"ok":true}\n', b""))

    def test_everything_is_answered(self):
        calls = b"".join(b'{"id":%d,"call":"time"}\n' % i for i in range(5000))
        done = subprocess.run([EVLOOP, "--socket", self.daemon.socket, "bridge"], input=calls, capture_output=True)
        self.assertEqual(done.returncode, 0)
        self.assertEqual([json.loads(line)["id"] for line in done.stdout.splitlines()], list(range(5000)))

    def test_output_that_does_not_block(self):
        """Whoever shares the pipe may have made it so; nothing is lost, and nothing spins."""
        read, write = os.pipe()
        os.set_blocking(write, False)
        with subprocess.Popen([EVLOOP, "--socket", self.daemon.socket, "bridge"], stdin=subprocess.PIPE, stdout=write) as process:
            os.close(write)
            calls = b"".join(b'{"id":%d,"call":"time"}\n' % i for i in range(2000))
            process.stdin.write(calls)
            process.stdin.close()
            time.sleep(0.3)
            with os.fdopen(read) as lines:
                self.assertEqual([json.loads(line)["id"] for line in lines], list(range(2000)))
            self.assertEqual(process.wait(10), 0)

    def test_output_that_is_closed(self):
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run([EVLOOP, "--socket", self.daemon.socket, "bridge"], input=b'{"call":"ping"}\n', stdout=write,
                              stderr=subprocess.PIPE)
        os.close(write)
        self.assertIn(done.returncode, (1, -signal.SIGPIPE))
        with open("/dev/full", "wb") as full:
            done = subprocess.run([EVLOOP, "--socket", self.daemon.socket, "bridge"], input=b'{"call":"ping"}\n', stdout=full,
                                  stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1)
        self.assertTrue(done.stderr.startswith(b"evloop: write error: "), done.stderr)

    def test_lost_daemon(self):
        for signal_number in signal.SIGTERM, signal.SIGKILL:
            with self.subTest(signal=signal_number):
                self.ok("after", delay="1h")
                self.daemon.stop(signal_number)
                self.assertEqual(self.bridge.read(), {"event": "disconnected"})
                with self.assertRaises(EOFError):
                    self.bridge.read()
                self.assertEqual(self.bridge.process.wait(10), 69)
                self.daemon.close()
                self.daemon = Daemon()
                self.addCleanup(self.daemon.close)
                self.bridge = self.open()

    def test_call_of_a_lost_daemon(self):
        self.ok("ping")
        self.bridge.process.send_signal(signal.SIGSTOP)
        self.bridge.send({"id": 5, "call": "after", "delay_ns": 0})
        self.daemon.stop(signal.SIGKILL)
        self.bridge.process.send_signal(signal.SIGCONT)
        lines = [self.bridge.read()]
        if "id" in lines[0]:
            self.assertEqual((lines[0]["id"], lines[0]["error"]), (5, "DISCONNECTED"))
            lines.append(self.bridge.read())
        self.assertEqual(lines[-1], {"event": "disconnected"})
        self.assertEqual(self.bridge.process.wait(10), 69)

    def test_no_daemon(self):
        done = subprocess.run([EVLOOP, "--socket", "/nonexistent/socket", "bridge"], stdin=subprocess.DEVNULL,
                              capture_output=True)
        self.assertEqual((done.returncode, done.stdout), (69, b""))
        self.assertTrue(done.stderr.startswith(b"evloop: "))

    def resident(self):
        with open(f"/proc/{self.bridge.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    def test_nobody_reads(self):
        """Who does not read is waited for, and its memory does not grow."""
        self.ok("every", period_ns=1000)
        self.bridge.send(b'{"id":50,"call":"version"}\n' * 3000)
        time.sleep(0.3)
        # Now it is blocked: what is written fills the pipe to it and no more.
        os.set_blocking(self.bridge.process.stdin.fileno(), False)
        written = 0
        try:
            while written < 4_000_000:
                written += os.write(self.bridge.process.stdin.fileno(), b'{"id":51,"call":"time"}\n' * 2000) or 0
        except BlockingIOError:
            pass
        self.assertLess(written, 4_000_000)
        before = self.resident()
        time.sleep(0.5)
        self.assertLess(self.resident() - before, 10_000)
        # When somebody reads again everything is there, and ticks have merged meanwhile.
        versions, most, lines = 0, 0, 0
        while (versions < 3000 or most < 1000) and lines < 100_000:
            line = self.bridge.read()
            lines += 1
            versions += line.get("id") == 50
            most = max(most, line.get("fires", 0))
        self.assertGreaterEqual((versions, most), (3000, 1000))


class Shell(Case):
    def test_words(self):
        self.bridge = self.open("--shell")
        self.bridge.send({"id": 1, "call": "after", "delay_ns": 0})
        self.assertRegex(self.bridge.read_line(), rb"^id=1 ok=1 source=\d+ effective_ns=\d+ generation=1 change=created$")
        self.assertRegex(self.bridge.read_line(), rb"^source=\d+ request=1 event=fired fire_seq=1 ")
        self.bridge.send(b"nonsense")
        self.assertRegex(self.bridge.read_line(), rb"^error=INVALID message='.*' line=2$")

    def test_prefix(self):
        self.bridge = self.open("--shell=EV_")
        self.bridge.send({"id": "a'b", "call": "ping"})
        self.assertEqual(self.bridge.read_line(), rb"EV_ID='a'\''b' EV_OK=1")

    def test_eval(self):
        """Whatever a job writes, bash has it back, and runs none of it."""
        texts = ["it's", '"; touch x; $(touch x) `touch x`', "a\nb\tc\r", "é ü", "*", "", "~ #", "a=b c", "\\", "!x", "\x1b[1m", "-n"]
        self.bridge = self.open("--shell")
        for text in texts:
            self.bridge.send({"id": 1, "call": "soon", "name": "j", "name_mode": "replace", "command": ["printf", "%s", text]})
            while b"event=ended" not in self.bridge.read_line():
                pass
            self.bridge.send({"id": 2, "call": "log", "target": "j"})
            line = self.bridge.read_line()
            script = b'set -u; unset data; eval "$1"; printf %s "$data"; [ ! -e x ]'
            done = subprocess.run(["bash", "-c", script, "bash", line], capture_output=True, cwd=self.daemon.directory)
            self.assertEqual((done.returncode, done.stdout), (0, text.encode()), line)

    def test_nested(self):
        self.bridge = self.open("--shell")
        self.bridge.send({"id": 1, "call": "soon", "command": ["sh", "-c", "exit 3"]})
        lines = [self.bridge.read_line() for _ in range(4)]
        self.assertIn(b" run_status=3 ", lines[2])
        self.bridge.send({"id": 2, "call": "show", "target": 1})
        self.assertIn(b" timers_n=1 timers_0_id=1 ", self.bridge.read_line())


if __name__ == "__main__":
    unittest.main(verbosity=2 if "-v" in sys.argv else 1)
