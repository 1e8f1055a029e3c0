"""What the load client adds: the error of its times, and its CPU against a loop that only receives.

All three clients read the same streams in the same run: ours (parsed and written as rows), a bare Python epoll loop
that only receives and counts, and the same loop in C where there is a compiler. Ratios travel better than seconds.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.calibration import calibrate, reference_server
from bench.events import silent
from bench.model import Load, Stage
from bench.wire.request import parse_url, request_bytes

LEVELS = (32, 128)
TOKENS = 200
END = b"0\r\n\r\n"
BODY = {"model": "reference", "prompt": "a b c", "max_tokens": TOKENS, "stream": True}

C_LOOP = r"""
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv) {
  int port = atoi(argv[1]), streams = atoi(argv[2]), left = streams, epoll = epoll_create1(0);
  static char request[65536], buffer[65536];
  long size = fread(request, 1, sizeof request, stdin), pieces = 0;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct timespec now;
  for (int i = 0; i < streams; i++) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (connect(fd, (void *)&to, sizeof to) || write(fd, request, size) != size) return 1;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    usleep(2000000 / streams);
  }
  while (left) {
    struct epoll_event events[256];
    int ready = epoll_wait(epoll, events, 256, -1);
    for (int i = 0; i < ready; i++) {
      long got = recv(events[i].data.fd, buffer, sizeof buffer, 0);
      clock_gettime(CLOCK_MONOTONIC, &now);
      pieces++;
      if (got <= 0 || (got >= 5 && !memcmp(buffer + got - 5, "0\r\n\r\n", 5))) { close(events[i].data.fd); left--; }
    }
  }
  printf("%ld\n", pieces);
}
"""


def python_loop(port: int, streams: int) -> None:
    """Receive and count `streams` answers; prints its own CPU seconds."""
    request = request_bytes("POST", parse_url(f"http://127.0.0.1:{port}"), "/v1/completions", json.dumps(BODY).encode())
    epoll, sockets, times, pieces = select.epoll(), {}, [], []
    start_s = time.process_time()
    for _ in range(streams):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(request)
        sockets[connection.fileno()] = connection
        epoll.register(connection.fileno(), select.EPOLLIN)
        time.sleep(2.0 / streams)
    while sockets:
        for fd, _ in epoll.poll():
            piece = sockets[fd].recv(16384)
            times.append(time.monotonic_ns())
            pieces.append(piece)
            if not piece or piece[-5:] == END:
                epoll.unregister(fd)
                sockets.pop(fd).close()
    print(time.process_time() - start_s)


def bare_cpu_s(command: list[str], streams: int) -> float:
    """CPU seconds of a receive-only loop over `streams` answers of a reference server."""
    with reference_server() as url:
        port = url.rpartition(":")[2]
        if command[0] == sys.executable:
            return float(subprocess.check_output([*command, port, str(streams)]))
        request = request_bytes("POST", parse_url(url), "/v1/completions", json.dumps(BODY).encode())
        with tempfile.TemporaryFile() as given:
            given.write(request)
            given.seek(0)
            process = subprocess.Popen([*command, port, str(streams)], stdin=given, stdout=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
        process.returncode = status
        return used.ru_utime + used.ru_stime


def main() -> None:
    """Print a table of errors and one of CPU."""
    stages = tuple(Stage(id=f"c{level}", concurrency=level) for level in LEVELS)
    rows = calibrate(Load(stages=stages, input_tokens=64, output_tokens=TOKENS, ramp_s=0.5), silent)
    loops = {"Python loop that only receives": [sys.executable, __file__]}
    with tempfile.TemporaryDirectory() as folder:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler:
            source, program = Path(folder) / "loop.c", Path(folder) / "loop"
            source.write_text(C_LOOP)
            subprocess.run([compiler, "-O2", "-o", program, source], check=True)
            loops["C loop that only receives"] = [str(program)]
        print(f"{'streams':>8} {'TTFT error p50':>15} {'p99':>10} {'gap error p50':>14} {'p99':>10}")
        for row in rows:
            errors = [row[f"{name}_p{p}_s"] * 1e3 for name in ("ttft_error", "itl_error") for p in (50, 99)]
            cells = "".join(f"{error:>{width}.3f} ms" for error, width in zip(errors, (13, 8, 12, 8), strict=True))
            print(f"{row['concurrency']:>8}{cells}")
        print("\nCPU microseconds per chunk")
        for row in rows:
            streams, chunks = row["concurrency"], row["chunks"]
            ours = row["client_cpu_s"] / chunks * 1e6
            whole = row["client_cpu_to_rows_s"] / chunks * 1e6
            print(f"{streams:>5} streams: ours {ours:.1f} while measured, {whole:.1f} with parsing and rows")
            for name, command in loops.items():
                bare = bare_cpu_s(command, streams) / (streams * TOKENS) * 1e6
                print(f"      {name}: {bare:.1f}; ours is {ours / bare:.1f} and {whole / bare:.1f} times that")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        python_loop(int(sys.argv[1]), int(sys.argv[2]))
    else:
        main()
