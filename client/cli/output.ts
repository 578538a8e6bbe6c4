/** How `rdb` writes: text for people, JSON for programs, colour only on a terminal. */
import { styleText } from 'node:util';

export interface Stream {
  write(chunk: string | Uint8Array): unknown;
  readonly isTTY?: boolean;
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow';

export class Output {
  readonly json: boolean;
  readonly terminal: boolean;
  readonly #colour: boolean;
  readonly #stdout: Stream;
  readonly #stderr: Stream;

  constructor({
    stdout,
    stderr,
    json,
    colour,
  }: { stdout: Stream; stderr: Stream; json: boolean; colour: boolean }) {
    this.#stdout = stdout;
    this.#stderr = stderr;
    this.json = json;
    this.terminal = stdout.isTTY === true;
    this.#colour = colour && this.terminal && !json;
  }

  line(text: string): void {
    this.#stdout.write(`${text}\n`);
  }

  /** Bytes as they are, and a line end. */
  bytes(bytes: Uint8Array): void {
    this.#stdout.write(bytes);
    this.#stdout.write('\n');
  }

  /** One JSON value on one line. */
  value(value: unknown): void {
    this.line(JSON.stringify(value));
  }

  error(text: string): void {
    this.#stderr.write(`${text}\n`);
  }

  style(style: Style, text: string): string {
    return this.#colour ? styleText(style, text, { validateStream: false }) : text;
  }

  /** Columns as wide as their widest cell; numbers (as `right` says) to the right. */
  table(
    head: readonly string[],
    rows: readonly (readonly string[])[],
    right: readonly number[] = [],
  ): void {
    const widths = head.map((title, i) =>
      Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)),
    );
    const format = (row: readonly string[]): string =>
      row
        .map((cell, i) => {
          const width = widths[i] ?? 0;
          return right.includes(i) ? cell.padStart(width) : cell.padEnd(width);
        })
        .join('  ')
        .trimEnd();
    this.line(this.style('bold', format(head)));
    for (const row of rows) this.line(format(row));
  }
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text that bytes are; undefined if they are no UTF-8. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

/** `{ [name]: text }`, or `{ [name]Base64: … }` where the bytes are no UTF-8: nothing is lost in JSON. */
export function jsonBytes(name: string, bytes: Uint8Array): Record<string, string> {
  const text = utf8(bytes);
  return text === undefined
    ? { [`${name}Base64`]: Buffer.from(bytes).toString('base64') }
    : { [name]: text };
}

/** On one line, and harmless to a terminal: control characters and what is no UTF-8 as `\xNN`. */
export function printable(bytes: Uint8Array): string {
  const text = utf8(bytes);
  const escaped = (code: number): string => `\\x${code.toString(16).padStart(2, '0')}`;
  if (text === undefined) {
    return [...bytes]
      .map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : escaped(byte)))
      .join('');
  }
  return text.replace(/\p{Cc}/gu, (character) => escaped(character.charCodeAt(0)));
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** The two largest units: `3d 4h`, `5m 1s`. */
export function formatDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return '0s';
  return parts
    .slice(first, first + 2)
    .map(([count, unit]) => `${count}${unit}`)
    .join(' ');
}
