# SPDX-License-Identifier: Apache-2.0
"""polkit decides over D-Bus who may manage: a real polkitd, one that says what it is told to, and none."""

import json
import os
import shutil
import signal
import subprocess
import time

import dbus.bus
import pytest

from harness import parts, process

NAME = "org.pointsman.Pointsman1"
PATH = "/org/pointsman/Pointsman1"
MANAGER = NAME + ".Manager"
NODE = PATH + "/node/stripe/us_2deast"
NOBODY = 65534
POLKITD = "/usr/lib/polkit-1/polkitd"
EVERYBODY_OPERATES = {"access": {"operator": ["*"]}}
CONFIG = {"services": {"stripe": {"load_balancing": {"health_check_interval": 0}, "nodes": {
    "us-east": {"provider": "stripe", "url": "https://us.test", "cost_per_request": 0.029},
    "eu-west": {"provider": "stripe", "url": "https://eu.test", "cost_per_request": 0.031}}}}}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can call as another user")


def as_user(user, *command):
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *command]


class FakePolkit(process.Process):
    def __init__(self, bus, directory, order):
        self.order_path, self.asked_path = os.path.join(directory, "order"), os.path.join(directory, "asked.json")
        self.order(order)
        super().__init__("polkit", ["/usr/bin/python3", os.path.join(parts.SOURCE, "tests/harness/fake_polkit.py"), bus.address,
                                    self.order_path], directory, stdout=self.asked_path, clean_exit=(-signal.SIGTERM,))

    def order(self, order):
        with open(self.order_path + "~", "w", encoding="utf-8") as f:
            f.write(order)
        os.rename(self.order_path + "~", self.order_path)

    def asked(self, method="CheckAuthorization"):
        with open(self.asked_path, encoding="utf-8") as f:
            calls = [json.loads(line) for line in f.read().splitlines(keepends=True) if line.endswith("\n")]
        return [c["arguments"] for c in calls if c["method"] == method]


class RealPolkit(process.Process):
    """polkitd, which knows its folders and the system bus by name: they are replaced where it alone sees it."""

    def __init__(self, bus, directory, policy, *rules):
        paths = {}
        for name in ("actions", "rules", "none"):
            paths[name] = os.path.join(directory, "polkit-" + name)
            os.mkdir(paths[name], 0o755)
            os.chmod(paths[name], 0o755)
        with open(os.path.join(paths["actions"], "org.pointsman.Pointsman1.policy"), "w", encoding="utf-8") as f:
            f.write(policy)
        for i, rule in enumerate(rules):
            with open(os.path.join(paths["rules"], f"{i:02}-test.rules"), "w", encoding="utf-8") as f:
                f.write(rule)
        places = {"/usr/share/polkit-1/actions": "actions", "/etc/polkit-1/rules.d": "rules", "/usr/share/polkit-1/rules.d": "none"}
        mounts = " && ".join(f"mount --bind {paths[kind]} {place}" for place, kind in places.items() if os.path.isdir(place))
        super().__init__("polkit", ["unshare", "--mount", "sh", "-c", f"{mounts} && exec {POLKITD} --replace"], directory,
                         env={"DBUS_SYSTEM_BUS_ADDRESS": bus.address}, clean_exit=(0, -signal.SIGTERM))


class Scene:
    """A daemon on a bus, a polkit or none, and nobody who calls."""

    def __init__(self, daemon, bus, connection):
        self.daemon, self.bus, self.connection = daemon, bus, connection

    def present(self, name):
        return self.connection.name_has_owner(name)

    def call(self, *arguments, user=NOBODY, options=()):
        """Calls with busctl: "" or what it says of the error."""
        done = subprocess.run(as_user(user, "busctl", "--address", self.bus.address, *options, "call", NAME, PATH, MANAGER, *arguments),
                              capture_output=True, text=True, timeout=40, check=False)
        assert (done.returncode == 0) == (done.stderr == ""), done.stderr
        return done.stderr.strip()

    def drain(self, state="draining", **options):
        return self.call("SetNodeState", "ss", "stripe/us-east", state, **options)

    def state(self):
        return self.connection.call_blocking(NAME, NODE, "org.freedesktop.DBus.Properties", "Get", "ss", (
            NAME + ".Node", "AdministrativeState"), timeout=10)


@pytest.fixture
def scene(build_dir, bus, run_dir, started, wait_for):
    connections = []

    def start(config=None, build=build_dir, **details):
        os.chmod(run_dir, 0o755)
        d = started(parts.Daemon(build, run_dir, CONFIG | (config or {}), bus=bus.address, **details))
        connections.append(dbus.bus.BusConnection(bus.address))
        s = Scene(d, bus, connections[-1])
        wait_for(lambda: s.present(NAME), "the daemon owns its name")
        return s

    yield start
    for c in connections:
        c.close()


@pytest.fixture
def fake(scene, bus, run_dir, started, wait_for):
    """fake(order) → the scene with a polkit that obeys."""
    def start(order, config=None):
        s = scene(config)
        p = started(FakePolkit(bus, run_dir, order))
        wait_for(lambda: s.present("org.freedesktop.PolicyKit1"), "polkit owns its name")
        return s, p

    return start


