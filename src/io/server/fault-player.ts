import { type Fault, repeats } from '../../core/mock/fault.js';
import { seededRandom } from '../../core/mock/random.js';
import { type Clock, systemClock } from '../clock.js';
import type { SocketClient } from './socket-client.js';
import type { Refusal } from './stream-source.js';

/** What the faults do it to, and who is told. */
export interface FaultStage {
  clients(): Iterable<SocketClient>;
  onFault(fault: Fault, phase: 'now' | 'begins' | 'ends'): void;
}

/** A frame with all reserved bits and a reserved opcode: every client has to fail the connection (1002). */
const GARBAGE = Buffer.from([0xff, 0x04, 0xde, 0xad, 0xbe, 0xef]);

/** Makes faults happen, each on its own schedule from the first client on. */
export class FaultPlayer {
  readonly #faults: readonly Fault[];
  readonly #seed: number;
  readonly #clock: Clock;
  readonly #stage: FaultStage;
  readonly #stopping = new AbortController();
  /** Lasting faults that are under way. */
  readonly #active = new Set<Fault>();
  #begun = false;

  /** @param seed Fixes when repeating faults come. */
  constructor(faults: readonly Fault[], stage: FaultStage, seed: number, clock: Clock = systemClock) {
    this.#faults = faults;
    this.#stage = stage;
    this.#seed = seed;
    this.#clock = clock;
  }

  /** The first client has come, though it is not let in yet; later calls do nothing. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    const start = this.#clock.monotonicMs();
    for (const [index, fault] of this.#faults.entries()) void this.#play(fault, start, this.#seed + index);
  }

  /** How a new client is turned away at this moment, if it is. */
  get refusal(): Refusal | undefined {
    for (const { action } of this.#active) {
      if (action.kind === 'refuse') return { kind: 'status', status: action.status };
    }
    return undefined;
  }

  /** Whether clients get nothing at this moment. */
  get stalled(): boolean {
    for (const { action } of this.#active) if (action.kind === 'stall') return true;
    return false;
  }

  /** Ends all of it, and lets go what was held back. */
  stop(): void {
    this.#stopping.abort();
    this.#active.clear();
    this.#applyStall();
  }

  async #play(fault: Fault, start: number, seed: number): Promise<void> {
    const { signal } = this.#stopping;
    const random = seededRandom(seed);
    let at = start;
    do {
      at += fault.from + random() * (fault.to - fault.from);
      const wait = at - this.#clock.monotonicMs();
      // What is due at 0s meets the first client.
      if (wait > 0) await this.#clock.sleep(wait, signal);
      if (signal.aborted) return;
      if (fault.lasts === 0) {
        this.#strike(fault);
        continue;
      }
      this.#active.add(fault);
      this.#stage.onFault(fault, 'begins');
      this.#applyStall();
      at += fault.lasts;
      await this.#clock.sleep(at - this.#clock.monotonicMs(), signal);
      if (signal.aborted) return;
      this.#active.delete(fault);
      this.#stage.onFault(fault, 'ends');
      this.#applyStall();
    } while (repeats(fault));
  }

  #strike(fault: Fault): void {
    this.#stage.onFault(fault, 'now');
    const { action } = fault;
    for (const client of this.#stage.clients()) {
      if (action.kind === 'close') client.close(action.code);
      else if (action.kind === 'drop') client.destroy();
      else if (action.kind === 'garbage') client.sendRaw(GARBAGE);
    }
  }

  #applyStall(): void {
    const { stalled } = this;
    for (const client of this.#stage.clients()) client.stall(stalled);
  }
}
