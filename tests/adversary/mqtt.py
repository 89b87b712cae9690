"""mqtt.py - as much of MQTT 3.1.1 and 5 as is needed to stand between a client and a broker, or to pretend to be one.

Packets stay bytes; only PUBLISH is taken apart, because only that is altered.
"""

import socket
import struct

CONNECT, CONNACK, PUBLISH, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 1, 2, 3, 8, 9, 12, 13, 14
LENGTH_MAX = 4  # bytes of the remaining length


class Closed(Exception):
    """The other side has gone."""


def length(value):
    """The variable byte integer of both versions."""
    out = bytearray()
    while True:
        out.append(value % 128 | (128 if value > 127 else 0))
        value //= 128
        if not value:
            return bytes(out)


def text(value):
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(data)) + data


def packet(kind, body, flags=0):
    return bytes([kind << 4 | flags]) + length(len(body)) + body


class Stream:
    """Whole packets from a socket."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = bytearray()

    def _fill(self, count):
        while len(self.buffer) < count:
            try:
                data = self.sock.recv(1 << 16)
            except OSError as error:
                raise Closed from error
            if not data:
                raise Closed
            self.buffer += data

    def read(self):
        """(first byte, body)."""
        size = shift = 0
        for at in range(1, 1 + LENGTH_MAX):
            self._fill(at + 1)
            size |= (self.buffer[at] & 127) << shift
            shift += 7
            if self.buffer[at] < 128:
                break
        start = at + 1
        self._fill(start + size)
        first, body = self.buffer[0], bytes(self.buffer[start:start + size])
        del self.buffer[:start + size]
        return first, body


def version_of(connect_body):
    """4 (3.1.1) or 5."""
    name = struct.unpack(">H", connect_body[:2])[0]
    return connect_body[2 + name]


def take_apart(first, body, version):
    """Topic and payload of a PUBLISH of QoS 0."""
    size = struct.unpack(">H", body[:2])[0]
    topic, at = body[2:2 + size].decode(), 2 + size
    if first & 6:
        raise ValueError("QoS above 0")
    if version == 5:
        properties = shift = 0
        while True:
            byte = body[at]
            at += 1
            properties |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        at += properties
    return topic, body[at:]


def publish(topic, payload, version, retain=False):
    return packet(PUBLISH, text(topic) + (b"\0" if version == 5 else b"") + payload, 1 if retain else 0)


class Client:
    """A client of 3.1.1 that publishes and listens; QoS 0."""

    def __init__(self, port, name=b"", will=None, topics=()):
        self.sock = socket.create_connection(("127.0.0.1", port), 5)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = Stream(self.sock)
        flags = 2 | (4 if will else 0)
        body = text("MQTT") + bytes([4, flags]) + struct.pack(">H", 600) + text(name)
        for part in will or ():
            body += text(part)
        self.sock.sendall(packet(CONNECT, body))
        if self.stream.read()[0] >> 4 != CONNACK:
            raise Closed
        if topics:
            body = struct.pack(">H", 1) + b"".join(text(topic) + b"\0" for topic in topics)
            self.sock.sendall(packet(SUBSCRIBE, body, 2))
            while self.stream.read()[0] >> 4 != SUBACK:
                pass
        self.sock.settimeout(None)

    def publish(self, topic, payload):
        self.sock.sendall(publish(topic, payload, 4))

    def messages(self, timeout):
        """What comes until nothing has come for `timeout` seconds: (topic, payload)."""
        self.sock.settimeout(timeout)
        while True:
            try:
                first, body = self.stream.read()
            except Closed:
                return
            if first >> 4 == PUBLISH:
                yield take_apart(first, body, 4)

    def vanish(self):
        """Without DISCONNECT: the broker publishes the will."""
        self.sock.close()

    def close(self):
        try:
            self.sock.sendall(packet(DISCONNECT, b""))
        except OSError:
            pass
        self.sock.close()
