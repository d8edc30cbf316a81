# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is made of the samples: the table, and a plot drawn by gnuplot."""

import csv
import math
import shutil
import statistics
import subprocess

# Of a unit: the larger ones that a value is shown in, and by how much they are larger.
SCALES = {
    'ns': (('s', 1e9), ('ms', 1e6), ('µs', 1e3), ('ns', 1)),
    '1/s': (('M/s', 1e6), ('k/s', 1e3), ('/s', 1)),
    'B': (('MiB', 2**20), ('KiB', 2**10), ('B', 1)),
}


def scale_for(value, unit):
    """The unit to show it in, and what to divide it by."""
    scales = SCALES.get(unit, ((unit, 1),))
    return next(((name, factor) for name, factor in scales if abs(value) >= factor), (scales[-1][0], 1))


def number(value):
    """Three digits, but no decimals that nobody needs."""
    if 0 < abs(value) < 0.01:
        return f'1/{1 / value:.0f}'
    if value == round(value) or abs(value) >= 100:
        return f'{value:.0f}'
    return f'{value:.2f}' if abs(value) < 10 else f'{value:.1f}'


def spread(values, unit=''):
    """The median, and between what it lay: '12.3 µs (11.9–13.1)'."""
    name, factor = scale_for(statistics.median(values), unit)
    low, middle, high = (number(value / factor) for value in (min(values), statistics.median(values), max(values)))
    text = f'{middle} {name}'.strip()
    return text if low == high else f'{text} ({low}–{high})'


class Samples:
    """Every figure of a run."""

    FIELDS = ('row', 'measure', 'contender', 'round', 'value', 'unit')

    def __init__(self):
        self.all = []
        self.reasons = {}  # (row, contender): the exception that says why there are none

    def add(self, row, measure, contender, turn, value, unit):
        self.all.append((row, measure, contender, turn, value, unit))

    def of(self, row, measure, contender):
        """Return {round: value} and the unit; empty: there are none."""
        found = [sample for sample in self.all if sample[:3] == (row, measure, contender)]
        return {sample[3]: sample[4] for sample in found}, found[0][5] if found else ''

    def reason(self, row, contender):
        return str(self.reasons.get((row, contender), 'not measured'))

    def write(self, path):
        with open(path, 'w', newline='', encoding='utf-8') as file:
            writer = csv.writer(file)
            writer.writerow(self.FIELDS)
            writer.writerows((*sample[:4], f'{sample[4]:.10g}', sample[5]) for sample in self.all)


# ---- the table -----------------------------------------------------------------------------------------------

HEAD = ('row', 'work', 'ours', 'floor', 'peer', 'ratio', 'target', 'verdict')


def verdict(line, value):
    if not line.sense:
        return ''
    return 'holds' if line.holds(value) else 'falls short'


def target(line, unit):
    if not line.sense:
        return ''
    if line.against:
        factor = f'1/{1 / line.bound:.0f}' if line.bound < 0.1 else f'{line.bound:g}'
        return f'{line.sense} {line.against}' if line.bound == 1 else f'{line.sense} {factor} × {line.against}'
    if line.bound == 0:
        return '0'
    name, factor = scale_for(line.bound, unit)
    return f'{line.sense} {number(line.bound / factor)} {name}'


def cells(row, line, samples):
    """One line of the table, and why something is missing or None."""
    ours, unit = samples.of(row.name, line.measure, line.ours)
    theirs, _ = samples.of(row.name, line.measure, line.against)
    mine = spread(ours.values(), unit) if ours else '–'
    wanted = target(line, unit)
    if not ours:
        unknown = (row.name, line.work, mine, '', '', '', wanted, 'not measured')
        return unknown, samples.reason(row.name, line.ours)
    if not line.against:
        # What must never happen is judged by its worst round, what costs by the median.
        judged = max(ours.values()) if line.bound == 0 else statistics.median(ours.values())
        return (row.name, line.work, mine, '', '', '', wanted, verdict(line, judged)), None
    shown = f'{line.against}: {spread(theirs.values(), unit) if theirs else "–"}'
    columns = (shown, '') if line.role == 'floor' else ('', shown)
    if not theirs:
        unknown = 'not measured' if wanted else ''
        return (row.name, line.work, mine, *columns, '', wanted, unknown), samples.reason(row.name, line.against)
    if min(*ours.values(), *theirs.values()) <= 0:  # counts of what did not happen, lateness below zero: no ratio
        return (row.name, line.work, mine, *columns, '', wanted, ''), None
    ratio = statistics.median(ours.values()) / statistics.median(theirs.values())
    pairs = [ours[turn] / theirs[turn] for turn in ours if turn in theirs]
    within = f'{number(ratio)} ({number(min(pairs))}–{number(max(pairs))})' if len(pairs) > 1 else number(ratio)
    return (row.name, line.work, mine, *columns, within, wanted, verdict(line, ratio)), None


def table(rows, samples):
    """Return its lines, and behind them those that say what is missing."""
    body, missing = [HEAD], []
    previous = None
    for row in rows:
        for line in row.lines:
            shown, reason = cells(row, line, samples)
            if reason:
                who = line.against if shown[2] != '–' else line.ours
                missing.append(f'{row.name}: {who}: {reason}')
            if not line.work:
                shown = ('', '', '', *shown[3:])
            elif row.name == previous:
                shown = ('', *shown[1:])
            previous = row.name
            body.append(shown)
    widths = [max(len(cell) for cell in column) for column in zip(*body)]
    lines = ['  '.join(cell.ljust(width) for cell, width in zip(cell_row, widths)).rstrip() for cell_row in body]
    return lines + list(dict.fromkeys(missing))


