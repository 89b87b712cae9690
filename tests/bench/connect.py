"""connect.py - how long two peers take from their start to the first byte of each other, port with port, in the lab.

Ours and the rival take turns in one laboratory, so that a busy machine slows all alike. Both peers of a pair start at
the same instant. A run's figure is the later of the two sides: before it the two cannot be said to talk.
"""

import json
import os
import subprocess
import sys
import time

from tools import BenchError, ROOT, json_lines, quiet_environment

sys.path.append(os.path.join(ROOT, "tests", "lab"))
from namespace import LabError  # noqa: E402,F401  (the laboratory is a folder beside this one)
from topology import Lab  # noqa: E402

DELAYS = {"no delay": None, "40/30 ms": (40, 30)}
LEAD_NS = 150_000_000  # from asking for a start to the start: time for both processes to stand ready
LATE_MS = 2  # a side that started later than this makes the run void
VOID_MAX = 20  # void runs before the machine is called too busy
SECONDS = 20  # after which a run has failed

SIDES = ("earlier side", "later side")  # of a run, by their first bytes
# milliseconds since the program's start, in the order in which they should come
OUR_PARTS = ("candidate", "room", "peer", "path", "connected")
NICE_PARTS = ("room_ms", "peer_ms", "described_ms", "remote_ms", "path_ms", "secure_ms")


# RFC 8445 14.2 asks for 50 ms between checks and forbids less than 5. libnice takes any number from 1 on.
RIVALS = {
    "libnice, 1 ms": ("--pacing", "1", "--retry", "100"),
    "libnice, 5 ms": ("--pacing", "5", "--retry", "100"),
    "libnice as it comes": ("--pacing", "20", "--retry", "500"),
    "libnice sealed, 1 ms": ("--pacing", "1", "--retry", "100", "--sealed"),
}
PLAIN_RIVALS = [name for name in RIVALS if "sealed" not in name]


def our_parts(errors):
    """When each kind of event came first; `candidate` is the first that a server told us."""
    parts = {}
    for event in json_lines(errors):
        name = event.get("event")
        if name == "candidate" and event.get("kind") == "host":
            continue
        if name in OUR_PARTS:
            parts.setdefault(name, event["t_ms"])
    return parts


def nice_parts(errors):
    for event in json_lines(errors):
        if event.get("event") == "first_byte":
            return {name.removesuffix("_ms"): event[name] for name in NICE_PARTS if event[name] > 0}
    return {}


def our_command(program, lab, room):
    return [program, "pipe", "--json", "--room", room, "--broker", lab.servers.broker, "--stun", lab.servers.stun]


def nice_command(program, lab, room, *options):
    return [program, "--broker", lab.servers.broker, "--stun", lab.servers.stun, "--room", room, *options]


class Contestant:
    """A program that connects: its name, its command for a lab and a room, and how to read its parts."""

    def __init__(self, name, command, parts):
        self.name = name
        self.command = command
        self.parts = parts


def contestants(ours, nice):
    """`ours` is None when there is none to measure."""
    found = []
    if ours:
        found.append(Contestant("ours", lambda lab, room: our_command(ours, lab, room), our_parts))
    for name, options in RIVALS.items():
        found.append(
            Contestant(name, lambda lab, room, options=options: nice_command(nice, lab, room, *options), nice_parts)
        )
    return found


def run_pair(launcher, contestant, lab, machines, room, folder):
    """The two sides' outcomes, as first_byte prints them, with `parts` and `errors` added."""
    at_ns = time.monotonic_ns() + LEAD_NS
    command = contestant.command(lab, room)
    sides = []
    for machine in machines:
        sides.append(
            machine.start(
                [launcher, at_ns, SECONDS, *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=quiet_environment(folder),
            )
        )
    outcomes = []
    for side in sides:
        out, errors = side.communicate(timeout=SECONDS * 2)
        if not out.startswith("{"):
            raise BenchError(f"{contestant.name} did not start: {errors.strip()}")
        outcomes.append({**json.loads(out), "parts": contestant.parts(errors), "errors": errors})
    return outcomes


def run_once(launcher, contestant, lab, machines, room, folder):
    for attempt in range(VOID_MAX):
        outcomes = run_pair(launcher, contestant, lab, machines, f"{room}-{attempt}", folder)
        if all(outcome["late_ms"] <= LATE_MS for outcome in outcomes):
            return outcomes
    raise BenchError("this machine is too busy to start two programs at the same moment")


def failure_of(outcomes):
    """Why a run does not count, or None."""
    for outcome in outcomes:
        if outcome["first_byte_ms"] is None:
            return f"no byte came, exit {outcome['exit']}: {outcome['errors'].strip()[-300:]}"
        if outcome["exit"] != 0:
            return f"exit {outcome['exit']} after its first byte: {outcome['errors'].strip()[-300:]}"
    return None


def measure(delay, rounds, launcher, entrants, build, folder):
    """{name: {"ms": [...], "parts": {side: {part: [...]}}, "failures": [...]}} for one delay."""
    results = {e.name: {"ms": [], "parts": {side: {} for side in SIDES}, "failures": []} for e in entrants}
    with Lab(build=build, delay=DELAYS[delay]) as lab:
        machines = [lab.home("port").machine for _ in range(2)]
        # not counted: the gateways ask for each other's hardware addresses, which costs a round trip once
        run_once(launcher, entrants[-1], lab, machines, f"bench-{lab.seed}-first", folder)
        for turn in range(rounds):
            for entrant in entrants:
                outcomes = run_once(launcher, entrant, lab, machines, f"bench-{lab.seed}-{turn}", folder)
                record(results[entrant.name], outcomes)
    return results


def record(result, outcomes):
    failure = failure_of(outcomes)
    if failure:
        result["failures"].append(failure)
        return
    outcomes.sort(key=lambda outcome: outcome["first_byte_ms"])
    result["ms"].append(outcomes[-1]["first_byte_ms"])
    for side, outcome in zip(SIDES, outcomes):
        for part, at_ms in {**outcome["parts"], "first byte": outcome["first_byte_ms"]}.items():
            result["parts"][side].setdefault(part, []).append(at_ms)
