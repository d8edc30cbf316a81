# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A client of evloopd that has nothing of this project but PROTOCOL.md and evloop.proto: a SOCK_SEQPACKET socket, Google's
protocol buffers, and the sixteen bytes of a frame's header.
"""

import collections
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

import evloop_pb2 as pb

HEADER = struct.Struct("<IHBBQ")
REQUEST, REPLY, ERROR, EVENT, ONEWAY = 1, 2, 3, 4, 5
MAX_PACKET = 65536
MS = 1000000

REPLIES = {
    pb.METHOD_HELLO: pb.HelloReply,
    pb.METHOD_PING: pb.PingReply,
    pb.METHOD_TIME: pb.TimeReply,
    pb.METHOD_ARM: pb.Armed,
    pb.METHOD_CANCEL_HANDLE: pb.CancelReply,
    pb.METHOD_RESTART_HANDLE: pb.Armed,
    pb.METHOD_IDENTIFY: pb.Armed,
    pb.METHOD_ATTACH: pb.TimerInfo,
    pb.METHOD_SUBSCRIBE: pb.Watched,
    pb.METHOD_EMIT: pb.EmitReply,
    pb.METHOD_LIST: pb.ListReply,
    pb.METHOD_CANCEL: pb.ManageReply,
    pb.METHOD_PAUSE: pb.ManageReply,
    pb.METHOD_RESUME: pb.ManageReply,
    pb.METHOD_TRIGGER: pb.ManageReply,
    pb.METHOD_POKE: pb.ManageReply,
    pb.METHOD_KILL: pb.ManageReply,
    pb.METHOD_LOG: pb.LogReply,
    pb.METHOD_LIMITER_SET: pb.LimiterSetReply,
    pb.METHOD_LIMITER_TRY: pb.Grant,
    pb.METHOD_LIMITER_PEEK: pb.Grant,
    pb.METHOD_LIMITER_TAKE_UP_TO: pb.Grant,
    pb.METHOD_LIMITER_WAIT: pb.Grant,
    pb.METHOD_LIMITER_REFUND: pb.Grant,
    pb.METHOD_LIMITER_CHARGE: pb.Grant,
    pb.METHOD_LIMITER_HOLD: pb.Grant,
    pb.METHOD_LIMITER_RESET: pb.Grant,
    pb.METHOD_LIMITER_MULTI: pb.LimiterMultiReply,
    pb.METHOD_LIMITER_LIST: pb.LimiterListReply,
    pb.METHOD_LIMITER_CLAIMS: pb.LimiterClaimsReply,
    pb.METHOD_LIMITER_REMOVE: pb.LimiterRemoveReply,
}

Frame = collections.namedtuple("Frame", "method kind fds serial message")


class Refusal(Exception):
    def __init__(self, error):
        super().__init__("%s: %s" % (pb.Status.Name(error.status), error.message))
        self.error = error


def frame(method, kind, serial, message=None):
    body = message.SerializeToString() if message else b""
    return HEADER.pack(HEADER.size + len(body), method, kind, 0, serial) + body


def parse(packet):
    """The frames of a packet from the daemon, which must be whole."""
    while packet:
        size, method, kind, fds, serial = HEADER.unpack_from(packet)
        assert HEADER.size <= size <= len(packet), "a frame of %d bytes in %d" % (size, len(packet))
        body, packet = packet[HEADER.size : size], packet[size:]
        if kind == ERROR or method == pb.METHOD_REFUSED:
            message = pb.Error()
        elif kind == EVENT:
            assert method == pb.METHOD_EVENT, "an event of method %d" % method
            message = pb.Event()
        else:
            assert kind == REPLY, "a frame of kind %d" % kind
            message = REPLIES[method]()
        message.ParseFromString(body)
        yield Frame(method, kind, fds, serial, message)


class Client:
    """What has been received and not yet been asked for: answers by serial, events in order."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(10)
        self.socket.connect(path)
        self.serial = 0
        self.sequence = 0
        self.answers = {}
        self.events = collections.deque()
        self.last_word = None

    def send(self, *frames):
        self.socket.sendall(b"".join(frames))

    def receive(self):
        """One packet.  False: the session is over."""
        try:
            packet = self.socket.recv(MAX_PACKET)
        except ConnectionResetError:
            packet = self.socket.recv(MAX_PACKET)
        for f in parse(packet):
            if f.kind == EVENT:
                self.sequence += 1
                assert f.serial == self.sequence, "event %d is followed by %d" % (self.sequence - 1, f.serial)
                self.events.append(f)
            elif f.method == pb.METHOD_NONE:
                assert f.kind == ERROR and f.serial == 0
                self.last_word = f.message
            else:
                assert f.serial not in self.answers
                self.answers[f.serial] = f
        return bool(packet)

    def start(self, method, message=None):
        """A request to be finished later."""
        self.serial += 1
        self.send(frame(method, REQUEST, self.serial, message))
        return self.serial

    def finish(self, serial, method):
        while serial not in self.answers:
            assert self.receive(), "the daemon ended the session: %s" % self.last_word
        answer = self.answers.pop(serial)
        assert answer.method == method
        if answer.kind == ERROR:
            raise Refusal(answer.message)
        return answer.message

    def call(self, method, message=None):
        return self.finish(self.start(method, message), method)

    def oneway(self, method, message=None):
        self.serial += 1
        self.send(frame(method, ONEWAY, self.serial, message))
        return self.serial

    def event(self):
        while not self.events:
            assert self.receive(), "the daemon ended the session: %s" % self.last_word
        return self.events.popleft()

    def hello(self, version=1, floor=1):
        return self.call(pb.METHOD_HELLO, pb.HelloRequest(version=version, floor=floor, client_name="test-wire.py"))

    def close(self):
        self.socket.close()


