/**
 * The message that carries some jobs, each write with its name. Writes that go out first take new
 * numbers by their place in the batch, so that one ID at the batch names them all; a write that goes out again carries
 * its own, since the batch around it is another one now.
 */
import type { RequestId } from '@r-db/proto/generated/rdb/v1/common.ts';
import type { BatchRequest, Operation } from '@r-db/proto/generated/rdb/v1/key_value.ts';
import type { Job } from './job.ts';
import type { RequestCase } from './operations.ts';
import type { Session, Sessions } from './sessions.ts';

/** Names the writes among the jobs that have no name yet, unless `sessions` is undefined. */
export function batchRequest(jobs: readonly Job[], sessions: Sessions | undefined): BatchRequest {
  const session = sessions?.take(jobs.length);
  const first = session === undefined ? undefined : nameWrites(jobs, session);
  const fresh = first !== undefined;
  for (const each of sessionsOf(jobs)) each.advance();
  const operations = jobs.map(({ operation: { request }, id }): Operation => {
    const named = id === undefined || (fresh && id.session === session && id.number >= first);
    return { request: named ? request : withId(request, requestId(id.session, id.number)) };
  });
  return {
    operations,
    consistency: 0,
    acknowledge: 0,
    requestId: fresh && session !== undefined ? requestId(session, first) : undefined,
  };
}

/** The number of the first place in the batch; undefined if no write needs one. */
function nameWrites(jobs: readonly Job[], session: Session): number | undefined {
  // A write that was sent without a name must not seem to be protected by one.
  const isFresh = (job: Job): boolean =>
    !job.operation.reads && job.id === undefined && job.doubts === 0;
  if (!jobs.some(isFresh)) return undefined;
  const first = session.reserve(jobs.length);
  jobs.forEach((job, i) => {
    if (isFresh(job)) job.id = session.take(first + i);
  });
  return first;
}

function sessionsOf(jobs: readonly Job[]): Set<Session> {
  return new Set(jobs.flatMap(({ id }) => id?.session ?? []));
}

/** Whatever is answered, no number in the message may be called so: the place of a read may be the first one. */
function requestId({ id, answeredBelow }: Session, number: number): RequestId {
  return {
    session: id,
    number: BigInt(number),
    answeredBelow: BigInt(Math.min(answeredBelow, number)),
  };
}

function withId(request: RequestCase, id: RequestId): RequestCase {
  switch (request.$case) {
    case 'get':
      return request;
    case 'set':
      return { $case: 'set', value: { ...request.value, requestId: id } };
    case 'delete':
      return { $case: 'delete', value: { ...request.value, requestId: id } };
    case 'increment':
      return { $case: 'increment', value: { ...request.value, requestId: id } };
    case 'append':
      return { $case: 'append', value: { ...request.value, requestId: id } };
    case 'touch':
      return { $case: 'touch', value: { ...request.value, requestId: id } };
  }
}
