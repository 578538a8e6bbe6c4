import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import { LABEL } from '@r-db/proto/leases.ts';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { parse } from 'yaml';
import { metricNames } from './metrics.ts';
import { annotations } from './names.ts';
import { reasons } from './reasons.ts';
import { files, type Schema, schemaOf, written } from './reference.ts';
import { GROUP, KIND, specFields, statusFields, VERSION } from './resource.ts';

const root = join(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** Paths of a table of fields, or of a schema, as far down as the table goes. */
function paths(table: object, prefix = ''): string[] {
  return Object.entries(table).flatMap(([name, inner]) =>
    inner === true ? [`${prefix}${name}`] : paths(inner as object, `${prefix}${name}.`),
  );
}

function schemaPaths(schema: Schema | undefined, table: object, prefix = ''): string[] {
  return Object.entries(schema?.properties ?? {}).flatMap(([name, field]) => {
    const inner = (table as Record<string, unknown>)[name];
    return typeof inner === 'object' && inner !== null
      ? schemaPaths(field, inner, `${prefix}${name}.`)
      : [`${prefix}${name}`];
  });
}

function undescribed(schema: Schema, path: string): string[] {
  const own = schema.description === undefined ? [path] : [];
  const inner = Object.entries(schema.properties ?? {}).flatMap(([name, field]) =>
    undescribed(field, `${path}.${name}`),
  );
  const items =
    schema.items?.properties === undefined ? [] : undescribed(schema.items, `${path}[]`);
  return [...own, ...inner, ...items];
}

describe('the CustomResourceDefinition', () => {
  const crd = parse(read(files.crd)) as {
    metadata: { name: string };
    spec: { group: string; names: Record<string, unknown>; versions: readonly { name: string }[] };
  };
  const schema = schemaOf(read(files.crd));

  it('has the fields of the types, no more and no fewer', () => {
    const { spec, status } = schema.properties ?? {};
    expect(schemaPaths(spec, specFields).sort()).to.deep.equal(paths(specFields).sort());
    expect(schemaPaths(status, statusFields).sort()).to.deep.equal(paths(statusFields).sort());
  });

  it('describes every field', () => {
    // The API server takes no description of `metadata`.
    const { spec = {}, status = {} } = schema.properties ?? {};
    const missing = [...undescribed(spec, 'spec'), ...undescribed(status, 'status')];
    expect(missing).to.deep.equal([]);
  });

  it('is the resource that the code asks for', () => {
    const { group, plural, version, kind } = RESOURCES.RDbCluster;
    expect(crd.metadata.name).to.equal(`${plural}.${group}`);
    expect(crd.spec.names).to.include({ kind, plural });
    expect([crd.spec.group, crd.spec.versions[0]?.name, kind]).to.deep.equal([
      GROUP,
      VERSION,
      KIND,
    ]);
    expect([group, version]).to.deep.equal([GROUP, VERSION]);
  });

  it('has a message with every rule', () => {
    const all = JSON.stringify(schema).match(/"rule":/g) ?? [];
    const messages = JSON.stringify(schema).match(/"rule":"(?:[^"\\]|\\.)*","message":"/g) ?? [];
    expect(all).to.have.length.above(20);
    expect(messages).to.have.length(all.length);
  });
});

describe('pages and copies', () => {
  for (const [file, text] of Object.entries(written(root))) {
    it(`${file} is up to date (node operator/reference.ts writes it)`, () => {
      expect(read(file)).to.equal(text);
    });
  }

  it('docs/operations.md speaks of every reason that asks something of a person', () => {
    const page = read('docs/operations.md');
    const asking = Object.values(reasons).flatMap((rows) =>
      Object.entries(rows).flatMap(([reason, { action }]) => (action === '' ? [] : [reason])),
    );
    expect([...new Set(asking)].filter((reason) => !page.includes(`\`${reason}\``))).to.deep.equal(
      [],
    );
    expect(page).to.contain(annotations.acceptDataLoss);
    expect(page).to.contain(LABEL.cluster);
  });

  it('docs/metrics.md lists every metric of the operator', () => {
    const page = read('docs/metrics.md');
    expect(metricNames.filter((name) => !page.includes(`\`${name}`))).to.deep.equal([]);
  });
});
