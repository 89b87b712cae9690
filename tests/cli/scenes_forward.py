"""scenes_forward.py - forward: TCP and UDP over the path, half-close, resets, back-pressure, and what is refused."""

import os
import resource
import socket
import stat
import struct
import subprocess
import threading
import time

from harness import SIGINT, SIGKILL, TIMEOUT, check, descriptors, free_port, rss_kb, until
from scene import scene


class Server:
    """A TCP (or UNIX) server: a thread a connection, which `serve` is given and which ends with it; without, they wait
    in `taken`."""

    def __init__(self, world, serve, path=None):
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.listener.bind(path or ("127.0.0.1", 0))
        self.listener.listen(4096)
        self.address = self.listener.getsockname()
        self.serve = serve
        self.taken = []
        threading.Thread(target=self._run, daemon=True).start()
        world.endings.append(self.close)

    @property
    def port(self):
        return self.address[1]

    def _run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.taken.append(connection)
            if self.serve:
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        try:
            self.serve(connection)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.close()
        for connection in self.taken:
            connection.close()


def echo(connection):
    while data := connection.recv(1 << 16):
        connection.sendall(data)


def connect(port, timeout=TIMEOUT):
    client = socket.create_connection(("127.0.0.1", port), timeout)
    client.settimeout(timeout)
    return client


def read_all(connection):
    data = bytearray()
    while part := connection.recv(1 << 16):
        data += part
    return bytes(data)


def ask(port, data):
    """Sends, ends, and reads to the end."""
    with connect(port) as client:
        threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)), daemon=True).start()
        return read_all(client)


def states(program, state):
    return [e["text"] for e in program.events("forward", state=state)]


def expect_state(program, state, text=""):
    return until(lambda: [t for t in states(program, state) if text in t], TIMEOUT,
                 lambda: f"no forward {state} with {text!r}\n{program.story()}")[0]


def local(world, target, *more, allow=None, here=()):
    """A forward with -L to `target`, and one that allows it; the port here and both programs."""
    port = free_port()
    there = world.run("forward", "--name", "there", "--allow", allow or target, *more)
    near = world.run("forward", "--name", "here", "-L", f"{port}:{target}", *here)
    expect_state(near, "granted")
    return port, near, there


@scene(seconds=2)
def tcp_both_ways(world):
    """What goes into -L comes out at the target, megabytes both ways at once, and each connection ends alone"""
    server = Server(world, echo)
    port, near, there = local(world, f"127.0.0.1:{server.port}")
    for size in (0, 1, 3000001):
        data = os.urandom(size)
        check(ask(port, data) == data, f"{size} bytes were altered or lost")
    near.signal(SIGINT)
    near.expect_code(130)
    there.expect_code(0)


@scene
def near_side_ends_first(world):
    """The end of one direction travels alone: what the target says after it still comes"""
    port, _, _ = local(world, f"localhost:{Server(world, lambda c: c.sendall(read_all(c)[::-1])).port}")
    with connect(port) as client:
        client.sendall(b"abc")
        client.settimeout(0.3)
        try:
            check(False, f"{client.recv(1)!r} came before the end was sent")
        except TimeoutError:
            pass
        client.settimeout(TIMEOUT)
        client.shutdown(socket.SHUT_WR)
        check(read_all(client) == b"cba", "the answer to the end did not come")


@scene
def far_side_ends_first(world):
    """A target that ends first hears everything that is sent to it afterwards"""
    heard = []

    def serve(connection):
        connection.sendall(b"bye")
        connection.shutdown(socket.SHUT_WR)
        heard.append(read_all(connection))

    port, _, _ = local(world, f"127.0.0.1:{Server(world, serve).port}")
    with connect(port) as client:
        check(read_all(client) == b"bye", "the target's words did not come")
        client.sendall(b"still here")
        client.shutdown(socket.SHUT_WR)
        until(lambda: heard == [b"still here"], TIMEOUT, lambda: f"the target heard {heard}")