def refused(status, function, *arguments):
    try:
        function(*arguments)
    except Refusal as refusal:
        assert refusal.error.status == status, refusal
        assert refusal.error.message
        return refusal.error
    raise AssertionError("not refused with %s" % pb.Status.Name(status))


def test_hello(path):
    """Versions, and what is said of the session."""
    client = Client(path)
    reply = client.hello(version=7)
    assert reply.version == 1 and reply.floor == 1
    assert reply.uid == os.getuid()
    assert reply.max_packet == MAX_PACKET
    assert reply.daemon_version and reply.daemon_pid and reply.session_id
    assert reply.time_namespace in (0, os.stat("/proc/self/ns/time").st_ino)
    refused(pb.STATUS_INVALID, client.hello)
    client.call(pb.METHOD_PING)
    client.close()


def test_no_common_version(path):
    """The last word, in place of a reply, and the end."""
    client = Client(path)
    client.send(frame(pb.METHOD_HELLO, REQUEST, 1, pb.HelloRequest(version=9, floor=8)))
    while client.receive():
        pass
    assert client.last_word.status == pb.STATUS_PROTOCOL, client.last_word
    assert not client.answers
    client.close()


def test_example(path):
    """The conversation of PROTOCOL.md, byte for byte."""
    client = Client(path)
    client.send(bytes.fromhex("1800000001000100010000000000000008011a0464656d6f"))
    packet = client.socket.recv(MAX_PACKET)
    assert packet[2:16] == bytes.fromhex("0000010002000100000000000000"), packet.hex()
    assert packet[16:20] == bytes.fromhex("08011001"), packet.hex()
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    client.send(bytes.fromhex("1d000000100005000200000000000000" + "080520012900ca9a3b00000000"))
    event = client.event()
    assert time.clock_gettime_ns(time.CLOCK_BOOTTIME) - before >= 1000 * MS
    assert event.serial == 1 and event.message.handle == 5 and event.message.fires == 1
    client.send(bytes.fromhex("12000000110005000700000000000000" + "0805"))
    client.close()


def test_timer(path):
    """An absolute deadline is kept, never early; the event says what happened."""
    client = Client(path)
    client.hello()
    deadline = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + 50 * MS
    spec = pb.TimerSpec(handle=1, kind=pb.KIND_AFTER, clock=pb.CLOCK_BOOTTIME, deadline_ns=deadline, delay_ns=50 * MS)
    armed = client.call(pb.METHOD_ARM, spec)
    assert armed.id > 0 and armed.effective_ns == deadline and armed.generation == 1
    assert armed.change == pb.Armed.CREATED
    assert client.call(pb.METHOD_IDENTIFY, pb.HandleRequest(handle=1)).id == armed.id

    event = client.event().message
    assert time.clock_gettime_ns(time.CLOCK_BOOTTIME) >= deadline
    assert event.type == pb.EVENT_FIRED and event.handle == 1 and event.id == armed.id
    assert event.fires == 1 and event.fire_seq == 1 and event.missed == 0 and not event.more
    assert event.scheduled_ns == deadline
    assert event.fired_ns >= deadline and event.lateness_ns == event.fired_ns - event.scheduled_ns

    # It is gone, and a client that has its event knows that it is done.
    reply = client.call(pb.METHOD_CANCEL_HANDLE, pb.HandleRequest(handle=1))
    assert reply.outcome == pb.OUTCOME_GONE
    client.close()


