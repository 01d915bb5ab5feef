# SPDX-License-Identifier: Apache-2.0
"""pointsman-prober against the provider stand-ins, with a daemon that the test controls."""

import http.server
import json
import os
import select
import socket
import socketserver
import threading
import time

import pytest

from harness import parts, process
from harness.fake_daemon import FakeDaemon

SECRET = "sk_test_p1anted+/=%~secret"
ENCODED = "sk_test_p1anted%2B%2F%3D%25~secret"


@pytest.fixture
def daemon(run_dir):
    with FakeDaemon(run_dir + "/daemon.sock") as d:
        yield d


@pytest.fixture
def credentials_dir(run_dir):
    path = os.path.join(run_dir, "credentials")
    os.mkdir(path, 0o700)
    return path


def put_credential(directory, name, text, mode=0o600):
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)


def test_a_good_answer_with_its_times(daemon, prober, standins):
    prober(daemon.path)
    standins.fault("here", "ok", latencyMs=30)
    report = daemon.probe(standins.urls["here"] + "/v8/health")
    assert report["httpStatus"] == 200 and json.loads(report["body"]) == {"status": "ok"}
    assert report["headers"]["Content-Type"] == "application/json"
    assert not report["bodyTruncated"] and "error" not in report and "tlsMs" not in report and "certificateExpires" not in report
    assert 30 <= report["firstByteMs"] <= report["totalMs"]
    assert 0 <= report["connectMs"] < 30 and 0 <= report["dnsMs"] < 30
    sent = standins.requests("here")[0]
    assert sent["headers"]["user-agent"].startswith("pointsman-prober/")

    again = daemon.probe(standins.urls["here"] + "/v8/health")
    assert standins.counts()["here"]["connections"] == 1
    assert "connectMs" not in again and "dnsMs" not in again and again["firstByteMs"] >= 30


def test_method_headers_and_body_arrive(daemon, prober, standins):
    prober(daemon.path)
    for method, body in (("POST", "amount=2000&currency=usd"), ("POST", None), ("PUT", "x"), ("DELETE", None), ("GET", None), ("HEAD", None)):
        headers = {"X-Version": "2026-01-01", "Empty": "", "Content-Type": "text/plain"}
        daemon.probe(standins.urls["stripe"] + "/v1/payment_intents?a=b%20c", method=method, body=body, headers=headers)
        sent = standins.requests("stripe")[-1]
        assert (sent["method"], sent["target"], sent["body"]) == (method, "/v1/payment_intents?a=b%20c", body or "")
        assert sent["headers"]["x-version"] == "2026-01-01" and sent["headers"]["empty"] == ""
        assert sent["headers"]["content-type"] == "text/plain"


@pytest.mark.parametrize("fault, details, error", [
    ("hang", {}, "timeout"), ("slow", {"byteMs": 50}, "timeout"), ("reset", {}, "reset"), ("empty", {}, "reset"), ("half", {}, "reset"),
    ("refuse", {}, "connect"), ("not_http", {}, "reset"),
])
def test_no_answer(daemon, prober, standins, fault, details, error):
    p = prober(daemon.path, "--log-level", "debug")
    standins.fault("stripe", fault, **details)
    report = daemon.probe(standins.urls["stripe"] + "/v1/balance", timeoutMs=400)
    assert report["error"] == error, p.log()
    assert not {"httpStatus", "headers", "body"} & report.keys()
    if error == "timeout":
        assert 380 <= report["totalMs"] < 2000
    standins.fault("stripe")
    assert daemon.probe(standins.urls["stripe"] + "/v1/balance")["httpStatus"] == 401


