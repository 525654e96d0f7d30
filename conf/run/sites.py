"""sites.py - one LinkWatch with all its files below a directory.

  pki/        authority and certificates            (conf/pki.sh)
  agent/ collector/ alertd/ snmpd/                  configuration and state
  outbox/     SMS and mail as the phone shows them
  log/        one file for each program
  ports       NAME=NUMBER: chosen once, kept
  password    of the page's user

What stands is left alone, so that a second start goes on with the same data.
"""

import os
import pwd
import secrets
import socket
import subprocess

import net
import template

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
AGENT = 'demo'
USER = 'admin'

# Name, the number that people expect, and the kind of socket.
PORTS = (
    ('web', 8443, socket.SOCK_STREAM),
    ('ingest', 4433, socket.SOCK_STREAM),
    ('service', 7007, socket.SOCK_STREAM),
    ('snmp', 1161, socket.SOCK_DGRAM),
)


class Site:
    def __init__(self, directory, build):
        self.dir = os.path.abspath(directory)
        self.build = os.path.abspath(build)
        self.load_ports()

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def program(self, name):
        return os.path.join(self.build, name)

    @property
    def socket(self):
        return self.path('alertd', 'control.sock')

    def prepare(self, say):
        """Makes what is missing.  Raises OSError or CalledProcessError."""
        os.makedirs(self.dir, mode=0o755, exist_ok=True)
        for name in ('pki', 'agent', 'collector', 'alertd', 'snmpd', 'snmpd/state', 'outbox', 'log'):
            os.makedirs(self.path(name), mode=0o700, exist_ok=True)
        self.choose_ports()
        if not os.path.exists(self.path('pki', 'web.pem')):
            say('making an authority and certificates')
        for args in (('agent', AGENT), ('alertd', 'main'), ('collector', 'main', '127.0.0.1'),
                     ('web', 'localhost', '127.0.0.1', '::1')):
            subprocess.run([os.path.join(TOP, 'conf', 'pki.sh'), self.path('pki'), *args], check=True)
        self.configure(say)
        self.make_user()

    def load_ports(self):
        """Those that an earlier start chose; none at the first."""
        try:
            with open(self.path('ports'), encoding='ascii') as f:
                self.ports = {k: int(v) for k, v in (line.strip().split('=') for line in f)}
        except FileNotFoundError:
            self.ports = {}

    def choose_ports(self):
        """Free ones at first; later the same again."""
        self.load_ports()
        for name, wish, kind in PORTS:
            if name not in self.ports:
                self.ports[name] = wish if net.port_is_free(wish, kind) else net.free_port(kind)
        template.write(self.path('ports'), ''.join(f'{k}={v}\n' for k, v in self.ports.items()))

    def taken_ports(self):
        """Names of those that some other program holds now."""
        return [n for n, _, kind in PORTS if not net.port_is_free(self.ports[n], kind)]

    def values(self):
        gateway = net.default_gateway()
        return {
            'AGENT': AGENT, 'GATEWAY': gateway or '', 'NO_GATEWAY': not gateway,
            'IPV6': net.has_ipv6_loopback(), 'LOGIN': pwd.getpwuid(os.getuid()).pw_name,
            'COMMUNITY': self.secret('agent', 'community'),
            'SNMP_AUTH': self.secret('agent', 'snmp-auth'),
            'SNMP_PRIV': self.secret('agent', 'snmp-priv'),
            **{f'PORT_{n.upper()}': p for n, p in self.ports.items()},
        }

    def secret(self, *parts):
        """The first line of a file that is made with a random one."""
        path = self.path(*parts)
        if not os.path.exists(path):
            template.write(path, secrets.token_hex(12) + '\n', 0o600)
        with open(path, encoding='ascii') as f:
            return f.readline().rstrip('\n')

    def configure(self, say):
        values = self.values()
        made = []
        for name, target, mode in (('agent.yaml', 'agent', 0o644), ('links.yaml', 'collector', 0o644),
                                   ('collector.yaml', 'collector', 0o644),
                                   ('alertd.yaml', 'alertd', 0o644), ('policy.yaml', 'alertd', 0o644),
                                   ('snmpd.conf', 'snmpd', 0o600)):
            if template.make(os.path.join(HERE, name + '.in'), self.path(target, name), values, mode):
                made.append(f'{target}/{name}')
        if made:
            say(f'writing {self.dir}: {", ".join(made)}')

    def make_user(self):
        """The page's user, its password in a file that only we can read."""
        users = self.path('collector', 'users')
        if os.path.exists(users):
            return
        password = self.secret('password')
        subprocess.run([self.program('linkwatch-collector'), 'passwd', users, USER, 'admin'],
                       input=password + '\n', text=True, check=True, stdout=subprocess.DEVNULL)
