import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { ErrorInfo, RetryInfo } from '@r-db/proto/generated/google/rpc/error_details.ts';
import { Status } from '@r-db/proto/generated/google/rpc/status.ts';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { fromCall, fromOperationError, RdbError } from './errors.ts';

const TYPE = 'type.googleapis.com/google.rpc.';

function failure(code: number, details = 'why', metadata = new Metadata()): ServiceError {
  return Object.assign(new Error(details), { code, details, metadata });
}

function withInfo(reason: string, domain = 'rdb.dev'): Metadata {
  const metadata = new Metadata();
  const info = { reason, domain, metadata: { shard: '3', leader: 'n-1', grpc: '[::1]:7' } };
  const details = [
    { typeUrl: `${TYPE}ErrorInfo`, value: ErrorInfo.encode(info).finish() },
    {
      typeUrl: `${TYPE}RetryInfo`,
      value: RetryInfo.encode({ retryDelay: { seconds: 1n, nanos: 5e8 } }).finish(),
    },
  ];
  metadata.set(
    'grpc-status-details-bin',
    Buffer.from(Status.encode({ code: 9, message: '', details }).finish()),
  );
  return metadata;
}

describe('errors of the client', () => {
  it('reads ErrorInfo and RetryInfo', () => {
    const error = fromCall(
      failure(status.FAILED_PRECONDITION, 'elsewhere', withInfo('NOT_LEADER')),
      { reads: false, sent: true },
    );
    expect(error).to.include({ reason: 'NOT_LEADER', retryable: true, retryAfterMs: 1500 });
    expect(error.leader).to.deep.equal({ shard: 3, node: 'n-1', grpc: { host: '::1', port: 7 } });
    expect(error.message).to.equal('NOT_LEADER: elsewhere');
    expect(error).to.be.instanceOf(Error).and.instanceOf(RdbError);
  });

  it('takes no foreign reason for one of ours', () => {
    const error = fromCall(
      failure(status.UNAVAILABLE, 'x', withInfo('NOT_LEADER', 'example.com')),
      { reads: true, sent: true },
    );
    expect(error.reason).to.equal('UNAVAILABLE');
  });

  const cases: [number, { reads: boolean; sent: boolean }, string, boolean][] = [
    [status.UNAVAILABLE, { reads: true, sent: true }, 'UNAVAILABLE', true],
    [status.UNAVAILABLE, { reads: false, sent: false }, 'UNAVAILABLE', true],
    [status.UNAVAILABLE, { reads: false, sent: true }, 'OUTCOME_UNKNOWN', false],
    [status.UNKNOWN, { reads: false, sent: true }, 'OUTCOME_UNKNOWN', false],
    [status.CANCELLED, { reads: false, sent: true }, 'OUTCOME_UNKNOWN', false],
    [status.INTERNAL, { reads: false, sent: true }, 'OUTCOME_UNKNOWN', false],
    [status.INTERNAL, { reads: true, sent: true }, 'INTERNAL', false],
    [status.DEADLINE_EXCEEDED, { reads: false, sent: true }, 'DEADLINE_EXCEEDED', false],
    [status.DEADLINE_EXCEEDED, { reads: true, sent: true }, 'DEADLINE_EXCEEDED', true],
    [status.UNIMPLEMENTED, { reads: false, sent: true }, 'UNIMPLEMENTED', false],
    [status.RESOURCE_EXHAUSTED, { reads: false, sent: true }, 'TOO_LARGE', false],
  ];
  for (const [code, about, reason, retryable] of cases) {
    it(`${status[code]} of a ${about.reads ? 'read' : 'write'} ${about.sent ? '' : 'not '}sent is ${reason}`, () => {
      expect(fromCall(failure(code), about)).to.include({ reason, retryable });
    });
  }

  it('does not trip over reasons of a later version', () => {
    const error = fromOperationError({ reason: 99 as 1, message: 'new', leader: undefined }, false);
    expect(error).to.include({ reason: 'INTERNAL', retryable: false });
    expect(error.message).to.contain('unknown reason 99: new');
  });
});
