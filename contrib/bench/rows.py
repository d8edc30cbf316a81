# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is measured, of whom, and what it has to hold: one Row for each group of figures that are taken together."""

import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from servers import Beanstalkd, Dbus, Evloopd, Failed, Missing, Redis, find

OURS = 'evloopd'


@dataclasses.dataclass(frozen=True)
class Contender:
    """Somebody who does the work of a row."""

    name: str
    run: Callable  # (Bench) -> {measure: (value, unit)}; raises Missing, Failed
    every: int = 1  # takes part in each such round


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of the table: a figure of ours beside one of somebody else's, or alone."""

    work: str
    measure: str
    against: str = None  # a contender's name; None: the figure itself is compared, its worst round
    role: str = 'peer'  # or 'floor'
    sense: str = None  # '≤', '<' or '≥'; None: shown for comparison only
    bound: float = None  # of the ratio, or of the figure
    ours: str = OURS

    def holds(self, value):
        return {'≤': value <= self.bound, '<': value < self.bound, '≥': value >= self.bound}[self.sense]


@dataclasses.dataclass(frozen=True)
class Row:
    """Figures that are taken in alternation."""

    name: str
    contenders: list
    lines: list
    rounds: float = 1  # times as many as asked for; 0: a single one


class Bench:
    """How the programs are run, and how much of everything."""

    def __init__(self, programs, scale):
        self.programs = programs
        self.scale = scale

    def count(self, full, least=1):
        return max(round(full * self.scale), least)

    def program(self, name, *operands, environment=None):
        """Run a program of contrib/bench; return {measure: (value, unit)}."""
        path = os.path.join(self.programs, name)
        if not os.path.exists(path):
            raise Missing(f'{name} was not built')
        return self.run([path, *operands], environment)

    def run(self, command, environment=None):
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=600, env={**os.environ, **(environment or {})})
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or [f'status {done.returncode}']
            raise Failed(f'{os.path.basename(command[0])}: {lines[-1]}')
        figures = {}
        for line in done.stdout.splitlines():
            measure, value, unit = line.split()
            figures[measure] = float(value), unit
        return figures


def on(server, program, *operands, pid=False):
    """A run of that program, with a fresh server's socket in front of its operands and perhaps its pid behind them."""
    def run(bench):
        with server() as started:
            words = [operand(bench) if callable(operand) else operand for operand in operands]
            return bench.program(program, started.socket, *words, *([started.pid] if pid else []))
    return run


def alone(program, *operands):
    """A contender's run without a server."""
    def run(bench):
        return bench.program(program, *(operand(bench) if callable(operand) else operand for operand in operands))
    return run


def times(full, least=1):
    """An operand: that many, scaled."""
    return lambda bench: bench.count(full, least)


# Whether both processes find themselves on one processor or on two decides more than all else: four times the time of a
# round trip.  Where it matters there are rounds where the kernel chooses, and rounds of each by itself.
CPUS = sorted(os.sched_getaffinity(0))
ONE, TWO = CPUS[:1] * 2, CPUS[:2]
WHERE = ((ONE, 'one processor'), (TWO, 'two processors'))


def placed(cpus, measure, server, program, *operands):
    """A contender's run: the server on the first processor, the program on the second."""
    def run(bench):
        if len(cpus) < 2:
            raise Missing('there is one processor only')
        words = [operand(bench) if callable(operand) else operand for operand in operands]
        if not server:
            figures = bench.program(program, *words, *cpus)
        else:
            with server() as started, stays(cpus[1]):
                os.sched_setaffinity(started.pid, cpus[:1])
                figures = bench.program(program, started.socket, *words)
        return {measure: figures['p50']}
    return run


