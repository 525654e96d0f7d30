"""lab.py - a supervisor's host, a vendor's host and a broken road between them.

A test file makes one Lab, which puts the process into namespaces of its own
(network and mounts), so that ports, routes and file systems are private and vanish
with it:

    this process ("sup"): collector, alertd, gateways      10.99.0.1 --+
    "host": the agent; behind impair, on "road",           10.99.0.2 --+ veth
            10.200.0.0/16 and fd00:200::/64

Test functions are marked with @test and run one after the other; main() prints a
line for each and "N passed, N failed".  Nothing sleeps: wait_for() waits for what it names.
"""

import argparse
import atexit
import csv
import ctypes
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, 'conf', 'run'))

import control                                                          # noqa: E402
import net                                                              # noqa: E402
from process import Program, tail, wait_for                             # noqa: E402

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

SUP, HOST = '10.99.0.1', '10.99.0.2'
INGEST, WEB, SNMP = 4433, 8443, 1161


def sh(*argv, **kwargs):
    """Runs a command that must succeed; its output."""
    return subprocess.run(argv, check=True, capture_output=True, text=True, **kwargs).stdout


def _check(rc, what):
    if rc != 0:
        raise OSError(ctypes.get_errno(), what)


def seconds(ns):
    return ns / 1e9