@scene
def resets_are_resets(world):
    """A reset of either side reaches the other as a reset, not as an end"""
    server = Server(world, None)
    port, _, _ = local(world, f"127.0.0.1:{server.port}")
    linger = struct.pack("ii", 1, 0)
    for near_first in (True, False):
        client = connect(port)
        client.sendall(b"x")
        until(lambda: server.taken, TIMEOUT, "no connection")
        far = server.taken.pop()
        far.settimeout(TIMEOUT)
        check(far.recv(1) == b"x", "the byte did not come")
        first, second = (client, far) if near_first else (far, client)
        first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        first.close()
        try:
            check(False, f"read {second.recv(1)!r} instead of a reset")
        except ConnectionResetError:
            pass
        second.close()


@scene
def remote_listens_there(world):
    """-R listens at the other side, on loopback alone, and leads here; both sides may ask at once"""
    here, there = Server(world, lambda c: c.sendall(b"here")), Server(world, lambda c: c.sendall(b"there"))
    ports = [free_port() for _ in range(3)]
    one = world.run("forward", "--name", "one", "-R", f"{ports[0]}:127.0.0.1:{here.port}",
                    "-L", f"{ports[1]}:localhost:{there.port}")
    two = world.run("forward", "--name", "two", "--allow", str(ports[0]), "--allow", f"LOCALHOST:{there.port}",
                    "-L", f"{ports[2]}:127.0.0.1:{here.port}")
    two.expect_code(1)  # what `one` does not allow ends it, and says how it would
    message = two.expect_event("error", code=1)["message"]
    check(f"--allow 127.0.0.1:{here.port}" in message, message)
    check(any("not allowed" in t for t in states(one, "refused")), one.story())
    one.expect_code(0)
    one = world.run("forward", "--name", "one", "-R", f"{ports[0]}:127.0.0.1:{here.port}",
                    "-L", f"{ports[1]}:localhost:{there.port}", "--allow", f"127.0.0.1:{here.port}", room=world.room + " 2")
    two = world.run("forward", "--name", "two", "--allow", str(ports[0]), "--allow", f"LOCALHOST:{there.port}",
                    "-L", f"{ports[2]}:127.0.0.1:{here.port}", room=world.room + " 2")
    for program, count in ((one, 2), (two, 1)):
        until(lambda: len(states(program, "granted")) == count, TIMEOUT, program.story)
    for port, wanted in zip(ports, (b"here", b"there", b"here")):
        with connect(port) as client:
            check(read_all(client) == wanted, f"port {port} leads elsewhere")
    shown = subprocess.run(["ss", "-Hltn", f"sport = :{ports[0]}"], capture_output=True, text=True, check=False).stdout
    check("127.0.0.1:" in shown and "0.0.0.0" not in shown.split("127.0.0.1")[0], shown)


@scene(seconds=2)
def only_what_was_named(world):
    """Nobody reaches what the other side's user has not named: another port, host, protocol, a port to listen on"""
    server = Server(world, echo)
    port = free_port()
    for wanted in (["-L", f"{port}:127.0.0.2:{server.port}"], ["-L", f"{port}:127.0.0.1:{server.port + 1}"],
                   ["-L", f"{port}:127.0.0.1:{server.port}/udp"], ["-L", f"{port}:localhost:{server.port}"],
                   ["-R", f"{port}:127.0.0.1:{server.port}"], ["-W", f"[::ffff:127.0.0.1]:{server.port}"],
                   ["-L", f"{port}:/run/x"]):
        there = world.run("forward", "--allow", f"127.0.0.1:{server.port}", "--allow", str(port + 1))
        near = world.run("forward", *wanted, stdin=subprocess.PIPE)
        near.expect_code(1)
        check("does not allow" in near.expect_event("error", code=1)["message"], near.story())
        there.expect_code(0)
    check(not server.taken, "it was reached")


def expect_reset(port):
    """Nothing comes; the reset may be as quick as the connection."""
    try:
        with connect(port) as client:
            check(not client.recv(1), "bytes from nowhere")
    except ConnectionResetError:
        pass


