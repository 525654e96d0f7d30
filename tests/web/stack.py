"""stack.py - store and web of a real collector on a state made by the fixture.

    stack.py BUILD [DAYS]     starts one, prints where it listens, ends with Ctrl-C

Nothing is faked towards the page: journal, RRD files, store socket and web
process are the product's own; only the samples are invented (fixture.c).
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
USER, PASSWORD = "duty", "correct horse battery"

CONF = """id: web-test
state: {dir}
links: {dir}/links.yaml
listen:
  address: 127.0.0.1
  port: 0
  ca: {dir}/cert.pem
  cert: {dir}/cert.pem
  key: {dir}/key.pem
web:
  address: 127.0.0.1
  port: 0
  cert: {dir}/cert.pem
  key: {dir}/key.pem
  users: {dir}/users
  graph_workers: 2
  connections: {connections}
  streams: 8
  session_idle: 10m
{more}
"""


class Stack:
    def __init__(self, build, days=2, live=True, links=None, more="", connections=64):
        self.build, self.children = os.path.abspath(build), []
        self.dir = tempfile.mkdtemp(prefix="lw-web-")
        self.program = os.path.join(self.build, "linkwatch-collector")
        shutil.copy(links or os.path.join(HERE, "links.yaml"), self.dir + "/links.yaml")
        with open(self.dir + "/collector.yaml", "w") as f:
            f.write(CONF.format(dir=self.dir, more=more, connections=connections))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=127.0.0.1",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.dir + "/key.pem",
                        "-out", self.dir + "/cert.pem"], check=True, stderr=subprocess.DEVNULL)
        for name, role in ((USER, "operator"), ("guest", "viewer")):
            subprocess.run([self.program, "passwd", self.dir + "/users", name, role],
                           input=PASSWORD + "\n", text=True, check=True)
        try:
            self._start_fixture(days, live)
            self.store = self.role("store")
            self.web = self.role("web")
            self.url = self._wait_for_url()
        except Exception:
            self.stop()
            raise

    def _start_fixture(self, days, live):
        self.fixture = subprocess.Popen(
            [os.path.join(self.build, "tests/web/fixture"), self.dir, str(days)] +
            (["live"] if live else []), stdout=subprocess.PIPE, text=True)
        self.children.append(self.fixture)
        if "ready" not in self.fixture.stdout.readline():
            raise RuntimeError("the fixture failed")

    def role(self, name):
        """Starts one part as the supervisor would; its log goes to DIR/NAME.log."""
        with open("%s/%s.log" % (self.dir, name), "ab") as log:
            p = subprocess.Popen([self.program, "-c", self.dir + "/collector.yaml", "--role", name],
                                 stderr=log, stdout=log)
        self.children.append(p)
        return p

    def web_again(self):
        """Starts the web process anew at its old address, once it has ended."""
        port = self.url.rsplit(":", 1)[1]
        with open(self.dir + "/collector.yaml") as f:
            before, web = f.read().split("web:", 1)
        with open(self.dir + "/collector.yaml", "w") as f:
            f.write(before + "web:" + web.replace("port: 0", "port: " + port, 1))
        said = len(self.log("web"))
        self.web = self.role("web")
        end = time.monotonic() + 30
        while "listening on" not in self.log("web")[said:]:
            if self.web.poll() is not None or time.monotonic() > end:
                raise RuntimeError("web does not come back:\n" + self.log("web")[said:])
            time.sleep(0.05)

    def log(self, name):
        with open("%s/%s.log" % (self.dir, name), errors="replace") as f:
            return f.read()

    def _wait_for_url(self):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found = re.findall(r"listening on (https://\S+?)/", self.log("web"))
            if found:
                return found[-1]
            if self.web.poll() is not None:
                raise RuntimeError("web ended:\n" + self.log("web"))
            time.sleep(0.05)
        raise RuntimeError("web does not listen:\n" + self.log("web"))

    def end(self, p, sig=signal.SIGTERM, limit=20):
        """Ends one child; its exit status (negative: by that signal)."""
        if p.poll() is None:
            p.send_signal(sig)
        try:
            status = p.wait(limit)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
            status = None
        if p in self.children:
            self.children.remove(p)
        return status

    def stop(self):
        """Ends everything; the exit statuses by part."""
        result = {}
        for name in ("web", "store", "fixture"):
            p = getattr(self, name, None)
            if p is not None and p in self.children:
                result[name] = self.end(p)
        for p in list(self.children):
            self.end(p, signal.SIGKILL)
        if os.environ.get("LW_KEEP") is None:
            shutil.rmtree(self.dir, ignore_errors=True)
        return result


if __name__ == "__main__":
    for sig in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sig, signal.default_int_handler)
    stack = Stack(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 2)
    print(stack.url, USER, PASSWORD, stack.dir, flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass
    print(stack.stop())
