"""process.py - programs that are started, watched and ended by their process id.

Used by `make run` and by the integration tests.  A Program leads a session of its
own, so that Ctrl-C reaches the starter alone and that stop() can end whatever the
program has started itself.  If the starter dies, the kernel tells the program.
"""

import ctypes
import os
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def wait_for(condition, timeout, what, step=0.05):
    """Calls condition until its answer is true, and returns that; TimeoutError says what was missing."""
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f'{what}: not within {timeout:g} s')
        time.sleep(step)


def session_members(sid):
    """The processes of a session that still run (zombies do not)."""
    found = []
    for entry in os.listdir('/proc'):
        if not entry.isdigit():
            continue
        try:
            with open(f'/proc/{entry}/stat', encoding='utf-8', errors='replace') as f:
                fields = f.read().rpartition(')')[2].split()
        except OSError:
            continue
        if int(fields[3]) == sid and fields[0] != 'Z':
            found.append(int(entry))
    return found


def tail(path, lines=10):
    """The last lines of a file, in one string."""
    try:
        with open(path, 'rb') as f:
            f.seek(0, os.SEEK_END)
            f.seek(max(0, f.tell() - 16384))
            return '\n'.join(f.read().decode('utf-8', 'replace').splitlines()[-lines:])
    except OSError as e:
        return str(e)


class Program:
    """One program in the foreground, its output in a log file."""

    def __init__(self, name, argv, log, env=None, cwd=None):
        self.name = name
        self.argv = argv
        self.log = log
        self.env = env or {}
        self.cwd = cwd
        self.process = None
        self.output = 0                 # where this life's output begins in the log

    def start(self):
        with open(self.log, 'ab') as log:
            self.output = log.seek(0, os.SEEK_END)
            self.process = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.cwd,
                env={**os.environ, **self.env}, start_new_session=True,
                preexec_fn=_die_with_parent)
        return self

    @property
    def pid(self):
        return self.process.pid if self.process else None

    def running(self):
        return self.process is not None and self.process.poll() is None

    def said(self):
        """What it has written since its start."""
        with open(self.log, 'rb') as f:
            f.seek(self.output)
            return f.read().decode('utf-8', 'replace')

    def send(self, number):
        if self.running():
            self.process.send_signal(number)

    def kill(self):
        """SIGKILL to the program alone; returns when it is gone."""
        self.send(signal.SIGKILL)
        self.process.wait(5)

    def stop(self, patience=10, number=signal.SIGTERM):
        """Ends it and whatever it started; returns its exit status, None if it never ran."""
        if self.process is None:
            return None
        try:
            self.send(number)
        except PermissionError:         # started through sudo: its child is ours
            self._signal_session(number)
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            pass
        self._signal_session(signal.SIGKILL)
        return self.process.wait(5)

    def _signal_session(self, number):
        for pid in session_members(self.process.pid):
            try:
                os.kill(pid, number)
            except (ProcessLookupError, PermissionError):
                pass

    def how_it_ended(self):
        code = self.process.returncode
        if code is None:
            return 'runs'
        return f'killed by {signal.Signals(-code).name}' if code < 0 else f'exit status {code}'
