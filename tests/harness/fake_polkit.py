#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A polkit that says what it is told to: fake_polkit.py ADDRESS FILE. The file holds one of: yes, no, challenge, error,
nonsense, hold (which answers with the next call that is not held). What it is asked is written to the standard output, one JSON
object a line."""

import ctypes
import json
import sys

import dbus.bus
import dbus.lowlevel
import dbus.mainloop.glib

AUTHORITY = "org.freedesktop.PolicyKit1.Authority"
ANSWERS = {"yes": (True, False), "no": (False, False), "challenge": (False, True)}


def answer(message, order):
    if order == "error":
        return dbus.lowlevel.ErrorMessage(message, "org.freedesktop.PolicyKit1.Error.Failed", "Action is not registered")
    reply = dbus.lowlevel.MethodReturnMessage(message)
    if order == "nonsense":
        reply.append("perhaps", signature="s")
    else:
        reply.append((*ANSWERS[order], {}), signature="(bba{ss})")
    return reply


def main(address, path):
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    bus = dbus.bus.BusConnection(address)
    held = []

    def on_message(_, message):
        if message.get_type() != 1 or message.get_interface() != AUTHORITY:  # a method call
            return dbus.lowlevel.HANDLER_RESULT_NOT_YET_HANDLED
        print(json.dumps({"method": message.get_member(), "arguments": message.get_args_list()}), flush=True)
        if message.get_member() == "CheckAuthorization":
            with open(path, encoding="utf-8") as f:
                order = f.read().strip()
            held.append(message)
            while order != "hold" and held:
                bus.send_message(answer(held.pop(0), order))
        return dbus.lowlevel.HANDLER_RESULT_HANDLED

    bus.add_message_filter(on_message)
    bus.request_name("org.freedesktop.PolicyKit1")
    glib = ctypes.CDLL("libglib-2.0.so.0")  # python3-dbus stands on it; python3-gi is not needed for this
    while True:
        glib.g_main_context_iteration(None, True)


main(*sys.argv[1:])
