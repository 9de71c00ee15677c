"""What a script of ten lines does: print each message. `python3 python-client.py URL`"""
import asyncio
import sys

import websockets


async def main(url):
    async with websockets.connect(url, compression=None, max_size=None) as socket:
        async for message in socket:
            sys.stdout.write(message + "\n")


asyncio.run(main(sys.argv[1]))
