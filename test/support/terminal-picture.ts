import stringWidth from 'string-width';

/** What a terminal shows, from what was written to it: as much of a terminal as a picture of lines needs. */
export class TerminalPicture {
  #lines: string[] = [];
  #row = 0;
  #columns: number;
  /** Private modes that are set: `1049` is the alternate screen, `25` the cursor. */
  readonly modes = new Set(['7', '25']);
  /** Control sequences that it does not know, so that a test can refuse them. */
  readonly unknown: string[] = [];

  constructor(columns: number) {
    this.#columns = columns;
  }

  write(output: string): this {
    for (const [part] of output.matchAll(/\u001b\[[?\d;]*[A-Za-z]|[\s\S][^\u001b]*/g)) this.#take(part);
    return this;
  }

  resize(columns: number): void {
    this.#columns = columns;
  }

  /** The lines, without blanks at their ends and empty lines at the end. */
  get lines(): string[] {
    const lines = Array.from(this.#lines, (line = '') => line.trimEnd());
    while (lines.at(-1) === '') lines.pop();
    return lines;
  }

  #take(part: string): void {
    const [, parameters = '', kind] = /^\u001b\[([?\d;]*)([A-Za-z])$/.exec(part) ?? [];
    const [first = ''] = parameters.replace('?', '').split(';');
    if (kind === 'H') this.#row = Number(first) - 1;
    else if (kind === 'K') this.#lines[this.#row] = '';
    else if (kind === 'J') this.#lines = [];
    else if (kind === 'h') this.modes.add(first);
    else if (kind === 'l') this.modes.delete(first);
    else if (kind === undefined) this.#print(part);
    else if (kind !== 'm') this.unknown.push(part);
  }

  #print(text: string): void {
    if (!this.modes.has('1049')) return;
    const line = (this.#lines[this.#row] ?? '') + text;
    if (stringWidth(line) > this.#columns || /[\u0000-\u001f]/.test(text)) this.unknown.push(line);
    this.#lines[this.#row] = line;
  }
}
