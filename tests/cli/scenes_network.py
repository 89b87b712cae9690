"""scenes_network.py - brokers, STUN servers and networks that are not as they should be, and the secrets of rooms."""

import os
import socket
import struct
import subprocess
import threading
import time

from harness import check, free_port, need, own_network, until
from scene import scene


@scene
def unreachable_broker(world):
    """A broker that is not there ends with 3 and a sentence"""
    program = world.run("pipe", broker=f"127.0.0.1:{free_port()}")
    program.expect_code(3, 10)
    check("refused" in program.expect_event("error", code=3)["message"], program.story())
    program = world.run("pipe", broker=f"127.0.0.1:{free_port()}", json_lines=False)
    program.expect_code(3, 10)
    check(len(program.lines) == 1 and "refused" in program.err, program.story())


@scene
def trouble_is_said_once(world):
    """A broker that goes away is told once, not at every try, and its return is told"""
    broker = world.broker()
    program = world.run("chat", broker=broker.url, json_lines=False)
    program.expect_sentence("in room")
    broker.stop()
    program.expect_sentence("cannot be reached")
    time.sleep(1.5)
    check(program.err.count("cannot be reached") == 1, program.story())
    broker.start()
    program.expect_sentence("again")


@scene
def relay_that_is_not_there(world):
    """A TURN server that is not there is said once, by its address and the reason, and two meet all the same"""
    port = free_port()
    env = {"P2PCONNECT_TURN_PASSWORD": "correct horse battery"}
    turn = ("--turn", f"turn:127.0.0.1:{port}?transport=tcp", "--turn-user", "user")
    anna = world.run("chat", "--name", "anna", *turn, env=env)
    told = anna.expect_event("relay")["message"]
    check(told == f"TURN server turn:127.0.0.1:{port}?transport=tcp: it cannot be connected to: Connection refused", told)
    bert = world.run("chat", "--name", "bert", *turn, env=env, json_lines=False)
    anna.expect_event("connected", name="bert")
    bert.expect_sentence("TURN server")
    time.sleep(1)
    check(bert.err.count("TURN server") == 1, bert.story())
    for program in (anna, bert):
        check("correct horse" not in program.err, "the password is in a sentence")
        with open(f"/proc/{program.pid}/cmdline", "rb") as file:
            check(b"correct horse" not in file.read(), "the password is an argument")


@scene
def relay_from_the_configuration(world):
    """A TURN server of the configuration file is asked; without turn among the paths it is not"""
    port = free_port()
    folder = world.path("config/p2pconnect")
    os.makedirs(folder)
    with open(os.path.join(folder, "config"), "w", encoding="utf-8") as file:
        file.write(f"turn = turn:127.0.0.1:{port}?transport=tcp\nturn-user = user\n")
    env = {"XDG_CONFIG_HOME": world.path("config")}
    asks = world.run("chat", env=env)
    asks.expect_event("relay")
    silent = world.run("chat", "--paths", "host,lan", env=env)
    silent.expect_event("room")
    time.sleep(0.5)
    check("TURN" not in silent.err, silent.story())


@scene(seconds=2)
def refusing_broker(world):
    """A broker that wants a password ends with 3, and takes who has it"""
    need("mosquitto_passwd")
    passwords = world.path("passwords")
    subprocess.run(["mosquitto_passwd", "-c", "-b", passwords, "user", "p:ss w"], check=True, stderr=subprocess.DEVNULL)
    broker = world.broker(extra=f"allow_anonymous false\npassword_file {passwords}\n")
    stranger = world.run("pipe", broker=broker.url)
    stranger.expect_code(3, 10)
    wrong = world.run("pipe", broker=f"mqtt://user:wrong@{broker.url}")
    wrong.expect_code(3, 10)
    check("wrong" not in wrong.err, "the password is in a sentence")
    right = [world.run("pipe", broker=f"mqtt://user:p%3Ass%20w@{broker.url}", stdin=subprocess.DEVNULL) for _ in range(2)]
    for program in right:
        program.expect_code(0)


