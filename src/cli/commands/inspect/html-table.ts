import { escapeHtml } from './html-style.js';
import type { Cell, Figure, ReportTable } from './report-tables.js';

const MAX_ROWS = 500;
/** Longer tables scroll in their card. */
const LONG_TABLE = 20;
/** Longer texts may be broken anywhere. */
const LONG_TEXT = 40;

/**
 * Builds a section with a table.
 *
 * @param swatches Colors of the names in the first column.
 */
export function card(
  { title, about, heads, rows, count, none }: ReportTable,
  swatches?: ReadonlyMap<string, string>,
): string {
  const head = `<h2>${title}${about === '' || rows.length === 0 ? '' : `<small>${about}</small>`}</h2>`;
  if (rows.length === 0) {
    return none === undefined
      ? ''
      : `<section class="card">${head}<span class="good">${none}</span></section>`;
  }
  const shown = rows.slice(0, MAX_ROWS);
  const kindOf = (column: number) => (heads[column]!.startsWith('#') ? ' class="number"' : '');
  const swatch = (cell: Cell, column: number) => {
    const color = column === 0 && typeof cell === 'string' ? swatches?.get(cell) : undefined;
    return color === undefined ? '' : `<span class="swatch" style="background:${color}"></span>`;
  };
  const names = heads.map((name, column) => `<th${kindOf(column)}>${name.replace('#', '')}</th>`);
  const lines = shown.map((row) => {
    const cells = row.map((cell, column) => {
      const html = cellHtml(cell, column === row.length - 1);
      return `<td${kindOf(column)}>${swatch(cell, column)}${html}</td>`;
    });
    return `<tr>${cells.join('')}</tr>`;
  });
  const body = `<thead><tr>${names.join('')}</tr></thead><tbody>${lines.join('\n')}</tbody>`;
  const left = (count - shown.length).toLocaleString('en-US');
  const more = count > shown.length ? `<p class="quiet">… and ${left} more</p>` : '';
  const size = shown.length > LONG_TABLE ? 'scroll long' : 'scroll';
  return `<section class="card">${head}<div class="${size}" tabindex="0"><table>${body}</table></div>${more}</section>`;
}

function cellHtml(cell: Cell, isLast: boolean): string {
  if (typeof cell === 'string') {
    const html = escapeHtml(cell);
    return isLast || cell.length > LONG_TEXT ? html : `<span class="name">${html}</span>`;
  }
  if ('bad' in cell) return `<span class="lost">${escapeHtml(cell.bad)}</span>`;
  return cell.severity === 'normal' ? '' : `<span class="badge ${cell.severity}">${cell.severity}</span>`;
}

/** Builds a figure with its name. */
export function tile({ label, value, about, kind }: Figure): string {
  const name = kind === 'bad' || about === '' ? `${about} ${label.toLowerCase()}` : about;
  return `<div class="tile ${kind}"><b>${value}</b><span>${name}</span></div>`;
}
