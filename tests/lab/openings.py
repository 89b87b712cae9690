"""openings.py - home routers that open ports when they are asked: a real miniupnpd behind each."""

import functools
import shutil
import time

from opener import Opener
from peers import Unmet
from trial import ORDERS, Outcome, Scenario, Skip, meet

SHORT_SECONDS = 8  # a life that is renewed several times while somebody looks on
UPNP_SECONDS = 3  # to the first byte: the search alone takes one
FORGET_SECONDS = 3  # within which a mapping is gone after the program has ended


def opened_home(trial, kind, protocol, seconds=86400, **options):
    if not shutil.which("miniupnpd"):
        raise Skip("miniupnpd is not installed (Debian: miniupnpd-nftables)")
    home = trial.home(kind, opens=True, **options)
    opener = Opener(home, protocol, seconds)
    trial.stack.enter_context(opener)
    return home, opener


def until(condition, seconds, complaint):
    limit = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > limit:
            raise Unmet(complaint)
        time.sleep(0.02)
    return found


def expect_mapping(home, opener, seconds=5):
    """Exactly one, and of this machine."""
    found = until(opener.mappings, seconds, f"the router has no mapping after {seconds} s")
    if len(found) != 1 or found[0][1] != home.machine.address:
        raise Unmet(f"the router's mappings are {found}, of {home.machine.address} there should be one")
    return found[0]


def expect_none(opener, seconds=FORGET_SECONDS):
    until(lambda: not opener.mappings(), seconds, f"after the end the router still has {opener.mappings()}")


def hard_made_easy(protocol, trial):
    """Two symmetric NATs, and the router of one opens a port: directly reachable, and nothing is left behind."""
    if protocol == "upnp":
        trial.limit = UPNP_SECONDS
    home, opener = opened_home(trial, "symr", protocol)
    other = trial.home("symr")
    outcome = meet(trial, home.machine, other.machine, "direct")
    left = next(peer for peer in trial.peers if peer.name == "left")
    left.expect_event("candidate", 0, kind="mapped")
    for peer in trial.peers:
        why = peer.expect_event("path", 0, kind="direct")["why"]
        if "router opened" not in why:
            raise Unmet(f"{peer.name}: the sentence does not say that a port was opened: {why}")
    expect_none(opener)
    return outcome


def chat_through(trial, home, other):
    peers = {}
    for name, machine in (("left", home.machine), ("right", other.machine)):
        peers[name] = trial.peer(machine, name, "chat")
        peers[name].expect_event("room", 5)
    for peer in peers.values():
        peer.expect_event("connected", 15, kind="direct")
    return peers


def expect_talk(peers, text):
    for name, other in (("left", "right"), ("right", "left")):
        peers[name].send(f"{text} of {name}\n".encode())
        peers[other].expect_event("message", 5, text=f"{text} of {name}")


def end_all(peers):
    for peer in peers.values():
        peer.finish()
    for peer in peers.values():
        peer.expect_exit(0, 10)


def renewed(protocol, trial):
    """The router gives a mapping a life of some seconds; it is there all the time, and gone at the end."""
    home, opener = opened_home(trial, "symr", protocol, SHORT_SECONDS)
    peers = chat_through(trial, home, trial.home("symr"))
    first = expect_mapping(home, opener)
    limit = time.monotonic() + 3 * SHORT_SECONDS
    while time.monotonic() < limit:
        if opener.mappings() != [first]:
            raise Unmet(f"the mapping was {first}, now there is {opener.mappings()}")
        time.sleep(0.2)
    expect_talk(peers, "still here")
    end_all(peers)
    expect_none(opener)
    return Outcome("direct")


def router_restarts(protocol, trial):
    """The router forgets mappings and flows; the mapping comes back by itself, and they talk on."""
    home, opener = opened_home(trial, "symr", protocol)
    peers = chat_through(trial, home, trial.home("symr"))
    expect_mapping(home, opener)
    opener.restart()
    expect_mapping(home, opener, 20)
    expect_talk(peers, "after the restart")
    end_all(peers)
    expect_none(opener)
    return Outcome("direct")


def hole_in_ipv6(trial):
    """No IPv4, and a firewall that lets answers in only: PCP opens a hole for as long as the program runs."""
    home, opener = opened_home(trial, "port", "pcp", ipv6="fw")
    peer = trial.peer(home.machine, "left", "chat")
    until(opener.pinholes, 5, f"no hole in the firewall: {opener.heard()[-500:]}")
    peer.process.terminate()
    until(opener.has_closed, FORGET_SECONDS, f"the hole is still there: {opener.pinholes()}")
    return Outcome()


def killed(trial):
    """A program that was killed leaves a mapping that expires by itself."""
    home, opener = opened_home(trial, "symr", "pcp", SHORT_SECONDS)
    peer = trial.peer(home.machine, "left", "chat")
    peer.expect_event("candidate", 5, kind="mapped")
    expect_mapping(home, opener)
    peer.kill()
    expect_none(opener, 3 * SHORT_SECONDS)
    return Outcome()


def not_asked(trial):
    """--no-portmap: the router hears nothing, and two symmetric NATs have no path."""
    home, opener = opened_home(trial, "symr", "all")
    peer = trial.peer(home.machine, "left", "chat", options=["--no-portmap"])
    peer.expect_event("candidate", 5, kind="srflx")
    if peer.event("candidate", 3, kind="mapped") or opener.mappings() or "request" in opener.heard():
        raise Unmet(f"the router was asked: {opener.heard()[-300:]}")
    return Outcome()


SCENARIOS = [
    *(
        Scenario(f"open/{protocol}", functools.partial(hard_made_easy, protocol), ORDERS, runs=None, quick=True)
        for protocol in ("pcp", "natpmp", "upnp")
    ),
    *(
        Scenario(f"open/{protocol}-renewed", functools.partial(renewed, protocol), patient=True)
        for protocol in ("pcp", "natpmp")
    ),
    *(
        Scenario(f"open/{protocol}-restart", functools.partial(router_restarts, protocol), patient=True)
        for protocol in ("pcp", "natpmp")
    ),
    Scenario("open/upnp-restart", functools.partial(router_restarts, "upnp"), patient=True),
    Scenario("open/ipv6-hole", hole_in_ipv6, patient=True),
    Scenario("open/killed", killed, patient=True),
    Scenario("open/not-asked", not_asked, patient=True),
]
