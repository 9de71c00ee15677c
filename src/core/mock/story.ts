import { type EndpointName, type EventData, type EventType, endpointOfType } from '../protocol.js';
import { formatTimestamp } from '../recording/timestamp.js';
import { Dice } from './random.js';
import {
  AGENTS,
  AILMENTS,
  type Ailment,
  createRouters,
  ROUTINE_RULES,
  ROUTINE_TASKS,
  type Router,
  wander,
} from './site.js';

/** One event of a story, ready to be sent. */
export interface StoryEvent {
  endpoint: EndpointName;
  type: EventType;
  subject: string;
  data: EventData;
}

/** One event on each endpoint, in an order that makes sense: devices, agents, rules, system. */
export type StoryStep = readonly [StoryEvent, StoryEvent, StoryEvent, StoryEvent];

/** When stories with a seed begin, so that the times in them are the same each time. */
export const STORY_EPOCH_MS = Date.UTC(2026, 0, 5, 8, 0, 0);
/** How far a story's own time goes on with each step, unless told otherwise. */
const DEFAULT_STEP_MS = 500;

/**
 * What a small OPMAS site tells, without end: routers report, agents work, rules run; now and then a router falls ill
 * (degrades, errors), a rule starts, triggers and completes, an alert is raised, the rule changes the router's
 * configuration, it recovers and the alert is resolved. One id runs through all events of such a case. All twelve
 * types come within the first nine steps.
 *
 * @param seed Same seed and times, same events.
 * @param startMs When the story's own time begins, milliseconds since 1970. It is written into the data as the real
 * server does, in UTC without a zone.
 * @param stepMs How far it goes on with each step.
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

  /** A few steps in which nothing happens. */
  *quiet(): Generator<StoryStep, void> {
    // An even number, because a routine rule takes two steps.
    for (let steps = 2 * this.#dice.between(1, 3); steps > 0; steps--) {
      yield this.#step(this.#healthy(), this.#agentRoutine(), this.#ruleRoutine(), this.#metrics());
    }
  }

  /** One case from the first symptom to recovery: nine steps. */
  *incident(): Generator<StoryStep, void> {
    const ill = this.#dice.pick(this.#routers);
    const ailment = this.#dice.pick(AILMENTS);
    const alert = `alert-${1000 + this.#incidents++}`;
    yield this.#step(this.#status(ill), this.#agentRoutine(), this.#ruleRoutine(), this.#metrics());
    yield this.#step(this.#healthy(ill), this.#agentRoutine(), this.#ruleRoutine(), this.#health('healthy'));

    ill.status = 'degraded';
    yield this.#step(
      this.#status(ill, { previous_status: 'online', ...ailment.symptoms(this.#dice) }),
      this.#agent(ailment.agent, 'busy', { task: 'diagnose', device_id: ill.id }),
      this.#ruleStart(ailment.rule, ill.id, { condition: ailment.condition }),
      this.#metrics(),
    );
    yield this.#step(
      this.#error(ill, ailment),
      this.#agentError(ailment.agent, ill.id),
      this.#ruleTriggered(ill.id, ailment),
      this.#health('degraded', ill.id),
    );
    ill.status = 'critical';
    yield this.#step(
      this.#status(ill, { previous_status: 'degraded', ...ailment.symptoms(this.#dice) }),
      this.#taskComplete(ailment.agent, 'diagnose', { device_id: ill.id, finding: ailment.finding }),
      this.#ruleComplete({ matched: true, actions: ['change_config', 'raise_alert'] }),
      this.#alert(alert, 'raised', ill.id, ailment),
    );
    yield this.#step(
      this.#configChange(ill, ailment),
      this.#taskComplete(ailment.agent, 'apply_config', { device_id: ill.id, success: true }),
      this.#ruleStart(ailment.rule, ill.id, { condition: ailment.condition, reason: 'verify' }),
      this.#metrics(),
    );
    ill.status = 'recovering';
    yield this.#step(
      this.#status(ill, { previous_status: 'critical' }),
      this.#agent(ailment.agent, 'busy', { task: 'verify', device_id: ill.id }),
      this.#ruleComplete({ matched: false, actions: [] }),
      this.#metrics(),
    );
    ill.status = 'online';
    yield this.#step(
      this.#status(ill, { previous_status: 'recovering' }),
      this.#agent(ailment.agent, 'idle'),
      this.#ruleRoutine(),
      this.#alert(alert, 'resolved', ill.id, ailment),
    );
    yield this.#step(this.#healthy(ill), this.#agentRoutine(), this.#ruleRoutine(), this.#health('healthy'));
  }

  /** Puts four events on the story's clock, in order. */
  #step(...drafts: [Draft, Draft, Draft, Draft]): StoryStep {
    const start = this.#now;
    this.#now += this.#stepMs;
    return drafts.map(({ type, name, data }, index) => {
      const endpoint = endpointOfType(type)!;
      // Somewhere in its own quarter of the step.
      const at = start + ((index + this.#dice.between(0, 999) / 1000) * this.#stepMs) / drafts.length;
      const timestamp = formatTimestamp(Math.floor(at * 1000)).slice(0, -1);
      return { endpoint, type, subject: `opmas.${endpoint}.${name}`, data: { ...data, timestamp } };
    }) as unknown as StoryStep;
  }

  #status(router: Router, more: EventData = {}): Draft {
    wander(router, this.#dice);
    const { id, status, cpu, memory, clients, uptime, address } = router;
    const data = { device_id: id, status, cpu, memory, clients, uptime, ip_address: address, ...more };
    return { type: 'device.status_update', name: id, data };
  }

  /** The status of any router but that one. */
  #healthy(except?: Router): Draft {
    return this.#status(this.#dice.pick(this.#routers.filter((router) => router !== except)));
  }

  #error(router: Router, { errorCode, message }: Ailment): Draft {
    const data = {
      device_id: router.id,
      error_code: errorCode,
      message,
      severity: 'critical',
      model: router.model,
    };
    return { type: 'device.error', name: router.id, data };
  }

  #configChange(router: Router, { change, rule }: Ailment): Draft {
    const version = ++router.configVersion;
    const data = { device_id: router.id, version, changed_by: `rule:${rule}`, changes: [change] };
    return { type: 'device.config_change', name: router.id, data };
  }

  #agentRoutine(): Draft {
    const agent = this.#dice.pick(AGENTS);
    if (this.#dice.between(0, 1) === 0) return this.#agent(agent, 'idle');
    return this.#taskComplete(agent, this.#dice.pick(ROUTINE_TASKS), {
      device_id: this.#dice.pick(this.#routers).id,
      success: true,
    });
  }

  #agent(agent: string, status: 'idle' | 'busy', more: EventData = {}): Draft {
    const queue = status === 'idle' ? 0 : this.#dice.between(1, 6);
    return { type: 'agent.status_update', name: agent, data: { agent_id: agent, status, queue, ...more } };
  }

  #agentError(agent: string, device: string): Draft {
    const data = {
      agent_id: agent,
      device_id: device,
      error: 'DeviceTimeout',
      message: `no answer from ${device} within 5 s`,
      attempt: 1,
    };
    return { type: 'agent.error', name: agent, data };
  }

  #taskComplete(agent: string, task: string, more: EventData): Draft {
    const duration = this.#dice.between(40, 4000) / 1000;
    const data = { agent_id: agent, task, duration, ...more };
    return { type: 'agent.task_complete', name: agent, data };
  }

  /** A routine rule starts, or the one that has started completes. */
  #ruleRoutine(): Draft {
    if (this.#running !== undefined) return this.#ruleComplete({ matched: false, actions: [] });
    return this.#ruleStart(this.#dice.pick(ROUTINE_RULES), this.#dice.pick(this.#routers).id);
  }

  #ruleStart(rule: string, device: string, more: EventData = {}): Draft {
    this.#running = { rule, id: `exec-${10_000 + this.#executions++}`, device };
    const data = { rule_id: rule, execution_id: this.#running.id, device_id: device, ...more };
    return { type: 'rule.execution_start', name: rule, data };
  }

  #ruleTriggered(device: string, { rule, condition }: Ailment): Draft {
    const data = { rule_id: rule, execution_id: this.#running?.id, device_id: device, condition };
    return { type: 'rule.triggered', name: rule, data };
  }

  #ruleComplete(outcome: { matched: boolean; actions: string[] }): Draft {
    const { rule, id, device } = this.#running!;
    this.#running = undefined;
    const duration = this.#dice.between(5, 900) / 1000;
    const data = { rule_id: rule, execution_id: id, device_id: device, ...outcome, duration };
    return { type: 'rule.execution_complete', name: rule, data };
  }

  #metrics(): Draft {
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

  #health(status: 'healthy' | 'degraded', device?: string): Draft {
    const cause = device === undefined ? {} : { device_id: device };
    const components = { api: 'up', bus: 'up', database: 'up' };
    return { type: 'system.status', name: 'status', data: { status, ...cause, components } };
  }

  #alert(id: string, state: 'raised' | 'resolved', device: string, { rule, message }: Ailment): Draft {
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

/** An event before it has its place in time. */
interface Draft {
  type: EventType;
  name: string;
  data: EventData;
}
