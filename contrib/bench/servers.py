# SPDX-License-Identifier: LGPL-2.1-or-later
"""The servers that are measured: each is started anew for one measurement, on a socket of its own."""

import os
import shutil
import socket
import subprocess
import tempfile
import time

START_TIMEOUT_S = 10


class Missing(Exception):
    """What is to be measured is not there; says why."""


class Failed(Exception):
    """It is there and does not work; says how."""


def find(program, package):
    """Return the program's path; `package` is its name in Debian."""
    path = shutil.which(program, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')
    if not path:
        raise Missing(f'{program} is not installed (Debian: {package})')
    return path


class Server:
    """A process with a socket in a directory of its own, for the time of a with statement."""

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix='evloop-bench-')
        self.socket = os.path.join(self.directory, 'socket')
        self.log_path = os.path.join(self.directory, 'log')
        self.process = None
        try:
            with open(self.log_path, 'wb') as log:
                self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            self.await_start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(START_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def pid(self):
        return self.process.pid

    def command(self):
        """Return its words."""
        raise NotImplementedError

    def await_start(self):
        """Until it takes connections."""
        end = time.monotonic() + START_TIMEOUT_S
        while not self.connects():
            if self.process.poll() is not None or time.monotonic() > end:
                with open(self.log_path, encoding='utf-8', errors='replace') as log:
                    lines = log.read().strip().splitlines() or ['no reason given']
                raise Failed(f'{self.command()[0]} does not start: {lines[-1]}')
            time.sleep(0.01)

    def connects(self):
        with socket.socket(socket.AF_UNIX, self.socket_type()) as client:
            try:
                client.connect(self.socket)
            except OSError:
                return False
        return True

    def socket_type(self):
        return socket.SOCK_STREAM


class Evloopd(Server):
    """Ours, with limits above all that is measured."""

    def command(self):
        return [os.environ['EVLOOPD'], '--socket', self.socket, '--limit', 'timers=3000000', '--limit', 'sessions=6000']

    def socket_type(self):
        return socket.SOCK_SEQPACKET


class Redis(Server):
    def command(self):
        return [find('redis-server', 'redis-server'), '--port', '0', '--unixsocket', self.socket, '--save', '',
                '--appendonly', 'no', '--dir', self.directory]


class Beanstalkd(Server):
    def command(self):
        return [find('beanstalkd', 'beanstalkd'), '-l', f'unix:{self.socket}']


class Dbus(Server):
    def command(self):
        return [find('dbus-daemon', 'dbus-daemon'), '--session', '--nofork', f'--address=unix:path={self.socket}']
