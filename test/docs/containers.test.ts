import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MockServer, startMockServer } from '../../src/index.js';
import { type ContainerCommand, ContainerRoot, withoutContainers } from '../support/container-root.js';
import { codeBlocks, textOf } from '../support/documents.js';
import { eventually, SHUTDOWN_MS } from '../support/time-limits.js';

const page = textOf('docs/containers.md');
const [dockerfile = ''] = codeBlocks(page, 'dockerfile');
const [unit = '', ownNode = '', checkService = '', checkTimer = ''] = codeBlocks(page, 'ini');
const [composeText = '', kubernetesText = '', checkText = '', probesText = ''] = codeBlocks(page, 'yaml');

/** Reads YAML as Docker and Kubernetes do; `undefined` where no parser is installed. */
function parseYaml(text: string): unknown {
  const program = 'import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)';
  const { status, stdout } = spawnSync('python3', ['-c', program], { input: text, encoding: 'utf8' });
  return status === 0 ? JSON.parse(stdout) : undefined;
}

interface Service {
  command: string[];
  environment: Record<string, string>;
  secrets: string[];
  volumes: string[];
  read_only: boolean;
  healthcheck: { test: string[] };
}
interface Mount {
  name: string;
  mountPath: string;
}
interface Container {
  args: string[];
  env: { name: string; value: string }[];
  securityContext: { readOnlyRootFilesystem: boolean };
  livenessProbe: { exec: { command: string[] } };
  volumeMounts: Mount[];
}
interface PodSpec {
  securityContext: { runAsNonRoot: boolean; runAsUser: number };
  terminationGracePeriodSeconds: number;
  initContainers: [Container];
  volumes: { name: string }[];
}

const compose = parseYaml(composeText) as
  | { services: { recorder: Service }; secrets: object; volumes: object }
  | undefined;
const kubernetes = parseYaml(kubernetesText) as { spec: { template: { spec: PodSpec } } } | undefined;
const withoutYaml = compose === undefined ? 'python3 has no yaml' : undefined;

/** The values of a key of a unit. */
const settings = (text: string, key: string) =>
  [...text.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value);
/** The environment of the image. */
const imageEnvironment = Object.fromEntries(
  [...dockerfile.matchAll(/^ENV (\w+)=(\S+)$/gm)].map(([, name, value]) => [name!, value!]),
);
const instruction = (name: string) =>
  [...dockerfile.matchAll(new RegExp(`^${name} (.*)$`, 'gm'))].at(-1)?.[1] ?? '';

describe('the image', () => {
  it('runs the command of the package as a user without a name, in its own folder', () => {
    expect(JSON.parse(instruction('ENTRYPOINT'))).toEqual(['opmas-ws']);
    expect(instruction('USER')).toBe('10001:10001');
    expect(instruction('WORKDIR')).toBe('/recordings');
    expect(dockerfile).toContain('mkdir /recordings && chown 10001:10001 /recordings');
    expect(imageEnvironment).toEqual({ OPMAS_KEYCHAIN: 'off' });
  });

  it('needs no more than the scripts of the package, and a Node.js that it runs with', () => {
    const { engines } = JSON.parse(textOf('package.json'));
    const least = Number(/\d+/.exec(engines.node)![0]);
    const versions = [...dockerfile.matchAll(/^FROM node:(\d+)/gm)].map(([, version]) => Number(version));
    expect(versions).toHaveLength(2);
    for (const version of versions) expect(version).toBeGreaterThanOrEqual(least);
  });
});

describe.skipIf(withoutYaml)(
  `the files for Compose and Kubernetes${withoutYaml ? ` (${withoutYaml})` : ''}`,
  () => {
    it('name secrets and volumes that they declare, at the places that the variables name', () => {
      const { services, secrets, volumes } = compose!;
      const { recorder } = services;
      expect(recorder.secrets).toEqual(Object.keys(secrets));
      expect(recorder.environment.OPMAS_TOKEN_FILE).toBe(`/run/secrets/${recorder.secrets[0]}`);
      expect(recorder.volumes).toEqual([`${Object.keys(volumes)[0]}:${instruction('WORKDIR')}`]);
      expect(recorder.read_only).toBe(true);
    });

    it('mount what they declare, and run as no root', () => {
      const spec = kubernetes!.spec.template.spec;
      const [recorder] = spec.initContainers;
      expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 10_001 });
      expect(recorder.securityContext.readOnlyRootFilesystem).toBe(true);
      expect(recorder.volumeMounts.map(({ name }) => name)).toEqual(spec.volumes.map(({ name }) => name));
      const places = recorder.volumeMounts.map(({ mountPath }) => mountPath);
      expect(places[0]).toBe(instruction('WORKDIR'));
      expect(recorder.env.find(({ name }) => name === 'OPMAS_TOKEN_FILE')?.value).toBe(`${places[1]}/token`);
    });
  },
);

