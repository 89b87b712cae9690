"""places.py - where two peers may sit: on one machine, in one network, in networks that confuse."""

import functools
import ipaddress

from servers import broker_start
from trial import ORDERS, Scenario, meet

BRIDGES = {"docker0": "172.17.0.0/16", "br-5c1f0a9d1e2b": "172.18.0.0/16", "virbr0": "192.168.122.0/24"}
CONTAINERS = 12  # on a machine that runs some services
STRANGER = """table ip stranger {
    chain inbound {
        type nat hook prerouting priority -100;
        meta l4proto udp redirect to :9
    }
}"""


def one_machine(trial):
    machine = trial.home("port").machine
    return meet(trial, machine, machine, "host")


def one_network(trial):
    home = trial.home("port")
    return meet(trial, home.machine, home.add_machine(), "lan")


def no_internet(trial):
    """The broker stands in the network itself, and nobody answers outside."""
    home = trial.home("port")
    server = home.add_machine()
    broker_start(server, trial.lab)
    home.cut_off()
    return meet(trial, home.machine, home.add_machine(), "lan", servers=f"{server.address}:1883")


def same_subnet(trial):
    """Both homes are 192.168.1.0/24, and at the other's private address somebody sends back whatever comes."""
    homes = [trial.home("port", subnet="192.168.1.0/24") for _ in range(2)]
    for home, other in (homes, homes[::-1]):
        place_stranger(trial, home, other.machine.address)
    return meet(trial, homes[0].machine, homes[1].machine, "direct")


def place_stranger(trial, home, address):
    if home.machine.address == address:
        return
    machine = home.add_machine(address)
    machine.nft(STRANGER)
    echo = machine.socket()
    echo.bind(("0.0.0.0", 9))
    trial.background(echo_packets, echo)


def echo_packets(sock):
    packet, source = sock.recvfrom(2048)
    sock.sendto(packet, source)


def ipv6_only(policy, trial):
    homes = [trial.home(None, ipv6=policy) for _ in range(2)]
    return meet(trial, homes[0].machine, homes[1].machine, "direct", ipv6=True)


def ipv6_beside_symmetric(trial):
    """IPv4 has no path, IPv6 has one through two firewalls."""
    homes = [trial.home(kind, ipv6="fw") for kind in ("symr", "syms")]
    return meet(trial, homes[0].machine, homes[1].machine, "direct", ipv6=True)


def container_bridges(trial):
    """Both machines have the same bridges of containers and of virtual machines, with somebody on each of them."""
    homes = [trial.home("port") for _ in range(2)]
    for home in homes:
        for bridge, subnet in BRIDGES.items():
            trial.add_bridge(home.machine, bridge, ipaddress.ip_network(subnet))
    return meet(trial, homes[0].machine, homes[1].machine, "direct")


def many_containers(trial):
    """Each container costs its host one more interface with a link-local address: they must not crowd out the rest."""
    homes = [trial.home("port") for _ in range(2)]
    for home in homes:
        trial.add_bridge(home.machine, "docker0", ipaddress.ip_network(BRIDGES["docker0"]), CONTAINERS)
    return meet(trial, homes[0].machine, homes[1].machine, "direct")


def two_nats(trial):
    """Each home is behind its carrier's NAT too."""
    homes = []
    for number in (7, 8):
        carrier = trial.home("port", subnet=f"100.64.{number}.0/24")
        homes.append(trial.home("port", carrier=carrier))
    return meet(trial, homes[0].machine, homes[1].machine, "direct")


SCENARIOS = [
    Scenario("place/one-machine", one_machine, ORDERS, runs=None, quick=True),
    Scenario("place/one-network", one_network, ORDERS, runs=None, quick=True),
    Scenario("place/no-internet", no_internet, ORDERS, runs=None, quick=True),
    Scenario("place/same-subnet", same_subnet, ORDERS, runs=None, quick=True),
    Scenario("place/ipv6-only", functools.partial(ipv6_only, "open"), ORDERS, runs=None, quick=True),
    Scenario("place/ipv6-firewalls", functools.partial(ipv6_only, "fw"), ORDERS, runs=None, quick=True),
    Scenario("place/ipv6-beside-symmetric", ipv6_beside_symmetric, ORDERS, runs=None),
    Scenario("place/container-bridges", container_bridges, ORDERS, runs=None, quick=True),
    Scenario("place/many-containers", many_containers, ORDERS, runs=None),
    Scenario("place/two-nats", two_nats, ORDERS, runs=None, quick=True),
]
