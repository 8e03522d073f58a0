"""An SMTP server of aiosmtpd that writes Maildirs: file and folder are synced before the reply.

Arguments: the port of 127.0.0.1 and the folder that gets example.org/userN. The disk work runs in threads, so that
waiting for one sync holds up nobody else.
"""

import asyncio
import concurrent.futures
import itertools
import os
import sys

from aiosmtpd.smtp import SMTP

THREADS = 64


def sync_folder(path):
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def deliver(box, name, content):
    """Writes one file: tmp, sync, new, sync of the folder."""
    for folder in ("tmp", "new", "cur"):
        os.makedirs(os.path.join(box, folder), mode=0o700, exist_ok=True)
    temporary = os.path.join(box, "tmp", name)
    with open(temporary, "xb") as file:
        file.write(content)
        file.flush()
        os.fdatasync(file.fileno())
    os.rename(temporary, os.path.join(box, "new", name))
    sync_folder(os.path.join(box, "new"))


class Handler:
    """Takes every recipient of example.org."""

    def __init__(self, root):
        self.root = root
        self.numbers = itertools.count()
        self.pool = concurrent.futures.ThreadPoolExecutor(THREADS)

    async def handle_DATA(self, _server, _session, envelope):
        loop = asyncio.get_running_loop()
        jobs = []
        for recipient in envelope.rcpt_tos:
            user, _, host = recipient.rpartition("@")
            if not user.isalnum() or host != "example.org":
                return "550 5.1.1 no such mailbox"
            box = os.path.join(self.root, host, user)
            name = f"{next(self.numbers)}.P{os.getpid()}.aiosmtpd"
            jobs.append(loop.run_in_executor(self.pool, deliver, box, name, envelope.content))
        await asyncio.gather(*jobs)
        return "250 2.0.0 delivered"


async def main(port, root):
    handler = Handler(root)

    def session():
        return SMTP(handler, hostname="bench.example.org", data_size_limit=50_000_000, enable_SMTPUTF8=False)

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
