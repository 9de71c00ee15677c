import { type EventData, endpointOfType } from '../protocol.js';
import { formatTimestamp } from '../recording/timestamp.js';
import { Dice } from './random.js';
import {
  AGENTS,
  createRouters,
  type EventDraft,
  PROBLEMS,
  type Problem,
  ROUTINE_RULES,
  ROUTINE_TASKS,
  type Router,
  type StoryEvent,
  wander,
} from './site.js';

/** One event on each endpoint, in an order that makes sense: devices, agents, rules, system. */
export type StoryStep = readonly [StoryEvent, StoryEvent, StoryEvent, StoryEvent];

/** The start of stories with a seed, so that their times are the same each time. */
export const STORY_EPOCH_MS = Date.UTC(2026, 0, 5, 8, 0, 0);
/** Time between the steps of a story. */
const DEFAULT_STEP_MS = 500;

/**
 * Generates the events of a small OPMAS site, without end. Routers report, agents work, rules run. Now and then a router
 * has an incident: it degrades and reports errors, a rule starts, triggers and completes, an alert is raised, the rule
 * changes the router's configuration, the router recovers and the alert is resolved. All events of an incident carry
 * the router's id. All twelve types appear within the first nine steps.
 *
 * @param seed The same seed and times give the same events.
 * @param startMs The start of the story's time, in milliseconds since 1970. Times are written into the data as the real
 * server writes them: in UTC without a zone.
 * @param stepMs Time between steps.
 */
export function* tellStory(
  seed: number,
  startMs: number = STORY_EPOCH_MS,
  stepMs: number = DEFAULT_STEP_MS,
): Generator<StoryStep, never> {
  const teller = new Teller(seed, startMs, stepMs);
  for (;;) {
    yield* teller.incident();
    yield* teller.quiet();
  }
}

class Teller {
  readonly #dice: Dice;
  readonly #routers: Router[];
  readonly #stepMs: number;
  #now: number;
  #executions = 0;
  #incidents = 0;
  #running: { rule: string; id: string; device: string } | undefined;

  constructor(seed: number, startMs: number, stepMs: number) {
    this.#dice = new Dice(seed);
    this.#routers = createRouters(this.#dice);
    this.#now = startMs;
    this.#stepMs = stepMs;
  }

  /** A few steps without an incident. */
  *quiet(): Generator<StoryStep, void> {
    // An even number, because a routine rule takes two steps.
    for (let steps = 2 * this.#dice.between(1, 3); steps > 0; steps--) {
      yield this.#step(this.#healthy(), this.#agentRoutine(), this.#ruleRoutine(), this.#metrics());
    }
  }

