"""proxy.py - a broker that cannot be trusted: it stands before an honest one, and each room has a rule of its own that
alters, drops, delays, repeats or adds what is published in it. It writes down all that passes."""

import heapq
import socket
import threading
import time

import mqtt


class Proxy:
    """`rules[ROOM]` is a function of (topic, payload) that returns a list of (seconds, topic, payload)."""

    def __init__(self, port):
        self.upstream = port
        self.rules = {}
        self.seen = []  # (topic, payload) as they were published, before any rule
        self.raw = bytearray()  # every byte of every client
        self.lock = threading.Condition()
        self.late = []
        self.ended = False
        self.sockets = set()
        self.server = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.server.getsockname()[1]
        for job in (self._accept, self._post):
            threading.Thread(target=job, daemon=True).start()

    @property
    def url(self):
        return f"127.0.0.1:{self.port}"

    def voice(self):
        """Publishes past the rules, as somebody else: MQTT 5 keeps from a client what comes from itself."""
        client = mqtt.Client(self.upstream)
        self.sockets.add(client.sock)
        return client

    def _accept(self):
        while True:
            try:
                client, _ = self.server.accept()
                broker = socket.create_connection(("127.0.0.1", self.upstream), 5)
            except OSError:
                return
            for sock in (client, broker):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(None)
                self.sockets.add(sock)
            threading.Thread(target=self._up, args=(client, broker), daemon=True).start()
            threading.Thread(target=self._down, args=(client, broker), daemon=True).start()

    def _down(self, client, broker):
        try:
            while data := broker.recv(1 << 16):
                with self.lock:
                    self.raw += data
                client.sendall(data)
        except OSError:
            pass
        self._hang_up(client, broker)

    def _up(self, client, broker):
        stream, version = mqtt.Stream(client), 4
        try:
            while True:
                first, body = stream.read()
                with self.lock:
                    self.raw += body
                if first >> 4 == mqtt.CONNECT:
                    version = mqtt.version_of(body)
                if first >> 4 != mqtt.PUBLISH:
                    broker.sendall(bytes([first]) + mqtt.length(len(body)) + body)
                    continue
                for delay, topic, payload in self._judge(*mqtt.take_apart(first, body, version)):
                    self._send(broker, delay, mqtt.publish(topic, payload, version))
        except (OSError, mqtt.Closed):
            pass
        self._hang_up(client, broker)

    def _judge(self, topic, payload):
        with self.lock:
            self.seen.append((topic, payload))
            parts = topic.split("/")
            rule = self.rules.get(parts[2]) if len(parts) > 2 else None
            return rule(topic, payload) if rule else [(0, topic, payload)]

    def _send(self, broker, delay, data):
        if not delay:
            broker.sendall(data)
            return
        with self.lock:
            heapq.heappush(self.late, (time.monotonic() + delay, id(data), broker, data))
            self.lock.notify()

    def _post(self):
        """Brings what was delayed."""
        while not self.ended:
            with self.lock:
                wait = self.late[0][0] - time.monotonic() if self.late else 1
                if wait > 0:
                    self.lock.wait(wait)
                    continue
                _, _, broker, data = heapq.heappop(self.late)
            try:
                broker.sendall(data)
            except OSError:
                pass

    def _hang_up(self, *sockets):
        for sock in sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
            self.sockets.discard(sock)

    def close(self):
        self.ended = True
        self.server.close()
        self._hang_up(*list(self.sockets))
