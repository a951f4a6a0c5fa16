"""Calls the service through the gateway and prints one JSON line for each call.

client.py PORT TOKEN [CA.pem]: over TLS with a CA, else h2c.
"""

import json
import queue
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

port, token = sys.argv[1], sys.argv[2]
if len(sys.argv) > 3:
    with open(sys.argv[3], "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    channel = grpc.secure_channel(f"localhost:{port}", credentials)
else:
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
metadata = [("authorization", f"Bearer {token}")] if token else []
metadata += [("x-introspected-sub", "eve")]


def show(name, call):
    try:
        result, trailers = call()
        line = {"call": name, "code": "OK", "result": result, "trailers": dict(trailers or ())}
    except grpc.RpcError as error:
        line = {
            "call": name,
            "code": error.code().name,
            "details": error.details(),
            "trailers": {key: repr(value) for key, value in error.trailing_metadata() or ()},
        }
    line["trailers"] = {
        key: value if isinstance(value, str) else value.hex()
        for key, value in line["trailers"].items()
    }
    print(json.dumps(line), flush=True)


def unary(request, timeout=20):
    def call():
        method = channel.unary_unary("/test.Echo/Unary")
        response, done = method.with_call(request, metadata=metadata, timeout=timeout)
        return response.decode(), done.trailing_metadata()

    return call


def server_stream():
    call = channel.unary_stream("/test.Echo/ServerStream")(b"x", metadata=metadata, timeout=20)
    return [len(message) for message in call], call.trailing_metadata()


def client_stream():
    method = channel.stream_unary("/test.Echo/ClientStream")
    messages = (b"y" * 30_000 for _ in range(20))
    response, done = method.with_call(messages, metadata=metadata, timeout=20)
    return response.decode(), done.trailing_metadata()


def both_streams():
    """Each message is sent when the answer to the one before has come: nothing is held back."""
    waiting = queue.Queue()
    call = channel.stream_stream("/test.Echo/BothStreams")(
        iter(waiting.get, None), metadata=metadata, timeout=20
    )
    answers = []
    for text in (b"one", b"two", b"three"):
        waiting.put(text)
        answers.append(next(call).decode())
    waiting.put(None)
    answers += [message.decode() for message in call]
    return answers, call.trailing_metadata()


def health():
    request = health_pb2.HealthCheckRequest(service="test.Echo")
    answer = health_pb2_grpc.HealthStub(channel).Check(request, metadata=metadata, timeout=20)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status), None


def reflection():
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    answers = stub.ServerReflectionInfo(iter([request]), metadata=metadata, timeout=20)
    names = [service.name for answer in answers for service in answer.list_services_response.service]
    return sorted(names), None


show("unary", unary(b"hello"))
show("large", lambda: (len(unary(b"z" * 1_000_000)()[0]), None))
show("failed", unary(b"fail"))
show("deadline", unary(b"slow", timeout=0.5))
show("server stream", server_stream)
show("client stream", client_stream)
show("both streams", both_streams)
show("health", health)
show("reflection", reflection)
