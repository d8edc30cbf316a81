#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bridge: watches of descriptors, processes and paths, and topics."""

import os
import signal
import subprocess
import tempfile

from fixture import Case, main


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


if __name__ == "__main__":
    main()
