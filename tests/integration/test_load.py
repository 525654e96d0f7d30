#!/usr/bin/python3
"""test_load.py - many agents at once: what a collector acknowledged, its journal holds, once.

linkwatch-loadgen is every agent here, and it is tested itself: what it takes for an error.
"""

import json
import os
import subprocess
import sys

from lab import Program, main, test, wait_for

import net

PORT = 4433


class Load:
    """One directory of a load, with a collector of its own."""

    def __init__(self, lab, name, **shape):
        self.lab = lab
        self.dir = lab.path(name)
        self.tool = lab.program('linkwatch-loadgen')
        self.call('prepare', port=PORT, **shape)
        self.collector = Program('collector', [lab.program('linkwatch-collector'), '-c',
                                               os.path.join(self.dir, 'collector.yaml')], lab.path(f'{name}.log'))

    def start(self):
        self.lab.start(self.collector)
        self.await_port()

    def await_port(self):
        wait_for(lambda: net.tcp_answers(PORT, '127.0.0.1'), 60, 'the collector listens')

    def argv(self, command, **options):
        argv = [self.tool, command, self.dir]
        for key, value in options.items():
            argv += [f'--{key.replace("_", "-")}'] + ([] if value is True else [str(value)])
        return argv

    def call(self, command, status=0, **options):
        """Runs it to its end; what it printed, as JSON if it is that."""
        done = subprocess.run(self.argv(command, **options), capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == status, f'{command}: status {done.returncode}: {done.stderr or done.stdout}'
        return json.loads(done.stdout) if done.stdout.startswith('{') else done.stdout + done.stderr

    def check(self):
        """The journal holds it all; how many batches."""
        said = self.call('check')
        assert said['batches'] >= said['acked'] > 0, said
        return said['batches']


@test
def acked_is_written_once(lab):
    """A backlog, two storms, bad neighbours, kill -9 in the middle, and a second run that goes on."""
    load = Load(lab, 'load', agents=12, links=20)
    load.start()
    with subprocess.Popen(load.argv('run', backlog='3m', live=True, control=True, bad=2, misbehave='forged',
                                    rate=4000), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        def said(event):
            for line in run.stdout:
                got = json.loads(line)
                if got.get('event') == event:
                    return got
            raise AssertionError(f'no {event}')

        def say(word):
            run.stdin.write(word + '\n')
            run.stdin.flush()

        try:
            said('up')
            say('storm')
            said('storm')
            load.collector.kill()
            load.collector.start()
            load.await_port()
            say('storm')                # those who wait for their turn need not
            said('storm')

            def more():
                say('stat')
                return said('stat')['samples_acked']
            before = more()
            wait_for(lambda: more() > before, 60, 'acks after the crash', step=0.2)
            say('stop')
            figures = json.loads(run.stdout.readlines()[-1])
            assert run.wait(60) == 0
        finally:
            run.kill()
    assert figures['samples_acked'] == figures['samples_sent'] > 0, figures
    assert figures['refusals'].keys() <= {'busy'} and figures['batches_refused'] == 0, figures
    assert figures['bad']['refusals'].get('link', 0) > 0, figures
    before = load.check()
    again = load.call('run', resume=True, agents=10, rate=20000)
    assert again['refusals'] == {} and again['samples_acked'] == again['samples_sent'] > 0, again
    assert load.check() > before
    # A check that cannot fail says nothing.
    path = os.path.join(load.dir, 'state.json')
    with open(path, encoding='utf-8') as f:
        state = json.load(f)
    state[3]['acked'] += 1
    state[3]['sent'] += 1
    with open(path, 'w', encoding='utf-8') as f:
        json.dump(state, f)
    assert load.call('check', status=1)['missing'] == 1
    state[4]['start_ns'] += 1_000_000_000
    with open(path, 'w', encoding='utf-8') as f:
        json.dump(state, f)
    assert load.call('check', status=1)['differing'] > 0


@test
def wrong_words(lab):
    """Each is told with its reason, and nothing is done."""
    load = Load(lab, 'words', agents=1, links=1)
    for options, status, text in (
            ({'agents': 0}, 2, 'from 1 to 20000'), ({'backlog': '5x'}, 2, 'duration'), ({'rate': '-1'}, 2, 'number'),
            ({'misbehave': 'nicely'}, 2, '--help lists them'), ({'bad': 1}, 2, 'go together'),
            ({'nonsense': 1}, 2, '--help'), ({'address': 'nowhere.test'}, 1, 'is no address')):
        said = load.call('run', status=status, **options)
        assert text in said, f'{options}: {said}'
    assert 'load.json' in subprocess.run([load.tool, 'run', lab.dir], capture_output=True, text=True, check=False).stderr
    assert 'do not fit' in load.call('prepare', status=1, batch=10000)
    assert 'step_ms' in load.call('prepare', status=1, step='10ms')
    assert 'misbehave' in subprocess.run([load.tool, '--help'], capture_output=True, text=True, check=True).stdout


if __name__ == '__main__':
    sys.exit(main())
