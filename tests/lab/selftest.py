"""selftest.py - proves that the laboratory is what it says: measured with plain UDP sockets, not read from rules."""

import concurrent.futures
import ipaddress
import os
import select
import socket
import struct
import subprocess
import time

import nat
from namespace import LabError
from servers import STUN_PORT, WEB_PORT
from topology import Lab, Wire
from trial import Skip
from turns import TLS_PORT, Turn

IP_RECVERR = 11  # tell every ICMP error, also those that a socket may survive
IP_MTU_DISCOVER, IP_PMTUDISC_PROBE = 10, 3  # send what was asked for, whole, whatever the kernel thinks of the path
SILENCE = 0.15  # seconds without a packet that count as never; a packet needs far less than 1 ms
# how a kind maps: one port for all, one for each address, a sequence, or at random; None: no UDP passes
MAPPING = dict.fromkeys(("full", "addr", "port", "portrej", "hairpin", "naive"), "one") | dict.fromkeys(nat.STEPS, "sequence")
MAPPING |= {"symr": "random", "block": "random", "addrmap": "address", "tcponly": None, "only443": None}
# who may send to a mapping that was opened towards one address and port: a stranger, the same address from another port
FILTER = {"open": (True, True), "full": (True, True), "addr": (False, True)}


class Failed(Exception):
    pass


def expect(true, complaint):
    if not true:
        raise Failed(complaint)


def arrives(sock, seconds=SILENCE):
    """The next packet and its sender, or None when there is none in time."""
    if not select.select([sock], [], [], seconds)[0]:
        return None
    return sock.recvfrom(2048)


def send_and_meet(inside, outside):
    """What an inner socket looks like to an outer one: (address, port)."""
    inside.sendto(b"out", outside.getsockname())
    packet = arrives(outside, 2)
    expect(packet, f"nothing arrived at {outside.getsockname()}")
    return packet[1]


def error_of(sock, seconds=SILENCE):
    """The ICMP error that a connected socket learns of, or None."""
    select.select([sock], [], [], seconds)
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


