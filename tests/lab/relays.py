"""relays.py - networks that no hole can be punched between, and a TURN server: UDP, TCP, TLS, refused, killed."""

import functools
import itertools
import time

import nat
from brokers import become
from flow import PAUSE_SECONDS, Flow
from lives import CHUNK, MAPPING_SECONDS, SILENCE_SECONDS, finish, pipes
from pairs import pair_kind
from peers import Unmet
from trial import ORDERS, Outcome, Scenario, meet
from turns import Turn

PATHS = "host,lan,direct,turn"
WITHOUT_DIRECT = "host,lan,turn"
MOVED_SECONDS = 15  # until a session has left a server that died
LOST_SECONDS = 120  # more of being out of reach, and a session is lost
STALLED_SECONDS = 45  # nothing is sent 30 s after the last sign of life
LIMIT_SECONDS = 3.0  # to the first byte where UDP is blocked
SLOW_SECONDS = 10  # a server that is silent for its part
BULK = 50 << 20  # bytes
PIECES = 4  # of a flow, at once: some 2 MB/s


def server(trial, *options):
    return trial.stack.enter_context(Turn(trial.lab, *options))


def through(turn, *uris, password=None):
    """What a peer is told of the server."""
    options = [argument for uri in uris for argument in ("--turn", uri)]
    secrets = {"P2PCONNECT_TURN_PASSWORD": password or turn.password, "SSL_CERT_FILE": turn.certificate}
    return {"options": [*options, "--turn-user", turn.user], "secrets": secrets}


def relayed(left, right, road, trial):
    """Both ask the server for a relay, by the same road, or by UDP and TCP. Where ports can be guessed, direct paths are
    left out."""
    turn = server(trial)
    paths = PATHS if pair_kind(left, right) is None else WITHOUT_DIRECT
    homes = [trial.home(kind) for kind in (left, right)]
    roads = [turn.udp, turn.tcp] if road == "any" else [getattr(turn, road)]
    trial.limit = LIMIT_SECONDS
    return meet(trial, homes[0].machine, homes[1].machine, "turn", paths=paths, **through(turn, *roads))


def blocked(trial):
    """One side's UDP is blocked, so it reaches the server over TCP; the other one has no server at all."""
    turn = server(trial)
    homes = [trial.home(kind) for kind in ("tcponly", "port")]
    left = trial.peer(homes[0].machine, "left", "pipe", paths=PATHS, **through(turn, turn.udp, turn.tcp))
    left.expect_event("candidate", 15, kind="relay")
    right = trial.peer(homes[1].machine, "right", "pipe", paths=PATHS)
    return talk(left, right)


def nothing_but_the_web(trial):
    """Both networks let out TCP to port 443 alone, where a broker listens, and a TURN server for TLS."""
    turn = server(trial)
    homes = [trial.home("only443").machine for _ in range(2)]
    trial.limit = LIMIT_SECONDS
    broker = trial.lab.servers.web_broker
    return meet(trial, *homes, "turn", paths=PATHS, servers=broker, **through(turn, turn.tls))


def into_ipv6(kind, trial):
    """The left one, of this kind of IPv4 or of IPv6 alone, borrows an IPv6 address; the right one has IPv6 alone, behind a
    firewall, and no server: nothing but that address reaches it."""
    turn = server(trial)
    homes = [trial.home(kind, ipv6=None if kind else "fw"), trial.home(None, ipv6="fw")]
    told = through(turn, turn.udp if kind else turn.udp6)
    left = trial.peer(homes[0].machine, "left", "pipe", paths=WITHOUT_DIRECT, ipv6=kind is None, **told)
    left.expect_event("candidate", 5, kind="relay")
    right = trial.peer(homes[1].machine, "right", "pipe", paths=PATHS, ipv6=True)
    outcome = talk(left, right)
    remote = right.event("connected", 0)["remote"]
    if not remote.startswith(f"[{turn.address6}]"):
        raise Unmet(f"the right one sends to {remote}")
    return outcome


def both_borrow_ipv6(trial):
    """Two of IPv6 alone, behind firewalls, reach the server by IPv6."""
    turn = server(trial)
    homes = [trial.home(None, ipv6="fw") for _ in range(2)]
    told = through(turn, turn.udp6)
    return meet(trial, homes[0].machine, homes[1].machine, "turn", paths=WITHOUT_DIRECT, ipv6=True, **told)


def one_family(trial):
    """A server behind a NAT of its own lends no two addresses at once: it is asked for one."""
    turn = server(trial, "--external-ip={address}")
    homes = [trial.home("symr") for _ in range(2)]
    return meet(trial, homes[0].machine, homes[1].machine, "turn", paths=PATHS, **through(turn, turn.udp))


