// ably-js as apps install it, driven by JSON lines: commands on standard input, what happens on standard output.
// tests/testbed/sdk.py is the other end, and says what the lines mean.
import { createInterface } from 'node:readline';
import Ably from 'ably';

const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');
const faultOf = (error) => error && { code: error.code, status: error.statusCode, message: error.message };
const plain = (data) => (Buffer.isBuffer(data) ? { bytes: data.toString('base64') } : data);
const meant = ({ data, ...rest }) => ({ ...rest, data: data?.bytes ? Buffer.from(data.bytes, 'base64') : data });
const shown = ({ id, name, data, encoding, clientId, timestamp, extras, serial }) => ({
  id, name, data: plain(data), encoding, clientId, timestamp, extras, serial,
});

let client;
let asked = 0;
const tokensAwaited = new Map();

function authCallback(params, callback) {
  asked += 1;
  tokensAwaited.set(asked, callback);
  say({ event: 'token wanted', ask: asked, clientId: params.clientId });
}

function optionsOf({
  host, port, key, token, authUrl, asksForTokens, usesTokens, isBinary, isSecure, clientId, fallbackHosts, retrySeconds, echo, recover,
}) {
  return {
    endpoint: host,
    fallbackHosts: fallbackHosts ?? [],
    port,
    tlsPort: port,
    tls: isSecure ?? false,
    useBinaryProtocol: isBinary,
    transports: ['web_socket'],
    disableConnectivityCheck: true,
    disconnectedRetryTimeout: retrySeconds * 1000,
    suspendedRetryTimeout: retrySeconds * 1000,
    logLevel: 1,
    ...(key && { key }),
    ...(token && { token }),
    ...(authUrl && { authUrl }),
    ...(asksForTokens && { authCallback }),
    ...(usesTokens && { useTokenAuth: true }),
    ...(clientId && { clientId }),
    ...(recover && { recover }),
    echoMessages: echo ?? true,
  };
}

// Asked for again with options, a channel forgets those that it had, its cipher among them.
const channelOf = (name) => client.channels.all[name] ?? client.channels.get(name, { attachOnSubscribe: false });

function watch(channel) {
  if (channel.isWatched) return;
  channel.isWatched = true;
  channel.on(({ current, resumed, hasBacklog, reason }) =>
    say({ event: 'channel', channel: channel.name, state: current, resumed, hasBacklog, reason: faultOf(reason) }));
  channel.subscribe((message) => say({ event: 'message', channel: channel.name, message: shown(message) })).catch(() => {});
}

const commands = {
  connect(options) {
    client = new Ably.Realtime(optionsOf(options));
    client.connection.on(function ({ current, reason }) {
      say({ event: 'connection', kind: this.event, state: current, id: client.connection.id, reason: faultOf(reason) });
    });
  },
  async attach({ channel: name, ...asked }) {
    const channel = client.channels.get(name, { attachOnSubscribe: false, ...asked });
    watch(channel);
    await channel.attach();
    return { params: channel.params, modes: channel.modes };
  },
  async publish({ channel, messages }) {
    return await channelOf(channel).publish(messages.map(meant));
  },
  async detach({ channel }) {
    await client.channels.get(channel).detach();
  },
  token({ ask, token }) {
    tokensAwaited.get(ask)(null, token);
    tokensAwaited.delete(ask);
  },
  async authorize() {
    await client.auth.authorize();
  },
  async history({ channel, params, options }) {
    const rest = new Ably.Rest(optionsOf(options));
    const page = await rest.channels.get(channel).history(params);
    return { messages: page.items.map(shown), hasNext: page.hasNext() };
  },
  async walk({ channel, params, options }) {
    const pages = [];
    let page = await new Ably.Rest(optionsOf(options)).channels.get(channel).history(params);
    for (; page; page = await page.next()) pages.push(page.items.map(shown));
    return { pages };
  },
  async beforeAttach({ channel }) {
    const page = await client.channels.get(channel).history({ untilAttach: true });
    return { messages: page.items.map(shown) };
  },
  async status({ channel, options }) {
    return await new Ably.Rest(optionsOf(options)).channels.get(channel).status();
  },
  recoveryKey() {
    return { key: client.connection.createRecoveryKey() };
  },
  async tokenRequest({ params, options }) {
    return { request: await new Ably.Rest(optionsOf(options)).auth.createTokenRequest(params) };
  },
  async exchange({ request, options }) {
    const rest = new Ably.Rest({ ...optionsOf(options), authCallback: (params, callback) => callback(null, request) });
    const { token, issued, expires, clientId } = await rest.auth.requestToken();
    return { token, issued, expires, clientId };
  },
  async restPublish({ channel, messages, options }) {
    return await new Ably.Rest(optionsOf(options)).channels.get(channel).publish(messages.map(meant));
  },
  async batchPublish({ batch, options }) {
    return await new Ably.Rest(optionsOf(options)).batchPublish(batch);
  },
  async revoke({ targets, margin, options }) {
    return await new Ably.Rest(optionsOf(options)).auth.revokeTokens(targets, margin);
  },
  async time({ options }) {
    return { milliseconds: await new Ably.Rest(optionsOf(options)).time() };
  },
  async close() {
    client.close();
    await client.connection.whenState('closed');
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { number, command, ...asked } = JSON.parse(line);
  Promise.resolve()
    .then(() => commands[command](asked))
    .then((result) => say({ answer: number, result: result ?? {} }))
    .catch((error) => say({ answer: number, fault: faultOf(error) }));
}
process.exit(0);