def test_names_and_urls_that_lead_nowhere(daemon, prober):
    p = prober(daemon.path)
    assert daemon.probe("http://no-such-host.invalid/")["error"] == "dns"
    assert daemon.probe("ftp://127.0.0.1/etc/passwd")["error"] == "not_sent"
    assert daemon.probe("file:///etc/passwd")["error"] == "not_sent"
    assert daemon.probe("http://[::1")["error"] == "not_sent"
    assert daemon.probe("http://127.0.0.1:1/", method="GET / HTTP/1.1\r\nX: y")["error"] == "not_sent"
    assert daemon.probe("http://127.0.0.1:1/", headers={"X": "a\r\nY: b"})["error"] == "not_sent"
    assert daemon.probe("http://127.0.0.1:1/", headers={"X Y": "a"})["error"] == "not_sent"
    assert p.log().count("its probe is not sent") == 1, "one line for each node"


def test_redirects_are_answers(daemon, prober, standins):
    prober(daemon.path)
    standins.fault("google", "redirect", location=standins.urls["here"] + "/v8/health")
    report = daemon.probe(standins.urls["google"] + "/")
    assert report["httpStatus"] == 302 and report["headers"]["Location"].endswith("/v8/health")
    assert standins.counts()["here"]["requests"] == 0


def test_proxies_only_by_setting(daemon, prober, standins, run_dir):
    prober(daemon.path, env={"http_proxy": "http://127.0.0.1:1", "all_proxy": "http://127.0.0.1:1", "no_proxy": "*"})
    assert daemon.probe(standins.urls["here"] + "/v8/health")["httpStatus"] == 200
    with FakeDaemon(run_dir + "/other.sock") as other:
        prober(other.path, "--proxy", standins.urls["google"], name="proxied")
        other.probe("http://nowhere.invalid/path")
        assert standins.requests("google")[-1]["target"] == "http://nowhere.invalid/path"


class Tunnels(socketserver.ThreadingTCPServer):
    """A proxy for CONNECT. status: what it answers; what goes through is kept."""

    daemon_threads, block_on_close = True, False

    def __init__(self, status=200):
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.status, self.targets, self.seen = status, [], b""
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=[0.05]).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Tunnel(socketserver.BaseRequestHandler):
    def handle(self):
        target = self.request.recv(4096).split()[1].decode()
        self.server.targets.append(target)
        self.request.sendall(b"HTTP/1.1 %d Said so\r\nX-Proxy: mine\r\n\r\n" % self.server.status)
        if self.server.status != 200:
            return
        with socket.create_connection(("127.0.0.1", int(target.rsplit(":", 1)[1]))) as there:
            while True:
                for s in select.select([self.request, there], [], [])[0]:
                    data = s.recv(65536)
                    if not data:
                        return
                    self.server.seen += data
                    (there if s is self.request else self.request).sendall(data)


def test_tls_through_a_proxy(run_dir, daemon, prober, started, credentials_dir):
    put_credential(credentials_dir, "key", SECRET)
    standins = started(parts.Standins(run_dir, "--tls", "--http2")).wait_ready()
    # A name that only the proxy need find; the certificate is for localhost, though.
    url = standins.urls["here"].replace("127.0.0.1", "elsewhere.invalid") + "/v8/health"
    with Tunnels() as proxy:
        prober(daemon.path, "--ca-file", standins.ca_file, "--proxy", proxy.url, "--credentials-dir", credentials_dir)
        assert daemon.probe(url)["error"] == "tls"
        assert proxy.targets and proxy.targets[0].startswith("elsewhere.invalid:")
        standins.fault("here", "certificate", kind="wrong_name")  # that one is for elsewhere.example
        report = daemon.probe(url.replace(".invalid", ".example"), headers={"Authorization": "Bearer {credential}"}, credential="key")
        assert report["httpStatus"] == 200 and report["tlsMs"] > 0 and "X-Proxy" not in report["headers"]
        assert SECRET.encode() not in proxy.seen
    with Tunnels(status=403) as proxy, FakeDaemon(run_dir + "/other.sock") as other:
        prober(other.path, "--ca-file", standins.ca_file, "--proxy", proxy.url, name="refused")
        report = other.probe(url)
        assert report["error"] == "connect" and "httpStatus" not in report


