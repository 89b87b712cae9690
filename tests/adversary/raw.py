"""raw.py - the protocol of send and receive, written a second time from peer/cli/README.md alone, spoken through
raw_streams: for senders and receivers that mean it ill."""

import hashlib
import os
import struct
import subprocess
import threading

from harness import Scene, Skip, until, with_parent

LEAF = 131072
UNKNOWN = (1 << 64) - 1
LANES = 4


def blake(person, data):
    return hashlib.blake2b(data, digest_size=32, person=person.ljust(16, b"\0")).digest()


def top(hashes):
    if len(hashes) < 2:
        return b"".join(hashes)
    left = 1
    while left * 2 < len(hashes):
        left *= 2
    return blake(b"p2pconnect node", top(hashes[:left]) + top(hashes[left:]))


def root(data):
    leaves = [blake(b"p2pconnect leaf", data[at:at + LEAF]) for at in range(0, len(data), LEAF)]
    return blake(b"p2pconnect root", top(leaves) + struct.pack(">Q", len(data)))


def entry(path, kind=b"f", size=0, target=b"", mode=0o644, when=1_000_000_000):
    return kind + struct.pack(">HqIQHH", mode, when, 0, size, len(path), len(target)) + path + target


def manifest(*entries):
    return b"p2pfile\1" + b"".join(entries)


def record(kind, file, leaf=0, length=0, body=b""):
    return kind + bytes(3) + struct.pack(">III", file, leaf, length or len(body)) + body


def leaves(file, data):
    """The records of all leaves of a file."""
    return [record(b"D", file, at // LEAF, body=data[at:at + LEAF]) for at in range(0, len(data), LEAF)]


def finish(file, data, size=None, sent=None):
    count = -(-len(data) // LEAF)
    body = struct.pack(">QI", len(data) if size is None else size, count if sent is None else sent) + root(data)
    return record(b"F", file, body=body)


class Raw:
    """A peer that is connected once it is made. `purpose` is send or receive; streams are numbers. Who is hasty goes at once."""

    def __init__(self, world, purpose="send", room=None, hasty=False, wait=True):
        program = os.path.join(world.build, "adversary", "raw_streams")
        if not os.access(program, os.X_OK):
            raise Skip(f"{program} is not built")
        self.process = subprocess.Popen(with_parent([program, room or world.room, Scene.shared_broker.url, purpose] + ["hasty"] * hasty),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        world.endings.append(self.close)
        self.connected, self.closed = False, None
        self.came = {}  # number: what has come on the stream
        self.kinds = {}  # number: kind of a stream of the other side
        self.ended = set()
        self.count = 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if wait:
            until(lambda: self.connected or self.process.poll() is not None, 30, "the hostile peer met nobody")

    def _read(self):
        out = self.process.stdout
        for line in iter(out.readline, b""):
            words = line.split()
            if words[0] == b"connected":
                self.connected = True
            elif words[0] == b"stream":
                self.kinds[int(words[1])] = words[2].decode()
                self.count = max(self.count, int(words[1]) + 1)
            elif words[0] == b"data":
                self.came[int(words[1])] = self.came.get(int(words[1]), b"") + out.read(int(words[2]))
            elif words[0] in (b"end", b"gone"):
                self.ended.add(int(words[1]))
            elif words[0] == b"closed":
                self.closed = words[1].decode()

    def _say(self, data):
        try:
            self.process.stdin.write(data)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has been thrown out

    def open(self, kind, ways=2):
        self._say(f"open {kind} {ways}\n".encode())
        self.count += 1
        return self.count - 1

    def write(self, stream, data):
        self._say(f"write {stream} {len(data)}\n".encode() + data)

    def finish(self, stream):
        self._say(f"finish {stream}\n".encode())

    def deaf(self, stream):
        self._say(f"deaf {stream}\n".encode())

    def frames(self, stream):
        """(kind, body) of all that have come."""
        data, at, found = self.came.get(stream, b""), 0, []
        while at + 5 <= len(data):
            length = struct.unpack_from(">I", data, at + 1)[0]
            if at + 5 + length > len(data):
                break
            found.append((data[at:at + 1].decode(), data[at + 5:at + 5 + length]))
            at += 5 + length
        return found

    def over(self):
        return not self.reader.is_alive()  # all that it had to tell has been read

    def wait_for(self, stream, kinds, seconds=15):
        """The first frame of these kinds; None: we have been thrown out before it."""

        def find():
            gone = self.over()  # asked first: what came before it counts
            found = next((frame for frame in self.frames(stream) if frame[0] in kinds), None)
            return found or gone

        answer = until(find, seconds, lambda: f"no frame of {kinds}: {[k for k, _ in self.frames(stream)]}")
        return None if answer is True else answer

    def offer(self, data):
        """Offers it; the stream."""
        stream = self.open("m")
        self.write(stream, data)
        self.finish(stream)
        return stream

    def lanes(self, records, end=True):
        """Opens the lanes and sends all on them in turn."""
        numbers = [self.open("l", 1) for _ in range(LANES)]
        for number, one in enumerate(records):
            self.write(numbers[number % LANES], one)
        for number in numbers if end else ():
            self.finish(number)
        return numbers

    def transfer(self, data, records, seconds=30):
        """A whole session: the last frame of the receiver (kind, body), or None: it only closed."""
        stream = self.offer(data)
        answer = self.wait_for(stream, "GR", seconds)
        if not answer or answer[0] == "R":
            return answer
        self.lanes(records)
        return self.wait_for(stream, "DR", seconds)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join(2)
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except OSError:
                pass
