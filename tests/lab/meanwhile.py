"""meanwhile.py - pairs that end direct, but hard: a relay carries what they say until then, and soon."""

import functools

from brokers import talk
from lives import finish, pipes
from pairs import pair_kind, pair_limit
from peers import Unmet
from relays import server, through
from trial import ORDERS, Outcome, Scenario

CARRIED_SECONDS = 0.4  # promised from the sealed candidates' arrival until the first byte
PAIRS = "fw-symr port-symr portrej-symr port-syms port-block syms-syms symr-symr".split()
ROADS = ("broker", "udp", "tcp")  # the broker's, or how a TURN server is reached


def told(trial, road):
    """What the peers are told of the one relay that they may use."""
    if road == "broker":
        return {"paths": "host,lan,direct,broker"}
    turn = server(trial)
    return {"paths": "host,lan,direct,turn", **through(turn, getattr(turn, road))}


def carried(peer):
    """Seconds from the arrival of the other's sealed candidates, which the event `peer` tells of, to its first byte."""
    return peer.first_byte - peer.expect_event("peer", 0)["at"]


def first_kind(peer):
    """Of path."""
    return next(event["kind"] for event in list(peer.events) if event["event"] in ("path", "connected"))


def hard(left, right, road, trial):
    """The first byte comes soon to each side, whatever carries it; then the path becomes direct, where it can."""
    behind = (left, right) if trial.order == "left" else (right, left)
    machines = [trial.home(kind).machine for kind in behind]
    peers = pipes(trial, *machines, **told(trial, road))
    seconds = [carried(peer) for peer in peers]
    kinds = sorted({first_kind(peer) for peer in peers})
    if max(seconds) > CARRIED_SECONDS * trial.limit:
        each = ", ".join(f"{took:.2f} s behind {kind}" for kind, took in zip(behind, seconds))
        raise Unmet(f"the first byte came late after the candidates: {each}; by {'/'.join(kinds)}")
    if pair_kind(left, right):
        for peer in peers:
            if not peer.until(lambda p=peer: p.path() == "direct", pair_limit(left, right)):
                raise Unmet(f"{peer.name}: the path is {peer.path()}, expected direct")
        kinds.append("then direct")
    talk(peers, 5)
    finish(peers)
    return Outcome(" ".join(kinds), max(seconds))


def scenarios():
    for pair in PAIRS:
        for road in ROADS:
            function = functools.partial(hard, *pair.split("-"), road)
            quick = (pair, road) == ("port-symr", "broker")
            yield Scenario(f"meanwhile/{pair}-{road}", function, ORDERS, runs=None, quick=quick)


SCENARIOS = list(scenarios())
