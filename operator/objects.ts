/** Kubernetes objects as plain JSON: what we don't know of them survives being read and written. */
import type { JsonObject } from './json.ts';

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
}

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Metadata;
  readonly spec?: JsonObject;
  readonly status?: JsonObject;
  readonly data?: Readonly<Record<string, string>>;
  readonly rules?: readonly JsonObject[];
  readonly roleRef?: JsonObject;
  readonly subjects?: readonly JsonObject[];
}

/** What of a Pod is read here. */
export interface Pod extends KubernetesObject {
  readonly spec?: JsonObject & { readonly nodeName?: string };
  readonly status?: JsonObject & {
    readonly phase?: string;
    readonly conditions?: readonly (JsonObject & PodCondition)[];
    readonly containerStatuses?: readonly (JsonObject & ContainerStatus)[];
  };
}

export interface PodCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

export interface ContainerStatus {
  readonly name: string;
  readonly ready?: boolean;
  readonly restartCount?: number;
  readonly state?: JsonObject & {
    readonly running?: JsonObject;
    readonly waiting?: JsonObject & { readonly reason?: string; readonly message?: string };
    readonly terminated?: JsonObject & { readonly reason?: string; readonly exitCode?: number };
  };
  readonly lastState?: JsonObject & {
    readonly terminated?: JsonObject & { readonly reason?: string; readonly exitCode?: number };
  };
}

export interface ObjectKey {
  readonly namespace: string;
  readonly name: string;
}

export function keyOf(object: { readonly metadata: Metadata }): ObjectKey {
  return { namespace: object.metadata.namespace ?? '', name: object.metadata.name };
}

export function keyText(key: ObjectKey): string {
  return `${key.namespace}/${key.name}`;
}

export function controllerOf(object: KubernetesObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

export function annotationOf(object: KubernetesObject, name: string): string | undefined {
  return object.metadata.annotations?.[name];
}
