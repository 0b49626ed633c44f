// lastmile.js as pages import it, driven by the JSON lines that tests/testbed/sdk.py speaks.
// A command beyond those of the SDKs: `reopen`; an event beyond theirs: `gap`. Needs node --experimental-websocket before 22.
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';

// As a data: URL, since no package.json beside it tells node that a .js file of ours is a module.
const source = await readFile(new URL('../../../gateway/client/lastmile.js', import.meta.url), 'utf8');
const { Connection } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');
const faultOf = (error) => error && { code: error.code, status: error.status, message: error.message };
const plain = (data) => (data instanceof Uint8Array ? { bytes: Buffer.from(data).toString('base64') } : data);

let connection;
let asked = 0;
const tokensAwaited = new Map();
const watched = new Set();

function newToken() {
  asked += 1;
  const ask = asked;
  return new Promise((resolve, reject) => {
    tokensAwaited.set(ask, { resolve, reject });
    say({ event: 'token wanted', ask });
  });
}

function watch(channel) {
  watched.add(channel);
  channel.on('state', ({ state, resumed, hasBacklog, serial, reason }) =>
    say({ event: 'channel', channel: channel.name, state, resumed, hasBacklog, serial, reason: faultOf(reason) }));
  channel.on('gap', ({ after, serial, reason }) =>
    say({ event: 'gap', channel: channel.name, after, serial, reason: faultOf(reason) }));
  channel.on('message', (message) =>
    say({ event: 'message', channel: channel.name, message: { ...message, data: plain(message.data) } }));
}

const settled = (channel) => new Promise((resolve, reject) => {
  const end = channel.on('state', ({ state, reason }) => {
    if (state === 'attached') resolve();
    else if (state === 'failed') reject(reason);
    else return;
    end();
  });
});

const commands = {
  connect({ host, port, token, authUrl, asksForTokens }) {
    connection = new Connection({ url: `http://${host}:${port}`, authUrl, token: asksForTokens ? newToken : token });
    connection.on('state', ({ state, reason, retryInMs }) =>
      say({ event: 'connection', state, id: connection.id, retryInMs, reason: faultOf(reason) }));
  },
  async attach({ channel: name, serial, rewind }) {
    const channel = connection.channel(name, { serial, rewind });
    if (watched.has(channel)) channel.attach();
    else watch(channel);
    await settled(channel);
  },
  detach: ({ channel }) => connection.channel(channel).detach(),
  token({ ask, token }) {
    const { resolve, reject } = tokensAwaited.get(ask);
    if (token) resolve(token);
    else reject(new Error('nobody is logged in'));
  },
  close: () => connection.close(),
  reopen: () => connection.connect(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { number, command, ...rest } = JSON.parse(line);
  Promise.resolve()
    .then(() => commands[command](rest))
    .then((result) => say({ answer: number, result: result ?? {} }))
    .catch((error) => say({ answer: number, fault: faultOf(error) }));
}
process.exit(0);
