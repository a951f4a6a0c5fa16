"""An MCP server without any authorization of its own: python server.py PORT. Its tool returns the identity that the gateway forwards."""

import sys

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.transport_security import TransportSecuritySettings

server = MCPServer("interop")


@server.tool()
def whoami(greeting: str, ctx: Context) -> str:
    headers = ctx.request_context.request.headers
    token = "token" if "authorization" in headers else "no token"
    return f"{greeting} {headers.get('x-introspected-sub')} {headers.get('x-introspected-scope')} {token}"


# the default for this host, but for the site of docs/mcp.md
security = TransportSecuritySettings(allowed_hosts=["127.0.0.1:*"], allowed_origins=["https://app.example.com"])
server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]), transport_security=security)
