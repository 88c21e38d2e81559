"""A WebSocket server by python3-websockets.

    peer.py PORT plain|deflate

Sends back what it gets, but for these texts: "close CODE REASON", "large N" (a text of N bytes),
"ping" (pings, and says "pong" when that was answered), "vanish" (the connection ends).
"""

import asyncio
import sys

import websockets


async def serve(socket):
    async for message in socket:
        words = message.split() if isinstance(message, str) else []
        if words[:1] == ["close"]:
            await socket.close(int(words[1]), words[2])
        elif words[:1] == ["large"]:
            await socket.send("x" * int(words[1]))
        elif words == ["ping"]:
            await (await socket.ping(b"are you there?"))
            await socket.send("pong")
        elif words == ["vanish"]:
            socket.transport.abort()
        else:
            await socket.send(message)


async def main(port, mode):
    compression = "deflate" if mode == "deflate" else None
    async with websockets.serve(serve, "127.0.0.1", int(port), max_size=None, max_queue=None,
                                compression=compression, subprotocols=["second", "first"]):
        await asyncio.Future()


asyncio.run(main(*sys.argv[1:]))
