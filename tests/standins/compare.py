#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Compares a stand-in with another play of the same vendor, such as a vendor's own mock: the same requests go to both.

    tests/standins/compare.py stripe http://127.0.0.1:12111

Told are another status, a key that the other does not have, and a value of another type. Exit status 1 if there is any."""

import argparse
import json
import pathlib
import sys
import tempfile
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness import parts  # noqa: E402

BEARER = {"Authorization": "Bearer sk_test_123"}
FORM = BEARER | {"Content-Type": "application/x-www-form-urlencoded"}
REQUESTS = {
    "stripe": [
        ("GET", "/v1/balance", {}, None),
        ("GET", "/v1/balance", BEARER, None),
        ("GET", "/v1/no_such_thing", BEARER, None),
        ("POST", "/v1/customers", FORM, "name=x"),
        ("POST", "/v1/payment_intents", FORM, "amount=2000&currency=usd"),
        ("POST", "/v1/payment_intents/pi_1/confirm", FORM, ""),
        ("POST", "/v1/payment_intents/pi_1/capture", FORM, ""),
        ("POST", "/v1/refunds", FORM, "payment_intent=pi_1"),
    ],
}


def ask(url, method, path, headers, body):
    """Status and parsed body."""
    request = urllib.request.Request(url + path, method=method, headers=headers, data=None if body is None else body.encode())
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as e:
        with e:
            return e.code, json.load(e)


def differences(ours, theirs, where=""):
    """What we say and they do not: theirs may hold more."""
    if ours is None or theirs is None:
        return
    if type(ours) is not type(theirs):
        yield f"{where or 'the body'}: {type(ours).__name__}, there {type(theirs).__name__}"
    elif isinstance(ours, dict):
        for key, value in ours.items():
            if key in theirs:
                yield from differences(value, theirs[key], f"{where}/{key}")
            else:
                yield f"{where}/{key}: not there"
    elif isinstance(ours, list) and ours and theirs:
        yield from differences(ours[0], theirs[0], where + "/0")


def compare(provider, ours, theirs):
    found = 0
    for request in REQUESTS[provider]:
        (our_status, our_body), (their_status, their_body) = ask(ours, *request), ask(theirs, *request)
        told = list(differences(our_body, their_body))
        if our_status != their_status:
            told.insert(0, f"status {our_status}, there {their_status}")
        found += len(told)
        print(f"{request[0]} {request[1]}{'' if request[2] else ' without a key'}: {'; '.join(told) or f'the same, {our_status}'}")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("provider", choices=sorted(REQUESTS))
    parser.add_argument("url")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pm-") as directory:
        standins = parts.Standins(directory)
        try:
            return min(compare(options.provider, standins.wait_ready().urls[options.provider], options.url.rstrip("/")), 1)
        finally:
            standins.stop()


if __name__ == "__main__":
    sys.exit(main())
