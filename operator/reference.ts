/**
 * Writes the pages that repeat what code and CRD say: docs/conditions.md, docs/rdbcluster.md, the
 * chart's copy of the CRD. `node operator/reference.ts` after a change; a test fails where they differ.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { conditionMeanings, events, reasons } from './reasons.ts';

export const files = {
  crd: 'crds/rdbclusters.rdb.dev.yaml',
  chartCrd: 'charts/rdb/files/rdbclusters.rdb.dev.yaml',
  conditions: 'docs/conditions.md',
  reference: 'docs/rdbcluster.md',
} as const;

export interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-validations'?: readonly {
    readonly rule: string;
    readonly message: string;
  }[];
}

/** Fields of Kubernetes' own: described there, not here. */
const FOREIGN = new Set([
  'affinity',
  'tolerations',
  'topologySpreadConstraints',
  'podSecurityContext',
]);

export function schemaOf(crd: string): Schema {
  const { spec } = parse(crd) as {
    spec: { versions: readonly { schema: { openAPIV3Schema: Schema } }[] };
  };
  const version = spec.versions[0];
  if (version === undefined) throw new Error('the CRD has no version');
  return version.schema.openAPIV3Schema;
}

export function renderConditions(): string {
  const sections = Object.entries(reasons).map(([type, rows]) => {
    const meaning = conditionMeanings[type as keyof typeof conditionMeanings];
    const lines = Object.entries(rows).map(
      ([reason, { status, meaning, action }]) =>
        `| \`${reason}\` | ${status ? 'True' : 'False'} | ${meaning} | ${action === '' ? '-' : action} |`,
    );
    return [
      `## ${type}`,
      '',
      meaning,
      '',
      '| reason | status | meaning | what it asks of you |',
      '| --- | --- | --- | --- |',
      ...lines,
    ].join('\n');
  });
  const told = Object.entries(events).map(([reason, meaning]) => `| \`${reason}\` | ${meaning} |`);
  return `${[
    '# Conditions and Events of an RDbCluster',
    '',
    '<!-- Written by `node operator/reference.ts` from operator/reasons.ts. -->',
    '',
    'Reasons are stable words: alert on them, script against them. Messages are for people and may change. `Ready` is what',
    '`kubectl wait --for=condition=Ready` waits for; its reason is the column STATUS of `kubectl get rdb`. Where several reasons',
    'apply, the first of the table is told, and the message of `Degraded` names all faults. What to do is in [operations](operations.md).',
    '',
    sections.join('\n\n'),
    '',
    '## Events',
    '',
    '| reason | tells |',
    '| --- | --- |',
    ...told,
    '',
  ].join('\n')}`;
}

export function renderReference(schema: Schema): string {
  const { spec, status } = schema.properties ?? {};
  if (spec === undefined || status === undefined)
    throw new Error('the CRD has no spec or no status');
  return [
    '# RDbCluster',
    '',
    '<!-- Written by `node operator/reference.ts` from crds/rdbclusters.rdb.dev.yaml. -->',
    '',
    'Group `rdb.dev`, version `v1alpha1`, short name `rdb`. The same as `kubectl explain rdb.spec`.',
    '',
    '## spec',
    '',
    '| field | type | default | meaning |',
    '| --- | --- | --- | --- |',
    ...rows(spec, '').map(
      (row) => `| \`${row.path}\` | ${row.type} | ${row.fallback} | ${row.text} |`,
    ),
    '',
    '## Rules',
    '',
    'What the API server refuses beyond types and ranges, with its message:',
    '',
    ...rules(schema, '').map((message) => `- ${message}`),
    '',
    '## status',
    '',
    '| field | type | meaning |',
    '| --- | --- | --- |',
    ...rows(status, '').map((row) => `| \`${row.path}\` | ${row.type} | ${row.text} |`),
    '',
  ].join('\n');
}

interface Row {
  readonly path: string;
  readonly type: string;
  readonly fallback: string;
  readonly text: string;
}

function rows(schema: Schema, prefix: string): Row[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = `${prefix}${name}`;
    const row = {
      path,
      type: typeText(field),
      fallback: field.default === undefined ? '-' : `\`${JSON.stringify(field.default)}\``,
      text: (field.description ?? '').replaceAll('|', '\\|'),
    };
    if (FOREIGN.has(name)) return [row];
    const inner = field.items?.properties === undefined ? field : field.items;
    return [row, ...rows(inner, `${path}${inner === field ? '.' : '[].'}`)];
  });
}

function typeText(field: Schema): string {
  if (field.enum !== undefined) return field.enum.map(String).join(', ');
  if (field['x-kubernetes-int-or-string'] === true) return 'quantity';
  if (field.additionalProperties !== undefined) {
    return `map of ${typeText(field.additionalProperties)}`;
  }
  if (field.items !== undefined) return `list of ${typeText(field.items)}`;
  const { minimum, maximum } = field;
  if (minimum === undefined && maximum === undefined) return field.type ?? '';
  return `${field.type}, ${minimum ?? ''}${maximum === undefined ? ' or more' : ` to ${maximum}`}`;
}

function rules(schema: Schema, path: string): string[] {
  const own = (schema['x-kubernetes-validations'] ?? []).map(
    ({ message }) => `${path === '' ? '`metadata.name`' : `\`${path}\``}: ${message}`,
  );
  const inner = Object.entries(schema.properties ?? {}).flatMap(([name, field]) =>
    rules(field, path === '' ? name : `${path}.${name}`),
  );
  return [...own, ...inner];
}

/** What each written file must hold, from the root of the checkout. */
export function written(root: string): Readonly<Record<string, string>> {
  const crd = readFileSync(join(root, files.crd), 'utf8');
  return {
    [files.chartCrd]: crd,
    [files.conditions]: renderConditions(),
    [files.reference]: renderReference(schemaOf(crd)),
  };
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..');
  for (const [file, text] of Object.entries(written(root))) writeFileSync(join(root, file), text);
}
