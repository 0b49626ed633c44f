/** One account being watched: what its client tells goes to the ledger, and from there to the page. */
import { open } from './client.js';
import { Feed } from './feed.js';
import { Ledger } from './ledger.js';
import { counted, money, place, span } from './markup.js';
import { pulse, showWay, tell } from './mile.js';
import { reportCard } from './report.js';

const MOST_REPORTS = 5;
const SAID = {
  connecting: 'connecting',
  connected: 'connected',
  disconnected: 'not connected',
  failed: 'refused',
  closed: 'closed',
};
const at = (id) => document.getElementById(id);

export class Visit {
  #ledger;
  #feed = new Feed(at('events'), at('empty'));
  #card; // of the last absence
  #isConnected = false;
  #isOver = false;
  #close;

  /** `skew` is how far the edge's clock is ahead of this page's, in milliseconds. */
  constructor(account, skew) {
    this.#ledger = new Ledger(skew);
    at('reports').replaceChildren();
    at('hint').hidden = false;
    at('balance').textContent = '–';
    at('position').textContent = 'Nothing received yet.';
    this.#close = open(account, {
      connection: (state, reason) => this.#isOver || this.#connection(state, reason),
      attached: (how) => this.#isOver || this.#attached(how),
      message: (message) => this.#isOver || this.#message(message),
    });
  }

  /** Close the connection; what it still tells is not shown. */
  end() {
    this.#isOver = true;
    this.#close();
  }

  /** Show how long it has been away, while it is. */
  tick() {
    const { absence } = this.#ledger;
    if (!absence || absence.isOver) return;
    at('position').textContent = `Away for ${span(Date.now() - absence.lostAt)}; has everything up to ${this.#last()}.`;
  }

  #connection(state, reason) {
    at('state').dataset.state = state;
    at('state-text').textContent = SAID[state] ?? state;
    at('state').title = reason ? `${reason.message}${reason.code ? ` (${reason.code})` : ''}` : '';
    if (this.#isConnected && state !== 'connected') this.#lost();
    this.#isConnected = state === 'connected';
    showWay(this.#isConnected);
    if (state === 'failed') at('position').textContent = at('state').title;
  }

  #lost() {
    const absence = this.#ledger.lost(Date.now());
    if (absence) this.#feed.lost(absence);
  }

  #attached(how) {
    const absence = this.#ledger.back(Date.now(), how);
    if (!absence) return;
    this.#feed.back(absence);
    at('hint').hidden = true;
    for (const details of at('reports').querySelectorAll('details')) details.open = false;
    this.#card = reportCard(absence);
    at('reports').prepend(this.#card);
    while (at('reports').childElementCount > MOST_REPORTS) at('reports').lastElementChild.remove();
    this.#showPosition();
    this.#tellOf(absence);
  }

  #message(message) {
    const recoveredFrom = this.#ledger.enter(message);
    const { data } = message;
    this.#feed.add(message, recoveredFrom !== undefined);
    if (data.balance) at('balance').textContent = money(data.balance, data.currency);
    if (recoveredFrom) this.#feed.count(recoveredFrom);
    this.#redraw(this.#ledger.absence);
    this.#showPosition();
    pulse();
  }

  /** The report grows as events are recovered, or as the first one after the absence shows that some are missing. */
  #redraw(absence) {
    if (!absence?.isOver) return;
    const card = reportCard(absence);
    const { recovered, missing } = this.#card.dataset;
    if (card.dataset.recovered === recovered && card.dataset.missing === missing) return;
    const isOpen = this.#card.querySelector('details')?.open ?? matchMedia('(min-width: 46rem)').matches;
    this.#card.replaceWith(card);
    this.#card = card;
    card.querySelector('details')?.toggleAttribute('open', isOpen);
    this.#tellOf(absence);
  }

  #tellOf({ lostAt, backAt, resumed, recovered }) {
    const found = resumed ? `${counted(recovered.length, 'event')} recovered` : 'not resumed';
    tell(`Back after ${span(backAt - lostAt)}: ${found}.`);
  }

  #showPosition() {
    const { received, missing, repeated } = this.#ledger;
    at('position').textContent = `This page has everything up to ${this.#last()}.`;
    at('tally').textContent = `${received} received, ${missing} missing, ${repeated} twice`;
  }

  #last() {
    const { last } = this.#ledger;
    return last ? `number ${last.data.number}, ${place(last.extras.kafka)}` : 'its beginning';
  }
}