def test_every(path):
    """Three times, without drift; the last one says so."""
    client = Client(path)
    client.hello()
    start = client.call(pb.METHOD_TIME).boottime_ns + 20 * MS
    client.oneway(
        pb.METHOD_ARM,
        pb.TimerSpec(handle=7, kind=pb.KIND_EVERY, deadline_ns=start, period_ns=20 * MS, count=3),
    )
    fires = 0
    while fires < 3:
        event = client.event().message
        fires += event.fires
        assert event.handle == 7 and event.fire_seq == fires
        assert event.scheduled_ns == start + (fires - 1) * 20 * MS
        assert event.more == (fires < 3)
    client.close()


def test_order(path):
    """One packet: everything is done in order, and equal deadlines fire in the order of arming."""
    client = Client(path)
    client.hello()
    now = client.call(pb.METHOD_TIME).boottime_ns
    client.send(
        *[
            frame(pb.METHOD_ARM, ONEWAY, handle, pb.TimerSpec(handle=handle, deadline_ns=now + 30 * MS))
            for handle in range(1, 101)
        ],
        frame(pb.METHOD_CANCEL_HANDLE, ONEWAY, 101, pb.HandleRequest(handle=50)),
    )
    expected = [handle for handle in range(1, 101) if handle != 50]
    assert [client.event().message.handle for _ in expected] == expected
    client.call(pb.METHOD_PING)
    assert not client.events
    client.close()


def test_cancel(path):
    """Outcomes, and silence behind them."""
    client = Client(path)
    client.hello()
    client.oneway(pb.METHOD_ARM, pb.TimerSpec(handle=1, relative=True, deadline_ns=10**12))
    reply = client.call(pb.METHOD_CANCEL_HANDLE, pb.HandleRequest(handle=1))
    assert reply.outcome == pb.OUTCOME_CANCELLED
    for handle in (1, 2, 2**64 - 1):
        reply = client.call(pb.METHOD_CANCEL_HANDLE, pb.HandleRequest(handle=handle))
        assert reply.outcome == pb.OUTCOME_GONE
    # Armed and cancelled before any answer, in one packet.
    client.send(
        frame(pb.METHOD_ARM, ONEWAY, 1000, pb.TimerSpec(handle=3, relative=True, deadline_ns=0)),
        frame(pb.METHOD_CANCEL_HANDLE, REQUEST, 1001, pb.HandleRequest(handle=3)),
    )
    outcome = client.finish(1001, pb.METHOD_CANCEL_HANDLE).outcome
    assert outcome in (pb.OUTCOME_CANCELLED, pb.OUTCOME_WITHDRAWN), outcome
    time.sleep(0.05)
    client.call(pb.METHOD_PING)
    assert not client.events, client.events
    client.close()


