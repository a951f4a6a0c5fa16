// Talks to an echo service. Arguments: the folder of `node_modules`, `talk` or `wait`, the URL and
// the token.
//
// `talk` sends messages, compares what comes back, and closes. `wait` prints `open` and waits for
// the other end to close. Both print the close code at the end.
import assert from 'node:assert';
import { createRequire } from 'node:module';

const [folder, mode, url, token] = process.argv.slice(2);
const { WebSocket } = createRequire(`${folder}/`)('ws');

const headers = { Authorization: `Bearer ${token}` };
const socket = new WebSocket(url, ['chat'], { headers, perMessageDeflate: true });

const received = [];
let wake = () => {};
socket.on('message', (message, binary) => {
  received.push(binary ? message : message.toString());
  wake();
});
socket.on('close', (code) => console.log('closed', code));
socket.on('unexpected-response', (_, response) => {
  console.log('refused', response.statusCode);
  socket.terminate();
});
socket.on('error', () => {});

async function next() {
  while (received.length === 0) await new Promise((resolve) => (wake = resolve));
  return received.shift();
}

async function talk() {
  assert.equal(socket.protocol, 'chat');
  assert.match(socket.extensions, /permessage-deflate/);
  const large = Buffer.alloc(2 ** 21, 'binary');
  for (const message of ['text', 'ümläut', '', Buffer.from([0, 255]), large, 'x'.repeat(200_000)]) {
    socket.send(message);
    assert.deepStrictEqual(await next(), message);
  }
  for (const [part, fin] of [['one ', false], ['two ', false], ['three', true]]) {
    socket.send(part, { fin });
  }
  assert.equal(await next(), 'one two three');
  for (let count = 0; count < 20; count += 1) {
    const pong = new Promise((resolve) => socket.once('pong', resolve));
    socket.ping();
    await pong;
  }
  for (let number = 0; number < 200; number += 1) socket.send(String(number));
  for (let number = 0; number < 200; number += 1) assert.equal(await next(), String(number));
  socket.close(1000);
}

socket.on('open', async () => {
  if (mode === 'talk') return talk();
  socket.send('hello');
  await next();
  console.log('open');
});
