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
USERS = ((USER, "operator"), ("guest", "viewer"), ("chief", "admin"), ("li", "vendor=cloud-a"))

URL = r"listening on (https://\S+?)/"

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
            f.write(CONF.format(dir=self.dir, more=more.format(dir=self.dir), connections=connections))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=127.0.0.1",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.dir + "/key.pem",
                        "-out", self.dir + "/cert.pem"], check=True, stderr=subprocess.DEVNULL)
        for name, role in USERS:
            subprocess.run([self.program, "passwd", self.dir + "/users", name, role],
                           input=PASSWORD + "\n", text=True, check=True)
        try:
            self.prepare()
            self._start_fixture(days, live)
            self.start_parts()
            self.store = self.role("store")
            self.web = self.role("web")
            self.url = self._wait_for_log("web", URL)
        except Exception:
            self.stop()
            raise

    def prepare(self):
        """For parts beside store and web: before the fixture runs."""

    def start_parts(self):
        """The same, after its history stands."""

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

    def _wait_for_log(self, name, pattern, start=0):
        """The last thing that pattern finds in the log of a part, behind its first `start` bytes."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found = re.findall(pattern, self.log(name)[start:])
            if found:
                return found[-1]
            if getattr(self, name).poll() is not None:
                raise RuntimeError("%s ended:\n%s" % (name, self.log(name)))
            time.sleep(0.05)
        raise RuntimeError("%s does not say %r:\n%s" % (name, pattern, self.log(name)))

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
        for name in ("web", "store", "alertd", "ingest", "fixture"):
            p = getattr(self, name, None)
            if p is not None and p in self.children:
                result[name] = self.end(p)
        for p in list(self.children):
            self.end(p, signal.SIGKILL)
        if os.environ.get("LW_KEEP") is None:
            shutil.rmtree(self.dir, ignore_errors=True)
        return result


ALERTD = """collector: {{address: "127.0.0.1:{port}", id: web-test}}
tls: {{ca: {dir}/pki/ca.pem, cert: {dir}/pki/alertd-main.pem, key: {dir}/pki/alertd-main.key}}
state_dir: {dir}/alertd
policy: {dir}/policy.yaml
control: {{socket: {dir}/control.sock}}
channels: [{{name: sms, kind: file, directory: {dir}/outbox, form: sms}}]
"""
POLICY = """contacts:
  - {id: duty, name: 值班, name_en: Duty, lang: zh, role: duty, phone: "+8613800138000"}
"""


class Whole(Stack):
    """With ingest and alertd too, on ten minutes of history; no agent comes, so incidents of both vendors open."""

    def __init__(self, build, more=""):
        super().__init__(build, days=0.02, live=False, more="  control: {dir}/control.sock\n" + more)

    def prepare(self):
        shutil.rmtree(self.dir + "/pki", ignore_errors=True)
        os.makedirs(self.dir + "/pki")
        for args in (("collector", "web-test", "127.0.0.1"), ("alertd", "main")):
            subprocess.run([os.path.join(HERE, "../../conf/pki.sh"), self.dir + "/pki", *args], check=True)
        with open(self.dir + "/collector.yaml") as f:
            text = f.read()
        head, web = text.split("web:\n")
        for name, path in (("ca", "ca.pem"), ("cert", "collector-web-test.pem"), ("key", "collector-web-test.key")):
            head = re.sub("(  %s:).*" % name, r"\1 %s/pki/%s" % (self.dir, path), head)
        with open(self.dir + "/collector.yaml", "w") as f:
            f.write(head + "web:\n" + web)

    def start_parts(self):
        self.fixture.wait(60)
        self.ingest = self.role("ingest")
        port = self._wait_for_log("ingest", r"listening on \S+ port (\d+)")
        with open(self.dir + "/alertd.yaml", "w") as f:
            f.write(ALERTD.format(dir=self.dir, port=port))
        with open(self.dir + "/policy.yaml", "w") as f:
            f.write(POLICY)
        self.start_alertd()

    def start_alertd(self):
        with open(self.dir + "/alertd.log", "ab") as log:
            self.alertd = subprocess.Popen([os.path.join(self.build, "linkwatch-alertd"), "-c",
                                            self.dir + "/alertd.yaml"], stderr=log, stdout=log)
        self.children.append(self.alertd)


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
