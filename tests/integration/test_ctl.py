# SPDX-License-Identifier: Apache-2.0
"""pointsmanctl against a daemon that follows a script: what it asks, what it prints, how it ends."""

import contextlib
import fcntl
import json
import os
import pty
import select
import socket
import struct
import subprocess
import termios
import threading

import pytest

from harness import parts

NODE = {"node": "maps/mapbox", "provider": "mapbox", "region": "global", "url": "https://api.mapbox.com", "weight": 60,
        "costPerRequest": 0.005, "administrativeState": "enabled", "health": "healthy", "healthScore": 98.2, "circuit": "closed",
        "successRate": 0.9981, "latencyP50Ms": 12.34, "latencyP95Ms": 41.9, "latencyP99Ms": 120.4, "inFlight": 2, "calls": 1234,
        "failures": 3, "verdicts": {"ok": 1231}, "cooldownMs": 0, "spendHour": 6.17, "spendPeriod": 6.17, "share": 0.6}
SERVICE = {"serviceName": "maps", "strategy": "COST_OPTIMIZED", "priority": "cost", "origin": "file", "costTier": "normal",
           "budgetState": "ok", "spendHour": 6.17, "maxCostPerHour": 50, "spendPeriod": 6.17, "decisions": 1300, "failures": 3,
           "successRate": 0.9981, "nodes": [NODE, NODE | {"node": "maps/here", "health": "unhealthy", "circuit": "open"}]}
STATUS = {"status": {"version": "0.1.0", "health": "ok", "uptimeSeconds": 8100, "services": 1, "nodes": 2, "decisions": 1300,
                     "failures": 3, "leases": 2, "activeScenarios": 0}, "services": [SERVICE]}
DECISION = {"id": "d-1", "serviceName": "maps", "node": "maps/mapbox", "provider": "mapbox", "region": "global",
            "url": "http://127.0.0.1:9", "strategy": "COST_OPTIMIZED", "confidence": 0.971, "estimatedCost": 0.005,
            "costTier": "normal", "degraded": False, "retryAfterMs": 0, "reason": "cheapest of 3", "fallbacks": ["maps/here"],
            "expiresInMs": 30000, "maxRetries": 3, "retryBackoffMs": 1000}


class Script:
    """Answers each method from a dict: a reply, (error, parameters), bytes as they are, or a function of the parameters."""

    def __init__(self, path, answers):
        self.path = path
        self.answers = answers
        self.asked = []  # (method, parameters) in the order received
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        buffer = b""
        with connection, contextlib.suppress(OSError):
            while chunk := connection.recv(65536):
                buffer += chunk
                while b"\0" in buffer:
                    frame, buffer = buffer.split(b"\0", 1)
                    request = json.loads(frame)
                    if not self._answer(connection, request):
                        return

    def _answer(self, connection, request):
        method = request["method"].rpartition(".")[2]
        self.asked.append((method, request.get("parameters", {})))
        answer = self.answers.get(method, ("org.varlink.service.MethodNotFound", {"method": request["method"]}))
        if callable(answer):
            answer = answer(request.get("parameters", {}))
        if request.get("oneway"):
            return True
        if isinstance(answer, bytes):
            connection.sendall(answer)
            return False
        if isinstance(answer, tuple):
            reply = {"error": answer[0], "parameters": answer[1]}
        elif isinstance(answer, list):
            for one in answer:
                connection.sendall(json.dumps({"parameters": one, "continues": True}).encode() + b"\0")
            return False
        else:
            reply = {"parameters": answer}
        connection.sendall(json.dumps(reply).encode() + b"\0")
        return True


@pytest.fixture
def script(run_dir):
    scripts = []

    def start(**answers):
        scripts.append(Script(os.path.join(run_dir, "script.sock"), {"GetSystemStatus": STATUS} | answers))
        return scripts[-1]

    yield start
    for s in scripts:
        s.listener.close()


@pytest.fixture
def ctl(build_dir):
    """ctl(script or daemon, argument, …) → what it printed and how it ended."""
    def run(where, *arguments, stdin="", env=None, timeout=20):
        path = getattr(where, "path", None) or getattr(where, "socket", where)
        program = parts.program(build_dir, "ctl/pointsmanctl")
        environment = {k: v for k, v in os.environ.items() if k not in ("POINTSMAN_SOCKET", "COLUMNS", "NO_COLOR")} | (env or {})
        return subprocess.run([program, *(["--socket", path] if path else []), *arguments], input=stdin, capture_output=True,
                              text=True, timeout=timeout, env=environment, check=False)

    return run


