"""doctors.py - `p2pconnect doctor` names what every kind of gateway does, in under 3 s."""

import functools
import json
import os
import signal
import subprocess
import time
import types

import nat
from namespace import end
from openings import expect_none, opened_home, until
from peers import Unmet
from relays import server
from servers import port_is_bound, wait_until
from trial import Outcome, Scenario

SECONDS = 3.0  # promised, whoever is silent
STOP_SECONDS = 1.5  # after Ctrl-C
LIFE_SECONDS = 45.0  # of 20 s or less: until two spans in a row have died
CLOSE_SECONDS = 5  # between the longest that lived and the shortest that died
EASY = {"mapping": "endpoint", "hard": False}
HARD = {"mapping": "address-and-port", "filtering": "address-and-port", "hard": True}
TRUTHS = {
    "open": {"mapping": "none", "filtering": "endpoint"},
    "fw": {"mapping": "none", "filtering": "address-and-port"},
    "full": EASY | {"filtering": "endpoint", "hairpin": "no"},
    "addr": EASY | {"filtering": "address", "hairpin": "no"},
    "port": EASY | {"filtering": "address-and-port", "hairpin": "no"},
    "portrej": EASY | {"filtering": "address-and-port", "hairpin": "no"},
    "naive": EASY | {"filtering": "address-and-port", "hairpin": "no"},
    "hairpin": EASY | {"filtering": "address-and-port"},  # Linux drops what a machine sends to itself round the gateway
    "syms": HARD | {"ports": "sequential", "step": 1},
    "syms2": HARD | {"ports": "sequential", "step": 2},
    "syms5": HARD | {"ports": "sequential", "step": 5},
    "symsdown": HARD | {"ports": "sequential", "step": -1},
    "symr": HARD | {"ports": "random"},
    "block": HARD | {"ports": "block"},
    "addrmap": HARD | {"mapping": "address", "ports": "random"},
    "tcponly": {"mapping": "unknown"},
    "only443": {"mapping": "unknown"},
}
BLOCKED = {"tcponly": "UDP seems to be blocked", "only443": "neither a STUN server nor a broker"}


def examine(kind, trial):
    home = trial.home(kind)
    report, code, seconds = consult(trial, home)
    judge(kind, home, report, code)
    return Outcome(None, seconds, [code])


def consult(trial, home, options=(), secrets=None, limit=SECONDS, servers=None):
    """The report, the exit code and how long it took."""
    servers = servers or trial.lab.servers
    asked = ["--broker", servers.broker, "--stun", servers.stun, "--stun", servers.second_stun]
    began = time.monotonic()
    argv = [trial.program, "doctor", "--json", *asked, *options]
    done = home.machine.run(argv, timeout=limit + 30, env=os.environ | (secrets or {}))
    seconds = time.monotonic() - began
    if not done.stdout:
        raise Unmet(f"no report, exit code {done.returncode}: {done.stderr}")
    with open(f"{trial.logs}/report.json", "w", encoding="utf-8") as file:
        file.write(done.stdout)
    if seconds >= limit:
        raise Unmet(f"it took {seconds:.2f} s")
    return json.loads(done.stdout), done.returncode, seconds


def judge(kind, home, report, code):
    truth = dict(TRUTHS[kind])
    if kind == "block":
        truth |= {"low": home.nat.low, "high": home.nat.low + nat.BLOCK_PORTS - 1}
    if kind not in BLOCKED:
        truth |= {"local": report["nat"].get("local", "-")}
    told = {name: report["nat"].get(name) for name in truth}
    if told != truth:
        raise Unmet(f"it says {told}, the truth is {truth}")
    advice = " ".join(entry["text"] for entry in report["advice"] if entry["attention"])
    if BLOCKED.get(kind, "") not in advice:
        raise Unmet(f"it does not say what is blocked: {advice!r}")
    well = kind not in BLOCKED and not truth.get("hard")
    if (code, report["well"]) != (0 if well else 1, well):
        raise Unmet(f"exit code {code}, well {report['well']}: {advice}")


