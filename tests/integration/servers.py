"""servers.py - the real servers around LinkWatch, each private to a directory.

All listen on loopback of the namespace in which they are started.  Each has
start() and stop(), and a way to read back what reached it.
"""

import email
import email.policy
import glob
import os
import pwd
import re
import shutil
import subprocess
import urllib.parse

import net
import template
from process import Program, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))


class Kannel:
    """bearerbox and smsbox, and a fake phone behind a fake SMSC."""

    URL = 'http://127.0.0.1:13013/cgi-bin/sendsms'
    PASSWORD = 'kannel-secret'
    SENDER = '10690001'

    def __init__(self, directory):
        os.makedirs(directory)
        self.phone_log = os.path.join(directory, 'phone.log')
        conf = os.path.join(directory, 'kannel.conf')
        template.make(os.path.join(HERE, 'kannel.conf.in'), conf,
                      {'DIR': directory, 'PASSWORD': self.PASSWORD}, 0o600)
        log = os.path.join(directory, 'out.log')
        self.bearerbox = Program('bearerbox', ['bearerbox', conf], log, cwd=directory)
        self.smsbox = Program('smsbox', ['smsbox', conf], log, cwd=directory)
        # It must send a message of its own once, or it will not talk.
        self.phone = Program('phone', ['/usr/lib/kannel/test/fakesmsc', '-H', '127.0.0.1', '-r', '10000',
                                       '-i', '0.1', '-m', '1', f'13800138000 {self.SENDER} text hello'],
                             self.phone_log)

    def start(self):
        self.bearerbox.start()
        wait_for(lambda: net.tcp_answers(13001) and net.tcp_answers(10000), 10, 'bearerbox listens')
        self.smsbox.start()
        wait_for(lambda: net.tcp_answers(13013), 10, 'smsbox listens')
        self.phone.start()
        wait_for(lambda: 'sent message 1' in self.phone.said(), 10, 'the fake phone is connected')
        return self

    def stop(self):
        # bearerbox waits long for what is queued: no patience with it.
        for p in (self.phone, self.smsbox, self.bearerbox):
            p.stop(patience=2)

    def texts(self):
        """(number, text) of every SMS that the phone received."""
        found = []
        with open(self.phone_log, encoding='latin-1') as f:
            for number, kind, text in re.findall(r'Got message \d+: <\S+ (\S+) (\S+) (.*)>', f.read()):
                if kind == 'ucs-2':
                    raw = urllib.parse.unquote_to_bytes(text.replace('+', ' '))
                    text = raw.decode('utf-16-be')
                found.append((number, text))
        return found


class Exim:
    """exim4 with STARTTLS and AUTH, delivering into Maildirs."""

    PORT = 2525
    USER = 'alertd'
    PASSWORD = 'exim-secret'
    NAME = 'mail.test'

    def __init__(self, directory, cert, key):
        self.dir = directory
        for name in ('', 'spool', 'log', 'mail'):
            os.makedirs(os.path.join(directory, name))
        conf = os.path.join(directory, 'exim.conf')
        template.make(os.path.join(HERE, 'exim.conf.in'), conf,
                      {'DIR': directory, 'PASSWORD': self.PASSWORD}, 0o644)
        shutil.copy(cert, os.path.join(directory, 'cert.pem'))
        shutil.copy(key, os.path.join(directory, 'key.pem'))
        self._give_away()
        self.server = Program('exim4', ['/usr/sbin/exim4', '-C', conf, '-bdf', '-q1m'],
                              os.path.join(directory, 'out.log'))

    def _give_away(self):
        """exim gives up root for its own user, who must reach all of it."""
        user = pwd.getpwnam('Debian-exim')
        for base, dirs, names in os.walk(self.dir):
            for n in dirs + names:
                if n != 'exim.conf':            # must stay root's
                    os.chown(os.path.join(base, n), user.pw_uid, user.pw_gid)
        os.chmod(self.dir, 0o755)

    def start(self):
        self.server.start()
        wait_for(lambda: net.tcp_answers(self.PORT), 10, 'exim4 listens')
        return self

    def stop(self):
        self.server.stop(patience=3)

    def mails(self, user):
        """Every mail in that user's Maildir, parsed."""
        found = []
        for path in sorted(glob.glob(os.path.join(self.dir, 'mail', user, '*', '*'))):
            if os.path.basename(os.path.dirname(path)) in ('new', 'cur'):
                with open(path, 'rb') as f:
                    found.append(email.message_from_binary_file(f, policy=email.policy.default))
        return found


