/** Leases in Kubernetes. */
import type { KubernetesClient } from '@r-db/kubernetes/client.ts';
import { KubernetesError } from '@r-db/kubernetes/errors.ts';
import { Informer } from '@r-db/kubernetes/informer.ts';
import { type KubernetesObject, RESOURCES, selectorOf } from '@r-db/kubernetes/resources.ts';
import { failedUpdate, LeaseStoreError, type LeaseStoreErrorCode, messageOf } from './errors.ts';
import { REQUEST_TIMEOUT_MS } from './limits.ts';
import { changedRaw, leaseOf, newRaw } from './raw.ts';
import type {
  Deadline,
  Lease,
  LeaseAdmin,
  LeaseChange,
  LeaseEvent,
  LeaseWatch,
  NewLease,
  UpdateOutcome,
} from './store.ts';

export interface KubernetesLeasesOptions {
  readonly client: KubernetesClient;
  readonly namespace: string;
  /** Told of what goes wrong with watches, which heal by themselves; for logs. */
  readonly onError?: (error: Error) => void;
  /** Pauses between attempts of a watch; default of the informer. */
  readonly retryFirstMs?: number;
}

/** Lease of the API. */
const { Lease: LEASE } = RESOURCES;

const CODE_OF_STATUS: Readonly<Record<number, LeaseStoreErrorCode>> = {
  400: 'Invalid',
  401: 'Forbidden',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'Invalid',
  409: 'Conflict',
  413: 'Invalid',
  415: 'Invalid',
  422: 'Invalid',
  429: 'TooManyRequests',
};

const CODE_OF_REASON: Readonly<Record<string, LeaseStoreErrorCode>> = {
  AlreadyExists: 'AlreadyExists',
  Timeout: 'Timeout',
  Aborted: 'Aborted',
  Unreachable: 'Unreachable',
};

export class KubernetesLeases implements LeaseAdmin {
  readonly #options: KubernetesLeasesOptions;
  readonly #client: KubernetesClient;
  readonly #namespace: string;

  constructor(options: KubernetesLeasesOptions) {
    this.#options = options;
    this.#client = options.client;
    this.#namespace = options.namespace;
  }

  /** Without a resourceVersion: the API server asks etcd's quorum. */
  async get(name: string, deadline?: Deadline): Promise<Lease | undefined> {
    const reference = { namespace: this.#namespace, name };
    const raw = await told(this.#client.get(LEASE, reference, withDefault(deadline)));
    return raw === undefined ? undefined : leaseOf(raw);
  }

  async list(
    labels: Readonly<Record<string, string>>,
    deadline?: Deadline,
  ): Promise<readonly Lease[]> {
    const list = this.#client.list(LEASE, this.#selection(labels), withDefault(deadline));
    return (await told(list)).items.flatMap((raw) => this.#readable(raw) ?? []);
  }

  async update(lease: Lease, change: LeaseChange, deadline?: Deadline): Promise<UpdateOutcome> {
    const raw = changedRaw(lease, change) as KubernetesObject;
    try {
      const stored = await told(this.#client.replace(LEASE, raw, withDefault(deadline)));
      return { kind: 'won', lease: leaseOf(stored) };
    } catch (error) {
      if (error instanceof LeaseStoreError) return failedUpdate(error);
      throw error;
    }
  }

  async create(lease: NewLease, deadline?: Deadline): Promise<Lease> {
    const raw = newRaw(lease, this.#namespace);
    return leaseOf(await told(this.#client.create(LEASE, raw, withDefault(deadline))));
  }

  delete(name: string, uid: string, deadline?: Deadline): Promise<void> {
    const reference = { namespace: this.#namespace, name };
    return told(this.#client.delete(LEASE, reference, { ...withDefault(deadline), uid }));
  }

  watch(
    labels: Readonly<Record<string, string>>,
    onEvent: (event: LeaseEvent) => void,
  ): LeaseWatch {
    return new Informer<KubernetesObject>({
      ...this.#options,
      resource: LEASE,
      selection: this.#selection(labels),
      onEvent: ({ kind, object }) => {
        const lease = this.#readable(object);
        if (lease !== undefined) onEvent({ kind, lease });
      },
    });
  }

  #selection(labels: Readonly<Record<string, string>>) {
    return { namespace: this.#namespace, labelSelector: selectorOf(labels) };
  }

  /** One object without name, UID or version must not hide the others. */
  #readable(raw: unknown): Lease | undefined {
    try {
      return leaseOf(raw);
    } catch (error) {
      this.#options.onError?.(error instanceof Error ? error : new Error(messageOf(error)));
      return undefined;
    }
  }
}

function withDefault(deadline: Deadline = {}) {
  return { signal: deadline.signal, timeoutMs: deadline.timeoutMs ?? REQUEST_TIMEOUT_MS };
}

/** The same promise; a KubernetesError becomes a LeaseStoreError. */
async function told<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    if (!(error instanceof KubernetesError)) throw error;
    throw new LeaseStoreError(codeOf(error), error.message, { cause: error });
  }
}

/** A time-out before anything was sent has no effect: it counts as unreachable. */
function codeOf({ status, reason, effect }: KubernetesError): LeaseStoreErrorCode {
  if (reason === 'Timeout' && effect === 'none') return 'Unreachable';
  return CODE_OF_REASON[reason] ?? CODE_OF_STATUS[status ?? 0] ?? 'Unavailable';
}
