#!/usr/bin/python3
"""test_pki.py - conf/pki.sh: names, purposes, dates, revocation, and doing nothing twice."""

import os
import subprocess
import sys

from lab import TOP, main, sh, test

PKI = os.path.join(TOP, 'conf', 'pki.sh')


def text(path, what):
    return sh('openssl', 'x509', '-in', path, '-noout', '-ext', what)


def verify(directory, name, *args):
    return subprocess.run(['openssl', 'verify', '-CAfile', f'{directory}/ca.pem', *args, f'{directory}/{name}.pem'],
                          check=False, capture_output=True).returncode == 0


@test
def names_and_purposes(lab):
    d = lab.path('pki')
    lab.pki(d, 'agent', 'sh-1')
    lab.pki(d, 'alertd', 'main')
    lab.pki(d, 'collector', 'c1', '127.0.0.1', 'collector.example')
    lab.pki(d, 'web', 'noc.example', '::1')
    for name, uri, purpose in (('agent-sh-1', 'linkwatch://agent/sh-1', 'Client'),
                               ('alertd-main', 'linkwatch://alertd/main', 'Client'),
                               ('collector-c1', 'linkwatch://collector/c1', 'Server')):
        path = os.path.join(d, f'{name}.pem')
        assert f'URI:{uri}' in text(path, 'subjectAltName')
        assert f'TLS Web {purpose} Authentication' in text(path, 'extendedKeyUsage')
        assert verify(d, name)
        assert os.stat(os.path.join(d, f'{name}.key')).st_mode & 0o077 == 0
    assert 'linkwatch:' not in text(os.path.join(d, 'web.pem'), 'subjectAltName')
    assert 'DNS:noc.example' in text(os.path.join(d, 'web.pem'), 'subjectAltName')
    assert 'DNS:collector.example' in text(os.path.join(d, 'collector-c1.pem'), 'subjectAltName')


@test
def what_stands_is_left_alone(lab):
    d = lab.path('twice')
    lab.pki(d, 'agent', 'a')
    before = {n: open(os.path.join(d, n), 'rb').read() for n in ('ca.pem', 'ca.key', 'agent-a.pem', 'agent-a.key')}
    lab.pki(d, 'agent', 'a')
    assert before == {n: open(os.path.join(d, n), 'rb').read() for n in before}


@test
def what_runs_out_is_renewed_with_its_key(lab):
    d = lab.path('renew')
    lab.pki(d, 'agent', 'a', START='20200101000000Z', END='20210101000000Z')
    assert not verify(d, 'agent-a')
    key = open(os.path.join(d, 'agent-a.key'), 'rb').read()
    lab.pki(d, 'agent', 'a')
    assert verify(d, 'agent-a') and key == open(os.path.join(d, 'agent-a.key'), 'rb').read()


@test
def revoked(lab):
    d = lab.path('revoke')
    lab.pki(d, 'agent', 'a')
    lab.pki(d, 'agent', 'b')
    lab.pki(d, 'revoke', 'agent-a')
    crl = ('-crl_check', '-CRLfile', f'{d}/crl.pem')
    assert not verify(d, 'agent-a', *crl) and verify(d, 'agent-b', *crl)


@test
def bad_names(lab):
    for args in (('agent', 'Upper'), ('agent', ''), ('agent', 'a' * 64), ('agent', '-a'), ('web', 'a,URI:x'),
                 ('web', ''), ('revoke', 'agent-nobody'), ('nonsense', 'x'), ('agent',)):
        r = subprocess.run([PKI, lab.path('bad'), *args], check=False, capture_output=True, text=True)
        assert r.returncode != 0 and r.stderr, args
    assert not [n for n in os.listdir(lab.path('bad')) if n.startswith(('agent-', 'web.'))]


if __name__ == '__main__':
    sys.exit(main())
