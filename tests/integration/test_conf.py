#!/usr/bin/python3
"""test_conf.py - configuration: the examples are good, the broken ones are told apart.

Every error in one run, as file:line:col, with a suggestion where a key is misspelt.
"""

import os
import re
import shutil
import subprocess
import sys

from lab import TOP, Stack, main, test

EXAMPLES = ('agent.yaml', 'collector.yaml', 'links.yaml', 'alertd.yaml', 'policy.yaml')


def check(lab, *files, status=0):
    r = subprocess.run([lab.program('linkctl'), 'check', *files], check=False, capture_output=True, text=True)
    out = r.stdout + r.stderr
    assert r.returncode == status, f'linkctl check {" ".join(files)}: status {r.returncode}, not {status}\n{out}'
    return out


def write(lab, name, text):
    path = lab.path(name)
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)
    return path


@test
def examples_are_good(lab):
    """conf/*.yaml pass as they are, once the files that they name stand."""
    lab.pki(lab.path('examples', 'pki'), 'collector', 'main')
    for name in EXAMPLES:
        shutil.copy(os.path.join(TOP, 'conf', name), lab.path('examples', name))
    for name in EXAMPLES:
        text = open(lab.path('examples', name), encoding='utf-8').read()
        for secret in re.findall(r'^\s*(?:-\s*\{)?(?:cert|key|ca|crl|users|\w*_file):\s*([\w./-]+)', text, re.M):
            path = os.path.join(lab.path('examples'), secret)
            if not os.path.exists(path):
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), 'w', encoding='ascii') as f:
                    f.write('x\n')
        check(lab, lab.path('examples', name))


@test
def all_errors_in_one_run(lab):
    path = write(lab, 'links.yaml', '''vendors:
  - {id: v, code: A云, name: 甲云}
agents:
  - {id: a1, vendor: nobody, zone: z, name: 一}
links:
  - {id: l1, agent: a1, probe: icmp, target: 10.0.0.1, stepp: 1s}
  - {id: l1, agent: a1, probe: icmp, target: 10.0.0.1, step: 10m}
  - {id: l2, agent: a9, probe: icmpp, target: 10.0.0.1}
  - {id: UPPER, agent: a1, probe: tcp, target: 10.0.0.1, port: 70000}
''')
    out = check(lab, path, status=1)
    for line, words in ((4, 'nobody'), (6, "did you mean 'step'"), (7, "'step'"), (8, 'icmpp'), (9, '70000'),
                        (9, 'UPPER')):
        assert re.search(rf'links\.yaml:{line}:\d+: .*{re.escape(words)}', out), f'line {line}, {words}:\n{out}'


@test
def missing_and_unreadable_files(lab):
    out = check(lab, lab.path('nothing.yaml'), status=1)
    assert 'nothing.yaml' in out and 'No such file' in out, out
    stack = Stack(lab, 'files')
    stack.write()
    key = stack.path('pki', 'agent-a1.key')
    conf = stack.path('a1', 'agent.yaml')
    check(lab, conf)
    os.chmod(key, 0o644)
    out = check(lab, conf)
    assert 'warning' in out and 'agent-a1.key' in out, f'a key that everybody may read: {out}'
    os.rename(key, key + '.away')
    out = check(lab, conf, status=1)
    assert 'agent-a1.key' in out, out


@test
def odd_files(lab):
    """Not YAML, empty, binary, enormous, a directory, tabs, a bomb of aliases."""
    cases = {
        'tabs': 'links:\n\t- {id: x}\n', 'open': 'links: [\n', 'list': '- 1\n- 2\n',
        'twice': 'links: []\nlinks: []\n',
        'bomb': 'a: &a [x,x,x,x,x,x,x,x,x]\n' + ''.join(
            f'{chr(98 + i)}: &{chr(98 + i)} [{",".join(["*" + chr(97 + i)] * 9)}]\n' for i in range(9)),
        'deep': '[' * 5000,
    }
    def odd(name):
        """A links.yaml of its own directory: linkctl knows files by their name."""
        os.makedirs(lab.path(name))
        return lab.path(name, 'links.yaml')
    for name, text in cases.items():
        path = odd(name)
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        assert re.search(r'links\.yaml:\d+:\d+: ', check(lab, path, status=1)), name
    for name, data in (('binary', os.urandom(10000)), ('huge', b'# ' + b'x' * (9 << 20))):
        path = odd(name)
        with open(path, 'wb') as f:
            f.write(data)
        check(lab, path, status=1)
    os.makedirs(odd('directory'))
    check(lab, lab.path('directory', 'links.yaml'), status=1)


@test
def programs_check_and_explain(lab):
    """-n checks only, -V and -h answer, a wrong option is status 2, a broken file status 1."""
    stack = Stack(lab, 'programs')
    stack.link('l1', 'icmp', '127.0.0.1')
    stack.write()
    broken = write(lab, 'broken.yaml', 'nonsense: 1\n')
    for program, conf in (('linkwatch-agent', ('a1', 'agent.yaml')), ('linkwatch-collector', ('collector', 'collector.yaml')),
                          ('linkwatch-alertd', ('alertd', 'alertd.yaml'))):
        def run(*args, program=program):
            r = subprocess.run([lab.program(program), *args], check=False, capture_output=True, text=True, timeout=10)
            return r.returncode, r.stdout + r.stderr
        assert run('-n', '-c', stack.path(*conf))[0] == 0, run('-n', '-c', stack.path(*conf))
        status, out = run('-n', '-c', broken)
        assert status == 1 and "unknown key 'nonsense'" in out, out
        assert run('-V')[0] == 0 and run('-h')[0] == 0
        assert run('--no-such-option')[0] == 2, run('--no-such-option')
        assert run('-n', '-c', lab.path('none.yaml'))[0] == 1


if __name__ == '__main__':
    sys.exit(main())
