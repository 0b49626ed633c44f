/**
 * The seam between the page and the client that it runs on. Tests put ably-js in this module's place.
 *
 * `open(account, listener)` connects and listens to one account, beginning with some of the latest events. It returns the
 * function that ends it. It calls
 *   listener.connection(state, reason)        connecting, connected, disconnected, failed
 *   listener.attached({ resumed, reason })    each time that messages begin to come
 *   listener.message({ name, data, timestamp, serial, extras })
 */
import { Connection } from '/lastmile.js';

export const title = 'lastmile.js';

export function open(account, listener) {
  const connection = new Connection({ authUrl: `/demo/token?account=${account}` });
  const channel = connection.channel(`account:${account}`, { rewind: 20 });
  connection.on('state', ({ state, reason }) => listener.connection(state, reason));
  channel.on('state', (change) => change.state === 'attached' && listener.attached(change));
  channel.on('message', (message) => listener.message(message));
  return () => connection.close();
}