describe.skipIf(withoutYaml)(
  `the health checks with a status${withoutYaml ? ` (${withoutYaml})` : ''}`,
  () => {
    type Probe = { exec: { command: [string, ...string[]] } };
    const { healthcheck } = (parseYaml(checkText) ?? {}) as { healthcheck: { test: string[] } };
    const probes = (parseYaml(probesText) ?? {}) as { livenessProbe: Probe; readinessProbe: Probe };
    const inShell = (text: string): [string, ...string[]] => ['sh', '-c', text];
    const unitCheck = /'(.*) \|\|/
      .exec(checkService)![1]!
      .replaceAll(/([$%])\1/g, '$1')
      .replace(/\S+(?=\/status)/, '.');

    it('tell a recorder that writes its status from one that does not', () => {
      const folder = mkdtempSync(join(tmpdir(), 'opmas-ws-health-'));
      const path = join(folder, 'status.json');
      const isWell = ([program, ...words]: [string, ...string[]]) =>
        spawnSync(program, words, { cwd: folder }).status === 0;
      const commands = [
        inShell(healthcheck.test[1]!.replaceAll('$$', '$')),
        probes.livenessProbe.exec.command,
        inShell(unitCheck),
      ];
      expect(commands.map(isWell)).toEqual([false, false, false]);
      writeFileSync(path, '{"connected":1,"endpoints":{"devices":{},"rules":{}}}');
      expect(commands.map(isWell)).toEqual([true, true, true]);
      expect(isWell(probes.readinessProbe.exec.command)).toBe(false);
      writeFileSync(path, '{"connected":1,"endpoints":{"devices":{}}}');
      expect(isWell(probes.readinessProbe.exec.command)).toBe(true);
      const past = new Date(Date.now() - 60_000);
      utimesSync(path, past, past);
      expect(commands.map(isWell)).toEqual([false, false, false]);
      rmSync(folder, { recursive: true });
    });
  },
);

const withoutSystemd =
  spawnSync('systemd-analyze', ['--version']).status === 0 ? undefined : 'no systemd-analyze';

