/** Pods as the tests make and hurt them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupRoot, cgroupVersion, findCgroups } from '../cluster/cgroups.ts';
import { hosts } from '../cluster/layout.ts';
import { getJson } from './kubectl.ts';

export interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly nodeName: string;
    readonly serviceAccountName: string;
    readonly containers: readonly {
      readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
    }[];
  };
  readonly status: {
    readonly phase: string;
    readonly podIP: string;
    readonly containerStatuses?: readonly {
      readonly name: string;
      readonly containerID: string;
      readonly restartCount: number;
      readonly ready: boolean;
    }[];
  };
}

/** A pod under the `restricted` standard, with the product's image, running a script of ours. */
export function scriptPod(options: {
  readonly name: string;
  readonly namespace: string;
  readonly image: string;
  readonly script: string;
  readonly node?: string;
}): unknown {
  const { name, namespace, image, script, node } = options;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: name } },
    spec: {
      ...(node === undefined ? {} : { nodeSelector: { 'kubernetes.io/hostname': node } }),
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 23456, // any will do
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [
        {
          name: 'main',
          image,
          imagePullPolicy: 'IfNotPresent',
          command: ['node', '--eval', script],
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
          resources: { limits: { memory: '128Mi' }, requests: { cpu: '10m', memory: '64Mi' } },
        },
      ],
    },
  };
}

export async function getPod(namespace: string, name: string): Promise<Pod> {
  return await getJson<Pod>('pod', '-n', namespace, name);
}

/** The process ID, on this machine, of the first process of a pod's container. */
export function processOf(pod: Pod, container?: string): number {
  const statuses = pod.status.containerStatuses ?? [];
  const status = statuses.find(({ name }) => container === undefined || name === container);
  const id = status?.containerID.replace(/^containerd:\/\//, '');
  const host = hosts.find(({ name }) => name === pod.spec.nodeName);
  if (id === undefined || host === undefined) {
    throw new Error(`pod ${pod.metadata.name} has no container on a host of ours`);
  }
  for (const folder of findCgroups(host.namespace, id)) {
    const ids = readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean);
    if (ids[0] !== undefined) return Math.min(...ids.map(Number));
  }
  const where = `${cgroupRoot} (version ${cgroupVersion()})`;
  throw new Error(`container ${id} of ${pod.metadata.name} has no process below ${where}`);
}

/** Signals the first process of a pod's container, as the kernel or a bug might. */
export function signalPod(pod: Pod, signal: NodeJS.Signals): void {
  process.kill(processOf(pod), signal);
}
