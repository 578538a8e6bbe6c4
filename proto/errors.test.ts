import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { ERRORS, reasonName } from './errors.ts';
import { ErrorReason } from './generated/rdb/v1/errors.ts';

const page = readFileSync(join(import.meta.dirname, '../docs/errors.md'), 'utf8');

describe('the table of errors', () => {
  it('has a row for each reason of the .proto, and no other', () => {
    const reasons = Object.keys(ErrorReason).filter((name) => name !== 'UNSPECIFIED');
    expect(Object.keys(ERRORS).sort()).to.deep.equal(reasons.sort());
  });

  it('names gRPC codes that there are', () => {
    for (const row of Object.values(ERRORS)) expect(status).to.have.property(row.grpc);
  });

  it('finds a reason by its number', () => {
    expect(reasonName(ErrorReason.NOT_LEADER)).to.equal('NOT_LEADER');
    expect(reasonName(0)).to.equal(undefined);
    expect(reasonName(99)).to.equal(undefined);
  });

  it('is what docs/errors.md shows, row for row', () => {
    const rows = Object.entries(ERRORS).map(([name, row]) => {
      const resp = row.resp.length === 0 ? '-' : row.resp.map((word) => `\`-${word}\``).join(', ');
      return `| \`${name}\` | ${row.grpc} | ${resp} | ${row.retry} | ${row.meaning} | ${row.advice} |`;
    });
    const shown = page.split('\n').filter((line) => line.startsWith('| `'));
    expect(shown).to.deep.equal(rows);
  });
});
