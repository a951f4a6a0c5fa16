"""Calls a method and prints the status that comes: refused.py PORT [TOKEN], h2c on loopback."""

import sys

import grpc

channel = grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}")
metadata = [("authorization", f"Bearer {token}") for token in sys.argv[2:]]
try:
    channel.unary_unary("/test.Echo/Unary")(b"hello", metadata=metadata, timeout=20)
    print("OK")
except grpc.RpcError as error:
    print(error.code().name)
