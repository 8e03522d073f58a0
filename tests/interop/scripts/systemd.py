"""Starts a program with two listening sockets, as systemd does (sd_listen_fds(3)).

systemd.py SOCKET PROGRAM ARGUMENT...: the first socket is named smtp, on a free port that is
printed; the second is named lmtp, at the path SOCKET.
"""

import fcntl
import os
import socket
import sys

smtp = socket.create_server(("127.0.0.1", 0))
lmtp = socket.socket(socket.AF_UNIX)
lmtp.bind(sys.argv[1])
lmtp.listen()
print(f"passed port {smtp.getsockname()[1]}", flush=True)

# Out of the way of 3 and 4, where they must be in the end.
copies = [fcntl.fcntl(passed, fcntl.F_DUPFD, 10) for passed in (smtp, lmtp)]
for number, copy in enumerate(copies):
    os.dup2(copy, 3 + number)
    os.close(copy)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="smtp:lmtp")
os.execv(sys.argv[2], sys.argv[2:])
