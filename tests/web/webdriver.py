"""webdriver.py - the little of WebDriver that the tests need, over the standard library.

Browser() starts chromedriver and one headless Chromium of its own, with a profile that is thrown
away; close() ends both.  A failed command is a WebDriverError with the driver's words.
"""
import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
ARGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--disable-dev-shm-usage", "--disable-default-apps", "--disable-extensions",
        "--ignore-certificate-errors", "--force-device-scale-factor=1", "--hide-scrollbars"]
KEYS = {"enter": "\ue007", "escape": "\ue00c", "down": "\ue015", "left": "\ue012", "right": "\ue014", "tab": "\ue004"}


class WebDriverError(Exception):
    pass


class Browser:
    def __init__(self, lang="zh-CN", size=(1920, 1080), dark=False):
        self.profile = tempfile.mkdtemp(prefix="lw-chromium-")
        self.driver = subprocess.Popen(["/usr/bin/chromedriver", "--port=0"], stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, text=True, start_new_session=True)
        self.session = None
        try:
            self.base = "http://127.0.0.1:%d" % self._port()
            args = ARGS + ["--lang=" + lang, "--window-size=%d,%d" % size,
                           "--user-data-dir=" + self.profile]
            options = {"args": args, "prefs": {"intl.accept_languages": lang}}
            caps = {"browserName": "chrome", "acceptInsecureCerts": True,
                    "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": caps}}, 60)
            self.session = "/session/" + answer["sessionId"]
            self.viewport(*size)
            if dark:
                self.cdp("Emulation.setEmulatedMedia",
                         {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
        except BaseException:
            self.close()
            raise

    def _port(self):
        for line in self.driver.stdout:
            if "started successfully on port" in line:
                return int(line.rstrip(".\n").split()[-1])
        raise WebDriverError("chromedriver does not start")

    def _call(self, method, path, body=None, limit=40):
        data = None if method in ("GET", "DELETE") else json.dumps(body or {}).encode()
        request = urllib.request.Request(self.base + path, data=data, method=method,
                                         headers={"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=limit) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as e:
            value = json.load(e)["value"]
            raise WebDriverError("%s: %s" % (value["error"], value["message"].splitlines()[0])) from None

    def call(self, method, path, body=None):
        return self._call(method, self.session + path, body)

    def close(self):
        try:
            if self.session:
                self._call("DELETE", self.session, limit=10)
        except (OSError, WebDriverError):
            pass
        try:
            os.killpg(self.driver.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.driver.wait()
        self.driver.stdout.close()
        shutil.rmtree(self.profile, ignore_errors=True)

    # ------------------------------------------------------------- what tests say

    def cdp(self, cmd, params):
        return self.call("POST", "/goog/cdp/execute", {"cmd": cmd, "params": params})

    def viewport(self, width, height, mobile=False):
        self.cdp("Emulation.setDeviceMetricsOverride",
                 {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile})

    def go(self, url):
        self.call("POST", "/url", {"url": url})

    def url(self):
        return self.call("GET", "/url")

    def run(self, script, *args):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(args)})

    def find(self, css):
        return self.call("POST", "/element", {"using": "css selector", "value": css})[ELEMENT]

    def click(self, css):
        self.call("POST", "/element/%s/click" % self.find(css))

    def type(self, css, text):
        self.call("POST", "/element/%s/value" % self.find(css), {"text": text})

    def key(self, name):
        k = KEYS.get(name, name)
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "k", "actions": [
            {"type": "keyDown", "value": k}, {"type": "keyUp", "value": k}]}]})

    def drag(self, css, from_share, to_share):
        """Draws the pointer across an element, from one share of its width to another."""
        box = self.run("const r = document.querySelector(arguments[0]).getBoundingClientRect();"
                       "return [r.left, r.top, r.width, r.height];", css)
        y = int(box[1] + box[3] / 2)
        x = [int(box[0] + box[2] * s) for s in (from_share, (from_share + to_share) / 2, to_share)]

        def move(to):
            return {"type": "pointerMove", "duration": 50, "x": to, "y": y}
        self.call("POST", "/actions", {"actions": [{
            "type": "pointer", "id": "m", "parameters": {"pointerType": "mouse"}, "actions": [
                move(x[0]), {"type": "pointerDown", "button": 0}, move(x[1]), move(x[2]),
                {"type": "pointerUp", "button": 0}]}]})

    def wait(self, script, what, limit=15, *args):
        """Waits until the script gives something true and returns that."""
        end = time.monotonic() + limit
        while True:
            try:
                value = self.run("return (() => {" + script + "})()", *args)
            except WebDriverError as e:
                value, what = None, what + " (" + str(e) + ")" if "(" not in what else what
            if value:
                return value
            if time.monotonic() > end:
                raise WebDriverError("waited %d s in vain for %s" % (limit, what))
            time.sleep(0.05)

    def console(self):
        """What the page has written to the console since the last call, errors and warnings."""
        return [m["message"] for m in self.call("POST", "/se/log", {"type": "browser"})
                if m["level"] in ("SEVERE", "WARNING")]

    def screenshot(self, path):
        """A picture of the viewport, by the ending of its name: .png exact, .webp small."""
        if path.endswith(".webp"):
            width, height = self.run("return [innerWidth, innerHeight]")
            data = self.cdp("Page.captureScreenshot", {"format": "webp", "quality": 20, "clip": {
                "x": 0, "y": 0, "width": width, "height": height, "scale": 0.7}})["data"]
        else:
            data = self.call("GET", "/screenshot")
        with open(path, "wb") as f:
            f.write(base64.b64decode(data))
