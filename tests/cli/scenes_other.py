"""scenes_other.py - ping, echo, the STUN server, the examples."""

import os
import re
import shutil
import socket
import struct
import subprocess
import time

from harness import SIGINT, Skip, check, free_port, until
from scene import scene


@scene(seconds=3)
def ping_and_echo(world):
    """ping says round trips, loss, path and why, first at once; the echo ends with it"""
    echo = world.run("echo", "--name", "attic")
    ping = world.run("ping", "-c", "3")
    begun = time.monotonic()
    ping.expect_output("from attic: ")
    check(time.monotonic() - begun < 0.9, "the first ping was not sent at once")
    ping.expect_code(0)
    echo.expect_code(0)
    lines = ping.out.decode().splitlines()
    check(len(lines) == 5, ping.story())
    check(all(re.fullmatch(r"from attic: \d+\.\d ms via host \S+:\d+", line) for line in lines[:3]), ping.story())
    check(lines[3].startswith("3 sent, 3 came back, 0 % lost; min ") and lines[4].startswith("path: host; "), ping.story())
    summary = ping.expect_event("summary")
    check(summary["sent"] == 3 and summary["received"] == 3 and 0 < summary["min_ms"] <= summary["max_ms"], str(summary))
    check(len(ping.events("ping", name="attic")) == 3, ping.story())


@scene
def everybody_answers_pings(world):
    """A chat that talks and a pipe that waits answer pings, and go on as before"""
    anna, bert = world.pair()
    ping = world.run("ping", "-c", "1", "--to", "anna")
    ping.expect_code(0)
    check(b"1 came back" in ping.out, ping.story())
    anna.send("undisturbed\n")
    bert.expect_output("anna: undisturbed\n")
    room = world.room + " pipe"
    pipe = world.run("pipe", "--name", "pipe", room=room)
    ping = world.run("ping", "-c", "1", room=room)
    ping.expect_code(0)
    other = world.run("pipe", "--name", "other", room=room)
    pipe.expect_event("connected", name="other")
    other.close_input()
    pipe.close_input()
    other.expect_code(0)
    pipe.expect_code(0)


@scene
def echo_sends_back(world):
    """What a pipe sends to an echo comes back whole; with --keep the echo serves the next one too"""
    echo = world.run("echo", "--keep", "--name", "attic")
    data = os.urandom(3 << 20)
    for _ in range(2):
        with open(world.file("data", data), "rb") as file:
            pipe = world.run("pipe", stdin=file)
        pipe.expect_code(0)
        check(pipe.out == data, f"{len(pipe.out)} of {len(data)} bytes")
    check(echo.process.poll() is None, echo.story())
    echo.signal(SIGINT)
    echo.expect_code(130)


@scene
def echo_serves_one(world):
    """Without --keep an echo ends with 0 after its first peer"""
    echo = world.run("echo")
    pipe = world.run("pipe", stdin=subprocess.DEVNULL)
    pipe.expect_code(0)
    echo.expect_code(0)


@scene
def interrupted_ping(world):
    """Ctrl-C ends a ping with 130"""
    world.run("echo", "--keep")
    ping = world.run("ping", "-c", "100")
    ping.expect_output("from ")
    ping.signal(SIGINT)
    ping.expect_code(130)


@scene(seconds=3)
def ping_without_answer(world):
    """A ping that nothing comes back to ends with 7 and says so"""
    world.start([world.example("poll_loop"), world.room, "mute", world.shared_broker.url, "none"])
    ping = world.run("ping", "-c", "1")
    ping.expect_code(7)
    check(b"1 sent, 0 came back, 100 % lost" in ping.out, ping.story())
    check("nothing came back" in ping.expect_event("error", code=7)["message"], ping.story())


# ---- the STUN server ----


def free_ports():
    """A port that is free on 127.0.0.1 and 127.0.0.2, as is the next one."""
    while True:
        port = free_port(socket.SOCK_DGRAM)
        try:
            for address in ("127.0.0.1", "127.0.0.2"):
                for number in (port, port + 1):
                    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                        probe.bind((address, number))
            return port
        except OSError:
            continue


def stun_server(world, *addresses):
    port = free_ports()
    args = [word for address in addresses for word in ("--address", address)]
    server = world.plain("stun-server", "--port", str(port), "--json", *args, stdin=subprocess.DEVNULL)
    wanted = (4 if len(addresses) == 2 else 1) if addresses else 2 if socket.has_ipv6 else 1
    until(lambda: len(server.events("listening")) >= wanted, 10, server.story)
    return server, port


