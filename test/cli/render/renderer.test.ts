import fc from 'fast-check';
import stringWidth from 'string-width';
import { beforeAll, describe, expect, it } from 'vitest';
import { Renderer, type RenderOptions } from '../../../src/cli/render/renderer.js';
import { noColors, type Palette, paletteFor } from '../../../src/cli/terminal/palette.js';
import { formatInvalidLine, formatLifecycleLine } from '../../../src/core/recording/encoder.js';
import { parseTimestamp } from '../../../src/core/recording/timestamp.js';
import { codePoint } from '../../support/code-point.js';

let colors: Palette;
beforeAll(async () => {
  colors = await paletteFor({}, 'always', {});
});

const LF = 0x0a;
const STAMP = '2026-11-22T21:50:01.123456Z';

function eventLine(event: object | string, endpoint = 'devices'): string {
  const frame = typeof event === 'string' ? event : JSON.stringify(event);
  const head = `{"received_at":"${STAMP}","endpoint":${JSON.stringify(endpoint)}`;
  return frame === '{}' ? `${head}}` : `${head},${frame.slice(1)}`;
}

/** Renders a line, with or without its LF, and returns the text without its LF. */
function render(line: string | Buffer, options: Partial<RenderOptions> = {}): string {
  return renderWith(rendererFor(options), line);
}

function rendererFor(options: Partial<RenderOptions>): Renderer {
  return new Renderer({
    ...{ width: 200, full: false, utc: true, palette: noColors, startMicros: parseTimestamp(STAMP)! },
    ...options,
  });
}

function renderWith(renderer: Renderer, line: string | Buffer): string {
  const bytes = Buffer.from(line);
  const text = renderer.render(bytes.at(-1) === LF ? bytes.subarray(0, -1) : bytes);
  expect(text.endsWith('\n')).toBe(true);
  return text.slice(0, -1);
}

/** Renders an event with this payload and returns the part of the line that shows it. */
const fieldsOf = (data: unknown, options: Partial<RenderOptions> = {}): string =>
  render(eventLine({ type: 'device.t', subject: 's', data }), options)
    .slice('21:50:01.123 CRIT s                device.status_update'.length)
    .trim();

