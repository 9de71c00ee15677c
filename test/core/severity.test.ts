import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isProblem, SEVERITIES, type Severity, severityOf } from '../../src/core/severity.js';

const STATUS = 'device.status_update';

describe('an event is recovered', () => {
  it.each<[string, object]>([
    [STATUS, { status: 'recovered' }],
    ['system.alert', { state: 'resolved' }],
    ['system.alert', { state: 'Resolved', severity: 'critical' }],
    ['device.error', { status: 'resolved', success: false }],
    ['system.alert', { status: 'resolved', state: 'down' }],
    ...['online', 'up', 'ok', 'healthy', 'normal'].map((status): [string, object] => [
      STATUS,
      { status, previous_status: 'offline' },
    ]),
    ...[
      'critical',
      'error',
      'failed',
      'down',
      'offline',
      'unreachable',
      'degraded',
      'warning',
      'recovering',
    ].map((previous_status): [string, object] => [STATUS, { status: 'online', previous_status }]),
    ['device.error', { state: 'UP', previous_state: 'DOWN', severity: 'error' }],
    [STATUS, { status: 'ok', previous_state: 'failed' }],
  ])('%s %j', (type, data) => expect(severityOf(type, data)).toBe('recovered'));

  it.each<[object, Severity]>([
    [{ status: 'online', previous_status: 'online' }, 'normal'],
    [{ status: 'online', previous_status: 'unknown' }, 'normal'],
    [{ status: 'online' }, 'normal'],
    [{ status: 'degraded', previous_status: 'offline' }, 'warning'],
    [{ status: 'offline', previous_status: 'down' }, 'error'],
    [{ result: 'recovered' }, 'normal'],
    [{ severity: 'recovered' }, 'normal'],
  ])('but not with %j', (data, severity) => expect(severityOf(STATUS, data)).toBe(severity));
});

describe('the severity of an event', () => {
  const words: Record<string, string[]> = {
    critical: ['critical', 'fatal', 'emergency'],
    error: ['error', 'high', 'major'],
    warning: ['warning', 'warn', 'medium', 'minor'],
    normal: ['low', 'info', 'informational', 'notice', 'debug', 'normal'],
  };
  const rows = Object.entries(words).flatMap(([severity, list]) =>
    list.map((word) => [word, severity] as const),
  );
  it.each(rows)('is the one of the member severity or level: %s', (word, severity) => {
    for (const member of ['severity', 'level']) {
      for (const type of [STATUS, 'system.metrics', 'my.type', undefined]) {
        expect(severityOf(type, { [member]: word })).toBe(severity);
        expect(severityOf(type, { [member]: word.toUpperCase() })).toBe(severity);
      }
    }
  });

  it.each([
    ['critical', 'critical'],
    ...['error', 'failed', 'down', 'offline', 'unreachable'].map((word) => [word, 'error']),
    ...['degraded', 'warning', 'recovering'].map((word) => [word, 'warning']),
    ...['online', 'busy', 'high', 'fatal', 'info', ''].map((word) => [word, 'normal']),
  ])('is the one of the member status or state: %j is %s', (word, severity) => {
    for (const member of ['status', 'state']) {
      expect(severityOf(STATUS, { [member]: word })).toBe(severity);
      expect(severityOf(STATUS, { [member]: word.toUpperCase() })).toBe(severity);
    }
  });

  it.each<[string | undefined, unknown, Severity]>([
    ['device.error', {}, 'error'],
    ['agent.error', {}, 'error'],
    ['my.own.error', {}, 'error'],
    ['error', {}, 'normal'],
    ['device.error_count', {}, 'normal'],
    ['system.alert', {}, 'warning'],
    ['rule.triggered', {}, 'warning'],
    ['other.alert', {}, 'normal'],
    ['rule.execution_complete', {}, 'normal'],
    ['agent.task_complete', { success: false }, 'error'],
    ['agent.task_complete', { success: true }, 'normal'],
    ['agent.task_complete', { success: 'false' }, 'normal'],
    ['agent.task_complete', { success: 0 }, 'normal'],
  ])('is that of the type or of success, if nothing else says more: %s %j', (type, data, severity) => {
    expect(severityOf(type, data)).toBe(severity);
  });
});

