"""brokers.py - where nothing else works the broker carries the session: at once, marked, no faster than it may, and only
until something better works."""

import functools
import itertools
import os
import time

import nat
from lives import Chat, finish, pipes
from peers import Unmet
from servers import Servers
from trial import ORDERS, Outcome, Scenario, meet

ALL = "host,lan,direct,turn,broker"
CONNECTED_SECONDS = 3  # promised where UDP is blocked
FIRST_SECONDS = 1  # until the first byte, by whatever path
BLAME_SECONDS = 3  # until the sentence says whose UDP is blocked
RATE = 32 * 1024  # bytes a second, the default
BULK = 100_000
LOST_SECONDS = 15  # promised until `closed` `lost`
SEEK_SECONDS = 30  # until a direct path is found where one has come to exist: the first search is after 20 s
OUTAGE_SECONDS = 10  # of the broker
FALL_SECONDS = 10  # from the last datagram that was let through until bytes pass again
RETURN_SECONDS = 35  # its reconnection: at most 30 s between two attempts


def blame(left, right):
    """What each side's sentence must say."""
    if left == right == "tcponly":
        return "both sides", "both sides"
    return ("this side", "the peer's side") if left == "tcponly" else ("the peer's side", "this side")


def why(peer):
    """The last sentence about its path."""
    paths = [event for event in list(peer.events) if event["event"] == "path"]
    return paths[-1].get("why", "") if paths else ""


def blocked(left, right):
    """Somebody's UDP is blocked: connected within 3 s all the same, and both say whose it is."""

    def run(trial):
        homes = [trial.home(kind).machine for kind in (left, right)]
        names = ("left", "right") if trial.order == "left" else ("right", "left")
        places = dict(zip(("left", "right"), homes))
        peers = {}
        for name in names:
            peers[name] = trial.peer(places[name], name, "pipe", paths=ALL)
            peers[name].send(f"{name}\n".encode())
            peers[name].expect_event("room", 5)
        second = peers[names[1]]
        for name, other in (names, names[::-1]):
            peers[name].expect_output(f"{other}\n".encode(), 15)
        seconds = max(peer.first_byte for peer in peers.values()) - second.started
        if seconds > CONNECTED_SECONDS:
            raise Unmet(f"the first byte came after {seconds:.2f} s")
        for name, whose in zip(("left", "right"), blame(left, right)):
            say = f"UDP seems to be blocked on {whose}"
            if not peers[name].until(lambda p=peers[name], s=say: s in why(p), BLAME_SECONDS):
                raise Unmet(f"{name} says {why(peers[name])!r}, not {say!r}")
        kinds = {peer.path() for peer in peers.values()}
        if kinds != {"broker"}:
            raise Unmet(f"the path is {kinds}")
        finish(list(peers.values()))
        return Outcome("broker", seconds)

    return run


def nothing_but_the_web(other, trial):
    """One side's network, or both, lets out TCP to port 443 alone: a broker that listens there carries the session."""
    homes = [trial.home(kind).machine for kind in ("only443", other)]
    trial.limit = CONNECTED_SECONDS
    return meet(trial, *homes, "broker", paths=ALL, servers=trial.lab.servers.web_broker)


def any_pair(left, right):
    """With every kind of path allowed there is one, at once, whatever the networks are."""

    def run(trial):
        machines = [trial.home(kind).machine for kind in (left, right)]
        peers = pipes(trial, *machines, paths=ALL)
        seconds = max(peer.first_byte for peer in peers) - peers[1].started
        if seconds > FIRST_SECONDS:
            raise Unmet(f"the first byte came after {seconds:.2f} s")
        kinds = "/".join(sorted({peer.path() for peer in peers}))
        finish(peers)
        return Outcome(kinds, seconds)

    return run


def rate(trial):
    """100 kB each at 32 KiB a second."""
    homes = [trial.home("tcponly").machine for _ in range(2)]
    sender, receiver = pipes(trial, *homes, paths=ALL)
    before = receiver.output
    data = os.urandom(BULK)
    start = time.monotonic()
    sender.send(data)
    if not receiver.until(lambda: receiver.output_size >= len(before) + BULK, 30):
        raise Unmet(f"{receiver.output_size - len(before)} of {BULK} bytes arrived")
    seconds = time.monotonic() - start
    if receiver.output[len(before) : 65536] != data[: 65536 - len(before)]:
        raise Unmet("the bytes were altered")
    least = (BULK - RATE / 4) / RATE
    if not least < seconds < 2 * least:
        raise Unmet(f"{BULK} bytes took {seconds:.2f} s, {least:.2f} are the least")
    finish([sender, receiver])
    return Outcome("broker", seconds, note=f"{BULK / seconds / 1024:.1f} KiB/s")