const withoutColors = (text: string): string => text.replace(/\u001b\[\d+m/g, '');

describe('the twelve documented types', () => {
  const events: [string, string, object][] = [
    ['devices', 'device.status_update', { device_id: 'ap-7', status: 'online', cpu: 41.5, memory: 60 }],
    ['devices', 'device.config_change', { device_id: 'ap-7', version: 4, changes: [{ option: 'a', to: 1 }] }],
    ['devices', 'device.error', { device_id: 'ap-7', message: 'radio reset', severity: 'critical', cpu: 97 }],
    ['agents', 'agent.status_update', { agent_id: 'wifi', queue: 2, status: 'busy' }],
    ['agents', 'agent.task_complete', { agent_id: 'wifi', task: 'scan', status: 'failed' }],
    ['agents', 'agent.error', { agent_id: 'wifi', error: 'DeviceTimeout', message: 'no answer' }],
    ['rules', 'rule.execution_start', { rule_id: 'cpu', execution_id: 'e1', condition: 'cpu > 90' }],
    ['rules', 'rule.execution_complete', { rule_id: 'cpu', matched: true, actions: ['alert', 'reboot'] }],
    ['rules', 'rule.triggered', { rule_id: 'cpu', device_id: 'ap-7' }],
    ['system', 'system.metrics', { cpu: 12, memory: 40, radio: { channel: 36, band: '5 GHz' } }],
    ['system', 'system.alert', { state: 'raised', severity: 'critical', message: 'CPU, high' }],
    [
      'system',
      'system.status',
      { status: 'healthy', components: { api: 'up' }, timestamp: '2026-01-05T08:00:00.1' },
    ],
  ];
  const lines = events.map(([endpoint, type, data]) =>
    eventLine({ type, subject: `opmas.${endpoint}.ap-7`, data }, endpoint),
  );

  it('are rendered in columns on a wide terminal', () => {
    expect(`\n${lines.map((line) => render(line)).join('\n')}\n`).toMatchInlineSnapshot(`
      "
      21:50:01.123      ap-7             device.status_update online cpu=41.5 memory=60
      21:50:01.123      ap-7             device.config_change version=4 changes[0].option=a changes[0].to=1
      21:50:01.123 CRIT ap-7             device.error         "radio reset" severity=critical cpu=97
      21:50:01.123      ap-7             agent.status_update  busy agent_id=wifi queue=2
      21:50:01.123 ERR  ap-7             agent.task_complete  failed task=scan agent_id=wifi
      21:50:01.123 ERR  ap-7             agent.error          "no answer" error=DeviceTimeout agent_id=wifi
      21:50:01.123      ap-7             rule.execution_start rule_id=cpu condition="cpu > 90" execution_id=e1
      21:50:01.123      ap-7             rule.execution_complete rule_id=cpu matched=true actions=[alert, reboot]
      21:50:01.123 warn ap-7             rule.triggered       rule_id=cpu
      21:50:01.123      ap-7             system.metrics       cpu=12 memory=40 radio.channel=36 radio.band="5 GHz"
      21:50:01.123 CRIT ap-7             system.alert         "CPU, high" raised severity=critical
      21:50:01.123      ap-7             system.status        healthy components.api=up timestamp=2026-01-05T08:00:00.1
      "
    `);
  });

  it('are cut on a narrow terminal', () => {
    expect(`\n${lines.map((line) => render(line, { width: 80 })).join('\n')}\n`).toMatchInlineSnapshot(`
      "
      21:50:01.123      ap-7           device.status_update online cpu=41.5 memory=60
      21:50:01.123      ap-7           device.config_change version=4 changes[0].opti…
      21:50:01.123 CRIT ap-7           device.error "radio reset" severity=critical c…
      21:50:01.123      ap-7           agent.status_update busy agent_id=wifi queue=2
      21:50:01.123 ERR  ap-7           agent.task_complete failed task=scan agent_id=…
      21:50:01.123 ERR  ap-7           agent.error "no answer" error=DeviceTimeout ag…
      21:50:01.123      ap-7           rule.execution_start rule_id=cpu condition="cp…
      21:50:01.123      ap-7           rule.execution_complete rule_id=cpu matched=tr…
      21:50:01.123 warn ap-7           rule.triggered rule_id=cpu
      21:50:01.123      ap-7           system.metrics cpu=12 memory=40 radio.channel=…
      21:50:01.123 CRIT ap-7           system.alert "CPU, high" raised severity=criti…
      21:50:01.123      ap-7           system.status healthy components.api=up timest…
      "
    `);
  });

  it('have the same text in color', () => {
    const colored = lines.map((line) => render(line, { palette: colors, width: 100 }));
    expect(colored.map(withoutColors)).toEqual(lines.map((line) => render(line, { width: 100 })));
    expect(JSON.stringify(colored[2])).toMatchInlineSnapshot(
      `""\\u001b[2m21:50:01.123\\u001b[22m \\u001b[41m\\u001b[97m\\u001b[1mCRIT\\u001b[22m\\u001b[39m\\u001b[49m \\u001b[1m\\u001b[31map-7          \\u001b[39m\\u001b[22m \\u001b[1m\\u001b[31mdevice.error\\u001b[39m\\u001b[22m \\u001b[1m\\u001b[31m\\"radio reset\\"\\u001b[39m\\u001b[22m \\u001b[2mseverity=\\u001b[22mcritical \\u001b[2mcpu=\\u001b[22m97""`,
    );
  });
});

describe('the severity', () => {
  const [RED, GREEN, ON_RED, ON_YELLOW] = ['\u001b[31m', '\u001b[32m', '\u001b[41m', '\u001b[43m'];
  it.each<[string, unknown, string, string]>([
    ['device.error', {}, 'ERR', RED],
    ['device.error', { severity: 'low' }, 'warn', ON_YELLOW],
    ['system.alert', { severity: 'critical' }, 'CRIT', ON_RED],
    ['system.alert', { state: 'resolved' }, 'ok', GREEN],
    ['device.status_update', { status: 'offline' }, 'ERR', RED],
    ['device.status_update', { status: 'online' }, '', ''],
    ['billing.invoice', 'critical', '', ''],
  ])('of %s with payload %j is the mark %j, also in color', (type, data, mark, color) => {
    const line = eventLine({ type, subject: 'a.ap-7', data });
    for (const width of [60, 80, 120, 200]) {
      const column = width === 60 ? 9 : 13;
      expect(render(line, { width }).slice(column, column + 5)).toBe(mark.padEnd(5));
      const text = render(line, { width, palette: colors });
      if (mark === '') expect(text).not.toMatch(/\u001b\[(3[1-7]|4[0-7])m/);
      else expect(text).toMatch(new RegExp(`${color.replace('[', '\\[')}(\u001b\\[\\d+m)*${mark}`));
    }
  });

  it('has no other characters than ASCII', () => {
    const types = ['device.error', 'system.alert', 'rule.triggered', 'system.metrics'];
    for (const type of types) expect(render(eventLine({ type }))).toMatch(/^[ -~]*$/);
  });
});

describe('the device', () => {
  const deviceOf = (event: object, width = 80, endpoint = 'devices') =>
    render(eventLine(event, endpoint), { width }).slice(18, width >= 110 ? 34 : 32);

  it('stands in a column of its own, with the end of a long name', () => {
    const name = 'site-berlin-floor-2-ap-0007';
    const event = { type: 'device.error', subject: `opmas.devices.${name}`, data: { device_id: name } };
    expect(deviceOf(event)).toBe('…oor-2-ap-0007');
    expect(deviceOf(event, 120)).toBe('…floor-2-ap-0007');
    expect(render(eventLine(event), { width: 200 })).toMatch(/ device_id=site-berlin-floor-2-ap-0007$/);
    expect(render(eventLine(event), { full: true })).toBe(`21:50:01.123 ERR  ${name} device.error        `);
  });
});

describe('subject and endpoint', () => {
  const endOf = (event: object, endpoint = 'devices') =>
    render(eventLine(event, endpoint), { full: true }).slice('21:50:01.123 CRIT '.length);

  it.each<[object, string, string]>([
    [{ type: 'device.error', subject: 'opmas.devices.ap-7' }, 'devices', 'ap-7 device.error'],
    [{ type: 'device.error', subject: 'ap-7' }, 'devices', 'ap-7 device.error'],
    [
      { type: 'rule.triggered', subject: 'opmas.rules.cpu', data: { device_id: 'ap-7', rule_id: 'cpu' } },
      'rules',
      'ap-7 rule.triggered rule_id=cpu',
    ],
    [{ type: 'device.error', subject: 'opmas.device.42' }, '/api/v1/ws/device/42', '42 device.error'],
    [{ type: 'device.error', subject: 'opmas.devices.e' }, 'devices', 'e device.error'],
    [{ type: 'device.error', subject: 'opmas.devices.errorprone' }, 'devices', 'errorprone device.error'],
    [{ type: 'system.metrics', subject: 'opmas.system.metrics' }, 'system', '- system.metrics'],
    [{ type: 'system.alert', subject: 'opmas.system.alerts' }, 'system', '- system.alert'],
    [{ type: 'device.status_update', subject: 'opmas.device.status' }, 'devices', '- device.status_update'],
  ])('are not repeated where they say nothing more: %j', (event, endpoint, text) => {
    expect(endOf(event, endpoint).replace(/ +/g, ' ').trim()).toBe(text);
  });

  it.each<[object, string, string]>([
    [
      { type: 'device.error', subject: 'opmas.devices.berlin.ap-7' },
      'devices',
      'ap-7 device.error subject=opmas.devices.berlin.ap-7',
    ],
    [
      { type: 'rule.triggered', subject: 'opmas.rules.cpu', data: { device_id: 'ap-7' } },
      'rules',
      'ap-7 rule.triggered subject=opmas.rules.cpu',
    ],
    [
      { type: 'device.error', subject: 'opmas.system.ap-7' },
      'devices',
      'ap-7 device.error subject=opmas.system.ap-7',
    ],
    [{ type: 'device.error', subject: 'opmas.devices.ap-7' }, 'system', 'ap-7 device.error endpoint=system'],
    [{ type: 'discovered', subject: 'devices.x' }, 'devices', 'x discovered endpoint=devices'],
    [{ type: 'device.error', data: {} }, '/api/v1/ws/device/42', 'device/42 device.error'],
    [
      { type: 'device.error', subject: 'opmas.devices.ap-7' },
      '/api/v1/ws/device/42',
      'ap-7 device.error endpoint=device/42',
    ],
  ])('are shown where they say more: %j on %s', (event, endpoint, text) => {
    expect(endOf(event, endpoint).replace(/ +/g, ' ').trim()).toBe(text);
  });

  it('never move the other columns', () => {
    const long = 'x.'.repeat(100);
    for (const width of [60, 80, 120, 200]) {
      const [short = '', ...others] = ['a.ap-7', `a.${long}ap-7`, `a.${long.replaceAll('.', '-')}`].map(
        (subject) => render(eventLine({ type: 'device.error', subject, data: {} }), { width }),
      );
      for (const line of others) expect(line.indexOf('device.error')).toBe(short.indexOf('device.error'));
    }
  });
});

describe('within the first 80 columns', () => {
  it.each<[object, RegExp]>([
    [
      {
        type: 'system.alert',
        subject: 'opmas.system.alerts',
        data: {
          ...{ alert_id: 'a-1', state: 'raised', severity: 'critical', rule_id: 'cpu' },
          ...{ device_id: 'ap-7', message: 'CPU load above 95 % for 60 s' },
        },
      },
      /CRIT ap-7 .*"CPU load above 95/,
    ],
    [
      {
        type: 'device.error',
        subject: 'opmas.devices.ap-7',
        data: { error_code: 'E1', message: 'radio reset' },
      },
      /ERR {2}ap-7 .*"radio reset" error/,
    ],
    [
      { type: 'device.status_update', subject: 's.devices.ap-7', data: { cpu: 1, status: 'offline' } },
      /ERR {2}ap-7 .* offline/,
    ],
    [
      {
        type: 'rule.execution_complete',
        subject: 'opmas.rules.cpu',
        data: { matched: true, device_id: 'ap-7', rule_id: 'cpu' },
      },
      /ap-7 .*rule_id=cpu/,
    ],
  ])('stand the device and what happened: %j', (event, pattern) => {
    for (const width of [80, 120, 200])
      expect(render(eventLine(event), { width }).slice(0, 80)).toMatch(pattern);
  });
});

describe('the date', () => {
  const dates = (stamps: readonly string[], options: Partial<RenderOptions> = {}) => {
    const renderer = rendererFor({ width: 80, ...options });
    const texts = stamps.map((stamp) => renderer.render(Buffer.from(eventLine({}).replace(STAMP, stamp))));
    return texts.map((text) => text.split('\n').length === 3 && text.split('\n')[0]);
  };
  const days = [
    '2026-11-22T21:50:02Z',
    '2026-11-22T23:59:59.999Z',
    '2026-11-23T00:00:00Z',
    '2026-11-23T09:00:00Z',
  ];

  it('stands on a line of its own when the day changes', () => {
    expect(dates(days)).toEqual([false, false, '-- 2026-11-23 --', false]);
    expect(dates(days.toReversed(), { startMicros: parseTimestamp('2026-11-24T00:00:00Z')! })).toEqual([
      ...['-- 2026-11-23 --', false],
      ...['-- 2026-11-22 --', false],
    ]);
  });

  it('stands in front of the first line, if that is of another day than today', () => {
    const startMicros = parseTimestamp('2027-01-05T08:00:00Z')!;
    expect(dates(days.slice(0, 2), { startMicros })).toEqual(['-- 2026-11-22 --', false]);
  });

  it('is that of the zone in which the times are', () => {
    const before = process.env.TZ;
    process.env.TZ = 'Asia/Tokyo';
    try {
      expect(dates(days, { utc: false })).toEqual([false, false, false, false]);
      expect(dates(['2026-11-22T14:59:00Z', ...days], { utc: false })).toEqual([
        ...['-- 2026-11-22 --', '-- 2026-11-23 --'],
        ...[false, false, false],
      ]);
    } finally {
      if (before === undefined) delete process.env.TZ;
      else process.env.TZ = before;
    }
  });

  it('is kept where a line has no time, and fits into any width', () => {
    const renderer = rendererFor({ startMicros: 0, width: 5 });
    expect(renderer.render(Buffer.from('{"type":"t"}'))).not.toContain('--\n');
    expect(renderer.render(Buffer.from(eventLine({})))).toBe('-- 2…\n21:5…\n');
  });
});

describe('the time', () => {
  it.each([
    ['UTC', '2026-11-22T21:50:01.123456Z', '21:50:01.123'],
    ['Asia/Kolkata', '2026-11-22T21:50:01.123456Z', '03:20:01.123'],
    ['America/New_York', '2026-11-01T05:59:59.999999Z', '01:59:59.999'],
    ['America/New_York', '2026-11-01T06:00:00.000000Z', '01:00:00.000'],
    ['Europe/Berlin', '2026-03-29T00:59:59.000001Z', '01:59:59.000'],
    ['Europe/Berlin', '2026-03-29T01:00:00.000000Z', '03:00:00.000'],
  ])('in zone %s at %s is %s', (zone, stamp, clock) => {
    const before = process.env.TZ;
    process.env.TZ = zone;
    try {
      const line = eventLine({ type: 't' }).replace(STAMP, stamp);
      expect(render(line, { utc: false })).toContain(clock);
      expect(render(line, { utc: true })).toContain(stamp.slice(11, 23));
    } finally {
      if (before === undefined) delete process.env.TZ;
      else process.env.TZ = before;
    }
  });

  it('changes with the minute, forward and back', () => {
    const stamps = ['21:59:59.999', '22:00:00.000', '21:59:00.500'];
    const lines = stamps.map((clock) => eventLine({}).replace(STAMP.slice(11, 23), clock));
    const renderer = rendererFor({ width: 80 });
    expect(lines.map((line) => renderWith(renderer, line).slice(0, 12))).toEqual(stamps);
  });

  it('in a payload stays as the server wrote it', () => {
    expect(fieldsOf({ timestamp: '2026-01-05T10:00:00.123456' })).toBe(
      'timestamp=2026-01-05T10:00:00.123456',
    );
  });

  it.each([
    ['{"type":"t"}', '--:--:--.---'],
    ['{"received_at":"soon","endpoint":"devices","type":"t"}', '--:--:--.---'],
    ['{"received_at":"2026-11-22T23:50:01+02:00","endpoint":"devices"}', '21:50:01.000'],
    ['{ "endpoint": "devices", "received_at": "2026-11-22T21:50:01.5Z" }', '21:50:01.500'],
  ])('of the line %s is %s', (line, clock) => {
    expect(render(line).slice(0, 12)).toBe(clock);
  });
});

describe('the fields', () => {
  it.each<[unknown, string]>([
    [{ x: 1, message: 'm', severity: 'low', status: 'on' }, 'm on severity=low x=1'],
    [{ message: 'two words', status: '', state: 5 }, '"two words" "" state=5'],
    [{ timestamp: 'T', id: 5, zzz: 1 }, 'zzz=1 id=5 timestamp=T'],
    [{ a: 'two words', b: '', c: 'a=b', d: 'a"b', e: 'a,b' }, 'a="two words" b="" c="a=b" d="a\\"b" e="a,b"'],
    [{ radio: { channel: 36, on: true, none: null } }, 'radio.channel=36 radio.on=true radio.none=null'],
    [{ a: { b: { c: { d: { e: 1 } } } } }, 'a.b.c.d={…}'],
    [{ a: {}, b: [] }, 'a={} b=[]'],
    [{ tags: ['a', 1, null, 'x y'] }, 'tags=[a, 1, null, "x y"]'],
    [{ list: [{ a: 1 }, { b: 2 }] }, 'list[0].a=1 list[1].b=2'],
    [{ many: Array.from({ length: 20 }, (_, i) => i) }, 'many=[0, 1, 2, 3, 4, 5, 6, 7, … 12 more]'],
    [{ long: 'x'.repeat(500) }, `long=${'x'.repeat(100)}…`],
    ['text', 'data=text'],
    [[1, 2], 'data=[1, 2]'],
    [null, 'data=null'],
    [undefined, ''],
    [{ a: 'é', b: '漢字' }, 'a=é b=漢字'],
    [{ 'odd name': 1, 'a=b': 2 }, 'odd name=1 a=b=2'],
  ])('of payload %j are %s', (data, text) => {
    expect(fieldsOf(data)).toBe(text);
  });

  it('are complete with --full', () => {
    const data = {
      a: { b: { c: { d: { e: 1 } } } },
      many: Array.from({ length: 20 }, () => 7),
      x: 'x'.repeat(500),
    };
    const text = fieldsOf(data, { full: true, width: 10 });
    expect(text).toBe(`a.b.c.d.e=1 many=[${Array(20).fill(7).join(', ')}] x=${'x'.repeat(500)}`);
  });

  it('leave out members that repeat the device', () => {
    const data = { device_id: 'ap-7', hostname: 'ap-7', x: 1, neighbor: 'ap-7' };
    const text = render(eventLine({ type: 'device.x', subject: 'a.ap-7', data }));
    expect(text).toMatch(/ ap-7 +device\.x +x=1 neighbor=ap-7$/);
  });

  it('include members beside data', () => {
    expect(render(eventLine({ type: 'device.t', data: { a: 1 }, seq: 9 }))).toMatch(/ a=1 seq=9$/);
    expect(render(eventLine({ type: 5, subject: ['s'], data: { a: 1 } }))).toMatch(
      / devices +- +a=1 type=5 subject=\[s\]$/,
    );
  });

  it('keep all digits of numbers beside data, too', () => {
    const renderer = rendererFor({});
    renderWith(renderer, eventLine('{"type":"t","data":{"a":1}}'));
    const text = renderWith(
      renderer,
      eventLine('{"type":"device.t","data":9007199254740993,"seq":9007199254740995}'),
    );
    expect(text).toMatch(/ data=9007199254740993 seq=9007199254740995$/);
  });

  it.each(['9007199254740993', '-12345678901234567890', '1e400', '1.5e300'])(
    'keep all digits of the number %s',
    (digits) => {
      const line = eventLine(`{"type":"t","data":{"n" : ${digits},"m":1,"l":[1,${digits}]}}`);
      expect(render(line)).toContain(` n=${digits} m=1 l=[1, ${digits}]`);
    },
  );

  it('follow a new order of members at once', () => {
    const renderer = rendererFor({});
    const lines = [{ a: 1, status: 'x' }, { status: 'x', a: 1 }, { b: 1, status: 'x' }, { status: 'x' }].map(
      (data) => eventLine({ type: 'device.t', subject: 's', data }),
    );
    const fields = lines.map((line) => renderWith(renderer, line).replace(/.*device\.t +/, ''));
    expect(fields).toEqual(['x a=1', 'x a=1', 'x b=1', 'x']);
  });
});

describe('lines that are not events', () => {
  it.each([
    [
      formatInvalidLine(STAMP, 'rules', 'not JSON', Buffer.from('<html>\u001b[2J'), false),
      '21:50:01.123 warn rules          invalid frame not JSON 10 B <html>\\u001b[2J',
    ],
    [
      formatInvalidLine(STAMP, 'rules', 'binary frame', Buffer.from([0, 255, 27]), true),
      '21:50:01.123 warn rules          binary frame 3 B 00ff1b',
    ],
    [
      formatLifecycleLine(STAMP, 'devices', {
        state: 'closed',
        code: 1006,
        reason: '',
        retry_in_ms: 4200,
      }),
      '21:50:01.123 warn devices        closed code=1006 meaning="abnormal closure" retry_in=4.2s',
    ],
    [
      formatLifecycleLine(STAMP, 'devices', { state: 'open', gap_since: STAMP }),
      '21:50:01.123 ok   devices        open gap_since="2026-11-22 21:50:01"',
    ],
    [
      formatLifecycleLine(STAMP, 'devices', {
        state: 'refused',
        status: 403,
        error: 'Forbidden\u0007\n',
        retry_in_ms: 500,
      }),
      '21:50:01.123 warn devices        refused status=403 error=Forbidden\\u0007\\n retry_in=500ms',
    ],
    [
      formatLifecycleLine(STAMP, 'devices', { state: 'dropped', count: 5, from: STAMP, to: STAMP }),
      '21:50:01.123 ERR  devices        dropped count=5 from="2026-11-22 21:50:01" to="2026-11-22 21:50:01"',
    ],
  ])('line %#', (line, text) => {
    expect(render(line, { width: 109 })).toBe(text);
  });

  it('a close reason with control characters stays on one line', () => {
    const line = formatLifecycleLine(STAMP, 'devices', {
      state: 'closed',
      code: 4000,
      reason: '\u001b[31m\n\u009b',
    });
    expect(render(line)).toContain('reason=\\u001b[31m\\n\\u009b');
  });

  it('text that is not JSON is shown as it is', () => {
    expect(render('{"torn')).toContain('{"torn');
  });
});

describe('hostile input', () => {
  const nasty = fc.string({
    unit: fc.oneof(
      fc.constantFrom(
        '\u001b',
        '\u009b',
        '\n',
        '\r',
        '\t',
        '\b',
        '\u0000',
        '\u007f',
        '\u202e',
        '\u200b',
        '\u{e0041}',
      ),
      fc.constantFrom('漢', 'é', 'e\u0301', '👩‍🚀', '🇩🇪', '❤️', '가', 'ｱ', '\ud800', 'a', ' ', '"', '\\'),
      fc.string({ unit: codePoint, minLength: 1, maxLength: 1 }),
    ),
    maxLength: 12,
  });
  const json = fc.jsonValue({ stringUnit: codePoint, maxDepth: 4 });
  const event = fc.record(
    {
      type: fc.oneof(nasty, json),
      subject: fc.oneof(nasty, json),
      data: fc.oneof(json, fc.dictionary(nasty, nasty)),
    },
    { requiredKeys: [] },
  );

  it('renders without control characters except color codes, and never wider than the terminal', () => {
    fc.assert(
      fc.property(event, nasty, fc.integer({ min: 1, max: 160 }), (message, endpoint, width) => {
        const text = render(eventLine(message, endpoint), { width, palette: colors });
        const visible = withoutColors(text);
        // The joiner between two emoji makes them one.
        expect(visible.replace(/(?<=\p{Emoji}\ufe0f?)\u200d(?=\p{Emoji})/gu, '')).not.toMatch(
          /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\udb40[\udc00-\udc7f]/,
        );
        expect(Buffer.from(visible).toString()).toBe(visible);
        expect(stringWidth(visible)).toBeLessThanOrEqual(width);
      }),
      { numRuns: 500 },
    );
  });

  it('renders invalid frames without control characters and within the width', () => {
    fc.assert(
      fc.property(nasty, nasty, fc.boolean(), (reason, frame, binary) => {
        const line = formatInvalidLine(STAMP, 'devices', reason, Buffer.from(frame), binary);
        const visible = withoutColors(render(line, { width: 100, palette: colors }));
        expect(visible).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/);
        expect(stringWidth(visible)).toBeLessThanOrEqual(100);
      }),
      { numRuns: 200 },
    );
  });

  it('fits into one column', () => {
    expect(render(eventLine({ type: '漢', subject: 's' }), { width: 1 })).toBe('…');
    expect(render(eventLine({}), { width: 0 })).toBe('…');
    expect(render(eventLine({}), { width: Number.NaN })).toBe('…');
  });

  it('is not cut when it fits exactly', () => {
    const data = { a: 'bcd', b: 'x'.repeat(40) };
    const line = eventLine({ type: 'device.type', subject: 'subject', data });
    const whole = render(line, { width: 109 });
    expect(render(line, { width: whole.length })).toBe(whole);
    expect(render(line, { width: whole.length - 1 })).toBe(`${whole.slice(0, -2)}…`);
  });

  it('is cut between wide or combining characters', () => {
    const text = render(eventLine({ type: 'device.t', data: '漢字漢字漢字' }), { width: 44 });
    expect(text).toBe('21:50:01      -            device.t data=漢…');
    expect(stringWidth(text)).toBeLessThanOrEqual(44);
    const name = render(eventLine({ type: 'device.t', subject: `a.${'漢字'.repeat(10)}` }), { width: 44 });
    expect(name).toBe('21:50:01      …字漢字漢字  device.t');
    const marks = render(eventLine({ type: 't', subject: 'e\u0301'.repeat(100_000) }), { width: 30 });
    expect(stringWidth(marks)).toBeLessThanOrEqual(30);
  });

  it.each([1000, 100_000])('may have %i levels of nesting', (levels) => {
    const arrays = '['.repeat(levels) + ']'.repeat(levels);
    const objects = `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
    for (const full of [false, true]) {
      expect(render(eventLine(`{"type":"t","data":{"x":${arrays},"y":1}}`), { full })).toMatch(
        /x(\[0\])+=\[…\] y=1$/,
      );
      expect(render(eventLine(`{"type":"t","data":${objects}}`), { full })).toMatch(/ a(\.a)+=\{…\}$/);
    }
  });

  it('may have values of megabytes, which are complete with --full', () => {
    const megabytes = 'x'.repeat(10_000_000);
    const line = eventLine({ type: 't', data: { a: megabytes, b: 1 } });
    expect(render(line, { width: 150 })).toHaveLength(150);
    expect(render(line, { full: true })).toContain(`a=${megabytes} b=1`);
    const keys = eventLine({
      type: 't',
      data: Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`k${i}`, i])),
    });
    expect(render(keys, { width: 150 })).toHaveLength(150);
    expect(render(keys, { full: true })).toMatch(/ k99999=99999$/);
    const more = eventLine({
      type: 't',
      data: Object.fromEntries(Array.from({ length: 300_000 }, (_, i) => [`k${i}`, i])),
    });
    expect(render(more, { full: true })).toMatch(
      / k999=999 … \(shown in part: 4\.\d MiB; -f json has all\)$/,
    );
    const array = eventLine({ type: 't', data: { list: new Array(1_000_000).fill(1) } });
    expect(render(array)).toContain('… 999992 more]');
    expect(render(eventLine({ type: megabytes, subject: megabytes }), { width: 80 })).toHaveLength(80);
    expect(render(megabytes, { width: 80 })).toHaveLength(80);
  });

  it('may have a new type and subject in each line', () => {
    const renderer = rendererFor({ width: 150 });
    // More of them than are kept.
    for (let i = 0; i < 1500; i++) {
      const line = eventLine({ type: `t${i}`, subject: `s${i}` });
      expect(renderWith(renderer, line)).toMatch(new RegExp(` s${i} +t${i} +endpoint=devices$`));
    }
  });
});
