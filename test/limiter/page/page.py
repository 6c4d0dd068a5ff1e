# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""Tests of the page of connection_limiter, with the real program, an upstream, clients and a browser."""

import itertools
import os
import random
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
import unittest
import urllib.error
import urllib.parse
import urllib.request

from browser import BACKSPACE, CONTROL, DOWN, ENTER, RIGHT, TAB, Browser, free_port

TIMEOUT = 20  # seconds before the test gives up

# The values of one line of the plot, computed from the picture by means of the axis ticks.
PLOTTED = """
const [name] = arguments;
const ticks = [...document.querySelectorAll(`#plot .tick.${name === 'queued' ? 'queued' : 'active'}`)]
  .map(tick => [Number(tick.getAttribute('y')), Number(tick.textContent)]);
const [[y0, value0], [y1, value1]] = [ticks[0], ticks.at(-1)];
const path = document.querySelector(`#plot .line.${name}`)?.getAttribute('d') ?? '';
return [...path.matchAll(/[ML]\\S+ ([\\d.]+)|V([\\d.]+)/g)]
  .map(([, point, step]) => (Number(point ?? step) - y0) / (y1 - y0))
  .map(share => Math.round(value0 + share * (value1 - value0)));
"""

# The elements whose text has less contrast to its background than WCAG level AA requires.
TOO_FAINT = """
const channels = color => color.match(/[\\d.]+/g).map(Number);
const luminance = color => channels(color).slice(0, 3).map(c => c / 255)
  .map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
const behind = element => {
  for (; element; element = element.parentElement) {
    const color = getComputedStyle(element).backgroundColor;
    if ((channels(color)[3] ?? 1) === 1) return color;
  }
};
return [...document.body.querySelectorAll('*')]
  .filter(e => e.checkVisibility() && (e.matches('[type=number], select') ||
    [...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim() && !e.matches('script'))))
  .map(e => [e, getComputedStyle(e)[e instanceof SVGElement ? 'fill' : 'color']])
  .filter(([e, color]) => {
    const [dark, light] = [luminance(color), luminance(behind(e))].sort((a, b) => a - b);
    return (light + .05) / (dark + .05) < 4.5;
  })
  .map(([e, color]) => `${e.outerHTML.slice(0, 80)}: ${color} on ${behind(e)}`);
"""

# The elements that overflow their box or the window.
TOO_WIDE = """
return [...document.querySelectorAll('html, body, body *:not(#alarm)')]
  .filter(e => e.checkVisibility() && (e.getBoundingClientRect().right > innerWidth + .5 ||
    e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1))
  .map(e => e.outerHTML.slice(0, 80));
"""


class Upstream:
    """Sends a greeting on each connection, and keeps the connection until the client closes it."""

    def __init__(self, greeting=b"!"):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=500)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.greeting = greeting
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            try:
                connection.sendall(self.greeting)
                while connection.recv(4096):
                    pass
            except OSError:
                pass  # the limiter cut the connection


