# SPDX-License-Identifier: Apache-2.0
"""Child processes that never outlive their parent, and waiting for a condition instead of for a time."""

import os
import signal
import socket
import subprocess
import time

DEADLINE = float(os.environ.get("POINTSMAN_TEST_DEADLINE", "20"))  # seconds; raise it on a slow machine

# Of the environment that the tests themselves run in: a service of systemd, a desktop, behind a proxy.
INHERITED_BY_ACCIDENT = {
    "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "JOURNAL_STREAM",
    "CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "POINTSMAN_SOCKET", "DBUS_SESSION_BUS_ADDRESS",
    "DBUS_SYSTEM_BUS_ADDRESS", "http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY",
    "ALL_PROXY", "NO_PROXY",
}


class Failed(Exception):
    """A part did not do what it had to; the text says which, and shows the end of its log."""


def wait_for(condition, what, deadline=DEADLINE, interval=0.01):
    """Calls condition until it returns something true, and returns that. What it raises is raised."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {deadline:g} s")
        time.sleep(interval)


class NotifySocket:
    """The other end of sd_notify()."""

    def __init__(self, path):
        self.path = path
        self.fields = []  # every "NAME=value", in the order received
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self.socket.bind(path)

    def receive(self):
        while True:
            try:
                self.fields += self.socket.recv(4096).decode(errors="replace").split("\n")
            except BlockingIOError:
                return self.fields

    def close(self):
        self.socket.close()
        if os.path.exists(self.path):
            os.unlink(self.path)


class Process:
    """One program, its log in a file. Started at once; stop() asserts that it ends cleanly."""

    def __init__(self, name, argv, directory, env=None, notify=False, stdout=None, clean_exit=(0,)):
        self.name = name
        self.clean_exit = clean_exit
        self.log_path = os.path.join(directory, name + ".log")
        self.notify = NotifySocket(os.path.join(directory, name + ".notify")) if notify else None
        environment = {k: v for k, v in os.environ.items() if k not in INHERITED_BY_ACCIDENT} | (env or {})
        if notify:
            environment["NOTIFY_SOCKET"] = self.notify.path
        # setpriv only execs: the child dies with us, whatever becomes of us, and the pid is the program's own. In a session of
        # its own it does not see the Ctrl-C that is meant for us.
        with open(self.log_path, "ab") as log, open(stdout or self.log_path, "ab") as output:
            self.popen = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *map(str, argv)], stdin=subprocess.DEVNULL,
                                          stdout=output, stderr=log, env=environment, start_new_session=True,
                                          **self.popen_options())

    def popen_options(self):
        return {}

    @property
    def pid(self):
        return self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def log_tail(self, lines=20):
        return "".join(f"    {line}\n" for line in self.log().splitlines()[-lines:]) or "    (its log is empty)\n"

    def fail(self, why):
        raise Failed(f"{self.name}: {why}\n{self.log_tail()}")

    def wait_for(self, condition, what, deadline=DEADLINE):
        """Waits for a condition that this process has to bring about: fails at once if it ends, and shows its log."""
        def check():
            value = condition()
            if not value and not self.running():
                self.fail(f"ended with status {self.popen.returncode} before {what}")
            return value
        try:
            return wait_for(check, what, deadline)
        except Failed as e:
            if str(e).startswith(self.name):
                raise
            return self.fail(str(e))

    def wait_ready(self, deadline=DEADLINE):
        self.wait_for(lambda: "READY=1" in self.notify.receive(), "READY=1", deadline)
        return self

    def status(self):
        """The last STATUS= that it sent."""
        return next((f[7:] for f in reversed(self.notify.receive()) if f.startswith("STATUS=")), "")

    def wait_log(self, text, deadline=DEADLINE):
        self.wait_for(lambda: text in self.log(), f"“{text}” in its log", deadline)

    def signal(self, number):
        self.popen.send_signal(number)

    def wait_exit(self, deadline=DEADLINE):
        try:
            return self.popen.wait(deadline)
        except subprocess.TimeoutExpired:
            return self.fail(f"still running after {deadline:g} s")

    def kill(self):
        """kill -9, as a crash would. That is then not held against it."""
        if self.running():
            self.popen.kill()
            self.popen.wait()
            self.clean_exit = (*self.clean_exit, -signal.SIGKILL)
        if self.notify:
            self.notify.close()

    def stop(self, deadline=DEADLINE):
        """Ends it as systemd would, and asserts that it goes in time and with a clean exit status."""
        if self.running():
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(deadline)
            except subprocess.TimeoutExpired:
                self.kill()
                self.fail(f"did not end within {deadline:g} s of SIGTERM")
        if self.notify:
            self.notify.close()
        if self.popen.returncode not in self.clean_exit:
            self.fail(f"ended with status {self.popen.returncode}")
