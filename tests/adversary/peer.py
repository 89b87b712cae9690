"""peer.py - what peers say to each other, written a second time from signaling/README.md alone: for attackers who know
the room's name, and for hostile peers who know its secret too. The group and the seal come from libsodium."""

import base64
import ctypes
import ctypes.util
import hashlib
import hmac
import json
import os

_sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
if _sodium.sodium_init() < 0:
    raise OSError("libsodium does not start")

TYPES = ("hello", "pake1", "pake2", "pake3", "sealed", "bye")
OPEN_SECRET = b"p2pconnect/1 open room"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def lv(part):
    size, out = len(part), bytearray()
    while size > 127:
        out.append(128 | size & 127)
        size >>= 7
    return bytes(out) + bytes([size]) + part


def lv_cat(*parts):
    return b"".join(lv(part) for part in parts)


def blake(size, data, key=b""):
    return hashlib.blake2b(data, digest_size=size, key=key).digest()


def base32(data):
    return base64.b32encode(data).decode().rstrip("=").lower()


def room_topic(room):
    return base32(blake(20, b"p2pconnect/1 topic" + room.encode()))


# ---- the group ----


def _call(name, size, *parts):
    out = ctypes.create_string_buffer(size)
    code = getattr(_sodium, name)(out, *parts)
    return out.raw if code in (0, None) or name.endswith("reduce") else None


def generator(prs, channel, sid):
    dsi = b"CPaceRistretto255"
    used = len(lv(prs)) + len(lv(dsi))
    text = lv_cat(dsi, prs, bytes(max(0, 127 - used)), channel, sid)
    return _call("crypto_core_ristretto255_from_hash", 32, hashlib.sha512(text).digest())


def multiply(scalar, point):
    return _call("crypto_scalarmult_ristretto255", 32, scalar, point)


def scalar():
    return _call("crypto_core_ristretto255_scalar_reduce", 32, os.urandom(64))


def random_point():
    return _call("crypto_core_ristretto255_from_hash", 32, os.urandom(64))


# ---- the veil ----


class Veil:
    def __init__(self, room):
        self.key = blake(32, lv_cat(b"p2pconnect/1 veil", room.encode()))

    def _hash(self, label, message, part):
        head = label + bytes([TYPES.index(message["type"])]) + message["from"].encode() + unb64(message["nonce"])
        return blake(32, head + part, self.key)

    def _mask(self, message, check, text):
        return bytes(a ^ b for a, b in zip(text, self._hash(b"s", message, check)))

    def close(self, message, purpose, slots, fresh):
        clear = purpose.encode().ljust(16, b"\0") + bytes([slots, fresh])
        check = self._hash(b"c", message, clear)[:8]
        return dict(message, veil=b64(check + self._mask(message, check, clear)))

    def open(self, message):
        """(purpose, slots, fresh), or None."""
        data = unb64(message["veil"])
        clear = self._mask(message, data[:8], data[8:])
        if self._hash(b"c", message, clear)[:8] != data[:8]:
            return None
        return clear[:16].rstrip(b"\0").decode(), clear[16], clear[17]


# ---- one run ----


def _about(message, veil, last):
    purpose, slots, fresh = veil.open(message)
    return lv_cat(b"p2pconnect/1 about", b"\1", message["cap"].to_bytes(4, "big"), purpose.encode(), bytes([slots]),
                  bytes([fresh]), last)


class Keys:
    """What pake1 and pake2 make, for one of the two sides."""

    def __init__(self, pake1, pake2, veil, shared, sid):
        ada, adb = _about(pake1, veil, unb64(pake1["commit"])), _about(pake2, veil, unb64(pake2["reveal"]))
        ya, yb = unb64(pake1["y"]), unb64(pake2["y"])
        isk = hashlib.sha512(lv_cat(b"CPaceRistretto255_ISK", sid, shared, ya, ada, yb, adb)).digest()
        master = blake(32, isk)
        self.confirm, self.to_b, self.to_a, self.tls = (
            hashlib.blake2b(b"", digest_size=32, key=master, salt=number.to_bytes(8, "little"), person=b"p2pconn1").digest()
            for number in (1, 2, 3, 4))
        self.tag_a, self.tag_b = (
            hmac.new(self.confirm, role + y + ad, hashlib.sha512).digest()[:32]
            for role, y, ad in ((b"\0", ya, ada), (b"\1", yb, adb)))


