/** What `e2e/main.ts` tells the tests: which cluster, which tools, where reports go. */
import type { Layout } from '../cluster/layout.ts';

export interface TestEnvironment {
  /** `own`: brought up by us, with its faults. `existing`: somebody's, by its kubeconfig. */
  readonly kind: 'own' | 'existing';
  readonly layout: Layout;
  readonly kubeconfig: string;
  readonly kube: string;
  readonly helm: string;
  /** The judge of histories. */
  readonly judge: string;
  /** Name of the product's image as the cluster's hosts have it. */
  readonly image: string;
  /** Changes with what is in it. */
  readonly imageId: string;
  /** Where what the cluster said is put when a test fails. */
  readonly reports: string;
  /** How often a leader is killed. */
  readonly kills: number;
  /** `failover.promiseMilliseconds` of the clusters that faults are tried on. */
  readonly promiseMs: number;
}

/** The variable that holds it, as JSON. */
export const environmentVariable = 'RDB_E2E';

/** Throws Error if the tests were not started by `npm run e2e`. */
export function testEnvironment(): TestEnvironment {
  const text = process.env[environmentVariable];
  if (text === undefined) throw new Error('these tests are run by: npm run e2e');
  return JSON.parse(text) as TestEnvironment;
}

/** For tests that stop, cut or look into what only our own cluster has. */
export function ownCluster(): Layout {
  const environment = testEnvironment();
  if (environment.kind !== 'own') throw new Error('this test is for our own cluster only');
  return environment.layout;
}
