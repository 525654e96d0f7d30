#!/usr/bin/python3
"""run.py - `make bench-agent`, `make bench-collector`: every figure beside its peers' and the bare limits'.

Runs the row programs of one set one after the other, prints one table and writes the rows to
BUILD/bench/SET.json.  A figure that is missed fails nothing; a row that could not be
measured makes the status 1.  --quick looks for three minutes (agent) or nine (collector), the
whole takes up to fifteen or twenty-five.

A row program takes --build BUILD [--quick] and prints rows, one JSON object on a line:
row, ours, peer, peer_name, limit, limit_name, ratio, reach, reached, unit, note (bench.row()).
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import unicodedata

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
#          program       seconds at most: whole, quick; does it run beside those that follow?
SETS = {
    'agent': (('emulator.py', 120, 40, False), ('icmp.py', 500, 120, False), ('footprint.py', 240, 90, False),
              ('loss.py', 380, 60, True), ('tcp.py', 150, 40, False), ('snmp.py', 150, 40, False),
              ('spool.py', 180, 90, False)),
    'collector': (('ingest.py', 540, 240, False), ('rrd.py', 200, 60, False), ('durable.py', 480, 90, False),
                  ('graph.py', 120, 40, False), ('page.py', 180, 100, False)),
}
TOTAL_S = {'agent': 900, 'collector': 1500}     # nothing runs longer than this in all
TOTAL_QUICK_S = {'agent': 240, 'collector': 540}
COLUMNS = ('row', 'ours', 'peer', 'limit', 'ratio', 'reach', 'reached')
WHOLE = ('spool.py', )                  # these know no --quick
OURS = ('icmp.py', 'footprint.py', 'loss.py')      # these take --ours


def number(value):
    """Three digits, or all of a large one."""
    if value is None:
        return '-'
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f'{value:,.0f}' if abs(value) >= 1000 else f'{value:.3g}'
    return str(value)


def cells(row):
    """What the table shows of a row."""
    peer, limit = number(row.get('peer')), number(row.get('limit'))
    if row.get('peer_name'):
        peer = f'{row["peer_name"]} {peer}'
        if row.get('peer') is None:
            missing = f'{row["peer_name"]} is not installed' in row.get('note', '')
            peer = f'{row["peer_name"]}: {"peer not installed" if missing else "not measured"}'
    reached = 'not measured' if row.get('ours') is None else 'reached' if row.get('reached') else 'NOT reached'
    unit = f' [{row["unit"]}]' if row.get('unit') else ''
    return (row['row'] + unit, number(row.get('ours')), peer, limit, number(row.get('ratio')),
            number(row.get('reach')), reached)


def width(text):
    return sum(2 if unicodedata.east_asian_width(c) in 'WF' else 1 for c in text)


def print_table(rows):
    lines = [COLUMNS, *map(cells, rows)]
    widths = [max(width(l[i]) for l in lines) for i in range(len(COLUMNS))]
    for n, line in enumerate(lines):
        print('  '.join(c + ' ' * (w - width(c)) for c, w in zip(line, widths)).rstrip())
        if n == 0:
            print('  '.join('-' * w for w in widths))
    print()
    for r in rows:
        said = [f'limit: {r["limit_name"]}'] if r.get('limit_name') else []
        said += [r['note']] if r.get('note') else []
        if said:
            print(f'  {r["row"]}: {"; ".join(said)}')


def read_rows(program, out):
    """The rows in what a program printed; other lines are passed on."""
    rows = []
    for line in out.splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if isinstance(said, dict) and 'row' in said:
            rows.append(said)
        else:
            print(f'{program}: {line}')
    return rows


class RowProgram:
    """One program of rows: started, then waited for."""

    def __init__(self, name, limit_s, args):
        self.name, self.limit_s = name, limit_s
        self.begin = time.monotonic()
        self.rows, self.fault = [], ''
        argv = [sys.executable, os.path.join(HERE, name), '--build', args.build]
        argv += ['--quick'] if args.quick and name not in WHOLE else []
        argv += ['--ours', args.ours] if args.ours and name in OURS else []
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def wait(self):
        """Waits for its end, at most as long as it may take, and reads its rows."""
        p = self.process
        try:
            out, err = p.communicate(timeout=max(1, self.begin + self.limit_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.fault = f'not done within {self.limit_s:.0f} s'
            out, err = self.stop()
        self.rows = read_rows(self.name, out)
        missed = p.returncode == 1 and not all(r.get('reached', True) for r in self.rows)
        if not self.fault and p.returncode != 0 and (not missed or 'Traceback' in err):
            self.fault = f'status {p.returncode}: ' + (err.strip().splitlines() or ['said nothing'])[-1]
        if not self.fault and not self.rows:
            self.fault = 'no rows'
        print(f'bench: {self.name}: {len(self.rows)} rows in {time.monotonic() - self.begin:.0f} s'
              + (f', {self.fault}' if self.fault else ''), flush=True)

    def stop(self):
        """Ends it (it ends what it has started); what it had printed."""
        self.process.terminate()
        try:
            return self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.communicate()


def run_all(args):
    """Runs every program that there is; they, waited for."""
    end = time.monotonic() + (TOTAL_QUICK_S if args.quick else TOTAL_S)[args.set]
    done, beside = [], []
    try:
        for name, whole_s, quick_s, is_beside in SETS[args.set]:
            if not os.path.exists(os.path.join(HERE, name)) or (args.programs and name not in args.programs):
                continue
            limit_s = min(quick_s if args.quick else whole_s, end - time.monotonic())
            done.append(RowProgram(name, limit_s, args))
            if is_beside:
                beside.append(done[-1])
            else:
                done[-1].wait()
        for program in beside:
            program.wait()
    finally:
        for program in done:
            if program.process.returncode is None:
                program.stop()
    return done


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    p.add_argument('--set', choices=SETS, default='agent', help='whose figures')
    p.add_argument('-b', '--build', default=os.path.join(TOP, 'build'))
    p.add_argument('--quick', action='store_true', help='three minutes, for a look')
    p.add_argument('--ours', help='a command with the options of `linkwatch-agent probe icmp`, to measure that')
    p.add_argument('programs', nargs='*', help='only these row programs, such as icmp.py')
    args = p.parse_args()
    if os.geteuid() != 0:
        print('bench: root is needed, for network namespaces', file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begin = time.monotonic()
    programs = run_all(args)
    rows = [r for p in programs for r in p.rows]
    failed = [f'{p.name}: {p.fault}' for p in programs if p.fault]
    os.makedirs(os.path.join(args.build, 'bench'), exist_ok=True)
    with open(os.path.join(args.build, 'bench', f'{args.set}.json'), 'w', encoding='utf-8') as f:
        json.dump(rows, f, ensure_ascii=False, indent=1)
    print()
    print_table(rows)
    failed += [f'{r["row"]}: not measured' for r in rows if r.get('ours') is None]
    reached = sum(bool(r.get('reached')) for r in rows)
    print(f'\n{reached} of {len(rows)} figures reached, {len(failed)} not measured, '
          f'{time.monotonic() - begin:.0f} s')
    for fault in failed:
        print(f'bench: {fault}', file=sys.stderr)
    return 1 if failed or not rows else 0


if __name__ == '__main__':
    sys.exit(main())