def talk(left, right):
    for peer in (left, right):
        peer.send(f"{peer.name}\n".encode())
    left.expect_output(b"right\n", 15)
    right.expect_output(b"left\n", 15)
    for peer in (left, right):
        peer.expect_event("connected", 2)
    kinds = {peer.path() for peer in (left, right)}
    if kinds != {"turn"}:
        raise Unmet(f"the path is {kinds}, expected turn")
    seconds = max(left.first_byte, right.first_byte) - right.started
    for peer in (left, right):
        peer.finish()
    for peer in (left, right):
        peer.expect_exit(0, 10)
    return Outcome("turn", seconds)


def chosen_interface(road, trial):
    """The best route leads into another interface: where --interface names one, the server is reached by that one."""
    turn = server(trial)
    homes = [trial.home("symr") for _ in range(2)]
    for home in homes:
        gateway = home.machine.run(["ip", "route", "show", "default"]).stdout.split()[2]
        home.machine.ip(
            "link add br9 type bridge", "link set br9 up", "addr add 10.9.0.2/24 dev br9",
            f"route add default via {gateway} dev eth0 metric 500", f"route del default via {gateway} dev eth0 metric 0",
            "route add default via 10.9.0.1 dev br9 metric 50",
        )
    told = through(turn, getattr(turn, road))
    told["options"] += ["--interface", "eth0"]
    peers = [trial.peer(home.machine, name, "pipe", paths=PATHS, **told) for home, name in zip(homes, ("left", "right"))]
    for peer in peers:
        peer.expect_event("candidate", 5, kind="relay")
    for peer in peers:
        peer.close()
    return Outcome(None, None)


def direct_is_better(trial):
    """A server that is not needed may carry the first packets; it is left as soon as a hole is there."""
    turn = server(trial)
    homes = [trial.home("port") for _ in range(2)]
    peers = pipes(trial, homes[0].machine, homes[1].machine, paths=PATHS, **through(turn, turn.udp))
    for peer in peers:
        peer.until(lambda p=peer: p.path() == "direct", 2)
    return still_talk(peers, "direct")


def rather_than_the_broker(trial):
    """Where both are allowed the broker may carry the first packets, the server carries the rest, and it is said why."""
    turn = server(trial)
    homes = [trial.home("symr") for _ in range(2)]
    peers = pipes(trial, homes[0].machine, homes[1].machine, paths=f"{PATHS},broker", **through(turn, turn.udp))
    for peer in peers:
        told = peer.expect_event("path", 2, kind="turn")  # `connected` may come first, and has no reason yet
        if "TURN server" not in told["why"]:
            raise Unmet(f"{peer.name}: the sentence names no server")
        peer.until(lambda p=peer: p.path() == "turn", 2)
    return still_talk(peers, "turn")


def refused(trial):
    """A wrong password is said in one sentence, and everything else works."""
    turn = server(trial)
    homes = [trial.home("port") for _ in range(2)]
    peers = pipes(trial, homes[0].machine, homes[1].machine, paths=PATHS, **through(turn, turn.udp, password="wrong"))
    for peer in peers:
        peer.expect_event("relay", 5)  # may come after `connected`
    for peer in peers:
        peer.finish()
    for peer in peers:
        peer.expect_exit(0, 10)
        told = [event for event in peer.events if event["event"] == "relay"]
        if len(told) != 1 or "password" not in told[0]["message"]:
            raise Unmet(f"{peer.name}: told {told} of the server")
    return Outcome(peers[0].path(), None)


def untrusted(trial):
    """A certificate that nobody vouches for: the server is not used, and that is said."""
    turn = server(trial)
    home = trial.home("port")
    told = through(turn, turn.tls)
    del told["secrets"]["SSL_CERT_FILE"]
    peer = trial.peer(home.machine, "left", "pipe", paths=PATHS, **told)
    event = peer.expect_event("relay", 5)
    if "certificate" not in event["message"]:
        raise Unmet(f"told {event['message']!r}")
    if peer.event("candidate", 0, kind="relay"):
        raise Unmet("a relay was taken from a server that nobody vouches for")
    return Outcome(None, None, note=event["message"])


def silent(trial):
    """A server that is not there is said to be so, and costs the others nothing."""
    turn = server(trial)
    turn.kill()
    homes = [trial.home("port") for _ in range(2)]
    outcome = meet(trial, homes[0].machine, homes[1].machine, "direct", paths=PATHS, **through(turn, turn.udp))
    home = trial.home("port")
    peer = trial.peer(home.machine, "third", "pipe", paths=PATHS, room="elsewhere", **through(turn, turn.udp, turn.tcp))
    peer.expect_event("relay", SLOW_SECONDS)
    return outcome


