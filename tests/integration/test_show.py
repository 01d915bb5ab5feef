# SPDX-License-Identifier: Apache-2.0
"""The show is also the one test that runs all programs together. It must say so when something is wrong, and leave nothing behind."""

import os
import pathlib
import signal
import sys

import pytest

from harness import parts, process

SHOW = os.path.join(parts.SOURCE, "tests", "show", "show.py")


@pytest.fixture
def show(build_dir, run_dir, started):
    def start(*options, build=build_dir, runner=()):
        return started(process.Process("show", [*runner, sys.executable, SHOW, "--build-dir", build, *options], run_dir,
                                       env={"TMPDIR": run_dir, "PYTHONUNBUFFERED": "1"}, clean_exit=(0, 1, 2)))
    return start


def children(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()


def left_behind(run_dir, pids):
    return [d for d in os.listdir(run_dir) if d.startswith("pointsman-show-")] + [p for p in pids if os.path.exists(f"/proc/{p}")]


def test_the_whole_story(show, run_dir):
    p = show("--for", "25")
    assert p.wait_exit(90) == 0, p.log_tail(60)
    assert p.log().count("  yes  ") == 6 and "  NO  " not in p.log()
    assert not left_behind(run_dir, [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_can_be_ended_at_any_time(show, run_dir, number):
    p = show(runner=["env", "--ignore-signal=INT"])  # as a script's background job has it
    p.wait_log("calm")
    started = children(p.pid)
    assert len(started) >= 6
    p.signal(number)
    assert p.wait_exit() == 0, p.log_tail(60)
    assert "The same on the socket, on D-Bus and through SNMP" in p.log()
    assert not left_behind(run_dir, started)


def test_interrupted_while_it_starts(show, run_dir):
    p = show("--for", "20")
    p.wait_for(lambda: len(children(p.pid)) >= 2, "it has begun")
    started = children(p.pid)
    p.signal(signal.SIGINT)
    assert p.wait_exit() == 1
    assert not left_behind(run_dir, started)


def test_a_part_that_is_missing_is_named(show, run_dir, build_dir):
    partial = os.path.join(run_dir, "build")
    os.mkdir(partial)
    for name in os.listdir(build_dir):
        if name not in ("snmp",):
            os.symlink(os.path.join(build_dir, name), os.path.join(partial, name))
    p = show("--for", "20", build=partial)
    assert p.wait_exit() == 1 and "snmp/pointsman-snmp is missing" in p.log()
    assert not left_behind(run_dir, [])


def test_a_part_that_fails_shows_its_log(show, run_dir, build_dir):
    partial = os.path.join(run_dir, "build")
    os.mkdir(partial)
    for name in os.listdir(build_dir):
        if name not in ("prober",):
            os.symlink(os.path.join(build_dir, name), os.path.join(partial, name))
    os.mkdir(partial + "/prober")
    with open(partial + "/prober/pointsman-prober", "w", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o755)) as f:
        f.write("#!/bin/sh\necho 'I will not'\nexit 3\n")
    p = show("--for", "20", build=partial)
    assert p.wait_exit() == 1 and "pointsman-prober: ended with status 3" in p.log() and "I will not" in p.log()
    assert not left_behind(run_dir, [])


def test_too_short_a_time_is_refused(show):
    assert show("--for", "5").wait_exit() == 2
