// Sends every message back. Arguments: the folder of `node_modules`, and the port.
import { createRequire } from 'node:module';

const [folder, port] = process.argv.slice(2);
const { WebSocketServer } = createRequire(`${folder}/`)('ws');

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: Number(port),
  perMessageDeflate: true,
  handleProtocols: (protocols) => (protocols.has('chat') ? 'chat' : false),
});
server.on('listening', () => console.log('ready'));
server.on('connection', (socket) => {
  socket.on('message', (message, binary) => socket.send(message, { binary }));
  socket.on('error', () => {}); // the client is gone
});