class Limiter:
    """The program, with a listener for each limit. With `before`, it uses the addresses of that limiter."""

    def __init__(self, upstream, *options, limits=(3,), before=None):
        self.admin = before.admin if before else f"127.0.0.1:{free_port()}"
        listeners = before.listeners if before else ["127.0.0.1:0"] * len(limits)
        arguments = [PROGRAM, "--admin", self.admin, *options]
        for listener, limit in zip(listeners, limits):
            arguments += ["--listen", listener, "--upstream", upstream.address, "--limit", str(limit)]
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.url = f"http://{self.admin}/"
        self.listeners = []
        while len(self.listeners) < len(limits):
            line = self.process.stdout.readline()
            if not line:
                self.log.seek(0)
                raise RuntimeError("the program does not start: " + self.log.read())
            if listening := re.match(r"listening on (\S+), upstream", line):
                self.listeners.append(listening[1])

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def connect(self, listener=0):
        host, port = self.listeners[listener].rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout=TIMEOUT)

    def metrics(self):
        with urllib.request.urlopen(self.url + "metrics", timeout=TIMEOUT) as answer:
            return answer.read().decode()

    def figure(self, name, listener=0):
        label = re.escape(f'{{listener="{self.listeners[listener]}"}}')
        return float(re.search(rf"^connection_limiter_{name}{label} (\S+)$", self.metrics(), re.MULTILINE)[1])

    def limit(self, listener=0):
        return self.figure("limit_connections", listener)

    def set_limit(self, text, listener=0):
        """Returns None, or the text of the error response."""
        query = urllib.parse.urlencode({"listener": self.listeners[listener]})
        request = urllib.request.Request(f"{self.url}limit?{query}", method="PUT", data=str(text).encode())
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT):
                return None
        except urllib.error.HTTPError as e:
            return e.read().decode().strip()


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.upstream = Upstream()
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        self.browser.emulate()
        self.expected = None  # a pattern of expected console messages
        self.addCleanup(self.check_console)

    def check_console(self):
        for entry in self.browser.console():
            if not self.expected or not re.search(self.expected, entry["message"]):
                self.fail("unexpected console message: " + entry["message"])

    def start(self, *options, **settings):
        limiter = Limiter(self.upstream, "--queue-timeout", "5m", *options, **settings)
        self.addCleanup(limiter.close)
        self.browser.open(limiter.url)
        self.addCleanup(self.browser.open, "about:blank")  # stops the requests before the limiter ends
        self.until(lambda: self.text("#state"), "Live")
        return limiter

    def connect(self, limiter, n, listener=0):
        clients = [limiter.connect(listener) for _ in range(n)]
        for client in clients:
            self.addCleanup(client.close)
        return clients

    def until(self, current, wanted):
        """Waits until current() returns the wanted value."""
        deadline = time.monotonic() + TIMEOUT
        while (found := current()) != wanted:
            if time.monotonic() > deadline:
                self.fail(f"still {found!r}, not {wanted!r}")
            time.sleep(0.05)

    def text(self, selector):
        return self.browser.text(selector).strip()

    def figures(self):
        return [self.text("#" + name) for name in ("active", "limit", "queued")]

    def plotted(self, line):
        return self.browser.run(PLOTTED, line)

    def plotted_last(self):
        return [self.plotted(line)[-1:] for line in ("active", "limit", "queued")]

    def counts(self, title):
        """Per second, in the last minute, in all."""
        return self.browser.run(
            "const rows = [...document.querySelectorAll('tbody tr')];"
            "const row = rows.find(row => row.cells[0].textContent === arguments[0]);"
            "return [...row.cells].slice(1).map(cell => cell.textContent);", title)

    def inputs(self):
        return self.browser.run("return [slider.value, field.value]")

    def tab_to(self, element):
        """Moves the focus to the element with the Tab key, and checks that the focus is visible."""
        for _ in range(12):
            self.browser.press(TAB)
            found, outline = self.browser.run(
                "const e = document.activeElement; return [e.id, getComputedStyle(e).outlineStyle];")
            if found == element:
                self.assertNotEqual(outline, "none")
                return
        self.fail(f"the Tab key does not reach {element}")

    def test_follows_the_load(self):
        limiter = self.start()
        self.until(self.figures, ["0", "3", "0"])
        clients = self.connect(limiter, 10)
        self.until(self.figures, ["3", "3", "7"])
        self.until(self.plotted_last, [[3], [3], [7]])
        self.assertRegex(self.text("#longest"), r"^[\d.]+ m?s$")
        # The mouse over the plot shows the values at that time.
        self.browser.mouse(("move", *self.browser.run(
            "const r = $('plot').getBoundingClientRect(); return [r.left + r.width / 2, r.top + 50];")))
        self.until(lambda: self.text("#when").endswith(" ago"), True)
        self.assertEqual(self.text("#queued-key"), "0")  # before there were clients
        self.browser.mouse(("move", 1, 1))
        self.until(lambda: self.text("#when"), "in the last five minutes")
        self.assertEqual(self.text("#queued-key"), "7")
        # The plot as a table, opened with the keyboard.
        self.browser.run("document.querySelector('summary').focus()")
        self.browser.press(ENTER)
        self.until(lambda: self.text("#past tr"), "0337")
        for client in clients:
            client.close()
        self.until(self.figures, ["0", "3", "0"])
        self.until(self.plotted_last, [[0], [3], [0]])
        self.assertEqual(max(self.plotted("queued")), 7)
        self.until(lambda: self.counts("Accepted")[-1], "10")
        self.until(lambda: int(self.counts("Served")[-1]) + int(self.counts("Disconnected in the queue")[-1]), 10)

    def test_counts_refusals_and_waits(self):
        limiter = self.start("--max-queue", "1", limits=(1,))
        first, second = (self.connect(limiter, 1)[0] for _ in range(2))
        self.until(self.figures, ["1", "1", "1"])
        self.connect(limiter, 4)
        self.until(lambda: self.counts("Refused: full")[1:], ["4", "4"])
        time.sleep(0.3)  # the second client waits at least this long
        first.close()
        self.assertEqual(second.recv(1), b"!")
        self.until(lambda: self.text("#over")[:26], "Of 2 connections forwarded")
        self.assertRegex(self.text("#p50"), r"^≤ [\d.]+ ms$")
        self.assertRegex(self.text("#p99"), r"^(\d\d\d ms|[\d.]+ s)$")

    def test_refusals_catch_the_eye(self):
        limiter = self.start("--max-queue", "0", limits=(1,))
        self.assertFalse(self.browser.run("return $('state').classList.contains('alarm')"))
        self.connect(limiter, 4)
        self.until(lambda: self.text("#state"), "Refusing connections: 3 in 10 s")
        self.assertTrue(self.browser.run("return $('state').classList.contains('alarm')"))
        self.assertEqual(self.text("#alarm[role=alert]"), "The limiter refuses connections.")
        self.assertEqual(self.text("tr.alarm th"), "Refused: full")
        self.assertEqual(self.browser.run("return document.title[0]"), "⚠")
        self.until(lambda: self.text("#state"), "Live")  # ten seconds later

    def test_shows_that_the_upstream_does_not_accept_connections(self):
        address = f"127.0.0.1:{free_port()}"
        dead = Limiter(types.SimpleNamespace(address=address))
        self.addCleanup(dead.close)
        self.browser.open(dead.url)
        self.addCleanup(self.browser.open, "about:blank")
        self.until(lambda: self.text("#listener"), f"{dead.listeners[0]} → {address}")
        self.connect(dead, 2)
        self.until(lambda: self.text("#state"), "The upstream does not accept connections: 2 not forwarded in 10 s")
        self.assertEqual(self.text("tr.alarm th"), "Failed")

    def test_undo_takes_the_limit_back(self):
        limiter = self.start()
        self.assertFalse(self.browser.run("return $('undo').checkVisibility()"))
        self.tab_to("field")
        self.browser.press((CONTROL, "a"), "9", ENTER)
        self.until(lambda: self.text("#undo"), "Undo: 3")
        self.assertEqual(limiter.limit(), 9)
        self.tab_to("undo")
        self.browser.press(ENTER)
        self.until(limiter.limit, 3)
        self.until(lambda: self.text("#undo"), "Undo: 9")
        self.until(self.inputs, ["3", "3"])

    def test_links_to_the_metrics(self):
        limiter = self.start()
        self.assertEqual(self.browser.run("return document.querySelector('main ~ a, main a').href"),
                         limiter.url + "metrics")

    def test_slider_sets_the_limit_with_the_keyboard(self):
        limiter = self.start()
        clients = self.connect(limiter, 10)
        self.until(self.figures, ["3", "3", "7"])
        self.tab_to("slider")
        self.browser.press(RIGHT, RIGHT)
        self.until(limiter.limit, 5)
        self.until(lambda: len(select.select(clients, [], [], 0)[0]), 5)  # clients with a greeting
        self.until(self.figures, ["5", "5", "5"])
        self.until(self.plotted_last, [[5], [5], [5]])
        values = [value for value, _ in itertools.groupby(self.plotted("limit"))]
        self.assertIn(values, ([3, 5], [3, 4, 5]))
        self.assertEqual(self.inputs(), ["5", "5"])
        # The page ignores a response to a request from before the limit was set.
        self.assertEqual(self.browser.run(
            "slider.value = 20;"
            "return [answered - 1, now()].map(asked => (follow(asked), slider.value));"), ["20", "5"])

    def test_field_sets_the_limit_with_the_keyboard(self):
        limiter = self.start()
        self.connect(limiter, 10)
        self.until(self.figures, ["3", "3", "7"])
        self.tab_to("field")
        self.browser.press((CONTROL, "a"), "8", ENTER)
        self.until(limiter.limit, 8)
        self.until(self.plotted_last, [[8], [8], [2]])
        self.assertEqual(self.inputs(), ["8", "8"])
        # Above the maximum of the slider.
        self.browser.press((CONTROL, "a"), "400", TAB)
        self.until(limiter.limit, 400)
        self.until(self.inputs, ["400", "400"])
        # A lower limit cuts no connection.
        self.tab_to_field_again()
        self.browser.press((CONTROL, "a"), "2", ENTER)
        self.until(self.plotted_last, [[10], [2], [0]])

    def tab_to_field_again(self):
        self.browser.run("slider.focus()")
        self.tab_to("field")

    def test_shows_why_a_limit_is_refused(self):
        limiter = self.start()
        why = limiter.set_limit(1000001)
        self.assertTrue(why)
        self.expected = r"/limit\b.* status of 4\d\d"
        self.tab_to("field")
        self.browser.press((CONTROL, "a"), "1000001", ENTER)
        self.until(lambda: self.text("#error"), "Not changed: " + why)
        self.until(self.inputs, ["3", "3"])
        self.assertEqual(limiter.limit(), 3)
        self.browser.press((CONTROL, "a"), BACKSPACE, ENTER)
        self.until(lambda: self.text("#error")[:12], "Not changed:")
        self.browser.press((CONTROL, "a"), "4", ENTER)
        self.until(lambda: self.text("#error"), "")
        self.until(limiter.limit, 4)

    def test_follows_an_external_change_of_the_limit_but_not_during_input(self):
        limiter = self.start()
        limiter.set_limit(7)
        self.until(self.inputs, ["7", "7"])
        self.tab_to("field")
        self.browser.press((CONTROL, "a"), "1", "2")
        limiter.set_limit(9)
        self.until(self.figures, ["0", "9", "0"])
        self.assertEqual(self.inputs(), ["12", "12"])
        self.browser.press(ENTER)
        self.until(limiter.limit, 12)
        # The limit changes while the text in the field is selected.
        self.until(lambda: self.text("#limit"), "12")
        self.browser.press((CONTROL, "a"))
        limiter.set_limit(7)
        self.until(self.inputs, ["7", "7"])
        self.browser.press("8", ENTER)
        self.until(limiter.limit, 8)
        self.until(lambda: self.text("#limit"), "8")

        x, y = self.thumb()
        self.browser.mouse(("move", x, y), ("down",), ("move", x + 120, y))
        held = self.inputs()
        self.assertGreater(int(held[0]), 20)
        limiter.set_limit(6)
        self.until(self.figures, ["0", "6", "0"])
        self.assertEqual(self.inputs(), held)
        self.browser.mouse(("up",))
        self.until(limiter.limit, int(held[0]))
        # If the slider is moved and moved back, it follows the limit again.
        self.until(lambda: self.text("#limit"), held[0])
        x, y = self.thumb()
        self.browser.mouse(("move", x, y), ("down",), ("move", x - 40, y), ("move", x, y), ("up",))
        self.assertEqual(self.inputs(), held)
        limiter.set_limit(11)
        self.until(self.inputs, ["11", "11"])

    def thumb(self):
        left, top, width, height, share = self.browser.run(
            "const r = slider.getBoundingClientRect();"
            "const share = (slider.value - slider.min) / (slider.max - slider.min);"
            "return [r.left, r.top, r.width, r.height, share];")
        return left + 8 + share * (width - 16), top + height / 2

    def test_switches_between_listeners(self):
        limiter = self.start(limits=(2, 4))
        self.connect(limiter, 3, listener=0)
        self.connect(limiter, 6, listener=1)
        self.until(self.figures, ["2", "2", "1"])
        self.tab_to("listeners")
        self.browser.press(DOWN)
        self.until(self.figures, ["4", "4", "2"])
        self.until(self.plotted_last, [[4], [4], [2]])
        self.tab_to("slider")
        self.browser.press(RIGHT)
        self.until(lambda: limiter.limit(1), 5)
        self.until(self.figures, ["5", "5", "1"])
        self.assertEqual(limiter.limit(0), 2)

    def test_shows_draining_then_no_response_then_the_restarted_limiter(self):
        limiter = self.start("--drain-timeout", "1m")
        self.connect(limiter, 2)
        self.until(lambda: limiter.figure("accepted_total"), 2)
        self.browser.open(limiter.url)  # the limiter has already counted connections
        self.until(self.figures, ["2", "3", "0"])
        limiter.process.send_signal(signal.SIGTERM)
        self.until(lambda: self.text("#state").split(":")[0], "Draining")
        self.expected = "Failed to load resource: net::ERR_"
        limiter.close()
        since = r"No response for ([2-9]|\d\d) s"
        self.until(lambda: re.fullmatch(since, self.text("#state")) is not None, True)
        self.assertLess(float(self.browser.run(
            "return getComputedStyle(document.querySelector('main')).opacity")), 1)
        self.assertEqual(self.text("#alarm[role=alert]"), "The limiter does not respond.")
        self.tab_to("slider")
        self.browser.press(RIGHT)
        self.until(lambda: self.text("#error"), "The limiter does not respond. The limit may not have changed.")

        again = Limiter(self.upstream, limits=(4,), before=limiter)
        self.addCleanup(again.close)
        self.until(lambda: self.text("#state"), "Live")
        self.until(self.figures, ["0", "4", "0"])
        # The counters of the old process are not subtracted from those of the new one.
        self.assertEqual(self.counts("Accepted")[1], "0")

    def test_plot_has_a_gap_while_there_is_no_response(self):
        limiter = self.start()
        self.expected = "Failed to load resource: net::ERR_"
        limiter.process.send_signal(signal.SIGSTOP)  # it neither responds nor refuses connections
        self.until(lambda: self.text("#state")[:15], "No response for")
        self.until(lambda: self.browser.run("return failing"), True)
        limiter.process.send_signal(signal.SIGCONT)
        self.until(lambda: self.text("#state"), "Live")
        pieces = "return document.querySelector('#plot .line.active').getAttribute('d').split('M').length - 1"
        self.assertEqual(self.browser.run(pieces), 2)

    def test_is_legible_in_light_and_dark_mode_and_on_a_phone(self):
        limiter = self.start("--max-queue", "5", limits=(3, 1))
        self.connect(limiter, 12)
        self.until(self.figures, ["3", "3", "5"])
        self.browser.run("document.querySelector('details').open = true;"
                         "document.querySelector('#error').textContent = 'The limiter does not respond.'")
        grounds = []
        for scheme, width in itertools.product(("light", "dark"), (320, 600, 1024)):
            with self.subTest(scheme=scheme, width=width):
                self.browser.emulate(width=width, prefers_color_scheme=scheme)
                self.until(lambda: self.browser.run("return $('plot').clientWidth < innerWidth"), True)
                self.assertEqual(self.browser.run(TOO_FAINT), [])
                self.assertEqual(self.browser.run(TOO_WIDE), [])
            grounds.append(self.browser.run("return getComputedStyle(document.body).backgroundColor"))
        self.assertEqual(len(set(grounds)), 2)

    def test_honours_prefers_reduced_motion(self):
        self.start()
        durations = "return [...document.querySelectorAll('*')]" \
            ".filter(e => getComputedStyle(e).transitionDuration !== '0s').length"
        self.assertGreater(self.browser.run(durations), 0)
        self.browser.emulate(prefers_reduced_motion="reduce")
        self.assertEqual(self.browser.run(durations), 0)

    def test_parses_the_text_format(self):
        self.start()
        self.assertEqual(self.browser.run("return parse(arguments[0])", "\n".join((
            "# HELP a_total b", "# TYPE a_total counter",
            r'a_total{one="x\"y\\z\n",two="}"} 12', "b 1.5e3", 'c_bucket{le="+Inf"} 3'))), [
                {"name": "a_total", "value": 12, "labels": {"one": 'x"y\\z\n', "two": "}"}},
                {"name": "b", "value": 1500, "labels": {}},
                {"name": "c_bucket", "value": 3, "labels": {"le": "+Inf"}}])

    def test_metrics_pass_promtool(self):
        limiter = self.start(limits=(3, 5))
        check = subprocess.run([os.environ["PROMTOOL"], "check", "metrics"], input=limiter.metrics(), text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT, check=False)
        self.assertEqual((check.returncode, check.stdout), (0, ""))

    def test_says_what_part_of_a_shared_limit_is_its_own(self):
        self.start()
        self.assertFalse(self.browser.run("return $('shared').checkVisibility()"))
        text = ('connection_limiter_shared_info{listener="a",name="db",lease="lost",last_error="no \\"route\\""} 1\n'
                'connection_limiter_shared_connected{listener="a"} 0\nconnection_limiter_share_connections{listener="a"} 2\n'
                'connection_limiter_lease_seconds{listener="a"} 0\nconnection_limiter_limit_connections{listener="a"} 8')
        self.assertEqual(
            self.browser.run("return sharedText(samplesOf(arguments[0], 0).get('a'))", text),
            'This is the limit db of several limiters, which cannot be 0. This one may forward 2 of 8 now. '
            'Lease: lost. Redis: no "route".')

    def test_quantiles_from_buckets(self):
        self.start()
        self.assertEqual(self.browser.run(
            "const buckets = [[.1, 10], [.2, 30], [.4, 90], [1, 90], [Infinity, 100]];"
            "return [.05, .1, .2, .3, .6, .9, .95].map(q => quantile(q, buckets))"),
            ["≤ 100 ms", "≤ 100 ms", "150 ms", "200 ms", "300 ms", "400 ms", "> 1 s"])
        self.assertEqual(self.browser.run("return quantile(.5, [[.1, 0], [Infinity, 0]])"), "–")


