#!/usr/bin/python3
"""test_newcomer.py - what somebody sees who types `make run` for the first time, and the second.

Runs conf/run/start, as make does after the build, in a directory of its own.
"""

import os
import re
import signal
import subprocess
import sys

from graph import first_graph
from lab import TOP, control, main, test, wait_for
from process import Program

START = os.path.join(TOP, 'conf', 'run', 'start')
COUNT = iter(range(100))


class Run:
    """One `make run`."""

    def __init__(self, lab):
        self.lab = lab
        self.dir = lab.path('run')
        self.socket = os.path.join(self.dir, 'alertd', 'control.sock')
        self.program = lab.start(Program('start', self.argv('run'), lab.path(f'start{next(COUNT)}.log')))
        wait_for(self.ready, 90, 'ready:')

    def argv(self, verb):
        return ['/usr/bin/python3', START, '-d', self.dir, '-b', self.lab.build, verb]

    def ready(self):
        assert self.program.running(), self.program.said()
        return re.search(r'^ready: https://127\.0\.0\.1:(\d+)/  user (\S+)  password (\S+)$', self.program.said(), re.M)

    def switch(self, verb):
        return subprocess.run(self.argv(verb), check=True, capture_output=True, text=True).stdout

    def ctl(self, *args, status=0):
        r = subprocess.run([self.lab.program('linkctl'), *args], check=False, capture_output=True, text=True,
                           env={**os.environ, 'LINKWATCH_SOCKET': self.socket})
        assert r.returncode == status, f'linkctl {args}: status {r.returncode}\n{r.stdout}{r.stderr}'
        return r.stdout

    def ask(self, command, **args):
        return control.ask(self.socket, command, **args)

    def links(self):
        return {l['link']: l['state'] for l in self.ask('link.list')['links']}

    def incident(self, **match):
        return next((i for i in self.ask('incident.list', all=True)['incidents']
                     if all(i[k] == v for k, v in match.items())), None)

    def end(self):
        """Ctrl-C; nothing of it may be left."""
        self.program.send(signal.SIGINT)
        status = self.program.process.wait(30)
        self.lab.running.remove(self.program)
        assert status == 0, f'status {status}\n{self.program.said()}'
        assert not self.left(), self.left()

    def left(self):
        found = []
        for entry in filter(str.isdigit, os.listdir('/proc')):
            try:
                with open(f'/proc/{entry}/cmdline', 'rb') as f:
                    argv = f.read().decode('utf-8', 'replace')
            except OSError:
                continue
            if self.dir in argv:
                found.append(argv.replace('\0', ' '))
        return found


@test
def from_ready_to_closed(lab):
    run = Run(lab)
    wait_for(lambda: run.links() and set(run.links().values()) == {'up'}, 60, 'every link is up')
    assert {'service', 'collector', 'loopback', 'loopback6', 'device-lo', 'device-host'} <= set(run.links())
    wait_for(lambda: first_graph(run.dir, 'service'), 60, 'the first graph', step=1)
    second = subprocess.run(run.argv('run'), check=False, capture_output=True, text=True)
    assert second.returncode == 1 and 'already running' in second.stderr, second

    assert 'nobody answers' in run.switch('break')
    incident = wait_for(lambda: run.incident(link='service', state='open'), 60, 'an incident')
    number = str(incident['number'])
    wait_for(lambda: 'sms | ' in run.program.said() and '演示应用' in run.program.said(), 30, 'the SMS is shown')
    assert os.path.getsize(os.path.join(run.dir, 'outbox', 'mail.txt')) > 0
    run.ctl('incident', 'ack', number, '--note', '在修')
    assert 'answers again' in run.switch('mend')
    wait_for(lambda: run.incident(number=incident['number'], state='recovered'), 120, 'the incident is recovered')

    def close():
        try:
            run.ctl('incident', 'close', number, '--note', '好了', '--cause', '101', '--root-cause', '停了',
                    '--responsible', '自己', '--measure', '不再停', '--grade-final', '4')
            return True
        except AssertionError:
            return False
    wait_for(close, 90, 'the incident can be closed', step=1)
    assert run.incident(number=incident['number'], state='closed')

    # A program that is killed is reported and comes back.
    subprocess.run(['kill', '-9', str(agent_pid(run))], check=True)
    wait_for(lambda: 'agent: killed by SIGKILL' in run.program.said(), 10, 'the death is reported')
    wait_for(lambda: run.ask('status')['agents']['connected'] == 1 and agent_pid(run), 60, 'the agent is back')
    run.end()


def agent_pid(run):
    for entry in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{entry}/cmdline', 'rb') as f:
                argv = f.read().decode().split('\0')
        except OSError:
            continue
        if argv[0].endswith('linkwatch-agent') and any(a.startswith(run.dir) for a in argv):
            return int(entry)
    return None


@test
def second_time_goes_on(lab):
    """The same ports, password and incidents."""
    run = Run(lab)
    first = run.ready().groups()
    run.switch('break')
    incident = wait_for(lambda: run.incident(link='service', state='open'), 60, 'an incident')
    run.end()
    run = Run(lab)
    assert run.ready().groups() == first
    assert run.incident(number=incident['number']), 'the incident is forgotten'
    run.end()


@test
def taken_port_is_named(lab):
    run = Run(lab)
    port = int(run.ready()[1])
    run.end()
    import socket
    with socket.create_server(('127.0.0.1', port)):
        r = subprocess.run(run.argv('run'), check=False, capture_output=True, text=True, timeout=30)
    assert r.returncode == 1 and f'port {port}' in r.stderr, r
    assert not run.left()


@test
def nothing_to_break(lab):
    r = subprocess.run(['/usr/bin/python3', START, '-d', lab.path('elsewhere'), 'break'], check=False,
                       capture_output=True, text=True)
    assert r.returncode == 1 and 'nothing runs' in r.stderr, r


if __name__ == '__main__':
    sys.exit(main())
