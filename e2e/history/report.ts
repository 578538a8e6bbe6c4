/** The figures of all faults as one table, on the terminal and in docs/guarantees.md. */
import { existsSync, readFileSync } from 'node:fs';
import type { Quantiles } from './figures.ts';

/** One line: what happened to the shards of one role in one fault. */
export interface FigureRow {
  readonly fault: string;
  /** What the shards lost: `leader`, `follower`; or how they were touched otherwise. */
  readonly shards: string;
  readonly reads: Quantiles;
  readonly writes: Quantiles;
}

/** What happened to a whole history. */
export interface HistoryRow {
  readonly fault: string;
  readonly operations: number;
  /** `CLUSTERDOWN 3, TRYAGAIN 1`: certainly without effect. */
  readonly failed: string;
  readonly unknown: string;
  readonly lost: number;
  readonly verdict: string;
}

export interface Figures {
  readonly rows: readonly FigureRow[];
  readonly histories: readonly HistoryRow[];
}

/** In the folder of reports: `Figures`, a line for each history. */
export const figuresFile = 'figures.jsonl';

/** What all histories gave; undefined if there was none. */
export function readFigures(file: string): Figures | undefined {
  if (!existsSync(file)) return undefined;
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  const all = lines.map((line) => JSON.parse(line) as Figures);
  return {
    rows: all.flatMap(({ rows }) => rows),
    histories: all.flatMap(({ histories }) => histories),
  };
}

const begin = '<!-- figures: begin -->';
const end = '<!-- figures: end -->';

/** Two tables in Markdown. */
export function figureTables({ rows, histories }: Figures): string {
  const availability = table(
    ['fault', 'shards that lost', 'n', 'reads: p50', 'p99', 'max', 'writes: p50', 'p99', 'max'],
    rows.map(({ fault, shards, reads, writes }) => [
      ...[fault, shards, `${reads.samples}`],
      ...[reads, writes].flatMap(({ p50Ms, p99Ms, maxMs }) => [p50Ms, p99Ms, maxMs].map(inMs)),
    ]),
  );
  const outcomes = table(
    ['history', 'operations', 'failed', 'unknown', 'acknowledged writes lost', 'Porcupine'],
    histories.map(({ fault, operations, failed, unknown, lost, verdict }) => {
      return [fault, `${operations}`, failed || '0', unknown || '0', `${lost}`, verdict];
    }),
  );
  return `${availability}\n\n${outcomes}\n`;
}

/** The page with the text between its marks replaced. Throws Error if it has no marks. */
export function withFigures(page: string, text: string): string {
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`the page lacks ${begin} or ${end}`);
  return `${page.slice(0, from + begin.length)}\n${text.trim()}\n${page.slice(to)}`;
}

/** What was counted, most frequent first: `CLUSTERDOWN 3, TRYAGAIN 1`. */
export function byFrequency(names: readonly string[]): string {
  return [...Map.groupBy(names, (name) => name)]
    .sort(([left, a], [right, b]) => b.length - a.length || left.localeCompare(right))
    .map(([name, all]) => `${name} ${all.length}`)
    .join(', ');
}

function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [row(head), row(head.map(() => '---')), ...lines.map(row)].join('\n');
}

function inMs(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}
