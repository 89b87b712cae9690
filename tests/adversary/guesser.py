"""guesser.py - tries secrets without pause: a new id for each try, and both ways of having one."""

import json
import threading
import time

import mqtt
import peer

PAUSE_S = 0.1  # between two tries


class Guesser:
    """Knocks at every id that says hello, says hello itself, answers whoever asks, and notes the time of each try: the
    moment at which the other side's tag is there to compare a guess with."""

    def __init__(self, port, room):
        self.room = room
        self.topic = peer.room_topic(room)
        self.client = mqtt.Client(port, topics=[f"p2pconnect/1/{self.topic}/#"])
        self.hellos, self.own, self.asked = {}, {}, {}
        self.tries = {}  # victim's id: times
        self.lock = threading.Lock()
        self.ended = threading.Event()
        for job in (self._listen, self._speak):
            threading.Thread(target=job, daemon=True).start()

    def _say(self, topic, message):
        self.client.publish(topic, peer.dumps(message))

    def _speak(self):
        number = 0
        while not self.ended.wait(PAUSE_S):
            number += 1
            with self.lock:
                victims = list(self.hellos.values())
            for hello in victims:
                us = peer.Peer(self.room, f"guess {number}".encode())
                knock = us.pake1(hello)  # before anybody can ask this id: its one run with this victim is noted
                with self.lock:
                    self.own[us.id] = us
                self._say(us.hello_topic, us.hello())
                self._say(us.inbox(hello["from"]), knock)

    def _listen(self):
        try:
            for topic, payload in self.client.messages(None):
                message = json.loads(payload)
                with self.lock:
                    self._take(topic.split("/"), message)
        except OSError:
            pass

    def _take(self, topic, message):
        sender, kind = message["from"], message["type"]
        if sender in self.own:
            return
        if kind == "hello":
            self.hellos[sender] = message
        elif kind == "bye":
            self.hellos.pop(sender, None)
        us = self.own.get(topic[4]) if topic[3] == "to" else None
        if not us:
            return
        if kind == "pake1" and (sender not in us.runs or self._loses(us, sender)):
            self._say(us.inbox(sender), us.answer(message, peer.description([])))
        elif kind == "pake2" and "keys" not in us.runs.get(sender, {"keys": 0}):
            self._note(sender)
            us.accept(message)
            self._say(us.inbox(sender), us.pake3(sender))
        elif kind == "pake3" and sender in us.runs and not us.runs[sender].get("noted"):
            us.runs[sender]["noted"] = True
            self._note(sender)

    @staticmethod
    def _loses(us, victim):
        """Glare: both have asked, and the smaller id's pake1 is discarded."""
        return us.id < victim and "keys" not in us.runs[victim]

    def _note(self, victim):
        self.tries.setdefault(victim, []).append(time.monotonic())

    def most_in(self, victim, seconds):
        """The most tries at this victim within any time of so many seconds."""
        times = self.tries.get(victim, [])
        return max((sum(t <= u < t + seconds for u in times) for t in times), default=0)

    def close(self):
        self.ended.set()
        self.client.close()
