import { FAULT_KINDS, type Fault, type ServerCondition } from '../../core/mock/fault.js';
import { seededRandom } from '../../core/mock/random.js';
import type { Clock } from '../clock.js';
import type { StreamClients } from './stream-clients.js';

/** Server parts that a {@link FaultPlayer} acts on. */
export interface FaultPlayerOptions {
  clients: Pick<StreamClients, 'stall' | typeof Symbol.iterator>;
  onFault(fault: Fault, phase: 'now' | 'begins' | 'ends'): void;
  /** Determines when repeating faults strike. */
  seed: number;
  clock: Clock;
}

/** Makes faults happen, each on its own schedule from the first client on. */
export class FaultPlayer {
  readonly #stopping = new AbortController();
  /** Lasting faults that are under way. */
  readonly #active = new Set<Fault>();
  #hasBegun = false;

  constructor(
    private readonly faults: readonly Fault[],
    private readonly options: FaultPlayerOptions,
  ) {}

  /** Starts the schedules: the first client has come, though it is not let in yet. Later calls do nothing. */
  begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    const { seed, clock } = this.options;
    const startMs = clock.monotonicMs();
    for (const [index, fault] of this.faults.entries()) void this.#play(fault, startMs, seed + index);
  }

  /** The condition that lasting faults put the server into at this moment. */
  get condition(): ServerCondition {
    const conditions = [...this.#active].map(({ kind, number = 0 }) => FAULT_KINDS[kind].condition?.(number));
    return Object.assign({}, ...conditions);
  }

  /** Ends all faults, and sends what a stall held back. */
  stop(): void {
    this.#stopping.abort();
    this.#active.clear();
    this.options.clients.stall(false);
  }

  async #play(fault: Fault, startMs: number, seed: number): Promise<void> {
    const { signal } = this.#stopping;
    const { clock, clients, onFault } = this.options;
    const random = seededRandom(seed);
    let dueMs = startMs;
    do {
      dueMs += fault.fromMs + random() * (fault.toMs - fault.fromMs);
      const waitMs = dueMs - clock.monotonicMs();
      // A fault that is due at 0s meets the first client.
      if (waitMs > 0) await clock.sleep(waitMs, signal);
      if (signal.aborted) return;
      if (fault.lastsMs === 0) {
        onFault(fault, 'now');
        for (const client of [...clients]) FAULT_KINDS[fault.kind].strike?.(client, fault.number ?? 0);
        continue;
      }
      this.#setActive(fault, true);
      dueMs += fault.lastsMs;
      await clock.sleep(dueMs - clock.monotonicMs(), signal);
      if (signal.aborted) return;
      this.#setActive(fault, false);
    } while (fault.toMs > fault.fromMs);
  }

  #setActive(fault: Fault, isActive: boolean): void {
    const { clients, onFault } = this.options;
    if (isActive) this.#active.add(fault);
    else this.#active.delete(fault);
    onFault(fault, isActive ? 'begins' : 'ends');
    clients.stall(this.condition.stalled === true);
  }
}