def test_refusals(path):
    """A refusal concerns its request alone."""
    client = Client(path)
    client.hello()
    # A request: an error with its serial.  A oneway: an event that says which.
    error = refused(pb.STATUS_OUT_OF_RANGE, client.call, pb.METHOD_ARM, pb.TimerSpec(handle=1, deadline_ns=-1))
    assert "deadline_ns" in error.message
    refused(pb.STATUS_INVALID, client.call, pb.METHOD_ARM, pb.TimerSpec(deadline_ns=1))
    serial = client.oneway(pb.METHOD_ARM, pb.TimerSpec(handle=77, relative=True, deadline_ns=1, period_ns=-1, kind=2))
    event = client.event()
    assert event.method == pb.METHOD_REFUSED
    assert event.message.status == pb.STATUS_OUT_OF_RANGE
    assert (event.message.handle, event.message.serial, event.message.method) == (77, serial, pb.METHOD_ARM)
    # What it does not know.
    client.serial += 1
    client.send(frame(4711, REQUEST, client.serial))
    refused(pb.STATUS_UNSUPPORTED, client.finish, client.serial, 4711)
    refused(pb.STATUS_INVALID, client.call, pb.METHOD_ARM, pb.TimerSpec(handle=1, deadline_ns=1, clock=99))
    refused(pb.STATUS_NOT_FOUND, client.call, pb.METHOD_CANCEL, pb.ManageRequest(target=pb.Target(id=2**52)))
    refused(pb.STATUS_INVALID, client.call, pb.METHOD_CANCEL, pb.ManageRequest())
    # A name that is taken: by whom.
    spec = pb.TimerSpec(handle=5, relative=True, deadline_ns=10**12, name="wire/taken")
    armed = client.call(pb.METHOD_ARM, spec)
    spec.handle = 6
    error = refused(pb.STATUS_EXISTS, client.call, pb.METHOD_ARM, spec)
    assert error.existing.id == armed.id and error.existing.name == "wire/taken"
    client.close()


def test_list(path):
    """More than one page; every timer once, in the order of ids, also by those who did not arm them."""
    client, other = Client(path), Client(path)
    client.hello()
    other.hello()
    for first in range(0, 1200, 100):
        client.send(
            *[
                frame(
                    pb.METHOD_ARM,
                    ONEWAY,
                    n,
                    pb.TimerSpec(handle=n + 1, relative=True, deadline_ns=10**13, name="wire.%d" % n),
                )
                for n in range(first, first + 100)
            ]
        )
    client.call(pb.METHOD_PING)

    found, after, pages = [], 0, 0
    while True:
        reply = other.call(pb.METHOD_LIST, pb.ListRequest(after=after, target=pb.Target(glob="wire.*")))
        found += reply.timers
        pages += 1
        assert len(reply.timers) <= 500
        if not reply.more:
            break
        assert reply.next > after
        after = reply.next
    assert pages >= 3
    assert [timer.name for timer in found] == ["wire.%d" % n for n in range(1200)]
    assert all(a.id < b.id for a, b in zip(found, found[1:]))
    assert all(t.owner_name == "test-wire.py" and t.owner_pid == os.getpid() for t in found)

    reply = other.call(pb.METHOD_CANCEL, pb.ManageRequest(target=pb.Target(name="wire.7")))
    assert [(r.id, r.name, r.outcome) for r in reply.results] == [(found[7].id, "wire.7", pb.OUTCOME_CANCELLED)]
    # Their session goes, and they with it.
    client.close()
    until = time.monotonic() + 10
    while other.call(pb.METHOD_LIST, pb.ListRequest(target=pb.Target(glob="wire.*"))).timers:
        assert time.monotonic() < until
    other.close()


def hourly(name, burst, **fields):
    """A limiter whose tokens do not come back while anybody looks."""
    rule = pb.LimiterRule(tokens=10, period_ns=3600 * 1000 * MS, burst=burst)
    return pb.LimiterSpec(name=name, rules=[rule], **fields)