def test_this_host_is_not_asked_by_a_proxy(daemon, prober, standins, credentials_dir):
    """Nor is it told a credential that is meant for this host and therefore goes out in clear text."""
    put_credential(credentials_dir, "key", SECRET)
    with Tunnels(status=500) as proxy:
        prober(daemon.path, "--proxy", proxy.url, "--credentials-dir", credentials_dir)
        for host in ("127.0.0.1", "127.1.2.3", "localhost", "[::1]"):
            url = standins.urls["here"].replace("127.0.0.1", host)
            report = daemon.probe(url + "/v8/routes?apiKey={credential}", credential="key")
            assert report.get("httpStatus") == 200 or report.get("error") == "connect", "the stand-ins listen at 127.0.0.1 alone"
        assert proxy.targets == []


def test_limits(daemon, prober, standins):
    p = prober(daemon.path)
    standins.fault("here", "endless_body")
    report = daemon.probe(standins.urls["here"] + "/v8/health")
    assert report["httpStatus"] == 200 and len(report["body"]) == 65536 and report["bodyTruncated"]
    standins.fault("here", "endless_headers")
    report = daemon.probe(standins.urls["here"] + "/v8/health")
    assert report["httpStatus"] == 200 and len(json.dumps(report["headers"])) < 40000
    standins.fault("here", "huge_headers")
    report = daemon.probe(standins.urls["here"] + "/v8/health")
    assert report["httpStatus"] == 200 and len(report["headers"]) <= 64 and "Content-Type" in report["headers"]
    assert rss(p.pid) < 64 << 20


def rss(pid):
    """Bytes in memory."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1]) << 10


# ---- TLS ----

def test_tls(run_dir, daemon, prober, started):
    standins = started(parts.Standins(run_dir, "--tls")).wait_ready()
    url = standins.urls["here"] + "/v8/health"
    prober(daemon.path, "--ca-file", standins.ca_file)
    report = daemon.probe(url)
    assert report["httpStatus"] == 200 and report["tlsMs"] > 0
    expires = time.mktime(time.strptime(report["certificateExpires"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
    assert 86400 < expires - time.time() <= 2 * 86400
    for kind in ("expired", "wrong_name", "self_signed"):
        standins.fault("here", "certificate", kind=kind)
        report = daemon.probe(url)
        assert report["error"] == "tls" and "tlsMs" not in report and report["totalMs"] > 0
    standins.fault("here")
    assert daemon.probe(url.replace("127.0.0.1", "localhost"))["httpStatus"] == 200
    assert daemon.probe(url.replace("https", "http"))["error"] == "reset"

    with FakeDaemon(run_dir + "/other.sock") as other:
        prober(other.path, name="distrusting")
        assert other.probe(url)["error"] == "tls"


# ---- credentials ----

def test_credentials_are_filled_in_and_never_come_back(daemon, prober, standins, credentials_dir):
    put_credential(credentials_dir, "stripe-key", SECRET + "\n")
    p = prober(daemon.path, "--credentials-dir", credentials_dir, "--log-level", "debug")
    standins.fault("stripe", "echo")
    report = daemon.probe(standins.urls["stripe"] + "/v1/{credential}?key={credential}&x=1", method="POST", body="a={credential}",
                          headers={"Authorization": "Bearer {credential}", "X-Plain": "y"}, credential="stripe-key")
    sent = standins.requests("stripe")[-1]
    assert sent["target"] == f"/v1/{ENCODED}?key={ENCODED}&x=1"
    assert sent["headers"]["authorization"] == "Bearer " + SECRET and sent["body"] == "a=" + SECRET

    assert report["httpStatus"] == 401 and "****" in report["body"] and "****" in report["headers"]["X-Echo"]
    everything = json.dumps(report) + p.log() + p.status()
    with open(f"/proc/{p.pid}/cmdline", encoding="ascii") as f:
        everything += f.read()
    for leak in (SECRET, ENCODED, json.dumps(SECRET)[1:-1]):
        assert leak not in everything

    standins.fault("stripe", "refuse")
    daemon.probe("http://{credential}.invalid/", credential="stripe-key")
    daemon.probe(standins.urls["stripe"] + "/{credential}", credential="stripe-key")
    assert SECRET not in p.log() and ENCODED not in p.log()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into the memory of a program that does not dump core")
def test_nothing_of_a_credential_stays_in_memory(daemon, prober, standins, credentials_dir):
    put_credential(credentials_dir, "stripe-key", SECRET)
    p = prober(daemon.path, "--credentials-dir", credentials_dir)
    standins.fault("stripe", "echo")
    daemon.probe(standins.urls["stripe"] + "/v1/{credential}", headers={"Authorization": "Bearer {credential}"}, method="POST",
                 body="key={credential}", credential="stripe-key")
    for part in memory_of(p.pid):
        assert SECRET.encode() not in part and ENCODED.encode() not in part


def memory_of(pid):
    """What a debugger would see, mapping by mapping; root may look. A sanitizer's terabytes of shadow are left out."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, permissions = line.split()[:2]
            start, end = (int(x, 16) for x in span.split("-"))
            if "w" in permissions and end - start < 1 << 28:
                memory.seek(start)
                yield memory.read(end - start)


