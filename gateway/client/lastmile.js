/**
 * The client of a Lastmile edge for pages: one connection, its channels, every message once and in order over drops.
 * Made to be read: served as it stands, no build, no dependencies. docs/client.md tells how to use it.
 *
 *     connecting ──CONNECTED──▶ connected ──close()──▶ closed
 *         ▲                           │
 *         └── pause ◀─ disconnected ◀─┤ dropped, DISCONNECTED, silence
 *                                     └─ ERROR ──▶ failed
 *
 * Every channel keeps the serial of the last message it gave out, and attaches with it wherever it comes back to. The
 * edge answers RESUMED only if it can prove that nothing lies between; else the channel tells of a gap, with the reason.
 *
 * Source: gateway/PROTOCOL.md sections 1 to 5; RTN14, RTN15, RTN22, RTN23, RTL4, RTL12, RTL13, RTL15b.
 */

const Action = {
  CONNECTED: 4, DISCONNECTED: 6, CLOSE: 7, CLOSED: 8, ERROR: 9,
  ATTACH: 10, ATTACHED: 11, DETACH: 12, DETACHED: 13, MESSAGE: 15, AUTH: 17,
};
const Flag = { HAS_BACKLOG: 1 << 1, RESUMED: 1 << 2, SUBSCRIBE: 1 << 18 };

const AGENT = 'lastmile-js/0.1';
const CONNECT_TIMEOUT_MS = 10_000;
const SILENCE_GRACE_MS = 10_000; // on top of what the edge promises (RTN23a)
const STEADY_MS = 5_000; // a connection that lasted so long does not count as a failure when it ends
const CREDENTIALS_FAILED = 80019;

/** Less and less often, and not all clients of an edge that died at the same moment. */
const pauseMs = (failures) => Math.round(Math.random() * Math.min(15_000, 500 * 2 ** failures));

// Calls between a connection and its channels; symbols keep them off what apps see.
const send = Symbol('send');
const begin = Symbol('begin');
const interrupt = Symbol('interrupt');
const take = Symbol('take');
const tell = Symbol('tell');

/** Why something did not work: `code` as in Ably's table of errors, `status` as in HTTP. */
export class LastmileError extends Error {
  name = 'LastmileError';

  constructor({ message = 'no reason was given', code, statusCode } = {}) {
    super(message);
    this.code = code;
    this.status = statusCode;
  }
}

/** Something that listeners can be added to. What a listener throws is reported by the platform and stops nothing. */
class Source {
  #target = new EventTarget();

  /** Call `listener` with each event of this name. Returns the function that ends it. */
  on(name, listener) {
    const call = (event) => listener(event.detail);
    this.#target.addEventListener(name, call);
    return () => this.#target.removeEventListener(name, call);
  }

