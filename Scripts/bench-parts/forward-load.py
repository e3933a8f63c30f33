#!/usr/bin/env python3
"""What programs do with forwarded connections, and a server for it. Used by Scripts/bench.

forward-load.py serve PORT           echoes everything; what begins with B is thrown away, and its end answered
forward-load.py open PORT SECONDS    opens, one byte there and back, closes: how many a second, one and 16 at a time
forward-load.py ping PORT            median round trip of one byte in microseconds
forward-load.py ping-pipe COMMAND... the same through a command's standard input and output
forward-load.py hold COUNT PORT...   opens so many of each, one byte there and back, says "held", and waits
forward-load.py bulk PORT MIB        MiB/s of one connection
Ports are 127.0.0.1's; HOST:PORT is another's.
"""
import asyncio
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

PINGS = 1000


class Echo(asyncio.Protocol):
    is_bulk = False

    def connection_made(self, transport):
        self.transport = transport
        self.is_first = True

    def data_received(self, data):
        if self.is_first:
            self.is_first, self.is_bulk = False, data[:1] == b"B"
        if not self.is_bulk:
            self.transport.write(data)

    def eof_received(self):
        if self.is_bulk:
            self.transport.write(b"B")


async def serve(port):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "0.0.0.0", int(port), backlog=1024)
    await server.serve_forever()


def connect(place):
    host, _, port = place.rpartition(":")
    connection = socket.create_connection((host or "127.0.0.1", int(port)), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def exchange(connection):
    connection.sendall(b"1")
    assert connection.recv(1) == b"1"


def open_for(place, seconds, workers):
    counts = [0] * workers
    end = time.monotonic() + seconds

    def work(number):
        while time.monotonic() < end:
            with connect(place) as connection:
                exchange(connection)
            counts[number] += 1

    threads = [threading.Thread(target=work, args=[number]) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def median_of(trip):
    times = []
    for _ in range(PINGS):
        began = time.perf_counter()
        trip()
        times.append(time.perf_counter() - began)
    return round(statistics.median(times) * 1e6)


def ping_pipe(command):
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as pipe:

        def trip():
            pipe.stdin.write(b"1")
            assert pipe.stdout.read(1) == b"1"

        print(median_of(trip), flush=True)
        pipe.stdin.close()


def bulk(place, mib):
    block = b"B" * (1 << 20)
    with connect(place) as connection:
        began = time.monotonic()
        for _ in range(mib):
            connection.sendall(block)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b"B"
        return mib / (time.monotonic() - began)


def main(action, *arguments):
    match action:
        case "serve":
            asyncio.run(serve(*arguments))
        case "open":
            print(*(round(open_for(arguments[0], float(arguments[1]), workers)) for workers in (1, 16)))
        case "ping":
            with connect(arguments[0]) as connection:
                print(median_of(lambda: exchange(connection)))
        case "ping-pipe":
            ping_pipe(arguments)
        case "hold":
            held = [connect(place) for place in arguments[1:] for _ in range(int(arguments[0]))]
            for connection in held:
                exchange(connection)
            print("held", flush=True)
            signal.pause()
        case "bulk":
            print(f"{bulk(arguments[0], int(arguments[1])):.1f}")


main(*sys.argv[1:])
