"""test_web.py - the page in a real headless Chromium.

    test_web.py [--build DIR]           on a stack of its own (stack.py)
    test_web.py [--shots DIR] ...       also keeps pictures of every page in both languages and themes

With LINKWATCH_URL, LINKWATCH_USER and LINKWATCH_PASSWORD in the environment it looks at
a stack that runs already; then the page of an incident is tried too, if there is one, and
LINKWATCH_INCIDENT=1 makes its absence a failure; LINKWATCH_MEND is a command that ends
its fault, and then it is handled to its end.  Ends with "N passed, N failed".
"""
import argparse
import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import traceback
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import stack
from webdriver import Browser, WebDriverError

IMAGES = ("const i = [...document.querySelectorAll('.plot img')];"
          "return i.length > 0 && i.every(x => !x.hidden && x.complete && x.naturalWidth > 300"
          " && x.naturalHeight > 60) && i.map(x => [x.dataset.kind, +x.dataset.from, +x.dataset.to])")


PAGES = ("wall", "link", "incidents", "incident", "chains", "matrix", "agents", "agent", "search", "login")


class Failure(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Failure(what)


class Tests:
    def __init__(self, browser, url, user, password, shots, own):
        self.b, self.url, self.user, self.password = browser, url, user, password
        self.shots, self.own = shots, own
        self.link = self.incident = None

    def shot(self, name, ending=".png"):
        if self.shots:
            self.b.screenshot(os.path.join(self.shots, name + ending))

    def theme(self, name):
        self.b.run("document.documentElement.dataset.theme = arguments[0];"
                   "dispatchEvent(new Event('themechange'))", name)

    def open(self, path, ready, what):
        """A page of the site, in the language of the cookie, once it shows what it is for."""
        self.b.go(self.url + path)
        self.b.wait("return document.querySelectorAll(%s).length > 0" % json.dumps(ready), what, 20)

    def shown(self, css):
        """How many of these are to be seen."""
        return self.b.run("return [...document.querySelectorAll(arguments[0])].filter(e => !e.closest('[hidden]')"
                          " && getComputedStyle(e).display !== 'none').length", css)

    def text(self, css="body"):
        return self.b.run("return document.querySelector(arguments[0]).innerText", css)

    def wait_graphs(self):
        return self.b.wait(IMAGES, "every graph to be a decoded picture", 20)

    def wait_for_span(self, seconds, slack):
        return self.b.wait(
            "const i = document.querySelector('.plot img'); const s = i.dataset.to - i.dataset.from;"
            "return !i.hidden && Math.abs(s - %d) <= %d && s" % (seconds, slack),
            "a graph of %d s" % seconds, 20)

    # ------------------------------------------------------------- in this order

    def test_00_pictures_are_kept(self):
        """tests/web/shots has each page in both languages and themes, whole and not blank (`make shots` draws them anew)."""
        if self.shots:
            return
        kept = os.path.join(os.path.dirname(os.path.abspath(__file__)), "shots")
        wanted = {"%s-%s-%s.webp" % (p, lang, theme) for p in PAGES for lang in ("zh", "en") for theme in ("light", "dark")}
        check(wanted <= set(os.listdir(kept)), "missing: %r" % sorted(wanted - set(os.listdir(kept))))
        total = 0
        for name in wanted:
            with open(os.path.join(kept, name), "rb") as f:
                data = f.read()
            total += len(data)
            check(data[:4] == b"RIFF" and data[8:12] == b"WEBP" and int.from_bytes(data[4:8], "little") + 8 == len(data),
                  name + " is no whole WebP")
            check(3000 < len(data) < 60000, "%s has %d bytes" % (name, len(data)))
        check(total < 900000, "the pictures have grown to %d bytes" % total)

    def test_01_wrong_password_is_refused(self):
        self.b.go(self.url + "/")
        check("/login" in self.b.url(), "not led to the log-in")
        self.b.type("#user", self.user)
        self.b.type("#password", "not the password")
        self.b.click("button[type=submit]")
        self.b.wait("return document.querySelector('.problem.failed')", "the refusal")
        check("不正确" in self.text(), "the refusal is not in Chinese: " + self.text())
        self.b.console()        # the 403 of a refused log-in is meant

    def test_02_log_in_and_wall(self):
        self.b.type("#user", self.user)
        self.b.type("#password", self.password)
        self.b.click("button[type=submit]")
        self.b.wait("return document.querySelectorAll('.tile').length > 0", "tiles on the wall")
        check("链路" in self.text("#top"), "the wall is not in Chinese first")
        cookie = self.b.run("return document.cookie")
        check("lw=" not in cookie.replace("lw_", ""), "scripts can read the session cookie")
        figures = self.b.wait("const t = [...document.querySelectorAll('.tile .figures b')].map(e => e.innerText);"
                              "return t.some(x => x.endsWith(' ms')) && t", "an RTT on a tile", 30)
        check(any(f.endswith("%") for f in figures), "no loss on the wall")
        words = self.b.run("return [...document.querySelectorAll('.tile .badge')].map(e => e.innerText)")
        check(words and all(len(w) > 2 for w in words), "a state without a word: %r" % words)
        self.link = self.b.run("return [...document.querySelectorAll('.tile')].find(t =>"
                               " t.querySelector('.figures b').innerText.endsWith(' ms')).getAttribute('href')")

    def test_03_wall_updates_by_itself(self):
        self.b.wait("return document.getElementById('mode').dataset.mode === 'live'", "the live stream")
        before = self.b.run("return document.getElementById('wall').innerText")
        self.b.wait("return document.getElementById('wall').innerText !== " + json.dumps(before),
                    "a figure to change without a reload", 45)

    def test_04_names_are_text(self):
        if not self.own:
            return
        check("<b>转义</b>" in self.text("#wall"), "a name with markup is not shown as text")
        check(self.b.run("return document.querySelectorAll('#wall b b, #wall script').length") == 0,
              "a name became markup")
        zones = self.b.run("return [...document.querySelectorAll('.zone-name')].map(e => e.innerText)")
        check(zones and set(zones) <= {"浦东", "徐汇"}, "zones without their names: %r" % zones)

    def test_05_filter_by_state(self):
        total = self.b.run("return document.querySelectorAll('.tile').length")
        self.b.click(".tally[data-state='down']")
        shown = self.shown(".tile")
        down = int(self.text(".tally[data-state='down'] b"))
        check(shown == down, "%d tiles shown, %d are down" % (shown, down))
        self.b.click(".tally[data-state='all']")
        check(self.shown(".tile") == total,
              "not all tiles are back")

    def test_06_walls_of_every_size(self):
        for width, height in ((1920, 1080), (1280, 720), (390, 844)):
            self.b.viewport(width, height, width < 500)
            over = self.b.run("return document.documentElement.scrollWidth - innerWidth")
            check(over <= 0, "%d px wider than a screen of %d" % (over, width))
        self.b.viewport(1920, 1080)

    def test_06_readable_from_five_metres(self):
        """1.2 cm on a screen of 55 inches, 20 px there: what calls people is at least so large."""
        sizes = self.b.run("return ['.tally b', '.tally span', '.tile .name', '.tile .badge', '.tile .figures b',"
                           " '.incident-row .what', '.incident-row .lasted', '.wall h2'].map(c => { const e ="
                           " document.querySelector(c); return [c, e ? parseFloat(getComputedStyle(e).fontSize) : null] })")
        small = [s for s in sizes if s[1] is not None and s[1] < 20]
        check(not small and len([s for s in sizes if s[1]]) >= 6, "too small: %r of %r" % (small, sizes))

    def test_07_link_page_draws(self):
        self.b.go(self.url + self.link)
        graphs = self.wait_graphs()
        check("rtt" in [g[0] for g in graphs], "no RTT graph: %r" % graphs)
        colours = self.b.run(
            "const i = document.querySelector('.plot img'), c = document.createElement('canvas');"
            "c.width = i.naturalWidth; c.height = i.naturalHeight; const x = c.getContext('2d');"
            "x.drawImage(i, 0, 0); const d = x.getImageData(0, 0, c.width, c.height).data, s = new Set();"
            "for (let k = 0; k < d.length; k += 4) s.add(d[k] << 16 | d[k + 1] << 8 | d[k + 2]);"
            "return s.size")
        check(colours > 20, "the graph has %d colours: nothing is drawn" % colours)
        check(self.b.run("return document.querySelector('.plot img').alt.length") > 20, "a graph without words")

    def test_08_spans(self):
        for key, seconds in (("1h", 3600), ("3d", 3 * 86400), ("1w", 604800), ("1m", 31 * 86400), ("1y", 366 * 86400)):
            self.b.click("[data-span='%s']" % key)
            self.wait_for_span(seconds, seconds // 100)
            check(self.b.run("return document.querySelector(\"[data-span='%s']\").ariaPressed" % key) == "true",
                  key + " is not marked")

    def test_09_drag_zooms(self):
        self.b.click("[data-span='1d']")
        self.wait_for_span(86400, 900)
        before = self.b.run("return document.querySelector('.plot img').src")
        self.b.drag(".plot img", 0.5, 0.75)
        span = self.b.wait("const i = document.querySelector('.plot img');"
                           "const s = i.dataset.to - i.dataset.from; return s < 40000 && s", "the zoomed graph")
        check(14000 < span < 30000, "a quarter of a day was dragged, %d s are shown" % span)
        check(self.b.run("return document.querySelector('.plot img').src") != before, "the picture is the same")
        check("from=" in self.b.url(), "the address does not hold the zoom")
        self.b.go(self.b.url())
        self.wait_for_span(span, 60)

    def test_10_buttons_and_keys(self):
        self.b.click("#zoom-in")
        half = self.b.wait("const i = document.querySelector('.plot img'); const s = i.dataset.to - i.dataset.from;"
                           "return s < 15500 && s", "half the span")
        self.b.key("-")
        self.b.wait("const i = document.querySelector('.plot img'); return i.dataset.to - i.dataset.from > %d" %
                    (half * 1.8), "twice the span")
        end = self.b.run("return +document.querySelector('.plot img').dataset.to")
        self.b.key("left")
        self.b.wait("return +document.querySelector('.plot img').dataset.to < %d" % (end - 1000), "earlier time")
        self.b.key("escape")
        self.wait_for_span(3600, 60)
        self.b.key("3")
        self.wait_for_span(86400, 900)

    def wheel(self, css, share, turn, key):
        """Turns the wheel over an element with a key held."""
        box = self.b.run("const r = document.querySelector(arguments[0]).getBoundingClientRect();"
                         "return [r.left, r.top, r.width, r.height];", css)
        self.b.cdp("Input.dispatchMouseEvent", {"type": "mouseWheel", "x": box[0] + box[2] * share, "y": box[1] + box[3] / 3,
                                                "deltaX": 0, "deltaY": turn, "modifiers": {"ctrl": 2, "shift": 8, None: 0}[key]})

    def test_10b_wheel_and_pan(self):
        """Ctrl and the wheel zoom about the pointer, Shift and a drag move; the wheel alone leaves the time as it is."""
        span = self.wait_for_span(86400, 900)
        image = "const i = document.querySelector('.plot img'); const f = +i.dataset.from, t = +i.dataset.to;"
        self.wheel(".plot img", 0.5, 100, None)
        self.b.run("scrollTo(0, 0)")
        self.wheel(".plot img", 0.5, -200, "ctrl")
        nearer = self.b.wait(image + "return t - f < %d && t - f" % (span * 0.8), "the zoom by the wheel")
        end = self.b.run(image + "return t")
        self.b.run("const p = document.querySelector('.plot'), r = p.getBoundingClientRect(), y = r.top + 60;"
                   "p.setPointerCapture = () => {};"
                   "for (const [type, share] of [['down', 0.5], ['move', 0.6], ['up', 0.7]])"
                   " p.dispatchEvent(new PointerEvent('pointer' + type, { clientX: r.left + r.width * share, clientY: y,"
                   " shiftKey: true, button: 0, pointerId: 1 }));")
        self.b.wait(image + "return t < %d && Math.abs(t - f - %d) < 900" % (end - nearer * 0.1, nearer), "earlier time, as long")
        self.b.key("escape")

    def test_10c_beside(self):
        """The week before, a second agent and both ways are drawn, stand in the address, and are refused nobody."""
        if not self.own:
            return
        shown = ("const i = [...document.querySelectorAll('.plot img')]; return i.length > 2 && i.every(x => !x.hidden &&"
                 " x.naturalWidth > 300) && i[0].src")
        self.b.go(self.url + "/link/pudong-1/extranet?span=86400")
        last = self.b.wait(shown, "the graphs")
        for what, word in (("#show-before", "before=604800"), ("[data-other='xuhui-1/extranet-too']", "with=xuhui-1")):
            self.b.click(what)
            last = self.b.wait(shown + " !== %s && i[0].src" % json.dumps(last), "another picture by " + what)
            check(word in self.b.url() and self.b.run("return document.querySelector(arguments[0]).ariaPressed", what) == "true",
                  "%s is not in %s" % (word, self.b.url()))
            self.shot("link-zh-" + word.split("=")[0], ".webp")
        check("before" not in self.b.url(), "the week before and another link at once")
        self.b.go(self.url + "/link/pudong-1/access?span=86400")
        self.b.wait(shown, "the graphs")
        check(self.b.run("return document.getElementById('show-reverse').hidden"), "a way back that is not there")
        self.b.go(self.url + "/link/pudong-1/way-there?span=86400")
        last = self.b.wait(shown, "the graphs")
        self.b.key("r")
        self.b.wait(shown + " !== %s" % json.dumps(last), "both ways")
        check("reverse=1" in self.b.url(), "the address does not hold both ways")
        self.shot("link-zh-reverse", ".webp")
        self.b.click("[data-address='png']")
        address = self.b.wait("const i = document.querySelector('.address input'); return i && i.value", "the address")
        check(address.startswith(self.url + "/shared/pudong-1/way-there?") and "reverse=1" in address, "an odd address: " + address)
        size = self.b.run("const done = arguments[0]; const i = new Image(); i.src = done; return i.decode().then(() =>"
                          " i.naturalWidth)", address)
        check(size > 800, "the address shows nothing")
        self.b.go(self.url + self.link)
        self.wait_graphs()

    def test_11_other_kinds_of_link(self):
        if not self.own:
            return
        for link, kinds in (("pudong-1/uplink", {"traffic", "errors", "status"}), ("xuhui-1/server", {"host", "oid"}),
                            ("pudong-1/portal", {"rtt", "loss", "pdv"}),
                            ("xuhui-1/api", {"rtt", "loss", "pdv", "tls", "cert"})):
            self.b.go(self.url + "/link/" + link)
            check({g[0] for g in self.wait_graphs()} == kinds, "graphs of " + link)
            if "oid" in kinds:
                self.b.wait("return document.querySelector('#main dl').textContent.includes('机房温度 <b>:50%')",
                            "the name of an object")
                check("°C" in self.text("#main dl"), "no unit: " + self.text("#main dl"))
        figures = self.text(".facts.big")
        check("TLS 握手" in figures and "41 天" in figures, "no TLS among the figures: " + figures)
        check("TLS api.cloud-b.example:8443" in self.text("#main"), "the link does not say that it has TLS")

    def test_12_agents(self):
        self.b.go(self.url + "/agents")
        self.b.wait("return document.querySelectorAll('tbody tr').length > 0", "an agent")
        check("在线" in self.text("#main"), "no agent is connected: " + self.text("#main"))

    def test_12_chains_name_the_break(self):
        self.open("/chains", ".segment", "the segments")
        names = self.b.run("return [...document.querySelectorAll('.chain:first-child .segment')].map(e => e.dataset.segment)")
        check(names == ["user", "access", "extranet", "edge", "vpc", "host", "app"], "segments: %r" % names)
        if "LINKWATCH_INCIDENT" in os.environ:
            hits = self.b.wait(
                "const e = [...document.querySelectorAll('.segment[data-hit]')]; return e.length > 0 &&"
                " e.map(x => [x.dataset.segment, x.dataset.hit, x.innerText])", "the broken segment")
            where = self.b.run("return fetch('/api/incidents').then(r => r.json()).then(d => d.incidents.filter(i =>"
                               " i.state === 'open').map(i => i.located).filter(Boolean))")
            told = [[names[int(c) - 1] for c in w if c.isdigit()] for w in where]
            check([h[0] for h in hits] in told, "alertd locates %r, the page says %r" % (where, hits))
            check(all("断点" in h[2] for h in hits) and "extranet" in names, "no word at the break: %r" % hits)
            check(any("责任方：甲云" in h[2] for h in hits), "no owner at the break: %r" % hits)

    def test_12_matrix_has_both_ways(self):
        self.open("/matrix", ".way", "the matrix")
        cells = self.b.run("return [...document.querySelectorAll('.matrix td')].map(c => [...c.querySelectorAll('.way')]"
                           ".map(w => [w.innerText.slice(0, 1), w.getAttribute('href')]))")
        both = [c for c in cells if len(c) == 2]
        check(both and all([w[0] for w in c] == ["→", "←"] and c[0][1] != c[1][1] for c in both), "no cell with both: %r" % cells)
        self.b.type("#matrix-filter", both[0][0][1].split("/")[2])
        check(self.shown(".matrix tbody tr") >= 1, "the filter hides all")

    def test_12_pages_of_every_kind(self):
        """Each page in each language, theme and size: it fits, it says something, every state has a word."""
        pages = [("wall", "/", ".tile"), ("matrix", "/matrix", ".way"), ("chains", "/chains", ".segment, .empty"),
                 ("incidents", "/incidents", "tbody tr, .empty"), ("agents", "/agents", "tbody tr"),
                 ("agent", "/agent/" + self.link.split("/")[2], "dl.figures, .muted"), ("link", self.link, ".plot img:not([hidden])")]
        self.incident = self.b.run("return fetch('/api/incidents').then(r => r.json()).then(d => d.incidents.length"
                                   " ? '/incident/' + Math.min(...d.incidents.map(i => i.number)) : null)")
        if self.incident:
            pages.append(("incident", self.incident, ".evidence-graph img"))
        for lang in ("zh", "en"):
            self.b.run("document.cookie = 'lw_lang=%s; Path=/; SameSite=Strict; Secure'" % lang)
            for name, path, ready in pages:
                self.b.viewport(1280, 720)
                self.open(path, ready, name)
                self.b.wait("return [...document.querySelectorAll('main img')].filter(i => !i.hidden && i.loading !== 'lazy')"
                            ".every(i => i.complete)", "the pictures of " + name)
                for width, height in ((390, 844), (1280, 720)):
                    self.b.viewport(width, height, width < 500)
                    over = self.b.run("return document.documentElement.scrollWidth - innerWidth")
                    check(over <= 0, "%s is %d px wider than a screen of %d" % (name, over, width))
                for theme in ("light", "dark") if self.shots else ():
                    self.theme(theme)
                    if name == "link":
                        self.wait_graphs()
                    self.shot("%s-%s-%s" % (name, lang, theme), ".webp")
                bare = self.b.run("return [...document.querySelectorAll('main [data-state]')].filter(e => e.offsetParent !== null"
                                  " && !e.textContent.trim() && !e.ariaLabel).length")
                check(bare == 0, "%s: %d states without a word or shape" % (name, bare))
                self.no_markup(name)
        self.b.run("document.cookie = 'lw_lang=zh; Path=/; SameSite=Strict; Secure'")
        self.theme("auto")
        self.b.viewport(1920, 1080)

    def no_markup(self, page):
        """The names of the fixture are hostile: none became an element or ran."""
        check(self.b.run("return window.xss === undefined"), page + ": a name ran as script")
        check(self.b.run("return document.querySelectorAll('main b b, main script, main [onerror], main [onload], main i i,"
                         " main img:not([src^=\"/graph/\"]):not([src^=\"blob:\"]):not([data-kind])').length") == 0,
              page + ": a name became markup")

    def test_13_incidents(self):
        self.b.go(self.url + "/incidents")
        self.b.wait("return document.querySelector('#main .card').children.length > 0", "the list or its empty state")
        self.b.click("[data-show='showAll']")
        row = self.b.run("const a = [...document.querySelectorAll('td.t a')].map(x => x.getAttribute('href'));"
                         "const n = (x) => Number(x.split('/').pop());"
                         "return a.length ? a.sort((x, y) => n(x) - n(y))[0] : null")     # the oldest
        if row is None:
            check("LINKWATCH_INCIDENT" not in os.environ, "there is no incident")
            check(self.b.run("return document.querySelector('.empty') !== null"), "no rows and no words either")
            return
        self.incident = row
        self.b.go(self.url + row)
        self.b.wait("return document.querySelectorAll('.timeline li').length > 0", "a time line")
        self.b.wait("const i = [...document.querySelectorAll('.evidence-graph img')]; i.forEach(x => x.loading = 'eager');"
                    "return i.length > 0 && i.every(x => x.complete && x.naturalWidth > 200 && !x.hidden)", "the evidence graphs", 30)
        check(self.text("h1").startswith("#"), "no number in the title")
        note = "浏览器测试 <i>note</i> %d" % os.getpid()
        self.b.type("#note-note", note)
        self.b.click("form[data-act='note'] button")
        self.b.wait("return document.querySelector('.timeline').innerText.includes(%s)" % json.dumps(note),
                    "the note in the time line")
        if "LINKWATCH_MEND" in os.environ and not self.shots:
            self.handle_incident()

    def test_13b_incident_is_marked(self):
        """A graph of the time of an incident says that it is marked."""
        if "LINKWATCH_INCIDENT" not in os.environ:
            return
        link = self.b.run("return fetch('/api/incidents').then(r => r.json()).then(d => {"
                          "const i = d.incidents.find(x => x.link); return i && i.agent + '/' + i.link; })")
        self.b.go(self.url + "/link/" + link)
        self.wait_graphs()
        check(int(self.b.run("return document.querySelector('.plot img').dataset.marks")) > 0, "no mark on " + link)
        self.shot("link-zh-incident", ".webp")
        self.b.go(self.url + "/incidents")

    def act(self, name, state=None):
        """Presses the button of one action; waits for the state, or without one for a refusal."""
        self.b.click("form[data-act='%s'] button" % name)
        if state is None and self.b.run("return !document.querySelector(\"form[data-act='%s']\").checkValidity()" % name):
            return "incomplete"
        if state is None:
            self.b.wait("const e = document.querySelector('.told');"
                        "return e.dataset.kind === 'bad' && e.innerText !== ''", name + " to be refused")
            return self.text(".told")
        self.b.wait("return document.querySelector('.page-head .istate').dataset.istate === '%s'" % state,
                    "%s to lead to %s" % (name, state))
        return self.text(".told")

    def hear_the_bell(self):
        """A new incident of grade 1 rings once; muted, none does."""
        self.b.click("#bell")
        self.b.wait("return document.getElementById('bell').dataset.bell === 'on'", "the sound to be on")
        for muted, grade, rings in ((False, "1", 1), (False, "2", 1), (True, "1", 1)):
            if muted:
                self.b.click("#bell")
                check(self.b.run("return document.getElementById('bell').innerText") == "♪ 已静音", "not muted")
            self.fill("#new-grade", grade)
            self.b.click("form[data-act='grade'] button")
            self.b.wait("return document.querySelector('.page-head .grade').dataset.grade === '%s'" % grade, "grade " + grade)
            self.b.wait("return document.getElementById('bell').dataset.rung === '%d'" % rings, "%d rings" % rings)

    def changed_elsewhere(self):
        """What is being typed stays when somebody else changes the incident, and a stale version is refused."""
        self.fill("#field-root-cause", "写到一半")
        answer = self.b.run(
            "const go = (act, form) => fetch('/api' + location.pathname + '/' + act, {method: 'POST', headers:"
            " {'X-CSRF-Token': document.body.dataset.csrf}, body: new URLSearchParams(form)});"
            "return go('note', {note: '别处的说明'}).then(() => go('grade', {'grade-final': '3', version: '1'}))"
            ".then(async r => [r.status, (await r.json()).error.code])")
        check(answer == [409, "conflict"], "a stale version: %r" % answer)
        self.b.wait("return document.querySelector('.told').innerText.includes('有了变化')", "the word of the change")
        check(self.b.run("return document.querySelector('#field-root-cause').value") == "写到一半", "what was typed is gone")
        self.fill("#field-root-cause", "")

    def fill(self, css, value):
        self.b.run("const e = document.querySelector(arguments[0]); e.value = arguments[1];", css, value)

    def handle_incident(self):
        """Grade, hold, resume, acknowledge, close too early, mend, close, reopen, cancel: all with the mouse."""
        self.hear_the_bell()
        self.act("hold")                        # the browser itself asks for the note
        self.b.type("#hold-note", "等待割接")
        self.act("hold", "hold")
        self.act("resume", "handling")
        self.changed_elsewhere()
        self.b.type("#ack-note", "已联系厂商")
        self.b.type("#ack-eta", "23:59")
        self.act("ack", "handling")
        self.b.wait("return document.querySelector('.timeline').innerText.includes('已联系厂商')", "the note of the acknowledgement")
        check("故障仍在" in self.act("close"), "closed while the link is down: " + self.text(".told"))
        subprocess.run(os.environ["LINKWATCH_MEND"], shell=True, check=True)
        self.b.wait("return ['recovered', 'review'].includes("
                    "document.querySelector('.page-head .istate').dataset.istate)", "the recovery", 90)
        end = time.monotonic() + 90
        while "缺少" not in (told := self.act("close")):
            check("恢复后仅正常" in told and time.monotonic() < end, "not asked for the fields: " + told)
            time.sleep(1)
        for name, value in (("cause", "101"), ("root-cause", "光缆被挖断"), ("responsible", "施工方"),
                            ("measure", "已熔接"), ("grade-final", "3")):
            self.fill("#field-" + name, value)
        self.act("close", "closed")
        check("光缆被挖断" in self.text(), "the root cause is not shown")
        self.b.type("#reopen-note", "复测")
        self.act("reopen", "handling")
        self.b.type("#cancel-note", "误报")
        self.act("cancel", "cancelled")
        check("误报" in self.text(".timeline"), "the reason of the cancellation is lost")
        refused = self.b.console()      # the answers 409 that were meant
        check(all("409" in m for m in refused), "on the console: %r" % refused)

    def test_14_english(self):
        self.b.go(self.url + "/")
        self.b.click("#lang")
        self.b.wait("return document.documentElement.lang === 'en' && document.querySelector('.tile')", "English")
        text = self.text("#top")
        check("Wall" in text and "Incidents" in text, "not in English: " + text)
        counts = self.b.run("return import(document.querySelector('script[type=module]').src.replace(/[^/]*$/, 'text.js'))"
                            ".then(m => [m.t('nLinks', 1), m.t('nLinks', 2), m.t('days', 1), m.t('days', 21)])")
        check(counts == ["1 link", "2 links", "1 day", "21 days"], "the English of one: %r" % counts)
        self.b.go(self.url + self.link)
        self.wait_graphs()
        check("Round-trip" in self.text("#main"), "the link page is not in English")
        self.b.click("#lang")
        self.b.wait("return document.documentElement.lang === 'zh-CN'", "Chinese again")

    def test_14_search(self):
        """The key "/", a Chinese name, arrows and Enter; a hostile or unknown word finds nothing and breaks nothing."""
        self.open("/agents", "tbody tr", "the agents")
        name = self.b.run("return document.querySelector('tbody tr a').innerText")
        self.b.key("/")
        self.b.wait("return document.activeElement.id === 'search-input'", "the search to open")
        self.b.type("#search-input", "<img src=x onerror=window.xss=1>" if not self.own else "找不到")
        self.b.wait("return document.querySelector('#search [role=status]').innerText === '没有找到'", "nothing found")
        self.b.run("document.getElementById('search-input').value = ''")
        self.b.type("#search-input", name[:2])
        self.b.wait("return document.querySelectorAll('#search [role=option]').length > 1", "hits for " + name[:2])
        for lang in ("en", "zh") if self.shots else ():
            self.b.run("document.cookie = 'lw_lang=%s; Path=/; SameSite=Strict; Secure'" % lang)
            self.open("/agents", "tbody tr", "the agents")
            self.b.key("/")
            self.b.type("#search-input", "a")
            self.b.wait("return document.querySelectorAll('#search [role=option]').length > 1", "hits")
            for theme in ("light", "dark"):
                self.theme(theme)
                self.shot("search-%s-%s" % (lang, theme), ".webp")
            self.theme("auto")
        if self.shots:
            self.b.run("const i = document.getElementById('search-input'); i.value = arguments[0];"
                       "i.dispatchEvent(new Event('input'))", name[:2])
        kinds = self.b.run("return [...document.querySelectorAll('.search-kind')].map(e => e.innerText)")
        check("探针" in kinds, "no agents among what was found: %r" % kinds)
        first = self.b.run("return document.querySelector('#search [aria-selected=true]').id")
        self.b.key("down")
        check(self.b.run("return document.querySelector('#search [aria-selected=true]').id") != first, "arrows do not move")
        self.no_markup("search")
        self.b.key("enter")
        self.b.wait("return location.pathname !== '/agents' && document.querySelector('main').children.length > 0", "what was found")

    def test_14_keyboard_alone(self):
        """From the top with Tab alone to the first link, and Enter opens it; where one stands is seen."""
        self.open("/", ".tile", "the wall")
        self.b.run("document.activeElement.blur()")
        seen = []
        for _ in range(60):
            self.b.key("tab")
            here = self.b.run("const e = document.activeElement; return [e.className, e.id,"
                              " parseFloat(getComputedStyle(e).outlineWidth), e.getAttribute('href')]")
            check(here[2] > 0, "no outline on %r" % here)
            seen.append(here)
            if here[0] == "tile":
                break
        check(seen[0][0] == "skip" and seen[-1][0] == "tile", "Tab goes %r" % [s[:2] for s in seen])
        check({"nav-matrix", "search-button", "bell", "lang", "theme", "logout"} <= {s[1] for s in seen}, "not all are reached")
        self.b.key("enter")
        self.b.wait("return location.pathname === %s" % json.dumps(seen[-1][3]), "the link")

    def log_in_again(self):
        self.b.wait("return location.pathname === '/login'", "the log-in", 30)
        check(self.b.url().endswith("next=%2Fagents"), "the way back is lost: " + self.b.url())
        for lang in ("en", "zh") if self.shots else ():
            self.b.go(self.url + "/login?next=%2Fagents&lang=" + lang)
            for theme in ("light", "dark"):
                self.theme(theme)
                self.shot("login-%s-%s" % (lang, theme), ".webp")
        self.b.type("#user", self.user)
        self.b.type("#password", self.password)
        self.b.click("button[type=submit]")
        self.b.wait("return location.pathname === '/agents'", "the page from before")

    def test_15_session_ends(self):
        """Who was logged out elsewhere is led to the log-in, and from there back to where he was."""
        self.open("/agents", "tbody tr", "the agents")
        self.b.cdp("Network.clearBrowserCookies", {})
        self.log_in_again()
        self.b.console()        # the 401 that were meant

    def test_15_says_when_it_is_cut_off(self):
        """The server gone and ingest silent: both are said in words, and it comes back by itself."""
        if not self.own:
            return
        self.open("/agents", "tbody tr", "the agents")
        self.own.fixture.send_signal(signal.SIGSTOP)
        try:
            self.own.end(self.own.web)
            self.b.wait("return document.querySelector('#mode').dataset.mode === 'offline' &&"
                        " document.querySelector('#banners').innerText.includes('连接已断开')", "the word that it is cut off", 30)
            self.own.web_again()
            self.log_in_again()         # sessions end with the process
            self.b.wait("return document.querySelector('#mode').dataset.mode === 'live'", "it to come back", 30)
            self.b.wait("return document.querySelector('#banners').innerText.includes('采集端没有新数据')", "the word of no data", 30)
        finally:
            self.own.fixture.send_signal(signal.SIGCONT)
        self.b.console()        # the failures that were meant

    def test_15_theme_button(self):
        self.b.click("#theme")
        self.b.click("#theme")
        check(self.b.run("return document.documentElement.dataset.theme") == "dark", "not dark after two presses")
        self.b.go(self.url + "/")
        back = self.b.run("return getComputedStyle(document.body).backgroundColor")
        check(back == "rgb(12, 17, 23)", "the theme does not stay: " + back)
        self.b.click("#theme")

    def test_16_nothing_on_the_console(self):
        said = self.b.console()
        check(not said, "the console says: " + "; ".join(said[:5]))

    def test_17_nothing_from_elsewhere(self):
        names = self.b.run("return performance.getEntriesByType('resource').map(e => e.name)")
        other = [n for n in names if not n.startswith((self.url + "/", "blob:" + self.url))]
        check(names and not other, "loaded from elsewhere: %r" % other)

    def test_18_log_out(self):
        self.b.click("#logout")
        self.b.wait("return location.pathname === '/login'", "the log-in page")
        self.b.go(self.url + "/incidents")
        check("/login" in self.b.url(), "still logged in")


    def test_19_admin(self):
        """Who is in and who may come in, for administrators alone; one who is shown out is out."""
        if not self.own:
            return
        check(self.b.run("return document.getElementById('nav-admin')") is None, "an operator is offered the page")
        other = http.client.HTTPSConnection(self.url[8:], timeout=20, context=ssl._create_unverified_context())
        other.request("POST", "/login", urllib.parse.urlencode({"user": "guest", "password": stack.PASSWORD}),
                      {"Content-Type": "application/x-www-form-urlencoded"})
        answer = other.getresponse()
        cookie = {"Cookie": answer.getheader("Set-Cookie").split(";")[0]}
        answer.read()

        def status(path):
            other.request("GET", path, headers=cookie)
            got = other.getresponse()
            got.read()
            return got.status
        check(status("/api/links") == 200 and status("/admin") == 403, "what a viewer gets")
        self.b.go(self.url + "/login")
        self.b.type("#user", "chief")
        self.b.type("#password", stack.PASSWORD)
        self.b.click("button[type=submit]")
        self.b.wait("return document.getElementById('nav-admin')", "the page to be offered to an administrator")
        self.b.click("#nav-admin")
        self.b.wait("return document.querySelector('#admin-users tbody')", "the users")
        check({name for name, _ in stack.USERS} <= set(self.text("#admin-users").split()), self.text("#admin-users"))
        check("本会话" in self.text("#admin-sessions") and "甲云" in self.text("#admin-users"), self.text("#main"))
        self.b.click("[aria-label='强制退出 guest']")
        self.b.wait("return !document.querySelector(\"[aria-label='强制退出 guest']\")", "the guest to be gone")
        check(status("/api/links") == 401, "the guest is still in")
        self.no_markup("admin")
        said = self.b.console()
        check(not said, "the console says: " + "; ".join(said[:5]))


# What needs no alertd is not tried once more on a stack that has one.
ALONE = ("test_03", "test_05", "test_08", "test_09", "test_10", "test_11", "test_12_agents", "test_14_english", "test_14_keyboard",
         "test_14_search", "test_15")


def run(tests):
    passed = failed = 0
    for name in sorted(n for n in dir(tests) if n.startswith("test_")):
        begin = time.monotonic()
        if tests.own is None and name.startswith(ALONE) and not tests.shots:
            continue
        try:
            getattr(tests, name)()
            passed += 1
            print("ok   %s (%.1f s)" % (name, time.monotonic() - begin), flush=True)
        except (Failure, WebDriverError) as e:
            failed += 1
            print("FAIL %s: %s" % (name, e), flush=True)
            if tests.shots:
                tests.shot("failed-" + name)
        except Exception:
            failed += 1
            print("FAIL %s:\n%s" % (name, traceback.format_exc()), flush=True)
    return passed, failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.environ.get("BUILD", "build"))
    parser.add_argument("--shots")
    args = parser.parse_args()
    url, own = os.environ.get("LINKWATCH_URL"), None
    user, password = os.environ.get("LINKWATCH_USER"), os.environ.get("LINKWATCH_PASSWORD")
    if args.shots:
        os.makedirs(args.shots, exist_ok=True)
    if url is None:
        own = stack.Stack(args.build)
        url, user, password = own.url, stack.USER, stack.PASSWORD
    try:
        browser = Browser()
        try:
            passed, failed = run(Tests(browser, url.rstrip("/"), user, password, args.shots, own))
        finally:
            browser.close()
    finally:
        ended = own.stop() if own else {}
    if any(status != 0 for status in ended.values()):
        print("FAIL a process did not end well: %r" % ended)
        failed += 1
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
