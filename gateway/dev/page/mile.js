/** The way of an event, drawn, and the buttons that cut and mend its last stretch. */
import * as network from './network.js';
import { clock, element } from './markup.js';

const CUT_SECONDS = 10;
const at = (id) => document.getElementById(id);

let mendTimer;
let countdown;

/** Draw the way as it is: whole, cut by the person, or broken otherwise. */
export function showWay(isConnected) {
  at('mile').dataset.network = network.isCut ? 'cut' : isConnected ? 'whole' : 'broken';
}

/** Let a dot run along the last stretch. */
export function pulse() {
  if (document.hidden || matchMedia('(prefers-reduced-motion: reduce)').matches) return;
  const dot = element('span', 'dot');
  dot.addEventListener('animationend', () => dot.remove());
  at('last-stretch').append(dot);
}

/** Tell those who do not see the page; only what they would want to be told. */
export function tell(sentence) {
  at('told').textContent = sentence;
}

/** Make the buttons work. */
export function wire() {
  at('cut').addEventListener('click', () => (network.isCut ? mend() : cut()));
  at('cut-for').addEventListener('click', cutForAWhile);
}

function cut() {
  network.cut();
  showControls();
  showWay(false);
  tell(`Connection cut at ${clock(Date.now())}.`);
}

function mend() {
  clearTimeout(mendTimer);
  clearInterval(countdown);
  network.mend();
  showControls();
  showWay(false);
}

function cutForAWhile() {
  cut();
  let secondsLeft = CUT_SECONDS;
  showControls(secondsLeft);
  countdown = setInterval(() => showControls((secondsLeft -= 1)), 1000);
  mendTimer = setTimeout(mend, CUT_SECONDS * 1000);
}

function showControls(secondsLeft) {
  at('cut-text').textContent = network.isCut ? 'Mend the connection' : 'Cut the connection';
  at('cut-icon').setAttribute('href', network.isCut ? '#i-mend' : '#i-cut');
  at('cut').classList.toggle('mends', network.isCut);
  at('cut-for').disabled = network.isCut;
  at('cut-for-verb').textContent = secondsLeft ? 'Mends in' : 'Cut for';
  at('cut-for-seconds').textContent = `${secondsLeft ?? CUT_SECONDS} s`;
}
