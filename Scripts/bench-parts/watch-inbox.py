#!/usr/bin/env python3
"""Watches a file arrive in a folder, whatever its name is meanwhile, and checks what has come.

watch-inbox.py FOLDER ORIGINAL    ends when as many bytes have come as ORIGINAL has, or at SIGTERM

Prints: the bytes that came, and compared equal to ORIGINAL's first; those that were there at first sight; when that
was, and when the last of them came, in seconds of the clock that date(1) shows. Fails if anything differs.
"""

import os
import signal
import sys
import time

PAUSE_SECONDS = 0.005
CHUNK_BYTES = 1 << 20


def open_first_file(folder):
    for entry in os.scandir(folder):
        try:
            if entry.is_file() and entry.stat().st_size > 0:
                # Open, it stays readable when its writer renames or removes it.
                return open(entry.path, "rb")
        except FileNotFoundError:
            pass
    return None


def same_content(arriving, original, count):
    with open(original, "rb") as expected:
        arriving.seek(0)
        while count > 0:
            chunk = min(count, CHUNK_BYTES)
            if arriving.read(chunk) != expected.read(chunk):
                return False
            count -= chunk
    return True


def main(folder, original):
    told_to_end = []
    signal.signal(signal.SIGTERM, lambda *_: told_to_end.append(True))
    wanted = os.path.getsize(original)
    arriving, first_bytes, first_time, bytes_there, last_time = None, 0, 0.0, 0, 0.0
    while bytes_there < wanted and not told_to_end:
        time.sleep(PAUSE_SECONDS)
        arriving = arriving or open_first_file(folder)
        if not arriving:
            continue
        now, size = time.time(), os.fstat(arriving.fileno()).st_size
        if not first_time:
            first_bytes, first_time = size, now
        if size > bytes_there:
            bytes_there, last_time = size, now
    # A signal would end Python on its way out, and that would look as if something differed.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(bytes_there, first_bytes, f"{first_time:.3f}", f"{last_time:.3f}")
    if bytes_there > wanted or (arriving and not same_content(arriving, original, bytes_there)):
        sys.exit(f"watch-inbox: what came is not {original}")


main(*sys.argv[1:])