def test_limiter(path):
    """Tokens: every verb, and what it answers."""
    client = Client(path)
    client.hello()

    def ask(method, cost=0, key=b""):
        return client.call(method, pb.LimiterRequest(name="wire", cost=cost, key=key))

    client.call(pb.METHOD_LIMITER_SET, hourly("wire", 10, max_debt=3))
    grant = ask(pb.METHOD_LIMITER_TRY, 4)
    assert grant.allowed and (grant.remaining, grant.limit) == (6, 10) and grant.reset_after_ns > 0, grant
    grant = ask(pb.METHOD_LIMITER_TAKE_UP_TO, 10)
    assert (grant.taken, grant.remaining) == (6, 0), grant
    assert ask(pb.METHOD_LIMITER_TAKE_UP_TO, 10).taken == 0
    grant = ask(pb.METHOD_LIMITER_TRY, 1)
    assert not grant.allowed and 0 < grant.retry_after_ns <= 360 * 1000 * MS, grant
    refused(pb.STATUS_COST_EXCEEDS_BURST, ask, pb.METHOD_LIMITER_TRY, 11)
    assert ask(pb.METHOD_LIMITER_REFUND, 4).remaining == 4
    assert not ask(pb.METHOD_LIMITER_CHARGE, 7).allowed
    refused(pb.STATUS_COST_EXCEEDS_BURST, ask, pb.METHOD_LIMITER_CHARGE, 1)
    # The rule, the words and the time are the decision.
    grant = ask(pb.METHOD_LIMITER_PEEK, 2)
    earliest = max(grant.basis.tat[0], 16 * grant.now_ns) + (2 - 10) * 16 * 360 * 1000 * MS
    assert -(-(earliest - 16 * grant.now_ns) // 16) == grant.retry_after_ns, grant
    assert ask(pb.METHOD_LIMITER_RESET).remaining == 10
    grant = client.call(pb.METHOD_LIMITER_HOLD, pb.LimiterHoldRequest(name="wire", duration_ns=10**12))
    assert not grant.allowed and grant.retry_after_ns == 10**12, grant
    assert ask(pb.METHOD_LIMITER_PEEK, 1).basis.hold_until_ns == grant.now_ns + 10**12
    refused(pb.STATUS_INVALID, ask, pb.METHOD_LIMITER_TRY, 1, b"key")
    client.call(pb.METHOD_LIMITER_REMOVE, pb.LimiterRemoveRequest(name="wire"))
    refused(pb.STATUS_NOT_FOUND, ask, pb.METHOD_LIMITER_PEEK, 1)
    client.close()


def test_limiter_lines(path):
    """In line, in sight, granted and gone; and several at once."""
    client = Client(path)
    client.hello()
    client.call(pb.METHOD_LIMITER_SET, hourly("wire/line", 1))
    client.call(pb.METHOD_LIMITER_SET, hourly("wire/keys", 1, keyed=True))

    def wait(handle, max_wait_ns=-1, name="wire/line"):
        request = pb.LimiterWaitRequest(handle=handle, name=name, cost=1, max_wait_ns=max_wait_ns)
        return client.call(pb.METHOD_LIMITER_WAIT, request)

    assert wait(1).allowed
    late = wait(2, 10**9)
    assert not late.allowed and not late.queued and late.retry_after_ns > 10**9
    for handle in (3, 4, 5):
        grant = wait(handle)
        assert grant.queued and grant.position == handle - 3 and grant.expected_ns > grant.now_ns, grant
    claims = client.call(pb.METHOD_LIMITER_CLAIMS, pb.LimiterClaimsRequest(name="wire/line")).claims
    assert [(c.position, c.uid, c.pid) for c in claims] == [(i, os.getuid(), os.getpid()) for i in range(3)]
    assert claims[0].expected_ns < claims[1].expected_ns < claims[2].expected_ns
    # Who leaves gives back his place; a refund is for the first who is left; and then there is no limiter any more.
    reply = client.call(pb.METHOD_CANCEL_HANDLE, pb.HandleRequest(handle=3))
    assert reply.outcome == pb.OUTCOME_CANCELLED
    client.call(pb.METHOD_LIMITER_REFUND, pb.LimiterRequest(name="wire/line", cost=1))
    event = client.event().message
    assert (event.handle, event.claim) == (4, pb.CLAIM_GRANTED) and event.grant.allowed, event
    client.call(pb.METHOD_LIMITER_REMOVE, pb.LimiterRemoveRequest(name="wire/line"))
    event = client.event().message
    assert (event.handle, event.claim) == (5, pb.CLAIM_REMOVED), event
    # All or nothing.
    client.call(pb.METHOD_LIMITER_SET, hourly("wire/two", 2))

    def together(key):
        items = [pb.LimiterRequest(name="wire/two", cost=1), pb.LimiterRequest(name="wire/keys", key=key, cost=1)]
        return client.call(pb.METHOD_LIMITER_MULTI, pb.LimiterMultiRequest(items=items))

    assert together(b"a").allowed
    reply = together(b"a")
    assert not reply.allowed and reply.denied_by == 1 and len(reply.grants) == 2, reply
    assert together(b"\0b").allowed
    assert together(b"c").denied_by == 0
    # Permits: held until cancelled.
    kind = pb.LIMITER_CONCURRENCY
    client.call(pb.METHOD_LIMITER_SET, pb.LimiterSpec(name="wire/places", kind=kind, concurrency=1))
    assert wait(6, name="wire/places").allowed and wait(7, name="wire/places").queued
    info = client.call(pb.METHOD_LIMITER_LIST, pb.LimiterListRequest(target=pb.Target(glob="wire/p*"))).limiters
    assert [(i.spec.name, i.held, i.waiting) for i in info] == [("wire/places", 1, 1)]
    client.call(pb.METHOD_CANCEL_HANDLE, pb.HandleRequest(handle=6))
    event = client.event().message
    assert (event.handle, event.claim, event.more) == (7, pb.CLAIM_HELD, True), event
def subscribe(client, handle, topic, **more):
    return client.call(pb.METHOD_SUBSCRIBE, pb.SubscribeRequest(handle=handle, topic=topic, **more)).id


def test_topics(path):
    """Two who have subscribed hear what a third one emits, each of it, over all topics in its order."""
    emitter, hearers = Client(path), [Client(path), Client(path)]
    for client in [emitter] + hearers:
        client.hello()
    assert emitter.call(pb.METHOD_EMIT, pb.EmitRequest(topic="wire.a", data=b"nobody")).receivers == 0
    for client in hearers:
        assert subscribe(client, 1, "wire.a", queue=1024) > 0
        subscribe(client, 2, "wire.b", queue=1024)
    refused(pb.STATUS_EXISTS, subscribe, hearers[0], 1, "wire.c")
    refused(pb.STATUS_INVALID, subscribe, emitter, 0, "wire.c")
    refused(pb.STATUS_OUT_OF_RANGE, emitter.call, pb.METHOD_EMIT, pb.EmitRequest(topic="wire.a", data=bytes(4097)))
    for n in range(500):
        topic = "wire.a" if n % 7 < 3 else "wire.b"
        emitter.oneway(pb.METHOD_EMIT, pb.EmitRequest(topic=topic, data=b"%d" % n))
    reply = emitter.call(pb.METHOD_EMIT, pb.EmitRequest(topic="wire.a", data=b"\0last"))
    assert reply.receivers == 2
    for client in hearers:
        seen = {1: 0, 2: 0}
        for n in range(500):
            event = client.event().message
            handle = 1 if n % 7 < 3 else 2
            seen[handle] += 1
            assert event.type == pb.EVENT_MESSAGE and event.data == b"%d" % n, event
            assert event.handle == handle and event.name == ("wire.a" if handle == 1 else "wire.b")
            assert event.fire_seq == seen[handle] and event.fires == 1 and event.more
            assert not event.HasField("gap") and event.fired_ns > 0
        assert client.event().message.data == b"\0last"
    reply = hearers[0].call(pb.METHOD_CANCEL_HANDLE, pb.HandleRequest(handle=1))
    assert reply.outcome == pb.OUTCOME_CANCELLED
    assert emitter.call(pb.METHOD_EMIT, pb.EmitRequest(topic="wire.a")).receivers == 1
    for client in [emitter] + hearers:
        client.close()


def test_topics_unread(path):
    """Who does not read loses the oldest, is told exactly which, and holds nobody up."""
    emitter, slow, other = Client(path), Client(path), Client(path)
    for client in emitter, slow, other:
        client.hello()
    subscribe(slow, 1, "wire.flood", queue=10)
    subscribe(slow, 2, "wire.flood")
    subscribe(other, 1, "wire.flood", queue=10)
    for n in range(1, 3001):
        assert emitter.call(pb.METHOD_EMIT, pb.EmitRequest(topic="wire.flood", data=b"%4096d" % n)).receivers == 3
        event = other.event().message
        assert int(event.data) == event.fire_seq == n and not event.HasField("gap")
    told = {1: 0, 2: 0}
    lost = 0
    while min(told.values()) < 3000:
        event = slow.event().message
        assert int(event.data) == event.fire_seq
        first = event.fire_seq - event.fires + 1
        if event.HasField("gap"):
            assert event.handle == 1 and event.gap.last == first - 1
            assert event.gap.count == event.gap.last - event.gap.first + 1
            lost += event.gap.count
            first = event.gap.first
        assert first == told[event.handle] + 1, event
        told[event.handle] = event.fire_seq
    assert 2000 < lost <= 2990, lost
    for client in emitter, slow, other:
        client.close()


def test_gate(path):
    """A limiter lets messages and fires through, each at its time and not before, and no more of them than tokens."""
    client = Client(path)
    client.hello()
    rule = pb.LimiterRule(tokens=1, period_ns=50 * MS, burst=1)
    client.call(pb.METHOD_LIMITER_SET, pb.LimiterSpec(name="wire.gate", rules=[rule]))
    gate = pb.Gate(limiter="wire.gate")
    request = pb.SubscribeRequest(handle=1, topic="wire.gated", gate=pb.Gate(limiter="wire.none"))
    refused(pb.STATUS_NOT_FOUND, client.call, pb.METHOD_SUBSCRIBE, request)
    spec = pb.TimerSpec(handle=9, relative=True, detached=True, gate=gate)
    refused(pb.STATUS_INVALID, client.call, pb.METHOD_ARM, spec)
    subscribe(client, 1, "wire.gated", queue=10, gate=gate)
    spec = pb.TimerSpec(handle=2, kind=pb.KIND_EVERY, relative=True, period_ns=5 * MS, gate=gate)
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    for _ in range(3):
        client.oneway(pb.METHOD_EMIT, pb.EmitRequest(topic="wire.gated"))
    client.oneway(pb.METHOD_ARM, spec)
    messages = fires = 0
    for n in range(6):
        event = client.event().message
        assert time.clock_gettime_ns(time.CLOCK_BOOTTIME) >= before + n * 50 * MS
        if event.type == pb.EVENT_MESSAGE:
            messages += 1
            assert event.fire_seq == messages and not event.HasField("gap")
        else:
            fires += event.fires
            assert event.fire_seq == fires
    assert messages == 3 and fires >= 10
    client.close()


def test_unknown_fields(path):
    """A client of a later version: what it says beyond this one is ignored."""
    client = Client(path)
    client.hello()
    body = pb.HandleRequest(handle=9).SerializeToString() + bytes.fromhex("f83f01" + "fa3f03616263")
    client.serial += 1
    client.send(HEADER.pack(HEADER.size + len(body), pb.METHOD_CANCEL_HANDLE, REQUEST, 0, client.serial) + body)
    assert client.finish(client.serial, pb.METHOD_CANCEL_HANDLE).outcome == pb.OUTCOME_GONE
    client.close()


def test_breaking(path):
    """What breaks the protocol: a last word, and the end."""
    hello = frame(pb.METHOD_HELLO, REQUEST, 1, pb.HelloRequest(version=1))
    ping = frame(pb.METHOD_PING, REQUEST, 2)
    for packets in (
        [ping],
        [frame(pb.METHOD_HELLO, ONEWAY, 1, pb.HelloRequest(version=1))],
        [hello[:-1]],
        [hello, ping[:15]],
        [hello, ping + b"\0"],
        [hello, b"\0\0\0\0" + ping[4:]],
        [hello, b"\xff\xff\xff\xff" + ping[4:]],
        [hello, frame(pb.METHOD_PING, REPLY, 2)],
        [hello, frame(pb.METHOD_PING, 99, 2)],
        [hello, ping * 4097],
    ):
        client = Client(path)
        for packet in packets:
            client.send(packet)
        while client.receive():
            pass
        assert client.last_word is not None, packets
        assert client.last_word.status == pb.STATUS_PROTOCOL, client.last_word
        client.close()
    # The polite end.
    client = Client(path)
    client.hello()
    client.socket.send(b"")
    assert not client.receive()
    assert client.last_word is None
    client.close()


def main():
    daemon, directory = os.environ["EVLOOPD"], tempfile.mkdtemp()
    path = os.path.join(directory, "socket")
    ready, ready_write = os.pipe()
    process = subprocess.Popen(
        [daemon, "--socket", path, "--ready-fd", str(ready_write)], pass_fds=[ready_write], stdin=subprocess.DEVNULL
    )
    os.close(ready_write)
    try:
        assert os.read(ready, 16) == b"READY\n", "the daemon did not start"
        for name, test in list(globals().items()):
            if name.startswith("test_"):
                test(path)
                print("ok: %s: %s" % (name[5:], test.__doc__))
                assert process.poll() is None, "the daemon has ended"
    finally:
        process.terminate()
        status = process.wait(10)
        shutil.rmtree(directory)
    assert status == 0, "the daemon ended with %d" % status


if __name__ == "__main__":
    main()
    sys.exit(0)
