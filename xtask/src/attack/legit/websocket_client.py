"""Clients of a WebSocket that echoes. websocket_client.py HOST:PORT PATH."""

import asyncio
import sys

import websockets

ADDRESS, PATH = sys.argv[1:3]


async def talk(number):
    # The backend hands on what asks for it so.
    async with websockets.connect(f"ws://{ADDRESS}{PATH}/echo?sink=socket", ping_interval=None) as socket:
        for message in ("a", "b" * 300, b"\0" * 70_000):
            await socket.send(message)
            assert await socket.recv() == message
        await (await socket.ping())


async def main():
    await asyncio.gather(*(talk(number) for number in range(4)))


asyncio.run(main())