class Lab:
    """The namespaces and the directory of one test file."""

    def __init__(self, build):
        self.build = os.path.abspath(build)
        self.dir = tempfile.mkdtemp(prefix='linkwatch-lab.')
        os.chmod(self.dir, 0o755)
        self.host = f'lw{os.getpid()}'
        self.running = []               # to be stopped, last started first
        self.impair = None
        atexit.register(self.close)
        self._enter()

    def _enter(self):
        _check(_libc.unshare(CLONE_NEWNET | CLONE_NEWNS), 'unshare')
        sh('mount', '--make-rprivate', '/')
        sh('ip', 'link', 'set', 'lo', 'up')
        sh('ip', 'netns', 'add', self.host)
        sh('ip', 'link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'up1', 'netns', self.host)
        sh('ip', 'addr', 'add', f'{SUP}/24', 'dev', 'up0')
        sh('ip', 'link', 'set', 'up0', 'up')
        for args in (('link', 'set', 'lo', 'up'), ('addr', 'add', f'{HOST}/24', 'dev', 'up1'),
                     ('link', 'set', 'up1', 'up')):
            sh('ip', '-n', self.host, *args)

    def on_host(self, *argv):
        """argv, to be run on the vendor's host."""
        return ['ip', 'netns', 'exec', self.host, *argv]

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def program(self, name):
        return os.path.join(self.build, name)

    def start(self, server):
        """Starts a Program or server and remembers to stop it."""
        server.start()
        self.running.append(server)
        return server

    def stop(self, server):
        self.running.remove(server)
        return server.stop()

    def close(self):
        for server in reversed(self.running):
            try:
                server.stop()
            except (OSError, subprocess.SubprocessError):
                traceback.print_exc()
        self.running = []
        subprocess.run(['ip', 'netns', 'del', self.host], check=False, capture_output=True)
        if os.environ.get('KEEP') is None:
            shutil.rmtree(self.dir, ignore_errors=True)
        else:
            print(f'kept: {self.dir}')

    def pki(self, directory, *args, **env):
        sh(os.path.join(TOP, 'conf', 'pki.sh'), directory, *args, env={**os.environ, **env})

    # ------------------------------------------------------------ the road

    def start_impair(self, *rules):
        """Puts 10.200.0.0/16 and fd00:200::/64 behind the emulator on the vendor's host."""
        self.impair = Program('impair', [
            self.program('tests/impair/impair'), 'run', '-a', f'road@{self.host}',
            '-A', '10.200.0.1/16,fd00:200::1/64', '-s', self.path('impair.sock'), '-l', self.path('impair.log'),
            *rules], self.path('impair.out'))
        self.start(self.impair)
        wait_for(lambda: 'ready' in self.impair.said(), 5, 'impair is ready')

    def road(self, command):
        """One command to the emulator, such as "set 10.200.1.1 down=1"."""
        return sh(self.program('tests/impair/impair'), 'ctl', self.path('impair.sock'), command).strip()

    def truth(self):
        """What the emulator really did, one dict for each packet."""
        self.road('flush')
        text = sh(self.program('tests/impair/impair'), 'dump', self.path('impair.log'))
        return list(csv.DictReader(io.StringIO(text)))


class Stack:
    """One collector, one alertd and agents, with their configuration as dicts (JSON is YAML).

    Change .agent_conf[...] and so on before start(); .links, .policy also later, with reload().
    """

    def __init__(self, lab, name='site', agents=('a1',)):
        self.lab = lab
        self.dir = lab.path(name)
        self.pki = os.path.join(self.dir, 'pki')
        for part in ('pki', 'collector', 'alertd', 'outbox', 'log', *agents):
            os.makedirs(os.path.join(self.dir, part))
        lab.pki(self.pki, 'collector', 'main', SUP, '127.0.0.1')
        lab.pki(self.pki, 'alertd', 'main')
        lab.pki(self.pki, 'web', 'localhost', '127.0.0.1', SUP)
        for a in agents:
            lab.pki(self.pki, 'agent', a)
        self.agents = {}
        self.agent_conf = {a: self._agent(a) for a in agents}
        self.collector_conf = self._collector()
        self.alertd_conf = self._alertd()
        self.policy = self._policy()
        self.links = {
            'vendors': [{'id': 'cloud-a', 'code': 'A云', 'code_en': 'A', 'name': '甲云', 'name_en': 'Cloud A'}],
            'agents': [{'id': a, 'vendor': 'cloud-a', 'zone': 'pudong', 'name': f'浦东{a}', 'name_en': a}
                       for a in agents],
            'chains': [], 'links': []}
        self.collector = self.alertd = None

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def secret(self, name, text):
        path = self.path(name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), 'w', encoding='utf-8') as f:
            f.write(text + '\n')
        return path

    # ------------------------------------------------------- configuration

    def tls(self, name):
        return {'ca': self.path('pki', 'ca.pem'), 'cert': self.path('pki', f'{name}.pem'),
                'key': self.path('pki', f'{name}.key'), 'crl': self.path('pki', 'crl.pem')}

    def _agent(self, name):
        return {'collectors': [f'{SUP}:{INGEST}'], 'collector_id': 'main', 'state_dir': self.path(name, 'state'),
                'tls': self.tls(f'agent-{name}'), 'spool': {'max_size': '64M'},
                'guard': {'allow': ['10.0.0.0/8', '127.0.0.0/8', '::1', 'fd00:200::/64'], 'max_pps': 1000}}

    def _collector(self):
        return {'id': 'main', 'state': self.path('collector', 'state'),
                'links': self.path('collector', 'links.yaml'),
                'listen': {'address': SUP, 'port': INGEST, **self.tls('collector-main')},
                'web': {'address': '127.0.0.1', 'port': WEB, 'cert': self.path('pki', 'web.pem'),
                        'key': self.path('pki', 'web.key'), 'users': self.path('collector', 'users'),
                        'control': self.socket}}

    def _alertd(self):
        return {'collector': {'address': f'{SUP}:{INGEST}', 'id': 'main'}, 'tls': self.tls('alertd-main'),
                'state_dir': self.path('alertd', 'state'), 'policy': self.path('alertd', 'policy.yaml'),
                'control': {'socket': self.socket, 'users': [{'login': 'root', 'name': 'zhang', 'role': 'admin'}],
                            'proxies': ['root']},
                'channels': [{'name': 'sms', 'kind': 'file', 'directory': self.path('outbox'), 'form': 'sms'},
                             {'name': 'mail', 'kind': 'file', 'directory': self.path('outbox'), 'form': 'mail'}]}

    @staticmethod
    def _policy():
        """The built-in one, but nothing waits: neither for more of the same nor for the morning."""
        quick = {'group': '0s', 'tell': '0s', 'hold': '2s', 'watch': '3s'}
        return {'contacts': [{'id': 'duty', 'name': '值班', 'name_en': 'Duty', 'lang': 'zh', 'role': 'duty',
                              'phone': '+8613800138000', 'mail': 'ops@example.test'}],
                'limits': {f'grade_{g}': dict(quick) for g in range(1, 5)},
                'quiet': {'from': '00:00', 'to': '00:00'}, 'digest': {'grade': 5},
                'budget': {'per_minute': 50, 'per_hour': 50, 'per_day': 50, 'reserve': '0%'}}

    @property
    def socket(self):
        return self.path('alertd', 'control.sock')

    def link(self, id_, probe, target, agent='a1', **keys):
        """Adds a link to the plan (reload() makes it known)."""
        self.links['links'].append({'id': id_, 'agent': agent, 'probe': probe, 'target': target, 'step': '1s',
                                    'name': f'链路{id_}', 'name_en': id_, 'short': id_, 'short_en': id_,
                                    'class': 'A', **keys})

    @staticmethod
    def _write(path, conf):
        with open(path + '.new', 'w', encoding='utf-8') as f:
            json.dump(conf, f, ensure_ascii=False, indent=1)
        os.rename(path + '.new', path)

    def write(self):
        """Puts the configuration into its files."""
        for name, conf in self.agent_conf.items():
            self._write(self.path(name, 'agent.yaml'), conf)
        self._write(self.path('collector', 'collector.yaml'), self.collector_conf)
        self._write(self.path('collector', 'links.yaml'), self.links)
        self._write(self.path('alertd', 'alertd.yaml'), self.alertd_conf)
        self._write(self.path('alertd', 'policy.yaml'), self.policy)
        if not os.path.exists(self.path('collector', 'users')):
            sh(self.lab.program('linkwatch-collector'), 'passwd', self.path('collector', 'users'), 'admin', 'admin',
               input='lab-password\n')

    # ------------------------------------------------------------ programs

    def _program(self, name, binary, conf, prefix=()):
        return Program(name, [*prefix, self.lab.program(binary), '-c', conf], self.path('log', f'{name}.log'))

    def start_collector(self):
        self.collector = self.lab.start(self._program('collector', 'linkwatch-collector',
                                                      self.path('collector', 'collector.yaml')))
        wait_for(lambda: self._alive(self.collector) and net.tcp_answers(INGEST, SUP), 15, 'collector listens')

    def start_alertd(self):
        self.alertd = self.lab.start(self._program('alertd', 'linkwatch-alertd',
                                                   self.path('alertd', 'alertd.yaml')))
        wait_for(lambda: self._alive(self.alertd) and (control.status(self.socket) or {}).get('feed', {}).get('up'),
                 15, 'alertd has its feed')

    def start_agent(self, name='a1', *through):
        """Starts it on the vendor's host, by the command `through` if any; does not wait for its session."""
        self.agents[name] = self.lab.start(self._program(name, 'linkwatch-agent', self.path(name, 'agent.yaml'),
                                                         self.lab.on_host(*through)))
        return self.agents[name]

    @staticmethod
    def _alive(program):
        if not program.running():
            raise AssertionError(f'{program.name}: {program.how_it_ended()}\n{tail(program.log)}')
        return True

    def start(self, agents=None, alertd=True):
        """Everything; returns when each agent's session stands."""
        self.write()
        self.start_collector()
        if alertd:
            self.start_alertd()
        for name in agents if agents is not None else self.agent_conf:
            self.start_agent(name)
            self.await_agent(name)
        return self

    def await_agent(self, name='a1', timeout=15):
        """Waits until the agent's session stands."""
        wait_for(lambda: self.agent(name).get('connected') if self.alertd else self.last_session(name), timeout,
                 f'agent {name} is connected')

    def last_session(self, name):
        """Does the last session of an agent stand, by the journal?"""
        ups = [r['up'] for r in self.dump() if r['type'] == 'session' and r['agent'] == name]
        return bool(ups) and ups[-1]

    def restart(self, program):
        """Starts a program again after it was killed."""
        self.lab.running.remove(program)
        program.stop()
        if program is self.collector:
            self.start_collector()
        elif program is self.alertd:
            self.start_alertd()
        else:
            self.start_agent(program.name)

    def reload(self):
        self.write()
        return self.ctl('reload')

    def stop(self):
        for p in (*self.agents.values(), self.alertd, self.collector):
            if p is not None and p in self.lab.running:
                self.lab.stop(p)

    # --------------------------------------------------------- what it says

    def ask(self, command, **args):
        return control.ask(self.socket, command, **args)

    def agent(self, name='a1'):
        return next((a for a in self.ask('agent.list')['agents'] if a['agent'] == name), {})

    def link_state(self, link, agent='a1'):
        """The state of a link, '' before it is known."""
        return next((l['state'] for l in self.ask('link.list')['links']
                     if l['link'] == link and l['agent'] == agent), '')

    def await_state(self, link, state, timeout=30, agent='a1'):
        wait_for(lambda: self.link_state(link, agent) == state, timeout, f'link {agent}/{link} is {state}')

    def incidents(self, **args):
        return self.ask('incident.list', **args)['incidents']

    def await_incident(self, timeout=30, **match):
        """The newest incident whose members are as in match."""
        def find():
            return next((i for i in sorted(self.incidents(all=True), key=lambda i: -i['number'])
                         if all(i.get(k) == v for k, v in match.items())), None)
        return wait_for(find, timeout, f'an incident with {match}')

    def ctl(self, *args, status=0):
        """Runs linkctl; its output.  The exit status must be as expected."""
        r = subprocess.run([self.lab.program('linkctl'), '--socket', self.socket, *args], check=False,
                           capture_output=True, text=True)
        assert r.returncode == status, f'linkctl {" ".join(args)}: status {r.returncode}\n{r.stdout}{r.stderr}'
        return r.stdout + r.stderr

    def outbox(self, form='sms'):
        """Texts of what the file channel of that form wrote, oldest first."""
        found = []
        directory = self.path('outbox', form)
        for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
            if not name.startswith('.'):
                with open(os.path.join(directory, name), encoding='utf-8') as f:
                    found.append(f.read())
        return found

    def dump(self, directory=None):
        """The collector's journal (or another), verified, as dicts."""
        directory = directory or self.path('collector', 'state', 'journal')
        return [json.loads(l) for l in sh(self.lab.program('tests/tools/journal_dump'), directory).splitlines()]

    def samples(self, link=None, agent='a1'):
        return [r for r in self.dump() if r['type'] == 'sample' and r['agent'] == agent and
                (link is None or r['link'] == link)]


