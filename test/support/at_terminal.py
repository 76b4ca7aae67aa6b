"""Runs a command at a terminal of its own: AT_TERMINAL.py WHEN BYTES COMMAND...

Writes BYTES (hexadecimal) once WHEN has been shown, and prints as JSON what was shown, how the command ended (negative:
by a signal), and whether the terminal echoes and edits lines again.
"""
import json
import os
import pty
import select
import sys
import termios

when, keys, command = sys.argv[1].encode(), bytes.fromhex(sys.argv[2]), sys.argv[3:]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
# One who holds the other end keeps its settings readable when the command has ended.
held = os.open(os.ptsname(fd), os.O_RDWR | os.O_NOCTTY)
shown, typed, ended, status = b'', False, 0, 0
os.set_blocking(fd, False)
while True:
    if not ended:
        ended, status = os.waitpid(pid, os.WNOHANG)
    try:
        shown += os.read(fd, 65536)
    except BlockingIOError:
        if ended:
            break
        # Woken by the next output, or to see whether the command has ended.
        select.select([fd], [], [], 0.05)
    if not typed and when in shown:
        typed = True
        os.write(fd, keys)
flags = termios.tcgetattr(held)[3]
sane = flags & termios.ECHO != 0 and flags & termios.ICANON != 0
print(json.dumps({'shown': shown.decode(), 'ended': os.waitstatus_to_exitcode(status), 'sane': sane, 'typed': typed}))
