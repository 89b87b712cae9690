#!/usr/bin/env python3
"""demo.py - two peers meet before your eyes: through a broker and a STUN server of this machine, started here.

Shows what each of two chats learns, in the order of events, the path they choose, a line each way; then sends 200 MB
through a pipe. Leaves nothing running. Ends with 0 when everything worked over a direct path of kind host.
"""
import argparse
import hashlib
import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE_S = 10
PIPE_BYTES = 200 * 1000 * 1000


class Failure(Exception):
    pass


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Demo:
    def __init__(self, build):
        self.command = os.path.join(build, "p2pconnect")
        self.children = []
        self.folder = tempfile.mkdtemp(prefix="p2pconnect-demo-")

    def start(self, arguments, **options):
        child = subprocess.Popen(arguments, **options)
        self.children.append(child)
        return child

    def close(self):
        for child in self.children:
            if child.poll() is None:
                child.terminate()
        for child in self.children:
            try:
                child.wait(3)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        shutil.rmtree(self.folder)

    def start_broker(self):
        mosquitto = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.broker = free_port(socket.SOCK_STREAM)
        path = os.path.join(self.folder, "mosquitto.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"listener {self.broker} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n")
        with open(os.path.join(self.folder, "mosquitto.log"), "wb") as log:
            self.start([mosquitto, "-c", path], stdout=log, stderr=log)
        wait_for(lambda: can_connect(self.broker), "the broker did not start")

    def start_stun(self):
        self.stun = free_port(socket.SOCK_DGRAM)
        self.start([self.command, "stun-server", "--address", "127.0.0.1", "--port", str(self.stun), "-q"],
                   stdin=subprocess.DEVNULL)

    def options(self, room, name):
        return ["--no-portmap", "--broker", f"127.0.0.1:{self.broker}", "--stun", f"127.0.0.1:{self.stun}", "--room", room,
                "--name", name]


def can_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
        return True
    except OSError:
        return False


def wait_for(condition, complaint):
    until = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > until:
            raise Failure(complaint)
        time.sleep(0.02)


def sentence(event):
    """An event in words, as far as the demonstration tells it."""
    kind = event["event"]
    if kind == "candidate":
        source = {"host": "an address of this machine", "srflx": "what the STUN server saw"}
        return f"can be reached at {event['address']} ({source.get(event['kind'], event['kind'])})"
    if kind == "room":
        return f"is in the room {event['room']!r} on {', '.join(event['brokers'])} as {event['id']}"
    if kind == "peer":
        return f"met {event['name']!r}: the room's secret is proven"
    if kind == "path":
        return f"path: {event['kind']}, {event['local']} to {event['remote']}, {event['rtt_ms']:.2f} ms: {event['why']}"
    if kind == "connected":
        return f"connected to {event['name']!r}, encrypted"
    if kind == "message":
        return f"reads from {event['name']!r}: {event['text']}"
    return None


class Chat:
    def __init__(self, demo, name, events):
        self.name = name
        self.child = demo.start([demo.command, "chat", "--json"] + demo.options("demo", name), stdin=subprocess.PIPE,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.start = time.monotonic()
        threading.Thread(target=self.read, args=(events,), daemon=True).start()

    def read(self, events):
        for line in self.child.stderr:
            events.put((time.monotonic(), self.name, json.loads(line)))
        events.put((time.monotonic(), self.name, None))

    def say(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()


def show_chat(demo):
    print("Two chats, attic and cellar, know nothing of each other but the room's name.\n")
    events = queue.Queue()
    begun = time.monotonic()
    chats = {name: Chat(demo, name, events) for name in ("attic", "cellar")}
    lines = {"attic": "hello from the attic", "cellar": "hello from the cellar"}
    heard, kinds, connected = set(), {}, {}
    while len(heard) < 2:
        try:
            when, name, event = events.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise Failure("the chats did not meet") from None
        if event is None or event["event"] == "error":
            raise Failure(f"{name} ended early: {event and event['message']}")
        text = sentence(event)
        if text:
            print(f"{(when - begun) * 1000:7.1f} ms  {name:7} {text}")
        if event["event"] == "path":
            kinds[name] = event["kind"]
        if event["event"] == "connected":
            connected[name] = event["t_ms"]
            kinds[name] = event["kind"]
            chats[name].say(lines[name])
        if event["event"] == "message":
            heard.add(name)
    for chat in chats.values():
        chat.child.stdin.close()
    for chat in chats.values():
        if chat.child.wait(PATIENCE_S) != 0:
            raise Failure(f"{chat.name} ended with {chat.child.returncode}")
    if set(kinds.values()) != {"host"}:
        raise Failure(f"on one machine the path should be host, not {kinds}")
    times = ", ".join(f"{name} after {ms} ms" for name, ms in sorted(connected.items()))
    print(f"\nConnected, from process start: {times}.\n")


def feed(out, block, digest):
    left = PIPE_BYTES
    while left:
        piece = block[:min(len(block), left)]
        out.write(piece)
        digest.update(piece)
        left -= len(piece)
    out.close()


def show_pipe(demo):
    print(f"{PIPE_BYTES // 1000000} MB through a pipe, from stdin here to stdout there:")
    sink = demo.start([demo.command, "pipe", "-q"] + demo.options("pipe", "cellar"), stdin=subprocess.DEVNULL,
                      stdout=subprocess.PIPE)
    source = demo.start([demo.command, "pipe", "-q"] + demo.options("pipe", "attic"), stdin=subprocess.PIPE,
                        stdout=subprocess.DEVNULL)
    sent, got = hashlib.blake2b(), hashlib.blake2b()
    block = os.urandom(1 << 20)
    threading.Thread(target=feed, args=(source.stdin, block, sent), daemon=True).start()
    count, first = 0, None
    while True:
        piece = os.read(sink.stdout.fileno(), 1 << 20)
        if not piece:
            break
        first = first or time.monotonic()
        got.update(piece)
        count += len(piece)
    seconds = time.monotonic() - (first or time.monotonic())
    for child in (source, sink):
        if child.wait(PATIENCE_S) != 0:
            raise Failure(f"a pipe ended with {child.returncode}")
    if count != PIPE_BYTES or sent.digest() != got.digest():
        raise Failure(f"{count} bytes arrived, or altered ones")
    print(f"  arrived intact in {seconds:.2f} s: {count / seconds / 1e6:.0f} MB/s, "
          f"{count * 8 / seconds / 1e9:.1f} Gbit/s (hashing at both ends included)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", help="folder with the command")
    demo = Demo(parser.parse_args().build)
    try:
        demo.start_broker()
        demo.start_stun()
        show_chat(demo)
        show_pipe(demo)
    except Failure as failure:
        print(f"The demonstration failed: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        demo.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
