import type { EndpointName, EventData, EventType } from '../protocol.js';
import type { Dice } from './random.js';

/** An OpenWrt router and its changing figures. */
export interface Router {
  readonly id: string;
  readonly model: string;
  readonly address: string;
  uptime: number;
  cpu: number;
  memory: number;
  clients: number;
  configVersion: number;
  status: 'online' | 'degraded' | 'critical' | 'recovering';
}

const MODELS = ['GL-MT6000', 'Linksys E8450', 'TP-Link Archer AX23', 'Xiaomi AX3000T', 'Banana Pi BPI-R3'];

/** The routers of a small site: two gateways and eight access points. */
export function createRouters(dice: Dice): Router[] {
  const ids = ['gw-1', 'gw-2', ...Array.from({ length: 8 }, (_, index) => `ap-${index + 1}`)];
  return ids.map((id, index) => ({
    id,
    model: dice.pick(MODELS),
    address: `192.168.1.${index + 1}`,
    uptime: dice.between(3600, 2_000_000),
    cpu: dice.between(5, 30),
    memory: dice.between(25, 55),
    clients: dice.between(2, 24),
    configVersion: dice.between(3, 40),
    status: 'online',
  }));
}

/** Changes the figures of a healthy router by one random step. */
export function wander(router: Router, dice: Dice): void {
  router.uptime += dice.between(20, 40);
  router.cpu = clamp(router.cpu + dice.between(-4, 4), 3, 45);
  router.memory = clamp(router.memory + dice.between(-2, 2), 20, 60);
  router.clients = clamp(router.clients + dice.between(-2, 2), 0, 40);
}

const clamp = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));

/** A problem of a router, with the texts about it on the four endpoints. */
export interface Problem {
  readonly errorCode: string;
  readonly message: string;
  readonly rule: string;
  readonly condition: string;
  readonly agent: string;
  readonly finding: string;
  /** The change of the router's configuration by the rule. */
  readonly change: { section: string; option: string; from: string | number; to: string | number };
  /** Figures of the router during the problem. */
  symptoms(dice: Dice): EventData;
}

/** All problems of the story. */
export const PROBLEMS: readonly Problem[] = [
  {
    errorCode: 'CPU_OVERLOAD',
    message: 'CPU load above 95 % for 60 s',
    rule: 'high-cpu',
    condition: 'cpu > 90 for 60s',
    agent: 'agent-health',
    finding: 'runaway logd process',
    change: { section: 'system.log', option: 'log_size', from: 4096, to: 64 },
    symptoms: (dice) => ({ cpu: dice.between(91, 99), memory: dice.between(50, 70) }),
  },
  {
    errorCode: 'MEMORY_LOW',
    message: 'Less than 4 MiB of memory left, dnsmasq was killed',
    rule: 'memory-leak',
    condition: 'memory > 92',
    agent: 'agent-health',
    finding: 'dnsmasq cache grows without limit',
    change: { section: 'dhcp.dnsmasq', option: 'cachesize', from: 100000, to: 1000 },
    symptoms: (dice) => ({ cpu: dice.between(40, 70), memory: dice.between(93, 99) }),
  },
  {
    errorCode: 'WIFI_INTERFERENCE',
    message: 'Channel 6 busy for 89 % of the time, 14 clients lost',
    rule: 'wifi-interference',
    condition: 'channel_busy > 80',
    agent: 'agent-wifi',
    finding: 'three neighboring networks on channel 6',
    change: { section: 'wireless.radio0', option: 'channel', from: 6, to: 11 },
    symptoms: (dice) => ({
      channel: 6,
      channel_busy: dice.between(82, 96),
      noise_dbm: -dice.between(62, 71),
    }),
  },
  {
    errorCode: 'AUTH_FAILURES',
    message: '37 failed SSH logins from 203.0.113.77 in 60 s',
    rule: 'auth-failure-burst',
    condition: 'failed_logins > 20 in 60s',
    agent: 'agent-security',
    finding: 'brute-force attempt from 203.0.113.77',
    change: { section: 'firewall.block', option: 'src_ip', from: '', to: '203.0.113.77' },
    symptoms: (dice) => ({ failed_logins: dice.between(24, 60), cpu: dice.between(35, 60) }),
  },
  {
    errorCode: 'WAN_DOWN',
    message: 'WAN loses every fourth packet, failing over to LTE',
    rule: 'wan-latency',
    condition: 'wan_loss > 20',
    agent: 'agent-network',
    finding: 'damaged line upstream',
    change: { section: 'network.wan', option: 'metric', from: 10, to: 50 },
    symptoms: (dice) => ({ wan_loss: dice.between(21, 60), wan_latency_ms: dice.between(300, 900) }),
  },
];

/** The agents of the story. */
export const AGENTS = [
  'agent-wifi',
  'agent-security',
  'agent-health',
  'agent-network',
  'agent-logs',
] as const;

/** Rules that run all the time and find nothing. */
export const ROUTINE_RULES = ['firmware-age', 'config-drift', 'client-count', 'dns-latency'] as const;

/** Tasks of agents while nothing is wrong. */
export const ROUTINE_TASKS = ['collect_logs', 'scan_wifi', 'check_firmware', 'backup_config'] as const;

/** One event of a story. */
export interface StoryEvent {
  endpoint: EndpointName;
  type: EventType;
  subject: string;
  data: EventData;
}

/** An event of a story before it has its time. */
export interface EventDraft {
  type: EventType;
  name: string;
  data: EventData;
}
