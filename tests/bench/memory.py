"""memory.py - what one more connection costs: an `echo --keep` with many peers, against the same one alone.

Counted is RssAnon, what only this process has; libraries and code are shared by all programs on a machine.
"""

import os
import subprocess
import time

from process import memory_of
from tools import BenchError, json_lines, quiet_environment

SECONDS = 30


def measure(program, address, peers, folder):
    """{"alone_kb": N, "with_kb": N, "peers": N, "per_connection_kb": X}"""
    common = ["--json", "--room", f"bench-memory-{os.getpid()}", "--broker", address, "--stun", "none"]
    log = os.path.join(folder, "echo.err")
    children = []
    env = quiet_environment(folder)
    try:
        with open(log, "wb") as errors:
            hub = [program, "echo", "--keep", "--max-peers", str(peers), "--name", "hub", "--wait", "0", *common]
            children.append(subprocess.Popen(hub, stdin=subprocess.DEVNULL, stderr=errors, env=env))
        wait_for_events(log, "room", 1)
        alone = memory_of(children[0].pid)["RssAnon"]
        for number in range(peers):
            client = [program, "pipe", "--to", "hub", "--name", f"client {number}", "--wait", str(SECONDS), *common]
            children.append(start_quietly(client, env))
        wait_for_events(log, "connected", peers)
        connected = memory_of(children[0].pid)["RssAnon"]
    finally:
        for child in reversed(children):
            end(child)
    return {
        "alone_kb": alone,
        "with_kb": connected,
        "peers": peers,
        "per_connection_kb": (connected - alone) / peers,
    }


def start_quietly(argv, env):
    quiet = subprocess.DEVNULL
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, env=env)


def wait_for_events(log, name, count):
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        with open(log, encoding="utf-8", errors="replace") as file:
            text = file.read()
        if sum(event.get("event") == name for event in json_lines(text)) >= count:
            return
        time.sleep(0.05)
    raise BenchError(f"no {count} events {name} within {SECONDS} s: {text[-300:]}")


def end(child):
    if child.stdin:
        child.stdin.close()
    child.terminate()
    try:
        child.wait(2)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
