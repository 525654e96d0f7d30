"""test_http.py - bad and hostile requests against the real web process.

    test_http.py [--build DIR]

Raw sockets where a client library would be too polite.  After each kind of abuse the page must
still answer, and at the end the process must end well (in a sanitizer build that includes
leaks).  Ends with "N passed, N failed".
"""
import argparse
import concurrent.futures
import http.client
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
import traceback
import unicodedata
import urllib.parse
import zlib
from xml.etree import ElementTree

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import stack

TLS = ssl.create_default_context()
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


SVG_TAGS = ("svg", "g", "path", "rect", "defs", "use", "clipPath", "symbol", "line", "image", "mask", "filter", "feColorMatrix")


class Failure(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Failure(what)


class Client:
    def __init__(self, url, source=None):
        self.source = source and (source, 0)
        self.host, port = url.split("://")[1].split(":")
        self.port = int(port)
        self.cookie = None

    def ask(self, method, path, body=None, headers=None, cookie=True):
        """status, headers, body"""
        c = http.client.HTTPSConnection(self.host, self.port, timeout=20, context=TLS,
                                        source_address=self.source)
        h = dict(headers or {})
        if cookie and self.cookie:
            h["Cookie"] = self.cookie
        try:
            c.request(method, path, body, h)
            r = c.getresponse()
            return r.status, r.headers, r.read()
        finally:
            c.close()

    def log_in(self, user=stack.USER, password=stack.PASSWORD):
        body = urllib.parse.urlencode({"user": user, "password": password})
        status, headers, _ = self.ask("POST", "/login", body, FORM, cookie=False)
        if status == 303:
            self.cookie = headers["Set-Cookie"].split(";")[0]
        return status, headers

    def raw(self, data, limit=20, read=True):
        """What comes back for bytes as they are; b"" if the peer just closes."""
        s = TLS.wrap_socket(socket.create_connection((self.host, self.port), limit))
        out = b""
        try:
            s.sendall(data)
            while read:
                part = s.recv(65536)
                if not part:
                    break
                out += part
                if b"\r\n\r\n" in out and len(out) > 60 and b"Connection: close" not in data:
                    break
        except (ConnectionError, ssl.SSLError, socket.timeout):
            pass
        finally:
            s.close()
        return out

    def csrf(self):
        page = self.ask("GET", "/")[2].decode()
        return page.split('data-csrf="')[1].split('"')[0]


def cpu_of(pid):
    """CPU seconds of a process and its threads."""
    with open("/proc/%d/schedstat" % pid) as f:
        main = int(f.read().split()[0])
    rest = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
            rest += int(f.read().split()[0])
    return max(main, rest) / 1e9


def status_of(answer):
    return int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/") else None


class Tests:
    def __init__(self, own):
        self.own, self.c = own, Client(own.url)

    def alive(self):
        status, _, body = self.c.ask("GET", "/api/status")
        check(status == 200 and json.loads(body)["links"] == 13, "the page does not answer any more: %d" % status)

    def raw_all(self, requests):
        """The answers to bytes as they are, each on its own connection, at once: some are waited for until a deadline."""
        with concurrent.futures.ThreadPoolExecutor(40) as pool:
            return list(pool.map(lambda r: self.c.raw(r, limit=18), requests))

    # --------------------------------------------------------------- who may

    def test_01_nothing_without_log_in(self):
        for path in ("/", "/incidents", "/agents", "/link/pudong-1/extranet", "/incident/1"):
            status, headers, _ = self.c.ask("GET", path)
            check(status == 303 and headers["Location"].startswith("/login"), path)
        for path in ("/api/status", "/api/links", "/api/link/pudong-1/extranet", "/api/events", "/api/agents",
                     "/api/incidents", "/api/series/pudong-1/extranet", "/graph/pudong-1/extranet"):
            status, _, body = self.c.ask("GET", path)
            check(status == 401 and json.loads(body)["error"]["code"] == "login", "%s: %d" % (path, status))
        for path in ("/api/incident/1/ack", "/logout"):
            check(self.c.ask("POST", path, "", FORM)[0] in (303, 401), path)

    def test_02_cookie_and_headers(self):
        status, headers = self.c.log_in()
        check(status == 303 and headers["Location"] == "/", "log-in: %d" % status)
        cookie = headers["Set-Cookie"]
        for word in ("__Host-lw=", "HttpOnly", "Secure", "SameSite=Strict", "Path=/"):
            check(word in cookie, "no %s in %s" % (word, cookie))
        _, headers, _ = self.c.ask("GET", "/")
        check("'unsafe" not in headers["Content-Security-Policy"] and
              "default-src 'none'" in headers["Content-Security-Policy"], "CSP")
        for name, value in (("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"),
                            ("Cache-Control", "no-store")):
            check(headers[name] == value, name)
        page = self.c.ask("GET", "/")[2].decode()
        check("<script>" not in page and "onclick" not in page and " style=" not in page, "inline script or style")
        self.alive()

    def test_03_foreign_cookies(self):
        """H18: cookies that are no session, and two of them."""
        for value in ("0" * 64, "f" * 64, "", "x" * 64, "0" * 5000, "..", "%00"):
            status, _, _ = self.c.ask("GET", "/api/status", headers={"Cookie": "__Host-lw=" + value}, cookie=False)
            check(status == 401, "%s gives %d" % (value[:10], status))
        two = self.c.cookie + "; __Host-lw=" + "0" * 64
        check(self.c.ask("GET", "/api/status", headers={"Cookie": two}, cookie=False)[0] == 401, "two cookies")

    def test_04_changes_need_the_token(self):
        """H19: no token, another session's, another origin, text/plain."""
        post = lambda **h: self.c.ask("POST", "/api/incident/1/note", "note=x", {**FORM, **h})
        check(post()[0] == 403, "no token")
        check(post(**{"X-CSRF-Token": "0" * 64})[0] == 403, "a wrong token")
        other = Client(self.own.url)
        other.log_in()
        check(post(**{"X-CSRF-Token": other.csrf()})[0] == 403, "the token of another session")
        good = self.c.csrf()
        check(post(**{"X-CSRF-Token": good, "Origin": "https://evil.example"})[0] == 403, "another origin")
        check(post(**{"X-CSRF-Token": good, "Content-Type": "text/plain"})[0] == 400, "text/plain")
        status, _, body = post(**{"X-CSRF-Token": good})
        check(status == 503 and json.loads(body)["error"]["code"] == "unavailable", "no alertd here: %d" % status)
        guest = Client(self.own.url)
        guest.log_in("guest")
        status, _, body = guest.ask("POST", "/api/incident/1/note", "note=x", {**FORM, "X-CSRF-Token": guest.csrf()})
        check(status == 403 and json.loads(body)["error"]["code"] == "denied", "a viewer may act")

    def test_05_log_out(self):
        other = Client(self.own.url)
        other.log_in()
        check(other.ask("POST", "/logout", "", FORM)[0] == 403, "log-out without token")
        status, _, _ = other.ask("POST", "/logout", "csrf=" + other.csrf(), FORM)
        check(status == 303 and other.ask("GET", "/api/status")[0] == 401, "the session goes on")

    def test_06_next_stays_here(self):
        """H22: no redirect leads elsewhere."""
        for to in ("//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nSet-Cookie: x=1", "javascript:1"):
            body = urllib.parse.urlencode({"user": stack.USER, "password": stack.PASSWORD, "next": to})
            status, headers, _ = self.c.ask("POST", "/login", body, FORM, cookie=False)
            check(status == 400 or headers["Location"] == "/", "%r leads to %s" % (to, headers["Location"]))
        body = urllib.parse.urlencode({"user": stack.USER, "password": stack.PASSWORD, "next": "/agents"})
        check(self.c.ask("POST", "/login", body, FORM, cookie=False)[1]["Location"] == "/agents", "a good next")

    # --------------------------------------------------------------- addresses and parameters

    def test_10_unknown_and_climbing_paths(self):
        """H14: paths that climb, hide, or name what is not there; H22: no listing."""
        for path in ("/nothing", "/api/nothing", "/link/x", "/assets/", "/assets/no.js", "/assets/shell.html",
                     "/../etc/passwd", "/assets/../app.css", "/assets/%2e%2e/app.css", "/assets/..%2fapp.css",
                     "/assets/..%c0%afapp.css", "/assets/%00", "/%", "/%zz", "//", "/a//b", "/" + "a/" * 50,
                     "/" + "a" * 3000, "/graph/../../x", "/graph/pudong-1/..%2f..%2fjournal", "/graph/%2e%2e/x",
                     "/link/pudong-1/nolink", "/link/PUDONG/x", "/api/link/pudong-1/nolink", "/incident/x",
                     "/incident/0", "/incident/99999999999999999999", "/api/incident/-1", "/api/series/x/y"):
            status, _, body = self.c.ask("GET", path)
            check(status in (400, 404), "%s gives %d" % (path[:40], status))
            check(b"root:" not in body and len(body) > 20, "no words for %s" % path[:40])
            if path.startswith("/api/"):
                check("zh" in json.loads(body)["error"], path)
        self.alive()

    def test_11_methods(self):
        """H09: methods that are none of ours."""
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
            status, headers, body = self.c.ask(method, "/api/links")
            check(status == 405 and "GET" in headers["Allow"] and b"error" in body, "%s: %d" % (method, status))
        check(self.c.ask("POST", "/api/links", "", FORM)[0] == 405, "POST to a list")
        check(self.c.ask("GET", "/logout")[0] == 405, "GET of log-out")
        status, headers, body = self.c.ask("HEAD", "/api/links")
        check(status == 200 and body == b"" and int(headers["Content-Length"]) > 100, "HEAD")
        self.alive()

    def test_12_graph_parameters(self):
        """H13, H15: parameters of graphs."""
        now = int(time.time())
        for query in ("kind=x", "kind=traffic", "from=-1", "from=0&to=10", "to=x", "from=%d&to=%d" % (now, now - 60),
                      "w=99", "w=2001", "w=1e9", "h=0", "h=100000", "scale=99", "scale=301", "theme=pink",
                      "from=now-1000y", "from=1;ls", "from=%0a1", "w=%d" % 2**70, "from=%%n", "kind=rtt&kind=loss",
                      "from=%ff", "w=1%00", "from=0&to=%d" % now, "to=99999999999", "&".join("a%d=1" % i for i in range(40))):
            status, _, body = self.c.ask("GET", "/graph/pudong-1/extranet?" + query)
            check(status == 400 and "zh" in json.loads(body)["error"], "%s gives %d" % (query[:40], status))
        for query in ("cf=LAST", "resolution=0", "from=5&to=4"):
            check(self.c.ask("GET", "/api/series/pudong-1/extranet?" + query)[0] == 400, query)
        status, headers, body = self.c.ask("GET", "/graph/pudong-1/extranet?from=%d&to=%d&w=300&h=80" % (now - 600, now))
        check(status == 200 and body.startswith(b"\x89PNG") and headers["X-Graph-To"] == str(now), "a good one")
        status, _, body = self.c.ask("GET", "/api/series/pudong-1/extranet")
        rows = json.loads(body)
        check(status == 200 and "rtt_p50" in rows["ds"] and len(rows["rows"]) > 100, "series")

    def test_12b_named_objects(self):
        """Names and units of objects are in the answer; a hostile one is drawn all the same."""
        status, _, body = self.c.ask("GET", "/api/link/xuhui-1/server")
        objects = json.loads(body)["link"]["objects"]
        check(objects == [{"key": "oid0", "oid": "1.3.6.1.2.1.6.9.0", "name": "1.3.6.1.2.1.6.9.0", "unit": ""},
                          {"key": "oid1", "oid": "1.3.6.1.4.1.9.9.13.1", "name": "机房温度 <b>:50%", "unit": "°C"}],
              "objects are %r" % objects)
        status, headers, body = self.c.ask("GET", "/graph/xuhui-1/server?kind=oid&w=300&h=80")
        check(status == 200 and body.startswith(b"\x89PNG"), "the graph of objects gives %d" % status)
        for way, back in (("pudong-1/way-there", "xuhui-1/way-back"), ("xuhui-1/way-back", "pudong-1/way-there"),
                          ("pudong-1/access", None)):
            link = json.loads(self.c.ask("GET", "/api/link/" + way)[2])["link"]
            check(link["reverse"] == back, "the way back of %s is %r" % (way, link["reverse"]))
        check("objects" not in json.loads(self.c.ask("GET", "/api/link/pudong-1/extranet")[2])["link"],
              "objects without any")

    def picture(self, path, kind="png"):
        """A picture that is what it says, and nothing that runs: its bytes."""
        status, headers, body = self.c.ask("GET", path)
        check(status == 200, "%s gives %d: %r" % (path, status, body[:200]))
        csp = headers["Content-Security-Policy"]
        check("sandbox" in csp and "script-src" not in csp and "default-src 'none'" in csp, "policy of a picture: " + csp)
        check(headers["X-Content-Type-Options"] == "nosniff", "a picture may be sniffed")
        if kind == "png":
            check(headers["Content-Type"] == "image/png" and body.startswith(b"\x89PNG"), "no PNG: " + path)
            check(body[body.index(b"IDAT") + 4:][:2] == b"\x78\x01", "not by the quick writer: %r" % body[body.index(b"IDAT") + 4:][:2])
            return body
        check(headers["Content-Type"] == "image/svg+xml", "no SVG: " + path)
        for e in ElementTree.fromstring(body).iter():
            check(e.tag.split("}")[-1] in SVG_TAGS, "the SVG has a <%s>" % e.tag)
            for name, value in e.attrib.items():
                check(not name.lower().startswith("on") and (not name.endswith("href") or value.startswith("#")),
                      "the SVG has %s=%s" % (name, value))
        return body

    def test_12c_several_in_one(self):
        """Overlays, both ways, the week before, traffic mirrored, SVG: pictures that differ; what cannot be is refused."""
        now = int(time.time())
        span = "from=%d&to=%d&w=300&h=80" % (now - 3600, now)
        base, seen = "/graph/pudong-1/extranet?" + span, set()
        for more in ("", "&with=xuhui-1/extranet-too", "&with=xuhui-1%2Fextranet-too,xuhui-1/backbone", "&before=86400",
                     "&title=1", "&theme=dark", "&lang=en", "&kind=loss&with=xuhui-1/extranet-too", "&kind=pdv"):
            seen.add(self.picture(base + more))
        check(len(seen) == 9, "two of the pictures are the same")
        pair = "/graph/pudong-1/way-there?" + span
        check(len({self.picture(pair + m) for m in ("", "&reverse=1", "&reverse=1&kind=loss", "&reverse=1&kind=pdv")}) == 4,
              "both ways look like one")
        port = "/graph/pudong-1/uplink?" + span
        check(self.picture(port) != self.picture(port + "&mirror=1"), "nothing is mirrored")
        for link, kind in (("pudong-1/extranet", "rtt"), ("xuhui-1/gateway", "loss"), ("xuhui-1/server", "oid")):
            self.picture("/graph/%s?%s&format=svg&title=1&kind=%s" % (link, span, kind), "svg")
        eight = ",".join("xuhui-1/" + x for x in ("far", "backbone", "api", "gateway", "way-back", "extranet-too", "server", "far"))
        for query in ("with=", "with=x", "with=%2F", "with=xuhui-1/server", "with=pudong-1/extranet", "with=" + eight,
                      "with=xuhui-1/backbone,xuhui-1/backbone", "with=xuhui-1/backbone,", "reverse=2", "reverse=x", "before=-1",
                      "before=1e9", "before=99999999", "format=pdf", "format=", "mirror=yes", "title=<b>",
                      "with=xuhui-1/backbone&before=86400", "reverse=1&with=xuhui-1/backbone", "kind=traffic&mirror=1",
                      "with=..%2F..%2Fetc/passwd", "with=xuhui-1/..%2Fx", "nonsense=1"):
            status = self.c.ask("GET", "/graph/pudong-1/extranet?" + query)[0]
            check(status in (400, 404), "%s gives %d" % (query[:50], status))
        check(self.c.ask("GET", "/graph/pudong-1/access?reverse=1")[0] == 404, "a way back that is not there")
        check(self.c.ask("GET", "/graph/pudong-1/extranet?with=xuhui-1/none")[0] == 404, "a link that is not there")
        peers = json.loads(self.c.ask("GET", "/api/link/pudong-1/extranet")[2])["peers"]
        check([(p["agent"], p["link"]) for p in peers] == [("xuhui-1", "extranet-too")], "peers are %r" % peers)
        self.alive()

    def test_12d_address_for_a_report(self):
        """It opens without log-in, means one picture, and ends; nothing of it can be changed, and it opens nothing else."""
        now = int(time.time())
        ask = "/api/graph-address/pudong-1/extranet?from=%d&to=%d&w=300&h=80&title=1&with=xuhui-1/extranet-too" % (now - 3600, now)
        status, _, body = self.c.ask("GET", ask + "&days=30")
        check(status == 200, "no address: %d %r" % (status, body))
        answer = json.loads(body)
        path = answer["path"]
        check(abs(answer["expires"] - now - 30 * 86400) < 60 and "xuhui-1/extranet-too" in path, "an odd address: %r" % answer)
        stranger = Client(self.own.url)
        status, headers, picture = stranger.ask("GET", path)
        check(status == 200 and picture.startswith(b"\x89PNG"), "the address gives %d" % status)
        check(headers["Cross-Origin-Resource-Policy"] == "cross-origin" and "Set-Cookie" not in headers, "headers of a shared graph")
        check(stranger.ask("GET", path)[2] == picture, "the picture of a time past changes")
        check(stranger.ask("GET", path.replace("xuhui-1/", "xuhui-1%2F"))[0] == 200, "encoded otherwise")
        bare, mac = path.split("&mac=")
        for bad in (path.replace("w=300", "w=301"), path.replace("pudong-1/extranet?", "pudong-1/access?"),
                    path.replace("&expires=%d" % answer["expires"], "&expires=%d" % (answer["expires"] + 1)), bare,
                    path.replace("&with=xuhui-1/extranet-too", ""), path.replace("kind=rtt", "kind=loss"), path[:-1], path + "0",
                    bare + "&mac=" + mac.upper() if mac.upper() != mac else bare, bare + "&mac=", path.replace("from=", "from=1"),
                    path.replace("format=png", "format=svg"), bare + "&reverse=1&mac=" + mac,
                    "/shared/pudong-1/none?expires=%d&mac=%s" % (answer["expires"], mac)):
            status, headers, body = stranger.ask("GET", bad)
            check(status == 404 and "已过期".encode() in body, "%s gives %d" % (bad[-60:], status))
        check(stranger.ask("GET", path.replace("/shared/", "/graph/"))[0] in (400, 401), "it opens the inner graph")
        check(stranger.ask("GET", ask)[0] == 401, "a stranger signs")
        for query in ("days=0", "days=401", "days=x", "kind=x", "with=xuhui-1/none"):
            check(self.c.ask("GET", "/api/graph-address/pudong-1/extranet?" + query)[0] in (400, 404), query)
        key = self.own.dir + "/graph.key"
        check(os.stat(key).st_mode & 0o777 == 0o600 and os.stat(key).st_size == 32, "the key is open to others")
        self.alive()

    def test_13_damaged_series(self):
        path = self.own.dir + "/rrd/xuhui-1/gateway.rrd"
        self.own.end(self.own.store)    # it would set a damaged file aside before we look
        with open(path, "r+b") as f:    # a million rows that are not there, and no checksum: librrd runs past the end
            whole = bytearray(f.read())
            struct.pack_into("<Q", whole, 128 + 120 * struct.unpack_from("<Q", whole, 24)[0] + 24, 1 << 20)
            whole[48:64] = bytes(16)
            f.seek(0)
            f.write(whole)
        for kind in ("graph", "api/series"):
            check(self.c.ask("GET", "/%s/xuhui-1/gateway" % kind)[0] == 500, "a bent file: " + kind)
        check("a worker died" not in self.own.log("web"), "a bent file kills the process that draws")
        with open(path, "r+b") as f:
            f.write(os.urandom(4096))
        status, _, body = self.c.ask("GET", "/graph/xuhui-1/gateway")
        check(status == 500 and "zh" in json.loads(body)["error"], "a damaged file gives %d" % status)
        with open(path, "r+b") as f:
            f.truncate(200)
        check(self.c.ask("GET", "/graph/xuhui-1/gateway")[0] == 500, "a short file")
        os.unlink(path)
        check(self.c.ask("GET", "/graph/xuhui-1/gateway")[0] == 404, "a file that is gone")
        check(self.c.ask("GET", "/graph/pudong-1/extranet")[0] == 200, "the other graphs")
        self.own.store = self.own.role("store")

    def test_14_killed_drawing_process(self):
        kids = [int(k) for k in open("/proc/%d/task/%d/children" % (self.own.web.pid, self.own.web.pid)).read().split()]
        check(len(kids) >= 2, "no drawing processes")
        for k in kids:
            os.kill(k, signal.SIGKILL)
        check(self.c.ask("GET", "/graph/pudong-1/extranet")[0] in (200, 500), "after the kill")
        check(self.c.ask("GET", "/graph/pudong-1/extranet")[0] == 200, "no new worker")

    def test_15_hung_drawing_process(self):
        children = "/proc/%d/task/%d/children" % (self.own.web.pid, self.own.web.pid)
        for k in open(children).read().split():
            os.kill(int(k), signal.SIGSTOP)
        begin = time.monotonic()
        status, _, body = self.c.ask("GET", "/graph/pudong-1/extranet")
        check(status == 504 and json.loads(body)["error"]["code"] == "too-slow", "a hung worker gives %d" % status)
        check(time.monotonic() - begin < 9, "the deadline is late")
        self.c.ask("GET", "/graph/pudong-1/extranet")       # the second one hangs too
        check(self.c.ask("GET", "/graph/pudong-1/extranet")[0] == 200, "no new worker")

    # --------------------------------------------------------------- HTTP itself

    def test_20_headers_and_bodies(self):
        """H06: what is too long."""
        big = self.c.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: " + b"a" * 20000 + b"\r\n\r\n")
        check(status_of(big) in (None, 400, 413, 431), "a header of 20 kB: %r" % big[:40])
        many = self.c.raw(b"GET / HTTP/1.1\r\nConnection: close\r\n" + b"".join(b"X%d: y\r\n" % i for i in range(5000)) + b"\r\n")
        check(status_of(many) in (None, 400, 413, 431), "5000 headers: %r" % many[:40])
        line = self.c.raw(b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nConnection: close\r\n\r\n")
        check(status_of(line) in (None, 400, 413, 414), "a line of 100 kB: %r" % line[:40])
        body = self.c.raw(b"POST /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: "
                          b"application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\n" + b"a" * 100000)
        check(status_of(body) in (None, 413), "a body of 100 kB: %r" % body[:40])
        self.alive()

    def test_21_smuggling(self):
        """H01 to H05, H09: requests that two servers would read differently."""
        post = b"POST /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        cases = []
        for head in (b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     b"Transfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n0\r\n\r\n",
                     b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
                     b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
                     b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n\r\n",
                     b"Content-Length: 3\r\nContent-Length: 4\r\n\r\na=1",
                     b"Content-Length: -1\r\n\r\n", b"Content-Length: 99999999999999999999\r\n\r\n",
                     b"Content-Length: x\r\n\r\n", b" folded: x\r\n\r\n", b"No colon here\r\n\r\n",
                     b"Bad\x00name: x\r\n\r\n", b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n3;" + b"x" * 1000000,
                     b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: y\r\nContent-Length: 3\r\n\r\n",
                     b"Transfer-Encoding: chunked\nContent-Length: 3\n\na=1", b"X: a\rContent-Length: 3\r\n\r\na=1",
                     b"Content-Length : 3\r\n\r\na=1", b"Content-Length: +3\r\n\r\na=1", b"Content-Length: 3, 3\r\n\r\na=1"):
            cases.append(post + head)
        odd = (b"\x00" * 1000, b"\r\n" * 50, b"HELO there\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\nConnection: close\r\n\r\n",
               b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET http://127.0.0.1:22/ HTTP/1.1\r\nConnection: close\r\n\r\n")
        methods = [b"%s /api/links HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % m
                   for m in (b"TRACE", b"CONNECT", b"PRI", b"get", b"X" * 500, b"X" * 1000000)]
        answers = self.raw_all([*cases, *odd, *methods])
        for head, answer in zip(cases, answers):
            check(status_of(answer) in (None, 400, 411, 413, 501), "%r gives %r" % (head[len(post):][:40], answer[:40]))
        for garbage, answer in zip([*odd, *methods], answers[len(cases):]):
            check(status_of(answer) in (None, 303, 400, 404, 405, 501, 505), "%r gives %r" % (garbage[:20], answer[:40]))
        # whatever is behind a request that was refused is no request of its own
        hidden = self.c.raw(post + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /api/status HTTP/1.1\r\nHost: x\r\n"
                            b"Cookie: " + self.c.cookie.encode() + b"\r\n\r\n", limit=18)
        check(b'"links"' not in hidden and hidden.count(b"HTTP/1.1 ") <= 1, "a hidden request was answered: %r" % hidden[:60])
        self.alive()

    def test_25_pipelining(self):
        """H08: 1,000 requests at once are answered in their order; after an error the connection is still sound."""
        s = TLS.wrap_socket(socket.create_connection((self.c.host, self.c.port), 30))
        asks = b"".join(b"HEAD /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"login" if i % 2 else b"nothing") for i in range(1000))
        s.settimeout(30)
        got, sent = b"", 0
        while got.count(b"\r\n\r\n") < 1000:
            if sent < len(asks):
                sent += s.send(asks[sent:sent + 8192])
            part = s.recv(262144)
            check(part, "the connection ended after %d answers" % got.count(b"\r\n\r\n"))
            got += part
        s.close()
        codes = [int(a[9:12]) for a in got.split(b"\r\n\r\n") if a]
        check(codes == [404, 200] * 500, "answers in another order: %r" % codes[:6])
        self.alive()

    def test_26_host(self):
        """H10: a Host that is missing, twice or another's."""
        ask = lambda hosts, extra=b"": self.c.raw(b"GET /api/status HTTP/1.1\r\nConnection: close\r\nCookie: %s\r\n%s%s\r\n" % (
            self.c.cookie.encode(), b"".join(b"Host: %s\r\n" % h for h in hosts), extra))
        check(status_of(ask([b"a", b"b"])) == 400, "two of them")
        check(status_of(ask([])) == 400, "none")
        # another name: what a browser would be led to by its name server has no cookie of ours; and its origin is no excuse
        body = b"note=x"
        rebound = self.c.raw(b"POST /api/incident/1/note HTTP/1.1\r\nHost: evil.example\r\nOrigin: https://evil.example\r\nConnection: close\r\n"
                             b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 6\r\n\r\n" + body)
        check(status_of(rebound) == 401, "another's name and no cookie: %r" % rebound[:40])
        rebound = self.c.raw(b"POST /api/incident/1/note HTTP/1.1\r\nHost: evil.example\r\nOrigin: https://evil.example\r\nConnection: close\r\n"
                             b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 6\r\nCookie: %s\r\n\r\n" % self.c.cookie.encode() + body)
        check(status_of(rebound) == 403, "a cookie without token: %r" % rebound[:40])

    def test_27_ranges_and_packed_bodies(self):
        """H11: no range multiplies an answer, no packed body is unpacked."""
        plain = self.c.ask("GET", "/assets/app.css")[2]
        for r in ("bytes=0-", "bytes=" + ",".join("%d-" % i for i in range(1000)), "bytes=-1", "x"):
            status, headers, body = self.c.ask("GET", "/assets/app.css", headers={"Range": r})
            check(status == 200 and body == plain and headers["Content-Encoding"] is None, "a range gives %d" % status)
        bomb = zlib.compress(b"user=duty&password=" + b"x" * 60000000, 9)[:60000]
        status = self.c.ask("POST", "/login", bomb, {**FORM, "Content-Encoding": "deflate"}, cookie=False)[0]
        check(status in (400, 415), "a packed body gives %d" % status)
        self.alive()

    def test_28_every_answer_is_guarded(self):
        """H22: pages, errors, pictures and data alike may not be framed, sniffed or kept."""
        for path in ("/", "/login", "/nothing", "/api/status", "/api/nothing", "/healthz", "/favicon.ico", "/assets/app.js",
                     "/graph/pudong-1/extranet?w=1"):
            _, headers, _ = self.c.ask("GET", path, cookie=path != "/login")
            check(headers["X-Frame-Options"] == "DENY" and headers["X-Content-Type-Options"] == "nosniff" and
                  "frame-ancestors 'none'" in headers["Content-Security-Policy"] and headers["Content-Type"] and
                  headers["Cache-Control"] in ("no-store", "no-cache"), path)

    def test_29_nothing_is_reflected(self):
        """H17: what came in an address or a plan never comes out as markup."""
        mark = "<script>alert(1)</script>"
        quoted = urllib.parse.quote(mark, safe="")
        for path in ("/" + quoted, "/login?next=/" + quoted, "/link/pudong-1/" + quoted, "/?x=" + quoted, "/incident/" + quoted,
                     "/api/status?" + quoted + "=1", "/graph/pudong-1/extranet?kind=" + quoted, "/link/xuhui-1/gateway"):
            _, headers, body = self.c.ask("GET", path, cookie="login" not in path)
            check("html" not in headers["Content-Type"] or mark.encode() not in body, path)
        _, headers, body = self.c.ask("GET", "/api/link/xuhui-1/gateway")
        check(mark == json.loads(body)["link"]["name_en"] and headers["Content-Type"].startswith("application/json"), "as data it is itself")

    def test_22_not_even_tls(self):
        """H12: clients that hang up at each state, and what is no TLS."""
        for data in (b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\x00" * 200, os.urandom(500)):
            s = socket.create_connection((self.c.host, self.c.port), 10)
            s.sendall(data)
            s.settimeout(20)
            try:
                while s.recv(4096):
                    pass
            except ConnectionError:
                pass
            s.close()
        for step in (b"", b"GET", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST /login HTTP/1.1\r\nContent-Length: 50\r\n\r\nuser"):
            s = TLS.wrap_socket(socket.create_connection((self.c.host, self.c.port), 10))
            s.sendall(step)
            s.close()
        self.alive()

    def test_23_slow_clients_are_closed(self):
        """H07: a byte at a time, in handshake, header and body."""
        slow = [socket.create_connection((self.c.host, self.c.port), 30)]          # no handshake
        for start in (b"GET / HTTP/1.1\r\nX: ", b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                      b"Content-Length: 60000\r\n\r\nuser="):
            slow.append(TLS.wrap_socket(socket.create_connection((self.c.host, self.c.port), 30)))
            slow[-1].sendall(start)
        begin, gone = time.monotonic(), 0
        slow[0].setblocking(False)
        while time.monotonic() - begin < 19 and gone < 3:
            gone = 0
            for s in slow:
                try:
                    if s is not slow[0]:
                        s.sendall(b"a")         # a byte at a time never lets a read time out
                        s.settimeout(0.3)
                    if s.recv(100) == b"":
                        gone += 1
                except (BlockingIOError, ssl.SSLWantReadError, socket.timeout):
                    pass
                except (ConnectionError, ssl.SSLError, OSError):
                    gone += 1
        took = time.monotonic() - begin
        for s in slow:
            s.close()
        check(gone == 3, "after %.0f s %d of 3 slow clients are gone" % (took, gone))
        check(took > 10, "closed after %.0f s already" % took)

    def test_24_connection_cap(self):
        held, answered = [], 0
        for _ in range(80):             # the cap of the stack is 64
            s = socket.create_connection((self.c.host, self.c.port), 10)
            try:
                s.settimeout(10)
                held.append(TLS.wrap_socket(s))
            except OSError:
                s.close()
        for s in held:
            try:                        # a client may finish its handshake before it learns that it is cut off
                s.sendall(b"HEAD /login HTTP/1.1\r\nHost: x\r\n\r\n")
                answered += s.recv(1000).startswith(b"HTTP/1.1 200")
            except OSError:
                pass
        for s in held:
            s.close()
        check(40 <= answered <= 64, "80 connections under a cap of 64, %d answered" % answered)
        end = time.monotonic() + 10
        while True:
            try:
                self.alive()
                break
            except (OSError, http.client.HTTPException, Failure):
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    # --------------------------------------------------------------- streams

    def open_stream(self):
        s = TLS.wrap_socket(socket.create_connection((self.c.host, self.c.port), 20))
        s.sendall(b"GET /api/events HTTP/1.1\r\nHost: x\r\nCookie: %s\r\n\r\n" % self.c.cookie.encode())
        return s, s.recv(65536)

    def test_30_stream(self):
        s, got = self.open_stream()
        check(b"text/event-stream" in got, "no stream: %r" % got[:60])
        end = time.monotonic() + 40
        while (b"event: links" not in got or b"event: status" not in got) and time.monotonic() < end:
            got += s.recv(65536)
        check(b"event: links" in got and b"event: status" in got, "no events within 40 s")
        s.close()

    def test_31_streams_are_bounded(self):
        """H23: more streams than are allowed, and none of them reads."""
        held, answers = [], []
        for _ in range(12):             # the stack allows 8
            s, got = self.open_stream()
            held.append(s)
            answers.append(status_of(got))
        for s in held:
            s.close()
        check(answers.count(200) <= 8 and answers.count(503) >= 4, "%r" % answers)
        end = time.monotonic() + 10     # those that hung up give their place back
        while True:
            s, got = self.open_stream()
            s.close()
            if status_of(got) == 200:
                break
            check(time.monotonic() < end, "no place became free")
            time.sleep(0.2)

    def test_32_stream_ends_with_log_out(self):
        other = Client(self.own.url)
        other.log_in()
        mine, self.c.cookie = self.c.cookie, other.cookie
        s, got = self.open_stream()
        self.c.cookie = mine
        check(b"200" in got[:20], "no stream")
        other.ask("POST", "/logout", "csrf=" + other.csrf(), FORM)
        end, rest = time.monotonic() + 5, b"x"
        try:
            while rest and b"0\r\n\r\n" not in rest[-7:] and time.monotonic() < end:
                rest = s.recv(65536)
        except (socket.timeout, ConnectionError, ssl.SSLError):
            rest = b"x"
        s.close()
        check(rest == b"" or rest.endswith(b"0\r\n\r\n"), "the stream goes on after the log-out")

    # --------------------------------------------------------------- passwords

    def test_40_password_guessing_is_slowed(self):
        """H16, H20: neither by many tries nor by a header that says one is somebody else."""
        codes = []
        for i in range(9):
            body = urllib.parse.urlencode({"user": "nobody", "password": "guess guess"})
            spoof = {"X-Forwarded-For": "192.0.2.%d" % i, "Forwarded": "for=192.0.2.%d" % i, "X-Real-IP": "192.0.2.%d" % i}
            codes.append(self.c.ask("POST", "/login", body, {**FORM, **spoof}, cookie=False)[0])
        check(codes[:3] == [403] * 3 and 429 in codes, "%r" % codes)
        self.alive()

    def test_42_a_burst_of_guesses(self):
        """Many guesses at once may not outrun the wait."""
        body = urllib.parse.urlencode({"user": "nobody", "password": "guess guess"})

        def guess(_):
            return Client(self.own.url, "127.0.0.2").ask("POST", "/login", body, FORM, cookie=False)[0]

        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            codes = list(pool.map(guess, range(24)))
        check(403 in codes and codes.count(403) <= 10 and codes.count(429) >= 14, "%r" % codes)
        self.alive()

    def test_41_bad_log_in_forms(self):
        """H16: forms that are none."""
        for body in ("", "user=duty", "password=x", "user=&password=", "user=duty&user=duty&password=x",
                     "user=" + "a" * 5000 + "&password=x", "user=duty&password=" + "x" * 5000, "user=%00&password=x",
                     "user=%ff%fe&password=x", "%", "user=a%0d%0ab&password=x\x01",
                     "user=duty'+OR+'1'='1&password=x'+OR+1=1--", "user=duty%00x&password=x"):
            status = self.c.ask("POST", "/login", body, FORM, cookie=False)[0]
            check(status in (400, 403, 429), "%r gives %d" % (body[:30], status))
        big = self.c.raw(b"POST /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                         b"Content-Length: 1000016\r\n\r\nuser=duty&password=" + b"x" * 999998)
        check(status_of(big) in (None, 413), "a password of 1 MB: %r" % big[:40])
        self.alive()

    def test_43_time_tells_nothing(self):
        """H16: a user that exists costs what one costs that does not: the work of scrypt."""
        took = {"duty": [], "nobody": []}
        for i in range(3):
            for who, times in took.items():
                c = Client(self.own.url, "127.0.1.%d" % (2 * i + (who == "duty")))
                body = urllib.parse.urlencode({"user": who, "password": "wrong wrong"})
                before = cpu_of(self.own.web.pid)
                status = c.ask("POST", "/login", body, FORM, cookie=False)[0]
                times.append(cpu_of(self.own.web.pid) - before)
                check(status == 403, "%s: %d" % (who, status))
        known, unknown = (sorted(t)[1] for t in took.values())
        check(known > 0.02 and unknown > 0.02 and 0.6 < known / unknown < 1.7, "CPU %.3f and %.3f s" % (known, unknown))

    def test_44_no_session_is_fixed(self):
        """H18: a log-in gives a new name, whatever cookie came with it, and ends the session that asked."""
        chosen = "__Host-lw=" + "ab" * 32
        body = urllib.parse.urlencode({"user": stack.USER, "password": stack.PASSWORD})
        c = Client(self.own.url, "127.0.0.4")
        status, headers, _ = c.ask("POST", "/login", body, {**FORM, "Cookie": chosen}, cookie=False)
        check(status == 303 and "ab" * 32 not in headers["Set-Cookie"], "the chosen name is taken")
        check(c.ask("GET", "/api/status", headers={"Cookie": chosen}, cookie=False)[0] == 401, "it is let in")
        first = headers["Set-Cookie"].split(";")[0]
        status, headers, _ = c.ask("POST", "/login", body, {**FORM, "Cookie": first}, cookie=False)
        check(status == 303 and headers["Set-Cookie"].split(";")[0] != first, "the same name again")
        check(c.ask("GET", "/api/status", headers={"Cookie": first}, cookie=False)[0] == 401, "the old session goes on")

    def test_45_unicode(self):
        """H16: what looks alike is not alike; the bytes of a password count."""
        add = lambda name, password: subprocess.run([self.own.program, "passwd", self.own.dir + "/users", name, "viewer"],
                                                    input=password + "\n", text=True, check=True)
        add("uni", "pässwörd密码")
        self.own.web.send_signal(signal.SIGHUP)
        c = Client(self.own.url, "127.0.0.6")
        end = time.monotonic() + 10
        while c.log_in("uni", "pässwörd密码")[0] != 303:
            check(time.monotonic() < end, "the password itself")
            c = Client(self.own.url, "127.0.2.%d" % (int(time.monotonic() * 5) % 250 + 1))
            time.sleep(0.2)
        other = unicodedata.normalize("NFD", "pässwörd密码")
        check(Client(self.own.url, "127.0.0.7").log_in("uni", other)[0] == 403, "its decomposed form")
        for name in ("ｕｎｉ", "un\u0131"):
            check(Client(self.own.url, "127.0.0.7").log_in(name, "pässwörd密码")[0] in (400, 403), "user %r" % name)

    # --------------------------------------------------------------- life

    def test_50_reload(self):
        """H18: a session ends with its user."""
        users = self.own.dir + "/users"
        with open(users) as f:
            text = f.read()
        with open(users, "a") as f:
            f.write("broken line\n")
        self.own.web.send_signal(signal.SIGHUP)
        self.wait_log("users:")
        self.alive()                    # the old users stay
        with open(users, "w") as f:
            f.write("\n".join(line for line in text.splitlines() if not line.startswith("duty:")) + "\n")
        self.own.web.send_signal(signal.SIGHUP)
        end = time.monotonic() + 10
        while self.c.ask("GET", "/api/status")[0] != 401:
            check(time.monotonic() < end, "a user who is gone is still logged in")
            time.sleep(0.05)

    def test_51_restart(self):
        """H18: no session outlives the process."""
        c = Client(self.own.url, "127.0.0.8")
        check(c.log_in("guest")[0] == 303 and c.ask("GET", "/api/status")[0] == 200, "a log-in")
        at = len(self.own.log("web"))
        check(self.own.end(self.own.web) == 0, "the page ends badly")
        self.own.web = self.own.role("web")
        again = Client(self.own._wait_for_log("web", stack.URL, at), "127.0.0.8")
        again.cookie = c.cookie
        check(again.ask("GET", "/api/status")[0] == 401, "the session is still good")
        check(again.log_in("guest")[0] == 303 and again.ask("GET", "/api/status")[0] == 200, "a new log-in")

    def wait_log(self, word):
        end = time.monotonic() + 10
        while word not in self.own.log("web").split("listening on")[-1]:
            check(time.monotonic() < end, "the log does not say %r" % word)
            time.sleep(0.05)


def run(make_stack, tests_of, parts):
    """Starts a stack, runs the tests (of a class) that are asked for, and sees that the parts end well."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.environ.get("BUILD", "build"))
    parser.add_argument("only", nargs="*")
    args = parser.parse_args()
    own = make_stack(args.build)
    passed = failed = 0
    try:
        tests = tests_of(own)
        if args.only and hasattr(tests, "c"):
            tests.c.log_in()
        for name in sorted(n for n in dir(tests) if n.startswith("test_")):
            if args.only and not any(o in name for o in args.only):
                continue
            try:
                begin = time.monotonic()
                getattr(tests, name)()
                passed += 1
                print("ok   %-34s %5.1f s" % (name, time.monotonic() - begin), flush=True)
            except Failure as e:
                failed += 1
                print("FAIL %s: %s" % (name, e), flush=True)
            except Exception:
                failed += 1
                print("FAIL %s:\n%s" % (name, traceback.format_exc()), flush=True)
    finally:
        logs = {part: own.log(part) for part in parts}
        ended = own.stop()
    for part in parts:
        if ended.get(part) != 0:
            failed += 1
            print("FAIL %s ended with %r\n%s" % (part, ended.get(part), logs[part][-3000:]))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


def main():
    return run(lambda build: stack.Stack(build, days=0.1), Tests, ("web",))


if __name__ == "__main__":
    sys.exit(main())
