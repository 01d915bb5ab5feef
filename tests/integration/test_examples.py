# SPDX-License-Identifier: Apache-2.0
"""docs/examples, each against the real daemon: the first call to the provider fails, the second succeeds."""

import http.server
import json
import os
import shutil
import subprocess
import threading

import pytest

from harness import parts, process

EXAMPLES = os.path.join(parts.SOURCE, "docs", "examples")


class Provider(http.server.ThreadingHTTPServer):
    """Answers 503 to the first requests, then 200 with the path."""

    daemon_threads = True

    def __init__(self):
        self.failures, self.lock = 1, threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with self.server.lock:
            fails = self.server.failures > 0
            self.server.failures -= fails
        self.send_response(503 if fails else 200)
        self.end_headers()
        self.wfile.write(b"" if fails else self.path.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def provider():
    with Provider() as p:
        yield p
        p.shutdown()


@pytest.fixture
def maps(daemon, provider):
    """The daemon, with a service of two nodes."""
    url = f"http://127.0.0.1:{provider.server_port}"
    return daemon({"services": {"maps": {"load_balancing": {"health_check_interval": 0}, "nodes": {
        "a": {"provider": "here", "url": url + "/a", "cost_per_request": 0.005},
        "b": {"provider": "mapbox", "url": url + "/b", "cost_per_request": 0.005}}}}})


def environment(d):
    return {k: v for k, v in os.environ.items() if k not in process.INHERITED_BY_ACCIDENT} | {"POINTSMAN_SOCKET": d.socket}


def run(d, *argv, code=0):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, env=environment(d), check=False)
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


def verdicts(c):
    """By node, without what was not used."""
    return {n["node"]: n["verdicts"] for s in c.call("GetSystemStatus")["services"] for n in s["nodes"]}


def attempts(text):
    return [line.split(": ")[1] for line in text.splitlines() if line.startswith("attempt ")]


@pytest.mark.parametrize("name, needs", [("caller.sh", "curl"), ("caller.py", "python3"), ("caller.js", "node")])
def test_callers(maps, client, provider, wait_for, name, needs):
    if not shutil.which(needs):
        pytest.skip(f"there is no {needs}")
    program = os.path.join(EXAMPLES, name)
    out, err = run(maps, program, "maps", "/geocode?q=Oslo")
    first, second = attempts(err)
    assert {first, second} == {"maps/a", "maps/b"}
    assert out == f"/{second[-1]}/geocode?q=Oslo"
    c = client(maps)
    wait_for(lambda: verdicts(c) == {first: {"service_unavailable": 1}, second: {"ok": 1}}, "both calls are reported")

    provider.failures = 100
    out, err = run(maps, program, "maps", "/", code=1)
    assert out == "" and "NoUsableNode" in err  # both were tried
    assert "NoSuchService" in run(maps, program, "nosuch", "/", code=1)[1]
    provider.shutdown()
    provider.server_close()
    run(maps, program, "maps", "/", code=1)
    # Nobody answers there now, which each says in the same word.
    wait_for(lambda: any("network_issue" in v for v in verdicts(c).values()), "that is reported too")


def test_node_has_many_calls_under_way(maps, client, provider, wait_for):
    if not shutil.which("node"):
        pytest.skip("there is no node")
    provider.failures = 0
    out, err = run(maps, os.path.join(EXAMPLES, "caller.js"), "maps", *(f"/{i}" for i in range(20)))
    assert len(attempts(err)) == 20 and out.count("/a/") + out.count("/b/") == 20
    c = client(maps)
    wait_for(lambda: sum(v.get("ok", 0) for v in verdicts(c).values()) == 20, "all are reported")


@pytest.fixture
def compiled(build_dir, run_dir):
    """compiled(name) → the program, built as its head says but for where the library is."""
    def build(name, *libraries):
        compiler, library = shutil.which("cc"), os.path.join(build_dir, "lib", ".libs")
        if not compiler:
            pytest.skip("there is no C compiler")
        if os.environ.get("POINTSMAN_SANITIZED"):
            pytest.skip("a program that is built without a sanitizer cannot load a library that is built with it")
        out = os.path.join(run_dir, name)
        done = subprocess.run([compiler, "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-I", os.path.join(parts.SOURCE, "include"), "-o", out,
                               os.path.join(EXAMPLES, name + ".c"), "-L", library, f"-Wl,-rpath,{library}", "-lpointsman", *libraries],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return out

    return build


def test_caller_c(maps, client, compiled, wait_for):
    program = compiled("caller")
    out, _ = run(maps, program, "maps", "503", "200")
    first, second = attempts(out)
    assert {first, second} == {"maps/a", "maps/b"}
    c = client(maps)
    wait_for(lambda: verdicts(c) == {first: {"service_unavailable": 1}, second: {"ok": 1}}, "both calls are reported")
    assert "no node of maps is usable" in run(maps, program, "maps", "0", "0", "200", code=1)[1]
    assert 'no service "nosuch"' in run(maps, program, "nosuch", "200", code=1)[1]
    maps.stop()
    assert "cannot reach pointsmand" in run(maps, program, "maps", "200", code=1)[1]


def test_follower_c(maps, client, compiled, run_dir, wait_for):
    path = os.path.join(run_dir, "events")
    follower = process.Process("follower", [compiled("follower", "-lsystemd")], run_dir, env={"POINTSMAN_SOCKET": maps.socket}, stdout=path)
    c = client(maps)

    def seen():
        with open(path, encoding="utf-8") as f:
            return [json.loads(line) for line in f]

    wait_for(lambda: c.call("Reload") is not None and seen(), "it follows")
    assert "configuration_changed" in str(seen()[0])
    follower.stop()
    follower = process.Process("follower2", [os.path.join(run_dir, "follower")], run_dir, env={"POINTSMAN_SOCKET": maps.socket},
                               stdout=path, clean_exit=(1,))
    n = len(seen())
    wait_for(lambda: c.call("Reload") is not None and len(seen()) > n, "the second follows")
    maps.stop()
    assert follower.wait_exit() == 1 and "follower: " in follower.log()
    follower.stop()
