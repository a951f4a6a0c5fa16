"""A gRPC service with all four kinds of calls, health and reflection.

service.py PORT: h2c on loopback. Messages are bytes; the service answers with the identity that the
gateway gives it.
"""

import sys
import time
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection


def identity(context):
    fields = dict(context.invocation_metadata())
    token = "token" if "authorization" in fields else "no token"
    return f"{fields.get('x-introspected-sub', 'nobody')}, {token}".encode()


def unary(request, context):
    context.set_trailing_metadata((("x-trailer", "unary"), ("x-bytes-bin", b"\x00\xff")))
    if request == b"fail":
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now: 100 %")
    if request == b"slow":
        time.sleep(5)
    return request + b" for " + identity(context)


def server_stream(request, context):
    context.set_trailing_metadata((("x-trailer", "server"),))
    for number in range(5):
        yield b"%d " % number + request * 10_000
        time.sleep(0.02)


def client_stream(requests, context):
    context.set_trailing_metadata((("x-trailer", "client"),))
    return str(sum(len(request) for request in requests)).encode()


def both_streams(requests, context):
    context.set_trailing_metadata((("x-trailer", "both"),))
    for request in requests:
        yield request.upper()


server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
server.add_generic_rpc_handlers(
    (
        grpc.method_handlers_generic_handler(
            "test.Echo",
            {
                "Unary": grpc.unary_unary_rpc_method_handler(unary),
                "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
                "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
                "BothStreams": grpc.stream_stream_rpc_method_handler(both_streams),
            },
        ),
    )
)
health_servicer = health.HealthServicer()
health_servicer.set("test.Echo", health_pb2.HealthCheckResponse.SERVING)
health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
reflection.enable_server_reflection(
    ("grpc.health.v1.Health", reflection.SERVICE_NAME), server
)
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
print("ready", flush=True)
server.wait_for_termination()