def ask(address, port, attributes=b"", timeout=2):
    """A binding request; returns (answer, who answered)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout)
        client.sendto(struct.pack(">HHI", 1, len(attributes), 0x2112A442) + os.urandom(12) + attributes, (address, port))
        answer, source = client.recvfrom(2048)
        return answer, source[:2], client.getsockname()[1]


def attribute(answer, wanted):
    at = 20
    while at + 4 <= len(answer):
        kind, length = struct.unpack(">HH", answer[at:at + 4])
        if kind == wanted:
            return answer[at + 4:at + 4 + length]
        at += 4 + (length + 3) // 4 * 4
    return None


@scene
def stun_server_answers(world):
    """The STUN server tells over IPv4 and IPv6 which address it sees, from where it was asked"""
    server, port = stun_server(world)
    for address in ("127.0.0.1", "127.0.0.9", "::1"):
        try:
            answer, source, own = ask(address, port)
        except OSError as problem:
            if address == "::1":
                raise Skip(f"no IPv6 here: {problem}") from None
            raise
        mapped = attribute(answer, 0x0020)
        check(answer[:2] == b"\x01\x01" and mapped, repr(answer))
        check(struct.unpack(">H", mapped[2:4])[0] ^ 0x2112 == own, "not the port that it saw")
        check(source == (address, port), f"{address} was asked and {source} answered")
    server.signal(SIGINT)
    server.expect_code(130)


@scene
def stun_server_with_two_addresses(world):
    """With two addresses the STUN server names the other one, and answers from it when asked to (RFC 5780)"""
    _, port = stun_server(world, "127.0.0.1", "127.0.0.2")
    answer, source, _ = ask("127.0.0.1", port)
    other = attribute(answer, 0x802C)
    check(other and other[4:] == socket.inet_aton("127.0.0.2") and struct.unpack(">H", other[2:4])[0] == port + 1,
          f"OTHER-ADDRESS is {other!r}")
    for flags, wanted in ((6, ("127.0.0.2", port + 1)), (2, ("127.0.0.1", port + 1)), (4, ("127.0.0.2", port))):
        _, source, _ = ask("127.0.0.1", port, struct.pack(">HHI", 3, 4, flags))
        check(source == wanted, f"CHANGE-REQUEST {flags} was answered from {source}")


@scene
def stun_server_refuses_padding(world):
    """A request with PADDING is longer than a packet; the STUN server hears it all and refuses the attribute"""
    _, port = stun_server(world, "127.0.0.1")
    for length in (4, 1500, 9000, 65000):
        answer, _, _ = ask("127.0.0.1", port, struct.pack(">HH", 0x0026, length) + bytes(length))
        check(answer[:2] == b"\x01\x11" and attribute(answer, 0x0009)[:4] == b"\0\0\4\x14", f"{length}: {answer!r}")
        check(attribute(answer, 0x000A) == b"\0\x26", f"{length}: {answer!r}")


@scene
def stun_server_and_the_standard_client(world):
    """turnutils_stunclient is content with the STUN server"""
    client = shutil.which("turnutils_stunclient")
    if not client:
        raise Skip("turnutils_stunclient is not installed")
    _, port = stun_server(world, "127.0.0.1", "127.0.0.2")
    seen = subprocess.run([client, "-p", str(port), "127.0.0.1"], capture_output=True, text=True, timeout=20, check=False)
    check("reflexive addr: 127.0.0.1:" in seen.stdout, seen.stdout + seen.stderr)


@scene
def stun_server_on_a_busy_port(world):
    """A STUN server whose port is taken ends with 1 and says which"""
    _, port = stun_server(world, "127.0.0.1")
    second = world.plain("stun-server", "--port", str(port), "--address", "127.0.0.1", stdin=subprocess.DEVNULL)
    second.expect_code(1)
    check(str(port) in second.err, second.story())


@scene
def peers_ask_the_stun_server(world):
    """Two peers with our STUN server still meet by the shortest path"""
    _, port = stun_server(world, "127.0.0.1")
    anna, _ = world.pair(stun=f"127.0.0.1:{port}")
    check(anna.expect_event("connected")["kind"] == "host", anna.story())


# ---- the examples ----


@scene
def examples_echo_and_pipe(world):
    """The example pipe gets back from the example echo, and from the command's, what it sends"""
    data = os.urandom(1 << 20)
    rooms = [world.room + " example", world.room + " command"]
    common = [world.shared_broker.url, "none"]
    world.start([world.example("echo"), rooms[0], *common])
    world.run("echo", room=rooms[1])
    for room in rooms:
        with open(world.file("data", data), "rb") as file:
            pipe = world.start([world.example("pipe"), room, *common], stdin=file)
        pipe.expect_code(0)
        check(pipe.out == data, f"{len(pipe.out)} of {len(data)} bytes")
    with open(world.file("data", data), "rb") as file:
        pipe = world.run("pipe", room=rooms[0], stdin=file)
    pipe.expect_code(0)
    check(pipe.out == data, "the example echo does not serve the command")


@scene
def example_chat(world):
    """The example chat talks with the command's chat, and shows no control characters"""
    example = world.start([world.example("chat"), world.room, "anna", world.shared_broker.url, "none"])
    bert = world.run("chat", "--name", "bert")
    bert.expect_event("connected", name="anna")
    bert.send("hello\x1b[31m anna\n\nend\n")
    example.expect_output("them: hello?[31m anna\nthem: \nthem: end\n")
    example.send("hello bert\n")  # it is connected, too, by now
    bert.expect_output("anna: hello bert\n")
    example.close_input()
    example.expect_code(0)
    bert.expect_event("closed", name="anna", reason="left")


@scene(seconds=3)
def example_poll_loop(world):
    """Two programs with loops of their own tell each other their seconds"""
    loops = [world.start([world.example("poll_loop"), world.room, name, world.shared_broker.url, "none"])
             for name in ("anna", "bert")]
    for loop in loops:
        loop.expect_output("second 1\n")
        loop.expect_output("a peer is at second ")
