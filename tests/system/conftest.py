# SPDX-License-Identifier: Apache-2.0
"""A booted system for each file of tests, with the Debian packages installed in it."""

import glob
import os
import pathlib
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1]), str(pathlib.Path(__file__).resolve().parent)]

from load import Load  # noqa: E402  (found through the path above)
from machine import Machine, why_not  # noqa: E402  (found through the path above)


@pytest.fixture(scope="module")
def bare_machine(tmp_path_factory):
    reason = why_not()
    if reason:
        pytest.skip(reason)
    m = Machine(str(tmp_path_factory.mktemp("machine")))
    yield m
    m.stop()


@pytest.fixture(scope="session")
def deb_files():
    """The packages that ./dev deb built."""
    built = os.path.join(os.environ.get("POINTSMAN_BUILD", "build"), "deb")
    paths = [p for p in glob.glob(os.path.join(built, "*.deb")) if "-dbgsym" not in p]
    assert paths, f"no packages in {built}: run ./dev deb"
    return paths


@pytest.fixture(scope="module")
def packages(bare_machine, deb_files):
    """Their paths in the machine."""
    return [bare_machine.take(p) for p in deb_files]


@pytest.fixture(scope="module")
def machine(bare_machine, packages):
    bare_machine.run("dpkg", "--install", *packages)
    return bare_machine


@pytest.fixture
def load(bare_machine):
    """Callers at work in it."""
    callers = Load(bare_machine)
    yield callers
    callers.stop()