def router_that_opens(protocol, trial):
    """A hard NAT whose router opens a port: doctor says so, takes the port back, and is content."""
    home, opener = opened_home(trial, "symr", protocol)
    report, code, seconds = consult(trial, home)
    told = report["portmap"]
    if told.get("protocol", "").lower().replace("-", "") != protocol or not told["external"].startswith(home.wan):
        raise Unmet(f"of the router it says {told}")
    if not report["nat"]["hard"] or not report["well"] or code != 0:
        raise Unmet(f"exit code {code}: {report['advice']}")
    expect_none(opener)
    return Outcome(None, seconds, [code])


def router_that_opens_ipv6(trial):
    """The router opens a hole in its firewall for IPv6, too: doctor says both, and gives both back."""
    home, opener = opened_home(trial, "symr", "pcp", ipv6="fw")
    report, code, seconds = consult(trial, home)
    inside, told = report["ipv6"].get("address", "-"), report["ipv6"]["pinhole"]
    if told.get("protocol") != "PCP" or inside not in told["external"] or "external" not in report["portmap"]:
        raise Unmet(f"it says {report['ipv6']} and {report['portmap']}")
    if code != 0:
        raise Unmet(f"exit code {code}: {report['advice']}")
    expect_none(opener)
    until(opener.has_closed, 5, f"the hole is still there: {opener.pinholes()}")
    return Outcome(None, seconds, [code])


def with_relays(kind, trial):
    """A TURN server by every road: the one over UDP is silent where UDP is blocked, a wrong password is refused."""
    turn = server(trial)
    home = trial.home(kind)
    options = ["--turn", turn.udp, "--turn", turn.tcp, "--turn", turn.tls, "--turn-user", turn.user]
    secrets = {"P2PCONNECT_TURN_PASSWORD": turn.password, "SSL_CERT_FILE": turn.certificate}
    report, code, seconds = consult(trial, home, options, secrets)
    states = [entry["state"] for entry in report["turn"]]
    if states != ["silent" if kind == "tcponly" else "answers", "answers", "answers"]:
        raise Unmet(f"of the roads to the server it says {report['turn']}")
    refused, _, _ = consult(trial, home, options[:2] + options[-2:], secrets | {"P2PCONNECT_TURN_PASSWORD": "wrong"})
    if kind != "tcponly" and refused["turn"][0]["state"] != "failed":
        raise Unmet(f"of a wrong password it says {refused['turn']}")
    return Outcome(None, seconds, [code])


def life(kind, seconds, trial):
    """How long an idle mapping lives is told within a few seconds, and in little more time than it lives."""
    home = trial.home(kind, seconds=seconds)
    report, code, took = consult(trial, home, ["--life"], limit=LIFE_SECONDS)
    told = report["nat"]["life"]
    least, most = told.get("alive_s", 0), told.get("dead_s", 1000)
    if told["state"] != "measured" or not least <= seconds <= most or most - least > CLOSE_SECONDS:
        raise Unmet(f"it lives {seconds} s, it says {told}")
    hints = [entry["text"] for entry in report["advice"] if entry["attention"] and "forgets idle mappings" in entry["text"]]
    if bool(hints) != (seconds < told["keepalive_s"]) or code != (0 if report["well"] else 1):
        raise Unmet(f"exit code {code}, {told}, advice {report['advice']}")
    return Outcome(None, took, [code], note=f"{least} to {most} s")


def own_stun(trial, *addresses):
    """A `p2pconnect stun-server` of the lab's servers, on ports of its own; where to ask it."""
    port = 20000 + 2 * trial.lab.number()
    options = [option for address in addresses for option in ("--address", address)]
    node = trial.lab.servers.node
    child = node.start([trial.program, "stun-server", *options, "--port", port, "--quiet"])
    trial.stack.callback(end, child)
    wait_until(lambda: port_is_bound(node, "udp", port), "stun-server did not start")
    return f"{addresses[0]}:{port}"


