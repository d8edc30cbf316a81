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


def main():
    unittest.main(verbosity=2 if "-v" in sys.argv else 1)
