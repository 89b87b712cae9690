"""moves.py - the network changes under a running transfer: it goes on in time, whole, and in one QUIC connection.

Bytes flow both ways in every one of these. What is promised is the time from the change, or from the network's return,
until bytes flow both ways again. `off` scenarios do the same while the broker is down, where a pair survives.
"""

import functools
import time

from flow import SETTLE_SECONDS, Flow
from peers import Unmet
from servers import Servers
from topology import Wire
from trial import Scenario

REBOUND_SECONDS = 2  # a NAT has mapped anew
ADDRESS_SECONDS = 5  # an address is another one
BOTH_SECONDS = 10  # both at once
AWAKE_SECONDS = 5  # from waking on
RETURN_SECONDS = 5  # from the network's return on
SLEEP_SECONDS = {True: 8, False: 60}  # of a quick run, of a full one
OUTAGE_SECONDS = {True: 8, False: 40}
CABLE_SECONDS = 3  # a router takes longer to start, but then everybody has noticed long before
JITTER_SECONDS = {True: 10, False: 40}
PATHS_MAX = 2  # path events that jitter may cause on a side


class Change:
    """What a scenario does. Both sides' homes are of the kinds given; `off`: the broker is down meanwhile."""

    def __init__(self, trial, kinds, off=False, **options):
        self.trial = trial
        servers = None
        if off:
            servers = Servers(trial.lab)
            trial.stack.callback(servers.close)
        self.homes = [trial.home(kind, **options) for kind in kinds]
        self.flow = Flow(trial, *(home.machine for home in self.homes), servers=servers)
        self.flow.run(SETTLE_SECONDS)
        if off:
            servers.kill_broker()
            self.flow.run(1)

    def expect(self, limit, since):
        return self.flow.finish(self.flow.expect_resumed(since, limit))


def change_homes(how, sides, off, kinds, limit, trial):
    """On each of these sides something becomes another: `how`, of CHANGES."""
    change = Change(trial, kinds, off)
    since = time.monotonic()
    for side in sides:
        getattr(change.homes[side], how)()
    return change.expect(limit, since)


def restart(side, trial):
    """A gateway is switched off and on: the cable is dead for some seconds, then all flows are forgotten."""
    change = Change(trial, ("port", "port"))
    home = change.homes[side]
    home.cut_off()
    change.flow.run(CABLE_SECONDS)
    home.restart_gateway()
    home.plug_in()
    return change.expect(RETURN_SECONDS, time.monotonic())


def sleep(side, off, trial):
    """The machine of this side is suspended; the other goes on trying."""
    change = Change(trial, ("port", "port"), off)
    sleeper = change.flow.peers[side]
    sleeper.sleep()
    change.flow.run(SLEEP_SECONDS[trial.quick])
    sleeper.wake()
    return change.expect(AWAKE_SECONDS, time.monotonic())


def outage(trial):
    """No UDP passes either way for a while; the broker can be reached all the time."""
    change = Change(trial, ("port", "port"))
    for home in change.homes:
        home.block_udp(True)
    change.flow.run(OUTAGE_SECONDS[trial.quick])
    for home in change.homes:
        home.block_udp(False)
    return change.expect(RETURN_SECONDS, time.monotonic())


def roam(off, trial):
    """A machine changes from one network to another: the new interface comes, then the old one goes."""
    change = Change(trial, ("port", "full"), off)
    machine, other = change.homes[0].machine, trial.home("port")
    since = time.monotonic()
    other.adopt(machine)
    machine.ip("link set eth0 down")
    return change.expect(ADDRESS_SECONDS, since)


def dock(strict, trial):
    """A cable is plugged in: the new interface takes all packets over, those of the old address too, which is still
    there and has no way any more. A strict gateway drops them, another one translates them."""
    change = Change(trial, ("port", "port"))
    home, other = change.homes[0], trial.home("port")
    if strict:
        other.drop_strangers()
    home.machine.ip(f"route add default via {home.subnet[1]} dev eth0 metric 600")
    since = time.monotonic()
    other.adopt(home.machine, metric=100)
    home.machine.ip(f"route delete default via {home.subnet[1]} dev eth0 metric 0")
    return change.expect(ADDRESS_SECONDS, since)


def spare(trial):
    """Two ways between two machines: the one in use dies without a word, the other is warm."""
    homes = [trial.home("port") for _ in range(2)]
    others = [trial.home("port") for _ in range(2)]
    for home, other in zip(homes, others):
        other.adopt(home.machine)
    flow = Flow(trial, *(home.machine for home in homes))
    flow.run(SETTLE_SECONDS)
    local = flow.left.last("path")["local"].rsplit(":", 1)[0]
    used = next(home for home in (homes[0], others[0]) if local in home.addresses())
    since = time.monotonic()
    used.block_udp(True)
    return flow.finish(flow.expect_resumed(since, REBOUND_SECONDS))


def steady(trial):
    """Equal ways under jitter: nobody changes from one to the other and back."""
    wire = Wire(10, 15)
    homes = [trial.home("port", wire=wire) for _ in range(2)]
    others = [trial.home("port", wire=wire) for _ in range(2)]
    for home, other in zip(homes, others):
        other.adopt(home.machine)
    flow = Flow(trial, *(home.machine for home in homes))
    since = flow.run(JITTER_SECONDS[trial.quick])
    paths = flow.paths_since(since + SETTLE_SECONDS)
    if paths > PATHS_MAX:
        raise Unmet(f"the path changed {paths} times: {flow.told(since)}")
    return flow.finish(note=f"{paths} changes of path under jitter")


CHANGES = (
    ("rebind", "restart_gateway", REBOUND_SECONDS),  # forgets all flows and maps to other ports
    ("renumber", "move_machine", ADDRESS_SECONDS),  # the machine gets another address
    ("provider", "change_address", ADDRESS_SECONDS),  # the gateway gets another public address
)


def sides(how, limit):
    """The same for the left side and for the right one; with the broker down only where a pair survives: the other's
    gateway lets everybody in."""
    for side, name in enumerate(("left", "right")):
        yield name, functools.partial(change_homes, how, (side,), False, ("port", "port"), limit)
        kinds = tuple("port" if i == side else "full" for i in range(2))
        yield f"{name}-off", functools.partial(change_homes, how, (side,), True, kinds, limit)
    yield "both", functools.partial(change_homes, how, (0, 1), False, ("port", "port"), BOTH_SECONDS)


def scenarios():
    for change, how, limit in CHANGES:
        for name, scenario in sides(how, limit):
            yield f"{change}-{name}", scenario
    for side, name in enumerate(("left", "right")):
        yield f"restart-{name}", functools.partial(restart, side)
        yield f"sleep-{name}", functools.partial(sleep, side, False)
        yield f"sleep-{name}-off", functools.partial(sleep, side, True)
    yield "outage", outage
    yield "roam", functools.partial(roam, False)
    yield "roam-off", functools.partial(roam, True)
    yield "dock", functools.partial(dock, False)
    yield "dock-strict", functools.partial(dock, True)
    yield "spare", spare
    yield "steady", steady


QUICK = "rebind-left rebind-right-off renumber-right provider-left rebind-both sleep-left outage spare".split()
SCENARIOS = [
    Scenario(f"move/{name}", function, runs=None, patient=True, quick=name in QUICK) for name, function in scenarios()
]
