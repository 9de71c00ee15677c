import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** More than the header that all JWTs share. */
const TELLING_LENGTH = 32;

/** Every form in which a secret may stand in a text: raw, percent-encoded, base64 and base64url at each offset. */
export function formsOf(secret: string): string[] {
  const forms = [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)];
  for (const encoding of ['base64', 'base64url'] as const) {
    for (const offset of [0, 1, 2]) {
      // What stands before and after a secret changes the characters at its ends only.
      const text = Buffer.concat([Buffer.alloc(offset), Buffer.from(secret)]).toString(encoding);
      forms.push(text.slice(4, -4));
    }
  }
  // The beginning of one is enough: a close reason, for example, is cut off.
  return [...new Set(forms.map((form) => form.slice(0, TELLING_LENGTH)))];
}

/** The secrets that a text holds, each with what stands around it. */
export function findSecrets(text: string, secrets: readonly string[]): string[] {
  return secrets.flatMap((secret) =>
    formsOf(secret)
      .filter((form) => text.includes(form))
      .map((form) => `${form} in: …${around(text, form)}…`),
  );
}

function around(text: string, form: string): string {
  const at = text.indexOf(form);
  return text.slice(Math.max(0, at - 80), at + form.length + 80);
}

/** Notes the arguments of a process and of all its children, as `ps` shows them, until they are asked for. */
export function watchArguments(child: ChildProcess): () => string {
  const seen = new Set<string>();
  const look = () => {
    for (const pid of family(child.pid)) seen.add(argumentsOf(pid));
  };
  look();
  const timer = setInterval(look, 5);
  return () => {
    clearInterval(timer);
    return [...seen].join('\n');
  };
}

function family(pid: number | undefined): number[] {
  if (pid === undefined) return [];
  return [pid, ...childrenOf(pid).flatMap(family)];
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

function argumentsOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
