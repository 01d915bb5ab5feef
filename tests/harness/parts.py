# SPDX-License-Identifier: Apache-2.0
"""The real programs, each started in a folder of its own: pointsmand, pointsman-prober, pointsman-snmp, the stand-ins, and
a private dbus-daemon and snmpd. Nothing outside that folder is touched, so that tests run side by side."""

import glob
import json
import os
import re
import socket
import subprocess
import sys
import urllib.request

from .process import DEADLINE, Failed, Process
from .varlink import Client, answers

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROVIDERS = ("stripe", "samsara", "mapbox", "google", "here")


def program(build_dir, name):
    """The path of a built program, e.g. program(build, "daemon/pointsmand")."""
    path = os.path.join(build_dir, name)
    if not os.access(path, os.X_OK):
        raise Failed(f"{path} is missing: build it first (./dev build)")
    return path


def preloading(library, **env):
    """The environment of a program that loads that library first; a sanitizer's own is then the second."""
    return {"LD_PRELOAD": library, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0", **env}


def provider_dir(build_dir):
    """Where libtool left the provider plugins."""
    path = os.path.join(build_dir, "plugins", ".libs")
    if not os.path.exists(os.path.join(path, "stripe.so")):
        raise Failed(f"no stripe.so in {path}: build it first (./dev build)")
    return path


def libconfig(value, indent=0):
    """A Python value in libconfig's syntax: dict → group, list → list, and scalars as they are written there."""
    pad = "  " * indent
    if isinstance(value, dict):
        inner = "".join(f"{pad}  {k} = {libconfig(v, indent + 1)};\n" for k, v in value.items())
        return f"{{\n{inner}{pad}}}"
    if isinstance(value, (list, tuple)):
        return "( " + ", ".join(libconfig(v, indent + 1) for v in value) + " )"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}L" if abs(value) > 0x7FFFFFFF else str(value)
    if isinstance(value, float):
        text = repr(value)
        return text if re.search(r"[.e]", text) else text + ".0"
    return json.dumps(value)  # libconfig's strings have JSON's escapes


def libconfig_file(settings):
    return "".join(f"{k} = {libconfig(v)};\n" for k, v in settings.items())


class Daemon(Process):
    """pointsmand. config: a path, the text of a file, or a dict of settings (see libconfig())."""

    def __init__(self, build_dir, directory, config, *options, bus="none", name="pointsmand", env=None, provider_dir_=None,
                 socket_path=None, state_dir=None, runtime_dir=None):
        self.socket = socket_path or os.path.join(directory, name + ".sock")
        self.state_dir = state_dir or os.path.join(directory, name + ".state")
        self.config = config if isinstance(config, str) and os.path.exists(config) else os.path.join(directory, name + ".conf")
        if self.config != config:
            with open(self.config, "w", encoding="utf-8") as f:
                f.write(config if isinstance(config, str) else libconfig_file(config))
        self.runtime_dir = runtime_dir or os.path.join(directory, name + ".run")
        os.makedirs(self.state_dir, exist_ok=True)
        os.makedirs(self.runtime_dir, exist_ok=True)
        super().__init__(name, [program(build_dir, "daemon/pointsmand"), "--config", self.config, "--socket", self.socket,
                                "--state-dir", self.state_dir, "--runtime-dir", self.runtime_dir, "--provider-dir", provider_dir_ or provider_dir(build_dir),
                                "--bus", bus, *options], directory, env=env, notify=True)

    def client(self, **options):
        return Client(self.socket, **options)


class Prober(Process):
    """pointsman-prober. Ready means: started; wait_following() waits until it follows the daemon's stream as well."""

    def __init__(self, build_dir, directory, socket_path, *options, name="pointsman-prober", env=None):
        super().__init__(name, [program(build_dir, "prober/pointsman-prober"), "--socket", socket_path, *options], directory,
                         env=env, notify=True)

    def wait_following(self):
        self.wait_for(lambda: self.status().startswith("Following"), "it follows the daemon's probes")
        return self