def photograph(file):
    """Takes a screenshot of the page after five minutes of changing load."""
    upstream = Upstream(greeting=bytes(20_000))
    limiter = Limiter(upstream, "--max-queue", "60", "--queue-timeout", "3s", limits=(20,))
    browser = Browser()
    start, seconds = time.monotonic(), 310
    # (second, number of clients at once), interpolated linearly.
    course = [(0, 6), (40, 18), (75, 45), (110, 110), (135, 75), (200, 58), (225, 20), (240, 14), (260, 60),
              (285, 130), (310, 85)]

    def wanted():
        t = time.monotonic() - start
        for (t0, n0), (t1, n1) in itertools.pairwise(course):
            if t0 <= t < t1:
                return n0 + (n1 - n0) * (t - t0) / (t1 - t0)
        return 0

    def run_clients(i):
        while time.monotonic() - start < seconds:
            if i < wanted():
                try:
                    with limiter.connect() as client:
                        client.settimeout(random.choice((1, 5, 5, 5, 5)))  # some give up early
                        client.sendall(bytes(400))
                        if client.recv(1):
                            time.sleep(random.expovariate(4))
                except OSError:
                    pass
            time.sleep(random.uniform(0.05, 0.5))

    clients = [threading.Thread(target=run_clients, args=(i,)) for i in range(130)]
    try:
        browser.open(limiter.url)
        browser.emulate(width=960, scale=1.25)
        for client in clients:
            client.start()
        time.sleep(150)
        limiter.set_limit(30)
        time.sleep(seconds - 155)
        height = browser.run("return document.documentElement.scrollHeight")
        browser.emulate(width=960, scale=1.25, height=height)
        time.sleep(2)
        browser.screenshot(file)
        for client in clients:
            client.join()
    finally:
        browser.close()
        limiter.close()


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    if sys.argv[1:2] == ["--screenshot"]:
        photograph(sys.argv[2])
    else:
        result = unittest.main(verbosity=2, exit=False).result
        failed = len(result.failures) + len(result.errors)
        print(f"{max(0, result.testsRun - failed)} passed, {failed} failed")
        sys.exit(failed > 0 or result.testsRun == 0)
