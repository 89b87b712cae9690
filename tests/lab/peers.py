"""peers.py - a running p2pconnect: its input, what it has put out, its events and when they came.

Every wait ends by itself, at its limit or when the process has ended, so no scenario can hang.
"""

import hashlib
import json
import os
import signal
import subprocess
import threading
import time

from namespace import end

ARRIVAL_SECONDS = 0.01  # arrivals closer than this are one
KEPT = 1 << 16  # bytes of output kept for comparison; what is longer is counted and hashed


class Unmet(Exception):
    """What a scenario expects did not come about; the text says what."""


def environment(directory, name):
    """What the peer sees of ours: nothing that configures it. It remembers what this peer has learnt in this trial."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("P2PCONNECT_", "XDG_"))}
    state = os.path.abspath(os.path.join(directory, f"state-{name}"))
    own = {"HOME": directory, "XDG_CONFIG_HOME": directory, "XDG_STATE_HOME": state}
    return kept | own | {"NO_COLOR": "1", "LC_ALL": "C.UTF-8"}


class Peer:
    """Started at once. `name` names its logs: NAME.out, NAME.err (events and sentences), NAME.cmd. `secrets`: more
    environment, which is not logged."""

    def __init__(self, machine, argv, logs, name, secrets=None):
        self.name = name
        self.events = []
        self.output = b""
        self.output_size = 0
        self.output_hash = hashlib.sha256()
        self.first_byte = None
        self.arrivals = []  # of output: when, at most every ARRIVAL_SECONDS
        self.change = threading.Condition()
        self.logs = os.path.join(logs, name)
        with open(f"{self.logs}.cmd", "a", encoding="utf-8") as log:
            log.write(f"# {machine.name} {machine.address or machine.address6}\n{' '.join(map(str, argv))}\n")
        self.started = time.monotonic()
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = machine.start(argv, bufsize=0, env=environment(logs, name) | (secrets or {}), **pipes)
        self.readers = [threading.Thread(target=read, daemon=True) for read in (self._read_output, self._read_events)]
        for reader in self.readers:
            reader.start()

    def _read_output(self):
        with open(f"{self.logs}.out", "ab") as log:
            while data := os.read(self.process.stdout.fileno(), 1 << 16):
                now = time.monotonic()
                with self.change:
                    self.first_byte = self.first_byte or now
                    if not self.arrivals or now > self.arrivals[-1] + ARRIVAL_SECONDS:
                        self.arrivals.append(now)
                    kept = data[: KEPT - len(self.output)]
                    self.output += kept
                    self.output_size += len(data)
                    self.output_hash.update(data)
                    self.change.notify_all()
                log.write(kept)

    def _read_events(self):
        with open(f"{self.logs}.err", "ab") as log:
            for line in self.process.stderr:
                now = time.monotonic()
                log.write(b"%8.3f " % (now - self.started) + line)
                log.flush()
                with self.change:
                    self.events.append(parse_event(line) | {"at": now})
                    self.change.notify_all()

    def until(self, condition, seconds):
        """Waits for what `condition` answers to be true; answers it, false when it did not come about in time."""
        limit = time.monotonic() + seconds
        with self.change:
            while True:
                ended = self.process.poll() is not None and not any(reader.is_alive() for reader in self.readers)
                found = condition()
                left = limit - time.monotonic()
                if found or ended or left <= 0:
                    return found
                self.change.wait(min(left, 0.05))

    def event(self, name, /, seconds=0, after=0, **members):
        """The first such event since `after` (monotonic seconds), or None."""
        wanted = {"event": name} | members

        def find():
            for event in list(self.events):
                if event["at"] >= after and wanted.items() <= event.items():
                    return event
            return None

        return self.until(find, seconds)

    def last(self, name):
        """The latest such event, or None."""
        return next((event for event in reversed(list(self.events)) if event["event"] == name), None)

    def expect_event(self, name, /, seconds, after=0, **members):
        event = self.event(name, seconds, after, **members)
        if not event:
            told = " ".join(f"{key}={value}" for key, value in members.items())
            raise Unmet(f"{self.name}: no event {name} {told} within {seconds} s{self.last_words()}")
        return event

    def expect_output(self, data, seconds):
        self.until(lambda: len(self.output) >= len(data), seconds)
        if self.output != data:
            raise Unmet(f"{self.name}: received {self.output[:60]!r}, not {data[:60]!r}{self.last_words()}")

    def expect_exit(self, code, seconds):
        got = self.wait(seconds)
        if got != code:
            what = "did not end" if got is None else f"exit code {got}"
            raise Unmet(f"{self.name}: {what} within {seconds} s, expected exit code {code}{self.last_words()}")

    def silence_since(self, since):
        """The longest time without output that ended, or goes on, after `since`; counted from there at the earliest."""
        times = [since, *(at for at in list(self.arrivals) if at > since), time.monotonic()]
        return max(later - earlier for earlier, later in zip(times, times[1:]))

    def send(self, data):
        try:
            self.process.stdin.write(data)
        except BrokenPipeError as error:
            raise Unmet(f"{self.name}: takes no input{self.last_words()}") from error

    def send_all(self, data):
        """As `send`, for more than the pipe takes at once."""
        view = memoryview(data)
        while view:
            try:
                view = view[self.process.stdin.write(view):]
            except BrokenPipeError as error:
                raise Unmet(f"{self.name}: takes no input{self.last_words()}") from error

    def finish(self):
        """The end of its input."""
        if self.process.stdin:
            self.process.stdin.close()

    def wait(self, seconds):
        """The exit code, or None."""
        self.until(lambda: False, seconds)
        return self.process.poll()

    def sleep(self):
        """As a machine that is suspended: the process gets no time, the world goes on."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def wake(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        end(self.process)
        for reader in self.readers:
            reader.join(2)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()

    def error(self):
        """The sentence of its last error event, or of its last line that is none."""
        told = [event for event in list(self.events) if event["event"] in ("error", "text")]
        return told[-1].get("message", "") if told else ""

    def path(self):
        """The kind of path that carries packets now."""
        paths = [event for event in list(self.events) if event["event"] in ("path", "connected")]
        return paths[-1].get("kind") if paths else None

    def last_words(self):
        error = self.error()
        code = self.process.poll()
        return (f" (exit code {code})" if code is not None else "") + (f": {error}" if error else "")


def parse_event(line):
    """An event; a line that is none becomes one named text."""
    try:
        event = json.loads(line)
        if isinstance(event, dict) and "event" in event:
            return event
    except ValueError:
        pass
    return {"event": "text", "message": line.decode("utf-8", "replace").strip()}