class Bench:
    """One home and three server sockets: two ports of one address, one of another.
    `bits`, where given, are the bits of the port that the gateway turns over."""

    def __init__(self, lab, kind, bits=None, **options):
        self.lab = lab
        self.home = lab.home(kind, **options)
        if bits is not None:
            self.home.nat.bits = bits
            self.home.restart_gateway(new_ports=False)
        self.sockets = []
        servers = lab.servers
        self.outer = [self.outside(address) for address in (servers.address, servers.address, servers.second)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in self.sockets:
            sock.close()
        self.home.close()

    def outside(self, address, port=0):
        return self._bound(self.lab.servers.node, address, port)

    def inside(self):
        return self._bound(self.home.machine, self.home.machine.address)

    def _bound(self, node, address, port=0):
        sock = node.socket()
        sock.bind((address, port))
        self.sockets.append(sock)
        return sock


def kind_maps_as_named(lab, kind, bits):
    with Bench(lab, kind, bits) as bench:
        inside = bench.inside()
        seen = [send_and_meet(inside, outside) for outside in bench.outer]
        again = [send_and_meet(inside, outside) for outside in bench.outer]
        expect(seen == again, f"mappings do not last: {seen}, then {again}")
        ports = [port for _, port in seen]
        if kind in nat.ROUTED:
            expect(all(s == inside.getsockname() for s in seen), f"translated {inside.getsockname()} to {seen}")
            expect(ipaddress.ip_address(seen[0][0]) in bench.home.subnet, f"{seen[0][0]} is not the host's")
            return
        expect({address for address, _ in seen} == {bench.home.wan}, f"came from {seen}, not from {bench.home.wan}")
        how = MAPPING[kind]
        if how == "one":
            expect(len(set(ports)) == 1, f"several mappings: {ports}")
            expect(ports[0] == inside.getsockname()[1] ^ bench.home.nat.bits, "not the port that was drawn")
        elif how == "sequence":
            step = nat.STEPS[kind]
            expect([b - a for a, b in zip(ports, ports[1:])] == [step, step], f"not every {step}.: {ports}")
        else:
            if how == "address":
                same = ports.pop(0) == ports[0]
                expect(same, f"an address's two ports have two mappings: {seen}")
            ports += [send_and_meet(bench.inside(), bench.outer[0])[1] for _ in range(6)]
            steps = {b - a for a, b in zip(ports, ports[1:])}
            # of nine ports out of a block of 1,024 two are the same in one run of thirty
            expect(len(set(ports)) > len(ports) - 3 and len(steps) > 4, f"not at random: {ports}")
            low, size = bench.home.nat.low, nat.BLOCK_PORTS if kind == "block" else nat.RANDOM_PORTS
            expect(low % nat.BLOCK_PORTS == 0, f"no block begins at {low}")
            expect(all(low <= p < low + size for p in ports), f"outside the range: {ports}")


def kind_filters_as_named(lab, kind, bits):
    stranger_may, other_port_may = FILTER.get(kind, (False, False))
    with Bench(lab, kind, bits) as bench:
        inside = bench.inside()
        asked, other_port, stranger = bench.outer
        mapped = send_and_meet(inside, asked)
        for sender, may, who in (
            (asked, True, "who was asked"),
            (other_port, other_port_may, "another port of who was asked"),
            (stranger, stranger_may, "a stranger"),
        ):
            sender.sendto(b"in", mapped)
            packet = arrives(inside, 2 if may else SILENCE)
            expect(bool(packet) == may, f"{who} {'did not get' if may else 'got'} through")
            expect(not packet or packet[1] == sender.getsockname(), f"{who} came from {packet}")


def kind_forbids_as_named(lab, kind):
    """tcponly lets TCP out to any port, only443 to that one (where the broker listens), and neither lets UDP out."""
    with Bench(lab, kind) as bench:
        for port in (0, 443, 53):
            outer = bench.outer[0] if port == 0 else bench.outside(lab.servers.second, port)
            bench.inside().sendto(b"out", outer.getsockname())
            expect(not arrives(outer), f"UDP to port {outer.getsockname()[1]} went through")
        with lab.servers.node.socket(kind=socket.SOCK_STREAM) as listener:
            listener.bind((lab.servers.second, 0))
            listener.listen()
            for port, may in ((WEB_PORT, True), (listener.getsockname()[1], kind == "tcponly")):
                with bench.home.machine.socket(kind=socket.SOCK_STREAM) as caller:
                    caller.settimeout(2 if may else SILENCE)
                    got = caller.connect_ex((lab.servers.second, port))
                expect((got == 0) == may, f"TCP to port {port}: {os.strerror(got)}")


def kind_refuses_as_named(lab, kind):
    """portrej and naive say no, the others say nothing (behind open it is the host itself that answers)."""
    with Bench(lab, kind) as bench:
        mapped = send_and_meet(bench.inside(), bench.outer[0])
        caller = bench.outside(lab.servers.second)
        caller.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        caller.connect((mapped[0], mapped[1] ^ 1))
        caller.send(b"knock")
        error = error_of(caller)
        refused = kind in ("portrej", "naive")
        expect(bool(error) == refused, f"an unsolicited packet was answered with: {os.strerror(error)}")


def early_packet_moves_no_mapping(lab, kind, bits):
    """What arrives too soon must not cost the host inside its mapping: a punch depends on it."""
    with Bench(lab, kind, bits) as bench:
        inside = bench.inside()
        mapped = send_and_meet(inside, bench.outer[0])
        for _ in range(3):
            bench.outer[2].sendto(b"early", mapped)
        time.sleep(0.02)
        later = send_and_meet(inside, bench.outer[2])
        expect(later == mapped, f"{mapped} became {later}")
        bench.outer[2].sendto(b"now", mapped)
        while packet := arrives(inside):
            if packet[0] == b"now":
                return
        raise Failed("the answer did not arrive")


def early_packet_moves_the_mapping(lab):
    """The flow is the stranger's then, and the port with it; a new socket keeps its own."""
    with Bench(lab, "naive", 0) as bench:
        inside = bench.inside()
        mapped = send_and_meet(inside, bench.outer[0])
        bench.outer[2].sendto(b"early", mapped)
        time.sleep(0.02)
        expect(send_and_meet(inside, bench.outer[2]) != mapped, "the port is still the same")
        other = bench.inside()
        expect(send_and_meet(other, bench.outer[2])[1] == other.getsockname()[1], "a new socket lost its port, too")


def cones_punch(lab):
    """Two port-restricted homes reach each other when both send, and a symmetric one does not reach such a home."""
    with Bench(lab, "port") as left, Bench(lab, "port") as right, Bench(lab, "symr") as hard:
        a, b, c = left.inside(), right.inside(), hard.inside()
        at_a, at_b = send_and_meet(a, left.outer[0]), send_and_meet(b, left.outer[0])
        at_c = send_and_meet(c, left.outer[0])
        for sock, address in ((a, at_b), (b, at_a), (a, at_b)):
            sock.sendto(b"punch", address)
        expect(arrives(a, 2) and arrives(b, 2), "two cones did not meet")
        for sock, address in ((a, at_c), (c, at_a), (a, at_c)):
            sock.sendto(b"punch", address)
        expect(not arrives(c), "a symmetric NAT let a stranger in")
        late = arrives(a)
        expect(not late or late[0] != b"punch" or late[1][0] != at_c[0], "a port-restricted NAT let a new port in")


def kind_has_hairpin_as_named(lab, kind):
    with Bench(lab, kind) as bench:
        sock, other = bench.inside(), bench.home.add_machine().socket()
        with other:
            mapped = send_and_meet(sock, bench.outer[0])
            other_mapped = send_and_meet(other, bench.outer[0])
            other.sendto(b"hairpin", mapped)
            if kind != "hairpin":
                expect(not arrives(sock), "the gateway turned a packet round")
                return
            packet = arrives(sock, 2)
            expect(packet, "the gateway did not turn a packet round")
            expect(packet[1] == other_mapped, f"came from {packet[1]}, not from {other_mapped}")
            sock.sendto(b"back", packet[1])
            expect(arrives(other, 2), "the answer did not come round")


def addrmap_answers_from_one_address_only(lab):
    """What it maps for one address, another one cannot use."""
    with Bench(lab, "addrmap") as bench:
        inside = bench.inside()
        mapped = send_and_meet(inside, bench.outer[0])
        bench.outer[2].sendto(b"in", mapped)
        expect(not arrives(inside), "a stranger got through")
        bench.home.restart_gateway()
        expect(send_and_meet(inside, bench.outer[0]) != mapped, "the mapping outlived the gateway")


def hole_swallows_large_packets(lab):
    """1,280 bytes pass, both ways, 1,281 do not and nobody says so."""
    with Bench(lab, "port", hole=1280) as bench:
        inside, outer = bench.inside(), bench.outer[0]
        mapped = send_and_meet(inside, outer)
        inside.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
        for sender, receiver, target in ((inside, outer, outer.getsockname()), (outer, inside, mapped)):
            for size, may in ((1280 - 28, True), (1281 - 28, False)):
                sender.sendto(bytes(size), target)
                expect(bool(arrives(receiver, 2 if may else SILENCE)) == may, f"{size} bytes and headers")
        inside.sendto(bytes(1400), outer.getsockname())
        expect(not error_of(inside), "somebody complained of the size")


def changed_address_is_another(lab):
    with Bench(lab, "port") as bench:
        inside = bench.inside()
        before = send_and_meet(inside, bench.outer[0])
        bench.home.change_address()
        bench.outer[0].sendto(b"late", before)
        expect(not arrives(inside), "the old address still works")
        after = send_and_meet(inside, bench.outer[0])
        expect(after[0] == bench.home.wan != before[0], f"{before} became {after}")
        bench.outer[0].sendto(b"answer", after)
        expect(arrives(inside, 2), "the answer did not reach the new address")


def moved_machine_has_another_address(lab):
    with Bench(lab, "port") as bench:
        old = bench.home.machine.address
        bench.home.move_machine()
        inside = bench.inside()
        expect(inside.getsockname()[0] != old, "the same address")
        outer = bench.outer[0]
        outer.sendto(b"answer", send_and_meet(inside, outer))
        expect(arrives(inside, 2), "no answer at the new address")


def cable_comes_back(lab):
    with Bench(lab, "port") as bench:
        inside, outer = bench.inside(), bench.outer[0]
        send_and_meet(inside, outer)
        bench.home.cut_off()
        inside.sendto(b"out", outer.getsockname())
        expect(not arrives(outer), "went through without a cable")
        bench.home.plug_in()
        outer.sendto(b"answer", send_and_meet(inside, outer))
        expect(arrives(inside, 2), "no answer after the cable was back")


def wire_loses_as_asked(lab):
    with Bench(lab, "open", wire=Wire(5, 0, 33.3)) as bench:
        inside, outer = bench.inside(), bench.outer[0]
        for number in range(300):
            inside.sendto(b"%d" % number, outer.getsockname())
            time.sleep(0.0005)
        got = sum(1 for _ in iter(lambda: arrives(outer, 0.05), None))
        expect(160 < got < 240, f"{got} of 300 arrived")


def relay_wants_its_password(lab):
    """Over UDP, TCP and TLS, the last on port 443, which leaves a network that lets nothing else out."""

    def borrow(home, password, *options):
        to = [turn.address, "-p", TLS_PORT if "-S" in options else STUN_PORT]
        who = ["-u", turn.user, "-w", password]
        done = home.machine.run(["turnutils_uclient", *options, "-y", "-c", "-n", 1, "-m", 1, *who, *to])
        return "Total lost packets 0 " in done.stdout, done.stdout[-300:]

    home, strict = lab.home("port"), lab.home("only443")
    trials = [(home, ()), (home, ("-t",)), (strict, ("-t", "-S"))]
    try:
        with Turn(lab) as turn, concurrent.futures.ThreadPoolExecutor() as side_by_side:
            good = [side_by_side.submit(borrow, where, turn.password, *how) for where, how in trials]
            bad = side_by_side.submit(borrow, home, "wrong")
            for (_, how), trial in zip(trials, good):
                works, told = trial.result()
                expect(works, f"{how or 'UDP'}: {told}")
            expect(not bad.result()[0], "a wrong password works")
    finally:
        home.close()
        strict.close()


def mappings_expire(lab):
    with Bench(lab, "port", seconds=1) as bench:
        inside = bench.inside()
        for _ in range(6):  # Linux calls it a stream, with a life of its own, once it is 2 s old
            mapped = send_and_meet(inside, bench.outer[0])
            bench.outer[0].sendto(b"early", mapped)
            expect(arrives(inside, 2), "a fresh mapping was closed")
            time.sleep(0.5)
        time.sleep(2)
        bench.outer[0].sendto(b"late", mapped)
        expect(not arrives(inside), "a mapping of 1 s was open after 2 s")


def restarted_gateway_maps_anew(lab):
    with Bench(lab, "port") as bench:
        inside = bench.inside()
        before = send_and_meet(inside, bench.outer[0])
        bench.home.restart_gateway()
        bench.outer[0].sendto(b"late", before)
        expect(not arrives(inside), "the old mapping still works")
        expect(send_and_meet(inside, bench.outer[0]) != before, "the same mapping came back")


def unknown_is_swallowed(lab):
    """A private address of somebody else's, and a public one that nobody has, give neither answer nor error."""
    with Bench(lab, "port") as bench, Bench(lab, "open") as public:
        for host in (bench, public):
            for address in ("10.99.99.99", "192.168.77.7", "172.17.0.9", "203.0.113.251", "8.8.8.8"):
                sock = host.inside()
                sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
                sock.connect((address, 9))
                sock.send(b"anybody")
                error = error_of(sock, 0.05)
                expect(not error, f"{address} from behind {host.home.kind}: {os.strerror(error)}")
        sock = bench.outside(lab.servers.address)
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        sock.connect(("203.0.113.252", 9))
        for _ in range(2):
            sock.send(b"anybody")
            time.sleep(1.2)  # the router looks for a neighbour for three seconds, then it would complain
        time.sleep(1.2)
        expect(not error_of(sock, 0.05), "the router complained of an unknown neighbour")


def ipv6_firewall_lets_answers_in(lab):
    for policy, stranger_may in (("open", True), ("fw", False)):
        home = lab.home(None, ipv6=policy)
        inside = home.machine.socket(socket.AF_INET6)
        servers = lab.servers
        outer = [servers.node.socket(socket.AF_INET6) for _ in range(2)]
        try:
            inside.bind((home.machine.address6, 0))
            for sock, address in zip(outer, (servers.address6, servers.second6)):
                sock.bind((address, 0))
            seen = send_and_meet(inside, outer[0])
            expect(seen[0] == home.machine.address6, f"{home.machine.address6} was seen as {seen[0]}")
            outer[0].sendto(b"answer", seen)
            expect(arrives(inside, 2), "the answer was not let in")
            outer[1].sendto(b"stranger", seen)
            expect(bool(arrives(inside, SILENCE)) == stranger_may, f"{policy}: a stranger")
        finally:
            for sock in (inside, *outer):
                sock.close()
            home.close()


def two_gateways_translate_twice(lab):
    carrier = lab.home("port", subnet="100.64.7.0/24")
    try:
        with Bench(lab, "port", carrier=carrier) as bench:
            seen = send_and_meet(bench.inside(), bench.outer[0])
            expect(seen[0] == carrier.wan, f"{seen[0]} is not the carrier's {carrier.wan}")
    finally:
        carrier.close()


def machine_sees_its_own_interfaces(lab):
    home = lab.home("port")
    try:
        home.machine.ip("link add docker0 type bridge", "link set docker0 up")
        seen = home.machine.run(["ls", "/sys/class/net"]).stdout.split()
        with home.machine:
            there = [name for _, name in socket.if_nameindex()]
        expect(sorted(seen) == sorted(there) and "docker0" in seen, f"/sys shows {seen}, not {there}")
        expect(home.machine.run(["ls", "/sys/class/net/docker0/bridge"]).returncode == 0, "docker0 is no bridge")
        expect(home.machine.run(["pwd"]).stdout.strip() == os.getcwd(), "a command starts somewhere else")
    finally:
        home.close()


def stun_tells_the_mapping(lab):
    with Bench(lab, "port") as bench:
        inside = bench.inside()
        for server in (lab.servers.address, lab.servers.second):
            inside.sendto(struct.pack("!HHI12s", 1, 0, 0x2112A442, os.urandom(12)), (server, STUN_PORT))
            answer = arrives(inside, 2)
            expect(answer and answer[0][:2] == b"\x01\x01", f"no answer from {server}")
            mapped = xor_mapped(answer[0])
            expect(mapped == (bench.home.wan, inside.getsockname()[1] ^ bench.home.nat.bits), f"told {mapped}")


def xor_mapped(answer):
    """XOR-MAPPED-ADDRESS (0x0020) of an IPv4 answer."""
    at = 20
    while at + 4 <= len(answer):
        kind, size = struct.unpack_from("!HH", answer, at)
        if kind == 0x0020:
            port, address = struct.unpack_from("!HI", answer, at + 6)
            return str(ipaddress.ip_address(address ^ 0x2112A442)), port ^ 0x2112
        at += 4 + (size + 3) // 4 * 4
    return None


def broker_carries_a_message(lab):
    home = lab.home("symr")
    try:
        host = lab.servers.address
        listen = home.machine.start(
            ["mosquitto_sub", "-h", host, "-t", "t", "-C", "1", "-W", "5"], stdout=subprocess.PIPE, text=True
        )
        speak = ["mosquitto_pub", "-h", host, "-t", "t", "-m", "hello"]
        for _ in range(50):
            home.machine.run(speak)
            if select.select([listen.stdout], [], [], 0.05)[0]:
                break
        expect(listen.communicate()[0] == "hello\n", "the message did not arrive")
    finally:
        home.close()


def round_trips(sender, receiver, address, count):
    """In ms. The smallest shows the wire itself, also on a busy machine."""
    times = []
    for number in range(count):
        start = time.perf_counter()
        sender.sendto(b"%d" % number, address)
        expect(select.select([receiver], [], [], 2)[0], "a packet got lost")
        packet, source = receiver.recvfrom(64)
        receiver.sendto(packet, source)
        expect(arrives(sender, 2), "an answer got lost")
        times.append((time.perf_counter() - start) * 1000)
    return times


def delay_is_as_asked(build):
    """In a user namespace this needs a /dev/net/tun that everybody may open, as most systems have it."""
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        raise Skip(f"/dev/net/tun: {error.strerror}") from error
    with Lab(build=build, delay=(40, 30)) as lab, Bench(lab, "open") as left, Bench(lab, "open") as right:
        a, b, server = left.inside(), right.inside(), left.outer[0]
        for name, other, wanted in (("peers", b, 40), ("the servers", server, 30)):
            round_trips(a, other, other.getsockname(), 2)  # the first waits for the neighbours' hardware addresses
            times = round_trips(a, other, other.getsockname(), 15)
            found = f"{name}: {min(times):.2f} ms at best, wanted {wanted} ms"
            expect(wanted <= min(times) < wanted + 2, found)


def checks(lab):
    """(name, function) in the order to be run."""
    for kind in nat.ALL_KINDS:
        if kind in nat.FORBIDDEN:
            yield f"{kind} forbids as named", lambda k=kind: kind_forbids_as_named(lab, k)
            continue
        cone = MAPPING.get(kind) == "one"
        for bits, how in ((0, ", keeping ports"), (0x2A5, ", changing ports")) if cone else ((None, ""),):
            yield f"{kind} maps as named{how}", lambda k=kind, b=bits: kind_maps_as_named(lab, k, b)
            yield f"{kind} filters as named{how}", lambda k=kind, b=bits: kind_filters_as_named(lab, k, b)
            if kind in ("port", "portrej", "fw"):
                name = f"{kind}{how}: an early packet moves no mapping"
                yield name, lambda k=kind, b=bits: early_packet_moves_no_mapping(lab, k, b)
        if kind == "naive":
            yield "naive: an early packet moves the mapping", lambda: early_packet_moves_the_mapping(lab)
        if kind != "open":
            yield f"{kind} refuses as named", lambda k=kind: kind_refuses_as_named(lab, k)
        if kind not in nat.ROUTED:
            yield f"{kind} has hairpin as named", lambda k=kind: kind_has_hairpin_as_named(lab, k)
    yield "addrmap answers from one address only", lambda: addrmap_answers_from_one_address_only(lab)
    yield "a hole swallows large packets", lambda: hole_swallows_large_packets(lab)
    yield "a changed address is another", lambda: changed_address_is_another(lab)
    yield "a moved machine has another address", lambda: moved_machine_has_another_address(lab)
    yield "a cable comes back", lambda: cable_comes_back(lab)
    yield "a wire loses as asked", lambda: wire_loses_as_asked(lab)
    yield "a relay wants its password", lambda: relay_wants_its_password(lab)
    yield "two cones punch, a symmetric NAT does not", lambda: cones_punch(lab)
    yield "an idle mapping expires", lambda: mappings_expire(lab)
    yield "a restarted gateway maps anew", lambda: restarted_gateway_maps_anew(lab)
    yield "unknown addresses are swallowed", lambda: unknown_is_swallowed(lab)
    yield "an IPv6 firewall lets answers in only", lambda: ipv6_firewall_lets_answers_in(lab)
    yield "two NATs in a row translate twice", lambda: two_gateways_translate_twice(lab)
    yield "a machine sees its own interfaces", lambda: machine_sees_its_own_interfaces(lab)
    yield "STUN tells the mapping", lambda: stun_tells_the_mapping(lab)
    yield "the broker carries a message", lambda: broker_carries_a_message(lab)
    yield "the delay is 40 ms between peers and 30 ms to servers", lambda: delay_is_as_asked(lab.build)


def verdict_of(function):
    try:
        function()
        return "ok", ""
    except Skip as error:
        return "skipped", str(error)
    except (Failed, LabError, OSError, subprocess.SubprocessError) as error:
        return "FAILED", str(error)


def self_test(seed, build, patterns=()):
    """Prints a line a check; answers how many failed. One at a time, so that a seed replays."""
    counts = {"ok": 0, "FAILED": 0, "skipped": 0}
    with Lab(seed, build) as lab:
        print(f"seed {lab.seed}")
        for name, function in checks(lab):
            if patterns and not any(pattern in name for pattern in patterns):
                continue
            verdict, complaint = verdict_of(function)
            counts[verdict] += 1
            print(f"{verdict} - {name}{complaint and ': '}{complaint}", flush=True)
    print(f"{counts['ok']} passed, {counts['FAILED']} failed, {counts['skipped']} skipped")
    return counts["FAILED"]