describe.skipIf(withoutSystemd)(`the unit${withoutSystemd ? ` (${withoutSystemd})` : ''}`, () => {
  it('is one that systemd understands', () => {
    const folder = mkdtempSync(join(tmpdir(), 'opmas-ws-unit-'));
    const path = join(folder, 'opmas-record.service');
    // The program has to be there.
    for (const text of [
      unit,
      unit.replace(
        /^ExecStart=.*$/m,
        settings(ownNode, 'ExecStart').map((value) => `ExecStart=${value}`)[0]!,
      ),
    ]) {
      writeFileSync(path, text.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`));
      const { stdout, stderr } = spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' });
      expect(stdout + stderr).toBe('');
    }
    rmSync(folder, { recursive: true });
  });

  it('has a check that systemd understands', () => {
    const folder = mkdtempSync(join(tmpdir(), 'opmas-ws-unit-'));
    const files = [checkService, checkTimer].map((text, at) => {
      const path = join(folder, `opmas-record-check.${at === 0 ? 'service' : 'timer'}`);
      writeFileSync(path, text);
      return path;
    });
    const { stdout, stderr } = spawnSync('systemd-analyze', ['verify', ...files], { encoding: 'utf8' });
    expect(stdout + stderr).toBe('');
    rmSync(folder, { recursive: true });
  });
});

const FOLDER = '/recordings';
const [, ...unitWords] = settings(unit, 'ExecStart')[0]!.split(' ');
const unitEnvironment = Object.fromEntries(
  settings(unit, 'Environment').flatMap((line) =>
    line.split(' ').map((one) => one.split('=') as [string, string]),
  ),
);
const credential = { '%d': '/run/credentials/opmas-record.service' };
/** Each way to record that the page shows, as a container or service runs it. */
const ways: (ContainerCommand & { name: string; isAlive?: string[]; path?: string })[] = [
  ...(compose === undefined || kubernetes === undefined
    ? []
    : [
        {
          name: 'Docker Compose',
          words: ['opmas-ws', ...compose.services.recorder.command],
          environment: { ...imageEnvironment, ...compose.services.recorder.environment },
          folder: FOLDER,
          secret: compose.services.recorder.environment.OPMAS_TOKEN_FILE!,
          isAlive: compose.services.recorder.healthcheck.test.slice(1),
        },
        ...kubernetes.spec.template.spec.initContainers.map(({ args, env, livenessProbe }) => ({
          name: 'Kubernetes',
          words: ['opmas-ws', ...args],
          environment: {
            ...imageEnvironment,
            ...Object.fromEntries(env.map(({ name, value }) => [name, value])),
          },
          folder: FOLDER,
          secret: env.find(({ name }) => name === 'OPMAS_TOKEN_FILE')!.value,
          isAlive: livenessProbe.exec.command,
        })),
      ]),
  ...[
    ['systemd', ['/opt/opmas-ws/bin/opmas-ws', ...unitWords], '/opt/opmas-ws/bin:/usr/bin:/bin'] as const,
    [
      'systemd, Node.js of a version manager',
      settings(ownNode, 'ExecStart')[0]!.split(' '),
      '/nowhere',
    ] as const,
  ].map(([name, words, path]) => ({
    name,
    words,
    path,
    environment: {
      ...unitEnvironment,
      OPMAS_TOKEN_FILE: unitEnvironment.OPMAS_TOKEN_FILE!.replace('%d', credential['%d']),
    },
    folder: settings(unit, 'WorkingDirectory')[0]!.replace('%S', '/var/lib'),
    secret: `${credential['%d']}/${settings(unit, 'LoadCredential')[0]!.split(':')[0]}`,
  })),
];

describe.skipIf(withoutContainers)(
  `in a container${withoutContainers ? ` (${withoutContainers})` : ''}`,
  () => {
    let server: MockServer;
    let root: ContainerRoot;
    beforeAll(async () => {
      server = await startMockServer({ rate: 50 });
      root = new ContainerRoot();
    });
    afterAll(async () => {
      await server?.close();
      root?.[Symbol.dispose]();
    });

    it.concurrent.each(ways)(
      '$name: records, is alive, and ends at once with every line whole',
      async (way) => {
        const volume = root.volume(way.name);
        const environment = { ...way.environment, OPMAS_URL: server.url };
        const out = way.words[way.words.indexOf('--out') + 1]!;
        const recorder = root.start(volume, server.token, { ...way, environment }, way.path);
        const early = recorder.ended.then(({ stderr }) => {
          throw new Error(stderr);
        });
        early.catch(() => undefined);
        const lock = join(volume, `${out}.lock`);
        await Promise.race([early, eventually(() => expect(existsSync(lock)).toBe(true))]);
        if (way.isAlive !== undefined) {
          const probe = root.start(volume, server.token, { ...way, environment, words: way.isAlive });
          expect(await probe.ended).toMatchObject({ code: 0, stderr: '' });
        }
        await Promise.race([
          early,
          eventually(() => expect(statSync(join(volume, out)).size).toBeGreaterThan(1000)),
        ]);
        const startedAt = performance.now();
        recorder.kill('SIGTERM');
        const { code, stderr } = await recorder.ended;
        expect(code, stderr).toBe(143);
        expect(performance.now() - startedAt).toBeLessThan(SHUTDOWN_MS);
        expect(stderr.match(/ events? \(/g)).toHaveLength(1);
        expect(stderr).not.toMatch(/warning|bug/);
        const inspect = ['opmas-ws', 'inspect', '--json', '--strict', out];
        const {
          code: wholeness,
          stdout,
          stderr: problem,
        } = await root.start(volume, '', {
          ...way,
          environment: {},
          words: inspect,
        }).ended;
        expect(wholeness, problem).toBe(0);
        expect(JSON.parse(stdout)).toMatchObject({ torn_tail: false, bad_lines: 0 });
        expect(readdirSync(volume)).toEqual([out]);
        if (way.isAlive !== undefined) {
          const probe = root.start(volume, '', { ...way, environment: {}, words: way.isAlive });
          expect((await probe.ended).code).not.toBe(0);
        }
      },
    );

    const runs = [
      ...page.replaceAll('\\\n', ' ').matchAll(/^docker run (?:--\S+ (?:\S+[=:/]\S+ +)?)*opmas-ws (.+)$/gm),
    ];
    it.each(runs.map(([, words = '']) => words))('docker run … opmas-ws %s', async (line) => {
      const words = ['opmas-ws', ...line.split(' '), ...(line === 'demo' ? ['--duration', '1s'] : [])];
      const environment = { ...imageEnvironment, OPMAS_URL: server.url, OPMAS_TOKEN_FILE: '/token' };
      const place = { folder: FOLDER, secret: '/token' };
      const ended = await root.start(root.volume(line), server.token, { words, environment, ...place }).ended;
      expect(ended).toMatchObject({ code: 0 });
      expect(ended.stdout).not.toBe('');
    });

    it('are found on the page', () => {
      expect(runs.map(([, words]) => words)).toEqual(['demo', 'doctor']);
      expect(ways.map(({ words }) => words.includes('record'))).not.toContain(false);
    });
  },
);