# ---- what it asks ----

@pytest.mark.parametrize(("arguments", "method", "parameters"), [
    (["route", "maps"], "Route", {"serviceName": "maps"}),
    (["route", "maps", "-o", "geocode", "--units", "2.5", "--region", "eu", "--latitude", "48.2", "--longitude", "-16",
      "--strategy", "HEALTH_BASED", "--idempotent", "--exclude", "maps/here", "-x", "maps/google", "--max-cost", "0.01", "--explain"],
     "Route", {"serviceName": "maps", "operation": "geocode", "units": 2.5, "region": "eu", "latitude": 48.2, "longitude": -16,
               "strategy": "HEALTH_BASED", "idempotent": True, "exclude": ["maps/here", "maps/google"], "maxCost": 0.01,
               "explain": True}),
    (["route", "--idempotent=no", "maps"], "Route", {"serviceName": "maps", "idempotent": False}),
    (["route", "--", "--odd"], "Route", {"serviceName": "--odd"}),
    (["report", "d-1", "--status", "429", "--header", "Retry-After: 3", "-H", "X-A:1", "-H", "X-A:  2", "--latency-ms", "41.5",
      "--cost", "0.02"],
     "Report", {"decision": "d-1", "httpStatus": 429, "headers": {"Retry-After": "3", "X-A": "1, 2"}, "latencyMs": 41.5, "cost": 0.02}),
    (["fallback", "d-1", "--error", "timeout", "-m", "1"], "CostAwareFallback",
     {"decision": "d-1", "error": "timeout", "maxCost": 1}),
    (["node", "drain", "maps/here"], "SetNodeState", {"node": "maps/here", "administrativeState": "draining"}),
    (["scenarios", "maps"], "GetActiveScenarios", {"serviceName": "maps"}),
    (["scenario", "open", "EMERGENCY_SCENARIO", "--service", "maps", "-n", "maps/here", "--severity", "high"], "HandleScenario",
     {"type": "EMERGENCY_SCENARIO", "serviceName": "maps", "nodes": ["maps/here"], "severity": "high"}),
    (["scenario", "resolve", "s-1", "--why", "over"], "ResolveScenario", {"id": "s-1", "why": "over"}),
    (["cost-report", "--group-by", "node", "-g", "day"], "GetCostReport", {"groupBy": ["node", "day"]}),
    (["analytics", "maps", "--window", "1h"], "GetRoutingAnalytics", {"serviceName": "maps", "window": "1h"}),
    (["unregister", "maps"], "UnregisterTrafficDistribution", {"serviceName": "maps"}),
    (["reload"], "Reload", {}),
    (["call", "GetHealth"], "GetHealth", {}),
    (["call", "a.b.Route", '{"x": [1, {"y": null}]}'], "Route", {"x": [1, {"y": None}]}),
])
def test_a_command_line_becomes_one_call(script, ctl, arguments, method, parameters):
    s = script(**{method: {}})
    done = ctl(s, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert s.asked == [(method, parameters)]


def test_a_body_is_read_from_a_file_or_from_standard_input(script, ctl, run_dir):
    s = script(Report={"verdict": "ok"})
    path = os.path.join(run_dir, "body")
    with open(path, "wb") as f:
        f.write(b'{"a": "\xff\x00"}')
    assert ctl(s, "report", "d-1", "--status", "200", "--body", path).returncode == 0
    assert s.asked[-1][1]["body"] == '{"a": "\ufffd\ufffd"}'
    assert "bodyTruncated" not in s.asked[-1][1]
    assert ctl(s, "report", "d-1", "--status", "200", "--body", "-", stdin="x" * 70000).returncode == 0
    assert s.asked[-1][1]["body"] == "x" * 65536
    assert s.asked[-1][1]["bodyTruncated"] is True
    done = ctl(s, "report", "d-1", "--status", "200", "--body", path + ".no")
    assert done.returncode == 2 and "No such file" in done.stderr


def test_register_sends_what_the_file_holds(script, ctl, run_dir):
    s = script(RegisterTrafficDistribution={"changes": [{"path": "services.a.strategy", "before": None, "after": "HEALTH_BASED"}]},
               RegisterBudgetAllocation={"changes": []})
    path = os.path.join(run_dir, "r.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump([{"serviceName": "a", "distribution": {"nodes": []}, "allocation": {"totalBudget": 0.1}}], f)
    done = ctl(s, "register", path)
    assert done.returncode == 0 and "services.a.strategy" in done.stdout and "Nothing has changed." in done.stdout
    assert s.asked == [("RegisterTrafficDistribution", {"serviceName": "a", "distribution": {"nodes": []}}),
                       ("RegisterBudgetAllocation", {"serviceName": "a", "allocation": {"totalBudget": 0.1}})]
    for text, expected in ('{"serviceName": "a"}', "entry 1: wants"), ("[]", "nothing to register"), ("{\n  x}", "r.json:2:"):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        done = ctl(s, "register", path)
        assert done.returncode == 2 and expected in done.stderr
    assert len(s.asked) == 2


# ---- how it ends ----

@pytest.mark.parametrize(("arguments", "says"), [
    ([], "Usage:"), (["rout"], 'no command "rout"'), (["route"], "SERVICE is missing"), (["route", "a", "b"], 'too many: "b"'),
    (["route", "a", "--units", "x"], '"x" is not a number'), (["route", "a", "--units"], "--units wants N"),
    (["route", "a", "--bogus"], "--bogus"), (["route", "a", "--explain=1"], "takes no argument"),
    (["report", "a", "--header", "x"], "Name: value"), (["node", "shoot", "a/b"], "none of drain, enable, disable"),
    (["scenario", "end", "x"], "none of open, resolve"), (["call", "X", "[]"], "not a JSON object"), (["call", "X", "{"], "JSON"),
    (["route", "a", "--idempotent=maybe"], "yes or no"), (["help", "rout"], "no command"),
])
def test_wrong_usage_is_2_and_asks_nothing(script, ctl, arguments, says):
    s = script()
    done = ctl(s, *arguments)
    assert done.returncode == 2 and says in done.stderr and done.stdout == "" and s.asked == []


def test_a_no_of_the_daemon_is_1_with_name_sentence_and_hint(script, ctl):
    s = script(Route=("org.pointsman.routing.NoSuchService", {"serviceName": "strip"}))
    done = ctl(s, "route", "strip")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == 'pointsmanctl: NoSuchService: there is no service "strip" (see: pointsmanctl services)\n'
    done = ctl(s, "--json", "route", "strip")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"error": "org.pointsman.routing.NoSuchService", "parameters": {"serviceName": "strip"},
                                       "message": 'there is no service "strip"'}
    done = ctl(s, "reload")
    assert done.returncode == 1 and 'MethodNotFound: the daemon has no method "org.pointsman.routing.Reload"' in done.stderr


def test_no_daemon_is_3(script, ctl, run_dir):
    done = ctl(os.path.join(run_dir, "none"), "status")
    assert (done.returncode, done.stdout) == (3, "") and "No such file" in done.stderr
    assert ctl(None, "status", env={"POINTSMAN_SOCKET": os.path.join(run_dir, "none2")}).stderr.count("none2") == 1


@pytest.mark.parametrize("answer", [b"garbage\0", b"", b'{"parameters":', b'{"parameters":{},"continues":true}\0'])
def test_a_daemon_that_makes_no_sense_is_3(script, ctl, answer):
    done = ctl(script(GetHealth=answer), "health")
    assert (done.returncode, done.stdout) == (3, "") and done.stderr.startswith("pointsmanctl: the daemon does not answer as it should")


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("degraded", 0), ("failing", 1)])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_health_is_an_exit_status(script, ctl, status, code, options):
    s = script(GetHealth={"status": status, "checks": [{"name": "store", "status": status, "message": "so"}]})
    assert ctl(s, "health", *options).returncode == code


