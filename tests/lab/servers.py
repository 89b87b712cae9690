"""servers.py - what stands on the internet for everybody: an MQTT broker and a STUN server."""

import subprocess
import time

from machine import ROUTER, ROUTER6, Node, mac_of
from namespace import LabError

MQTT_PORT = 1883
WEB_PORT = 443  # the broker listens there, too, for networks that let nothing else out
STUN_PORT = 3478


class Servers:
    """A machine on the internet with a broker and a STUN server. It has two addresses of each family."""

    def __init__(self, lab):
        self.lab = lab
        self.node = Node("servers")
        self.address = lab.take(lab.addresses)
        self.second = lab.take(lab.addresses)
        number = lab.number()
        self.address6 = f"2001:db8::{number:x}:2"
        self.second6 = f"2001:db8::{number:x}:3"
        self.broker = f"{self.address}:{MQTT_PORT}"
        self.stun = f"{self.address}:{STUN_PORT}"
        self.web_broker = f"{self.address}:{WEB_PORT}"
        self.broker6 = f"[{self.address6}]:{MQTT_PORT}"
        self.second_stun = f"{self.second}:{STUN_PORT}"
        self.second_stun6 = f"[{self.second6}]:{STUN_PORT}"
        self.stun6 = f"[{self.address6}]:{STUN_PORT}"
        self.mosquitto = None
        try:
            self._connect()
            self.start_broker()
            self._start_stun()
        except BaseException:
            self.close()
            raise

    def close(self):
        self.node.close()
        self.lab.give(self.lab.addresses, self.address)
        self.lab.give(self.lab.addresses, self.second)

    def _connect(self):
        self.lab.plug(self.node, "wan", mac_of(self.address), self.lab.server_ms)
        self.node.ip(
            f"addr add {self.address}/32 dev wan",
            f"addr add {self.second}/32 dev wan",
            f"route add {ROUTER} dev wan",
            f"route add default via {ROUTER}",
            f"addr add {self.address6}/64 dev wan nodad",
            f"addr add {self.second6}/64 dev wan nodad",
            f"route add default via {ROUTER6}",
        )
        for address in (self.address, self.second):
            self.lab.introduce(self.node, "wan", address, mac_of(self.address))

    def start_broker(self):
        self.mosquitto = broker_start(self.node, self.lab)

    def kill_broker(self):
        self.mosquitto.kill()
        self.mosquitto.wait()

    def _start_stun(self):
        listen = [f for a in (self.address, self.second, self.address6, self.second6) for f in ("-L", a)]
        turnserver = ["turnserver", "-n", *listen, "-E", self.address, "-p", STUN_PORT]
        turnserver += ["--lt-cred-mech", "-u", "user:password", "-r", "lab", "--no-tls", "--no-dtls", "--no-cli"]
        turnserver += ["--log-file", "stdout", "--simple-log", "--pidfile", f"{self.lab.scratch.name}/turn.pid"]
        turnserver += ["--userdb", f"{self.lab.scratch.name}/turn.db"]
        with open(f"{self.lab.scratch.name}/turnserver-{self.address}.log", "wb") as log:
            self.node.start(turnserver, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: port_is_bound(self.node, "udp", STUN_PORT), "turnserver (Debian: coturn) did not start")


def broker_start(node, lab):
    """mosquitto as the big public brokers run it: without delaying small answers."""
    path = f"{lab.scratch.name}/mosquitto-{node.fd}.conf"
    with open(path, "w", encoding="ascii") as conf:
        conf.write(f"user root\nlistener {MQTT_PORT}\nlistener {WEB_PORT}\nallow_anonymous true\nset_tcp_nodelay true\n")
    with open(f"{path}.log", "ab") as log:
        child = node.start(["mosquitto", "-c", path], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait_until(lambda: port_is_bound(node, "tcp", MQTT_PORT), "mosquitto did not start")
    return child


def port_is_bound(node, protocol, port):
    with node, open(f"/proc/thread-self/net/{protocol}", encoding="ascii") as table:
        return any(line.split()[1].endswith(f":{port:04X}") for line in list(table)[1:])


def wait_until(condition, complaint, seconds=10):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise LabError(complaint)
        time.sleep(0.01)
