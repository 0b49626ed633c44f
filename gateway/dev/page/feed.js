/** The list of events, newest first, with a line wherever the connection was lost and back. */
import { eventItem } from './events.js';
import { clock, counted, element, icon, span } from './markup.js';

const MOST_ITEMS = 300; // a page that is left open for days stays small

export class Feed {
  #list;
  #empty;

  /** `list` is emptied; `empty` is shown until there is something in it. */
  constructor(list, empty) {
    this.#list = list;
    this.#empty = empty;
    list.replaceChildren();
    empty.hidden = false;
  }

  add(message, recovered) {
    this.#put(eventItem(message, recovered));
  }

  lost(absence) {
    this.#put(element('li', 'line lost', icon('cut'), `connection lost at ${clock(absence.lostAt)}`));
  }

  back(absence) {
    const away = span(absence.backAt - absence.lostAt);
    const said = absence.resumed ? 'back, and resumed' : 'back, but not resumed';
    this.#put(element('li', `line ${absence.resumed ? 'back' : 'lost'}`, icon('mend'), `${said} after ${away}`));
  }

  /** How many were recovered, on the line of their absence: known only as they come. */
  count(absence) {
    const line = this.#list.querySelector('.line.back');
    line.lastChild.data = `back after ${span(absence.backAt - absence.lostAt)}: ${counted(absence.recovered.length, 'event')} recovered`;
  }

  #put(item) {
    this.#empty.hidden = true;
    this.#list.prepend(item);
    while (this.#list.childElementCount > MOST_ITEMS) this.#list.lastElementChild.remove();
  }
}
