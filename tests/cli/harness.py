"""harness.py - what the scenarios share: a broker on a free port, a running program and its events, small fakes.

Every wait has a limit; what a scenario starts ends with it, and with the thread that runs it even after kill -9.
"""

import json
import os
import shutil
import signal
import random
import socket
import struct
import subprocess
import tempfile
import threading
import time

TIMEOUT = 15.0  # seconds that a healthy machine never needs; the sanitizers and a busy machine do


class Failure(Exception):
    """Something that must hold does not; the text says what was seen."""


class Skip(Exception):
    """This machine cannot run the scenario; the text says why."""


def check(condition, text):
    if not condition:
        raise Failure(text)


def need(program):
    """Skips the scene where the program is not installed."""
    if not shutil.which(program):
        raise Skip(f"{program} is not installed")


def free_port(kind=socket.SOCK_STREAM):
    """Below the ports that systems choose by themselves: a server that is started again there later finds it free."""
    while True:
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", random.randrange(10000, 30000)))
                return probe.getsockname()[1]
            except OSError:
                continue


def until(condition, timeout, what):
    """Waits for condition() to be true and returns its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(what() if callable(what) else what)
        time.sleep(0.01)


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def cpu_seconds(pid):
    """Spent so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        user, system = stat.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def rss_kb(pid):
    """Resident memory now."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


def with_parent(argv):
    """The command, dying with the thread that starts it."""
    return ["setpriv", "--pdeathsig", "KILL", "--"] + [a if isinstance(a, bytes) else str(a) for a in argv]


class Program:
    """A running p2pconnect (or an example). Its output and its events are collected as they come."""

    def __init__(self, argv, env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, before=(), **options):
        self.argv = argv
        self.out = bytearray()
        self.lines = []  # of standard error: (seconds, text)
        self.started = time.monotonic()
        self.process = subprocess.Popen(with_parent(list(before) + list(argv)), env=env, stdin=stdin, stdout=stdout,
                                        stderr=stderr, **options)
        self.readers = []
        for stream, take in ((self.process.stdout, self._take_out), (self.process.stderr, self._take_err)):
            if stream:
                reader = threading.Thread(target=take, args=(stream,), daemon=True)
                reader.start()
                self.readers.append(reader)

    def _take_out(self, stream):
        try:
            while data := os.read(stream.fileno(), 1 << 16):
                self.out += data
        except (OSError, ValueError):
            return  # closed by end()

    def _take_err(self, stream):
        try:
            for line in iter(stream.readline, b""):
                self.lines.append((time.monotonic() - self.started, line.decode("utf-8", "replace").rstrip("\n")))
        except (OSError, ValueError):
            return  # closed by end()

    @property
    def pid(self):
        return self.process.pid

    @property
    def err(self):
        return "\n".join(text for _, text in list(self.lines))

    def events(self, name=None, /, **members):
        found = []
        for seconds, text in list(self.lines):
            try:
                event = json.loads(text)
            except ValueError:
                continue
            if (name is None or event.get("event") == name) and all(event.get(k) == v for k, v in members.items()):
                found.append(dict(event, at=self.started + seconds))
        return found

    def expect_event(self, name, /, timeout=TIMEOUT, **members):
        return until(lambda: self.events(name, **members), timeout,
                     lambda: f"no event {name} {members or ''} within {timeout} s\n{self.story()}")[-1]

    def expect_output(self, text, timeout=TIMEOUT):
        text = text.encode() if isinstance(text, str) else text
        until(lambda: text in self.out, timeout, lambda: f"no {text!r} on standard output in {timeout} s\n{self.story()}")

    def expect_sentence(self, text, timeout=TIMEOUT):
        until(lambda: text in self.err, timeout, lambda: f"no {text!r} on standard error in {timeout} s\n{self.story()}")

    def send(self, data):
        self.process.stdin.write(data.encode() if isinstance(data, str) else data)
        self.process.stdin.flush()

    def close_input(self):
        self.process.stdin.close()

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=TIMEOUT):
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"did not end within {timeout} s\n{self.story()}") from None
        for reader in self.readers:
            reader.join(5)
        return code

    def expect_code(self, code, timeout=TIMEOUT):
        seen = self.wait(timeout)
        check(seen == code, f"exit code {seen}, not {code}\n{self.story()}")

    def story(self):
        command = " ".join(a if isinstance(a, str) else repr(a) for a in self.argv[1:])
        return f"--- {command}\n{self.err[-1500:]}\n--- output: {bytes(self.out[-300:])!r}"

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                try:
                    stream.close()
                except OSError:
                    pass


class Broker:
    """A mosquitto of its own on a loopback port."""

    def __init__(self, folder, port=None, extra=""):
        self.port = port or free_port()
        self.folder = folder
        self.config = os.path.join(folder, f"mosquitto-{self.port}.conf")
        with open(self.config, "w", encoding="ascii") as config:
            config.write(f"listener {self.port} 127.0.0.1\nset_tcp_nodelay true\nuser root\n"
                         + (extra or "allow_anonymous true\n"))
        self.process = None
        self.start()

    def start(self):
        server = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:" + os.environ.get("PATH", ""))
        if not server:
            raise Skip("mosquitto is not installed")
        self.process = subprocess.Popen(with_parent([server, "-c", self.config]), stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        until(self.answers, TIMEOUT, f"mosquitto on port {self.port} does not start")

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    @property
    def url(self):
        return f"127.0.0.1:{self.port}"


class Scene:
    """One scenario's world: a folder, programs, brokers. `with` cleans it up."""

    shared_broker = None
    build = "build"
    quick = False
    number = 0
    lock = threading.Lock()

    def __init__(self):
        with Scene.lock:
            Scene.number += 1
            self.room = f"room {os.getpid()} {Scene.number}"
        self.folder = tempfile.mkdtemp(prefix="p2pconnect-cli-")
        self.endings = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for ending in reversed(self.endings):
            ending()
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def file(self, name, data):
        """Readable by us alone: it may be a secret."""
        with open(self.path(name), "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            out.write(data.encode() if isinstance(data, str) else data)
        return self.path(name)

    def environment(self, **extra):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("P2PCONNECT_", "XDG_", "NO_COLOR"))}
        # the router of the network that we run in is not ours to ask
        env["P2PCONNECT_NO_PORTMAP"] = "yes"
        env.update(HOME=self.folder, XDG_CONFIG_HOME=self.path("config-home"))
        suppressions = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lsan.supp")
        env["LSAN_OPTIONS"] = f"suppressions={suppressions}:print_suppressions=0"
        env.update({k: v for k, v in extra.items() if v is not None})
        return env

    @property
    def program(self):
        return os.path.join(Scene.build, "p2pconnect")

    def example(self, name):
        path = os.path.join(Scene.build, "examples", name)
        if not os.access(path, os.X_OK):
            raise Skip(f"{path} is not built")
        return path

    def start(self, argv, env=None, **options):
        program = Program(argv, self.environment(**(env or {})), **options)
        self.endings.append(program.end)
        return program

    def run(self, *args, broker=None, room=None, stun="none", json_lines=True, env=None, **options):
        """p2pconnect ARGS in this scene's room, by the shared broker unless another is given."""
        argv = [self.program, *args, "--room", room or self.room, "--broker", broker or Scene.shared_broker.url]
        if stun:
            argv += ["--stun", stun]
        if json_lines:
            argv += ["--json"]
        return self.start(argv, env=env, **options)

    def plain(self, *args, **options):
        """p2pconnect with exactly these arguments."""
        return self.start([self.program, *args], **options)

    def broker(self, **options):
        broker = Broker(self.folder, **options)
        self.endings.append(broker.stop)
        return broker

    def pair(self, command="chat", names=("anna", "bert"), args=(), **options):
        """Two of a command that have met."""
        programs = [self.run(command, "--name", name, *args, **options) for name in names]
        for program, other in zip(programs, reversed(names)):
            program.expect_event("connected", name=other)
        return programs


