# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""A headless Chromium, driven by the WebDriver protocol."""

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--hide-scrollbars", "--window-size=1024,1000")

# The code points that the protocol gives to keys.
TAB, ENTER, ESCAPE, BACKSPACE = "\ue004", "\ue007", "\ue00c", "\ue003"
CONTROL, LEFT, RIGHT = "\ue009", "\ue012", "\ue014"


class Browser:
    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="page-test-")
        self.driver = subprocess.Popen(
            [os.environ.get("CHROMEDRIVER", "chromedriver"), "--port=0"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            self.url = "http://127.0.0.1:" + self._port()
            self.url += "/session/" + self._ask("POST", "/session", {"capabilities": {"alwaysMatch": {
                "browserName": "chrome",
                "goog:loggingPrefs": {"browser": "ALL"},
                "goog:chromeOptions": {
                    "binary": os.environ.get("CHROMIUM", "/usr/bin/chromium"),
                    "args": [*FLAGS, "--user-data-dir=" + self.profile]}}}})["sessionId"]
        except BaseException:
            self.close()
            raise

    def close(self):
        if "/session/" in getattr(self, "url", ""):
            self._ask("DELETE", "")
        self.driver.terminate()
        self.driver.wait()
        self.driver.stdout.close()
        shutil.rmtree(self.profile, ignore_errors=True)

    def _port(self):
        for line in self.driver.stdout:
            if started := re.search(r"started successfully on port (\d+)", line):
                return started[1]
        raise RuntimeError("chromedriver does not start")

    def _ask(self, method, path, body=None):
        request = urllib.request.Request(
            self.url + path, method=method, headers={"Content-Type": "application/json"},
            data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as e:
            raise RuntimeError(json.load(e)["value"]["message"]) from None

    def open(self, url):
        self._ask("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        """What the script returns, which is the body of a function."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": arguments})

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def console(self):
        """What has been written to the console since it was asked last."""
        return self._ask("POST", "/se/log", {"type": "browser"})

    def press(self, *keys):
        """Presses them one after the other; those in a tuple together."""
        actions = []
        for key in keys:
            together = key if isinstance(key, tuple) else (key,)
            actions += [{"type": "keyDown", "value": k} for k in together]
            actions += [{"type": "keyUp", "value": k} for k in reversed(together)]
        self._act({"type": "key", "id": "keyboard", "actions": actions})

    def mouse(self, *actions):
        """Each is ("move", x, y), ("down",) or ("up",)."""
        kinds = {"move": "pointerMove", "down": "pointerDown", "up": "pointerUp"}
        self._act({"type": "pointer", "id": "mouse", "actions": [
            {"type": kinds[kind], "x": round(where[0]), "y": round(where[1]), "duration": 0} if where
            else {"type": kinds[kind], "button": 0} for kind, *where in actions]})

    def _act(self, source):
        self._ask("POST", "/actions", {"actions": [source]})

    def emulate(self, width=1024, height=1000, scale=1, **media):
        """A window of that size, and media features such as prefers_color_scheme="dark"."""
        self._chromium("Emulation.setDeviceMetricsOverride", width=width, height=height,
                       deviceScaleFactor=scale, mobile=width < 600)
        self._chromium("Emulation.setEmulatedMedia", features=[
            {"name": name.replace("_", "-"), "value": value} for name, value in media.items()])

    def screenshot(self, file):
        """A picture of all of the page."""
        png = self._chromium("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        with open(file, "wb") as f:
            f.write(base64.b64decode(png["data"]))

    def _chromium(self, command, **parameters):
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})