def test_credentials_that_are_refused(daemon, prober, standins, credentials_dir, run_dir):
    put_credential(credentials_dir, "group", SECRET, 0o640)
    put_credential(credentials_dir, "others", SECRET, 0o604)
    put_credential(credentials_dir, "long", "x" * 8193)
    put_credential(credentials_dir, "lines", "one\ntwo\n")
    put_credential(credentials_dir, "empty", "\n")
    put_credential(run_dir, "outside", SECRET)
    os.symlink(run_dir + "/outside", credentials_dir + "/link")
    os.mkfifo(credentials_dir + "/fifo", 0o600)
    p = prober(daemon.path, "--credentials-dir", credentials_dir)
    names = ("group", "others", "long", "lines", "empty", "link", "fifo", "missing")
    for name in (*names, "../outside", "/etc/passwd", ".", "", None):
        for _ in range(2):
            report = daemon.probe(standins.urls["stripe"] + "/{credential}", credential=name, node=f"stripe/{name}")
            assert report == {"probe": report["probe"], "error": "not_sent"}
    for name in names:
        assert p.log().count(f"Credential {name}: ") == 1, "one line for each credential"
    assert standins.counts()["stripe"]["requests"] == 0

    os.chmod(credentials_dir + "/group", 0o600)
    assert daemon.probe(standins.urls["stripe"] + "/{credential}", credential="group")["httpStatus"] == 401
    p.wait_log("Credential group can be read again")


def test_credentials_rotate_without_a_restart(daemon, prober, standins, credentials_dir):
    prober(daemon.path, "--credentials-dir", credentials_dir)
    for secret in ("first", "second"):
        put_credential(credentials_dir, "key", secret)
        daemon.probe(standins.urls["samsara"] + "/me", headers={"Authorization": "Bearer {credential}"}, credential="key")
        assert standins.requests("samsara")[-1]["headers"]["authorization"] == "Bearer " + secret


def test_systemds_credentials(daemon, prober, standins, credentials_dir):
    put_credential(credentials_dir, "key", SECRET, 0o440)
    prober(daemon.path, env={"CREDENTIALS_DIRECTORY": credentials_dir})
    assert daemon.probe(standins.urls["here"] + "/v8/routes?apiKey={credential}", credential="key")["httpStatus"] == 200


def test_a_credential_goes_out_over_tls_only(daemon, prober, credentials_dir):
    put_credential(credentials_dir, "key", SECRET)
    p = prober(daemon.path, "--credentials-dir", credentials_dir)
    for host in ("192.0.2.1", "api.example.com", "127.0.0.1.example.com", "127.0.0.1@192.0.2.1"):
        assert daemon.probe(f"http://{host}/", credential="key", headers={"K": "{credential}"})["error"] == "not_sent"
    assert "clear text" in p.log()


