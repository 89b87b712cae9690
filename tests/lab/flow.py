"""flow.py - two connected pipes with bytes going both ways, while something happens to the network under them."""

import hashlib
import os
import time

from peers import Unmet
from trial import Outcome

PIECE = 8 * 1024
PAUSE_SECONDS = 0.015  # between two pieces: some 0.5 MB/s each way
SETTLE_SECONDS = 2  # of an undisturbed flow, before and after


class Stream:
    """One direction. What could not be written because nothing moves is offered again, so nobody is blocked."""

    def __init__(self, sender, receiver):
        self.sender, self.receiver = sender, receiver
        self.hash, self.size, self.left = hashlib.sha256(), 0, b""
        os.set_blocking(sender.process.stdin.fileno(), False)

    def pump(self):
        data = self.left or (f"{self.size:016x}".encode() * (PIECE // 16))
        try:
            count = os.write(self.sender.process.stdin.fileno(), data)
        except BlockingIOError:
            count = 0
        except BrokenPipeError as error:
            raise Unmet(f"{self.sender.name}: takes no input{self.sender.last_words()}") from error
        self.hash.update(data[:count])
        self.size += count
        self.left = data[count:]

    def expect_whole(self, seconds):
        self.receiver.until(lambda: self.receiver.output_size >= self.size, seconds)
        got, same = self.receiver.output_size, self.receiver.output_hash.digest() == self.hash.digest()
        if got != self.size or not same:
            raise Unmet(f"{self.receiver.name}: {self.size} bytes were sent, {got} arrived{self.receiver.last_words()}")


class Flow:
    """Bytes both ways between two pipes. `disturb` and `recovered` mark what the network did."""

    def __init__(self, trial, left, right, **options):
        self.peers = [trial.peer(machine, name, "pipe", **options) for machine, name in ((left, "left"), (right, "right"))]
        self.left, self.right = self.peers
        self.streams = [Stream(*self.peers), Stream(*self.peers[::-1])]
        for peer in self.peers:
            peer.expect_event("connected", 15)

    def run(self, seconds):
        """Goes on for so long; answers when it began."""
        start = time.monotonic()
        while time.monotonic() < start + seconds:
            self.check_alive()
            for stream in self.streams:
                stream.pump()
            time.sleep(PAUSE_SECONDS)
        return start

    def check_alive(self):
        for peer in self.peers:
            if peer.process.poll() is not None:
                raise Unmet(f"{peer.name}: ended{peer.last_words()}")

    def moves_since(self, since, limit):
        """Goes on until bytes move both ways again, as they did before `since`; answers the longer of the two waits:
        from `since` on, or from the last byte before a silence that began later."""
        while time.monotonic() < since + limit + 30:
            self.run(0.5)
            waits = [peer.silence_since(since) for peer in self.peers]
            still = [time.monotonic() - peer.arrivals[-1] for peer in self.peers]
            if time.monotonic() > since + SETTLE_SECONDS and max(still) < 0.3 and self.flowing(since):
                return max(waits)
        raise Unmet(f"nothing moved any more, {limit} s were allowed: {self.told(since)}")

    def flowing(self, since):
        """New bytes, more than what was under way: both have received for a second."""
        recent = time.monotonic() - 1
        return all(sum(at > max(recent, since) for at in peer.arrivals) > 20 for peer in self.peers)

    def expect_resumed(self, since, limit):
        waited = self.moves_since(since, limit)
        if waited > limit:
            raise Unmet(f"bytes moved again after {waited:.2f} s, {limit} s are promised: {self.told(since)}")
        return waited

    def told(self, since):
        """The path events of both since then, for a person."""
        lines = []
        for peer in self.peers:
            for event in list(peer.events):
                if event["at"] >= since and event["event"] in ("path", "stalled", "closed", "connected"):
                    kind = event.get("kind", event.get("reason", ""))
                    lines.append(f"{peer.name} {event['event']} {kind} {event['at'] - since:.2f} s")
        return ", ".join(lines) or "no event"

    def expect_one_handshake(self):
        """Streams live in a QUIC connection: one `connected` a side means one handshake, whatever the paths did."""
        for peer in self.peers:
            count = sum(event["event"] == "connected" for event in list(peer.events))
            if count != 1:
                raise Unmet(f"{peer.name}: {count} handshakes")

    def paths_since(self, since):
        return max(sum(e["event"] == "path" and e["at"] >= since for e in list(p.events)) for p in self.peers)

    def finish(self, waited=None, note=""):
        """Every byte must be there, the same on both sides, and the pipes end well."""
        for stream in self.streams:
            stream.left = b""
        for peer in self.peers:
            peer.finish()
        for peer in self.peers:
            peer.expect_exit(0, 20)
        for stream in self.streams:
            stream.expect_whole(0)
        self.expect_one_handshake()
        size = min(stream.size for stream in self.streams)
        return Outcome(self.left.path(), waited, note=note or f"{size / 1e6:.1f} MB each way whole")
