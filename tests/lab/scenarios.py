"""scenarios.py - everything that is tried in the laboratory. A new scenario goes into one of these lists."""

import brokers
import doctors
import files
import lives
import meanwhile
import moves
import openings
import pairs
import pictures
import places
import relays
import roads
import rooms
import tunnels

SCENARIOS = [
    *brokers.SCENARIOS,
    *doctors.SCENARIOS,
    *files.SCENARIOS,
    *lives.SCENARIOS,
    *meanwhile.SCENARIOS,
    *moves.SCENARIOS,
    *openings.SCENARIOS,
    *pairs.SCENARIOS,
    *pictures.SCENARIOS,
    *places.SCENARIOS,
    *relays.SCENARIOS,
    *roads.SCENARIOS,
    *rooms.SCENARIOS,
    *tunnels.SCENARIOS,
]