# ---- many, and daemons that misbehave ----

def test_many_at_once(daemon, prober, standins):
    prober(daemon.path, "--max-probes", "8")
    standins.fault("all", "ok", latencyMs=100)
    start = time.monotonic()
    ids = [daemon.ask(standins.urls["here"] + "/v8/health") for _ in range(40)]
    assert all(daemon.report(i)["httpStatus"] == 200 for i in ids)
    assert 0.5 <= time.monotonic() - start < 3
    assert standins.counts()["here"]["connections"] <= 8


def test_what_waited_too_long_is_not_sent(daemon, prober, standins):
    prober(daemon.path, "--max-probes", "1")
    standins.fault("here", "ok", latencyMs=300)
    first, second = (daemon.ask(standins.urls["here"] + "/v8/health", timeoutMs=t) for t in (1000, 100))
    assert daemon.report(first)["httpStatus"] == 200
    assert daemon.report(second)["error"] == "not_sent"


def test_the_queue_is_bounded(daemon, prober, standins):
    p = prober(daemon.path, "--max-probes", "1")
    standins.fault("here", "hang")
    ids = [daemon.ask(standins.urls["here"] + "/v8/health", timeoutMs=60000) for _ in range(4100)]
    assert daemon.report(ids[-1])["error"] == "not_sent"
    assert p.log().count("More probes are due") == 1


def test_the_daemon_goes_and_comes_back(run_dir, prober, standins):
    path = run_dir + "/daemon.sock"
    p = prober(path)
    p.wait_log("No probes from pointsmand")
    with FakeDaemon(path) as first:
        p.wait_following()
        standins.fault("here", "ok", latencyMs=500)
        stale = first.ask(standins.urls["here"] + "/v8/health")
        process.wait_for(lambda: standins.counts()["here"]["requests"], "the probe is on its way")
    process.wait_for(lambda: p.status().startswith("No pointsmand"), "the prober notices")
    with FakeDaemon(path) as second:
        second.probe(standins.urls["here"] + "/v8/health")
        p.wait_following()
        assert all(r["probe"] == "p1" for r in second.reports) and len(second.reports) == 1, "an answer to another daemon's question"
    assert stale
    process.wait_for(lambda: p.log().count("No probes from") >= 3, "it notices again")
    assert len(p.log().splitlines()) <= 8, p.log()


def test_a_daemon_that_refuses(run_dir, prober):
    with FakeDaemon(run_dir + "/daemon.sock", refuse="org.varlink.service.PermissionDenied") as d:
        p = prober(d.path)
        process.wait_for(lambda: d.attempts >= 4, "it tries again")
        assert p.log().count("it refuses") == 1 and "Following" not in p.log()
        d.refuse = None
        p.wait_following()


def test_a_daemon_that_talks_nonsense(daemon, prober, standins):
    p = prober(daemon.path)
    for parameters in ({"probe": {"id": "n1"}}, {"probe": {"id": "n2", "method": "GET", "url": 5}},
                       {"probe": {"id": "n3", "method": "GET", "url": "http://x/", "headers": {"a": 1}}},
                       {"probe": {"id": "n4", "method": "GET", "url": "http://x/", "headers": {str(i): "" for i in range(65)}}},
                       {"probe": {"id": "n5", "method": "GET", "url": "http://x/", "timeoutMs": -1}}):
        daemon.send_raw(json.dumps({"parameters": parameters, "continues": True}).encode() + b"\0")
        assert daemon.report(parameters["probe"]["id"])["error"] == "not_sent"
    for parameters in ({}, {"probe": []}, {"probe": {}}):
        daemon.send_raw(json.dumps({"parameters": parameters, "continues": True}).encode() + b"\0")
    assert p.log().count("cannot be understood") == 1
    assert daemon.probe(standins.urls["here"] + "/v8/health", newField={"a": [1]})["httpStatus"] == 200
    daemon.send_raw(b"not json\0")
    process.wait_for(lambda: daemon.attempts == 2, "it connects anew")
    assert daemon.probe(standins.urls["here"] + "/v8/health")["httpStatus"] == 200


