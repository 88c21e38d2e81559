"""An origin that redirects where it is told to, and notes what reaches it.

    redirector.py PORT OTHER_PORT TLS_PORT CERTIFICATE KEY

Three listeners: two plain ones, and one with TLS. Each is a proxy for http, too.

    /hop?URL URL ...   302 to the first of the URLs (percent-encoded), which gets the others
    /digest/...        401 with a Digest challenge to whoever brings no Digest, else as /...
    /log               JSON: the requests since the last /log
    everything else    200
"""

import http.server
import json
import ssl
import sys
import threading
import urllib.parse

log = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"", **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def hop(self, query):
        first, *others = [urllib.parse.unquote(url) for url in query.split("+")]
        if others:
            first += "+".join(urllib.parse.quote(url, safe="") for url in others)
        self.answer(302, Location=first)

    def do_GET(self):
        is_proxied = not self.path.startswith("/")
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/log":
            body = json.dumps(log).encode()
            log.clear()
            self.answer(200, body)
            return
        path = url.path
        log.append({
            "path": path, "host": self.headers["Host"], "port": self.server.server_port,
            "is_proxied": is_proxied, "fields": dict(self.headers.items()),
        })
        if path.startswith("/digest"):
            path = path[len("/digest"):]
            if not self.headers.get("Authorization", "").startswith("Digest"):
                self.answer(401, WWW_Authenticate='Digest realm="r", nonce="n", qop="auth"')
                return
        if path == "/hop":
            self.hop(url.query)
        else:
            self.answer(200, b"done")

    def log_message(self, *_):
        pass


def serve(port, context=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[4], sys.argv[5])
serve(int(sys.argv[2]))
serve(int(sys.argv[3]), context)
serve(int(sys.argv[1]))
threading.Event().wait()
