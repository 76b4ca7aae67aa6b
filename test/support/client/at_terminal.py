"""Runs a command at a terminal of its own: at_terminal.py WHEN BYTES COMMAND...

Writes BYTES (hexadecimal) once the command has printed WHEN. Prints as JSON the output, the exit code (negative for a
signal), and whether the terminal echoes and edits lines again.
"""
import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios

when, keys, command = sys.argv[1].encode(), bytes.fromhex(sys.argv[2]), sys.argv[3:]
ours, theirs = pty.openpty()
os.set_blocking(ours, False)
# A terminal without columns counts as a serial console, on which nothing is drawn.
fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 100, 0, 0))
child = subprocess.Popen(
    command,
    stdin=theirs,
    stdout=theirs,
    stderr=theirs,
    start_new_session=True,
    preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
)
shown, typed = b'', False
while True:
    ended = child.poll() is not None
    try:
        shown += os.read(ours, 65536)
    except BlockingIOError:
        if ended:
            break
        # Wakes for the next output, or to check whether the command has ended.
        select.select([ours], [], [], 0.05)
    if not typed and when in shown:
        typed = True
        os.write(ours, keys)
flags = termios.tcgetattr(theirs)[3]
sane = flags & termios.ECHO != 0 and flags & termios.ICANON != 0
print(json.dumps({'shown': shown.decode(), 'ended': child.returncode, 'sane': sane, 'typed': typed}))
