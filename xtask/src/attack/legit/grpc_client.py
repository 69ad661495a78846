"""A gRPC client of the lab, by its own library. grpc_client.py HOST:PORT PATH."""

import sys

import grpc

ADDRESS, PATH = sys.argv[1:3]
# Calls with this are handed to the server of this library.
METADATA = (("x-lab-echo", "1"),)
# What is beyond 64 KiB at once is a gap (docs/soundness.md).
LARGE = 48_000
# Each channel a connection of its own.
OPTIONS = (("grpc.use_local_subchannel_pool", 1),)


def unary(channel, path, message, **more):
    return channel.unary_unary(PATH + path).future(message, metadata=METADATA, timeout=20, **more)


with grpc.insecure_channel(ADDRESS, OPTIONS) as channel:
    # Twenty calls at once on one connection.
    calls = [unary(channel, "/unary", b"call %d" % n) for n in range(20)]
    assert [call.result() for call in calls] == [b"call %d" % n for n in range(20)]
    # Several frames.
    assert len(unary(channel, "/large", b"x" * LARGE).result()) == LARGE
    for n in range(3):
        stream = channel.stream_stream(PATH + "/stream")(iter([b"a", b"b", b"c"]), metadata=METADATA, timeout=20)
        assert list(stream) == [b"a", b"b", b"c"]
    # A stream that is given up after its first message.
    for n in range(2):
        stream = channel.stream_stream(PATH + "/cancelled")(iter([b"a"] * 1000), metadata=METADATA, timeout=20)
        assert next(stream) == b"a"
        stream.cancel()
    # An error is an answer, in trailers.
    try:
        unary(channel, "/fail", b"x").result()
        raise AssertionError("a failure that did not fail")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
