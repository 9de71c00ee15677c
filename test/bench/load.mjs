import { fileURLToPath } from 'node:url';
import { MeasuredProcess } from './measured-process.mjs';

/**
 * Returns the path of a program of the benchmark.
 *
 * @param {string} name
 */
export function program(name) {
  return fileURLToPath(new URL(`programs/${name}`, import.meta.url));
}

/** The command line as a user runs it. */
export const OPMAS_WS = fileURLToPath(new URL('../../bin/opmas-ws.js', import.meta.url));

/** A running load source. */
export class LoadSource {
  #process;
  /** `ws://127.0.0.1:…` */
  url = '';
  /** Times of its first client's request and of its first byte. */
  requestedAt = Number.NaN;
  startedAt = Number.NaN;
  /** Resolves with the time of each event when all have been sent; only when there is a rate. @type {Promise<number[]>} */
  sentAt;

  /**
   * @param {number} events Number of events for each connection.
   * @param {number} [rate] Events a second. Default: as fast as possible.
   */
  static async start(events, rate = 0) {
    const source = new LoadSource(events, rate);
    await source.#ready;
    return source;
  }

  /** @type {Promise<undefined>} */
  #ready;

  /** @param {number} events @param {number} rate */
  constructor(events, rate) {
    this.#process = new MeasuredProcess(
      process.execPath,
      [program('load-server.mjs'), String(events), String(rate)],
      { ipc: 'ipc' },
    );
    /** @type {(value?: undefined) => void} */
    let ready = () => undefined;
    this.#ready = new Promise((resolve) => {
      ready = resolve;
    });
    this.sentAt = new Promise((resolve) => {
      this.#process.onMessage((message) => {
        if (message.port !== undefined) {
          this.url = `ws://127.0.0.1:${message.port}`;
          ready();
        }
        if (message.requestedAt !== undefined && Number.isNaN(this.requestedAt))
          this.requestedAt = message.requestedAt;
        if (message.startedAt !== undefined && Number.isNaN(this.startedAt))
          this.startedAt = message.startedAt;
        if (message.sentAt !== undefined) resolve(message.sentAt);
      });
    });
  }

  /** Returns the cost of the source itself: its CPU must stay well under one core. */
  cost() {
    return this.#process.cost();
  }

  stop() {
    return this.#process.stop();
  }
}
