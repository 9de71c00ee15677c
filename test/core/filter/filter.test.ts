import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileFilter, type FilterOptions } from '../../../src/core/filter/filter.js';
import { FrameReader } from '../../../src/core/json/frame.js';

const reader = new FrameReader();

function read(frame: string): FrameReader {
  expect(reader.read(Buffer.from(frame))).toBe('object');
  return reader;
}

async function keeps(options: FilterOptions, frame: string, endpoint = 'devices'): Promise<boolean> {
  return (await compileFilter(options)).matches(read(frame), endpoint);
}

const deviceError = '{"type":"device.error","subject":"opmas.devices.ap-7","data":{"cpu":97}}';

describe('compileFilter', () => {
  it.each<[FilterOptions, string, boolean]>([
    [{}, deviceError, true],
    [{}, '{}', true],
    [{ types: [] }, deviceError, true],
    [{ types: ['device.*'] }, deviceError, true],
    [{ types: ['device.*,agent.*'], excludeTypes: ['*.error'] }, deviceError, false],
    [{ types: ['device.*'], subjects: ['opmas.agents.>'] }, deviceError, false],
    [{ types: ['device.*'], subjects: ['opmas.*.ap-7'] }, deviceError, true],
    [{ subjects: ['opmas.>'], excludeSubjects: ['*.*.ap-7'] }, deviceError, false],
    [{ types: ['device.*'], where: 'data.cpu > 96' }, deviceError, true],
    [{ types: ['agent.*'], where: 'data.cpu > 96' }, deviceError, false],
    [{ where: 'endpoint == "devices"' }, deviceError, true],
    [{ problems: true }, deviceError, true],
    [{ problems: true }, '{"type":"device.error","data":{"severity":"low"}}', false],
    [{ problems: true }, '{"type":"system.alert","data":{"severity":"critical"}}', true],
    [{ problems: true }, '{"type":"system.alert","data":{"state":"resolved"}}', true],
    [{ problems: true }, '{"type":"device.status_update","data":{"status":"offline"}}', true],
    [{ problems: true }, '{"type":"device.status_update","data":{"status":"degraded"}}', false],
    [{ problems: true }, '{"type":"my.type","data":null}', false],
    [{ problems: true }, '{}', false],
    [{ problems: false }, '{}', true],
    [{ problems: true, types: ['agent.*'] }, deviceError, false],
    [{ problems: true, excludeTypes: ['*.error'] }, deviceError, false],
    [{ problems: true, subjects: ['opmas.devices.*'] }, deviceError, true],
    [{ problems: true, where: 'data.cpu > 97' }, deviceError, false],
    [{ where: 'severity in ["critical", "error"]' }, deviceError, true],
    // A type or subject that is missing or is no string.
    [{ types: ['*'] }, '{"type":5}', false],
    [{ types: ['*'] }, '{"data":{}}', false],
    [{ excludeTypes: ['*'] }, '{"type":null}', true],
    [{ subjects: ['>'] }, '{"subject":["a"]}', false],
    // Order, nesting, escapes and duplicates.
    [{ types: ['device.error'] }, '{"data":{"type":"agent.error"},"type":"device.error"}', true],
    [{ types: ['agent.error'] }, '{"data":{"type":"agent.error"},"type":"device.error"}', false],
    [{ types: ['device.error'] }, '{"type":"device\\u002eerror"}', true],
    [{ types: ['device.error'] }, '{"ty\\u0070e":"device.error"}', true],
    [{ types: ['device.error'] }, '{"type":"agent.error","type":"device.error"}', true],
    [{ types: ['agent.error'] }, '{"type":"agent.error","type":"device.error"}', false],
    [{ types: ['*'] }, '{"type":"agent.error","type":7}', false],
    [{ types: ['*'] }, '{"__proto__":{"type":"device.error"}}', false],
  ])('%j keeps %s: %j', async (options, frame, verdict) => {
    expect(await keeps(options, frame)).toBe(verdict);
  });

  it('says whether it keeps everything and what it looks at', async () => {
    expect(await compileFilter()).toMatchObject({ passesAll: true, needsValue: false, hints: [] });
    expect(await compileFilter({ types: [] })).toMatchObject({ passesAll: true });
    expect(await compileFilter({ types: ['*'] })).toMatchObject({ passesAll: false, needsValue: false });
    expect(await compileFilter({ excludeSubjects: ['a'] })).toMatchObject({ passesAll: false });
    expect(await compileFilter({ where: 'true' })).toMatchObject({ passesAll: false, needsValue: true });
  });

  it('counts the problems that it keeps by device, and not their ends', async () => {
    const filter = await compileFilter({ problems: true, excludeSubjects: ['skipped'] });
    const events = [
      '{"type":"device.error","subject":"a.ap-7"}',
      '{"type":"system.alert","subject":"opmas.alerts","data":{"device_id":"ap-7","severity":"critical"}}',
      '{"type":"device.status_update","subject":"a.ap-7","data":{"status":"recovered"}}',
      '{"type":"device.status_update","subject":"a.ap-8","data":{"status":"online"}}',
      '{"type":"agent.error","subject":"a.wifi"}',
      '{"type":"agent.error","subject":"skipped"}',
      '{"type":"agent.error"}',
    ];
    for (const frame of events) filter.matches(read(frame), 'devices');
    expect(filter.report().problems).toEqual([
      { name: 'ap-7', count: 2 },
      { name: '(none)', count: 1 },
      { name: 'wifi', count: 1 },
    ]);
    expect((await compileFilter({ types: ['*'] })).report().problems).toBeUndefined();
  });

  it('does not call a day without problems a filter that matches nothing', async () => {
    const filter = await compileFilter({ problems: true });
    expect(filter.matches(read('{"type":"system.metrics"}'), 'system')).toBe(false);
    expect(filter.report()).toMatchObject({ judged: 1, matching: 1, types: [], problems: [] });
  });

  it('refuses a value of problems that is no boolean', async () => {
    await expect(compileFilter({ problems: 'yes' as unknown as boolean })).rejects.toThrow(
      'problems must be true or false',
    );
  });

  it('collects hints, safe to print', async () => {
    const { hints } = await compileFilter({
      types: ['device.eror'],
      excludeTypes: ['\u001b[2J'],
      subjects: ['ap-*'],
    });
    expect(hints).toEqual([
      '`types` device.eror matches no documented type; did you mean device.error?',
      '`excludeTypes` \\u001b[2J matches no documented type',
      expect.stringContaining('`subjects` ap-*'),
    ]);
  });

  it.each<FilterOptions>([
    { types: [''] },
    { excludeTypes: ['{a'] },
    { subjects: ['a..b'] },
    { excludeSubjects: ['>.a'] },
    { where: '' },
    { where: 'data.cpu >' },
    { where: '1' },
  ])('refuses %j as a usage error', async (options) => {
    await expect(compileFilter(options)).rejects.toMatchObject({ name: 'OpmasError', code: 'USAGE' });
  });

  it('gives the verdicts that a full parse gives', async () => {
    const name = fc.constantFrom('type', 'subject', 'data', 'x', 'ty\\u0070e', '__proto__');
    const leaf = fc.constantFrom('"a.b"', '"a.c"', '"a\\u002eb"', '1', 'null', '{"type":"a.b"}', '["type"]');
    const object = fc
      .array(fc.tuple(name, leaf), { maxLength: 6 })
      .map((members) => `{${members.map(([key, value]) => `"${key}" : ${value}`).join(' ,')}}`);
    const filter = await compileFilter({ types: ['a.b'], excludeSubjects: ['a.c'] });
    fc.assert(
      fc.property(object, (frame) => {
        const value = JSON.parse(frame) as Record<string, unknown>;
        const own = (key: string) => (Object.hasOwn(value, key) ? value[key] : undefined);
        expect(filter.matches(read(frame), 'devices')).toBe(
          own('type') === 'a.b' && own('subject') !== 'a.c',
        );
      }),
      { numRuns: 1000 },
    );
  });
});
