"""doctors.py - `p2pconnect doctor` names what every kind of gateway does, in under 3 s."""

import functools
import json
import os
import time

import nat
from openings import expect_none, opened_home
from peers import Unmet
from relays import server
from trial import Outcome, Scenario

SECONDS = 3.0  # promised, whoever is silent
EASY = {"mapping": "endpoint", "hard": False}
HARD = {"mapping": "address-and-port", "filtering": "address-and-port", "hard": True}
TRUTHS = {
    "open": {"mapping": "none", "filtering": "endpoint"},
    "fw": {"mapping": "none", "filtering": "address-and-port"},
    "full": EASY | {"filtering": "endpoint", "hairpin": "no"},
    "addr": EASY | {"filtering": "address", "hairpin": "no"},
    "port": EASY | {"filtering": "address-and-port", "hairpin": "no"},
    "portrej": EASY | {"filtering": "address-and-port", "hairpin": "no"},
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


def consult(trial, home, options=(), secrets=None):
    """The report, the exit code and how long it took."""
    servers = trial.lab.servers
    asked = ["--broker", servers.broker, "--stun", servers.stun, "--stun", servers.second_stun]
    began = time.monotonic()
    done = home.machine.run([trial.program, "doctor", "--json", *asked, *options], env=os.environ | (secrets or {}))
    seconds = time.monotonic() - began
    if not done.stdout:
        raise Unmet(f"no report, exit code {done.returncode}: {done.stderr}")
    with open(f"{trial.logs}/report.json", "w", encoding="utf-8") as file:
        file.write(done.stdout)
    if seconds >= SECONDS:
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


def examined(kind):
    return lambda trial: examine(kind, trial)


SCENARIOS = [
    Scenario(f"doctor/{kind}", examined(kind), runs=None, quick=kind in ("open", "syms", "tcponly"))
    for kind in nat.ALL_KINDS
] + [
    Scenario(f"doctor/router-{protocol}", functools.partial(router_that_opens, protocol), runs=None)
    for protocol in ("pcp", "natpmp", "upnp")
] + [
    Scenario(f"doctor/relays-{kind}", functools.partial(with_relays, kind), runs=None) for kind in ("port", "tcponly")
]
