import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe } from 'vitest';
import { codeBlocks, textOf } from '../support/documents.js';
import { event } from '../support/raw-frames.js';
import { test } from '../support/stage.js';
import { eventually } from '../support/time-limits.js';

const configuration = codeBlocks(textOf('docs/record.md'), 'text').find((text) =>
  text.includes('postrotate'),
)!;
const withoutLogrotate = spawnSync('logrotate', ['--version']).status !== 0;

describe.skipIf(withoutLogrotate)(
  'the configuration for logrotate (skipped where it is not installed)',
  () => {
    test.for(['nocreate', 'create 0640'])(
      '%s: every event is in exactly one file, and the old ones are complete',
      async (create, { serve, command, expect }) => {
        const server = await serve();
        const { home } = command.sandbox;
        const out = join(home, 'opmas.ndjson');
        const recorder = command.start(['record', 'devices', '-u', server.url, '-o', out, '--append']);
        const own = configuration
          .replace(/^\S+(?= \{)/, out)
          .replace('nocreate', create)
          .replace(/systemctl .*/, `kill -HUP ${recorder.child.pid}`);
        writeFileSync(join(home, 'conf'), own, { mode: 0o600 });
        const connection = (await server.request()).accept();
        for (let number = 0; number < 3; number++) {
          connection.text(event(number));
          await connection.roundTrips(2);
          const rotated = spawnSync(
            'logrotate',
            ['--force', '--state', join(home, 'state'), join(home, 'conf')],
            {
              encoding: 'utf8',
            },
          );
          expect(rotated).toMatchObject({ status: 0, stderr: '' });
          await eventually(() => expect(readFileSync(out, 'utf8')).toContain('"continued":true'));
        }
        connection.text(event(3));
        await connection.roundTrips(2);
        recorder.child.kill('SIGTERM');
        await recorder.ended;
        const names = readdirSync(home).filter((name) => name.startsWith('opmas.'));
        expect(names.sort()).toEqual([
          'opmas.ndjson',
          'opmas.ndjson.1',
          'opmas.ndjson.2.gz',
          'opmas.ndjson.3.gz',
        ]);
        const texts = names.map((name) => {
          const bytes = readFileSync(join(home, name));
          return (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
        });
        expect(texts.map((text) => text.match(/"number":\d/g))).toEqual(
          [3, 2, 1, 0].map((one) => [`"number":${one}`]),
        );
        expect(command.sandbox.modeOf('opmas.ndjson')).toBe(create === 'nocreate' ? 0o600 : 0o640);
        const inspected = await command.start(['inspect', '--strict', '--json', ...names]).ended;
        expect(JSON.parse(inspected.stdout)).toMatchObject({ events: 4, gap_count: 0, bad_lines: 0 });
      },
    );
  },
);
