"""rooms.py - more than two in a room, each behind its own gateway."""

import functools
import time

from peers import Unmet
from trial import ORDERS, Outcome, Scenario

MEMBERS = 8
MESH_SECONDS = 2.0  # promised from the last one's start until each is connected with each
GOODBYE_SECONDS = 2


def start(trial, machines):
    """"left" first: all at once; else one after the other, each once the one before is in the room."""
    members = []
    for number, machine in enumerate(machines):
        members.append(trial.peer(machine, f"member {number}", "chat"))
        if trial.order == "right":
            members[-1].expect_event("room", 5)
    return members


def expect_mesh(trial, members):
    """Answers the seconds from the last start until the last two were connected; each met each once."""
    last = 0
    for member in members:
        for other in members:
            if other is not member:
                last = max(last, member.expect_event("connected", 15, name=other.name)["at"])
    seconds = last - max(member.started for member in members)
    for member in members:
        met = [event["name"] for event in member.events if event["event"] == "connected"]
        if len(met) != len(members) - 1:
            raise Unmet(f"{member.name}: met {met}")
        if {event["kind"] for event in member.events if event["event"] == "connected"} != {"direct"}:
            raise Unmet(f"{member.name}: not every path is direct")
    if seconds > MESH_SECONDS * trial.limit:
        raise Unmet(f"each was connected with each after {seconds:.2f} s, {MESH_SECONDS} s are promised")
    return seconds


def expect_heard(members):
    """Each says a line, and everybody else hears it."""
    for member in members:
        member.send(f"I am {member.name}\n".encode())
    for member in members:
        wanted = {f"{other.name}: I am {other.name}\n".encode() for other in members if other is not member}
        if not member.until(lambda: set(member.output.splitlines(keepends=True)) >= wanted, 5):
            raise Unmet(f"{member.name}: heard only {member.output!r}")


def mesh(trial, kinds):
    machines = [trial.home(kinds[number % len(kinds)]).machine for number in range(MEMBERS)]
    members = start(trial, machines)
    seconds = expect_mesh(trial, members)
    expect_heard(members)
    gone = members.pop(trial.rng.randrange(MEMBERS))
    left = time.monotonic()
    gone.finish()
    gone.expect_exit(0, 10)
    for member in members:
        member.expect_event("closed", GOODBYE_SECONDS, after=left, name=gone.name, reason="left")
        if member.event("closed", after=0, reason="lost"):
            raise Unmet(f"{member.name}: lost somebody")
    return Outcome("direct", seconds, [gone.process.poll()])


SCENARIOS = [
    Scenario("room/eight", functools.partial(mesh, kinds=("port",)), ORDERS, quick=True),
    Scenario("room/eight-mixed", functools.partial(mesh, kinds=("port", "addr", "full", "fw")), ORDERS),
]
