/** The API server's own record of who wrote what: every write that is not Kubernetes' own. */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { inState } from '../cluster/layout.ts';
import { ownCluster } from './environment.ts';

export interface AuditedWrite {
  readonly user: string;
  readonly verb: string;
  /** `leases/demo-node-0`, with `/status` and the like behind. */
  readonly object: string;
  readonly namespace: string;
  readonly code: number;
}

interface AuditLine {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly objectRef?: {
    readonly resource: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly subresource?: string;
  };
  readonly responseStatus?: { readonly code?: number };
}

/** A place in the record: `writesSince` tells what came after it. */
export function auditPosition(): number {
  return statSync(inState.audit(ownCluster())).size;
}

export function writesSince(position: number): readonly AuditedWrite[] {
  const length = auditPosition() - position;
  const buffer = Buffer.alloc(length);
  const file = openSync(inState.audit(ownCluster()), 'r');
  readSync(file, buffer, 0, length, position);
  closeSync(file);
  const lines = buffer.toString('utf8').split('\n');
  lines.pop(); // empty, or not written whole yet
  return lines.map((line) => {
    const { verb, user, objectRef, responseStatus } = JSON.parse(line) as AuditLine;
    const parts = [objectRef?.resource, objectRef?.name, objectRef?.subresource];
    return {
      verb,
      user: user.username,
      object: parts.filter((part) => part !== undefined).join('/'),
      namespace: objectRef?.namespace ?? '',
      code: responseStatus?.code ?? 0,
    };
  });
}
