"""scenes_readme.py - the tasks of the README, with its own commands: what a newcomer copies must work."""

import getpass
import os
import re
import shutil
import socket
import subprocess
import threading

from harness import check, free_port, need, own_network, until
from scene import scene

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def section(page, heading):
    with open(os.path.join(TOP, page), encoding="utf-8") as file:
        found = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", file.read(), re.M | re.S)
    check(found, f"{page} has no {heading}")
    return found.group(1)


def blocks(page, heading):
    """The commands of a section, a list for each block."""
    text = re.findall(r"(?:^    .+\n)+", section(page, heading), re.M)
    return [[line.strip() for line in block.splitlines()] for block in text]


class Machines:
    """A folder in which the README's commands run as they stand: p2pconnect is found, a broker of this scene is the usual
    one, the code lies in `code`. Ports are others, for those of the README may be in use here."""

    def __init__(self, world, ports):
        self.world, self.ports = world, ports
        self.tasks = blocks("README.md", "Five tasks, two commands each")
        os.makedirs(world.path("bin"), exist_ok=True)
        os.symlink(os.path.abspath(world.program), world.path("bin/p2pconnect"))
        code = subprocess.run([world.program, "code"], stdout=subprocess.PIPE, check=True).stdout
        world.file("code", code)
        self.broker = world.broker()

    def task(self, *words):
        """The block whose commands have these words."""
        found = [block for block in self.tasks if all(word in " ".join(block) for word in words)]
        check(len(found) == 1 and len(found[0]) == 2, f"{words}: {found}")
        return found[0]

    def start(self, command, **options):
        for port, other in self.ports.items():
            command = re.sub(rf"\b{port}\b", str(other), command)
        env = {"PATH": self.world.path("bin") + ":" + os.environ["PATH"], "P2PCONNECT_BROKER": self.broker.url,
               "P2PCONNECT_STUN": "none", "P2PCONNECT_WAIT": "20"}
        return self.world.start(["sh", "-c", "exec " + command], env=env, cwd=self.world.folder, **options)


def serve(kind, answer):
    """A server on loopback that answers what comes with answer(bytes); its port."""
    sock = socket.socket(socket.AF_INET, kind)
    sock.bind(("127.0.0.1", 0))

    def stream():
        sock.listen()
        while True:
            with sock.accept()[0] as guest:
                guest.sendall(answer(guest.recv(4096)))

    def datagrams():
        while True:
            data, source = sock.recvfrom(4096)
            sock.sendto(answer(data), source)

    threading.Thread(target=stream if kind == socket.SOCK_STREAM else datagrams, daemon=True).start()
    return sock.getsockname()[1]


@scene(seconds=2)
def readme_talk(world):
    """README: two who say the same room talk"""
    machines = Machines(world, {})
    anna, bert = (machines.start(command) for command in machines.task("chat"))
    anna.send("hello from here\n")
    bert.expect_output("hello from here")
    bert.send("and from there\n")
    anna.expect_output("and from there")


@scene(seconds=2)
def readme_send_a_folder(world):
    """README: a folder goes to a friend, who is asked"""
    machines = Machines(world, {})
    send, receive = machines.task("send photos", "receive")
    os.makedirs(world.path("photos/summer"))
    world.file("photos/summer/sea.jpg", os.urandom(500_000))
    os.makedirs(world.path("friend"))
    sender = machines.start(send)
    receiver = machines.start("env --chdir=friend " + receive)
    receiver.expect_sentence("offers photos: 1 file")
    receiver.send("y\n")
    receiver.expect_code(0)
    sender.expect_code(0)
    with open(world.path("friend/photos/summer/sea.jpg"), "rb") as got, open(world.path("photos/summer/sea.jpg"), "rb") as sent:
        check(got.read() == sent.read(), "the file is another one")


@scene(seconds=2)
def readme_web_server(world):
    """README: the web server at home answers on the road"""
    web = serve(socket.SOCK_STREAM, lambda request: b"HTTP/1.0 200 OK\r\n\r\nhome, asked for " + request.split()[1])
    machines = Machines(world, {80: web, 8080: free_port()})
    home, road = (machines.start(command) for command in machines.task("localhost:80", "-L 8080"))
    road.expect_sentence("connected to")

    def ask():
        try:
            with socket.create_connection(("127.0.0.1", machines.ports[8080]), 5) as browser:
                browser.sendall(b"GET /garden HTTP/1.0\r\n\r\n")
                return b"".join(iter(lambda: browser.recv(4096), b""))
        except OSError:
            return b""

    until(lambda: b"home, asked for /garden" in ask(), 15, lambda: f"no page\n{home.story()}\n{road.story()}")