def children(pid):
    """The processes that pid has started."""
    found = []
    for entry in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{entry}/stat', encoding='utf-8') as f:
                fields = f.read().rpartition(')')[2].split()
            with open(f'/proc/{entry}/cmdline', 'rb') as f:
                argv = f.read().decode().split('\0')
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append((int(entry), argv))
    return found


def child(stack, role):
    """The process of a role of the collector."""
    return next((pid for pid, argv in children(stack.collector.pid) if role in argv), None)


def assert_whole(records, agent='a1'):
    """Every batch once and in order, every link's steps one after the other; how many samples."""
    seqs = {}
    for b in (r for r in records if r['type'] == 'batch' and r['agent'] == agent):
        seqs.setdefault(b['boot'], []).append(b['seq'])
    for boot, numbers in seqs.items():
        expected = list(range(1, len(numbers) + 1))
        assert numbers == expected, f'batches of boot {boot}: {numbers}'
    assert not [r for r in records if r['type'] == 'gap'], 'gaps were told'
    starts = {}
    for s in (r for r in records if r['type'] == 'sample' and r['agent'] == agent):
        starts.setdefault((s['link'], s['step_ms']), []).append(s['start_ns'])
    for (link, step_ms), times in starts.items():
        assert len(set(times)) == len(times), f'{link}: a sample twice'
        times.sort()
        for a, b in zip(times, times[1:]):
            assert abs((b - a) / 1e6 - step_ms) < step_ms / 2, \
                f'{link}: {seconds(b - a):.3f} s between samples {seconds(a):.3f} and {seconds(b):.3f}'
    return sum(map(len, starts.values()))