class Peer:
    """Somebody in the room. `secret` None: an open room; a wrong one: a guess."""

    def __init__(self, room, secret=None, purpose="chat", slots=8):
        self.room, self.purpose, self.slots = room_topic(room), purpose, slots
        self.veil = Veil(room)
        self.id = base32(os.urandom(10))
        self.nonce = os.urandom(16)
        self.prs = blake(32, lv_cat(b"p2pconnect/1 prs", room.encode(), OPEN_SECRET if secret is None else secret))
        self.sequence = 1
        self.runs = {}

    @property
    def hello_topic(self):
        return f"p2pconnect/1/{self.room}/hello"

    def inbox(self, peer):
        return f"p2pconnect/1/{self.room}/to/{peer}"

    def _open(self, kind):
        return {"v": 1, "type": kind, "from": self.id}

    def _about(self, kind, fresh):
        return self.veil.close(dict(self._open(kind), nonce=b64(self.nonce), cap=0), self.purpose, self.slots, fresh)

    def hello(self, fresh=False):
        return self._about("hello", fresh)

    def bye(self):
        return self._open("bye")

    def _generator(self, first, second, nonce_a, nonce_b):
        sid = hashlib.sha512(b"p2pconnect/1 sid" + nonce_a + nonce_b).digest()[:32]
        return generator(self.prs, lv_cat(first.encode(), second.encode()), sid), sid

    def pake1(self, hello, fresh=False):
        """Asks whoever said this hello."""
        g, sid = self._generator(self.id, hello["from"], self.nonce, unb64(hello["nonce"]))
        run = {"scalar": scalar(), "sid": sid, "reveal": os.urandom(16)}
        commit = blake(32, lv_cat(b"p2pconnect/1 commit", run["reveal"]))
        run["pake1"] = dict(self._about("pake1", fresh), y=b64(multiply(run["scalar"], g)), commit=b64(commit))
        self.runs[hello["from"]] = run
        return run["pake1"]

    def accept(self, pake2):
        """As the initiator: the body of pake2, or None: our secret is not theirs."""
        run = self.runs[pake2["from"]]
        shared = multiply(run["scalar"], unb64(pake2["y"]))
        run["keys"] = keys = Keys(run["pake1"], pake2, self.veil, shared, run["sid"])
        run["send"], run["receive"] = keys.to_b, keys.to_a
        return self.unseal(pake2) if keys.tag_b == unb64(pake2["tag"]) else None

    def pake3(self, peer, body=None):
        run = self.runs[peer]
        message = dict(self._open("pake3"), tag=b64(run["keys"].tag_a))
        return self.seal(peer, dict(body, reveal=b64(run["reveal"])), message) if body else message

    def answer(self, pake1, body, fresh=False):
        """As the responder: pake2 around `body`."""
        peer = pake1["from"]
        g, sid = self._generator(peer, self.id, unb64(pake1["nonce"]), self.nonce)
        own, reveal = scalar(), os.urandom(16)
        pake2 = dict(self._about("pake2", fresh), y=b64(multiply(own, g)), reveal=b64(reveal))
        keys = Keys(pake1, pake2, self.veil, multiply(own, unb64(pake1["y"])), sid)
        self.runs[peer] = {"keys": keys, "send": keys.to_a, "receive": keys.to_b}
        return self.seal(peer, body, dict(pake2, tag=b64(keys.tag_b)))

    def proves(self, pake3):
        """As the responder: whether its tag holds."""
        return unb64(pake3["tag"]) == self.runs[pake3["from"]]["keys"].tag_a

    # ---- the seal ----

    def _bound(self, message, sender, to):
        return lv_cat(b"p2pconnect/1 seal", self.room.encode(), sender.encode(), to.encode(),
                      bytes([TYPES.index(message["type"])]), message["seq"].to_bytes(8, "big"))

    def seal(self, peer, body, message=None):
        message = dict(message or self._open("sealed"), seq=self.sequence)
        self.sequence += 1
        clear = json.dumps(body, separators=(",", ":")).encode() + b"\x80"
        clear += bytes(-len(clear) % 256)
        bound, nonce = self._bound(message, self.id, peer), os.urandom(24)
        out = ctypes.create_string_buffer(len(clear) + 16)
        _sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
            out, None, clear, ctypes.c_ulonglong(len(clear)), bound, ctypes.c_ulonglong(len(bound)), None, nonce,
            self.runs[peer]["send"])
        return dict(message, box=b64(nonce + out.raw))

    def unseal(self, message):
        """The body, or None."""
        box, peer = unb64(message["box"]), message["from"]
        bound = self._bound(message, peer, self.id)
        out = ctypes.create_string_buffer(len(box))
        size = ctypes.c_ulonglong()
        code = _sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
            out, ctypes.byref(size), None, box[24:], ctypes.c_ulonglong(len(box) - 24), bound,
            ctypes.c_ulonglong(len(bound)), box[:24], self.runs[peer]["receive"])
        if code != 0:
            return None
        return json.loads(out.raw[:size.value].rstrip(b"\0")[:-1])


def description(candidates, complete=True, kind="offer", name="peer"):
    """An offer or an answer; candidates are (kind, "address:port")."""
    return {"type": kind, "name": name, "ufrag": b64(os.urandom(6)).replace("-", "+").replace("_", "/"),
            "pwd": b64(os.urandom(18)).replace("-", "+").replace("_", "/"), "machine": b64(os.urandom(16)),
            "complete": complete, "candidates": listed(candidates)}


def listed(candidates):
    return [{"kind": kind, "address": address, "priority": 2130706431 - number, "foundation": "f"}
            for number, (kind, address) in enumerate(candidates)]


def dumps(message):
    return json.dumps(message, separators=(",", ":")).encode()