  [tell](name, detail) {
    this.#target.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/**
 * A connection to an edge; begins to connect by itself.
 *
 * Options: `token`, a JWT or a function that returns one or a promise of one; or `authUrl`, an address that answers with
 * one; and `url`, the edge, if it is not the one that this module came from.
 *
 * Events: `state` with { state, reason, retryInMs }.
 */
export class Connection extends Source {
  state = 'closed';
  reason = undefined;
  id = undefined;

  #url;
  #newToken;
  #isRenewable;
  #token;
  #key;
  #attempt; // names the attempt under way; what belongs to an earlier one is ignored
  #socket;
  #channels = new Map();
  #timer; // of the silence that ends a connection, or of the pause before the next
  #silenceMs = CONNECT_TIMEOUT_MS;
  #connectedAt = 0;
  #failures = 0;
  #network;

  constructor({ url = new URL('/', import.meta.url), token, authUrl }) {
    super();
    this.#url = new URL(url);
    this.#url.protocol = this.#url.protocol.replace('http', 'ws');
    this.#isRenewable = typeof token === 'function' || authUrl !== undefined;
    this.#newToken = authUrl === undefined ? () => (typeof token === 'function' ? token() : token) : () => tokenFrom(authUrl);
    this.connect();
  }

  /** The channel of this name, attaching. Options count when it is asked for the first time; see Channel. */
  channel(name, options) {
    let channel = this.#channels.get(name);
    if (!channel) {
      channel = new Channel(name, options, (frame) => this[send](frame));
      this.#channels.set(name, channel);
      channel.attach();
    }
    return channel;
  }

  /** Connect now: instead of at the end of a pause, or again after close() or a failure. */
  connect() {
    if (this.state === 'connecting' || this.state === 'connected') return;
    this.#network?.abort();
    this.#network = new AbortController();
    const until = { signal: this.#network.signal };
    globalThis.addEventListener?.('online', () => this.state === 'disconnected' && this.#open(), until);
    globalThis.addEventListener?.('offline', () => this.state === 'connected' && this.#drop({ message: 'the network is gone' }), until);
    this.#failures = 0;
    this.#open();
  }

  /** End in order: the edge forgets the connection. Channels keep their serials. */
  close() {
    this[send]({ action: Action.CLOSE });
    this.#end('closed');
  }

  /** Returns whether the frame could be sent. */
  [send](frame) {
    if (this.state !== 'connected') return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  // ------------------------------------------------------------------ coming and going

  async #open() {
    const attempt = (this.#attempt = Symbol('attempt'));
    this.#supervise(CONNECT_TIMEOUT_MS);
    this.#change('connecting');
    try {
      this.#token ??= await this.#newToken();
    } catch (error) {
      if (attempt === this.#attempt) this.#missToken(error);
      return;
    }
    if (attempt !== this.#attempt) return;
    const query = new URLSearchParams({ v: 6, format: 'json', heartbeats: true, agent: AGENT, accessToken: this.#token });
    if (this.#key) query.set('resume', this.#key);
    const socket = (this.#socket = new WebSocket(`${this.#url}?${query}`));
    socket.onmessage = ({ data }) => attempt === this.#attempt && this.#receive(data);
    socket.onclose = () => attempt === this.#attempt && this.#drop({ message: 'the connection was lost' });
  }

  #missToken(error) {
    const statusCode = error?.status;
    const reason = { message: `no token could be had: ${error?.message ?? error}`, code: CREDENTIALS_FAILED, statusCode };
    if (statusCode === 401 || statusCode === 403) this.#end('failed', reason); // the app's server knows nobody here
    else this.#drop(reason);
  }

  /** Leave this transport, and come back after a pause. */
  #drop(reason) {
    this.#leave();
    if (this.#connectedAt && Date.now() - this.#connectedAt > STEADY_MS) this.#failures = 0;
    this.#connectedAt = 0;
    const retryInMs = pauseMs(this.#failures++);
    this.#timer = setTimeout(() => this.#open(), retryInMs);
    this.#change('disconnected', reason, retryInMs);
  }

  /** A refusal: final, unless a new token may heal it. */
  #refuse(reason, isFinal) {
    const isToken = reason?.code >= 40140 && reason.code < 40150;
    if (isToken) this.#token = undefined;
    if (isToken ? this.#isRenewable : !isFinal) this.#drop(reason);
    else this.#end('failed', reason);
  }

  #end(state, reason) {
    this.#leave();
    this.#network?.abort();
    this.#key = this.id = undefined;
    if (reason) this.#token = undefined;
    this.#change(state, reason);
  }

  #leave() {
    clearTimeout(this.#timer);
    this.#attempt = undefined;
    this.#socket?.close();
    this.#socket = undefined;
  }

  /** Whatever is heard puts off the end; a frozen page finds the time over when it wakes, and resumes. */
  #supervise(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#drop({ message: 'the server is silent' }), ms);
  }

  #change(state, reason, retryInMs) {
    this.state = state;
    this.reason = reason && new LastmileError(reason);
    for (const channel of this.#channels.values()) {
      if (state === 'connected') channel[begin]();
      else if (state !== 'connecting') channel[interrupt](state === 'disconnected' ? 'attaching' : 'detached');
    }
    if (state === this.state) this[tell]('state', { state, reason: this.reason, retryInMs }); // else a listener was quicker
  }

  // ------------------------------------------------------------------ what the edge says

  #receive(text) {
    this.#supervise(this.#silenceMs);
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      this.#drop({ message: 'the server sent what cannot be read' }); // going on would be a gap that nobody sees
      return;
    }
    const { action, channel, error } = frame;
    if (channel) this.#channels.get(channel)?.[take](frame);
    else if (action === Action.CONNECTED) this.#connected(frame);
    else if (action === Action.AUTH) this.#renew();
    else if (action === Action.DISCONNECTED) this.#refuse(error, false);
    else if (action === Action.ERROR) this.#refuse(error, true);
    else if (action === Action.CLOSED) this.#end('closed', error);
  }

  #connected({ connectionId, connectionDetails, error }) {
    this.id = connectionId;
    this.#key = connectionDetails.connectionKey;
    this.#silenceMs = (connectionDetails.maxIdleInterval || 15_000) + SILENCE_GRACE_MS;
    this.#supervise(this.#silenceMs);
    if (this.state === 'connected') return; // a new token was taken, nothing else changes
    this.#connectedAt = Date.now();
    this.#change('connected', error);
  }

  /** The token ends soon. If there is no other now, the edge will disconnect at its end, and the next attempt asks again. */
  async #renew() {
    const attempt = this.#attempt;
    if (!this.#isRenewable) return;
    try {
      const accessToken = await this.#newToken();
      this.#token = accessToken;
      if (attempt === this.#attempt) this[send]({ action: Action.AUTH, auth: { accessToken } });
    } catch {}
  }
}

/**
 * A channel of a connection.
 *
 * Options: `serial`, to go on after a message received before; `rewind`, to begin with earlier messages ('10', '15s',
 * '2m') where there is no serial; `params`, others of the protocol.
 *
 * Events: `message` with the message; `state` with { state, resumed, hasBacklog, serial, reason }; `gap` with { after,
 * serial, reason } when messages between two serials may be missing: the app loads its state anew.
 */
export class Channel extends Source {
  state = 'detached';
  reason = undefined;

  #send;
  #params;
  #isWanted = false;
  #failures = 0;
  #timer;

  constructor(name, { serial, rewind, params } = {}, sendFrame) {
    super();
    this.name = name;
    this.serial = serial;
    this.#params = rewind === undefined ? params : { ...params, rewind: String(rewind) };
    this.#send = sendFrame;
  }

  /** Receive messages; after detach() or a failure, from where it was. */
  attach() {
    this.#isWanted = true;
    if (this.state === 'detached' || this.state === 'failed') this[begin]();
  }

  /** Receive no more. The serial stays. */
  detach() {
    this.#isWanted = false;
    clearTimeout(this.#timer);
    if (this.state !== 'attached' && this.state !== 'attaching') return;
    const isSent = this.#send({ action: Action.DETACH, channel: this.name });
    this.#change(isSent ? 'detaching' : 'detached');
  }

  /** Ask to be attached, if that is wanted and there is a connection; else the next one will. */
  [begin]() {
    clearTimeout(this.#timer);
    if (!this.#isWanted) return;
    const { name: channel, serial: channelSerial } = this;
    if (this.state !== 'attaching') this.#change('attaching');
    this.#send({ action: Action.ATTACH, channel, channelSerial, flags: Flag.SUBSCRIBE, params: this.#params });
  }

  /** The transport is gone; `state` is what becomes of a channel that was attached. */
  [interrupt](state) {
    clearTimeout(this.#timer);
    if (this.state === 'detaching') this.#change('detached');
    else if (this.state === 'attached' || this.state === 'attaching') this.#change(state);
  }

  [take](frame) {
    if (frame.action === Action.MESSAGE) this.#receive(frame);
    else if (frame.action === Action.ATTACHED) this.#attached(frame);
    else if (frame.action === Action.DETACHED) this.#detached(frame);
    else if (frame.action === Action.ERROR) {
      this.#isWanted = false;
      this.#change('failed', frame);
    }
  }

  #receive({ messages, channelSerial, id, connectionId, timestamp }) {
    messages.forEach((message, index) => {
      if (this.state !== 'attached') return; // a listener has detached it, or it was on its way when one did
      if (index === messages.length - 1) this.serial = channelSerial ?? this.serial; // that of the frame's last (RTL15b)
      this[tell]('message', decoded({ id: id && `${id}:${index}`, connectionId, timestamp, serial: channelSerial, ...message }));
    });
  }

  #attached(frame) {
    if (this.state !== 'attaching' && this.state !== 'attached') return; // the answer to what was taken back meanwhile
    const { flags = 0, channelSerial } = frame;
    const after = this.serial;
    this.#failures = 0;
    this.serial = channelSerial ?? after;
    if (this.state === 'attached' && flags & Flag.RESUMED) return; // before it sends us away, an edge says where we stand
    this.#change('attached', frame, { resumed: !!(flags & Flag.RESUMED), hasBacklog: !!(flags & Flag.HAS_BACKLOG) });
    if (after && !(flags & Flag.RESUMED)) this[tell]('gap', { after, serial: this.serial, reason: this.reason });
  }

  /** Asked for, or the edge cannot read the channel now: then it is asked again, less and less often. */
  #detached(frame) {
    if (this.state === 'detaching') {
      this.#change('detached');
      this[begin]();
    } else if (this.#isWanted) {
      this.#change('attaching', frame);
      this.#timer = setTimeout(() => this[begin](), pauseMs(this.#failures++));
    }
  }

  #change(state, { error } = {}, more = {}) {
    this.state = state;
    this.reason = error && new LastmileError(error);
    this[tell]('state', { state, resumed: false, hasBacklog: false, ...more, serial: this.serial, reason: this.reason });
  }
}

/** Undo the steps of `encoding`, last first; those that are not known here stay, for the app (RSL6). */
function decoded(message) {
  const steps = message.encoding?.split('/') ?? [];
  let { data } = message;
  try {
    for (let step; (step = decoders.get(steps.at(-1))); steps.pop()) data = step(data);
  } catch {} // not what it says it is; it is given as it came
  return { ...message, data, encoding: steps.join('/') || undefined };
}

const decoders = new Map([
  ['json', JSON.parse],
  ['base64', (data) => Uint8Array.from(atob(data), (character) => character.charCodeAt(0))],
  ['utf-8', (data) => (typeof data === 'string' ? data : new TextDecoder().decode(data))],
]);

/** Ask the app's server for a token: it answers with a JWT as text, or with a JSON object that has it as `token`. */
async function tokenFrom(authUrl) {
  const response = await fetch(authUrl, { cache: 'no-store', credentials: 'include' });
  if (!response.ok) throw Object.assign(new Error(`${response.status} from authUrl`), { status: response.status });
  const text = (await response.text()).trim();
  return text.startsWith('{') ? JSON.parse(text).token : text;
}
