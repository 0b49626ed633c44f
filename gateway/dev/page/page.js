/** The page: a person picks an account, watches what arrives on it, and cuts the connection. */
import './network.js'; // first: what the client takes for the network is this
import { title } from './client.js';
import { element } from './markup.js';
import { wire } from './mile.js';
import { Visit } from './visit.js';

const TICK_MS = 200;
const at = (id) => document.getElementById(id);

let visit;

function choose({ account, name, city, currency }, skew) {
  visit?.end();
  at('account-title').textContent = name;
  at('account-number').textContent = `Account ${account} · ${city} · ${currency}`;
  history.replaceState(null, '', `#${account}`);
  visit = new Visit(account, skew);
}

function choiceOf({ account, name, city }, isChosen, onChoice) {
  const input = Object.assign(element('input', ''), { type: 'radio', name: 'account', value: account, checked: isChosen });
  input.addEventListener('change', onChoice);
  const initials = name.split(' ').map((part) => part[0]);
  const who = element('span', 'who', element('span', '', name), element('span', 'quiet', `${account} · ${city}`));
  const choice = element('label', 'choice', input, element('span', 'initials', initials.join('')), who);
  if (isChosen) setTimeout(() => choice.scrollIntoView({ block: 'nearest', inline: 'center' }));
  return choice;
}

/** How far the edge's clock is ahead of this page's, in milliseconds: they are not always on one machine. */
async function clockSkew() {
  const before = Date.now();
  const [now] = await (await fetch('/time')).json();
  return now - (before + Date.now()) / 2;
}

const [customers, skew] = await Promise.all([fetch('/demo/customers').then((answer) => answer.json()), clockSkew()]);
const chosen = customers.find(({ account }) => location.hash === `#${account}`) ?? customers[0];
for (const customer of customers) {
  at('accounts').append(choiceOf(customer, customer === chosen, () => choose(customer, skew)));
}
at('client').textContent = title;
wire();
setInterval(() => visit.tick(), TICK_MS);
choose(chosen, skew);
