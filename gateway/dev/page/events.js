/** What an event looks like: a payment as in a statement, a balance as its last line, an alert as one, a talk as bubbles. */
import { clock, counted, element, icon, money, place } from './markup.js';

const looks = {
  transaction({ merchant, category, city, amount, balance, currency }) {
    const isIncome = !amount.startsWith('-');
    return [
      element('span', `disc ${isIncome ? 'income' : ''}`, icon(category.replace(' ', '-'))),
      element('div', 'what', element('p', 'title', merchant), element('p', 'quiet', `${category} · ${city}`)),
      element(
        'div',
        'sums',
        element('p', `amount ${isIncome ? 'income' : ''}`, money(amount, currency, true)),
        element('p', 'quiet', money(balance, currency)),
      ),
    ];
  },

  balance({ balance, transactions, currency }) {
    return [
      element('span', 'disc', icon('balance')),
      element('div', 'what', element('p', 'title', 'Balance'), element('p', 'quiet', `after ${counted(transactions, 'payment')}`)),
      element('div', 'sums', element('p', 'amount', money(balance, currency))),
    ];
  },

  fraud_alert({ severity, reason, merchant, place: where, amount, currency, outcome }) {
    return [
      element('span', 'disc', icon('fraud')),
      element(
        'div',
        'what',
        element('p', 'title', 'Payment stopped', element('span', `severity ${severity}`, severity)),
        element('p', '', `${money(amount, currency)} to ${merchant}, ${where}: ${outcome}.`),
        element('p', 'quiet', `${reason}.`),
      ),
    ];
  },

  chat({ speaker, author, text }) {
    const isOwn = speaker === 'customer';
    return [
      element('span', 'disc', author.slice(0, 1)),
      element(
        'div',
        'bubble',
        element('p', 'quiet', isOwn ? author : `${author} · support`),
        element('p', '', text),
      ),
    ];
  },

  unknown({ name }) {
    return [element('div', 'what', element('p', 'title', name))];
  },
};

/** The list item of a message; `recovered` says whether it is to be marked as such. */
export function eventItem({ name, data, timestamp, extras, serial }, recovered) {
  const look = looks[name] ?? (() => looks.unknown({ name }));
  const { kafka } = extras;
  const mark = recovered ? element('span', 'mark-recovered', icon('recovered'), 'recovered') : null;
  const position = element('span', 'mono', `#${data.number} · ${place(kafka)}`);
  position.title = `${kafka.topic}, partition ${kafka.partition}, offset ${kafka.offset}, serial ${serial}`;
  const item = element(
    'li',
    `event is-${name} ${data.speaker ? `by-${data.speaker}` : ''} ${recovered ? 'recovered' : ''}`,
    ...look(data),
    element('p', 'foot', mark, position, element('time', '', clock(timestamp))),
  );
  Object.assign(item.dataset, {
    number: data.number,
    partition: kafka.partition,
    offset: kafka.offset,
    serial,
    timestamp,
    recovered,
  });
  return item;
}
