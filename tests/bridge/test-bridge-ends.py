#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bridge: how it ends, and what it does when nobody reads, or the daemon has gone."""

import json
import os
import signal
import subprocess
import time

from fixture import EVLOOP, Case, Daemon, main


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


if __name__ == "__main__":
    main()
