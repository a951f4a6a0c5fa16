"""Asks the health service whether it serves, and watches it until the stream ends.

health.py PORT: h2c on loopback.
"""

import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

stub = health_pb2_grpc.HealthStub(grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}"))
for service in ("", "envoy.service.auth.v3.Authorization"):
    answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=20)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING, service
watch = stub.Watch(health_pb2.HealthCheckRequest(service=""))
print("watched:", next(watch).status, flush=True)
for answer in watch:
    print("changed:", answer.status, flush=True)
