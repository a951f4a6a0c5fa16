// A service that speaks HTTP/2 only and echoes what it got: http2_service.mjs PORT [CERT KEY]
import http2 from "node:http2";
import fs from "node:fs";

const [port, cert, key] = process.argv.slice(2);
const server = cert
  ? http2.createSecureServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key) })
  : http2.createServer();
server.on("stream", (stream, headers) => {
  let length = 0;
  stream.on("data", (piece) => (length += piece.length));
  stream.on("error", () => {});
  stream.on("end", () => {
    stream.respond({ ":status": 200, "content-type": "application/json" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-trailer": "after the body" }));
    stream.end(JSON.stringify({ headers, length }));
  });
});
server.listen(Number(port), "127.0.0.1", () => console.log("ready"));
