"""What wsproto makes of frames of WebSocket, as a client.

Reads lines "ID<tab>TERMS<tab>WIRE", the wire in hexadecimal; writes "ID<tab>OUTCOME", where messages
are shown by their CRC-32 and size.
"""

import sys
import zlib

from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import FrameProtocol, Opcode, ParseFailed


def extensions(terms):
    if not terms:
        return []
    offered = PerMessageDeflate(client_max_window_bits=15)
    offered.finalize(terms)
    return [offered]


def message(kind, parts):
    payload = b"".join(parts)
    return "%s:%08x:%d" % (kind, zlib.crc32(payload), len(payload))


def outcome(wire, terms):
    protocol = FrameProtocol(client=True, extensions=extensions(terms))
    shown, parts = [], []
    try:
        protocol.receive_bytes(wire)
        for frame in protocol.received_frames():
            payload = frame.payload
            if frame.opcode == Opcode.CLOSE:
                shown.append("close:%d:%s" % (payload[0], (payload[1] or "").encode().hex()))
                break
            if frame.opcode in (Opcode.PING, Opcode.PONG):
                shown.append("%s:%s" % (frame.opcode.name.lower(), bytes(payload).hex()))
                continue
            parts.append(payload.encode() if isinstance(payload, str) else bytes(payload))
            if frame.message_finished:
                kind = "text" if frame.opcode == Opcode.TEXT else "binary"
                shown.append(message(kind, parts))
                parts = []
    except ParseFailed as error:
        shown.append("fails:%d" % error.code)
    return " ".join(shown)


for line in sys.stdin:
    number, terms, wire = line.rstrip("\n").split("\t")
    print(number, outcome(bytes.fromhex(wire), terms), sep="\t")
