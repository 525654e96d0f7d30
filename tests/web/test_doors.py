"""test_doors.py - who may come in, and what he gets: vendors, tokens, the API's description, /metrics, /healthz.

    test_doors.py [--build DIR] [NAME...]

Ingest, store, alertd and web are the product's own, on ten minutes of invented history in which links of
both vendors are down.  Ends with "N passed, N failed".
"""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import jsonschema

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import prom
import stack
import test_http
from test_http import FORM, TLS, Client, check

MORE = """  tokens: {dir}/tokens
  metrics_links: true
  metrics_from: [127.0.0.3, "2001:db8::/32"]
  address_connections: 20
"""
OWN, FOREIGN = ("pudong-1", "portal"), ("xuhui-1", "server")
FOREIGN_WORDS = ("cloud-b", "xuhui-1", "B云", "乙云", "Cloud B")

# What a vendor's engineer gets at each route: a route that is not here has nobody thought about.
#   none    404, as if there were nothing      shared  the same as everybody
#   own     his; what another vendor owns is 404 (by path) or not in it (lists)
VENDOR = {
    "get /": "shared", "get /incidents": "shared", "get /agents": "shared", "get /incident/{number}": "shared",
    "get /agent/{agent}": "own", "get /chains": "shared", "get /matrix": "shared", "get /admin": "none",
    "get /link/{agent}/{link}": "own", "get /login": "open", "post /login": "open", "post /logout": "shared",
    "get /assets/{name}": "open", "get /favicon.ico": "open", "get /healthz": "open", "get /metrics": "none",
    "get /graph/{agent}/{link}": "own", "get /shared/{agent}/{link}": "open",
    "get /api/graph-address/{agent}/{link}": "own", "get /api/status": "own", "get /api/links": "own",
    "get /api/link/{agent}/{link}": "own", "get /api/series/{agent}/{link}": "own", "get /api/agents": "own",
    "get /api/incidents": "own", "get /api/incident/{number}": "own", "post /api/incident/{number}/{act}": "own",
    "get /api/events": "own", "get /api/openapi.json": "shared", "get /api/users": "none",
    "get /api/tokens": "none", "get /api/sessions": "none", "post /api/session/{id}/end": "none",
}


def wait_for(what, limit=20, why="what was waited for"):
    end = time.monotonic() + limit
    while True:
        got = what()
        if got:
            return got
        check(time.monotonic() < end, "%s did not come within %d s" % (why, limit))
        time.sleep(0.05)


class Stream:
    """A reader of /api/events."""

    def __init__(self, client, headers):
        self.s = TLS.wrap_socket(socket.create_connection((client.host, client.port), 20))
        self.s.settimeout(0.2)
        self.s.sendall(b"GET /api/events HTTP/1.1\r\nHost: x\r\n" +
                       "".join("%s: %s\r\n" % h for h in headers.items()).encode() + b"\r\n")
        self.got, self.ended = b"", False

    def read(self):
        try:
            part = self.s.recv(65536)
            self.ended |= not part
            self.got += part
        except (socket.timeout, TimeoutError):
            pass
        except OSError:
            self.ended = True
        self.ended |= self.got.endswith(b"\r\n0\r\n\r\n")
        return self.got

    def events(self):
        text = re.sub(rb"\r\n[0-9a-f]+\r\n", b"", self.got).decode(errors="replace")
        return [(m.group(1), json.loads(m.group(2))) for m in re.finditer(r"event: (\w+)\ndata: (.*)\n\n", text)]


