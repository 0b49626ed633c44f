/** What became of one absence: how long, resumed or why not, and which events were recovered from where. */
import { clock, counted, element, icon, place, span } from './markup.js';

const names = { transaction: 'payment', balance: 'balance', fraud_alert: 'fraud alert', chat: 'support chat' };

const cell = (message, kind) => {
  const made = element('li', kind, `${message.data.number}`);
  made.title = `${names[message.name] ?? message.name}, ${place(message.extras.kafka)}`;
  return made;
};

function heading({ resumed, recovered, missing }) {
  if (resumed) return [element('strong', 'number', `${recovered.length}`), ` ${recovered.length === 1 ? 'event' : 'events'} recovered`];
  return [element('strong', 'number', 'Not resumed'), missing ? ` ${counted(missing, 'event')} missing` : ''];
}

function verdict({ resumed, reason, recovered, missing, before }) {
  if (!resumed) return reason ? `The edge could not prove that nothing was missed: ${reason.message} (${reason.code}).` : 'The edge gave no reason.';
  if (!recovered.length) return 'Nothing happened on the account meanwhile, and the edge has proven it.';
  if (missing) return `${counted(missing, 'number')} missing among them.`;
  const [first, last] = [recovered[0].data.number, recovered.at(-1).data.number];
  const follow = before ? ` They follow number ${before.data.number}` : '';
  return `${first === last ? `Number ${first}` : `Numbers ${first} to ${last}`}, in order, none missing, none twice.${follow && `${follow}.`}`;
}

function table(recovered) {
  const row = ({ name, data, extras: { kafka }, serial, timestamp }) =>
    element(
      'tr',
      '',
      element('td', 'mono', `${data.number}`),
      element('td', '', names[name] ?? name),
      element('td', 'mono', clock(timestamp)),
      Object.assign(element('td', 'mono', `${kafka.partition} @ ${kafka.offset}`), { title: `serial ${serial}` }),
    );
  const head = ['No.', 'Event', 'Time', 'Partition @ offset'].map((text) => Object.assign(element('th', '', text), { scope: 'col' }));
  return element('table', '', element('thead', '', element('tr', '', ...head)), element('tbody', '', ...recovered.map(row)));
}

/** A card for an absence that is over. Draw it again when more was recovered. */
export function reportCard(absence) {
  const { lostAt, backAt, resumed, before, recovered } = absence;
  const away = element('p', 'quiet', `Away ${span(backAt - lostAt)}, from ${clock(lostAt)} to ${clock(backAt)}`);
  const from = before ? element('p', 'mono serial', `after ${before.serial}`) : null;
  const strip = element('ol', 'strip', before ? cell(before, 'before') : null, ...recovered.map((message) => cell(message, 'recovered')));
  strip.setAttribute('aria-label', 'Numbers of the last event before, and of those recovered');
  const details = element('details', '', element('summary', '', icon('log'), 'Their positions in Kafka'), table(recovered));
  const card = element(
    'article',
    `card report ${resumed ? 'resumed' : 'not-resumed'}`,
    element('h3', '', ...heading(absence)),
    away,
    element('p', 'verdict', verdict(absence)),
    recovered.length ? strip : null,
    from,
    recovered.length ? details : null,
  );
  Object.assign(card.dataset, { recovered: recovered.length, resumed, missing: absence.missing, lostAt, backAt });
  return card;
}