@scene
def no_such_target(world):
    """A target that refuses, or whose name nobody knows, resets the connection and is told once; then it works again"""
    port_there = free_port()
    port, near, _ = local(world, f"127.0.0.1:{port_there}")
    for _ in range(3):
        expect_reset(port)
    check("refused" in expect_state(near, "failed") and len(states(near, "failed")) == 1, near.story())
    listener = socket.create_server(("127.0.0.1", port_there))
    world.endings.append(listener.close)
    with connect(port) as client:
        far, _ = listener.accept()
        far.sendall(b"now")
        check(client.recv(3) == b"now", "it does not work again")
        far.close()
    unknown = free_port()
    world.run("forward", "--allow", "no-such-host.invalid:80", room=world.room + " 2")
    near = world.run("forward", "-L", f"{unknown}:no-such-host.invalid:80", room=world.room + " 2")
    expect_state(near, "granted")
    expect_reset(unknown)
    expect_state(near, "failed", "not known")


@scene
def port_in_use(world):
    """A port of -L that is taken ends with 1 before anybody is looked for; one of -R is said by the other side"""
    taken = socket.create_server(("127.0.0.1", 0))
    world.endings.append(taken.close)
    port = taken.getsockname()[1]
    near = world.run("forward", "-L", f"{port}:localhost:1")
    near.expect_code(1)
    message = near.expect_event("error", code=1)["message"]
    check(str(port) in message and "in use" in message and not near.events("room"), near.story())
    world.run("forward", "--allow", str(port))
    near = world.run("forward", "-R", f"{port}:localhost:1")
    near.expect_code(1)
    check("in use there" in near.expect_event("error", code=1)["message"], near.story())


@scene
def unix_sockets(world):
    """UNIX sockets on both ends: ours alone, gone with the program; a stale one of a killed program is no obstacle"""
    server = Server(world, echo, path=world.path("server"))
    path = world.path("gate")
    there = world.run("forward", "--keep", "--allow", server.address)
    for number in (SIGKILL, SIGINT):
        near = world.run("forward", "-L", f"{path}:{server.address}")
        expect_state(near, "granted")
        check(stat.S_IMODE(os.stat(path).st_mode) == 0o600, "others may use the socket")
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(TIMEOUT)
            client.connect(path)
            client.sendall(b"text")
            check(client.recv(4) == b"text", "no echo")
        near.signal(number)
        near.wait()
    check(not os.path.exists(path), "the socket was left behind")
    there.signal(SIGINT)
    there.expect_code(130)


@scene
def standard_input_and_output(world):
    """-W joins standard input and output to a target, as ssh -o ProxyCommand wants it, and ends with 0"""
    server = Server(world, echo)
    world.run("forward", "--keep", "--allow", f"localhost:{server.port}")
    data = os.urandom(1 << 20)
    with open(world.file("data", data), "rb") as file:
        near = world.run("forward", "-W", f"localhost:{server.port}", stdin=file)
    near.expect_code(0)
    check(near.out == data, f"{len(near.out)} of {len(data)} bytes")
    near = world.run("forward", "-W", f"localhost:{server.port}")
    near.send("one")
    near.expect_output("one")
    near.send("two")
    near.expect_output("onetwo")
    near.close_input()
    near.expect_code(0)
    there = world.run("forward", "--allow", f"localhost:{server.port}", room=world.room + " 2")
    near = world.run("forward", "-W", f"localhost:{server.port}", room=world.room + " 2")
    near.send("one")
    near.expect_output("one")
    there.signal(SIGINT)
    near.expect_code(1)  # which is no end


