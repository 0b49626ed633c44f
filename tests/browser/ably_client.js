// What stands in gateway/dev/page/client.js's place when the page runs on ably-js, as npm has it. The page's policy lets
// only scripts of its own server run, so the tests serve ably-js under that address.
const script = Object.assign(document.createElement('script'), { src: '/page/ably.js' });
await new Promise((resolve, reject) => {
  script.onload = resolve;
  script.onerror = reject;
  document.head.append(script);
});

export const title = `ably-js ${Ably.Realtime.version}`;

export function open(account, listener) {
  const client = new Ably.Realtime({
    endpoint: location.hostname,
    port: location.port,
    tls: false,
    authUrl: '/demo/token',
    authParams: { account },
    useBinaryProtocol: true,
    transports: ['web_socket'],
    fallbackHosts: [],
    // It asks servers elsewhere whether there is a network at all, which the page's policy forbids.
    disableConnectivityCheck: true,
    wsConnectivityCheckUrl: `ws://${location.host}/`,
    logLevel: 1,
  });
  const channel = client.channels.get(`account:${account}`, { params: { rewind: '20' } });
  client.connection.on(({ current, reason }) => listener.connection(current === 'suspended' ? 'disconnected' : current, reason));
  channel.on(['attached', 'update'], ({ resumed, reason }) => listener.attached({ resumed, reason }));
  channel.subscribe((message) => listener.message(message));
  return () => client.close();
}
