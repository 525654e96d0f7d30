#!/usr/bin/python3
"""test_journal.py - the journal as evidence: read by its manual, forged, exported and followed.

A real collector is fed by linkwatch-loadgen (samples in short) and by loaders that write
columns; tests/tools/journal_read.py, which knows linkwatch-journal(5) only, says what the
tools must say.
"""

import argparse
import csv
import hashlib
import io
import itertools
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import traceback

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'power'))

import power                                                            # noqa: E402
from journal_read import (BATCH, COLLECTOR, RECORD_HEADER, SEGMENT_HEADER, Damage, Stored, crc32c,  # noqa: E402
                          cursor, fields, records, segments, text, tip)
from process import Program, tail, wait_for                             # noqa: E402

CAUSES = {1: 'timeout'}
SEGMENT = 65536


class Site:
    """A collector with a small journal, fed by linkwatch-loadgen."""

    def __init__(self, build, directory):
        self.build, self.dir = build, directory
        self.port = power.net.free_port()
        self.loadgen('prepare', '--agents', '2', '--links', '5', '--rtts', '4', '--port', str(self.port))
        self.conf = os.path.join(directory, 'collector.yaml')
        self.journal = os.path.join(directory, 'collector', 'journal')
        self.collector = Program('collector', [os.path.join(build, 'linkwatch-collector'), '-c', self.conf],
                                 os.path.join(directory, 'log'))
        self.configure(segment=SEGMENT)

    def configure(self, **journal):
        with open(self.conf, encoding='utf-8') as f:
            conf = json.load(f)
        conf['journal'] = {**conf.get('journal', {}), **journal}
        conf['ingest'] = {'window': 16}         # small groups: a segment is not much longer than it has to be
        with open(self.conf, 'w', encoding='utf-8') as f:
            json.dump(conf, f)

    def loadgen(self, command, *args):
        subprocess.run([os.path.join(self.build, 'linkwatch-loadgen'), command, self.dir, *args], check=True,
                       capture_output=True, timeout=120)

    def start(self):
        self.collector.start()
        wait_for(lambda: power.net.tcp_answers(self.port) or not self.collector.running(), 60, 'the collector listens')
        assert self.collector.running(), tail(self.collector.log)

    def command(self, *args, journal=None):
        """The argv of a tool, on the collector's journal or another."""
        return [os.path.join(self.build, 'linkwatch-collector'), '-c', self.conf, *args,
                *(('--journal', journal) if journal else ())]

    def tool(self, *args, journal=None, status=0):
        r = subprocess.run(self.command('journal', *args, journal=journal), check=False, capture_output=True, text=True)
        assert r.returncode == status, f'{args}: {r.returncode}, not {status}: {r.stdout[-500:]}{r.stderr[-500:]}'
        return r.stdout + r.stderr

    def tail(self, *args, journal=None, **how):
        """`tail` running, its output in a file."""
        return Tail(self, args, journal, how)


class Tail:
    def __init__(self, site, args, journal, how):
        self.path = os.path.join(site.dir, f'tail.{time.monotonic_ns()}')
        with open(self.path, 'wb') as out:
            self.process = subprocess.Popen(site.command('tail', *args, journal=journal), stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=out, **how)

    def said(self):
        with open(self.path, encoding='utf-8') as f:
            return f.read()

    def end(self):
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        self.process.send_signal(signal.SIGCONT)
        return self.process.wait(20)


# ------------------------------------------------------------------- decoding


def decoded(journal):
    """Samples by (agent, link, start), from the manual alone."""
    out = {}
    for r in records(journal):
        if r.kind == BATCH:
            b = Stored(r)
            for s in b.samples():
                s['agent'], s['received_ns'] = b.agent, b.received_ns
                s['causes'] = {CAUSES[c]: n for c, n in s['causes'].items()}
                out[(b.agent, s['link'], s['start_ns'])] = s
    return out


