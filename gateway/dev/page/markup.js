/** Elements made of text; nothing that comes from data is ever read as HTML. */

const SVG = 'http://www.w3.org/2000/svg';

/** An element with a class and children, which are elements or texts; `null` ones are left out. */
export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** One of the symbols of index.html. */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const use = document.createElementNS(SVG, 'use');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
}

/** A sum of decimal text in a currency, such as −€4.80; with `isChange` positive ones get a sign, too. */
export function money(text, currency, isChange = false) {
  const signDisplay = isChange ? 'exceptZero' : 'auto';
  return new Intl.NumberFormat('en', { style: 'currency', currency, signDisplay }).format(text).replace('-', '−');
}

/** A time of day to the second. */
export function clock(milliseconds) {
  return new Date(milliseconds).toLocaleTimeString('en-GB');
}

/** How long: 14.2 s, or 2 min 5 s. */
export function span(milliseconds) {
  const seconds = milliseconds / 1000;
  return seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

/** `1 event`, `2 events`. */
export function counted(number, noun) {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** Where a message is in Kafka, in short. */
export function place({ partition, offset }) {
  return `p${partition} @ ${offset}`;
}
