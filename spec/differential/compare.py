#!/usr/bin/python3
"""compare.py [-v] - verdicts on spec/fixtures/http beside those of h11

h11 (Debian's python3-h11) reads the bytes of every fixture. Where it sees another verdict, status
or body than the fixture's events say (which the C tests show to be sluice's), the fixture must
explain it on a line "h11: ..." of its context; a line that explains nothing is an error as well.

Run from the root of the tree. Prints the disagreements with -v, and "N passed, M failed".
"""

import glob
import re
import sys

import h11


def decode(text):
    """The bytes that the lines of a ```bytes block stand for."""
    named = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\", '"': b'"'}

    def one(match):
        escape = match.group(1)
        return bytes([int(escape[1:], 16)]) if escape[0] == "x" else named[escape]

    out, at = b"", 0
    for match in re.finditer(r"\\(x[0-9a-fA-F]{2}|.)", text):
        out += text[at:match.start()].encode("ascii") + one(match)
        at = match.end()
    return out + text[at:].encode("ascii")


class Fixture:
    def __init__(self, path):
        self.path = path
        with open(path, encoding="ascii") as file:
            text = file.read()
        blocks = dict(re.findall(r"^```(\w+)\n(.*?)^```", text, re.S | re.M))
        context = re.findall(r"^(\w+): (.*)$", blocks.get("context", ""), re.M)
        self.bytes = decode(blocks["bytes"].replace("\n", ""))
        self.request = [value for key, value in context if key == "request"]
        self.eof = any(key == "eof" for key, _ in context)
        self.explained = "".join(value for key, value in context if key == "h11")
        self.is_decoding = ("decode", "yes") in context
        self.events = blocks["events"].splitlines()

    def verdict(self):
        """What the events say: (verdict, status, body)."""
        status, body = 0, b""
        for event in self.events:
            word, _, rest = event.partition(" ")
            if word == "head":
                status = int(rest.split()[0])
            elif word == "body":
                body = decode(rest[1:-1])
            elif word == "error":
                return "refuse", status, None
        return "accept", status, None if self.is_decoding else body


def judge(fixture):
    """(verdict, status, body, detail); verdict is accept, refuse or wait."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=65536)
    method = "HEAD" if "HEAD" in fixture.request else "GET"
    fields = [("Host", "a")]
    target = "/"
    if "CONNECT" in fixture.request:
        method, target = "CONNECT", "a:443"
    if "upgrade" in fixture.request:
        fields += [("Connection", "Upgrade"), ("Upgrade", "websocket")]
    if "close" in fixture.request:
        fields += [("Connection", "close")]
    connection.send(h11.Request(method=method, target=target, headers=fields))
    connection.send(h11.EndOfMessage())
    status, body = 0, b""
    try:
        if fixture.bytes:
            connection.receive_data(fixture.bytes)
        if fixture.eof:
            connection.receive_data(b"")
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                return "wait", status, body, ""
            if event is h11.PAUSED:
                return "accept", status, body, ""
            if isinstance(event, h11.ConnectionClosed):
                return "refuse", status, body, "closed"
            if isinstance(event, (h11.Response, h11.InformationalResponse)):
                status = event.status_code
                if status == 101:
                    return "accept", status, body, ""
            if isinstance(event, h11.Data):
                body += bytes(event.data)
            if isinstance(event, h11.EndOfMessage):
                return "accept", status, body, ""
    except h11.RemoteProtocolError as error:
        return "refuse", status, body, str(error)


def disagreement(ours, theirs):
    """None when they agree. Bodies count only where both accept."""
    verdict, status, body = ours
    if verdict != theirs[0]:
        return f"we {verdict}, it says {theirs[0]} {theirs[3]}".rstrip()
    if verdict == "refuse":
        return None
    if status != theirs[1]:
        return f"we see status {status}, it sees {theirs[1]}"
    if body is not None and body != theirs[2]:
        return f"we see the body {body!r}, it sees {theirs[2]!r}"
    return None


def main():
    is_verbose = "-v" in sys.argv[1:]
    fixtures = [Fixture(path) for path in sorted(glob.glob("spec/fixtures/http/*.md"))]
    passed = failed = 0
    for fixture in fixtures:
        found = disagreement(fixture.verdict(), judge(fixture))
        explained = fixture.explained
        if found and is_verbose:
            print(f"{fixture.path}: {found} [{explained or 'unexplained'}]")
        if bool(found) == bool(explained):
            passed += 1
            continue
        failed += 1
        print(f"{fixture.path}: " +
              (f"not explained: {found}" if found else "explained, but they agree"))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


sys.exit(main())
