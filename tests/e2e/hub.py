"""A hub on loopback as `dure pull` meets it: a repository's list and its files, with every fault that a test asks for."""
import hashlib
import http.server
import json
import threading
import time
import urllib.parse


def git_id(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub:
    """files: {name: bytes}; those in `large` are listed with a SHA-256, the others with the id of a git blob.

    `answer(path)` is what the list says, as an object or as bytes; tests change it. Faults by file name: `cut` (bytes after which
    the connection breaks, once each time it is listed), `status`, `redirect` (address), `delay` (seconds between pieces),
    `body` (other bytes than listed), `no_ranges`. `seen`: (path, Range, Authorization) of every request, in order.
    """

    def __init__(self, files, large=(), repository="org/model"):
        self.files, self.repository = dict(files), repository
        self.siblings = [self.sibling(name, name in large) for name in files]
        self.cut, self.status, self.redirect, self.delay, self.body = {}, {}, {}, {}, {}
        self.no_ranges, self.seen, self.list_status, self.raw = set(), [], 200, None
        self.close_delimited = set()
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                try:
                    hub.serve(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def sibling(self, name, large):
        data = self.files[name]
        row = {"rfilename": name, "size": len(data), "blobId": git_id(data)}
        if large:
            row["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
        return row

    def row(self, name):
        return next(row for row in self.siblings if row["rfilename"] == name)

    def requests(self, name):
        """The Range of each request for this file; None: there was none."""
        return [wanted for path, wanted, _ in self.seen if path.endswith("/" + urllib.parse.quote(name))]

    def serve(self, request):
        path = request.path
        self.seen.append((path, request.headers.get("Range"), request.headers.get("Authorization")))
        if path.startswith("/api/"):
            self.serve_list(request, path)
        else:
            self.serve_file(request, urllib.parse.unquote(path.split("/resolve/", 1)[-1].split("/", 1)[-1]))

    @staticmethod
    def reply(request, status, body=b"", **headers):
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    def serve_list(self, request, path):
        if path != f"/api/models/{self.repository}/revision/main?blobs=true":
            return self.reply(request, 404)
        told = self.raw if self.raw is not None else json.dumps(
            {"id": self.repository, "sha": "0123456789abcdef0123456789abcdef01234567", "siblings": self.siblings}).encode()
        return self.reply(request, self.list_status, told if self.list_status == 200 else b"no")

    def serve_file(self, request, name):
        if name in self.redirect:
            return self.reply(request, 302, Location=self.redirect[name])
        data = self.body.get(name, self.files.get(name))
        if data is None or name in self.status:
            return self.reply(request, self.status.get(name, 404), b"<html>not a model</html>")
        wanted, begin = request.headers.get("Range"), 0
        if wanted and name not in self.no_ranges:
            begin = int(wanted.removeprefix("bytes=").split("-")[0])
            if begin >= len(data):
                return self.reply(request, 416, Content_Range=f"bytes */{len(data)}")
        request.send_response(206 if begin else 200)
        if begin:
            request.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        if name in self.close_delimited:
            request.send_header("Connection", "close")
        else:
            request.send_header("Content-Length", str(len(data) - begin))
        request.end_headers()
        return self.send(request, name, data[begin:])

    def send(self, request, name, data):
        cuts = self.cut.get(name)
        cut = cuts.pop(0) if cuts else None
        step = 4096 if name in self.delay else 1 << 16
        for at in range(0, len(data), step):
            piece = data[at:at + step]
            if cut is not None and at + len(piece) > cut:
                request.wfile.write(piece[:cut - at])
                request.wfile.flush()
                request.close_connection = True
                return
            request.wfile.write(piece)
            if name in self.delay:
                request.wfile.flush()
                time.sleep(self.delay[name])
        if name in self.close_delimited:
            request.close_connection = True

    def close(self):
        self.server.shutdown()
        self.server.server_close()