describe('when members contradict each other', () => {
  it.each<[string, object, Severity]>([
    // severity and level win over status and state
    [STATUS, { severity: 'info', status: 'down' }, 'normal'],
    [STATUS, { severity: 'warning', status: 'critical' }, 'warning'],
    [STATUS, { level: 'critical', state: 'degraded' }, 'critical'],
    [STATUS, { severity: 'critical', status: 'online' }, 'critical'],
    // over success
    ['agent.task_complete', { severity: 'minor', success: false }, 'warning'],
    ['agent.task_complete', { level: 'info', success: false }, 'normal'],
    // and over the type
    ['device.error', { severity: 'critical' }, 'critical'],
    ['device.error', { severity: 'medium' }, 'warning'],
    ['device.error', { severity: 'low' }, 'warning'],
    ['device.error', { level: 'INFO' }, 'warning'],
    ['device.error', { severity: 'low', status: 'offline' }, 'warning'],
    ['system.alert', { severity: 'critical' }, 'critical'],
    ['system.alert', { severity: 'info' }, 'normal'],
    ['rule.triggered', { severity: 'major' }, 'error'],
    ['rule.triggered', { severity: 'low' }, 'normal'],
    // status and state win over success and the type
    ['agent.task_complete', { status: 'degraded', success: false }, 'warning'],
    ['device.error', { status: 'degraded' }, 'warning'],
    ['system.alert', { state: 'down' }, 'error'],
    ['rule.triggered', { state: 'critical' }, 'critical'],
    // success wins over the type
    ['system.alert', { success: false }, 'error'],
    // a word that is not in the table says nothing
    ['device.error', { status: 'online' }, 'error'],
    ['device.error', { severity: 'P4' }, 'error'],
    ['system.alert', { severity: 'P1' }, 'warning'],
    [STATUS, { severity: 'P1', status: 'down' }, 'error'],
    ['agent.task_complete', { status: 'ok', success: false }, 'error'],
    // of two members of one rank, the worse one counts
    [STATUS, { severity: 'info', level: 'error' }, 'error'],
    [STATUS, { severity: 'critical', level: 'debug' }, 'critical'],
    [STATUS, { status: 'degraded', state: 'failed' }, 'error'],
  ])('%s %j is %s', (type, data, severity) => expect(severityOf(type, data)).toBe(severity));
});

describe('data of any shape', () => {
  it.each([
    undefined,
    null,
    'critical',
    5,
    true,
    [],
    ['critical'],
    [{ severity: 'critical' }],
    { severity: 5, level: 3, status: 1, state: false, success: null },
    { severity: { value: 'critical' }, status: ['down'], state: null },
    { data: { severity: 'critical' } },
    { severity: `critical${'!'.repeat(1_000_000)}`, status: 'down '.repeat(100_000) },
    { severity: '', status: ' down' },
    JSON.parse('{"__proto__":{"severity":"critical","status":"down"}}'),
    { severity: 'constructor', status: '__proto__', state: 'toString' },
  ])('%# leaves the type to decide', (data) => {
    expect(severityOf(STATUS, data)).toBe('normal');
    expect(severityOf(undefined, data)).toBe('normal');
    expect(severityOf('device.error', data)).toBe('error');
    expect(severityOf('system.alert', data)).toBe('warning');
  });

  it('never throws, and gives one of the severities', () => {
    const word = fc.constantFrom('critical', 'down', 'info', 'online', 'resolved', 'x', 5, null, false, {});
    const names = ['severity', 'level', 'status', 'state', 'previous_status', 'success'];
    const members = fc.record(Object.fromEntries(names.map((name) => [name, word])), { requiredKeys: [] });
    fc.assert(
      fc.property(fc.option(fc.string()), fc.oneof(members, fc.jsonValue()), (type, data) => {
        expect(SEVERITIES).toContain(severityOf(type ?? undefined, data));
      }),
    );
  });

  it('has errors and worse as problems', () => {
    expect(SEVERITIES.filter(isProblem)).toEqual(['critical', 'error']);
  });
});