def manual_is_enough(site):
    """What the manual's reader decodes is what export writes, in both forms."""
    site.start()
    site.loadgen('run', '--backlog', '20m')
    site.collector.stop()
    site.old = Copy(site, 'old')        # nobody will ever write it
    ours = decoded(site.journal)
    assert len(ours) > 10000 and len(segments(site.journal)) > 3, (len(ours), segments(site.journal))
    rows = [json.loads(l) for l in site.tool('export', '--link', 'all', '--format', 'json').splitlines()]
    assert len(rows) == len(ours)
    for row in rows:
        s = ours[(row['agent'], row['link'], row['start_ns'])]
        assert row['rtt_ns'] == s['rtt_ns'] and row['replies'] == len(s['rtt_ns']), (row, s)
        assert row['causes'] == s['causes'] and row['flags'] == [] and s['flags'] == 0, (row, s)
        for name in ('sent', 'step_ms', 'received_ns'):
            assert row[name] == s[name], (name, row, s)
    lines = list(csv.DictReader(io.StringIO(site.tool('export', '--link', 'all'))))
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows):
        assert line['agent'] == row['agent'] and line['start'] == row['start'], (line, row)
        assert [int(r) for r in line['rtt_ns'].split()] == row['rtt_ns'], (line, row)
        assert line['causes'] == ' '.join(f'{c}={n}' for c, n in row['causes'].items())
    said = site.tool('stat')
    last = list(records(site.journal))[-1]
    assert tip(site.journal)[0] == last.seq + 1
    assert f'head {last.hash.hex()}@{last.seq}' in said, said
    assert f'reader store            next {cursor(site.journal, "store")}' in said, said
    one = rows[len(rows) // 2]
    picked = site.tool('export', '--format', 'json', '--link', f'{one["agent"]}/{one["link"]}', '--from', one['start'],
                       '--to', str(one['start_ns'] // 10**9 + 2)).splitlines()
    assert 1 <= len(picked) <= 3 and json.loads(picked[0]) == one, picked


# -------------------------------------------------------------------- forging


class Copy:
    """A copy of a journal, to be changed."""

    def __init__(self, site, name='copy'):
        self.site, self.dir = site, os.path.join(site.dir, name)
        shutil.rmtree(self.dir, ignore_errors=True)
        shutil.copytree(site.journal, self.dir)
        self.names = segments(self.dir)
        self.records = list(records(self.dir, crc=False))

    def path(self, name):
        return os.path.join(self.dir, name)

    def read(self, name):
        with open(self.path(name), 'rb') as f:
            return f.read()

    def write(self, name, data):
        with open(self.path(name), 'wb') as f:
            f.write(data)

    def drop(self, *names):
        for n in names:
            os.unlink(self.path(n))

    def raw(self, r):
        """The bytes of a record, with its header."""
        return self.read(r.file)[r.offset:r.offset + RECORD_HEADER + len(r.data)]

    def splice(self, r, old, new):
        """Other bytes in the place of those that begin with record r."""
        data = self.read(r.file)
        assert data[r.offset:r.offset + len(old)] == old
        self.write(r.file, data[:r.offset] + new + data[r.offset + len(old):])

    def forge(self, change, keep=None):
        """What somebody with time and the sources does: change(record) gives other data (None: leaves the
        record out), and all checksums, hashes, numbers and the tip are computed anew."""
        previous, seq, at = bytes(32), 1, 0
        for name in self.names:
            self.drop(name)
        for name in self.names:
            mine = [r for r in self.records if r.file == name][:keep]
            fresh = f'{seq:020d}.seg'
            head = b'LWJRNL01' + struct.pack('<Q', seq) + previous + struct.pack('<qI', mine[0].wall_ns, 0)
            seed = crc32c(head)
            out = head + struct.pack('<I', seed)
            for r in mine:
                data = change(r)
                if data is None:
                    continue
                fixed = struct.pack('<IHHQqQ', len(data), r.kind, 0, seq, r.wall_ns, min(r.durable, seq))
                previous = hashlib.sha256(previous + fixed + data).digest()
                tail_bytes = previous + struct.pack('<I', crc32c(data, seed))
                out += b'LWRC' + struct.pack('<I', crc32c(fixed + tail_bytes, seed)) + fixed + tail_bytes + data
                seq += 1
            self.write(fresh, out)
            at = len(out)
        end = b'LWTIP001' + struct.pack('<3QI', seq, int(fresh[:20]), at, 0)
        self.write('tip', end + struct.pack('<I', crc32c(end)))

    def found(self, *parts, heads=()):
        """verify says that it is damaged, and where; so does the reader of the manual, if it can know."""
        said = self.site.tool('verify', *(w for h in heads for w in ('--head', h)), journal=self.dir, status=3)
        for p in parts:
            assert p in said, f'{p!r} is not in {said}'


def every_forgery_is_found(site):
    """Edited, dropped, inserted, moved; segments gone or swapped; a tail replaced."""
    c = Copy(site)
    count = len(c.names)
    assert count >= 4, c.names
    r, last = c.records[len(c.records) // 3], c.records[-1]
    where = f'{r.file}, offset {r.offset}: record {r.seq}'
    for at in (0, 5, 9, 13, 15, 17, 25, 33, 41, 73, RECORD_HEADER, RECORD_HEADER + len(r.data) - 1):
        c = Copy(site)                          # each field of the header, and the data
        raw = c.raw(r)
        c.splice(r, raw, raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1:])
        c.found(where)
        try:
            list(records(c.dir))
            raise AssertionError(f'the reader of the manual has not seen byte {at}')
        except Damage as e:
            assert (e.file, e.offset, e.seq) == (r.file, r.offset, r.seq), e
    following = c.records[r.seq]
    assert following.seq == r.seq + 1 and following.file == r.file
    c = Copy(site)
    c.splice(r, c.raw(r), b'')                  # dropped
    c.found(f'{r.file}, offset {r.offset}: record {r.seq + 1} stands where {r.seq} should')
    c = Copy(site)
    c.splice(r, c.raw(r), c.raw(r) * 2)         # put in twice
    c.found(f'record {r.seq} stands where {r.seq + 1} should')
    c = Copy(site)
    pair = c.raw(r) + c.raw(following)
    c.splice(r, pair, c.raw(following) + c.raw(r))      # moved
    c.found(f'{r.file}, offset {r.offset}: record {r.seq + 1} stands where {r.seq} should')
    c = Copy(site)
    c.drop(c.names[1])                          # a segment in the middle
    c.found(f'{c.names[2]}, offset 0: the segment begins with record {int(c.names[2][:20])}')
    c = Copy(site)
    c.drop(c.names[0])                          # the first
    c.found(f'{c.names[1]}, offset 0: records 1 to {int(c.names[1][:20]) - 1} are gone')
    c = Copy(site)
    c.drop(c.names[-1])                         # the last: the tip knows of it
    c.found('was published')
    c = Copy(site)
    c.drop(c.names[-1], 'tip')                  # and without a tip a reader does
    line = f'next {last.seq}'
    c.write('cursor.store', f'{line} crc {crc32c(line.encode()):08x}\n'.encode())
    c.found('cursor.store says')
    c = Copy(site)
    a, b = c.read(c.names[0]), c.read(c.names[1])
    c.write(c.names[0], b)
    c.write(c.names[1], a)                      # swapped
    c.found(f'{c.names[0]}, offset 0: the header of the segment of record 1 is damaged')
    c = Copy(site)
    c.write(c.names[-1], c.read(c.names[-1])[:last.offset])     # the tail cut off
    c.found(f'the journal ends with record {last.seq - 1}, {last.seq} was published')
    for name in c.names:                        # a segment's header
        c = Copy(site)
        c.write(name, b'\0' * SEGMENT_HEADER + c.read(name)[SEGMENT_HEADER:])
        c.found(f'{name}, offset 0: ')


def rewritten_past_needs_a_head(site):
    """Who computes all hashes anew is found by a head that was written down, and only by it."""
    c = Copy(site)
    r, last = c.records[len(c.records) // 2], c.records[-1]
    known, early = f'{last.hash.hex()}@{last.seq}', f'{c.records[4].hash.hex()[:16]}@5'

    def edit(record):
        return bytes(reversed(record.data)) if record.seq == r.seq else record.data
    c.forge(edit)
    said = site.tool('verify', journal=c.dir)
    assert 'are sound and chained' in said
    c.found(f'record {last.seq} has the hash', heads=(known,))
    c.found(f'record {last.seq} has the hash', heads=(early, known))
    assert 'are sound' in site.tool('verify', '--head', early, journal=c.dir)      # before the change
    c = Copy(site)
    c.forge(lambda record: None if record.seq == r.seq else record.data)           # one left out: all are shorter
    for name in os.listdir(c.dir):
        if name.startswith('cursor.'):
            c.drop(name)
    assert 'are sound' in site.tool('verify', journal=c.dir)
    c.found(f'the journal ends with record {last.seq - 1}, but the head of {last.seq} is known', heads=(known,))
    assert f'head {last.hash.hex()}@{last.seq}' in site.collector.said(), 'the log has the head'


# ------------------------------------------------------------------ while it runs


def tools_beside_a_writer(site):
    """verify, export and stat never take what is being written for damage."""
    site.start()
    writer = subprocess.Popen([os.path.join(site.build, 'linkwatch-loadgen'), 'run', site.dir, '--resume', '--live',
                               '--rate', '3000'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ends = set()
        until = time.monotonic() + 60
        for i in itertools.count():
            if i >= 12 and len(ends) > 1 or time.monotonic() > until:
                break
            said = site.tool('verify')
            ends.add(said.rpartition('@')[2])
            if i % 4 == 0:
                site.tool('stat', '--types')
                site.tool('export', '--link', 'all', '--format', 'json', '--from', '-1m')
        assert len(ends) > 1, 'nothing was written meanwhile'
    finally:
        writer.send_signal(signal.SIGINT)
        writer.wait(60)


def tail_follows(site):
    """Several at once; each new sample within a second of its record; only what was picked."""
    tails = [site.tail('--json'), site.tail('--link', 'a1/l1', '--json'), site.tail('--agent', first_agent(site)),
             site.tail(env={**os.environ, 'LC_ALL': 'zh_CN.UTF-8'})]
    try:
        wait_for(lambda: all(t.process.poll() is None for t in tails) and 'link' in tails[2].said() and
                 '链路' in tails[3].said(), 30, 'they have begun')
        time.sleep(0.5)                 # one without a heading may still be starting: nothing tells
        writer = subprocess.Popen([os.path.join(site.build, 'linkwatch-loadgen'), 'run', site.dir, '--resume',
                                   '--live', '--rate', '100'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            delays = wait_for(lambda: lags(tails[0]), 30, 'samples are shown')
            wait_for(lambda: first_agent(site) in tails[2].said() and tails[3].said().count('\n') > 3, 30, 'columns')
            assert min(delays) < 1.0, delays
        finally:
            writer.send_signal(signal.SIGINT)
            writer.wait(60)
        assert '已连接' in tails[3].said()
        for t in tails:
            assert t.process.poll() is None, t.said()
    finally:
        for t in tails:
            status = t.end()
            assert status == -signal.SIGINT, status


def first_agent(site):
    with open(os.path.join(site.dir, 'links.yaml'), encoding='utf-8') as f:
        return json.load(f)['agents'][0]['id']


def lags(t):
    """Seconds between the record of each sample that is shown and now; [] before there is one."""
    now = time.time()
    rows = [json.loads(l) for l in t.said().splitlines(keepends=True) if l.startswith('{') and l.endswith('\n')]
    return [now - r['received_ns'] / 1e9 for r in rows if r['type'] == 'sample']


def tail_survives(site):
    """A restart of the collector, and retention that takes what it has not read."""
    t = site.tail('--json')
    try:
        wait_for(lambda: open_tip(t), 30, 'it reads')
        feed(site, '20s')
        wait_for(lambda: lags(t), 30, 'samples are shown')
        t.process.send_signal(signal.SIGSTOP)
        shown = len(lags(t))
        feed(site, '2h')                # far more than a mebibyte
        site.collector.stop()
        before = segments(site.journal)
        site.configure(max_bytes='1M', reader_share='0%')
        site.start()
        wait_for(lambda: segments(site.journal)[0] > before[0], 60, 'retention has taken the oldest')
        assert 'are sound' in site.tool('verify')
        purged = [r for r in records(site.journal, crc=False) if r.kind == COLLECTOR and
                  text(fields(r.data), 2) == 'purged']
        assert text(fields(purged[-1].data), 3) == f'before={int(segments(site.journal)[0][:20])}', 'it says so'
        t.process.send_signal(signal.SIGCONT)
        wait_for(lambda: 'was taken by retention' in t.said(), 30, 'it says what it has missed')
        feed(site, '20s')
        wait_for(lambda: len(lags(t)) > shown, 30, 'it goes on')
    finally:
        t.end()
    c = Copy(site)
    c.drop(c.names[0])
    c.found(f'{c.names[1]}, offset 0: records', 'are gone, and the journal does not say that retention took them')


def feed(site, backlog):
    """New samples of the time before now, in batches of another boot."""
    site.loadgen('run', '--backlog', backlog)


def open_tip(t):
    """Has the process opened the journal's tip?"""
    fds = f'/proc/{t.process.pid}/fd'
    return any(os.readlink(os.path.join(fds, f)).endswith('/tip') for f in os.listdir(fds))


def tail_ends_and_tells(site):
    """Ends with its output; needs no root; tells a silent ingest, at once if it has long been so."""
    site.collector.stop()
    os.chmod(site.dir, 0o755)
    c = site.old
    for base, dirs, files in os.walk(c.dir):
        for n in (*dirs, *files):
            os.chmod(os.path.join(base, n), 0o644)
    os.chmod(c.dir, 0o755)
    copy = subprocess.run(site.command('journal', 'verify', journal=c.dir), check=False, capture_output=True, text=True,
                          user=65534, group=65534, extra_groups=[])
    assert copy.returncode == 0, copy
    t = site.tail('--agent', first_agent(site), journal=c.dir, user=65534, group=65534, extra_groups=[])
    try:
        wait_for(lambda: 'ingest has written nothing for' in t.said(), 40, 'silence is told')
    finally:
        t.end()
    with subprocess.Popen(site.command('tail', journal=c.dir), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as p:
        p.stdout.readline()
        p.stdout.close()                # nothing is written any more: it sees that nobody reads
        assert p.wait(20) == 1
    for b in (('tail', '--link', 'x'), ('tail', '--agent', '../x'), ('tail', 'x')):
        assert subprocess.run(site.command(*b), check=False, capture_output=True).returncode == 2, b
    os.chmod(os.path.join(c.dir, 'tip'), 0)
    shut = subprocess.run(site.command('tail', journal=c.dir), check=False, capture_output=True, text=True, timeout=20,
                          user=65534, group=65534, extra_groups=[])
    assert shut.returncode == 1 and 'Permission denied' in shut.stderr, shut


TESTS = (manual_is_enough, every_forgery_is_found, rewritten_past_needs_a_head, tools_beside_a_writer, tail_follows,
         tail_survives, tail_ends_and_tells)


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    p.add_argument('-b', '--build', default=os.path.join(power.TOP, 'build'))
    args = p.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = power.scratch()
    failed = 0
    site = Site(os.path.abspath(args.build), directory)
    try:
        for test in TESTS:
            begin = time.monotonic()
            try:
                test(site)
                print(f'ok   {test.__name__} ({time.monotonic() - begin:.1f} s)', flush=True)
            except Exception:           # pylint: disable=broad-except
                failed += 1
                print(f'FAIL {test.__name__}\n{traceback.format_exc()}{tail(site.collector.log, 10)}', flush=True)
    finally:
        if site.collector.process is not None:
            site.collector.stop()
        shutil.rmtree(directory, ignore_errors=True)
    print(f'{len(TESTS) - failed} passed, {failed} failed')
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
