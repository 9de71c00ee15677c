import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import type { RawConnection, RawServer } from '../support/raw-server.js';
import { numbered } from '../support/recordings.js';
import { type Stage, test } from '../support/stage.js';
import type { Ended } from './sandbox.js';

const NOTHING_LISTENS = { url: 'ws://127.0.0.1:1' };

/** A server that sends these messages to each connection and then nothing. */
async function serverOf(serve: Stage['serve'], messages: readonly string[]): Promise<RawServer> {
  const server = await serve();
  return server.onRequest((connection) => connection.accept().text(...messages));
}

function messages(count: number, data: (n: number) => object): string[] {
  return Array.from({ length: count }, (_, n) =>
    JSON.stringify({ type: 'device.status_update', subject: 'opmas.devices.1', data: data(n) }),
  );
}

/** Lines of stderr that match. */
function linesWith(pattern: RegExp, { stderr }: Ended): string[] {
  return stderr.split('\n').filter((line) => pattern.test(line));
}

describe('a duration that ends before what was asked for has come', { concurrent: true }, () => {
  const cases = [
    { asked: 1, sent: 0 },
    { asked: 3, sent: 2 },
    { asked: 1000, sent: 1 },
  ];
  for (const { asked, sent } of cases) {
    test(`is exit code 7 and says how many came: ${sent} of ${asked}`, async ({ serve, command }) => {
      const server = await serverOf(
        serve,
        messages(sent, (n) => ({ n })),
      );
      const ended = await command.runTail(server, ['-n', String(asked), '--duration', '2s']);
      expect(ended.code).toBe(7);
      expect(linesWith(new RegExp(`\\b${sent} of ${asked}\\b`), ended)).toHaveLength(1);
    });
  }

  test('is exit code 7 for record, and for events that a filter drops', async ({ serve, command }) => {
    const server = await serverOf(
      serve,
      messages(5, (n) => ({ n })),
    );
    const words = ['record', 'devices', '-u', server.url, '-o', 'a.ndjson', '-w', 'data.n > 2'];
    const ended = await command.sandbox.run([...words, '-n', '3', '--duration', '2s']);
    expect(ended.code).toBe(7);
    expect(linesWith(/\b2 of 3\b/, ended)).toHaveLength(1);
  });

  test('is no failure when all has come', async ({ serve, command }) => {
    const server = await serverOf(
      serve,
      messages(3, (n) => ({ n })),
    );
    const { code, stdout } = await command.runTail(server, ['-n', '3', '--duration', '5s']);
    expect([code, stdout.split('\n').length]).toEqual([0, 4]);
  });
});

describe('a duration in which no endpoint was ever open', { concurrent: true }, () => {
  test('is exit code 4 for tail', async ({ command }) => {
    const { code, stderr } = await command.runTail(NOTHING_LISTENS, [
      '--duration',
      '2s',
      '--retries',
      'forever',
    ]);
    expect(code).toBe(4);
    expect(stderr).toMatch(/connection refused/);
  });

  test('is exit code 4 for record', async ({ command }) => {
    const words = [
      'record',
      '-u',
      NOTHING_LISTENS.url,
      '-o',
      'a.ndjson',
      '--duration',
      '2s',
      '--retries',
      'forever',
    ];
    expect(await command.sandbox.run(words)).toMatchObject({ code: 4 });
  });

  test('is exit code 4 when each upgrade is refused with 503', async ({ serve, command }) => {
    const server = (await serve()).onRequest((connection) => connection.respond('503 Service Unavailable'));
    const ended = command.runTail(server, ['--duration', '2s', '--retries', 'forever']);
    expect(await ended).toMatchObject({ code: 4 });
  });

  test('is exit code 4 when the server never answers the upgrade', async ({ serve, command }) => {
    const server = await serve();
    expect(await command.runTail(server, ['--duration', '2s'])).toMatchObject({ code: 4 });
  });

  test('is no failure when an endpoint was open once', async ({ serve, command }) => {
    let isFirst = true;
    const server = (await serve()).onRequest((connection) => {
      if (isFirst) connection.accept().close(1000);
      else connection.reset();
      isFirst = false;
    });
    expect(await command.runTail(server, ['--duration', '2s'])).toMatchObject({ code: 0 });
  });
});

