"""scenes_huge.py - brokers that send more than anybody asked for."""

import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time

import attack
import mqtt
from attack import scene, secret
from harness import Skip, check, until

MESSAGE = 200 << 20  # bytes
MEMORY_KB = 64 << 10
MAXIMUM_PACKET_SIZE = 0x27  # MQTT 5, 2.2.2.2


def peak_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


class HugeBroker:
    """Accepts whoever comes, then sends messages of 200 MiB on its own hello topic until it is hung up on; with `pause`
    seconds after each 64 KiB."""

    def __init__(self, context=None, pause=0):
        self.context, self.pause = context, pause
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.sent, self.hung_up, self.connects, self.topics = 0, 0, [], []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
            stream = mqtt.Stream(sock)
            _, connect = stream.read()
            self.connects.append(connect)
            five = mqtt.version_of(connect) == 5
            sock.sendall(mqtt.packet(mqtt.CONNACK, b"\0\0" + (b"\0" if five else b"")))
            while True:
                first, body = stream.read()
                if first >> 4 == mqtt.SUBSCRIBE:
                    break
            at = 3 + body[2] if five else 2
            size = struct.unpack(">H", body[at:at + 2])[0]
            topic = body[at + 2:at + 2 + size]
            granted = b"\0" * 2
            sock.sendall(mqtt.packet(mqtt.SUBACK, body[:2] + (b"\0" if five else b"") + granted))
            self._pour(sock, topic, five)
        except (OSError, mqtt.Closed, ssl.SSLError):
            self.hung_up += 1
        sock.close()

    def _pour(self, sock, topic, five):
        head = mqtt.text(topic) + (b"\0" if five else b"")
        block = b"A" * (1 << 16)
        while True:
            sock.sendall(bytes([mqtt.PUBLISH << 4]) + mqtt.length(len(head) + MESSAGE) + head)
            for _ in range(MESSAGE // len(block)):
                sock.sendall(block)
                self.sent += len(block)
                if self.pause:
                    time.sleep(self.pause)

    def close(self):
        self.server.close()


def must_stay_small(world, broker, url, env):
    world.endings.append(broker.close)
    anna = world.run("chat", "--name", "anna", broker=url, env=env)
    until(lambda: broker.hung_up >= (2 if world.quick else 4), 30, lambda: f"it listens on: {broker.sent} bytes were sent, "
          f"{peak_kb(anna.pid)} KB are used\n{anna.story()}")
    time.sleep(0.2)
    peak = peak_kb(anna.pid)
    check(anna.process.poll() is None, anna.story())
    check(peak < MEMORY_KB, f"{peak} KB")
    print(f"    {broker.sent >> 10} KB were sent in {len(broker.connects)} connections, {peak} KB were used", flush=True)
    return anna


@scene(seconds=5)
def messages_of_two_hundred_mebibytes(world):
    """A broker that sends messages of 200 MiB is hung up on, again and again; memory stays under 64 MiB; MQTT 5 asked it for
    packets of at most 16 KiB"""
    broker = HugeBroker()
    must_stay_small(world, broker, f"127.0.0.1:{broker.port}", secret())
    connect = broker.connects[0]
    check(mqtt.version_of(connect) == 5, "MQTT 5 is not tried first")
    properties = connect[11:11 + connect[10]]
    at = properties.index(MAXIMUM_PACKET_SIZE)
    limit = struct.unpack(">I", properties[at + 1:at + 5])[0]
    check(8192 <= limit <= 16384, f"the maximum packet size is {limit}")


@scene(seconds=6)
def messages_of_two_hundred_mebibytes_in_tls(world):
    """The same inside TLS, at half a gigabit a second: no packet can be looked at there before the library has it"""
    if not shutil.which("openssl"):
        raise Skip("openssl is not installed")
    key, certificate = world.path("key.pem"), world.path("certificate.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
                   stderr=subprocess.DEVNULL, check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    broker = HugeBroker(context, 0.001)
    must_stay_small(world, broker, f"mqtts://localhost:{broker.port}", dict(secret(), SSL_CERT_FILE=certificate))
