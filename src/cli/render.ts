import type { Line, LineBatch } from '../index.js';
import { ByteRenderer } from './render/byte-renderer.js';
import { GrowingBytes } from './render/growing-bytes.js';
import { lineStyleOf, type RenderOptions } from './render/line-style.js';
import { PlainRenderer } from './render/plain-renderer.js';

export type { RenderOptions } from './render/line-style.js';

/** Makes lines for people. Every line ends with its LF, and nothing in it but that and our colours is a control. */
export interface Renderer {
  render(line: Line): string;
  /** All lines of a batch, as UTF-8; the fast way. The bytes hold until the next call. */
  renderBatch(batch: LineBatch): Buffer;
}

const LF = 0x0a;

/** Makes a renderer. It may be used for any number of lines, one after another. */
export function createRenderer(options: RenderOptions): Renderer {
  const style = lineStyleOf(options);
  const plain = new PlainRenderer(style);
  const fast = new ByteRenderer(style);
  const target = new GrowingBytes();
  return {
    render: (line) => plain.render(line),
    renderBatch: ({ bytes }) => {
      target.clear();
      let start = 0;
      for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, start)) {
        if (!fast.write(target, bytes, start, end)) target.addText(plain.renderBytes(bytes, start, end));
        start = end + 1;
      }
      return target.taken();
    },
  };
}