@contextlib.contextmanager
def stays(cpu):
    """What is started within stays on that processor."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, [cpu])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


# ---- P1: a round trip ----------------------------------------------------------------------------------------

PINGS = times(4000, 500)

P1 = Row('P1', [
    Contender(OURS, on(Evloopd, 'try', PINGS)),
    Contender('C echo', alone('ping-floor', PINGS)),
    Contender('Redis GCRA', on(Redis, 'ping-redis', PINGS, 'gcra')),
    Contender('Redis PING', on(Redis, 'ping-redis', PINGS)),
], [
    Line('one round trip, p50', 'p50', 'C echo', 'floor', '≤', 1.25),
    Line('', 'p50', 'Redis GCRA', 'peer', '<', 1),
    Line('', 'p50', 'Redis PING'),
], rounds=5)


def p1_placed(cpus, where):
    measure = f'p50 on {where}'
    return Row('P1', [
        Contender(OURS, placed(cpus, measure, Evloopd, 'try', PINGS)),
        Contender('C echo', placed(cpus, measure, None, 'ping-floor', PINGS)),
        Contender('Redis GCRA', placed(cpus, measure, Redis, 'ping-redis', PINGS, 'gcra')),
        Contender('Redis PING', placed(cpus, measure, Redis, 'ping-redis', PINGS)),
    ], [
        Line(f'both processes on {where}, p50', measure, 'C echo', 'floor', '≤', 1.25),
        Line('', measure, 'Redis GCRA', 'peer', '<', 1),
        Line('', measure, 'Redis PING'),
    ], rounds=4)


# ---- P2, P3, P11: limiters -----------------------------------------------------------------------------------

DECISIONS = times(300000, 3000)

P2 = Row('P2', [
    Contender(OURS, on(Evloopd, 'try', DECISIONS, 'pipelined')),
    Contender('messages alone', alone('try-loop', DECISIONS)),
    Contender('Redis GCRA', on(Redis, 'ping-redis', times(100000, 1000), 'gcra', 64)),
], [
    Line('decisions asked for, 64 under way', 'rate', 'messages alone', 'floor', '≥', 0.6),
    Line('', 'rate', 'Redis GCRA', 'peer', '≥', 8),
])


def as_measure(measure, name, run):
    """One figure of that run, under another name."""
    return lambda bench: {name: run(bench)[measure]}


P3 = Row('P3', [
    Contender(OURS, on(Evloopd, 'try', times(5000000, 10000), 'shared')),
    Contender('compare-and-swap', alone('try-floor', times(5000000, 10000))),
    Contender('Redis GCRA', as_measure('p50', 'cost', on(Redis, 'ping-redis', PINGS, 'gcra'))),
], [
    Line('a decision in shared memory', 'cost', 'compare-and-swap', 'floor', '≤', 1.5),
    Line('', 'cost', 'Redis GCRA', 'peer', '≤', 1 / 300),
])


def of_eight(run):
    """The same figure of eight processes at once, which is another measure."""
    return as_measure('cost', 'cost of eight', run)


P3_MANY = Row('P3', [
    Contender(OURS, of_eight(on(Evloopd, 'try', times(1000000, 10000), 'shared', 8))),
    Contender('compare-and-swap', of_eight(alone('try-floor', times(1000000, 10000), 8))),
], [
    Line('the same, eight processes at one limiter', 'cost of eight', 'compare-and-swap', 'floor', '≤', 1.5),
])

P11 = Row('P11', [Contender(OURS, on(Evloopd, 'try', times(1000000, 10000), 'keys', pid=True))], [
    Line('memory of one idle key', 'memory', None, sense='≤', bound=96),
], rounds=0)

# ---- P4: lateness --------------------------------------------------------------------------------------------

# How long a processor needs to wake up changes every few seconds, by half: rounds are short, and take turns often.
TIMERS = times(500, 100)


def asyncio(*operands):
    def run(bench):
        script = os.path.join(os.path.dirname(__file__), 'lateness-asyncio.py')
        try:
            return bench.run([sys.executable, script, TIMERS(bench), *operands])
        except Failed as failure:
            if 'ModuleNotFoundError' in str(failure):
                raise Missing(f'{sys.executable} has no uvloop (Debian: python3-uvloop)') from failure
            raise
    return run


P4 = Row('P4', [
    Contender(OURS, on(Evloopd, 'lateness', TIMERS)),
    Contender('timerfd', alone('lateness-floor', TIMERS)),
    Contender('asyncio', asyncio(), every=4),
    Contender('uvloop', asyncio('uvloop'), every=4),
], [
    Line('lateness at the callback, p50', 'p50', 'timerfd', 'floor', '≤', 1.25),
    Line('', 'p50', 'asyncio'),
    Line('', 'p50', 'uvloop'),
    Line('lateness at the callback, p99', 'p99', 'timerfd', 'floor', '≤', 1.25),
    Line('', 'p99', 'asyncio'),
    Line('', 'p99', 'uvloop'),
    Line('callbacks before their time', 'early', None, sense='≤', bound=0),
    Line('', 'early', 'asyncio'),
    Line('', 'early', 'uvloop'),
], rounds=8)


def p4_placed(cpus, where):
    measure = f'p50 on {where}'
    return Row('P4', [
        Contender(OURS, placed(cpus, measure, Evloopd, 'lateness', TIMERS)),
        Contender('timerfd', placed(cpus, measure, None, 'lateness-floor', TIMERS)),
    ], [
        Line(f'both processes on {where}, p50', measure, 'timerfd', 'floor', '≤', 1.25),
    ], rounds=4)


# ---- P5, P7: arming, and what is armed -----------------------------------------------------------------------

MILLION = times(1000000, 1000)


def systemd_run(bench):
    """Transient timers of the service manager, one process each: there is no other way from the shell."""
    program, control = find('systemd-run', 'systemd'), find('systemctl', 'systemd')
    scope = ['--system'] if os.geteuid() == 0 else ['--user']
    state = subprocess.run([control, *scope, 'is-system-running'], capture_output=True, text=True).stdout.strip()
    if state not in ('running', 'degraded'):
        raise Missing(f'systemd does not run here ({state or "no answer"})')
    units = [f'evloop-bench-{os.getpid()}-{i}' for i in range(bench.count(50, 5))]
    start = time.perf_counter()
    try:
        for unit in units:
            subprocess.run([program, *scope, '--quiet', f'--unit={unit}', '--on-active=1h', 'true'], check=True,
                           capture_output=True)
        return {'rate': (len(units) / (time.perf_counter() - start), '1/s')}
    except subprocess.CalledProcessError as error:
        raise Failed(error.stderr.decode(errors='replace').strip()) from error
    finally:
        subprocess.run([control, *scope, 'stop', *(f'{unit}.timer' for unit in units)], capture_output=True)


P5 = Row('P5', [
    Contender(OURS, on(Evloopd, 'arm', MILLION, pid=True)),
    Contender('beanstalkd', on(Beanstalkd, 'arm-beanstalkd', MILLION, pid=True)),
    Contender('systemd-run', systemd_run),
], [
    Line('timers armed, pipelined', 'rate', None, sense='≥', bound=1e6),
    Line('', 'rate', 'beanstalkd', 'peer', '≥', 5),
    Line('', 'rate', 'systemd-run'),
])

P7_MEMORY = Row('P7', [
    Contender(OURS, on(Evloopd, 'arm', MILLION, pid=True)),
    Contender('libevent', alone('memory-libevent', MILLION)),
    Contender('libuv', alone('memory-libuv', MILLION)),
    Contender('beanstalkd', on(Beanstalkd, 'arm-beanstalkd', MILLION, pid=True)),
], [
    Line('memory of one armed timer', 'memory', None, sense='≤', bound=128),
    Line('', 'memory', 'libevent'),
    Line('', 'memory', 'libuv'),
    Line('', 'memory', 'beanstalkd'),
])


class Held:
    """A daemon with one session that does nothing, in which one timer is armed that is far from due."""

    def __init__(self, bench):
        self.bench = bench
        self.daemon = Evloopd()

    def __enter__(self):
        self.daemon.__enter__()
        try:
            self.session = subprocess.Popen([os.path.join(self.bench.programs, 'hold'), self.daemon.socket],
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            if self.session.stdout.readline() != 'ready\n':
                self.session.wait()
                raise Failed('hold: no session')
        except BaseException:
            self.daemon.__exit__()
            raise
        return self.daemon

    def __exit__(self, *unused):
        self.session.communicate()
        self.daemon.__exit__()


def idle_memory(bench):
    with Held(bench) as daemon, open(f'/proc/{daemon.pid}/status', encoding='ascii') as status:
        return {'idle memory': (int(re.search(r'^RssAnon:\s+(\d+) kB$', status.read(), re.M).group(1)) * 1024, 'B')}


def calls_seen(path, start, end):
    """System calls in what strace -ttt wrote, between two times."""
    with open(path, encoding='utf-8', errors='replace') as trace:
        stamps = re.findall(r'^(?:\d+ +)?(\d+\.\d+) ', trace.read(), re.M)
    return sum(start < float(stamp) < end for stamp in stamps)


def idle_calls(bench):
    strace = find('strace', 'strace')
    with Held(bench) as daemon, tempfile.NamedTemporaryFile(prefix='evloop-bench-') as trace:
        tracer = subprocess.Popen([strace, '-f', '-ttt', '-o', trace.name, '-p', str(daemon.pid)],
                                  stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(1)  # being traced interrupts the call that it waits in
            start = time.time()
            time.sleep(bench.count(60, 2))
            end = time.time()
            # Does the tracer see anything at all?
            bench.program('ping', daemon.socket, 1, 1)
            time.sleep(0.2)
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
        if calls_seen(trace.name, end, time.time()) == 0:
            raise Missing('strace may not trace here')
        return {'idle calls': (calls_seen(trace.name, start, end), 'calls')}


P7_IDLE_MEMORY = Row('P7', [Contender(OURS, idle_memory)], [
    Line('anonymous memory of an idle daemon', 'idle memory', None, sense='≤', bound=2**20),
])
P7_IDLE_CALLS = Row('P7', [Contender(OURS, idle_calls)], [
    Line('system calls in idle time', 'idle calls', None, sense='≤', bound=0),
], rounds=0)

# ---- P6: all at once -----------------------------------------------------------------------------------------

P6 = Row('P6', [
    Contender(OURS, on(Evloopd, 'fire', MILLION)),
    Contender('libevent', alone('fire-libevent', MILLION)),
    Contender('libevent, equal keys', alone('fire-libevent', MILLION, 'equal')),
], [
    Line('timers fired at one instant', 'rate', 'libevent', 'peer', '≥', 0.5),
    Line('', 'rate', 'libevent, equal keys'),
])

# ---- P8: with much of it -------------------------------------------------------------------------------------

FEW, MANY = '1 k armed', '1 M armed'

P8_ARMED = Row('P8', [
    Contender(FEW, on(Evloopd, 'scale', 1000, times(20, 5))),
    Contender('10 k armed', on(Evloopd, 'scale', times(10000, 1000), times(20, 5))),
    Contender('100 k armed', on(Evloopd, 'scale', times(100000, 1000), times(20, 5))),
    Contender(MANY, on(Evloopd, 'scale', MILLION, times(20, 5))),
], [
    Line(f'{work} with 1 M armed', measure, FEW, 'floor', '≤', 1.5, ours=MANY)
    for work, measure in (('arming one', 'arm'), ('cancelling one', 'cancel'), ('firing one', 'fire'))
])

# On one processor, where the time is that of the daemon and not that of waking one up.
P8_SESSIONS = Row('P8', [
    Contender('1 session', placed(ONE, 'sessions', Evloopd, 'ping', PINGS, 1)),
    Contender('5 k sessions', placed(ONE, 'sessions', Evloopd, 'ping', PINGS, times(5000, 10))),
], [
    Line('one round trip with 5 k sessions, p50', 'sessions', '1 session', 'floor', '≤', 1.5, ours='5 k sessions'),
], rounds=2)

# ---- P9: readiness -------------------------------------------------------------------------------------------

P9 = Row('P9', [
    Contender(OURS, on(Evloopd, 'readiness', PINGS)),
    Contender('pipe and socket', alone('readiness-floor', PINGS)),
], [
    Line('readiness to callback, with its ack, p50', 'p50', 'pipe and socket', 'floor', '≤', 1.25),
    Line('readiness to callback, with its ack, p99', 'p99', 'pipe and socket', 'floor'),
], rounds=5)


def p9_placed(cpus, where):
    measure = f'p50 on {where}'
    return Row('P9', [
        Contender(OURS, placed(cpus, measure, Evloopd, 'readiness', PINGS)),
        Contender('pipe and socket', placed(cpus, measure, None, 'readiness-floor', PINGS)),
    ], [
        Line(f'both processes on {where}, p50', measure, 'pipe and socket', 'floor', '≤', 1.25),
    ], rounds=4)


# ---- P10: whole processes ------------------------------------------------------------------------------------

SPAWNS = times(100, 10)


def evloop_ping(bench):
    with Evloopd() as daemon:
        return bench.program('spawn', SPAWNS(bench), os.environ['EVLOOP'], '--socket', daemon.socket, 'ping')


def redis_ping(bench):
    with Redis() as redis:
        return bench.program('spawn', SPAWNS(bench), find('redis-cli', 'redis-tools'), '-s', redis.socket, 'ping')


def dbus_ping(bench):
    with Dbus() as dbus:
        return bench.program('spawn', SPAWNS(bench), find('busctl', 'systemd'), '--user', 'call',
                             'org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus.Peer', 'Ping',
                             environment={'DBUS_SESSION_BUS_ADDRESS': f'unix:path={dbus.socket}'})


P10 = Row('P10', [
    Contender('evloop ping', evloop_ping),
    Contender('true', alone('spawn', SPAWNS, 'true')),
    Contender('redis-cli ping', redis_ping),
    Contender('busctl call … Ping', dbus_ping),
], [
    Line('a whole process, p50', 'p50', 'true', 'floor', ours='evloop ping'),
    Line('', 'p50', 'redis-cli ping', 'peer', '<', 1, ours='evloop ping'),
    Line('', 'p50', 'busctl call … Ping', 'peer', '<', 1, ours='evloop ping'),
])

ROWS = [
    P1, *(p1_placed(*where) for where in WHERE),
    P2, P3, P3_MANY,
    P4, *(p4_placed(*where) for where in WHERE),
    P5, P6, P7_MEMORY, P7_IDLE_MEMORY, P7_IDLE_CALLS, P8_ARMED, P8_SESSIONS,
    P9, *(p9_placed(*where) for where in WHERE),
    P10, P11,
]