def stale(trial):
    """Nonces that are old after two seconds are replaced in mid-session."""
    turn = server(trial, "--stale-nonce=2")
    homes = [trial.home("symr") for _ in range(2)]
    peers = pipes(trial, homes[0].machine, homes[1].machine, paths=PATHS, **through(turn, turn.udp))
    time.sleep(20)  # a refresh each side
    return still_talk(peers, "turn")


def still_talk(peers, kind, seconds=5):
    start = time.monotonic()
    for peer, other in (peers, peers[::-1]):
        before = other.output
        peer.send(b"still there?\n")
        other.expect_output(before + b"still there?\n", seconds)
    took = time.monotonic() - start
    found = {peer.path() for peer in peers}
    if found != {kind}:
        raise Unmet(f"the path is {found}, expected {kind}")
    for peer in peers:
        peer.finish()
    for peer in peers:
        peer.expect_exit(0, 10)
    return Outcome(kind, None, note=f"answered after {took:.2f} s")


def pours(road, trial):
    """So many bytes as fast as they go, each way, arrive whole: nothing is lost where a stream is slower than we."""
    turn = server(trial)
    homes = [trial.home("symr") for _ in range(2)]
    peers = pipes(trial, homes[0].machine, homes[1].machine, paths=PATHS, **through(turn, getattr(turn, road)))
    rates = []
    for peer, other in (peers, peers[::-1]):
        size, before = BULK, other.output_size
        digest = other.output_hash.copy()
        start = time.monotonic()
        for number in range(size // CHUNK):
            data = f"{number:016x}".encode() * (CHUNK // 16)
            digest.update(data)
            peer.send_all(data)
        other.until(lambda o=other, b=before: o.output_size >= b + size, 60)
        rates.append(size / (time.monotonic() - start) / 1e6)
        if other.output_size - before != size or other.output_hash.digest() != digest.digest():
            raise Unmet(f"{size} bytes were sent, {other.output_size - before} arrived, or others")
    kinds = {peer.path() for peer in peers}
    if kinds != {"turn"}:
        raise Unmet(f"the path is {kinds}, expected turn")
    for peer in peers:
        peer.finish()
    for peer in peers:
        peer.expect_exit(0, 10)
    return Outcome("turn", None, note=f"{rates[0]:.0f} and {rates[1]:.0f} MB/s")


def dies(trial):
    """The server that carries the session is killed: it goes on through the other one."""
    first, second = server(trial), server(trial)
    homes = [trial.home("symr") for _ in range(2)]
    told = through(first, first.udp, second.udp)
    peers = pipes(trial, homes[0].machine, homes[1].machine, paths=PATHS, **told)
    path = [event for event in peers[0].events if event["event"] in ("path", "connected")][-1]
    ends = path["local"], path["remote"]
    used = [t for t in (first, second) if any(e.startswith((f"{t.address}:", f"[{t.address6}]:")) for e in ends)]
    start = time.monotonic()
    used[0].kill()
    outcome = still_talk(peers, "turn", MOVED_SECONDS)
    return Outcome("turn", None, note=f"went on after {time.monotonic() - start:.1f} s", exits=outcome.exits)


def becomes_direct(trial):
    """50 MB start on a relay; then UDP is let through, and what is left of them goes straight: none is missing."""
    turn = server(trial)
    homes = [trial.home("tcponly") for _ in range(2)]
    flow = Flow(trial, *(home.machine for home in homes), paths=PATHS, **through(turn, turn.tcp))
    stream, freed = flow.streams[0], None
    while stream.size < BULK:
        flow.check_alive()
        for _ in range(PIECES):
            stream.pump()
        time.sleep(PAUSE_SECONDS)
        if not freed and stream.size > BULK / 10:
            freed = time.monotonic()
            for peer in flow.peers:
                if peer.path() != "turn":
                    raise Unmet(f"{peer.name}: the path is {peer.path()} although there is no UDP")
            for home in homes:
                become(home, "port")
    moved = [peer.expect_event("path", 0, after=freed, kind="direct")["at"] - freed for peer in flow.peers]
    stream.expect_whole(10)
    for peer in flow.peers:
        if sum(event["event"] == "connected" for event in peer.events) != 1:
            raise Unmet(f"{peer.name}: connected more than once")
    finish(flow.peers)
    return Outcome("direct", max(moved), note=f"{stream.size / 1e6:.0f} MB whole")


def dies_alone(trial):
    """The only server is killed and there is no other way: both say so, wait for each other, and end after two minutes."""
    turn = server(trial)
    homes = [trial.home("symr") for _ in range(2)]
    peers = pipes(trial, homes[0].machine, homes[1].machine, paths=PATHS, **through(turn, turn.udp))
    turn.kill()
    start = time.monotonic()
    for peer in peers:
        peer.send(b"is anybody there?\n")
    for peer in peers:
        peer.expect_event("relay", STALLED_SECONDS)
        peer.expect_event("stalled", STALLED_SECONDS)
    said = time.monotonic() - start
    for peer in peers:
        peer.expect_exit(7, LOST_SECONDS)
    return Outcome(None, None, note=f"said after {said:.1f} s, ended with 7 after {time.monotonic() - start:.0f} s")


def restarts(trial):
    """The only server is killed and starts again with nothing known: the session goes on through new relays."""
    turn = server(trial)
    homes = [trial.home("symr") for _ in range(2)]
    peers = pipes(trial, homes[0].machine, homes[1].machine, paths=PATHS, **through(turn, turn.udp))
    turn.kill()
    turn.start()
    return still_talk(peers, "turn", 40)


def rebound(road, trial):
    """A router restarts and maps anew: the server does not know us by the new address, so a new relay is taken."""
    turn = server(trial)
    homes = [trial.home("symr") for _ in range(2)]
    peers = pipes(trial, homes[0].machine, homes[1].machine, paths=PATHS, **through(turn, getattr(turn, road)))
    homes[0].restart_gateway(True)
    return still_talk(peers, "turn", MOVED_SECONDS)


def idle(trial):
    """After a minute without a byte the next one flows at once, though the NATs before the server forget after 20 s."""
    turn = server(trial)
    homes = [trial.home("symr", seconds=MAPPING_SECONDS) for _ in range(2)]
    peers = pipes(trial, homes[0].machine, homes[1].machine, paths=PATHS, **through(turn, turn.udp))
    time.sleep(SILENCE_SECONDS)
    return still_talk(peers, "turn", 0.5)


def scenarios():
    for left, right in itertools.combinations_with_replacement(nat.KINDS, 2):
        if pair_kind(left, right) is None:
            quick = (left, right) in (("symr", "symr"), ("port", "tcponly"))
            yield Scenario(f"turn/{left}-{right}", functools.partial(relayed, left, right, "any"), ORDERS, runs=None, quick=quick)
    yield Scenario("turn/tcp", functools.partial(relayed, "port", "symr", "tcp"), ORDERS, runs=None, quick=True)
    yield Scenario("turn/tls", functools.partial(relayed, "port", "symr", "tls"), ORDERS, runs=None, quick=True)
    yield Scenario("turn/blocked", blocked, runs=None)
    yield Scenario("turn/only443-only443", nothing_but_the_web, ORDERS, runs=None)
    yield Scenario("turn/ipv6", functools.partial(into_ipv6, None), runs=None)
    yield Scenario("turn/ipv6-for-ipv4", functools.partial(into_ipv6, "symr"), runs=None, quick=True)
    yield Scenario("turn/ipv6-both", both_borrow_ipv6, ORDERS, runs=None)
    yield Scenario("turn/one-family", one_family, ORDERS, runs=None)
    for road in ("udp", "tcp"):
        yield Scenario(f"turn/interface-{road}", functools.partial(chosen_interface, road), runs=None)
    for road in ("udp", "tcp", "tls"):
        yield Scenario(f"turn/pours-{road}", functools.partial(pours, road), runs=None)
    yield Scenario("turn/direct-is-better", direct_is_better, runs=None)
    yield Scenario("turn/rather-than-the-broker", rather_than_the_broker, runs=None)
    yield Scenario("turn/refused", refused, runs=None, quick=True)
    yield Scenario("turn/untrusted", untrusted, runs=None)
    yield Scenario("turn/silent", silent, runs=None, patient=True)
    yield Scenario("turn/stale-nonce", stale, runs=None, patient=True)
    yield Scenario("turn/dies", dies, runs=None, patient=True)
    yield Scenario("turn/dies-alone", dies_alone, runs=None, patient=True)
    for road in ("udp", "tcp"):
        yield Scenario(f"turn/rebound-{road}", functools.partial(rebound, road), runs=None, patient=True)
    yield Scenario("turn/becomes-direct", becomes_direct, runs=None, patient=True)
    yield Scenario("turn/idle", idle, patient=True)
    yield Scenario("turn/restarts", restarts, runs=None, patient=True)


SCENARIOS = list(scenarios())