class Snmpd:
    """A device: v2c with a community, v3 with SHA-256 and AES."""

    USER, AUTH, PRIV, COMMUNITY = 'probe', 'lab-auth-phrase', 'lab-priv-phrase', 'lab-public'

    def __init__(self, directory, port=1161, prefix=(), more=''):
        os.makedirs(directory)
        self.port = port
        self.prefix = list(prefix)
        conf = os.path.join(directory, 'device.conf')      # snmpd.conf is its own, for what it keeps
        template.write(conf, f'agentaddress udp:127.0.0.1:{port}\n'
                             f'rocommunity {self.COMMUNITY} 127.0.0.1\n'
                             f'createUser {self.USER} SHA-256 "{self.AUTH}" AES "{self.PRIV}"\n'
                             f'rouser {self.USER} authPriv\nsysName lab-device\n{more}', 0o600)
        self.server = Program('snmpd', [*self.prefix, '/usr/sbin/snmpd', '-f', '-Lo', '-C', '-c', conf, '-I', '-smux'],
                              os.path.join(directory, 'out.log'),
                              env={'MIBS': '', 'SNMP_PERSISTENT_DIR': directory})

    def start(self):
        self.server.start()
        wait_for(self.answers, 10, 'snmpd answers')
        return self

    def answers(self):
        r = subprocess.run([*self.prefix, 'snmpget', '-v2c', '-c', self.COMMUNITY, '-t', '1', '-r', '0', '-On',
                            f'127.0.0.1:{self.port}', '1.3.6.1.2.1.1.5.0'], check=False, capture_output=True,
                           env={**os.environ, 'MIBS': ''})
        return b'lab-device' in r.stdout

    def stop(self):
        self.server.stop(patience=3)


class TlsService:
    """openssl s_server, with the certificate that pki.sh makes; EXPIRED and such as its dates."""

    def __init__(self, directory, pki, port, address, prefix=(), **dates):
        os.makedirs(directory)
        self.address = f'{address}:{port}'
        pki(os.path.join(directory, 'pki'), 'web', 'service.test', **dates)
        self.program = Program('s_server', [
            *prefix, 'stdbuf', '-oL', 'openssl', 's_server', '-www', '-accept', self.address, '-cert', os.path.join(directory, 'pki/web.pem'),
            '-key', os.path.join(directory, 'pki/web.key'), '-servername', 'service.test', '-cert2',
            os.path.join(directory, 'pki/web.pem'), '-key2', os.path.join(directory, 'pki/web.key')],
            os.path.join(directory, 'out.log'))

    def start(self):
        self.program.start()
        wait_for(lambda: 'ACCEPT' in self.program.said(), 10, 'openssl s_server listens')
        return self

    def stop(self):
        return self.program.stop()

    def said(self):
        return self.program.said()


class Snmptrapd:
    """A manager that logs traps and informs, with the names of our MIB."""

    PORT = 1162
    USER, AUTH, PRIV, COMMUNITY = 'trapper', 'trap-auth-phrase', 'trap-priv-phrase', 'trap-public'

    def __init__(self, directory, mib_dirs):
        os.makedirs(directory)
        conf = os.path.join(directory, 'manager.conf')
        template.write(conf, f'snmpTrapdAddr udp:127.0.0.1:{self.PORT}\n'
                             f'createUser {self.USER} SHA-256 "{self.AUTH}" AES "{self.PRIV}"\n'
                             f'authUser log {self.USER} authPriv\nauthCommunity log {self.COMMUNITY}\n'
                             'format1 TRAP1 %V|%v\\n\n'
                             'format2 TRAP2 %P %V|%v\\n\n', 0o600)
        self.server = Program('snmptrapd', ['/usr/sbin/snmptrapd', '-f', '-Lo', '-C', '-c', conf],
                              os.path.join(directory, 'out.log'),
                              env={'MIBS': 'LINKWATCH-MIB', 'MIBDIRS': ':'.join(mib_dirs),
                                   'SNMP_PERSISTENT_DIR': directory})

    def start(self):
        self.server.start()
        wait_for(lambda: not net.port_is_free(self.PORT, net.socket.SOCK_DGRAM), 10, 'snmptrapd listens')
        return self

    def stop(self):
        self.server.stop(patience=3)

    def traps(self):
        """One line for each that came, in the words of the MIB."""
        return [l for l in self.server.said().splitlines() if l.startswith('TRAP')]