def test_a_full_disk_is_noticed(script, ctl, build_dir):
    s = script()
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([parts.program(build_dir, "ctl/pointsmanctl"), "-s", s.path, "status"], stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=20, check=False)
    assert done.returncode == 2 and "cannot write" in done.stderr


# ---- what it prints ----

@pytest.mark.parametrize("command", ["status", "services", "nodes", "budget"])
@pytest.mark.parametrize("columns", [80, 120, 40])
def test_tables_fit_the_terminal(script, ctl, command, columns):
    done = ctl(script(), command, env={"COLUMNS": str(columns)})
    assert done.returncode == 0 and "\033" not in done.stdout
    table = [line for line in done.stdout.splitlines() if line.isupper() or "maps" in line]
    assert len(table) >= 2 and max(map(len, table)) <= columns


def test_tables_have_units_and_aligned_numbers(script, ctl):
    lines = ctl(script(), "nodes").stdout.splitlines()
    assert len(lines) == 3
    for heading, value in ("P50", "12.3 ms"), ("SUCCESS", "99.8 %"), ("COST/CALL", "$0.005"), ("CALLS", "1234"):
        end = lines[0].index(heading) + len(heading)
        assert lines[1][:end].endswith(value)
    assert lines[2].startswith("maps/here    unhealthy")