describe('an endpoint that was given up while another went on', { concurrent: true }, () => {
  /** A server that serves devices and refuses rules. */
  async function halfOpen(serve: Stage['serve'], status: string): Promise<RawServer> {
    return (await serve()).onRequest((connection) => {
      if (connection.path.includes('/rules')) connection.respond(status);
      else if (connection.path.includes('/devices')) connection.accept().text(numbered(1));
      else connection.respond('404 Not Found');
    });
  }

  const ways = [
    { status: '401 Unauthorized', code: 3 },
    { status: '404 Not Found', code: 4 },
  ];
  for (const { status, code } of ways) {
    test(`decides the exit code and is in the recording: ${status}`, async ({ serve, command }) => {
      const server = await halfOpen(serve, status);
      const quick = ['--retry-delay', '20ms', '--duration', '2500ms'];
      const words = ['record', 'devices', 'rules', '-u', server.url, '-o', 'a.ndjson', ...quick];
      expect(await command.sandbox.run(words)).toMatchObject({ code });
      const inspect = (...more: string[]) => command.sandbox.run(['inspect', 'a.ndjson', ...more]);
      const { stdout } = await inspect('--json');
      expect(JSON.parse(stdout).given_up).toMatchObject([{ endpoint: 'rules' }]);
      expect(JSON.parse(stdout).gap_count).toBe(0);
      expect((await inspect()).stdout).toMatch(/rules.*(given up|gave up)/i);
      expect(await inspect('--strict')).toMatchObject({ code: 6 });
    });
  }

  test('decides the exit code of tail when the count was reached', async ({ serve, command }) => {
    const server = await serve();
    let opened: (connection: RawConnection) => void;
    const devices = new Promise<RawConnection>((resolve) => {
      opened = resolve;
    });
    server.onRequest((connection) => {
      if (connection.path.includes('/rules')) connection.respond('404 Not Found');
      else opened(connection.accept());
    });
    const tail = command.tail(server, ['devices', 'rules', '-n', '1']);
    await tail.messages.next((line) => /^[\d :-]+ rules .*404/.test(line));
    (await devices).text(numbered(1));
    const { code, stdout } = await tail.ended;
    expect([code, stdout.trim()]).toEqual([4, expect.stringContaining('"n":1')]);
  });
});

describe('a filter that keeps nothing', { concurrent: true }, () => {
  test('is told when a field is a string and is compared with a number', async ({ serve, command }) => {
    const server = await serverOf(
      serve,
      messages(5, () => ({ cpu: '97' })),
    );
    const ended = await command.runTail(server, ['-w', 'data.cpu > 90', '--duration', '2s']);
    expect(linesWith(/data\.cpu is a string, compared with a number/, ended)).not.toHaveLength(0);
    expect(ended.stderr).toMatch(/5 (events? )?could not be evaluated/);
  });

  test('is told when no event ever had the field', async ({ serve, command }) => {
    const server = await serverOf(
      serve,
      messages(5, (cpu) => ({ cpu })),
    );
    const ended = await command.runTail(server, ['-w', 'data.cpuu > 90', '--duration', '2s']);
    expect(linesWith(/data\.cpuu/, ended)).not.toHaveLength(0);
  });

  test('is told to skip messages with NaN, which are counted', async ({ serve, command }) => {
    const server = await serverOf(serve, ['{"type":"device.error","data":{"cpu":NaN}}', '{"cpu":-Infinity}']);
    const ended = await command.runTail(server, ['-t', 'device.*', '--duration', '2s']);
    expect(ended.stdout).toBe('');
    expect(linesWith(/warning: .*NaN is not JSON.*skips/, ended)).toHaveLength(1);
    expect(ended.stderr).toMatch(/2 invalid \(NaN is not JSON\), all skipped by the filter/);
  });

  test('ends nothing when the result is neither true nor false', async ({ serve, command }) => {
    const server = await serverOf(
      serve,
      messages(6, (n) => ({ flag: n < 3 ? n : true })),
    );
    const words = ['record', 'devices', '-u', server.url, '-o', 'a.ndjson', '-w', 'data.flag', '-n', '3'];
    const ended = await command.sandbox.run(words);
    expect(ended.code).toBe(0);
    expect(linesWith(/data\.flag is a number, not true or false/, ended)).not.toHaveLength(0);
    expect(ended.stderr).toMatch(/3 could not be evaluated/);
  });

  test('is one of several filters that all have to hold', async ({ serve, command }) => {
    const server = await serverOf(
      serve,
      messages(10, (n) => ({ n })),
    );
    const words = ['-w', 'data.n > 3', '-w', 'data.n < 6', '-n', '2'];
    const { code, stdout } = await command.runTail(server, words);
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).data.n)).toEqual([4, 5]);
  });
});

describe('time that passed unseen', { concurrent: true }, () => {
  // What the kernel kept meanwhile may have come at any time of the stop, and what came after it is lost.
  for (const during of ['nothing', 'events']) {
    const title = `is a gap from the last byte before the process was stopped, while ${during} came`;
    test(title, async ({ serve, command }) => {
      const server = await serve();
      const { child, lines } = command.tail(server, ['-f', 'json', '--lifecycle', '--dead-after', '1s']);
      const connection = await server.request();
      connection.accept().text(numbered(1));
      await lines.next((line) => line.includes('"n":1}'));
      child.kill('SIGSTOP');
      for (let n = 2; n < 30; n++) {
        if (during === 'events') connection.text(numbered(n));
        await delay(100);
      }
      connection.reset();
      child.kill('SIGCONT');
      (await server.request()).accept().text(numbered(30));
      const open = JSON.parse(await lines.next((line) => line.includes('gap_since')));
      const gapMs = Date.parse(open.received_at) - Date.parse(open.connection.gap_since);
      expect(gapMs).toBeGreaterThan(2700);
      child.kill();
    });
  }

  test('is named when each loss follows the same silence', async ({ serve, command }) => {
    const server = await serve();
    server.onRequest((connection: RawConnection) => {
      connection.accept().text(numbered(1));
      setTimeout(() => connection.reset(), 1000);
    });
    const { child, messages: said } = command.tail(server, []);
    await server.requests.count(5);
    child.kill();
    await expect(said.next((line) => /idle limit/.test(line))).resolves.toMatch(/--dead-after/);
  });
});