def test_a_daemon_that_does_not_read(daemon, prober, standins):
    prober(daemon.path)
    standins.fault("here", "endless_body")  # each report is 64 KiB
    url = standins.urls["here"] + "/v8/health"
    daemon.probe(url)
    daemon.deaf = True
    ids = [daemon.ask(url) for _ in range(40)]
    process.wait_for(lambda: standins.counts()["here"]["requests"] >= 41, "all are carried out all the same")
    daemon.deaf = False
    assert all(daemon.report(i)["httpStatus"] == 200 for i in ids)


def test_a_daemon_that_never_reads_costs_bounded_memory(daemon, prober, standins):
    p = prober(daemon.path)
    standins.fault("here", "endless_body")
    url = standins.urls["here"] + "/v8/health"
    daemon.probe(url)
    daemon.deaf = True
    for _ in range(400):  # 25 MB of reports
        daemon.ask(url)
    p.wait_log("does not read")
    process.wait_for(lambda: standins.counts()["here"]["requests"] >= 401, "all are carried out all the same")
    assert p.log().count("does not read") == 1
    if not os.environ.get("POINTSMAN_SANITIZED"):  # whose allocator keeps what was freed
        assert rss(p.pid) < 64 << 20


def test_it_stops_while_probes_hang(daemon, prober, standins):
    p = prober(daemon.path)
    standins.fault("here", "hang")
    for _ in range(10):
        daemon.ask(standins.urls["here"] + "/v8/health", timeoutMs=60000)
    process.wait_for(lambda: standins.counts()["here"]["requests"] == 10, "they are on their way")
    start = time.monotonic()
    p.stop()
    assert time.monotonic() - start < 2


def test_wrong_usage(build_dir, run_dir):
    for options in (["--max-probes", "0"], ["--max-probes", "many"], ["--log-level", "loud"], ["--nonsense"], ["argument"], ["--ca-file", "/no/such/file"]):
        p = process.Process("usage", [parts.program(build_dir, "prober/pointsman-prober"), *options], run_dir)
        assert p.wait_exit() == 2 and options[0].lstrip("-") in p.log()
    p = process.Process("missing", [parts.program(build_dir, "prober/pointsman-prober"), "--credentials-dir", "/no/such/dir"], run_dir)
    assert p.wait_exit() == 1 and "/no/such/dir" in p.log()