def test_json_is_one_object_a_line(script, ctl):
    s = script(GetActiveScenarios={"scenarios": []})
    assert [json.loads(line) for line in ctl(s, "nodes", "--json").stdout.splitlines()] == SERVICE["nodes"]
    assert [json.loads(line) for line in ctl(s, "-j", "services").stdout.splitlines()] == [SERVICE]
    assert json.loads(ctl(s, "status", "-j").stdout) == STATUS
    assert ctl(s, "scenarios", "-j").stdout == ""


def one_after_the_other(*answers):
    """Each once; then a refusal."""
    left = list(answers)
    return lambda _: left.pop(0) if left else ("org.pointsman.routing.Busy", {"reason": "enough"})


def test_nothing_from_the_daemon_steers_the_terminal(script, ctl):
    evil = "a\033[2Jb\x07\x9b31m\u202ec\nd"
    s = script(GetSystemStatus={"status": {"version": evil, "health": evil}, "services": [SERVICE | {"serviceName": evil}]},
               Route=("org.pointsman.routing.NoSuchService", {"serviceName": evil}),
               Report={"verdict": evil, "reason": evil, "settledCost": 1}, Subscribe=one_after_the_other([{"event": {"message": evil, "type": evil}}]))
    for arguments in (["status"], ["services"], ["route", "x"], ["report", "d"], ["events"]):
        done = ctl(s, *arguments)
        assert not set(done.stdout + done.stderr) & set("\033\x07\x9b\u202e"), arguments
        assert "a?[2Jb??31m?c d" in done.stdout + done.stderr


def test_wide_and_broken_values_do_not_break_tables(script, ctl):
    odd = {"name": "東京", "title": None, "version": 3, "abi": "x", "operations": [], "path": {"a": [1]}}
    s = script(ListProviders={"providers": [odd, {}, {"name": "b", "operations": ["x" * 200], "error": "is gone " * 30}]})
    done = ctl(s, "providers", env={"COLUMNS": "60"})
    assert done.returncode == 0 and "東京" in done.stdout and "…" in done.stdout and "b was not loaded: is gone" in done.stdout
    assert all(len(line) <= 60 for line in done.stdout.splitlines())
    for reply in ({}, {"services": 3}, {"services": [1, None, []]}, {"services": {"a": 1}}):
        for command in ("status", "services", "nodes", "budget"):
            assert ctl(script_with(s, GetSystemStatus=reply), command).returncode == 0


def script_with(s, **answers):
    s.answers.update(answers)
    return s


def test_a_decision_reads_well(script, ctl):
    explained = DECISION | {"degraded": True, "retryAfterMs": 1500, "candidates": [
        {"node": "maps/mapbox", "score": 0.9, "cost": 0.005}, {"node": "maps/here", "score": 0, "cost": 0.004, "excluded": "breaker open"}]}
    s = script(Route=lambda p: {"decision": explained if p.get("explain") else DECISION})
    text = ctl(s, "route", "maps").stdout
    for line in ("Node           maps/mapbox", "Cost           $0.005", "Confidence     0.97", "Report within  30.0 s"):
        assert line in text.splitlines()
    assert "Degraded" not in text
    text = ctl(s, "route", "maps", "--explain").stdout
    assert "Degraded       yes" in text and "Wait before    1.5 s" in text and "breaker open" in text