@scene(seconds=3)
def stopped_reader(world):
    """Readers that stop hold back their own connections alone: 40 of them cost the 41st nothing, in less than 64 MB"""
    server = Server(world, None)
    port, near, there = local(world, f"127.0.0.1:{server.port}")
    stopped = []
    for _ in range(40):
        client = connect(port)
        client.setblocking(False)
        stopped.append(client)
    until(lambda: len(server.taken) == 40, TIMEOUT, near.story)
    block = bytes(1 << 16)
    deadline, sent, still = time.monotonic() + 30, 0, 0
    while still < 20 and time.monotonic() < deadline:
        before = sent
        for client in stopped:
            try:
                sent += client.send(block)
            except BlockingIOError:
                pass
        still = still + 1 if sent == before else 0
        time.sleep(0.02 if still else 0)
    check(still == 20, f"{sent} bytes went to readers that do not read, and no end")
    server.serve = echo
    data = os.urandom(8 << 20)
    check(ask(port, data) == data, "the connection beside them was altered")
    most = max(rss_kb(near.pid), rss_kb(there.pid))
    check(world.quick or most < 64 << 10, f"{most} KB resident, {sent >> 20} MB on their way")
    for client in stopped:
        client.close()


@scene(seconds=6, slow=True)
def very_many_connections(world):
    """2,000 connections at once, each with its own bytes: none is lost, and memory grows by less than 8 KB each"""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(2000, (hard - 200) // 2)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * count + 200), hard))
    server = Server(world, None)
    port, near, there = local(world, f"127.0.0.1:{server.port}")
    before = rss_kb(near.pid)
    clients = []
    for _ in range(count):
        clients.append(connect(port))
    for i, client in enumerate(clients):
        client.sendall(struct.pack(">I", i) * 64)
    until(lambda: len(server.taken) == count, 60, lambda: f"{len(server.taken)} of {count}\n{near.story()}")
    for connection in server.taken:
        connection.settimeout(TIMEOUT)
        data = b""
        while len(data) < 256:
            data += connection.recv(256 - len(data))
        connection.sendall(data)
    grown = rss_kb(near.pid) - before
    for i, client in enumerate(clients):
        data = b""
        while len(data) < 256:
            part = client.recv(256 - len(data))
            check(part, f"connection {i} ended")
            data += part
        check(data == struct.pack(">I", i) * 64, f"connection {i} got another's bytes")
        client.close()
    check(grown < 8 * count, f"{grown} KB for {count} connections")
    server.serve = echo
    check(ask(port, b"after") == b"after", near.story() + there.story())


FEW = ["prlimit", "--nofile=320:320"]  # 192 places: 128 descriptors are none


def is_served(client):
    try:
        client.sendall(b"x")
        return client.recv(1) == b"x"
    except ConnectionError:
        return False


def connect_many(port, count):
    """Those that were not refused before we looked."""
    clients = []
    for _ in range(count):
        try:
            clients.append(connect(port))
        except ConnectionResetError:
            pass
    return clients


@scene(seconds=2)
def one_peer_leaves_others_room(world):
    """Who opens one connection after another gets two thirds of all, hears that these are too many, and others are served"""
    server = Server(world, echo)
    target = f"127.0.0.1:{server.port}"
    there = world.run("forward", "--keep", "--name", "there", "--allow", target, before=FEW)
    ports = [free_port(), free_port()]
    greedy, modest = (world.run("forward", "--to", "there", "-L", f"{port}:{target}") for port in ports)
    for near in (greedy, modest):
        expect_state(near, "granted")

    clients = connect_many(ports[0], 200)
    served = [client for client in clients if is_served(client)]
    check(len(served) == 128, f"{len(served)} of 200 were served\n{greedy.story()}{there.story()}")
    check(expect_state(greedy, "failed") == f"{target}: the other side has too many already", greedy.story())
    check(len(states(there, "full")) == 1 and "has 128 connections" in states(there, "full")[0], there.story())
    others = [connect(ports[1]) for _ in range(30)]
    check(all(is_served(client) for client in others), modest.story() + there.story())
    check(all(is_served(client) for client in served), "a connection was lost to another peer's")
    for client in clients + others:
        client.close()

    def is_served_again():
        with connect(ports[0]) as client:
            return is_served(client)

    until(is_served_again, TIMEOUT, greedy.story)


@scene
def who_comes_too_many_waits(world):
    """Where all places of the side that listens are taken, it says so, and the next wait at its socket until one ends"""
    server = Server(world, None)
    target, port = f"127.0.0.1:{server.port}", free_port()
    world.run("forward", "--allow", target)
    near = world.run("forward", "-L", f"{port}:{target}", before=FEW)
    expect_state(near, "granted")
    clients = connect_many(port, 200)
    expect_state(near, "full", "has 192 connections")
    until(lambda: len(server.taken) == 192, TIMEOUT, lambda: f"{len(server.taken)} came\n{near.story()}")
    time.sleep(0.1)
    check(len(server.taken) == 192, f"{len(server.taken)} came")
    for number in range(3):
        server.taken[number].close()
        clients[number].close()
    until(lambda: len(server.taken) == 195, TIMEOUT, lambda: f"{len(server.taken)} came\n{near.story()}")
    for client in clients:
        client.close()


# ---- UDP ----


def udp_echo(world):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def run():
        while True:
            try:
                data, source = server.recvfrom(65536)
                if not data:
                    return
                server.sendto(data, source)
            except OSError:
                return

    threading.Thread(target=run, daemon=True).start()
    world.endings.append(lambda: (server.sendto(b"", server.getsockname()), server.close()))
    return server.getsockname()[1]


def udp_ask(client, port, data):
    for _ in range(20):
        client.sendto(data, ("127.0.0.1", port))
        client.settimeout(1)
        try:
            return client.recv(65536)
        except OSError:
            continue
    return None


@scene
def udp_flows(world):
    """--udp carries datagrams, each source its own flow, answers to whom they belong; -R does it the other way"""
    there_port, ports = udp_echo(world), [free_port(socket.SOCK_DGRAM) for _ in range(2)]
    there = world.run("forward", "--udp", "--name", "there", "--allow", f"127.0.0.1:{there_port}", "--allow", str(ports[1]))
    near = world.run("forward", "--udp", "--name", "here", "-L", f"{ports[0]}:127.0.0.1:{there_port}",
                     "-R", f"{ports[1]}:127.0.0.1:{there_port}")
    until(lambda: len(states(near, "granted")) == 2, TIMEOUT, near.story)
    clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(20)]
    for port in ports:
        for i, client in enumerate(clients):
            data = b"%d " % i + os.urandom(1000)
            check(udp_ask(client, port, data) == data, f"flow {i} has no answer, or another's\n{there.story()}")
    for client in clients:
        client.close()