def own_network():
    """The words that put a command into a network namespace of its own, where this machine allows it."""
    for words in (["unshare", "-n"], ["unshare", "-rn"]):
        if subprocess.run(words + ["true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return words
    raise Skip("network namespaces are not allowed here")


class Publisher:
    """Just enough of MQTT 3.1.1 to publish anything at all."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        name = b"garbage"
        body = b"\x00\x04MQTT\x04\x02\x00\x3c" + struct.pack(">H", len(name)) + name
        self.socket.sendall(b"\x10" + self.length(len(body)) + body)
        check(self.socket.recv(4)[:1] == b"\x20", "the broker does not take the publisher")

    @staticmethod
    def length(value):
        out = bytearray()
        while True:
            out.append(value % 128 | (128 if value > 127 else 0))
            value //= 128
            if not value:
                return bytes(out)

    def publish(self, topic, data, retain=False):
        body = struct.pack(">H", len(topic)) + topic.encode() + data
        self.socket.sendall(bytes([0x31 if retain else 0x30]) + self.length(len(body)) + body)

    def close(self):
        self.socket.sendall(b"\xe0\x00")
        self.socket.close()


SIGINT, SIGTERM, SIGKILL, SIGSTOP, SIGCONT = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP,
                                               signal.SIGCONT)