class Bus(Process):
    """A dbus-daemon of one's own, where everybody may own and send everything. policy: an XML file to obey instead."""

    def __init__(self, directory, name="bus", policy=None):
        path = os.path.join(directory, name + ".sock")
        rules = f"<include>{policy}</include>" if policy else """
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>"""
        config = os.path.join(directory, name + ".conf")
        with open(config, "w", encoding="utf-8") as f:
            f.write(f"""<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>{rules}
</busconfig>
""")
        self.address = f"unix:path={path}"
        self.path = path
        super().__init__(name, ["dbus-daemon", "--nofork", "--nopidfile", "--config-file", config], directory)

    def wait_ready(self, deadline=DEADLINE):
        self.wait_for(lambda: answers(self.path), "the bus listens", deadline)
        return self

    def call(self, *arguments, deadline=10):
        """busctl with these arguments; its output as parsed JSON, or None if there is none."""
        done = subprocess.run(["busctl", "--address", self.address, "--json=short", *arguments], capture_output=True, text=True,
                              timeout=deadline, check=False)
        if done.returncode:
            raise Failed(f"busctl {' '.join(arguments)}: {done.stderr.strip()}")
        return json.loads(done.stdout) if done.stdout.strip() else None


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Snmpd(Process):
    """A snmpd of one's own: AgentX on a socket in the folder, SNMP on a loopback port, no file of the system's."""

    # Debian keeps the base modules (SNMPv2-SMI, …) out of its snmp package for their licence; Erlang's has its own copies.
    MIB_DIRS = [*sorted(glob.glob("/usr/lib/erlang/lib/snmp-*/mibs")), "/usr/share/snmp/mibs"]

    def __init__(self, build_dir, directory, name="snmpd", port=None, settings=""):
        self.directory = directory
        self.port = port or free_udp_port()
        self.agentx = os.path.join(directory, name + ".agentx")
        self.mib_dirs = [os.path.join(build_dir, "mibs"), os.path.join(SOURCE, "mibs"), *self.MIB_DIRS]
        config = os.path.join(directory, name + ".conf")
        with open(config, "w", encoding="utf-8") as f:
            f.write(f"agentAddress udp:127.0.0.1:{self.port}\nmaster agentx\nrocommunity public 127.0.0.1\n"
                    f"rwcommunity private 127.0.0.1\nagentXTimeout 5\n{settings}")
        super().__init__(name, ["snmpd", "-f", "-Lo", "-C", "-c", config, "-x", self.agentx,
                                f"--persistentDir={directory}"], directory, env=self._env())

    def wait_ready(self, deadline=DEADLINE):
        self.wait_for(lambda: answers(self.agentx), "its AgentX socket listens", deadline)
        self.wait_for(lambda: self._run("snmpget", ["-t", "0.3", "-r", "0"], ["1.3.6.1.2.1.1.3.0"]).returncode == 0,
                      "it answers an SNMP request", deadline)
        return self

    def _env(self):
        return {"SNMP_PERSISTENT_DIR": self.directory, "SNMPCONFPATH": self.directory, "MIBS": ""}

    def _run(self, tool, options, objects, community="public", mib=""):
        return subprocess.run([tool, "-v2c", "-c", community, "-M", self._mib_path(), "-m", mib, *options,
                               f"127.0.0.1:{self.port}", *objects], capture_output=True, text=True, timeout=30, check=False,
                              env=os.environ | self._env())

    def command(self, tool, *objects):
        """What one would type to run that tool oneself."""
        return " ".join([tool, "-v2c", "-c", "public", "-M", self._mib_path(), "-m", "POINTSMAN-MIB", f"127.0.0.1:{self.port}", *objects])

    def _mib_path(self):
        return ":".join(d for d in self.mib_dirs if os.path.isdir(d))

    def tool(self, tool, *objects, options=(), community="public", mib="POINTSMAN-MIB"):
        """Runs snmpget, snmpwalk, snmptable, snmpset … with the project's MIB loaded; returns what it printed."""
        done = self._run(tool, options, objects, community, mib)
        if done.returncode:
            raise Failed(f"{tool} {' '.join(objects)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def table(self, name):
        """The rows of a table, as dicts of strings; the index is in them as "index"."""
        lines = self.tool("snmptable", f"POINTSMAN-MIB::{name}", options=("-Ci", "-Cf", "\x1f", "-CB")).splitlines()
        lines = [line for line in lines if "\x1f" in line]
        return [dict(zip(lines[0].split("\x1f"), line.split("\x1f"))) for line in lines[1:]] if lines else []


class Subagent(Process):
    """pointsman-snmp."""

    def __init__(self, build_dir, directory, socket_path, agentx, *options, name="pointsman-snmp", env=None):
        self.state_dir = os.path.join(directory, name + ".state")
        os.makedirs(self.state_dir, exist_ok=True)
        # Under the address sanitizer: net-snmp 5.9 sometimes loses a snmpd's address (110 bytes) when that goes away.
        suppressions = os.path.join(SOURCE, "tests", "harness", "lsan.supp")
        super().__init__(name, [program(build_dir, "snmp/pointsman-snmp"), "--agentx", agentx, "--socket", socket_path,
                                "--state-dir", self.state_dir, *options],
                         directory, notify=True, env={"LSAN_OPTIONS": f"suppressions={suppressions}:print_suppressions=0"} | (env or {}))


class Standins(Process):
    """The provider stand-ins. ports, urls: by provider. See tests/standins/standins.py --help for the faults."""

    def __init__(self, directory, *options, name="standins"):
        self._announcement = os.path.join(directory, name + ".ports")
        super().__init__(name, [sys.executable, os.path.join(SOURCE, "tests", "standins", "standins.py"), *options], directory,
                         stdout=self._announcement)

    def wait_ready(self, deadline=DEADLINE):
        def announced():
            with open(self._announcement, encoding="utf-8") as f:
                text = f.read()
            return json.loads(text) if text.endswith("\n") else None

        it = self.wait_for(announced, "it says its ports", deadline)
        self.ports, self.urls, self.ca_file = it["ports"], it["urls"], it.get("caFile")
        self._control = f"http://127.0.0.1:{it['control']}"
        return self

    def _ask(self, path, body=None):
        request = urllib.request.Request(self._control + path, data=None if body is None else json.dumps(body).encode())
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return json.load(answer)

    def fault(self, provider, fault="ok", **details):
        """From now on, every request to that provider ("all": to all) meets this fault."""
        self._ask("/-/fault", {"provider": provider, "fault": fault, **details})

    def counts(self):
        """Requests received so far, by provider."""
        return self._ask("/-/counts")

    def requests(self, provider):
        """The last requests to a provider, oldest first: method, path, headers, body."""
        return self._ask(f"/-/requests/{provider}")
