"""Talks to an echo server of WebSocket, and prints "good".

    echo_client.py URL [compression]
"""

import asyncio
import sys

import websockets

MESSAGES = ["", "caf\u00e9", b"\0\xff", "x" * 70000, b"y" * 300000, b"", "\U0010ffff" * 1000]


async def main(url, compression=None):
    options = {"compression": compression, "max_size": None}
    async with websockets.connect(url, **options) as socket:
        for message in MESSAGES:
            await socket.send(message)
            assert await socket.recv() == message
        await socket.send(["in ", "three ", "fragments"])
        assert await socket.recv() == "in three fragments"
        await (await socket.ping(b"payload"))
    assert socket.close_code == 1000

    several = [await websockets.connect(url, **options) for _ in range(5)]
    for number, socket in enumerate(several):
        await socket.send(str(number))
    for number, socket in enumerate(several):
        assert await socket.recv() == str(number)
        await socket.close(3000 + number, "bye")
        assert socket.close_code == 3000 + number

    socket = await websockets.connect(url, **options)
    await socket.send("x")
    socket.transport.write(b"\x81\x80")  # the rest of a frame is missing
    socket.transport.close()
    print("good")


asyncio.run(main(*sys.argv[1:]))