def test_ipv6(daemon, prober):
    class Server(http.server.HTTPServer):
        address_family = socket.AF_INET6

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    prober(daemon.path)
    with Server(("::1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert daemon.probe(f"http://[::1]:{server.server_port}/")["httpStatus"] == 204
        thread.join()


# ---- HTTP/2 ----

@pytest.fixture
def http2(run_dir, started):
    return started(parts.Standins(run_dir, "--tls", "--http2")).wait_ready()


def test_http2_is_spoken_over_tls(daemon, prober, http2):
    prober(daemon.path, "--ca-file", http2.ca_file)
    url = http2.urls["here"] + "/v8/health"
    first = daemon.probe(url)
    assert first["httpStatus"] == 200 and json.loads(first["body"]) == {"status": "ok"} and not first["bodyTruncated"]
    assert first["headers"]["content-type"] == "application/json", "HTTP/2 has names in lower case: this is it"
    assert ":status" not in first["headers"]
    assert first["tlsMs"] > 0 and first["certificateExpires"] and first["firstByteMs"] <= first["totalMs"]
    again = daemon.probe(url)
    assert again["httpStatus"] == 200 and "tlsMs" not in again and "connectMs" not in again

    for method, body in (("POST", "amount=2000&currency=usd"), ("POST", None), ("PUT", "x"), ("DELETE", None), ("GET", None), ("HEAD", None)):
        report = daemon.probe(http2.urls["stripe"] + "/v1/payment_intents?a=b%20c", method=method, body=body,
                              headers={"X-Version": "2026-01-01", "Authorization": "Bearer sk_test_1"})
        sent = http2.requests("stripe")[-1]
        assert (sent["method"], sent["target"], sent["body"]) == (method, "/v1/payment_intents?a=b%20c", body or "")
        assert sent["headers"]["x-version"] == "2026-01-01" and report["httpStatus"] in (200, 404)
    assert http2.counts()["stripe"]["connections"] == 1


def test_http2_carries_many_probes_on_one_connection(daemon, prober, http2):
    prober(daemon.path, "--ca-file", http2.ca_file)
    url = http2.urls["here"] + "/v8/health"
    daemon.probe(url)
    http2.fault("here", "ok", latencyMs=200)
    start = time.monotonic()
    ids = [daemon.ask(url) for _ in range(20)]
    assert all(daemon.report(i)["httpStatus"] == 200 for i in ids)
    assert time.monotonic() - start < 2, "side by side"
    assert http2.counts()["here"]["connections"] == 1

    # One of them hangs, and the others are none the worse for it.
    http2.fault("here", "hang", count=1)
    hanging = daemon.ask(url, timeoutMs=1000)
    process.wait_for(lambda: http2.counts()["here"]["requests"] == 22, "it is on its way")
    ids = [daemon.ask(url) for _ in range(5)]
    assert all(daemon.report(i)["httpStatus"] == 200 for i in ids)
    assert daemon.report(hanging)["error"] == "timeout"
    assert daemon.probe(url)["httpStatus"] == 200


@pytest.mark.parametrize("fault, details, error", [
    ("hang", {}, "timeout"), ("slow", {"byteMs": 50}, "timeout"), ("reset", {}, "reset"), ("empty", {}, "reset"), ("half", {}, "reset"),
    ("not_http", {}, "reset"),
])
def test_http2_without_an_answer(daemon, prober, http2, fault, details, error):
    p = prober(daemon.path, "--ca-file", http2.ca_file, "--log-level", "debug")
    http2.fault("stripe", fault, **details)
    report = daemon.probe(http2.urls["stripe"] + "/v1/balance", timeoutMs=600)
    assert report["error"] == error, p.log()
    assert not {"httpStatus", "headers", "body"} & report.keys()
    http2.fault("stripe")
    assert daemon.probe(http2.urls["stripe"] + "/v1/balance")["httpStatus"] == 401


def test_http2_limits_redirects_and_secrets(daemon, prober, http2, credentials_dir):
    put_credential(credentials_dir, "key", SECRET)
    p = prober(daemon.path, "--ca-file", http2.ca_file, "--credentials-dir", credentials_dir)
    url = http2.urls["here"] + "/v8/health"
    http2.fault("here", "endless_body")
    report = daemon.probe(url)
    assert report["httpStatus"] == 200 and len(report["body"]) == 65536 and report["bodyTruncated"]
    http2.fault("here", "huge_headers")
    assert daemon.probe(url)["error"] == "reset", "more than 64 KiB is refused by the protocol's library"
    http2.fault("here", "redirect", location=http2.urls["google"] + "/")
    assert daemon.probe(url)["httpStatus"] == 302 and http2.counts()["google"]["requests"] == 0
    http2.fault("here", "echo")
    report = daemon.probe(url + "?apiKey={credential}", headers={"Authorization": "Bearer {credential}"}, credential="key")
    assert report["httpStatus"] == 401 and SECRET not in json.dumps(report) and ENCODED not in json.dumps(report) and "****" in report["body"]
    assert rss(p.pid) < 64 << 20