def test_events_follow(script, ctl):
    event = {"serial": 7, "time": "2026-11-23T10:00:00.123Z", "type": "circuit_changed", "severity": "high", "serviceName": "maps",
             "node": "maps/here", "message": "opened after 5 failures", "data": {}}
    replies = [[{"event": event}, {"event": event | {"serial": 8}}], [{"event": event | {"serial": 9}}]]
    s = script(Subscribe=one_after_the_other(*replies))
    done = ctl(s, "events", "--type", "circuit_changed", "--service", "maps", "--severity", "low", "--since", "6")
    wanted = {"types": ["circuit_changed"], "serviceName": "maps", "minSeverity": "low"}
    # The daemon hangs up twice: it is asked for what came after the last event.
    assert s.asked == [("Subscribe", wanted | {"since": 6}), ("Subscribe", wanted | {"since": 8}), ("Subscribe", wanted | {"since": 9})]
    assert done.stdout.count("maps/here: opened after 5 failures (circuit_changed#7)") == 1
    assert done.returncode == 1 and done.stderr.count("hung up") == 2 and "enough" in done.stderr
    # On a terminal lines are wrapped.
    done = ctl(script_with(s, Subscribe=one_after_the_other(*replies)), "events", env={"COLUMNS": "60"})
    assert done.stdout.count("(circuit_changed#7)") == 1 and all(len(line) <= 60 for line in done.stdout.splitlines())
    done = ctl(script_with(s, Subscribe=one_after_the_other(*replies)), "events", "--json")
    assert [json.loads(line)["serial"] for line in done.stdout.splitlines() if "serial" in line] == [7, 8, 9]


# ---- exec ----

def test_exec_puts_the_node_into_the_command_and_reports(script, ctl):
    s = script(Route={"decision": DECISION}, Report={"verdict": "ok"})
    done = ctl(s, "exec", "maps", "-o", "geocode", "--", "sh", "-c", "echo {url}/x {node} $POINTSMAN_DECISION $POINTSMAN_URL")
    assert (done.returncode, done.stdout) == (0, "http://127.0.0.1:9/x maps/mapbox d-1 http://127.0.0.1:9\n")
    assert done.stderr == "pointsmanctl: maps/mapbox at http://127.0.0.1:9\n"
    assert s.asked[0] == ("Route", {"serviceName": "maps", "operation": "geocode"})
    method, parameters = s.asked[1]
    assert (method, parameters["decision"], parameters["httpStatus"]) == ("Report", "d-1", 200)
    assert 0 < parameters["latencyMs"] < 20000 and "error" not in parameters


@pytest.mark.parametrize(("program", "status", "error"), [
    ("curl", 6, "dns"), ("curl", 7, "connect"), ("curl", 28, "timeout"), ("curl", 35, "tls"), ("curl", 60, "tls"), ("curl", 56, "reset"),
    ("curl", 22, "canceled"), ("other", 7, "canceled"),
])
def test_exec_reports_how_the_command_ended(script, ctl, run_dir, program, status, error):
    path = os.path.join(run_dir, program)
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"#!/bin/sh\nexit {status}\n")
    os.chmod(path, 0o755)
    s = script(Route={"decision": DECISION}, Report={"verdict": "unknown"})
    assert ctl(s, "exec", "-q", "maps", path).returncode == status
    assert s.asked[1][1]["error"] == error and "httpStatus" not in s.asked[1][1]


def test_exec_without_a_program_or_with_a_signal(script, ctl, run_dir):
    s = script(Route={"decision": DECISION}, Report={"verdict": "not_sent"})
    assert ctl(s, "exec", "maps", os.path.join(run_dir, "none")).returncode == 127
    assert s.asked[1][1]["error"] == "not_sent"
    assert ctl(s, "exec", "maps", "--", "sh", "-c", "kill -9 $$").returncode == 137
    assert s.asked[3][1]["error"] == "canceled"


def test_exec_tries_the_fallback_when_told_to(script, ctl, run_dir):
    path = os.path.join(run_dir, "curl")
    with open(path, "w", encoding="utf-8") as f:
        f.write('#!/bin/sh\ntest "$1" = maps/here || exit 7\n')
    os.chmod(path, 0o755)
    s = script(Route={"decision": DECISION}, CostAwareFallback={"decision": DECISION | {"id": "d-2", "node": "maps/here"}},
               Report={"verdict": "ok"})
    assert ctl(s, "exec", "-q", "maps", path, "{node}").returncode == 7
    assert [method for method, _ in s.asked] == ["Route", "Report"]
    s.asked.clear()
    assert ctl(s, "exec", "-q", "--fallbacks", "1", "maps", path, "{node}").returncode == 0
    assert [(method, p.get("decision"), p.get("error")) for method, p in s.asked] == [
        ("Route", None, None), ("CostAwareFallback", "d-1", "connect"), ("Report", "d-2", None)]


def test_exec_does_not_call_before_it_may(script, ctl):
    s = script(Route={"decision": DECISION | {"degraded": True, "retryAfterMs": 60000}}, Report={"verdict": "not_sent"})
    done = ctl(s, "exec", "maps", "--", "echo", "called")
    assert (done.returncode, done.stdout) == (1, "") and "try again in 60.0 s" in done.stderr
    assert s.asked[1] == ("Report", {"decision": "d-1", "error": "not_sent"})


