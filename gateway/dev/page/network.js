/**
 * The network of this page, which a person can cut. Whatever client runs here is not asked: its sockets are closed, new
 * ones come to nothing, and the browser's `offline` and `online` are told, as when a phone enters a tunnel and leaves it.
 *
 * Import it before the client.
 */

const Whole = globalThis.WebSocket;
const sockets = new Set();

export let isCut = false;

/** Close every socket, and let no new one through. */
export function cut() {
  isCut = true;
  for (const socket of sockets) socket.close();
  dispatchEvent(new Event('offline'));
}

/** Let sockets through again. */
export function mend() {
  isCut = false;
  dispatchEvent(new Event('online'));
}

/** A socket in a tunnel. */
class Unreachable extends EventTarget {
  readyState = Whole.CONNECTING;
  onclose = null;
  onerror = null;

  constructor() {
    super();
    setTimeout(() => {
      this.readyState = Whole.CLOSED;
      this.#say('error', new Event('error'));
      this.#say('close', new CloseEvent('close', { code: 1006 }));
    }, 100);
  }

  send() {}

  close() {}

  #say(name, event) {
    this.dispatchEvent(event);
    this[`on${name}`]?.(event);
  }
}

globalThis.WebSocket = class extends Whole {
  constructor(...address) {
    if (isCut) return new Unreachable();
    super(...address);
    sockets.add(this);
    this.addEventListener('close', () => sockets.delete(this));
  }

  send(data) {
    if (!isCut) super.send(data);
  }
};
