"""pairs.py - every pair of the nine kinds of NAT meets, or says why it cannot."""

import itertools
import os

import nat
from trial import ORDERS, Scenario, Unmet, meet

BLOCKED = ("tcponly",)
HARD = ("syms", "symr", "syms2", "syms5", "symsdown", "block", "addrmap")
COUNTING = ("syms", "syms2", "syms5", "symsdown")
NAIVE = ("naive",)
FILTERED = ("fw", "port", "portrej")
GUESS_SECONDS = 10.0  # where ports are guessed: 19 of 20 within 3 s are promised, and no single run for ever
FRESH_SECONDS = 5.0  # where an early packet may have spoiled a port, and another is opened
MEET_SECONDS = 45.0  # where both sides count: 9 of 10 within so long
# every kind, and one each of the reasons why there is no path
QUICK_PAIRS = (
    "open-symr fw-fw fw-port full-full full-symr addr-portrej addr-syms port-port port-portrej portrej-portrej "
    "port-symr syms-symr port-tcponly"
).split()


def pair_kind(left, right):
    """The path expected between two kinds without a relay: None where there is none."""
    if left in BLOCKED or right in BLOCKED:
        return None
    if left in HARD and right in HARD and not (left in COUNTING and right in COUNTING):
        return None
    return "direct"


def pair_limit(left, right):
    """Seconds to the first byte that a single run is allowed, where ports must be guessed; else None."""
    hard = [kind for kind in (left, right) if kind in HARD]
    if left in NAIVE or right in NAIVE:
        return FRESH_SECONDS
    if len(hard) == 2:
        return MEET_SECONDS
    return GUESS_SECONDS if hard and (left in FILTERED or right in FILTERED) else None


def pair(left, right):
    def run(trial):
        trial.limit = max(trial.limit, pair_limit(left, right) or 0)
        return meet(trial, trial.home(left).machine, trial.home(right).machine, pair_kind(left, right))

    return run


def again(left, right):
    """The same two machines twice: the second time the initiator says what worked, and both begin with that."""

    def run(trial):
        trial.limit = max(trial.limit, pair_limit(left, right) or 0)
        machines = trial.home(left).machine, trial.home(right).machine
        first = meet(trial, *machines, "direct")
        kept = [path for path in (os.path.join(trial.logs, f"state-{side}", "p2pconnect", "paths") for side in ORDERS)
                if os.path.exists(path)]
        if not kept or any(os.stat(path).st_mode & 0o777 != 0o600 for path in kept):
            raise Unmet("nobody has kept what worked, or not for itself alone")
        before = len(trial.peers)
        second = meet(trial, *machines, "direct", options=["-vv"])
        # one alone has kept it where the other's ordinary check hit a hole first: to that side nothing was guessed
        if len(kept) == 2 and not any("worked" in str(event) for peer in trial.peers[before:] for event in peer.events):
            raise Unmet("nobody says the second time what has worked the first time")
        second.note = f"{first.seconds:.2f} s the first time, {second.seconds:.2f} s the second"
        return second

    return run


# pairs that need guessing, met twice
AGAIN = "port-symr port-syms port-block syms-syms".split()
# kinds that are not in the matrix, each against what makes guessing necessary
GUESSED = "port-syms2 fw-syms5 portrej-symsdown port-block fw-block portrej-addrmap syms-syms5 syms2-symsdown".split()
# the first check may come too early and spoil a port
SPOILED = "naive-port naive-fw naive-portrej".split()


def scenarios():
    for left, right in itertools.combinations_with_replacement(nat.KINDS, 2):
        name = f"{left}-{right}"
        hopeless = pair_kind(left, right) is None
        function = pair(left, right)
        yield Scenario(f"pair/{name}", function, ORDERS, runs=None, patient=hopeless, quick=name in QUICK_PAIRS)
    for name in AGAIN:
        yield Scenario(f"again/{name}", again(*name.split("-")), ORDERS, runs=None)
    for name in GUESSED + SPOILED:
        yield Scenario(f"guess/{name}", pair(*name.split("-")), ORDERS, runs=None)


SCENARIOS = list(scenarios())