@scene
def name_that_does_not_resolve(world):
    """A broker whose name does not resolve ends with 3"""
    program = world.run("pipe", "--wait", "10", broker="no-such-host.invalid",
                        before=own_network() + ["sh", "-c", 'ip link set lo up; exec "$@"', "sh"])
    program.expect_code(3, 12)


@scene
def no_network_at_all(world):
    """Without any network it ends with 3 and says so"""
    for broker in ("127.0.0.1:1883", "broker.invalid"):
        program = world.run("pipe", "--wait", "5", broker=broker, before=own_network())
        program.expect_code(3, 10)
        check("network" in program.err or "broker" in program.err, program.story())


@scene(seconds=3)
def silent_broker(world):
    """A broker that takes the connection and says nothing ends with 3 when the wait is over"""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        program = world.run("pipe", "--wait", "2", broker=f"127.0.0.1:{listener.getsockname()[1]}")
        program.expect_code(3, 10)


@scene
def garbage_broker(world):
    """A broker that speaks something else ends with 3"""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        try:
            while True:
                peer, _ = listener.accept()
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(range(256)) * 16)
                peer.close()
        except OSError:
            return

    threading.Thread(target=serve, daemon=True).start()
    world.run("pipe", "--wait", "8", broker=f"127.0.0.1:{listener.getsockname()[1]}").expect_code(3, 12)
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@scene(seconds=2)
def untrusted_certificate(world):
    """mqtts:// with a certificate that nobody vouches for, or to a plain port, ends with 3"""
    world.run("pipe", "--wait", "8", broker="mqtts://" + world.shared_broker.url).expect_code(3, 12)
    need("openssl")
    key, certificate = world.path("key.pem"), world.path("cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", key, "-out", certificate], check=True, stderr=subprocess.DEVNULL)
    broker = world.broker(extra=f"allow_anonymous true\ncertfile {certificate}\nkeyfile {key}\n")
    world.run("pipe", "--wait", "8", broker=f"mqtts://localhost:{broker.port}").expect_code(3, 12)


@scene
def one_dead_broker_of_three(world):
    """Of several brokers one that is dead and one that is silent cost nothing"""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        brokers = ["--broker", f"127.0.0.1:{free_port()}", "--broker", f"127.0.0.1:{silent.getsockname()[1]}"]
        begun = time.monotonic()
        world.pair(args=brokers)
        check(time.monotonic() - begun < 1.5, f"it took {time.monotonic() - begun:.1f} s")


@scene
def two_brokers(world):
    """Two peers that meet at two brokers at once are one connection, and hear each message once"""
    second = world.broker()
    anna, bert = world.pair(args=("--broker", second.url))
    anna.send("once\n")
    bert.expect_output("anna: once\n")
    time.sleep(0.5)
    check(bert.out == b"anna: once\n", bert.story())
    check(len(bert.events("connected")) == 1 and len(bert.events("peer")) == 1, bert.story())


@scene
def brokers_partly_shared(world):
    """Two peers who share one of their brokers meet there"""
    second, third = world.broker(), world.broker()
    anna = world.run("chat", "--name", "anna", "--broker", second.url)
    bert = world.run("chat", "--name", "bert", "--broker", second.url, broker=third.url)
    anna.expect_event("connected", name="bert")
    bert.expect_event("connected", name="anna")


@scene(seconds=2)
def nobody_comes(world):
    """--wait 1 without anybody ends with 4 after a second"""
    begun = time.monotonic()
    for command in ("chat", "pipe", "ping", "echo"):
        program = world.run(command, "--wait", "1", room=f"{world.room} {command}", stdin=subprocess.DEVNULL)
        program.expect_code(4, 5)
        check("--wait" in program.expect_event("error", code=4)["message"], program.story())
    check(4 <= time.monotonic() - begun < 8, "the wait was not a second")