  /** One incident from the first symptom to recovery: nine steps. */
  *incident(): Generator<StoryStep, void> {
    const ill = this.#dice.pick(this.#routers);
    const problem = this.#dice.pick(PROBLEMS);
    const alert = `alert-${1000 + this.#incidents++}`;
    yield this.#step(this.#status(ill), this.#agentRoutine(), this.#ruleRoutine(), this.#metrics());
    yield this.#step(this.#healthy(ill), this.#agentRoutine(), this.#ruleRoutine(), this.#health('healthy'));

    ill.status = 'degraded';
    yield this.#step(
      this.#status(ill, { previous_status: 'online', ...problem.symptoms(this.#dice) }),
      this.#agent(problem.agent, 'busy', { task: 'diagnose', device_id: ill.id }),
      this.#ruleStart(problem.rule, ill.id, { condition: problem.condition }),
      this.#metrics(),
    );
    yield this.#step(
      this.#error(ill, problem),
      this.#agentError(problem.agent, ill.id),
      this.#ruleTriggered(ill.id, problem),
      this.#health('degraded', ill.id),
    );
    ill.status = 'critical';
    yield this.#step(
      this.#status(ill, { previous_status: 'degraded', ...problem.symptoms(this.#dice) }),
      this.#taskComplete(problem.agent, 'diagnose', { device_id: ill.id, finding: problem.finding }),
      this.#ruleComplete({ matched: true, actions: ['change_config', 'raise_alert'] }),
      this.#alert(alert, 'raised', ill.id, problem),
    );
    yield this.#step(
      this.#configChange(ill, problem),
      this.#taskComplete(problem.agent, 'apply_config', { device_id: ill.id, success: true }),
      this.#ruleStart(problem.rule, ill.id, { condition: problem.condition, reason: 'verify' }),
      this.#metrics(),
    );
    ill.status = 'recovering';
    yield this.#step(
      this.#status(ill, { previous_status: 'critical' }),
      this.#agent(problem.agent, 'busy', { task: 'verify', device_id: ill.id }),
      this.#ruleComplete({ matched: false, actions: [] }),
      this.#metrics(),
    );
    ill.status = 'online';
    yield this.#step(
      this.#status(ill, { previous_status: 'recovering' }),
      this.#agent(problem.agent, 'idle'),
      this.#ruleRoutine(),
      this.#alert(alert, 'resolved', ill.id, problem),
    );
    yield this.#step(this.#healthy(ill), this.#agentRoutine(), this.#ruleRoutine(), this.#health('healthy'));
  }

  /** Gives four events their times, in order. */
  #step(...drafts: [EventDraft, EventDraft, EventDraft, EventDraft]): StoryStep {
    const start = this.#now;
    this.#now += this.#stepMs;
    return drafts.map(({ type, name, data }, index) => {
      const endpoint = endpointOfType(type)!;
      // At a random time in its quarter of the step.
      const at = start + ((index + this.#dice.between(0, 999) / 1000) * this.#stepMs) / drafts.length;
      const timestamp = formatTimestamp(Math.floor(at * 1000)).slice(0, -1);
      return { endpoint, type, subject: `opmas.${endpoint}.${name}`, data: { ...data, timestamp } };
    }) as unknown as StoryStep;
  }

  #status(router: Router, more: EventData = {}): EventDraft {
    wander(router, this.#dice);
    const { id, status, cpu, memory, clients, uptime, address } = router;
    const data = { device_id: id, status, cpu, memory, clients, uptime, ip_address: address, ...more };
    return { type: 'device.status_update', name: id, data };
  }

  /** The status of any other router. */
  #healthy(except?: Router): EventDraft {
    return this.#status(this.#dice.pick(this.#routers.filter((router) => router !== except)));
  }

  #error({ id, model }: Router, { errorCode, message }: Problem): EventDraft {
    const data = { device_id: id, error_code: errorCode, message, severity: 'critical', model };
    return { type: 'device.error', name: id, data };
  }

  #configChange(router: Router, { change, rule }: Problem): EventDraft {
    const version = ++router.configVersion;
    const data = { device_id: router.id, version, changed_by: `rule:${rule}`, changes: [change] };
    return { type: 'device.config_change', name: router.id, data };
  }

  #agentRoutine(): EventDraft {
    const agent = this.#dice.pick(AGENTS);
    if (this.#dice.between(0, 1) === 0) return this.#agent(agent, 'idle');
    return this.#taskComplete(agent, this.#dice.pick(ROUTINE_TASKS), {
      device_id: this.#dice.pick(this.#routers).id,
      success: true,
    });
  }

  #agent(agent: string, status: 'idle' | 'busy', more: EventData = {}): EventDraft {
    const queue = status === 'idle' ? 0 : this.#dice.between(1, 6);
    return { type: 'agent.status_update', name: agent, data: { agent_id: agent, status, queue, ...more } };
  }

  #agentError(agent: string, device: string): EventDraft {
    const message = `no answer from ${device} within 5 s`;
    const data = { agent_id: agent, device_id: device, error: 'DeviceTimeout', message, attempt: 1 };
    return { type: 'agent.error', name: agent, data };
  }

  #taskComplete(agent: string, task: string, more: EventData): EventDraft {
    const duration = this.#dice.between(40, 4000) / 1000;
    const data = { agent_id: agent, task, duration, ...more };
    return { type: 'agent.task_complete', name: agent, data };
  }

  /** A routine rule starts, or the running rule completes. */
  #ruleRoutine(): EventDraft {
    if (this.#running !== undefined) return this.#ruleComplete({ matched: false, actions: [] });
    return this.#ruleStart(this.#dice.pick(ROUTINE_RULES), this.#dice.pick(this.#routers).id);
  }

  #ruleStart(rule: string, device: string, more: EventData = {}): EventDraft {
    this.#running = { rule, id: `exec-${10_000 + this.#executions++}`, device };
    const data = { rule_id: rule, execution_id: this.#running.id, device_id: device, ...more };
    return { type: 'rule.execution_start', name: rule, data };
  }

  #ruleTriggered(device: string, { rule, condition }: Problem): EventDraft {
    const data = { rule_id: rule, execution_id: this.#running?.id, device_id: device, condition };
    return { type: 'rule.triggered', name: rule, data };
  }

  #ruleComplete(outcome: { matched: boolean; actions: string[] }): EventDraft {
    const { rule, id, device } = this.#running!;
    this.#running = undefined;
    const duration = this.#dice.between(5, 900) / 1000;
    const data = { rule_id: rule, execution_id: id, device_id: device, ...outcome, duration };
    return { type: 'rule.execution_complete', name: rule, data };
  }

  #metrics(): EventDraft {
    const online = this.#routers.filter(({ status }) => status === 'online').length;
    const data = {
      cpu: this.#dice.between(60, 420) / 10,
      memory: this.#dice.between(300, 620) / 10,
      devices_online: online,
      devices_total: this.#routers.length,
      messages_per_second: this.#dice.between(40, 900),
    };
    return { type: 'system.metrics', name: 'metrics', data };
  }

  #health(status: 'healthy' | 'degraded', device?: string): EventDraft {
    const cause = device === undefined ? {} : { device_id: device };
    const components = { api: 'up', bus: 'up', database: 'up' };
    return { type: 'system.status', name: 'status', data: { status, ...cause, components } };
  }

  #alert(id: string, state: 'raised' | 'resolved', device: string, { rule, message }: Problem): EventDraft {
    const data = {
      alert_id: id,
      state,
      severity: state === 'raised' ? 'critical' : 'info',
      device_id: device,
      rule_id: rule,
      message: state === 'raised' ? message : `${device} is back to normal`,
    };
    return { type: 'system.alert', name: 'alerts', data };
  }
}
