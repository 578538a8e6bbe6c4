/** Tables for a terminal and for Markdown pages. */

/** Columns of a table that are numbers stand to the right; a word stands to the left. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[], isHead: boolean): string =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        const numeric = rows.every((row) => /^$|^[-–\d]/.test(row[column] ?? ''));
        return isHead || !numeric ? cell.padEnd(width) : cell.padStart(width);
      })
      .join(' | ')
      .replace(/^/, '| ')
      .replace(/$/, ' |');
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [line(head, true), rule, ...rows.map((row) => line(row, false))].join('\n');
}

/** Three digits that count: 1234 -> 1230, 0.01234 -> 0.0123. */
export function digits(value: number, count = 3): string {
  if (value === 0) return '0';
  const rounded = Number(value.toPrecision(count));
  const decimals = Math.max(0, count - 1 - Math.floor(Math.log10(Math.abs(rounded))));
  return rounded.toFixed(decimals);
}

/** Thousands a second, millions a second. */
export function perSecond(value: number): string {
  return value >= 1e6 ? `${digits(value / 1e6)} M` : `${digits(value / 1e3)} k`;
}

export function milliseconds(nanoseconds: number): string {
  return digits(nanoseconds / 1e6);
}

export function ratio(value: { median: number; min: number; max: number }): string {
  return `${value.median.toFixed(2)} (${value.min.toFixed(2)}–${value.max.toFixed(2)})`;
}