@scene(seconds=2)
def readme_wireguard(world):
    """README: datagrams, as those of WireGuard, go through and come back"""
    home_port = serve(socket.SOCK_DGRAM, lambda data: b"answer to " + data)
    road_port = free_port(socket.SOCK_DGRAM)
    machines = Machines(world, {})
    home, road = machines.task("51820/udp", "-L 51820")
    machines.start(home.replace("51820", str(home_port)))
    tunnel = machines.start(road.replace("-L 51820:", f"-L {road_port}:").replace("51820", str(home_port)))
    tunnel.expect_sentence("connected to")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.2)

        def ask():
            try:
                client.sendto(b"handshake", ("127.0.0.1", road_port))
                return client.recv(100)
            except OSError:
                return b""

        until(lambda: ask() == b"answer to handshake", 15, tunnel.story)


def sshd(world):
    """A real sshd on a loopback port that lets us in with a key; and an ssh that knows it. The port."""
    need("sshd")
    need("ssh")
    port = free_port()
    for key in ("host", "own"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", world.path(key)], check=True)
    world.file("sshd_config", f"Port {port}\nListenAddress 127.0.0.1\nHostKey {world.path('host')}\nUsePAM no\nStrictModes no\n"
                              f"AuthorizedKeysFile {world.path('own.pub')}\nPidFile none\n")
    world.file("ssh_config", f"IdentityFile {world.path('own')}\nStrictHostKeyChecking no\nUserKnownHostsFile /dev/null\n"
                             "LogLevel ERROR\nBatchMode yes\n")
    os.makedirs(world.path("bin"), exist_ok=True)
    wrapper = world.file("bin/ssh", f"#!/bin/sh\nexec {shutil.which('ssh')} -F {world.path('ssh_config')} \"$@\"\n")
    os.chmod(wrapper, 0o700)
    # started by root it wants a folder in /run; this one is its own
    place = own_network()[:-1] + ["-rm" if os.geteuid() else "-m"]
    server = world.start([*place, "sh", "-c", 'mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec "$0" -D -e -f "$1"',
                          shutil.which("sshd"), world.path("sshd_config")])
    until(lambda: "listening" in server.err, 10, server.story)
    return port


@scene(seconds=3, slow=True)
def readme_ssh(world):
    """README: ssh reaches home, and any machine of a room by its name, with a real sshd at the other end"""
    machines = Machines(world, {22: sshd(world)})
    home, road = machines.task("-W localhost:22", "@home")
    each, any_of = machines.task("-W localhost:22", "@attic")
    user = getpass.getuser()

    def reach(command):
        ssh = machines.start(command.replace("me@", user + "@") + " echo inside", stdin=subprocess.DEVNULL)
        ssh.expect_code(0, timeout=30)
        check(ssh.out == b"inside\n", ssh.story())

    alone = machines.start(home)
    reach(road)
    alone.end()
    for name in ("attic", "shed"):
        machines.start(each.replace("--name attic", f"--name {name}")).expect_sentence("in room")
    for name in ("attic", "shed"):
        reach(any_of.replace("me@attic", f"me@{name}"))


@scene
def readme_explain(world):
    """README: a ping into explain draws a picture"""
    machines = Machines(world, {})
    echo = machines.start("p2pconnect echo --room kitchen")
    (command,), = [block for block in blocks("README.md", "When something does not work") if "explain" in block[0]]
    drawn = machines.start(f"sh -c '{command}'")
    drawn.expect_code(0)
    check(b"met and proven" in drawn.out and b"connected: host" in drawn.out, drawn.story())
    echo.expect_code(0)


@scene
def readme_hello(world):
    """examples/README.md has hello.c as it is, and two of it greet each other and end"""
    with open(os.path.join(TOP, "examples/hello.c"), encoding="utf-8") as file, \
            open(os.path.join(TOP, "examples/README.md"), encoding="utf-8") as page:
        check("```c\n" + file.read() + "```\n" in page.read(), "the page's program is not hello.c")
    pair = [world.start([world.example("hello"), world.room, world.shared_broker.url, "none"]) for _ in range(2)]
    for hello in pair:
        hello.expect_code(0)
        check(hello.out == b"hello over there\n" and not hello.lines, hello.story())


@scene
def security_names_its_tests(world):
    """Every promise of signaling/security.md names tests, and all of them are there"""
    del world
    scenes = set()
    for folder in ("tests/cli", "tests/adversary"):
        for name in os.listdir(os.path.join(TOP, folder)):
            if name.startswith("scenes_"):
                with open(os.path.join(TOP, folder, name), encoding="utf-8") as file:
                    scenes |= set(re.findall(r"^@scene.*\ndef (\w+)\(", file.read(), re.M))
    rows = [line for line in section("signaling/security.md", "What is promised").splitlines() if line.startswith("| ")][1:]
    check(len(rows) > 15, f"{len(rows)} promises")
    for row in rows[1:] if set(rows[0]) <= set("|- ") else rows:
        promise, _, tests = row.strip("| ").rsplit(" | ", 2)
        named = re.findall(r"`(\w+)`", tests)
        check(named and set(named) <= scenes, f"{promise}: {set(named) - scenes or 'no test'}")
