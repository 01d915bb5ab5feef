# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, with its details, and scripts of it."""

import textwrap

# Of the vendor's own: a method of vendors.Vendor each, which gets the details in this order.
VENDOR = {
    "outage": (["status"], "the vendor's answer when it fails (status: which, 500 to 599)"),
    "rate_limit": (["retryAfter"], "the vendor's answer to too many calls, with its headers (retryAfter, s)"),
    "auth": ([], "the vendor's answer to a key that is wrong"),
    "client_error": ([], "the vendor's answer to a request that is wrong"),
    "budget": ([], "the vendor's answer when the quota is used up"),
}
OTHER = {
    "ok": ([], "in good health"),
    "hang": ([], "takes the request and never answers"),
    "reset": ([], "RST instead of an answer"),
    "refuse": ([], "nobody listens"),
    "empty": ([], "closes without an answer"),
    "half": ([], "half of the body, then closes"),
    "corrupt": ([], "a 200 whose JSON is broken"),
    "slow": (["byteMs"], "one byte at a time (byteMs between two, 50 by default)"),
    "huge_headers": ([], "200 KB of headers"),
    "endless_headers": ([], "headers for ever"),
    "endless_body": ([], "a body for ever"),
    "not_http": ([], "the greeting of a mail server"),
    "redirect": (["location"], "a 302 (location: whereto)"),
    "echo": ([], "a 401 that quotes the request's headers, target and body"),
    "certificate": (["kind"], "a wrong certificate (kind: expired, wrong_name or self_signed); with --tls"),
    "flapping": (["of", "downMs", "upMs"], "another fault (of: which, outage by default) for downMs, none for upMs (1000 each), and so on"),
}
FAULTS = VENDOR | OTHER
COMMON = {"latencyMs": "waited before answering", "jitterMs": "and up to so much more, at random", "count": "ok again after so many requests"}
KINDS = ("expired", "wrong_name", "self_signed")
WORDS = {"kind": KINDS, "of": [f for f in FAULTS if f not in ("ok", "refuse", "certificate", "flapping")], "location": None}


def check(fault, details):
    """Raises ValueError, in words, unless there is such a fault with such details."""
    if fault not in FAULTS:
        raise ValueError(f"no fault named {fault!r}; there are {', '.join(FAULTS)}")
    allowed = [*FAULTS[fault][0], *COMMON]
    for name, value in details.items():
        if name not in allowed:
            raise ValueError(f"{fault} has no detail {name!r}; it has {', '.join(allowed)}")
        if name in WORDS:
            if not isinstance(value, str) or (WORDS[name] and value not in WORDS[name]):
                raise ValueError(f"{name} is {value!r}; must be one of {', '.join(WORDS[name])}" if WORDS[name] else f"{name} must be text")
        elif isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
            raise ValueError(f"{name} is {value!r}; must be a number from 0")


def explain():
    """All of them, for --help."""
    def lines(table):
        return "".join(textwrap.fill(text, 110, initial_indent=f"  {name:<16} ", subsequent_indent=" " * 19) + "\n" for name, text in table)
    return lines((name, text) for name, (_, text) in FAULTS.items()) + "\nEvery fault takes these as well:\n\n" + lines(COMMON.items())


def number(text):
    try:
        return int(text)
    except ValueError:
        return float(text)


def read_script(path, names):
    """[(seconds, name or "all", fault, details), …] and after how many seconds it begins anew (None: never)."""
    steps, repeat, last = [], None, 0.0
    with open(path, encoding="utf-8") as f:
        for at, line in enumerate(f, 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            try:
                if repeat is not None:
                    raise ValueError("nothing may follow repeat")
                seconds = number(words[0])
                if seconds < last:
                    raise ValueError(f"{words[0]} s is before the line above")
                last = seconds
                if words[1:] == ["repeat"]:
                    if seconds <= 0:
                        raise ValueError("repeat wants a time from the start")
                    repeat = seconds
                    continue
                if len(words) < 3:
                    raise ValueError("want SECONDS PROVIDER FAULT [DETAIL=VALUE…], or SECONDS repeat")
                if words[1] != "all" and words[1] not in names:
                    raise ValueError(f"no provider named {words[1]!r}; there are all, {', '.join(names)}")
                details = dict(w.split("=", 1) if "=" in w else (w, "") for w in words[3:])
                details = {k: v if k in WORDS else number(v) for k, v in details.items()}
                check(words[2], details)
            except ValueError as e:
                raise ValueError(f"{path}:{at}: {e}") from None
            steps.append((seconds, words[1], words[2], details))
    return steps, repeat
