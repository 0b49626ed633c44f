/**
 * What was received, checked by arithmetic: the bank numbers the events of an account, so who receives them can tell
 * whether one is missing or came twice, and an absence has a number before and one after it.
 *
 * An event was *recovered* if Kafka had it by the time that the client was back, and it came after that.
 */

/** One time that the connection was away. */
export class Absence {
  backAt = undefined;
  resumed = undefined;
  reason = undefined;
  recovered = [];
  missing = 0;

  /** `before` is the last message before it, if there was one. */
  constructor(lostAt, before) {
    this.lostAt = lostAt;
    this.before = before;
  }

  get isOver() {
    return this.backAt !== undefined;
  }
}

/**
 * The ledger of one account. Times are this page's, in milliseconds; `skew` is how far Kafka's clock is ahead of it.
 */
export class Ledger {
  received = 0;
  missing = 0;
  repeated = 0;
  last = undefined;
  absence = undefined;
  #mayBeginAnew = false; // the bank was started again: its numbers, too, belong to another life

  constructor(skew) {
    this.skew = skew;
  }

  /** The connection is gone; does nothing if it was already. Returns the absence that begins, if one does. */
  lost(now) {
    if (this.absence && !this.absence.isOver) return undefined;
    this.absence = new Absence(now, this.last);
    return this.absence;
  }

  /** Messages begin to come again. Returns the absence that ends, if one does. */
  back(now, { resumed, reason }) {
    if (!this.absence || this.absence.isOver) return undefined;
    Object.assign(this.absence, { backAt: now, resumed, reason });
    this.#mayBeginAnew = !resumed;
    return this.absence;
  }

  /** Enter a message. Returns the absence that it was recovered from, if it was. */
  enter(message) {
    const missing = this.#missingBefore(message);
    this.received += 1;
    this.last = message;
    const absence = this.absence;
    if (!absence?.isOver) return undefined;
    absence.missing += missing;
    if (!absence.resumed || message.timestamp > absence.backAt + this.skew) return undefined;
    absence.recovered.push(message);
    return absence;
  }

  #missingBefore({ data: { number } }) {
    const expected = this.last === undefined ? number : this.last.data.number + 1;
    if (number < expected && !this.#mayBeginAnew) this.repeated += 1;
    this.#mayBeginAnew = false;
    const missing = Math.max(0, number - expected);
    this.missing += missing;
    return missing;
  }
}