@scene
def busy_port(world):
    """A UDP port that is taken ends with 1 and names the port"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        port = taken.getsockname()[1]
        program = world.run("pipe", "--port", port)
        program.expect_code(1)
        check(str(port) in program.expect_event("error", code=1)["message"], program.story())


@scene
def chosen_port(world):
    """--port is the port of every candidate"""
    port = free_port(socket.SOCK_DGRAM)
    program = world.run("pipe", "--port", port)
    program.expect_event("room")
    candidates = program.events("candidate")
    check(candidates and all(e["address"].endswith(f":{port}") for e in candidates), program.story())


class FakeStun:
    """Answers binding requests as it is told to: `answer(request, source)` gives the datagrams."""

    def __init__(self, answer):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.url = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.answer, self.asked = answer, 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            while True:
                request, source = self.socket.recvfrom(2048)
                self.asked += 1
                for datagram in self.answer(request, source):
                    self.socket.sendto(datagram, source)
        except OSError:
            return

    def close(self):
        self.socket.close()


def stun_answer(request, ip, port):
    """A success response with XOR-MAPPED-ADDRESS (RFC 8489 14.2)."""
    mapped = struct.pack(">BBHI", 0, 1, port ^ 0x2112, struct.unpack(">I", socket.inet_aton(ip))[0] ^ 0x2112A442)
    body = struct.pack(">HH", 0x0020, len(mapped)) + mapped
    return struct.pack(">HH", 0x0101, len(body)) + request[4:20] + body


def lie(request, source):
    """Every lie at once: a victim's address, private ones, our own, garbage, another's transaction."""
    return [stun_answer(request, ip, port) for ip, port in
            (("127.0.0.1", 9), ("10.1.2.3", 5000), source, ("0.0.0.0", 1), ("224.0.0.1", 5000), ("192.0.2.99", 0))] + [
                b"", b"\x01\x01\xff\xff" + request[4:20], request, os.urandom(200),
                stun_answer(b"\0" * 4 + b"\x21\x12\xa4\x42" + os.urandom(12), "198.51.100.7", 6)]


@scene(seconds=2)
def silent_and_lying_stun(world):
    """STUN servers that are silent, lie, or do not exist delay nobody and put nothing private into a candidate"""
    silent, liar = FakeStun(lambda *_: []), FakeStun(lie)
    servers = [silent.url, liar.url, f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}"]
    args = [word for server in servers[1:] for word in ("--stun", server)]
    begun = time.monotonic()
    anna, bert = world.pair(stun=servers[0], args=args)
    check(time.monotonic() - begun < 2, f"it took {time.monotonic() - begun:.1f} s")
    anna.send("hello\n")
    bert.expect_output("anna: hello\n")
    check(silent.asked and liar.asked, "the servers were not asked")
    for program in (anna, bert):
        for event in program.events("candidate", kind="srflx"):
            check(not event["address"].startswith(("127.", "10.", "0.", "224.", "198.51.100.7", "192.0.2.99:0")), str(event))
    silent.close(), liar.close()


@scene
def two_in_one_room(world):
    """Peers with another purpose are no partners: a chat and a pipe in one room do not connect"""
    chat, pipe = world.run("chat", "--name", "anna"), world.run("pipe", "--name", "bert", "--wait", "1")
    pipe.expect_code(4)
    check(not chat.events("connected") and not pipe.events("connected"), chat.story())


@scene(seconds=6)
def wrong_secret(world):
    """A wrong secret ends the later with 6 within 6 s; who was there warns, waits on, and meets who has the right one"""
    anna = world.run("chat", "--name", "anna", env={"P2PCONNECT_SECRET": "right"})
    anna.expect_event("room")
    time.sleep(0.3)  # so that there is no doubt about who came later
    begun = time.monotonic()
    guesser = world.run("chat", "--name", "guesser", env={"P2PCONNECT_SECRET": "wrong"})
    guesser.expect_code(6, 10)
    check(time.monotonic() - begun < 6, f"only after {time.monotonic() - begun:.1f} s")
    check(not guesser.events("peer") and not anna.events("peer"), anna.story() + guesser.story())
    check(anna.process.poll() is None and anna.events("secret"), anna.story())
    world.run("chat", "--name", "bert", env={"P2PCONNECT_SECRET": "right"})
    anna.expect_event("connected", name="bert")


@scene(seconds=6)
def wrong_secret_and_nobody_else(world):
    """Who was there first and met only wrong secrets ends with 6, not 4"""
    anna = world.run("pipe", "--wait", "5", env={"P2PCONNECT_SECRET": "right"})
    anna.expect_event("room")
    time.sleep(0.3)
    guesser = world.run("pipe", env={"P2PCONNECT_SECRET": "wrong"})
    anna.expect_code(6, 10)
    guesser.expect_code(6, 10)


@scene(seconds=5)
def secret_and_open(world):
    """Somebody with a secret and somebody without do not meet"""
    anna = world.run("chat", "--name", "anna", env={"P2PCONNECT_SECRET": "right"})
    anna.expect_event("room")
    bert = world.run("chat", "--name", "bert", "--wait", "2")
    bert.expect_code(6, 10)
    check(not anna.events("peer"), anna.story())


@scene
def secret_is_in_no_argument_and_on_no_wire(world):
    """The secret, the names and the addresses are in nothing that the broker carries"""
    need("mosquitto_sub")
    broker = world.broker()
    spy = world.start(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.port), "-t", "#", "-v"])
    time.sleep(0.3)
    secret = "correct horse battery"
    anna, bert = world.pair(broker=broker.url, names=("anna-of-the-attic", "bert-of-the-barn"),
                            env={"P2PCONNECT_SECRET": secret})
    until(lambda: b"pake3" in spy.out, 5, "the spy saw no handshake")
    seen = bytes(spy.out)
    for program in (anna, bert):
        for event in program.events("candidate"):
            address = event["address"].rsplit(":", 1)[0]
            check(address.encode() not in seen, f"{address} went through the broker")
        with open(f"/proc/{program.pid}/cmdline", "rb") as arguments:
            check(secret.encode() not in arguments.read(), "the secret is an argument")
    for text in (secret, "anna-of-the-attic", "bert-of-the-barn", world.room):
        check(text.encode() not in seen, f"{text} went through the broker")


@scene(seconds=14, slow=True)
def no_allowed_path(world):
    """Peers whose allowed paths do not exist end with 5 and a sentence"""
    anna, bert = [world.run("pipe", "--name", name, "--paths", "turn") for name in ("anna", "bert")]
    for program in (anna, bert):
        program.expect_code(5, 20)
        check(len(program.expect_event("error", code=5)["message"]) > 20, program.story())


@scene(seconds=14, slow=True)
def no_relay(world):
    """With --broker-relay off on one side, peers that nothing else connects end with 5"""
    anna = world.run("pipe", "--name", "anna", "--paths", "turn,broker", "--broker-relay", "off")
    bert = world.run("pipe", "--name", "bert", "--paths", "turn,broker")
    for program in (anna, bert):
        program.expect_code(5, 20)


@scene(seconds=3)
def broker_only(world):
    """--paths broker connects two peers through the broker, marked as such, and tells no address"""
    anna, bert = [world.run("pipe", "--name", name, "--paths", "broker") for name in ("anna", "bert")]
    anna.send("by way of the broker\n")
    for program in (anna, bert):
        program.close_input()
    for program in (anna, bert):
        program.expect_code(0, 20)
        path = program.expect_event("path")
        check(path["kind"] == "broker" and ":" in path["remote"] and "broker" in path["why"], program.story())
        check(program.expect_event("connected")["kind"] == "broker", program.story())
        check(not program.events("candidate"), program.story())
    bert.expect_output("by way of the broker\n")


@scene
def restricted_paths(world):
    """--paths host connects two peers of one machine, and the path says so"""
    anna, _ = world.pair("pipe", args=("--paths", "host"))
    check(anna.expect_event("connected")["kind"] == "host", anna.story())


@scene
def chosen_interface(world):
    """--interface lo leaves no candidate of another interface, --exclude lo none of it"""
    program = world.run("pipe", "--interface", "lo")
    program.expect_event("room")
    addresses = [e["address"] for e in program.events("candidate")]
    check(addresses and all(a.startswith(("127.", "[::1]")) for a in addresses), str(addresses))
    program = world.run("pipe", "--exclude", "lo", "--wait", "1", room=f"{world.room} alone")
    code = program.wait()
    addresses = [e["address"] for e in program.events("candidate")]
    check(not any(a.startswith(("127.", "[::1]")) for a in addresses), str(addresses))
    check(code == (4 if addresses else 3), program.story())
