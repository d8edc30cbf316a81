#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bridge: what it understands, what it refuses, and its answers in words for a shell."""

import os
import subprocess

from fixture import EVLOOP, Case, main


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
    main()