@scene
def udp_too_large(world):
    """A datagram that no packet of the path can hold is told once, with what it can hold; smaller ones go on"""
    server = udp_echo(world)
    port = free_port(socket.SOCK_DGRAM)
    world.run("forward", "--allow", f"127.0.0.1:{server}/udp")
    near = world.run("forward", "-L", f"{port}:127.0.0.1:{server}/udp")
    expect_state(near, "granted")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for _ in range(3):
            client.sendto(bytes(40000), ("127.0.0.1", port))
        check(udp_ask(client, port, b"small") == b"small", near.story())
    text = expect_state(near, "too-large")
    check("40000" in text and len(states(near, "too-large")) == 1, near.story())


@scene(seconds=2)
def flows_leave_others_room(world):
    """Flows of UDP take places as connections do, two thirds of all, give way to newer ones and to connections, and others are served"""
    targets = [f"127.0.0.1:{Server(world, echo).port}", f"127.0.0.1:{udp_echo(world)}/udp"]
    there = world.run("forward", "--keep", "--name", "there", "--allow", targets[0], "--allow", targets[1], before=FEW)
    there.expect_event("room")
    before = descriptors(there.pid)
    nears, ports = [], []
    for _ in range(2):
        ports.append((free_port(), free_port(socket.SOCK_DGRAM)))
        locals_of = [f"{port}:{target}" for port, target in zip(ports[-1], targets)]
        nears.append(world.run("forward", "--to", "there", "-L", locals_of[0], "-L", locals_of[1]))
    for near in nears:
        until(lambda: len(states(near, "granted")) == 2, TIMEOUT, near.story)
    clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(340)]

    def expect_taken(count):
        until(lambda: descriptors(there.pid) == before + count, TIMEOUT,
              lambda: f"{descriptors(there.pid) - before} places are taken, not {count}\n{there.story()}")

    def has_answers(sources, port):
        return all(udp_ask(source, port, b"%d" % i) == b"%d" % i for i, source in enumerate(sources))

    check(has_answers(clients[:320], ports[0][1]), "a flow was lost to another peer's or is not replaced\n" + there.story())
    expect_taken(128)
    others = connect_many(ports[1][0], 20)
    check(len(others) == 20 and all(is_served(client) for client in others), nears[1].story() + there.story())
    check(has_answers(clients[320:], ports[1][1]), nears[1].story() + there.story())
    expect_taken(128 + 40)
    served = [client for client in connect_many(ports[0][0], 200) if is_served(client)]
    check(len(served) == 128, f"{len(served)} of 200 were served\n{nears[0].story()}{there.story()}")
    expect_taken(128 + 40)
    clients[0].sendto(b"x", ("127.0.0.1", ports[0][1]))
    check(has_answers(clients[320:], ports[1][1]) and all(is_served(client) for client in others), there.story())
    clients[0].settimeout(0.2)
    try:
        check(False, f"{clients[0].recv(1)!r} came for one that has nothing but connections")
    except TimeoutError:
        pass
    for client in served:
        client.close()
    expect_taken(40)
    check(has_answers(clients[:1], ports[0][1]), "a place that was given back cannot be had again")
    for client in clients + others:
        client.close()


