"""roads.py - roads between two peers that are long, lose much, or swallow what is large; carriers' gateways over homes'."""

import functools
import itertools
import time

from flow import Flow
from peers import Unmet
from topology import Wire
from trial import ORDERS, Outcome, Scenario, meet

HOLE_BYTES = 1280  # what IPv6 asks of every link, and some tunnels give
STALL_SECONDS = 3  # promised
HOLE_SECONDS = 5  # of bytes both ways through each hole
LADDER = ((10, 0.5), (50, 1), (100, 5), (200, 10), (400, 20))  # ms there and back, % of packets lost each way
LADDER_RUNS = 20
LADDER_SECONDS = 20  # promised for the worst of it
CARRIER_KINDS = ("port", "full", "symr", "block")
HOME_KINDS = ("port", "full", "symr")


def flow_through(flow, since, kind):
    """Bytes both ways for a while; none may wait for longer than promised."""
    flow.run(HOLE_SECONDS)
    waited = max(peer.silence_since(since) for peer in flow.peers)
    if waited > STALL_SECONDS:
        raise Unmet(f"nothing moved for {waited:.2f} s, at most {STALL_SECONDS} s are promised: {flow.told(since)}")
    outcome = flow.finish(waited)
    if outcome.kind != kind:
        raise Unmet(f"the path is {outcome.kind}, expected {kind}")
    return outcome


def hole_direct(trial):
    """Nothing above 1,280 bytes comes through either gateway."""
    homes = [trial.home("port", hole=HOLE_BYTES) for _ in range(2)]
    flow = Flow(trial, *(home.machine for home in homes))
    return flow_through(flow, time.monotonic(), "direct")


def hole_lan(later, trial):
    """In one network, where packets are larger; from the beginning, or in mid-transfer."""
    home = trial.home("port")
    machines = home.machine, home.add_machine()
    if not later:
        home.dig_hole(HOLE_BYTES)
    flow = Flow(trial, *machines)
    if later:
        flow.run(2)
        home.dig_hole(HOLE_BYTES)
    return flow_through(flow, time.monotonic(), "lan")


def ladder(round_trip_ms, loss_percent, trial):
    """Two homes whose cables are long and lossy, and so is the way to the broker."""
    per_wire = 100 * (1 - (1 - loss_percent / 100) ** 0.5)  # two on the way
    wire = Wire(round_trip_ms / 4, 0, per_wire)
    peers = []
    for name in ("left", "right"):
        peers.append(trial.peer(trial.home("port", wire=wire).machine, name, "pipe"))
        peers[-1].send(f"{name}\n".encode())
        peers[-1].finish()
    limit = peers[1].started + LADDER_SECONDS
    for peer, other in (peers, peers[::-1]):
        peer.expect_output(f"{other.name}\n".encode(), limit - time.monotonic())
    seconds = max(peer.first_byte for peer in peers) - peers[1].started
    for peer in peers:
        peer.expect_exit(0, 30)
    return Outcome(peers[0].path(), seconds)


def carrier(home, over, trial):
    """A home behind its carrier's gateway meets somebody whose gateway lets all in."""
    outer = trial.home(over, subnet=f"100.{trial.rng.randrange(64, 128)}.7.0/24")
    inner = trial.home(home, carrier=outer)
    return meet(trial, inner.machine, trial.home("full").machine, "direct")


def one_carrier(trial):
    """Two homes of one carrier whose gateway has hairpin reach each other through it."""
    outer = trial.home("hairpin", subnet="100.64.9.0/24")
    homes = [trial.home("port", carrier=outer) for _ in range(2)]
    return meet(trial, homes[0].machine, homes[1].machine, "direct")


def short_mappings(trial):
    """Both gateways forget after 20 s: nothing is different while somebody talks."""
    homes = [trial.home(kind, seconds=20) for kind in ("addrmap", "full")]
    return meet(trial, homes[0].machine, homes[1].machine, "direct")


def steps():
    for step in LADDER:
        name = "ladder/{:g}ms-{:g}".format(*step)
        function = functools.partial(ladder, *step)
        yield Scenario(name, function, runs=LADDER_RUNS, patient=True, quick=step == LADDER[-1])


def carriers():
    for home, over in itertools.product(HOME_KINDS, CARRIER_KINDS):
        function = functools.partial(carrier, home, over)
        yield Scenario(f"carrier/{home}-under-{over}", function, ORDERS, quick=(home, over) == ("symr", "block"))


SCENARIOS = [
    Scenario("hole/direct", hole_direct, patient=True),
    Scenario("hole/lan", functools.partial(hole_lan, False), patient=True, quick=True),
    Scenario("hole/lan-later", functools.partial(hole_lan, True), patient=True, quick=True),
    *steps(),
    *carriers(),
    Scenario("carrier/one-with-hairpin", one_carrier, ORDERS, quick=True),
    Scenario("carrier/short-mappings", short_mappings, ORDERS),
]
