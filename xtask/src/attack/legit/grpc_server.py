"""Echoes messages of any gRPC method, on a unix socket. grpc_server.py SOCKET."""

import sys
from concurrent import futures

import grpc


class Echo(grpc.GenericRpcHandler):
    def service(self, call):
        if call.method.endswith(("/stream", "/cancelled")):
            return grpc.stream_stream_rpc_method_handler(lambda messages, _: messages)
        if call.method.endswith("/fail"):
            return grpc.unary_unary_rpc_method_handler(
                lambda _, context: context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as asked")
            )
        return grpc.unary_unary_rpc_method_handler(lambda message, _: message)


server = grpc.server(futures.ThreadPoolExecutor(16), handlers=(Echo(),))
server.add_insecure_port("unix:" + sys.argv[1])
server.start()
server.wait_for_termination()