def kill_9(trial):
    """One of two dies without a word, and the broker's word is all that the other hears."""
    homes = [trial.home("tcponly").machine for _ in range(2)]
    chat = Chat(trial, paths=ALL)
    left, right = (chat.join(name, machine) for name, machine in zip(("left", "right"), homes))
    chat.connected(15, after=left.started)
    chat.say("left", 5)
    died = time.monotonic()
    right.kill()
    lost = left.expect_event("closed", LOST_SECONDS, after=died, reason="lost")
    right = chat.join("right", homes[1])
    chat.connected(5, after=right.started)
    chat.say("right", 5)
    return Outcome(left.path(), lost["at"] - died)


def become(home, kind):
    """The gateway begins or ceases to let UDP through; flows that it knows stay."""
    home.nat.kind = kind
    home.gateway.nft(home.nat.rules(home.ipv6))


def talk(peers, seconds):
    """A line each way, within this time; answers how long the slower one took."""
    start = time.monotonic()
    for peer, other in (peers, peers[::-1]):
        before = other.output
        peer.send(b"still there?\n")
        other.expect_output(before + b"still there?\n", seconds)
    return time.monotonic() - start


def freed(trial):
    """UDP comes to be let through in mid-session: the path becomes direct, and nothing is lost."""
    homes = [trial.home("tcponly") for _ in range(2)]
    peers = pipes(trial, *(home.machine for home in homes), paths=ALL)
    time.sleep(8)  # the first checks are all made
    for home in homes:
        become(home, "port")
    start = time.monotonic()
    for peer in peers:
        peer.expect_event("path", SEEK_SECONDS, after=start, kind="direct")
    seconds = time.monotonic() - start
    talk(peers, 5)
    finish(peers)
    return Outcome("direct", seconds)


def falls(trial):
    """UDP is blocked in mid-session: the broker carries what follows, and nothing is lost."""
    homes = [trial.home("port") for _ in range(2)]
    peers = pipes(trial, *(home.machine for home in homes), paths=ALL)
    time.sleep(1)
    for home in homes:
        become(home, "tcponly")
    seconds = talk(peers, FALL_SECONDS)
    for peer in peers:
        peer.expect_event("path", 1, kind="broker")
    finish(peers)
    return Outcome("broker", seconds)


def broker_gone(trial):
    """The broker that carries the session is gone for a while: stalled, and then they talk again."""
    servers = Servers(trial.lab)
    trial.stack.callback(servers.close)
    homes = [trial.home("tcponly").machine for _ in range(2)]
    peers = pipes(trial, *homes, servers=servers, paths=ALL)
    start = time.monotonic()
    servers.kill_broker()
    for peer in peers:
        peer.expect_event("stalled", 5, after=start)
    time.sleep(OUTAGE_SECONDS)
    servers.start_broker()
    seconds = talk(peers, RETURN_SECONDS)
    finish(peers)
    return Outcome("broker", None, note=f"{seconds:.1f} s after the broker's return")


def scenarios():
    for left, right in (("tcponly", "tcponly"), ("tcponly", "port"), ("tcponly", "open"), ("tcponly", "symr")):
        yield Scenario(f"broker/{left}-{right}", blocked(left, right), ORDERS, quick=left == right)
    for left, right in itertools.combinations_with_replacement(nat.KINDS, 2):
        yield Scenario(f"any/{left}-{right}", any_pair(left, right))
    for other in ("only443", "port"):
        yield Scenario(f"broker/only443-{other}", functools.partial(nothing_but_the_web, other), ORDERS, runs=None)
    yield Scenario("broker/rate", rate, patient=True, quick=True)
    yield Scenario("broker/kill-9", kill_9, patient=True)
    yield Scenario("broker/freed", freed, patient=True)
    yield Scenario("broker/falls", falls, patient=True)
    yield Scenario("broker/gone", broker_gone, patient=True)


SCENARIOS = list(scenarios())