# ---- help and completion ----

def test_every_command_has_a_help_with_an_example(ctl):
    text = ctl(None, "--help").stdout
    names = [line.split()[0] for line in text.splitlines() if line.startswith("  ") and line[2:3].isalpha()]
    assert {"status", "route", "check-config", "exec"} < set(names)
    for name in names:
        done = ctl(None, name, "--help")
        assert done.returncode == 0 and f"pointsmanctl {name}" in done.stdout and "\nExample:\n" in done.stdout
        assert max(map(len, done.stdout.splitlines())) <= 100


@pytest.mark.parametrize(("words", "expected"), [
    (["ro"], ["route"]), (["route", ""], ["maps"]), (["route", "--strat"], ["--strategy"]),
    (["route", "--strategy", "HEA"], ["HEALTH_BASED"]), (["nodes", "m"], ["maps"]),
    (["node", "d"], ["drain", "disable"]), (["node", "drain", "maps/h"], ["maps/here"]), (["route", "-x", "maps/m"], ["maps/mapbox"]),
    (["scenario", "open", "EM"], ["EMERGENCY_SCENARIO"]), (["check-config", ""], [":file"]), (["register", "x"], [":file"]),
    (["report", "d-1", "--error", "t"], ["timeout", "tls"]), (["help", "ch"], ["check-config"]), (["nonsense", ""], []),
    (["route", "maps", ""], []), (["exec", "maps", ""], [":file"]),
])
def test_completion(script, ctl, words, expected):
    s = script()
    done = ctl(None, "complete", "--", "--socket", s.path, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == expected


# ---- top ----

def test_top_draws_the_screen_and_gives_it_back(script, build_dir, wait_for):
    s = script(Subscribe=[{"event": {"serial": 1, "time": "2026-11-23T10:00:00Z", "type": "cost_alert", "severity": "high",
                                     "serviceName": "maps", "message": "80 % of $50.00 are spent"}}])
    terminal, inside = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(terminal)
    top = subprocess.Popen([parts.program(build_dir, "ctl/pointsmanctl"), "-s", s.path, "top"], stdin=inside, stdout=inside,
                           stderr=inside, env=os.environ | {"TERM": "xterm"})
    os.close(inside)
    output = bytearray()

    def read_until(text):
        def more():
            if select.select([terminal], [], [], 0.05)[0]:
                try:
                    output.extend(os.read(terminal, 65536))
                except OSError:  # the other side is closed
                    pass
            return text in output
        wait_for(more, f"{text} on the screen")

    try:
        read_until(b"80 % of $50.00")
        assert output.startswith(b"\x1b[?1049h") and b"maps/mapbox" in output
        output.clear()
        s.answers["GetSystemStatus"] = {"status": STATUS["status"], "services": [SERVICE | {"decisions": 1000000}]}
        read_until(b"CALLS/S")
        s.answers["GetSystemStatus"] = b""
        read_until(b"Trying again")
        s.answers["GetSystemStatus"] = {"status": STATUS["status"], "services": [SERVICE | {"serviceName": "later"}]}
        read_until(b"later")
        os.write(terminal, b"q")
        read_until(b"\x1b[?1049l")
        assert top.wait(20) == 0
        assert termios.tcgetattr(terminal)[3] == before[3]
    finally:
        top.kill()
        top.wait()
        os.close(terminal)


def test_top_wants_a_terminal(script, ctl):
    s = script()
    done = ctl(s, "top")
    assert done.returncode == 2 and "wants a terminal" in done.stderr and s.asked == []


def test_bash_completes(script, build_dir):
    def complete(*words):
        run = subprocess.run(["bash", "-c", f'source {parts.SOURCE}/ctl/completion/pointsmanctl; compopt() {{ :; }}; '
                              'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pointsmanctl "$1" "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"; '
                              'printf "%s\\n" "${COMPREPLY[@]}"', "bash", parts.program(build_dir, "ctl/pointsmanctl"), *words],
                             capture_output=True, text=True, timeout=20, env=os.environ | {"POINTSMAN_SOCKET": s.path}, check=True)
        return sorted(run.stdout.split())

    s = script()
    assert complete("ro") == ["route"]
    assert complete("node", "drain", "maps/") == ["maps/here", "maps/mapbox"]
    assert "/etc/passwd" in complete("check-config", "/etc/pass")