# ---- staying ----


@scene(seconds=2)
def keep_takes_the_next(world):
    """With --keep both sides stay: after the other was killed or left, its successor is asked and served anew"""
    server = Server(world, echo)
    port = free_port()
    near = world.run("forward", "--keep", "-L", f"{port}:127.0.0.1:{server.port}", "--max-peers", "8")
    for _ in range(2):
        there = world.run("forward", "--name", "there", "--allow", f"127.0.0.1:{server.port}")
        there.expect_event("forward", state="allowed")
        check(ask(port, b"text") == b"text", near.story())
        there.signal(SIGINT)
        there.expect_code(130)
        near.expect_event("closed", reason="left")
    check(near.process.poll() is None, near.story())
    near.signal(SIGINT)
    near.expect_code(130)


@scene(seconds=4)
def keep_waits_for_a_broker(world):
    """With --keep a forward that finds no broker does not end: it is there once the broker is"""
    server, port, there_port = Server(world, echo), free_port(), free_port()
    near = world.run("forward", "--keep", "-L", f"{port}:127.0.0.1:{server.port}", broker=f"127.0.0.1:{there_port}")
    near.expect_event("broker")
    world.broker(port=there_port)
    world.run("forward", "--allow", f"127.0.0.1:{server.port}", broker=f"127.0.0.1:{there_port}")
    until(lambda: states(near, "granted"), 30, near.story)
    check(ask(port, b"text") == b"text", near.story())


@scene
def forward_usage(world):
    """Forwards that cannot be meant end with 2"""
    for args in ([], ["-L", "80"], ["-L", "80:host"], ["-L", "0:host:1"], ["-L", "1:host:65536"], ["-L", "1:[host]:1"],
                 ["-L", "1:a b:1"], ["-L", "1:host:1/sctp"], ["-R", "/path:host:1"], ["-R", "0.0.0.0:1:host:1"], ["-W", "host"],
                 ["-W", "host:1/udp"], ["--allow", "host"], ["--allow", "*:1"], ["-W", "h:1", "--keep"]):
        program = world.plain("forward", "--room", "r", *args, stdin=subprocess.DEVNULL)
        program.expect_code(2)
        check(len(program.lines) == 1, program.story())
