#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The arithmetic of rate limits against an oracle that counts in whole numbers without bounds.

Every answer of proto/gcra.c (through gcra-trace) is compared with the definition as SEMANTICS writes it down,
and the promise about retry_after is tried out: one nanosecond less is denied, exactly that is allowed.
"""

import os
import random
import subprocess
import sys

TICKS = 16
TOLERANCE_MAX = 1 << 61
TICKS_MAX = 1 << 63
E_RATE, E_TOO_SLOW, E_COST, E_RANGE = 1, 2, 3, 4
CASES = 40000


def ceil_div(a, b):
    return -(-a // b)


class Rule:
    def __init__(self, tokens, period, burst):
        self.error = None
        if tokens == 0 or period <= 0 or burst == 0:
            self.error = E_RATE
            return
        self.interval = ceil_div(TICKS * period, tokens)
        self.burst = burst
        self.tolerance = self.interval * burst
        if self.tolerance > TOLERANCE_MAX:
            self.error = E_TOO_SLOW


def decide(rule, tat, now, not_before, cost):
    if cost > rule.burst:
        return [E_COST]
    if tat > TICKS_MAX or now > TICKS_MAX:
        return [E_RANGE]
    new = max(tat, now) + max(cost, 1) * rule.interval
    earliest = max(new - rule.tolerance, not_before)
    allowed = earliest <= now
    after = new if allowed and cost else tat
    if after > TICKS_MAX:
        return [E_RANGE]
    taken = max(after - now, 0)
    remaining = 0 if not_before > now else max(0, (rule.tolerance - taken) // rule.interval)
    retry = 0 if allowed else ceil_div(earliest - now, TICKS)
    return [0, int(allowed), after, remaining, retry, ceil_div(taken, TICKS)]


def available(rule, tat, now, not_before, limit):
    if not_before > now:
        return [0, 0]
    return [0, min(limit, max(0, (rule.tolerance - max(tat - now, 0)) // rule.interval))]


def refund(rule, tat, now, cost):
    return [0, tat if tat <= now else max(now, tat - cost * rule.interval)]


def charge(rule, tat, now, cost, max_debt):
    after = max(tat, now) + cost * rule.interval
    if after - now > rule.tolerance + max_debt * rule.interval:
        return [E_COST]
    return [E_RANGE] if after > TICKS_MAX else [0, after]


def convert(rule, other, tat, now):
    there = rule.tolerance - max(tat - now, 0)
    kept = min(there * other.interval // rule.interval, other.tolerance)  # // rounds towards less, in debt too
    after = now + other.tolerance - kept
    return [E_RANGE] if after > TICKS_MAX else [0, after]


def grant(rule, tat, behind):
    return [0, max(0, tat - rule.tolerance - behind * rule.interval)]


def random_rule(rng):
    tokens = rng.choice([1, 3, 7, 10, 600, 999983, 7_000_000, 300_000_000, rng.randrange(1, 1 << 32)])
    period = rng.choice([1, 1000, 10**6, 10**9, 60 * 10**9, 3600 * 10**9, rng.randrange(1, 366 * 86400 * 10**9)])
    burst = rng.choice([1, 2, 10, 100, rng.randrange(1, 1 << 32)])
    return tokens, period, burst


def random_word(rng, rule, now):
    """A TAT near a place where something changes."""
    spread = rng.choice([0, 1, rule.interval, rule.tolerance, 2 * rule.tolerance])
    word = now + spread + rng.choice([-1, 0, 1]) * rng.randrange(0, rule.interval + 1)
    return min(max(word, 0), TICKS_MAX)


def random_case(rng):
    numbers = random_rule(rng)
    rule = Rule(*numbers)
    if rule.error or rng.random() < 0.02:
        return "rule", numbers, [rule.error] if rule.error else [0, rule.interval, rule.tolerance]
    now = rng.randrange(0, 1 << rng.choice([20, 50, 60, 62]))
    tat = random_word(rng, rule, now)
    cost = rng.choice([0, 1, 2, rule.burst, rule.burst + 1, rng.randrange(0, rule.burst + 1)])
    hold = rng.choice([0, 0, 0, now, now + 1, now + rng.randrange(1, 1 << 40)])
    op = rng.choice(["decide", "decide", "available", "refund", "charge", "convert", "grant"])
    if op == "decide":
        return op, (*numbers, tat, now, hold, cost), decide(rule, tat, now, hold, cost)
    if op == "available":
        return op, (*numbers, tat, now, hold, cost), available(rule, tat, now, hold, cost)
    if op == "refund":
        return op, (*numbers, tat, now, cost), refund(rule, tat, now, cost)
    if op == "charge":
        debt = rng.choice([0, 1, cost, 10**6])
        return op, (*numbers, tat, now, cost, debt), charge(rule, tat, now, cost, debt)
    if op == "grant":
        return op, (*numbers, tat, cost), grant(rule, tat, cost)
    other_numbers = random_rule(rng)
    other = Rule(*other_numbers)
    expected = [other.error] if other.error else convert(rule, other, tat, now)
    return op, (*numbers, tat, now, *other_numbers), expected


class Trace:
    """gcra-trace behind a pipe."""

    def __init__(self, program):
        self.program = program

    def ask(self, cases):
        lines = "".join(f"{op} {' '.join(map(str, numbers))}\n" for op, numbers in cases)
        out = subprocess.run([self.program], input=lines, capture_output=True, text=True, check=True).stdout
        return [list(map(int, line.split())) for line in out.splitlines()]


def check_against_oracle(trace, rng):
    cases = [random_case(rng) for _ in range(CASES)]
    answers = trace.ask([(op, numbers) for op, numbers, _ in cases])
    assert len(answers) == len(cases)
    for (op, numbers, expected), answer in zip(cases, answers):
        assert answer == expected, f"{op} {numbers}: {answer}, expected {expected}"
    kinds = {op: sum(1 for c in cases if c[0] == op and c[2][0] == 0) for op in ("decide", "convert", "charge")}
    assert all(n > CASES // 50 for n in kinds.values()), f"too few good cases: {kinds}"


def check_retry_after(trace, rng):
    """Denied with retry_after r: at now + r − 1 ns denied, at now + r allowed."""
    denied = []
    while len(denied) < CASES // 10:
        numbers = random_rule(rng)
        rule = Rule(*numbers)
        if rule.error:
            continue
        now = rng.randrange(0, 1 << 58) * TICKS
        now %= 1 << 62
        tat = random_word(rng, rule, now)
        cost = rng.randrange(1, rule.burst + 1)
        answer = decide(rule, tat, now, 0, cost)
        if answer[0] == 0 and not answer[1]:
            denied.append((numbers, tat, now, cost, answer[4]))
    for offset, expected in ((-1, 0), (0, 1)):
        cases = [("decide", (*n, tat, now + TICKS * (retry + offset), 0, cost)) for n, tat, now, cost, retry in denied]
        for case, answer in zip(cases, trace.ask(cases)):
            assert answer[:2] == [0, expected], f"{case}: {answer}, expected allowed={expected}"


def main():
    trace = Trace(os.path.join(os.environ.get("builddir", "."), "tests/limiter/gcra-trace"))
    seed = int(os.environ.get("SEED", "1"))
    check_against_oracle(trace, random.Random(seed))
    check_retry_after(trace, random.Random(seed + 1))
    print(f"{CASES} answers and {CASES // 10} retries agree")
    return 0


if __name__ == "__main__":
    sys.exit(main())