@pytest.fixture
def real(scene, bus, run_dir, started, wait_for):
    """real(*rules) → the scene with polkitd, our policy and these rules. owner: who the daemon is."""
    if not os.access(POLKITD, os.X_OK):
        pytest.skip("polkitd is not installed")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("polkitd can be given folders of its own only where mounting is allowed")

    def start(*rules, owner="root", **details):
        with open(os.path.join(parts.SOURCE, "dbus/org.pointsman.Pointsman1.policy"), encoding="utf-8") as f:
            policy = f.read()
        assert policy.count(">unix-user:pointsman<") == 2
        os.chmod(run_dir, 0o755)
        p = started(RealPolkit(bus, run_dir, policy.replace("unix-user:pointsman", "unix-user:" + owner), *rules))
        s = scene(**details)
        p.wait_for(lambda: s.present("org.freedesktop.PolicyKit1"), "polkitd owns its name")
        return s

    return start


# ---- a real polkitd ----

ALLOW_NOBODY = 'polkit.addRule(function(action, subject) { if (action.id == "%s" && subject.user == "nobody" %s) return "yes"; });'


def test_polkitd_wants_a_password_by_default(real):
    s = real()
    for call in (("SetNodeState", "ss", "stripe/us-east", "draining"), ("Reload",)):
        assert f"You may not call {call[0]}: polkit wants a password" in s.call(*call)
    assert s.state() == "enabled"
    assert s.call("GetHealth") == "" and s.call("Route", "sa{sv}", "stripe", "0") == ""
    assert s.drain(user=0) == "" and s.state() == "draining"


def test_polkitd_lets_pass_whom_its_rules_let_pass(real):
    s = real(ALLOW_NOBODY % (NAME + ".operate", ""))
    assert s.drain() == "" and s.state() == "draining"
    assert "You may not call Reload" in s.call("Reload")
    assert "is not valid" in s.drain("asleep")


def test_polkitd_refuses_even_those_whom_the_socket_lets_pass(real):
    s = real('polkit.addRule(function(action, subject) { return "no"; });', config=EVERYBODY_OPERATES)
    assert "You may not call SetNodeState: polkit refuses" in s.drain()
    assert s.state() == "enabled"


def test_rules_can_go_by_the_method(real):
    s = real(ALLOW_NOBODY % (NAME + ".operate", '&& action.lookup("method") == "SetNodeState"'))
    assert s.drain() == ""
    assert "You may not call ResolveScenario" in s.call("ResolveScenario", "s", "none")


def test_our_rule_lets_the_group_operate(real):
    with open(os.path.join(parts.SOURCE, "dbus/50-pointsman.rules"), encoding="utf-8") as f:
        rule = f.read()
    assert rule.count('isInGroup("pointsman")') == 1
    s = real(rule.replace('"pointsman"', '"nogroup"'))
    assert s.drain() == "" and s.drain("enabled", user=1) != ""
    assert "You may not call Reload" in s.call("Reload")


def test_polkitd_answers_a_daemon_that_is_not_root(real, build_dir, run_dir):
    # A copy, as that user may not be able to look into the build folder.
    copy, home = os.path.join(run_dir, "copy"), os.path.join(run_dir, "home")
    os.makedirs(os.path.join(copy, "daemon"))
    shutil.copytree(parts.provider_dir(build_dir), os.path.join(copy, "plugins/.libs"), symlinks=True)
    shutil.copy(parts.program(build_dir, "daemon/pointsmand"), os.path.join(copy, "daemon/real"))
    with open(os.path.join(copy, "daemon/pointsmand"), "w", encoding="utf-8") as f:
        f.write(f'#!/bin/sh\nexec {" ".join(as_user(1, "--pdeathsig", "KILL"))} {copy}/daemon/real "$@"\n')
    os.chmod(f.name, 0o755)
    os.mkdir(home)
    os.chown(home, 1, 1)

    s = real(ALLOW_NOBODY % (NAME + ".operate", '&& action.lookup("method") == "SetNodeState"'), owner="daemon",
             build=copy, socket_path=os.path.join(home, "sock"), state_dir=os.path.join(home, "state"))
    assert s.drain() == "" and s.state() == "draining"
    assert "You may not call Reload: polkit wants a password" in s.call("Reload")


# ---- a polkit that says what it is told to ----

def test_what_polkit_is_asked(fake):
    s, p = fake("yes")
    assert s.drain() == "" and s.state() == "draining"
    assert s.call("Reload", options=("--allow-interactive-authorization=no",)) == ""
    assert s.call("GetHealth") == ""
    assert s.drain("enabled", user=0) == "" and s.state() == "enabled"  # root is not asked about
    first, second = p.asked()
    kind, subject = first[0]
    assert kind == "system-bus-name" and subject["name"].startswith(":")
    assert first[1:4] == [NAME + ".operate", {"method": "SetNodeState"}, 1]
    assert second[1:4] == [NAME + ".administer", {"method": "Reload"}, 0]
    assert first[4] and first[4] != second[4]


