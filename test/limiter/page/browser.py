# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""A headless Chromium, driven by the WebDriver protocol."""

import base64
import contextlib
import itertools
import json
import os
import random
import shutil
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--hide-scrollbars", "--window-size=1024,1000")

# The code points of keys in the WebDriver protocol.
TAB, ENTER, BACKSPACE = "\ue004", "\ue007", "\ue003"
CONTROL, RIGHT, DOWN = "\ue009", "\ue014", "\ue015"


def free_port():
    """A free port below the ephemeral range, where closed connections may still occupy ports."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


class Browser:
    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="page-test-")
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.driver = subprocess.Popen([os.environ.get("CHROMEDRIVER", "chromedriver"), f"--port={port}"],
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            self._await_start()
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
        if "/session/" in self.url:
            self._ask("DELETE", "")
        self.driver.terminate()
        self.driver.wait()
        self.driver.stdout.close()
        shutil.rmtree(self.profile, ignore_errors=True)

    def _await_start(self):
        output = ""
        for line in self.driver.stdout:
            if "started successfully" in line:
                return
            output += line
        raise RuntimeError("chromedriver does not start:\n" + output)

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
        """Runs the script as the body of a function, and returns its result."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": arguments})

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0])?.textContent ?? ''", selector)

    def console(self):
        """Returns the console messages since the last call."""
        return self._ask("POST", "/se/log", {"type": "browser"})

    def press(self, *keys):
        """Presses the keys one after the other, and those in a tuple together."""
        actions = []
        for together in itertools.chain(*([key] if isinstance(key, tuple) else key for key in keys)):
            actions += [{"type": "keyDown", "value": key} for key in together]
            actions += [{"type": "keyUp", "value": key} for key in reversed(together)]
        self._act({"type": "key", "id": "keyboard", "actions": actions})

    def mouse(self, *actions):
        """Performs mouse actions: ("move", x, y), ("down",) or ("up",)."""
        kinds = {"move": "pointerMove", "down": "pointerDown", "up": "pointerUp"}
        self._act({"type": "pointer", "id": "mouse", "actions": [
            {"type": kinds[kind], "x": round(where[0]), "y": round(where[1]), "duration": 0} if where
            else {"type": kinds[kind], "button": 0} for kind, *where in actions]})

    def _act(self, source):
        self._ask("POST", "/actions", {"actions": [source]})

    def emulate(self, width=1024, height=1000, scale=1, **media):
        """Sets the size of the window and media features such as prefers_color_scheme="dark"."""
        self._chromium("Emulation.setDeviceMetricsOverride", width=width, height=height,
                       deviceScaleFactor=scale, mobile=width < 600)
        self._chromium("Emulation.setEmulatedMedia", features=[
            {"name": name.replace("_", "-"), "value": value} for name, value in media.items()])

    def screenshot(self, file):
        """Writes a picture of the whole page to the file."""
        png = self._chromium("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        with open(file, "wb") as f:
            f.write(base64.b64decode(png["data"]))

    def _chromium(self, command, **parameters):
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})
