"""A client of the lab with what Python brings along: http.client. client.py HOST:PORT PATH."""

import http.client
import socket
import sys
import time

ADDRESS, PATH = sys.argv[1:3]


def connect():
    return http.client.HTTPConnection(ADDRESS, timeout=20)


def ask(connection, method, path, **more):
    connection.request(method, PATH + path, headers={"Host": "hello.example", **more.pop("headers", {})}, **more)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200, (method, path, answer.status)


def keep_alive():
    connection = connect()
    for _ in range(10):
        ask(connection, "GET", "/keep-alive")
    for method in ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        ask(connection, method, "/methods")


def bodies():
    connection = connect()
    for _ in range(3):
        ask(connection, "POST", "/bodies?sink=1", body=b"x" * 5000)
        # An iterable goes out in chunks.
        ask(connection, "POST", "/bodies?sink=1", body=iter([b"a", b"bb" * 700, b"ccc"]), encode_chunked=True)


def slow():
    def pieces():
        for piece in (b"one", b"two", b"three"):
            yield piece
            time.sleep(0.1)

    ask(connect(), "POST", "/slow?sink=1", body=pieces(), encode_chunked=True)


def odd():
    """Unusual and allowed: many fields, a long target, empty values, a query with everything."""
    connection = connect()
    ask(connection, "GET", "/odd", headers={f"x-field-{n}": "v" * n for n in range(60)})
    ask(connection, "GET", "/odd/" + "p" * 3000)
    ask(connection, "GET", "/odd?a=1&b=%20&c=;d,e", headers={"x-empty": "", "x-spaces": "  a  b  "})
    ask(connection, "GET", "/odd", headers={"Connection": "close"})


def aborted_upload():
    """The head says 10000, 2000 come, and then nothing any more."""
    for _ in range(2):
        connection = socket.create_connection(ADDRESS.rsplit(":", 1), timeout=20)
        head = f"POST {PATH}/aborted-upload?sink=1 HTTP/1.1\r\nHost: hello.example\r\nContent-Length: 10000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 2000)
        time.sleep(0.2)
        connection.close()


def reset_download():
    """Reads a little of a large answer and resets."""
    for _ in range(2):
        connection = socket.create_connection(ADDRESS.rsplit(":", 1), timeout=20)
        target = f"{PATH}/reset-download?sink=/download/length/50000000"
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: hello.example\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()


def half_closed():
    """Says that it has no more to say, and would still read the answer."""
    connection = socket.create_connection(ADDRESS.rsplit(":", 1), timeout=20)
    connection.sendall(f"GET {PATH}/half-closed HTTP/1.1\r\nHost: hello.example\r\n\r\n".encode())
    connection.shutdown(socket.SHUT_WR)
    try:
        connection.recv(1000)
    except ConnectionResetError:
        pass


for part in (keep_alive, bodies, slow, odd, aborted_upload, reset_download, half_closed):
    part()