@pytest.mark.parametrize("order, reason", [("no", "polkit refuses"), ("challenge", "polkit wants a password"),
                                           ("error", "polkit cannot decide"), ("nonsense", "polkit cannot decide")])
def test_without_a_yes_nothing_changes(fake, order, reason):
    s, p = fake(order, EVERYBODY_OPERATES)
    assert f"You may not call SetNodeState: {reason}" in s.drain()
    assert s.state() == "enabled" and len(p.asked()) == 1
    p.order("yes")
    assert s.drain() == "" and s.state() == "draining"


CALLS = """
import sys, time
import dbus.bus, dbus.lowlevel
bus = dbus.bus.BusConnection(sys.argv[1])
for i in range(int(sys.argv[2])):
    message = dbus.lowlevel.MethodCallMessage("{name}", "{path}", "{manager}", "SetNodeState")
    message.append("stripe/us-east", "disabled", signature="ss")
    message.set_no_reply(True)
    bus.send_message(message)
bus.flush()
try:
    bus.call_blocking("{name}", "{path}", "{manager}", "SetNodeState", "ss", ("stripe/us-east", "disabled"), timeout=40)
    print("served")
except dbus.DBusException as e:
    print(e.get_dbus_name().split(".")[-1], e.get_dbus_message())
""".format(name=NAME, path=PATH, manager=MANAGER)


def start_calls(bus, n):
    return subprocess.Popen(as_user(NOBODY, "/usr/bin/python3", "-c", CALLS, bus.address, str(n)), stdout=subprocess.PIPE, text=True)


def test_a_polkit_that_hangs_holds_up_nobody_else(fake, bus, client, wait_for):
    s, p = fake("hold", EVERYBODY_OPERATES)
    start = time.monotonic()
    with start_calls(bus, 0) as waiting:
        wait_for(p.asked, "polkit is asked")
        assert client(s.daemon).call("Route", serviceName="stripe")["decision"]["node"].startswith("stripe/")
        assert s.call("Route", "sa{sv}", "stripe", "0") == ""
        assert waiting.communicate(timeout=40)[0].startswith("PermissionDenied You may not call SetNodeState: polkit does not answer")
    assert time.monotonic() - start > 5 and s.state() == "enabled"
    assert wait_for(lambda: p.asked("CancelCheckAuthorization"), "the question is taken back") == [[p.asked()[0][4]]]
    assert "polkit does not decide who may manage" in s.daemon.log()
    p.order("yes")  # an answer that comes too late
    assert s.drain() == "" and s.state() == "draining"


def test_questions_of_one_sender_are_bounded(fake, bus, wait_for):
    s, p = fake("hold")
    with start_calls(bus, 16) as greedy:
        assert greedy.communicate(timeout=40)[0].startswith("Busy Busy: too many calls wait for polkit")
    # It has left, and its questions with it.
    taken_back = wait_for(lambda: len(p.asked("CancelCheckAuthorization")) == 16 and p.asked("CancelCheckAuthorization"), "all are taken back")
    assert {a[0] for a in taken_back} == {a[4] for a in p.asked()} and len(p.asked()) == 16
    p.order("yes")
    assert s.drain("draining") == "" and s.state() == "draining"  # and not "disabled": what was held is not done


def test_an_answer_counts_after_a_reload(fake, bus, wait_for):
    s, p = fake("hold")
    with start_calls(bus, 0) as waiting:
        wait_for(p.asked, "polkit is asked")
        assert s.call("Reload", user=0) == ""  # roles may have changed: everybody is looked at anew
        p.order("yes")
        assert s.call("Reload") == ""
        assert waiting.communicate(timeout=40)[0] == "served\n"
    assert s.state() == "disabled"


def test_the_daemon_ends_while_polkit_is_asked(fake, bus, wait_for):
    s, p = fake("hold")
    with start_calls(bus, 3) as waiting:
        wait_for(lambda: len(p.asked()) == 4, "polkit is asked")
        s.daemon.stop()
        assert waiting.communicate(timeout=40)[0].startswith("NoReply")


# ---- none ----

def test_without_polkit_the_groups_decide(scene):
    s = scene(EVERYBODY_OPERATES)
    assert s.drain() == "" and s.state() == "draining"
    denied = s.call("Reload")
    assert "You may not call Reload" in denied and "polkit" not in denied


def test_polkit_goes_and_comes_back(fake, bus, run_dir, started, wait_for):
    s, p = fake("hold", EVERYBODY_OPERATES)
    with start_calls(bus, 0) as waiting:
        wait_for(p.asked, "polkit is asked")
        p.kill()
        assert waiting.communicate(timeout=40)[0].startswith("PermissionDenied You may not call SetNodeState: polkit does not answer")
    assert s.state() == "enabled"
    assert s.drain() == "" and s.state() == "draining"  # now there is none
    started(FakePolkit(bus, run_dir, "no"))
    wait_for(lambda: s.present("org.freedesktop.PolicyKit1"), "polkit is back")
    assert "polkit refuses" in s.drain("enabled") and s.state() == "draining"
