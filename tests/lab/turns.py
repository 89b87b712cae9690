"""turns.py - a TURN server on the internet: coturn with long-term credentials, over UDP, TCP and TLS.

The lab's STUN server would relay too; this one has an address of its own, so that it can die and come back alone, and
listens for TLS on 443 as well, for networks that let nothing else out.

    with Turn(lab) as turn:
        turn.udp, turn.tcp, turn.tls    for --turn; turn.user and turn.password go with them
        turn.certificate                the file to trust
        turn.kill(); turn.start()       all allocations are gone; or turn.stop(), which ends it politely
"""

import subprocess

from machine import ROUTER, ROUTER6, Node, mac_of
from namespace import LabError, end
from servers import port_is_bound, wait_until

PORT = 3478
TLS_PORT = 443
USER, PASSWORD, REALM = "user", "password", "lab"


class Turn:
    """One server. `options` are more arguments of turnserver, such as "--stale-nonce=2"; {address} in them is its own."""

    user, password, realm = USER, PASSWORD, REALM

    def __init__(self, lab, *options):
        self.lab = lab
        self.options = options
        self.node = Node("turn server")
        self.address = lab.take(lab.addresses)
        self.address6 = f"2001:db8::{lab.number():x}:4"
        self.udp = f"turn:{self.address}:{PORT}"
        self.tcp = f"turn:{self.address}:{PORT}?transport=tcp"
        self.tls = f"turns:{self.address}:{TLS_PORT}?transport=tcp"
        self.udp6 = f"turn:[{self.address6}]:{PORT}"
        self.files = f"{lab.scratch.name}/turn-{self.address}"
        self.certificate, self.key, self.log = (f"{self.files}.{end}" for end in ("crt", "key", "log"))
        self.child = None
        try:
            self._connect()
            self._make_certificate()
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.node.fd < 0:
            return
        self.node.run(["ip", "link", "delete", "wan"])
        self.node.close()
        self.lab.give(self.lab.addresses, self.address)

    def start(self):
        listen = ["-L", self.address, "-L", self.address6, "-E", self.address, "-E", self.address6]
        turnserver = ["turnserver", "-n", *listen, "-p", PORT, "--tls-listening-port", TLS_PORT]
        turnserver += ["--cert", self.certificate, "--pkey", self.key]
        turnserver += ["--lt-cred-mech", "-u", f"{USER}:{PASSWORD}", "-r", REALM, "--no-dtls", "--no-cli"]
        turnserver += ["--log-file", "stdout", "--simple-log", "--pidfile", f"{self.files}.pid"]
        turnserver += ["--userdb", f"{self.files}.db", *(option.format(address=self.address) for option in self.options)]
        with open(self.log, "ab") as log:
            self.child = self.node.start(turnserver, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for protocol, port in (("udp", PORT), ("tcp", PORT), ("tcp", TLS_PORT)):
            wait_until(lambda p=(protocol, port): port_is_bound(self.node, *p), "turnserver did not start")

    def stop(self):
        end(self.child)

    def kill(self):
        self.child.kill()
        self.child.wait()

    def _connect(self):
        self.lab.plug(self.node, "wan", mac_of(self.address), self.lab.server_ms)
        self.node.ip(
            f"addr add {self.address}/32 dev wan",
            f"route add {ROUTER} dev wan",
            f"route add default via {ROUTER}",
            f"addr add {self.address6}/64 dev wan nodad",
            f"route add default via {ROUTER6}",
        )
        self.lab.introduce(self.node, "wan", self.address, mac_of(self.address))

    def _make_certificate(self):
        """For its address, signed by itself, of a day."""
        names = f"subjectAltName=IP:{self.address},IP:{self.address6}"
        argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        argv += ["-days", "1", "-subj", "/CN=turn.lab", "-addext", names, "-keyout", self.key, "-out", self.certificate]
        made = subprocess.run(argv, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise LabError(f"openssl: {made.stderr.strip()}")
