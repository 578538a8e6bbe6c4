/**
 * Events with deterministic names: made from what they tell, so that an operator that was restarted, or
 * a second one, does not tell it again.
 */
import { RESOURCES } from '@r-db/kubernetes/resources.ts';
import { isApiError, type ObjectApi } from './api.ts';
import { hashOf } from './json.ts';
import { limits } from './limits.ts';
import { LABEL_CLUSTER } from './names.ts';
import type { KubernetesObject } from './objects.ts';
import type { EventReason } from './reasons.ts';
import { KIND, type RDbCluster } from './resource.ts';

export interface NewEvent {
  readonly reason: EventReason;
  readonly type: 'Normal' | 'Warning';
  readonly message: string;
  /** What makes this Event another one than the last of its reason. */
  readonly occasion: string;
}

export interface EventRecorderOptions {
  readonly api: ObjectApi;
  readonly instance: string;
  nowMs(): number;
  /** Told of Events that could not be written: they are worth no failed reconcile. */
  onLost(event: NewEvent, error: unknown): void;
}

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #sent = new Set<string>();

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  async record(cluster: RDbCluster, event: NewEvent): Promise<void> {
    const name = eventName(cluster, event);
    const key = `${cluster.metadata.namespace}/${name}`;
    if (this.#sent.has(key)) return;
    const { api, instance, nowMs } = this.#options;
    try {
      await api.create(
        RESOURCES.Event,
        eventObject(cluster, event, { name, instance, nowMs: nowMs() }),
      );
    } catch (error) {
      if (!isApiError(error, 'AlreadyExists')) {
        this.#options.onLost(event, error);
        // What is refused for good is not tried again at every reconcile.
        if (!isApiError(error, 'Forbidden', 'Invalid', 'NotFound')) return;
      }
    }
    this.#sent.add(key);
    if (this.#sent.size <= limits.eventsRememberedMax) return;
    for (const oldest of this.#sent) {
      this.#sent.delete(oldest);
      return;
    }
  }
}

export function eventName(cluster: RDbCluster, { reason, occasion }: NewEvent): string {
  const { name, uid } = cluster.metadata;
  return `${name}.${hashOf([uid, reason, occasion])}`;
}

function eventObject(
  cluster: RDbCluster,
  { reason, type, message }: NewEvent,
  { name, instance, nowMs }: { readonly name: string; readonly instance: string; nowMs: number },
): KubernetesObject {
  const { namespace } = cluster.metadata;
  const event = {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { name, namespace, labels: { [LABEL_CLUSTER]: cluster.metadata.name } },
    eventTime: new Date(nowMs).toISOString().replace(/Z$/, '000Z'),
    type,
    reason,
    action: reason,
    note: message.slice(0, limits.messageCharactersMax),
    reportingController: 'rdb.dev/operator',
    reportingInstance: instance,
    regarding: {
      apiVersion: cluster.apiVersion,
      kind: KIND,
      name: cluster.metadata.name,
      namespace,
      uid: cluster.metadata.uid,
      resourceVersion: cluster.metadata.resourceVersion,
    },
  };
  return event;
}