# ------------------------------------------------------------------ the runner

_tests = []


def test(function):
    """Marks a test: it gets the lab, and fails by an exception."""
    _tests.append(function)
    return function


def main():
    """Runs the tests of this file; the exit status."""
    parser = argparse.ArgumentParser(description=sys.modules['__main__'].__doc__)
    parser.add_argument('-b', '--build', default=os.path.join(TOP, 'build'))
    parser.add_argument('only', nargs='*', help='names of tests')
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    lab = Lab(args.build)
    passed = failed = 0
    for function in _tests:
        if args.only and function.__name__ not in args.only:
            continue
        begin = time.monotonic()
        try:
            function(lab)
            passed += 1
            print(f'ok   {function.__name__} ({time.monotonic() - begin:.1f} s)', flush=True)
        except Exception as e:                          # pylint: disable=broad-except
            failed += 1
            where = traceback.extract_tb(e.__traceback__)
            spot = [f for f in where if os.path.basename(f.filename).startswith('test_')] or where
            print(f'FAIL {function.__name__} ({time.monotonic() - begin:.1f} s) line {spot[-1].lineno}: '
                  f'{type(e).__name__}: {e}', flush=True)
            for p in lab.running:
                if isinstance(p, Program):
                    print(f'  -- {p.name}:\n{tail(p.log, 12)}')
        for server in list(reversed(lab.running)):
            lab.stop(server)
    print(f'{passed} passed, {failed} failed')
    lab.close()
    return 0 if failed == 0 and passed > 0 else 1