# ---- the plot ------------------------------------------------------------------------------------------------

PANEL_COLUMNS, PANEL_WIDTH, PANEL_HEIGHT = 3, 480, 250
OURS_COLOUR, OTHERS_COLOUR, TARGET_COLOUR = '#1b6ca8', '#7a7a7a', '#c0392b'
LEGEND = 'o one round    | median    dashed: target'


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def step(span):
    """What lies between two marks of an axis of that length: 1, 2 or 5 times a power of ten, for four marks or more."""
    power = 10 ** math.floor(math.log10(span / 4))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= span / 4)


class Panel:
    """One measure: a line for each contender, with a dot for each round and a bar at the median."""

    def __init__(self, row, measure, samples):
        self.lines = [line for line in row.lines if line.measure == measure]
        self.title = f'{row.name}  {self.lines[0].work}'
        self.ours = {line.ours for line in self.lines}
        self.values, self.unit = {}, ''
        for contender in row.contenders:
            values, unit = samples.of(row.name, measure, contender.name)
            if values:
                self.values[contender.name], self.unit = list(values.values()), unit
        self.medians = {who: statistics.median(values) for who, values in self.values.items()}
        self.height = {who: len(self.values) - i for i, who in enumerate(self.values)}

    def says_something(self):
        return any(any(values) for values in self.values.values())

    def targets(self):
        """What ours is to stay below, or above."""
        for line in self.lines:
            if line.bound and line.ours in self.values and (not line.against or line.against in self.values):
                yield line.bound * self.medians.get(line.against, 1), line.ours

    def colour(self, who):
        return OURS_COLOUR if who in self.ours else OTHERS_COLOUR

    def axis(self, everything):
        """Return the unit to draw in, what to divide by, and gnuplot's words for the axis."""
        low, high = min(everything), max(everything)
        name, factor = scale_for(statistics.median(everything), self.unit)
        if low > 0 and high > 8 * low:
            return name, factor, ['set logscale x', 'set xtics autofreq nomirror',
                                  f'set xrange [{low / factor / 2}:{high / factor * 2}]']
        low, high = min(low * 1.2, 0) / factor, high / factor * 1.2
        marks = f'set xtics {step(high - low)} nomirror'
        return name, factor, ['unset logscale x', marks, f'set xrange [{low}:{high}]']

    def script(self):
        """What gnuplot has to be told."""
        targets = list(self.targets())
        everything = [value for values in self.values.values() for value in values] + [at for at, _ in targets]
        name, factor, text = self.axis(everything)
        text += [f'set title {quoted(self.title)}', f'set xlabel {quoted(name)}',
                 f'set yrange [0.4:{len(self.values) + 0.7}]',
                 'set ytics (' + ', '.join(f'{quoted(who)} {at}' for who, at in self.height.items()) + ') scale 0',
                 'unset arrow', 'unset label']
        for who, median in self.medians.items():
            at, colour = median / factor, quoted(self.colour(who))
            text += [f'set arrow from {at},{self.height[who] - 0.2} to {at},{self.height[who] + 0.2} nohead '
                     f'linecolor rgb {colour} linewidth 3',
                     f'set label {quoted(spread([median], self.unit))} at {at},{self.height[who] + 0.2} center '
                     f'offset 0,0.5 textcolor rgb {colour} font ",10"']
        for target, who in targets:
            at = target / factor
            text += [f'set arrow from {at},{self.height[who] - 0.4} to {at},{self.height[who] + 0.4} nohead '
                     f'dashtype 2 linecolor rgb {quoted(TARGET_COLOUR)} linewidth 2']
        text += ['plot "-" using 1:2:3 with points pointtype 6 pointsize 0.6 linecolor rgb variable notitle']
        for who, values in self.values.items():
            text += [f'{value / factor} {self.height[who]} {int(self.colour(who)[1:], 16)}' for value in values]
        return '\n'.join([*text, 'e'])


def plot(rows, samples, path):
    """Draw it.  Return: why it was not, or None."""
    gnuplot = shutil.which('gnuplot')
    if not gnuplot:
        return 'gnuplot is not installed (Debian: gnuplot-nox)'
    panels = [Panel(row, measure, samples) for row in rows
              for measure in dict.fromkeys(line.measure for line in row.lines)]
    panels = [panel for panel in panels if panel.says_something()]
    if not panels:
        return 'there is nothing to draw'
    columns = min(PANEL_COLUMNS, len(panels))
    height = -(-len(panels) // columns)
    script = [f'set terminal svg size {columns * PANEL_WIDTH},{height * PANEL_HEIGHT + 30} font "sans,12" '
              'background "white"', f'set output {quoted(path)}',
              f'set multiplot layout {height},{columns} title {quoted(LEGEND)}', 'set lmargin 20', 'set rmargin 3',
              'set tmargin 2.5', 'set bmargin 3.5', 'set grid xtics', 'set border 1', 'unset key',
              *(panel.script() for panel in panels), 'unset multiplot']
    done = subprocess.run([gnuplot], input='\n'.join(script) + '\n', text=True, capture_output=True)
    return f'gnuplot: {done.stderr.strip().splitlines()[-1]}' if done.returncode != 0 else None
