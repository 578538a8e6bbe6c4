/**
 * Which nodes hold which shard, the preferred leader first.
 *
 * Leaders are given out in contiguous runs of shards (node 0 the first ones): a client's slot table
 * stays short. Followers go to other hosts first, then to other zones, then to where there is least. What is
 * assigned stays: more copies are added, fewer are taken from where they serve least; the preferred leader
 * changes only where it must. `steps.ts` makes steps of it.
 */
export interface PlanNode {
  readonly name: string;
  /** Undefined until its pod has been scheduled: counts as a host of its own. */
  readonly host?: string | undefined;
  readonly zone?: string | undefined;
}

export interface AssignmentInput {
  readonly shards: number;
  readonly replicationFactor: number;
  /** In the order of their ordinals. */
  readonly nodes: readonly PlanNode[];
  /** What is assigned now, by shard. Nodes that still exist keep what they have. */
  readonly current: ReadonlyMap<number, Current>;
}

export interface Current {
  readonly assignment: readonly string[];
  /** Node of the leader: it keeps its copy, and comes first where the first is no node of the cluster. */
  readonly leader?: string | undefined;
  /** Nodes with a copy in sync. The first to go are those without. */
  readonly inSync?: ReadonlySet<string>;
}

/** Index: shard. Throws RangeError if there are fewer nodes than copies. */
export function planAssignment(input: AssignmentInput): string[][] {
  const { shards, nodes, replicationFactor } = input;
  if (nodes.length < replicationFactor) {
    throw new RangeError(
      `${replicationFactor} copies need as many nodes: there are ${nodes.length}`,
    );
  }
  const plan = Array.from({ length: shards }, (_, shard) => known(input, shard));
  const load = new Load(nodes, plan);
  for (const [shard, replicas] of plan.entries()) {
    while (replicas.length > replicationFactor) {
      load.remove(replicas, surplus(shard, replicas, input, load));
    }
  }
  for (const [shard, replicas] of plan.entries()) {
    if (replicas.length === 0) load.add(replicas, leaderFor(shard, input, load));
  }
  for (const [shard, replicas] of plan.entries()) {
    while (replicas.length < replicationFactor) {
      load.add(replicas, followerFor(shard, replicas, input, load));
    }
  }
  return plan;
}

/** Difference between the most and the fewest shards that nodes lead by their assignment. */
export function unevenness(
  plan: readonly (readonly string[])[],
  nodes: readonly PlanNode[],
): number {
  const leaders = nodes.map(({ name }) => plan.filter(([leader]) => leader === name).length);
  return Math.max(...leaders) - Math.min(...leaders);
}

/** What is assigned of the nodes that there are, and the leader whatever is assigned. */
function known({ nodes, current }: AssignmentInput, shard: number): string[] {
  const { assignment = [], leader } = current.get(shard) ?? {};
  const names = new Set(nodes.map(({ name }) => name));
  const first = assignment[0];
  const lead = leader === undefined ? [] : [leader];
  const order =
    first !== undefined && names.has(first) ? [...assignment, ...lead] : [...lead, ...assignment];
  return [...new Set(order)].filter((name) => names.has(name));
}

/** The copy that is missed least. The preferred leader goes last, before it the leader, if it is in sync. */
function surplus(
  shard: number,
  replicas: readonly string[],
  { nodes, current }: AssignmentInput,
  load: Load,
): PlanNode {
  const { leader, inSync, assignment = [] } = current.get(shard) ?? {};
  const holders = nodes.filter(({ name }) => replicas.includes(name));
  const synced = ({ name }: PlanNode) => name === leader || inSync?.has(name) === true;
  return best(holders, (node) => {
    const others = holders.filter((other) => other !== node);
    const shares = (of: (node: PlanNode) => string | undefined) =>
      others.some((other) => of(node) !== undefined && of(other) === of(node));
    return [
      synced(node) ? 1 : 0,
      node.name === assignment[0] ? 1 : 0,
      node.name === leader ? 1 : 0,
      shares(hostOf) ? 0 : 1,
      shares(({ zone }) => zone) ? 0 : 1,
      -load.replicas(node),
      -replicas.indexOf(node.name),
    ];
  });
}

/** The node whose run the shard falls into, unless that has its share already. */
function leaderFor(shard: number, { shards, nodes }: AssignmentInput, load: Load): PlanNode {
  const share = Math.ceil(shards / nodes.length);
  const own = nodes[Math.floor((shard * nodes.length) / shards)];
  if (own !== undefined && load.leaders(own) < share) return own;
  return best(nodes, (node) => [load.leaders(node), load.replicas(node)]);
}

function followerFor(
  shard: number,
  replicas: readonly string[],
  { nodes }: AssignmentInput,
  load: Load,
): PlanNode {
  const taken = nodes.filter(({ name }) => replicas.includes(name));
  const hosts = new Set(taken.map(hostOf));
  const zones = new Set(taken.map(({ zone }) => zone).filter((zone) => zone !== undefined));
  const others = nodes.filter(({ name }) => !replicas.includes(name));
  return best(others, (node) => [
    hosts.has(hostOf(node)) ? 1 : 0,
    node.zone !== undefined && zones.has(node.zone) ? 1 : 0,
    load.replicas(node),
    // Followers of one leader's shards spread over all others instead of following each other.
    (nodes.indexOf(node) + shard) % nodes.length,
  ]);
}

export function hostOf(node: PlanNode): string {
  return node.host ?? `node ${node.name}`;
}

/** The first of the smallest by rank, compared from left to right. */
function best(nodes: readonly PlanNode[], rank: (node: PlanNode) => readonly number[]): PlanNode {
  const ranked = nodes.map((node) => ({ node, rank: rank(node) }));
  const first = ranked.reduce((left, right) => (compare(right.rank, left.rank) < 0 ? right : left));
  return first.node;
}

function compare(left: readonly number[], right: readonly number[]): number {
  const index = left.findIndex((value, at) => value !== right[at]);
  return index < 0 ? 0 : (left[index] ?? 0) - (right[index] ?? 0);
}

class Load {
  readonly #replicas = new Map<string, number>();
  readonly #leaders = new Map<string, number>();

  constructor(nodes: readonly PlanNode[], plan: readonly (readonly string[])[]) {
    for (const { name } of nodes) {
      this.#replicas.set(name, plan.filter((replicas) => replicas.includes(name)).length);
      this.#leaders.set(name, plan.filter(([leader]) => leader === name).length);
    }
  }

  add(replicas: string[], node: PlanNode): void {
    if (replicas.length === 0) this.#leaders.set(node.name, this.leaders(node) + 1);
    this.#replicas.set(node.name, this.replicas(node) + 1);
    replicas.push(node.name);
  }

  remove(replicas: string[], node: PlanNode): void {
    const index = replicas.indexOf(node.name);
    replicas.splice(index, 1);
    this.#replicas.set(node.name, this.replicas(node) - 1);
    if (index > 0) return;
    this.#leaders.set(node.name, this.leaders(node) - 1);
    const [name] = replicas;
    if (name !== undefined) this.#leaders.set(name, (this.#leaders.get(name) ?? 0) + 1);
  }

  replicas({ name }: PlanNode): number {
    return this.#replicas.get(name) ?? 0;
  }

  leaders({ name }: PlanNode): number {
    return this.#leaders.get(name) ?? 0;
  }
}
