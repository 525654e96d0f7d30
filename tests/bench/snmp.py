#!/usr/bin/python3
"""snmp.py - what one SNMP GET costs: the agent, collectd, net-snmp alone, UDP alone.

One snmpd answers for 1,000 devices, addresses of the loopback network, in a network namespace
of its own.  Ours, the limits and the peer are measured in turn, several times, and the median
counts.  What is compared is the CPU time of the process that asks; snmpd runs on another core.
collectd drops its values as soon as it has them, so that only the asking is counted.

Prints one JSON object for each row.  Needs root.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, 'conf', 'run'))

from process import Program, wait_for                                   # noqa: E402

FIRST, DEVICES, PORT = '127.1.0.1', 1000, 1161
INTERVAL_S = 2                          # of collectd: 500 GETs a second
REACH = 0.6
ROOM = 'LINKWATCH_BENCH_ROOM'           # set inside the namespace
ASKER, ANSWERER = (['taskset', '-c', '0'], ['taskset', '-c', '1']) if (os.cpu_count() or 1) > 1 else ([], [])


def address(i):
    return f'127.1.{(i + 1) // 256}.{(i + 1) % 256}'


class Device:
    """snmpd, which answers for all of them."""

    def __init__(self, directory):
        conf = os.path.join(directory, 'device.conf')
        with open(conf, 'w', encoding='ascii') as f:
            f.write(f'agentaddress udp:0.0.0.0:{PORT}\nrocommunity public 127.0.0.0/8\n')
        self.server = Program('snmpd', [*ANSWERER, '/usr/sbin/snmpd', '-f', '-Lo', '-C', '-c', conf, '-I', '-smux'],
                              os.path.join(directory, 'snmpd.log'),
                              env={'MIBS': '', 'SNMP_PERSISTENT_DIR': os.path.join(directory, 'snmpd')})
        self.server.start()
        wait_for(lambda: self.packets() is not None, 10, 'snmpd answers')

    def packets(self):
        """How many requests it has had (snmpInPkts), or None."""
        r = subprocess.run(['snmpget', '-v2c', '-c', 'public', '-t', '1', '-r', '0', '-Oqv', f'127.0.0.1:{PORT}',
                            '1.3.6.1.2.1.11.1.0'], check=False, capture_output=True, text=True,
                           env={**os.environ, 'MIBS': ''})
        return int(r.stdout) if r.returncode == 0 and r.stdout.strip().isdigit() else None


def loop(args, program, rounds, directory):
    """One of our loops: its line."""
    r = subprocess.run([*ASKER, os.path.join(args.build, 'tests', 'bench', program), FIRST, str(DEVICES), str(PORT),
                        str(rounds), '2'], check=True, capture_output=True, text=True,
                       env={**os.environ, 'COMMUNITY_FILE': os.path.join(directory, 'community')})
    line = json.loads(r.stdout)
    if line['ok'] < DEVICES * rounds * 0.99:
        raise RuntimeError(f'{program}: {line["ok"]} of {DEVICES * rounds} GETs were answered')
    return line


def cpu_s(pid):
    """User and system time of a process with all its threads."""
    with open(f'/proc/{pid}/stat', encoding='utf-8') as f:
        fields = f.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


class Collectd:
    """The peer, with a host for each device."""

    def __init__(self, program, directory):
        base = os.path.join(directory, 'collectd')
        os.makedirs(base)
        hosts = ''.join(f'<Host "d{i}">\nAddress "udp:{address(i)}:{PORT}"\nVersion 2\nCommunity "public"\n'
                        f'Collect "up"\nInterval {INTERVAL_S}\n</Host>\n' for i in range(DEVICES))
        conf = os.path.join(base, 'collectd.conf')
        with open(conf, 'w', encoding='ascii') as f:
            f.write(f'Hostname "bench"\nFQDNLookup false\nBaseDir "{base}"\nPIDFile "{base}/pid"\nInterval {INTERVAL_S}\n'
                    'TypesDB "/usr/share/collectd/types.db"\nPreCacheChain "Drop"\n<Chain "Drop">\nTarget "stop"\n</Chain>\n'
                    'LoadPlugin snmp\n<Plugin snmp>\n<Data "up">\nType "gauge"\nTable false\nInstance ""\n'
                    f'Values "1.3.6.1.2.1.1.3.0"\n</Data>\n{hosts}</Plugin>\n')
        self.server = Program('collectd', [*ASKER, program, '-f', '-C', conf], os.path.join(base, 'out.log'),
                              env={'MIBS': ''})
        self.server.start()

    def cost(self, device, gets):
        """Microseconds of CPU for each of so many GETs, once all devices were asked."""
        begun = device.packets()
        wait_for(lambda: device.packets() - begun > 2 * DEVICES, 60, 'collectd asks', step=0.5)
        pid = self.server.pid
        cpu, packets = cpu_s(pid), device.packets()
        done = wait_for(lambda: (device.packets() or 0) - packets >= gets, 120, f'{gets} GETs of collectd', step=0.5)
        assert done
        return (cpu_s(pid) - cpu) * 1e6 / (device.packets() - packets)


def measure(args, directory, device):
    """Rounds of all of them in turn; the medians by name."""
    rounds, turns = (10, 1) if args.quick else (20, 5)
    program = shutil.which('collectd', path=os.environ.get('PATH', '') + ':/usr/sbin')
    seen = {name: [] for name in ('ours', 'net-snmp', 'udp', 'rss', 'rss-net-snmp')}
    for _ in range(turns):
        line = loop(args, 'snmp_poll', rounds, directory)
        seen['ours'].append(line['cpu_us'])
        seen['rss'].append(line['rss_kib'])
        line = loop(args, 'snmp_netsnmp', rounds, directory)
        seen['net-snmp'].append(line['cpu_us'])
        seen['rss-net-snmp'].append(line['rss_kib'])
        seen['udp'].append(loop(args, 'snmp_udp', rounds, directory)['cpu_us'])
    if program is not None:
        peer = Collectd(program, directory)
        seen['collectd'] = [peer.cost(device, 3000 if args.quick else 8000)]
        peer.server.stop()
    return {name: round(statistics.median(v), 2) for name, v in seen.items()}


def report(found):
    peer = found.get('collectd')
    ratio = round(found['ours'] / peer, 3) if peer else None
    note = f'UDP alone {found["udp"]} us; each poll asks two variables' + ('' if peer else '; collectd is not installed')
    print(json.dumps({'row': 'CPU per SNMP GET, 1,000 devices', 'ours': found['ours'], 'peer': peer,
                      'peer_name': 'collectd', 'limit': found['net-snmp'], 'limit_name': 'bare net-snmp',
                      'ratio': ratio, 'reach': REACH, 'reached': ratio is not None and ratio <= REACH,
                      'unit': 'us CPU', 'note': note}), flush=True)
    print(json.dumps({'row': 'memory of 1,000 SNMP devices', 'ours': found['rss'], 'peer': None, 'peer_name': '',
                      'limit': found['rss-net-snmp'], 'limit_name': 'bare net-snmp',
                      'ratio': round(found['rss'] / found['rss-net-snmp'], 3), 'reach': 1.2,
                      'reached': found['rss'] <= 1.2 * found['rss-net-snmp'], 'unit': 'KiB', 'note': ''}), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('-b', '--build', default=os.path.join(TOP, 'build'))
    p.add_argument('--quick', action='store_true', help='fewer GETs, for a look')
    args = p.parse_args()
    args.build = os.path.abspath(args.build)
    if ROOM not in os.environ:
        return subprocess.run(['unshare', '--net', sys.executable, os.path.abspath(__file__), *sys.argv[1:]],
                              check=False, env={**os.environ, ROOM: '1'}).returncode
    subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
    with tempfile.TemporaryDirectory(prefix='bench-snmp.') as directory:
        with open(os.path.join(directory, 'community'), 'w', encoding='ascii') as f:
            f.write('public\n')
        device = Device(directory)
        try:
            report(measure(args, directory, device))
        finally:
            device.server.stop(patience=3)
    return 0


if __name__ == '__main__':
    sys.exit(main())
