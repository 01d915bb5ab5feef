# SPDX-License-Identifier: Apache-2.0
"""Callers of a service of their own that route and report in the machine without a pause, and what the ledger has of it."""

import json
import pathlib

from harness.process import wait_for

CALLERS = 50
CONF = "/etc/pointsman/conf.d/load.conf"
END = "/root/end"
SERVICE = """services = { load = { load_balancing = { health_check_interval = 0; }; nodes = {
    a = { provider = "stripe"; url = "http://127.0.0.1:1"; cost_per_request = 0.01; };
    b = { provider = "mapbox"; url = "http://127.0.0.1:1"; cost_per_request = 0.02; }; }; }; };
"""
LEDGER = "import sqlite3; print(*sqlite3.connect('/var/lib/pointsman/ledger.db').execute(\"{}\").fetchone())"


class Load:
    def __init__(self, machine):
        self.machine = machine
        program = machine.take(pathlib.Path(__file__).with_name("callers.py"))
        machine.write(CONF, SERVICE)
        machine.run("rm", "-f", END)
        machine.run("systemctl", "reload", "pointsman")
        self.before = self.books()
        # As root, whose rate is not limited.
        self.running = machine.start("/usr/bin/python3", program, "/run/pointsman/pointsman.sock", str(CALLERS), "load", END)
        self.go_on()

    def books(self):
        """Calls and micro-dollars of the service in the ledger."""
        query = "SELECT total(calls), total(dollars) * 1e6 FROM monthly WHERE service = 'load'"
        return [round(float(n)) for n in self.machine.run("/usr/bin/python3", "-c", LEDGER.format(query)).stdout.split()]

    def go_on(self):
        """Waits for more of their work in the ledger."""
        calls = self.books()[0]
        wait_for(lambda: self.books()[0] > calls + 100, "the callers to go on", 30, 0.2)

    def nobody_noticed(self):
        """Ends them: none was refused or disconnected, and what was acknowledged, and nothing else, is in the books."""
        self.machine.run("touch", END)
        output, _ = self.running.communicate(timeout=90)
        seen = json.loads(output)
        assert seen["errors"] == [] and seen["least"] > 0
        wait_for(lambda: self.books() == [self.before[0] + seen["calls"], self.before[1] + seen["reported"]],
                 f"the books to have {seen}", 10, 0.2)

    def stop(self):
        """Leaves nothing behind, whatever happened."""
        self.machine.run("touch", END)
        self.running.wait(90)
        self.machine.run("rm", "-f", CONF)