class Tests:
    def __init__(self, own):
        self.own, self.users = own, {}
        for name in ("duty", "guest", "chief", "li"):
            c = self.users[name] = Client(own.url)
            check(c.log_in(name)[0] == 303, "log-in of " + name)
        self.admin, self.li = self.users["chief"], self.users["li"]
        self.api = json.loads(self.admin.ask("GET", "/api/openapi.json")[2])
        self.tokens = {}
        for name, role in (("look", "viewer"), ("act", "operator"), ("cloud", "vendor=cloud-a"), ("busy", "viewer")):
            self.tokens[name] = self.token("add", name, role, "7").stdout.strip()
        wait_for(lambda: self.by_token("look", "GET", "/api/status")[0] == 200, why="the new tokens")
        links = json.loads(self.admin.ask("GET", "/api/links")[2])["links"]
        self.all, self.his = len(links), sum(l["vendor"] == "cloud-a" for l in links)
        check(0 < self.his < self.all, "links of both vendors")
        self.number = wait_for(self.incidents, 30, "incidents of both vendors")

    def incidents(self):
        """{vendor: number of an incident} when both have one."""
        got = json.loads(self.admin.ask("GET", "/api/incidents")[2])
        found = {i["vendor"]: i["number"] for i in got["incidents"]}
        return found if {"cloud-a", "cloud-b"} <= set(found) else None

    def token(self, verb, *args, ok=True):
        r = subprocess.run([self.own.program, "token", verb, self.own.dir + "/tokens", *args], capture_output=True,
                           text=True, check=False)
        check((r.returncode == 0) == ok, "token %s %r: %d %s" % (verb, args, r.returncode, r.stderr))
        return r

    def by_token(self, name, method, path, body=None, **headers):
        return Client(self.own.url).ask(method, path, body, {
            "Authorization": "Bearer " + self.tokens.get(name, name), **(FORM if body is not None else {}), **headers})

    def fill(self, path, link, vendor, act="note"):
        return (path.replace("{agent}", link[0]).replace("{link}", link[1]).replace("{act}", act).replace("{id}", "1")
                .replace("{number}", str(self.number[vendor])).replace("{name}", "app.js"))

    def operations(self):
        return [(method, path, op) for path, item in self.api["paths"].items() for method, op in item.items()]

    def valid(self, op, answer, what):
        """Is this answer one that the description promises?"""
        status, headers, body = answer
        promised = op["responses"].get(str(status))
        check(promised is not None, "%s answers %d, which is not described: %r" % (what, status, body[:80]))
        if "$ref" in promised:
            promised = self.api["components"]["responses"][promised["$ref"].split("/")[-1]]
        kind = (headers["Content-Type"] or "").split(";")[0]
        content = promised.get("content", {kind: {}})
        check(kind in content, "%s answers %d as %s" % (what, status, kind))
        schema = content[kind].get("schema")
        if schema is None:
            return None
        data = json.loads(body)
        problem = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(
            {**schema, "components": self.api["components"]}).iter_errors(data))
        check(problem is None, "%s: %s" % (what, problem and "%s at %s" % (problem.message[:200], list(problem.path))))
        return data

    # --------------------------------------------------------------- vendors

    def test_10_vendor_at_each_route(self):
        """H21, H14: every route of the description, as a vendor's engineer."""
        csrf = {"X-CSRF-Token": self.li.csrf()}
        for method, path, op in self.operations():
            key = "%s %s" % (method, path)
            check(key in VENDOR, "nobody has said what a vendor gets at '%s'" % key)
            rule = VENDOR[key]
            check(rule == ("open" if "security" in op else op["x-vendor"]), "the description of '%s' differs" % key)
            if rule == "open" or path in ("/logout", "/api/events"):
                continue
            ask = lambda p: self.li.ask(method.upper(), p, "note=x" if "{act}" in p or "note" in p else "", {**FORM, **csrf}) \
                if method == "post" else self.li.ask("GET", p)
            mine = ask(self.fill(path, OWN, "cloud-a"))
            other = ask(self.fill(path, FOREIGN, "cloud-b"))
            if rule == "none":
                check(mine[0] == other[0] == 404, "%s gives %d" % (key, mine[0]))
                continue
            check(mine[0] == 200, "%s of his own gives %d %r" % (key, mine[0], mine[2][:200]))
            if rule == "own" and "{" in path:
                check(other[0] == 404, "%s of another's gives %d" % (key, other[0]))
            for answer in (mine, other) if rule == "own" else (mine,):
                text = json.dumps(json.loads(answer[2]), ensure_ascii=False) if b'{"' == answer[2][:2] else \
                    answer[2].decode(errors="replace")
                for word in FOREIGN_WORDS:
                    check(word not in text, "'%s' stands in %s" % (word, key))
        check(set(VENDOR) == {"%s %s" % (m, p) for m, p, _ in self.operations()}, "rules for what is no route")

    def test_11_vendor_counts(self):
        status = json.loads(self.li.ask("GET", "/api/status")[2])
        check(status["links"] == self.his and set(status["alertd"]["status"]) == {"links", "agents", "incidents"}, "%r" % status)
        check(sum(status["alertd"]["status"]["links"].values()) == self.his, "%r" % status)
        links = json.loads(self.li.ask("GET", "/api/links")[2])
        check(len(links["links"]) == self.his and [v["id"] for v in links["vendors"]] == ["cloud-a"], "links")
        check([z["id"] for z in links["zones"]] == ["pudong"], "zones: %r" % links["zones"])
        shown = json.loads(self.li.ask("GET", "/api/incident/%d" % self.number["cloud-a"])[2])
        check(shown["messages"] == [] and shown["incident"]["told"] == [], "whom the supervisor told")
        check(len(json.loads(self.admin.ask("GET", "/api/links")[2])["links"]) == self.all, "all links")

    def test_11b_vendor_graphs(self):
        """Neither over his own link, nor as its way back, nor by a signed address does he see another's."""
        for path in ("/graph/pudong-1/extranet?with=xuhui-1/extranet-too", "/graph/pudong-1/way-there?reverse=1",
                     "/api/graph-address/pudong-1/extranet?with=xuhui-1/extranet-too", "/api/graph-address/xuhui-1/far",
                     "/api/graph-address/pudong-1/way-there?reverse=1", "/graph/xuhui-1/far"):
            check(self.admin.ask("GET", path)[0] == 200, path + " is not there at all")
            check(self.li.ask("GET", path)[0] == 404, "a vendor sees " + path)
        check(self.li.ask("GET", "/graph/pudong-1/extranet?with=pudong-1/access")[0] == 200, "his own over his own")
        for link in ("extranet", "way-there"):
            page = json.loads(self.li.ask("GET", "/api/link/pudong-1/" + link)[2])
            check(page["peers"] == [] and page["link"]["reverse"] is None, "named to a vendor: %r" % page["peers"])
        page = json.loads(self.admin.ask("GET", "/api/link/pudong-1/way-there")[2])
        check(page["link"]["reverse"] == "xuhui-1/way-back", "nor to anybody")

    def test_12_vendor_acts(self):
        csrf = {"X-CSRF-Token": self.li.csrf(), **FORM}
        act = lambda vendor, what, body="note=x": self.li.ask("POST", "/api/incident/%d/%s" % (self.number[vendor], what),
                                                             body, csrf)
        check(act("cloud-a", "note", "note=正在抢修".encode())[0] == 200, "a note")
        check(act("cloud-a", "ack", "note=x&eta=3600")[0] == 200, "an acknowledgement")
        for what in ("close", "reopen", "cancel"):
            check(act("cloud-a", what)[0] == 403, what)
        for what in ("note", "ack"):
            check(act("cloud-b", what)[0] == 404, "%s of another's" % what)
        check(self.li.ask("POST", "/api/incident/%d/note" % self.number["cloud-a"], "note=x", FORM)[0] == 403, "no CSRF token")
        log = json.loads(self.admin.ask("GET", "/api/incident/%d" % self.number["cloud-a"])[2])["log"]
        mine = [e for e in log if e["actor"] == "li"]
        check({e["role"] for e in mine} == {"vendor"} and {"note", "ack"} <= {e["what"] for e in mine}, "the log: %r" % mine)
        check("正在抢修" in [e["note"] for e in mine], "the note")

    def test_13_vendor_stream(self):
        """Incidents of others do not come; his own do."""
        mine, all_ = Stream(self.li, {"Cookie": self.li.cookie}), Stream(self.admin, {"Cookie": self.admin.cookie})
        wait_for(lambda: b"retry:" in mine.read() and b"retry:" in all_.read())
        csrf = {"X-CSRF-Token": self.admin.csrf(), **FORM}
        for vendor in ("cloud-b", "cloud-a"):
            self.admin.ask("POST", "/api/incident/%d/note" % self.number[vendor], "note=" + vendor, csrf)
        ours = lambda s: {d["vendor"] for e, d in s.events() if e == "incident"}
        wait_for(lambda: (mine.read(), all_.read()) and ours(all_) >= {"cloud-a", "cloud-b"} and "cloud-a" in ours(mine))
        wait_for(lambda: mine.read() and "status" in {e for e, _ in mine.events()}, why="a status")
        check(ours(mine) == {"cloud-a"}, "incidents of %r" % ours(mine))
        for word in FOREIGN_WORDS:
            check(word not in json.dumps(mine.events(), ensure_ascii=False), "'%s' in his stream" % word)
        for event, data in all_.events():
            schema = {"links": "EventLinks", "status": "Status", "incident": "Incident"}[event]
            jsonschema.Draft202012Validator({"$ref": "#/components/schemas/" + schema,
                                             "components": self.api["components"]}).validate(data)
        mine.s.close()
        all_.s.close()

    # --------------------------------------------------------------- tokens

    def test_20_tokens_have_roles(self):
        check(self.by_token("look", "GET", "/api/links")[0] == 200, "to look")
        number = self.number["cloud-b"]
        note = lambda name, n=number: self.by_token(name, "POST", "/api/incident/%d/note" % n, "note=by+token")[0]
        check(note("look") == 403, "a viewer's token may act")
        check(note("act") == 200, "an operator's token, no CSRF needed")
        log = json.loads(self.by_token("act", "GET", "/api/incident/%d" % number)[2])["log"]
        check(("token:act", "operator") in {(e["actor"], e["role"]) for e in log}, "the log of the incident")
        check(note("cloud") == 404 and note("cloud", self.number["cloud-a"]) == 200, "a vendor's token")
        check(len(json.loads(self.by_token("cloud", "GET", "/api/links")[2])["links"]) == self.his, "a vendor's token sees his")
        for name, path, status in (("act", "/api/users", 403), ("cloud", "/api/users", 404), ("cloud", "/metrics", 404),
                                   ("look", "/metrics", 200)):
            check(self.by_token(name, "GET", path)[0] == status, "%s for %s" % (path, name))

    def test_21_tokens_that_are_none(self):
        secret = self.tokens["look"]
        for bad in ("", "x", "lw_", "lw_" + "0" * 64, secret[:-1], secret + "0", secret.upper(), "lw_" + "g" * 64):
            status, headers, body = self.by_token(bad or " ", "GET", "/api/status")
            check(status in (401, 429) and headers["WWW-Authenticate"] == "Bearer", "%r gives %d" % (bad[:10], status))
            check(secret not in body.decode(), "an echo")
        for scheme in ("Basic " + secret, secret, "Bearer"):
            check(Client(self.own.url).ask("GET", "/api/status", headers={"Authorization": scheme})[0] in (401, 429), scheme[:9])
        check(self.by_token("look", "GET", "/api/status")[0] == 200, "a good one beside bad ones of the same address")
        bad = {"Authorization": "Bearer lw_" + "0" * 64}
        check(self.admin.ask("GET", "/api/status", headers=bad)[0] in (401, 429), "a cookie beside a bad token")
        two = b"GET /api/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + 2 * (b"Authorization: Bearer %s\r\n" % secret.encode())
        check(test_http.status_of(self.admin.raw(two + b"\r\n")) in (401, 429), "two tokens")
        check(self.by_token("look", "GET", "/")[0] == 303, "a token opens no page")

    def test_72_never_in_an_address(self):
        secret = self.tokens["look"]
        for name in ("token", "access_token", "api_key", "Authorization"):
            path = "/api/status?%s=%s" % (name, secret)
            check(Client(self.own.url).ask("GET", path)[0] == 401, name)
            check(self.admin.ask("GET", path)[0] == 400, "%s beside a cookie" % name)

    def test_73_guesses_are_slowed(self):
        c = Client(self.own.url, "127.0.0.5")
        codes = [c.ask("GET", "/api/status", headers={"Authorization": "Bearer lw_" + "%064x" % i})[0] for i in range(9)]
        check(codes[:3] == [401] * 3 and 429 in codes, "%r" % codes)

    def test_74_rate(self):
        """Over one kept connection, so that only requests count."""
        s = TLS.wrap_socket(socket.create_connection((self.admin.host, self.admin.port), 20))
        ask = b"HEAD /api/openapi.json HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n" % self.tokens["busy"].encode()
        codes = []
        for _ in range(400):
            s.sendall(ask)
            got = b""
            while b"\r\n\r\n" not in got:
                got += s.recv(65536)
            codes.append(test_http.status_of(got))
            if codes[-1] == 429:
                break
        s.close()
        check(codes.count(200) >= 100 and codes[-1] == 429, "%d answers, then %r" % (len(codes), codes[-1]))
        check(self.by_token("look", "GET", "/api/status")[0] == 200, "another token")

    def test_75_command(self):
        out = self.token("list").stdout
        check(re.search(r"^cloud vendor=cloud-a 20\d\d-\d\d-\d\dT", out, re.M), out)
        with open(self.own.dir + "/tokens") as f:
            text = f.read()
        for secret in self.tokens.values():
            check(len(secret) == 67 and secret not in out and secret not in text and secret[3:] not in text, "the secret is kept")
        check(os.stat(self.own.dir + "/tokens").st_mode & 0o77 == 0, "others may read the file")
        for args in (("look", "viewer"), ("new", "vendor"), ("new", "viewer", "0")):    # test_web_token.c has more
            self.token("add", *args, ok=False)
        self.token("revoke", "nobody", ok=False)
        check(self.token("list").stdout == out, "a refused command has changed the file")

    def test_76_revoked_and_expired(self):
        late = self.token("add", "late", "viewer", "1").stdout.strip()
        wait_for(lambda: self.by_token(late, "GET", "/api/status")[0] == 200, why="the new token")
        stream = Stream(self.admin, {"Authorization": "Bearer " + late})
        wait_for(lambda: b"retry:" in stream.read(), why="the stream of a token")
        with open(self.own.dir + "/tokens") as f:
            text = f.read()
        with open(self.own.dir + "/tokens", "w") as f:
            f.write(re.sub(r"(?m)^(late:viewer:)\d+", r"\g<1>1000000000", text))
        wait_for(lambda: self.by_token(late, "GET", "/api/status")[0] in (401, 429), why="the end of an expired token")
        wait_for(lambda: stream.read() and stream.ended, why="the end of its stream")
        check(" expired" in self.token("list").stdout, "list does not say it")
        self.token("revoke", "act")
        wait_for(lambda: self.by_token("act", "GET", "/api/status")[0] in (401, 429), why="the end of a revoked token")
        with open(self.own.dir + "/tokens", "a") as f:
            f.write("no token at all\n")
        wait_for(lambda: self.by_token("look", "GET", "/api/status")[0] in (401, 429), why="refusal of a broken file")
        with open(self.own.dir + "/tokens", "w") as f:
            f.write(text)
        wait_for(lambda: self.by_token("look", "GET", "/api/status")[0] == 200, why="the mended file")

    # --------------------------------------------------------------- description

    def test_30_answers_are_as_described(self):
        """Good and bad requests at every route, by everybody."""
        now = int(time.time())
        askers = {"nobody": Client(self.own.url), **self.users}
        tried = set()
        for method, path, op in self.operations():
            if method == "post" or path == "/api/events":
                continue
            for who, c in askers.items():
                for link, vendor in ((OWN, "cloud-a"), (FOREIGN, "cloud-b"), (("none", "x"), "cloud-a")):
                    target = self.fill(path, link, vendor)
                    got = c.ask("GET", target)
                    self.valid(op, got, "%s for %s" % (target, who))
                    tried.add((path, got[0]))
                    if "{" not in path:
                        break
            if op["tags"] != ["page"]:
                for odd in ("nothing=1", "from=1;ls", "a=%zz", "lang=zh&lang=en", "x=%00", "from=5&to=4"):
                    got = self.admin.ask("GET", self.fill(path, OWN, "cloud-a") + "?" + odd)
                    self.valid(op, got, "%s?%s" % (path, odd))
                    check(got[0] == 400, "%s?%s gives %d" % (path, odd, got[0]))
        for query in ("from=%d&to=%d" % (now - 600, now), "from=%d&to=%d&resolution=60&cf=MAX" % (now - 600, now)):
            path = "/api/series/{agent}/{link}"
            got = self.valid(self.api["paths"][path]["get"], self.admin.ask("GET", self.fill(path, OWN, "cloud-a") + "?" + query), query)
            check(got["rows"], "no rows")
        op = self.api["paths"]["/api/links"]["get"]
        for query, status in (("curve=0", 200), ("curve=1", 200), ("agent=pudong-1&curve=0", 200), ("agent=nobody", 200),
                              ("curve=2", 400), ("curve=", 400), ("agent=", 400), ("agent=../x", 400)):
            got = self.admin.ask("GET", "/api/links?" + query)
            data = self.valid(op, got, query)
            check(got[0] == status, "%s gives %d" % (query, got[0]))
            check(status != 200 or {l["agent"] for l in data["links"]} <= ({"pudong-1"} if "pudong" in query else
                                                                           set() if "nobody" in query else {"pudong-1", "xuhui-1"}), query)
        check(("/api/links", 200) in tried and ("/api/links", 401) in tried and ("/api/users", 403) in tried, "too little was tried")

    def test_31_posts_are_as_described(self):
        op = self.api["paths"]["/api/incident/{number}/{act}"]["post"]
        number = self.number["cloud-a"]
        for who, body, extra, status in (
                ("duty", "note=x", "", 200), ("duty", "note=x&odd=1", "", 400), ("duty", "note=x", "?odd=1", 400),
                ("duty", "version=x", "", 400), ("duty", "note=", "", 400), ("duty", "note=" + "x" * 9000, "", 400),
                ("guest", "note=x", "", 403), ("li", "note=x&cause=", "", 200), ("li", "note=x&cause=101", "", 403)):
            c = self.users[who]
            got = c.ask("POST", "/api/incident/%d/note%s" % (number, extra), body, {**FORM, "X-CSRF-Token": c.csrf()})
            self.valid(op, got, "%s %s" % (who, body[:20]))
            check(got[0] == status, "%s %s gives %d %r" % (who, body[:20], got[0], got[2][:100]))
        duty = self.users["duty"]
        csrf = {**FORM, "X-CSRF-Token": duty.csrf()}
        for target, status in (("/api/incident/999/note", 404), ("/api/incident/0/note", 404), ("/api/incident/%d/burn" % number, 404),
                               ("/api/incident/%d/close" % number, 409)):
            got = duty.ask("POST", target, "note=x", csrf)
            self.valid(op, got, target)
            check(got[0] == status, "%s gives %d %r" % (target, got[0], got[2][:100]))
        got = duty.ask("POST", "/api/incident/%d/note" % number, "note=x&version=1", csrf)
        self.valid(op, got, "an old version")
        check(got[0] == 409, "an old version gives %d" % got[0])
        check(duty.ask("POST", "/login?odd=1", "user=a&password=b", FORM)[0] == 400, "an odd parameter of the log-in")

    # --------------------------------------------------------------- administrators

    def test_77_administrators(self):
        get = lambda what, c=self.admin: json.loads(c.ask("GET", "/api/" + what)[2])
        check({u["user"]: u["role"] for u in get("users")["users"]} ==
              {"duty": "operator", "guest": "viewer", "chief": "admin", "li": "vendor"}, "users")
        check({"look", "cloud"} <= {t["name"] for t in get("tokens")["tokens"]}, "tokens")
        text = "".join(json.dumps(get(w)) for w in ("users", "tokens", "sessions"))
        check("scrypt" not in text and "sha256" not in text and self.admin.csrf() not in text, "a secret in the lists")
        for who in ("duty", "guest"):
            for what in ("users", "tokens", "sessions"):
                check(self.users[who].ask("GET", "/api/" + what)[0] == 403, "%s reads %s" % (who, what))
        other = Client(self.own.url)
        other.log_in("guest")
        stream = Stream(other, {"Cookie": other.cookie})
        wait_for(lambda: b"retry:" in stream.read())
        newest = max(s["id"] for s in get("sessions")["sessions"] if s["user"] == "guest")
        end = lambda c, n: c.ask("POST", "/api/session/%s/end" % n, "", {**FORM, "X-CSRF-Token": c.csrf()})
        check(end(self.users["duty"], newest)[0] == 403, "an operator shows somebody out")
        check(self.admin.ask("POST", "/api/session/%d/end" % newest, "", FORM)[0] == 403, "without CSRF token")
        op = self.api["paths"]["/api/session/{id}/end"]["post"]
        for n, status in (("0", 404), ("x", 404), ("99999999999999999999", 404), (newest, 200), (newest, 404)):
            got = end(self.admin, n)
            self.valid(op, got, "end of %s" % n)
            check(got[0] == status, "end of %s gives %d" % (n, got[0]))
        check(other.ask("GET", "/api/status")[0] == 401, "the session goes on")
        wait_for(lambda: stream.read() and stream.ended, why="the end of the stream")

    def test_79_a_user_moves(self):
        """H18: a session ends when its user's vendor changes; then he sees the other one's things and no more of the first's."""
        with open(self.own.dir + "/users") as f:
            text = f.read()
        with open(self.own.dir + "/users", "w") as f:
            f.write(text.replace("li:vendor=cloud-a:", "li:vendor=cloud-b:"))
        stream = Stream(self.li, {"Cookie": self.li.cookie})
        wait_for(lambda: b"retry:" in stream.read())
        self.own.web.send_signal(signal.SIGHUP)
        wait_for(lambda: self.li.ask("GET", "/api/status")[0] == 401, why="the end of the session")
        wait_for(lambda: stream.read() and stream.ended, why="the end of the stream")
        check(self.users["guest"].ask("GET", "/api/status")[0] == 200, "another's session")
        check(self.li.log_in("li")[0] == 303, "the new log-in")
        check({l["vendor"] for l in json.loads(self.li.ask("GET", "/api/links")[2])["links"]} == {"cloud-b"}, "links")
        check(self.li.ask("GET", "/api/link/%s/%s" % OWN)[0] == 404 and self.li.ask("GET", "/api/link/%s/%s" % FOREIGN)[0] == 200, "a link")

    # --------------------------------------------------------------- figures

    def figures(self):
        status, headers, body = Client(self.own.url, "127.0.0.3").ask("GET", "/metrics")
        check(status == 200 and headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8", "%d" % status)
        return body.decode(), prom.parse(body.decode())

    def link_agrees(self):
        """Does /metrics say of a link what its JSON says?  Its state may change between the two."""
        f = self.figures()[1]
        portal = json.loads(self.admin.ask("GET", "/api/link/pudong-1/portal")[2])["link"]
        states = {labels["state"]: v for labels, v in f["linkwatch_link_state"] if labels["link"] == "portal"}
        loss = [v for labels, v in f["linkwatch_link_loss_ratio"] if labels["link"] == "portal"]
        return len(states) == 5 and states[portal["state"]] == sum(states.values()) == 1 and loss == [portal["loss"]] and loss[0] > 0.9

    def test_50_metrics(self):
        check(Client(self.own.url).ask("GET", "/metrics")[0] == 401, "open to everybody")
        spoof = {"X-Forwarded-For": "127.0.0.3", "X-Real-IP": "127.0.0.3", "Forwarded": "for=127.0.0.3"}
        check(Client(self.own.url).ask("GET", "/metrics", headers=spoof)[0] == 401, "H20: a header is believed")
        check(self.users["guest"].ask("GET", "/metrics")[0] == 200 and self.li.ask("GET", "/metrics")[0] == 404, "roles")
        wait_for(lambda: self.figures()[1]["linkwatch_store_up"][0][1] == 1, why="the store's figures")
        text, f = self.figures()
        one = lambda name: f[name][0][1]
        of = lambda name, **want: [v for labels, v in f[name] if want.items() <= labels.items()]
        check(one("linkwatch_ingest_up") == one("linkwatch_alertd_up") == one("linkwatch_journal_readable") == 1, "parts")
        check(one("linkwatch_store_series") == sum(v for _, v in f["linkwatch_links"]) == self.all, "links")
        # while the journal grows: its size before and after
        files = [e.stat().st_size for e in os.scandir(self.own.dir + "/journal") if e.is_file()]
        check(0.5 * sum(files) < one("linkwatch_journal_bytes") <= sum(files), "journal bytes")
        check(one("linkwatch_ingest_samples_total") > 300, "samples: %r" % one("linkwatch_ingest_samples_total"))
        check(of("linkwatch_journal_reader_lag_records", reader="store"), "no lag of the store")
        wait_for(self.link_agrees, 5, "the figures of a link as /api/link has them")
        rtt = json.loads(self.admin.ask("GET", "/api/link/xuhui-1/backbone")[2])["link"]["rtt_ms"]
        check(abs(of("linkwatch_link_rtt_seconds", link="backbone")[0] * 1e3 - rtt) < 0.01, "the RTT of a link")
        check(of("linkwatch_link_info", name_zh='<b>转义</b> & "引号"', name_en="<script>alert(1)</script>") == [1], "labels")
        check(f["linkwatch_web_sessions"][0][1] >= 4, "sessions")
        if shutil.which("promtool"):
            r = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False)
            check(r.returncode == 0 and not r.stderr, "promtool: %s" % r.stderr)

    def test_78_connections_of_one_address(self):
        """The cap of one address is 20; others come in all the same."""
        held = []
        before = self.figures()[1]
        for _ in range(40):
            s = socket.socket()
            s.bind(("127.0.0.9", 0))
            s.settimeout(10)
            s.connect((self.admin.host, self.admin.port))
            held.append(s)
        refused = lambda f: [v for l, v in f["linkwatch_web_refused_connections_total"] if l["reason"] == "address"][0]
        wait_for(lambda: refused(self.figures()[1]) - refused(before) >= 20, why="the refusal of 20 connections")
        check(refused(self.figures()[1]) - refused(before) == 20, "not 20 of 40 were refused")
        check(self.admin.ask("GET", "/api/status")[0] == 200, "another address")
        for s in held:
            s.close()

    def test_60_health(self):
        op = self.api["paths"]["/healthz"]["get"]
        good = self.valid(op, Client(self.own.url).ask("GET", "/healthz"), "healthz")
        check(good == {"ok": True, "parts": {"journal": "ok", "ingest": "ok", "store": "ok", "alertd": "ok"}}, "%r" % good)
        self.own.end(self.own.alertd)
        wait_for(lambda: json.loads(Client(self.own.url).ask("GET", "/healthz")[2])["parts"]["alertd"] == "away")
        check(Client(self.own.url).ask("GET", "/healthz")[0] == 200, "without alertd")
        status = json.loads(self.li.ask("GET", "/api/status")[2])
        check(not status["alertd"]["up"] and status["alertd"]["status"] is None, "a status of nobody")
        for who in ("duty", "li"):
            c = self.users[who]
            got = c.ask("GET", "/api/incident/%d" % self.number["cloud-a"])
            self.valid(self.api["paths"]["/api/incident/{number}"]["get"], got, "no alertd")
            check(got[0] == 503, "an incident without alertd: %d" % got[0])
        self.own.end(self.own.ingest)   # what follows needs neither; test_90 looks when it has been silent for long enough

    def test_90_no_ingest(self):
        op = self.api["paths"]["/healthz"]["get"]
        bad = wait_for(lambda: [a for a in [Client(self.own.url).ask("GET", "/healthz")] if a[0] == 503], 40, "503 without ingest")
        data = self.valid(op, bad[0], "healthz")
        check(not data["ok"] and data["parts"]["ingest"] == "silent", "%r" % data)
        check(prom.parse(self.figures()[0])["linkwatch_ingest_up"][0][1] == 0, "the figure")


def main():
    return test_http.run(lambda build: stack.Whole(build, MORE), Tests, ("web", "store"))


if __name__ == "__main__":
    sys.exit(main())
