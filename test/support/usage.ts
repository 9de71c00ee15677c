import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Sandbox } from '../cli/sandbox.js';

/** CPU time, unlike wall time, does not depend on what else runs. */
export interface Usage {
  cpuSeconds: number;
  /** The largest resident memory. */
  memoryMb: number;
}

/** Makes a process write what it has used when it exits, by a signal too. */
const METER = `
process.on('exit', () => {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  require('fs').writeFileSync(process.env.METER, [(userCPUTime + systemCPUTime) / 1e6, maxRSS / 1024].join(' '));
});`;

/** Measures one process, which gets this environment. */
export function meter(sandbox: Sandbox): { environment: Record<string, string>; read(): Usage } {
  const program = join(sandbox.home, 'meter.cjs');
  const result = join(sandbox.home, 'usage');
  writeFileSync(program, METER);
  return {
    environment: { METER: result, NODE_OPTIONS: `--require=${program}` },
    read() {
      const [cpuSeconds = Number.NaN, memoryMb = Number.NaN] = readFileSync(result, 'utf8')
        .split(' ')
        .map(Number);
      return { cpuSeconds, memoryMb };
    },
  };
}
