// A WebSocket service that answers as quickly as node:http lets it: the 101 and a frame in one
// packet, then every byte back.
import { createServer } from 'node:http';

const head =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

const server = createServer((_, response) => response.writeHead(500).end());
server.on('upgrade', (_, socket, early) => {
  socket.setNoDelay(true);
  socket.on('error', () => {}); // the client is gone
  socket.write(Buffer.concat([Buffer.from(head), Buffer.from('\x81\x05hello', 'latin1'), early]));
  socket.pipe(socket);
});
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'));
