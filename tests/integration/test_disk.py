#!/usr/bin/python3
"""test_disk.py - a full disk, a locked database, a damaged file."""

import os
import sqlite3
import subprocess
import sys
import time

from lab import Stack, assert_whole, main, sh, test, wait_for


def road(lab, name):
    lab.start_impair('10.200.0.0/16 delay=5ms')
    stack = Stack(lab, name)
    for i in (1, 2, 3):
        stack.link(f'link{i}', 'icmp', f'10.200.1.{i}', count=20, timeout='400ms')
    return stack


def small_disk(path, size):
    os.makedirs(path)
    sh('mount', '-t', 'tmpfs', '-o', f'size={size}', 'tmpfs', path)


def fill(path):
    """Writes until nothing goes in any more."""
    with open(os.path.join(path, 'filler'), 'wb', buffering=0) as f:
        block = b'x' * 4096
        try:
            while True:
                f.write(block)
        except OSError:
            return f.name


@test
def full_disk_of_the_collector(lab):
    """It stops to acknowledge and says so; agents keep the data; then all of it arrives."""
    stack = road(lab, 'full')
    small_disk(stack.path('collector', 'state'), '24m')
    stack.start()
    wait_for(stack.samples, 20, 'samples')
    filler = fill(stack.path('collector', 'state'))
    wait_for(lambda: 'space' in stack.collector.said().lower(), 60, 'the collector says that its disk is full')
    full = time.time_ns()
    wait_for(lambda: time.time_ns() > full + 5_000_000_000 and stack.collector.running(), 10, 'five seconds pass')
    os.unlink(filler)
    wait_for(lambda: [s for s in stack.samples() if s['start_ns'] > full + 4_000_000_000], 60,
             'samples after space came back', step=0.5)
    stack.await_agent(timeout=60)
    assert_whole(stack.dump())
    stack.stop()


@test
def full_disk_of_the_agent(lab):
    """It goes on measuring out of memory, and nothing is lost in the short run."""
    stack = road(lab, 'spool')
    small_disk(stack.path('a1', 'state'), '8m')
    stack.start()
    wait_for(stack.samples, 20, 'samples')
    filler = fill(stack.path('a1', 'state'))
    wait_for(lambda: 'space' in stack.agents['a1'].said().lower(), 60, 'the agent says that its disk is full')
    os.unlink(filler)
    mended = time.time_ns()
    wait_for(lambda: [s for s in stack.samples() if s['start_ns'] > mended], 60, 'samples again', step=0.5)
    assert_whole(stack.dump())
    stack.stop()


@test
def locked_database(lab):
    """Somebody else holds alertd's database: it waits, and tells what happened meanwhile."""
    stack = road(lab, 'locked')
    stack.start()
    stack.await_state('link1', 'up')
    path = next(os.path.join(base, n) for base, _, names in os.walk(stack.path('alertd', 'state'))
                for n in names if n.endswith('.db'))
    # Another process, since file locks are per process.
    holder = subprocess.Popen([sys.executable, '-c', f'''
import sqlite3, sys
db = sqlite3.connect({path!r}, isolation_level=None, timeout=20)
db.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
'''], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        line = holder.stdout.readline()
        assert line == b'held\n', f'the database could not be locked: {line}'
        lab.road('set 10.200.1.1 down=1')
        wait_for(lambda: 'locked' in stack.alertd.said() or 'busy' in stack.alertd.said(), 60,
                 'alertd says that its database is locked')
        assert stack.alertd.running()
    finally:
        holder.communicate()
    incident = stack.await_incident(link='link1', kind='down', timeout=60)
    wait_for(lambda: any('link1' in t for t in stack.outbox()), 20, 'the SMS')
    db = sqlite3.connect(f'file:{path}?mode=ro', uri=True)
    assert db.execute('PRAGMA integrity_check').fetchone() == ('ok',)
    assert incident['number'] == 1, incident
    stack.stop()


@test
def damaged_rrd_file(lab):
    """Garbage, an empty file and a truncated one are put aside and made anew; nobody dies."""
    stack = road(lab, 'rrd')
    stack.collector_conf['store'] = {'age': '1s'}
    stack.start()
    files = [stack.path('collector', 'state', 'rrd', 'a1', f'link{i}.rrd') for i in (1, 2, 3)]
    wait_for(lambda: all(os.path.exists(f) for f in files), 30, 'RRD files')
    stack.collector.stop()
    with open(files[0], 'r+b') as f:
        f.write(os.urandom(4096))
    with open(files[1], 'wb'):
        pass
    os.truncate(files[2], 300)
    stack.restart(stack.collector)
    for f in files:
        wait_for(lambda f=f: readable(f), 60, f'{f} is whole again')
    assert stack.collector.running()
    stack.stop()


def readable(path):
    """Is there a file with the head and the size of an RRD?"""
    try:
        with open(path, 'rb') as f:
            return f.read(4) == b'RRD\0' and os.path.getsize(path) > 10000
    except FileNotFoundError:
        return False


if __name__ == '__main__':
    sys.exit(main())