def named(trial, first, second):
    return types.SimpleNamespace(broker=trial.lab.servers.broker, stun=first, second_stun=second)


def life_that_is_hidden(trial):
    """Behind a router that keeps ports, servers without RFC 5780 show no difference: that is said, and soon."""
    home = trial.home("port")
    home.nat.bits = 0
    home.gateway.nft(home.nat.rules())
    servers = trial.lab.servers
    lonely = named(trial, own_stun(trial, servers.address), own_stun(trial, servers.second))
    report, _, took = consult(trial, home, ["--life"], limit=LIFE_SECONDS, servers=lonely)
    if report["nat"]["life"]["state"] != "unknown" or "RFC 5780" not in str(report["advice"]):
        raise Unmet(f"it says {report['nat']['life']}, advice {report['advice']}")
    return Outcome(None, took)


def life_by_our_own_server(trial):
    """p2pconnect stun-server with two addresses answers to the port that it is told."""
    home = trial.home("port", seconds=20)
    servers = trial.lab.servers
    four = own_stun(trial, servers.address, servers.second)
    report, _, took = consult(trial, home, ["--life"], limit=LIFE_SECONDS, servers=named(trial, four, four))
    told = report["nat"]["life"]
    if not 20 - CLOSE_SECONDS <= told.get("alive_s", 0) <= 20 <= told.get("dead_s", 1000) <= 20 + CLOSE_SECONDS:
        raise Unmet(f"it lives 20 s, it says {told}")
    return Outcome(None, took)


def life_stopped(trial):
    """Ctrl-C ends the wait at once: what is known by then is told, and that there is no more of it. The port that the router
    opened was given back before the wait."""
    servers = trial.lab.servers
    home, opener = opened_home(trial, "port", "pcp")
    argv = [trial.program, "doctor", "--life", "--json", "--broker", servers.broker, "--stun", servers.stun]
    child = home.machine.start(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    trial.stack.callback(end, child)
    if json.loads(child.stderr.readline())["event"] != "life":
        raise Unmet("it does not say that it measures")
    expect_none(opener)
    child.send_signal(signal.SIGINT)
    began = time.monotonic()
    report = json.loads(child.communicate(timeout=10)[0])
    if time.monotonic() - began > STOP_SECONDS or child.returncode != 128 + signal.SIGINT:
        raise Unmet(f"it ended after {time.monotonic() - began:.1f} s with {child.returncode}")
    if "external" not in report["portmap"]:
        raise Unmet(f"no port was opened: {report['portmap']}")
    if report["nat"]["life"]["state"] != "unknown" or "stopped" not in report["nat"]["life"]["text"]:
        raise Unmet(f"it says {report['nat']['life']}")
    return Outcome(None, None)


def examined(kind):
    return lambda trial: examine(kind, trial)


SCENARIOS = [
    Scenario(f"doctor/{kind}", examined(kind), runs=None, quick=kind in ("open", "syms", "tcponly"))
    for kind in nat.ALL_KINDS
] + [
    Scenario(f"doctor/router-{protocol}", functools.partial(router_that_opens, protocol), runs=None)
    for protocol in ("pcp", "natpmp", "upnp")
] + [
    Scenario("doctor/router-ipv6", router_that_opens_ipv6, runs=None),
] + [
    Scenario(f"doctor/relays-{kind}", functools.partial(with_relays, kind), runs=None) for kind in ("port", "tcponly")
] + [
    Scenario(f"doctor/life-{kind}-{seconds}", functools.partial(life, kind, seconds), patient=True)
    for kind, seconds in (("port", 20), ("symr", 20), ("syms", 30), ("full", 20), ("fw", 30), ("port", 12))
] + [
    Scenario("doctor/life-hidden", life_that_is_hidden, patient=True),
    Scenario("doctor/life-stopped", life_stopped, quick=True),
    Scenario("doctor/life-own-server", life_by_our_own_server, patient=True),
]
